//! The replicated state: a map from keys to values, and what each operation does to it.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use veraft::figure2::{Command, Index};
use veraft::runtime::{Image, StateMachine};

use crate::clock::Clock;
use crate::entry::Stored;
use crate::image;
use crate::keyspace::Keyspace;
use crate::operation::{Answer, Condition, Expiry, MAX_ANSWER, MAX_VALUE, Only, Operation, Unit};

const NOT_A_NUMBER: Answer = error("ERR value is not an integer or out of range");
const OVERFLOW: Answer = error("ERR increment or decrement would overflow");
const TOO_LONG: Answer = error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");

const fn error(text: &'static str) -> Answer {
    Answer::Error(std::borrow::Cow::Borrowed(text))
}

/// The map.
pub struct Map {
    keys: Keyspace,
    clock: Arc<Clock>,
}

impl StateMachine for Map {
    type Response = Answer;

    /// # Panics
    /// When the log holds an operation of a later version: to skip it would leave this node
    /// with another map than the others. The node stops.
    fn apply(&mut self, index: Index, command: &Command) -> Answer {
        let stored = match postcard::from_bytes(command.as_bytes()) {
            Ok(stored) => stored,
            Err(error) => panic!(
                "entry {index} is no operation that this version knows ({error}): install the \
                 version that wrote it"
            ),
        };
        match stored {
            Stored::Get { key } => self.execute(Operation::Get { key }),
            Stored::Set { key, value, condition } => {
                let expiry = Expiry::Never;
                self.execute(Operation::Set { key, value, condition, expiry, get: false })
            }
            Stored::Del { keys } => self.execute(Operation::Del { keys }),
            // It took more for a number than Redis does, and so it must for ever.
            Stored::Incr { key } => self.add(&key, 1, |text| text.parse().ok()),
            Stored::Cas { key, expected, new } => {
                self.execute(Operation::Cas { key, expected, new })
            }
            Stored::Stamped { stamp, operation } => {
                self.keys.advance(stamp);
                let answer = self.execute(operation.into_owned());
                self.clock.applied(stamp, self.keys.expiring(), Instant::now());
                answer
            }
        }
    }

    fn capture(&mut self) -> Option<Box<dyn Image>> {
        Some(Box::new(self.keys.fix()))
    }

    fn digest(&self) -> Option<u64> {
        Some(self.keys.digest())
    }

    fn restore(&mut self, image: &mut dyn Read) -> io::Result<()> {
        self.keys = image::read(image)?;
        // Time goes on from that of the image.
        self.clock.applied(self.keys.time(), self.keys.expiring(), Instant::now());
        Ok(())
    }
}

impl Map {
    /// An empty map; the clock is told what is applied.
    pub fn new(clock: Arc<Clock>) -> Map {
        Map { keys: Keyspace::default(), clock }
    }

    fn execute(&mut self, operation: Operation) -> Answer {
        match operation {
            Operation::Tick => Answer::Ok,
            Operation::Get { key } => self.get(&key),
            Operation::Set { key, value, condition, expiry, get } => {
                self.set(key, value, condition, expiry, get)
            }
            Operation::SetAbsent { key, value } => {
                let absent = self.keys.get(&key).is_none();
                if absent {
                    self.keys.insert(key, value.into(), None);
                }
                Answer::Integer(absent.into())
            }
            Operation::Del { keys } => {
                count(keys.iter().filter(|key| self.keys.remove(key).is_some()))
            }
            Operation::Exists { keys } => {
                count(keys.iter().filter(|key| self.keys.get(key).is_some()))
            }
            Operation::Add { key, amount } => self.add(&key, amount, number),
            Operation::Cas { key, expected, new } => {
                let holds = self.keys.get(&key).is_some_and(|value| **value == *expected);
                if holds {
                    self.keys.replace(&key, new.into());
                }
                Answer::Integer(holds.into())
            }
            Operation::GetMany { keys } => self.get_many(&keys),
            Operation::SetMany { pairs } => {
                for (key, value) in pairs {
                    self.keys.insert(key, value.into(), None);
                }
                Answer::Ok
            }
            Operation::GetDel { key } => match self.keys.remove(&key) {
                Some(value) => Answer::Value(value),
                None => Answer::Nothing,
            },
            Operation::Append { key, value } => self.append(&key, &value),
            Operation::Length { key } => {
                Answer::Integer(self.keys.get(&key).map_or(0, |value| value.len() as i64))
            }
            Operation::Type { key } => Answer::Word(match self.keys.get(&key) {
                Some(_) => "string",
                None => "none",
            }),
            Operation::Size => Answer::Integer(self.keys.len() as i64),
            Operation::Expire { key, milliseconds, only } => self.expire(&key, milliseconds, only),
            Operation::TimeLeft { key, unit } => self.time_left(&key, unit),
            Operation::Persist { key } => {
                let expires = self.keys.deadline(&key).is_some();
                if expires {
                    self.keys.expire_at(&key, None);
                }
                Answer::Integer(expires.into())
            }
        }
    }

    fn get(&self, key: &[u8]) -> Answer {
        match self.keys.get(key) {
            Some(value) => Answer::Value(value.clone()),
            None => Answer::Nothing,
        }
    }

    fn set(
        &mut self,
        key: Vec<u8>,
        value: Vec<u8>,
        condition: Condition,
        expiry: Expiry,
        get: bool,
    ) -> Answer {
        let before = self.keys.get(&key).cloned();
        let writes = match condition {
            Condition::Always => true,
            Condition::Absent => before.is_none(),
            Condition::Present => before.is_some(),
        };
        if writes {
            let deadline = match expiry {
                Expiry::Never => None,
                Expiry::Keep => self.keys.deadline(&key),
                Expiry::After { milliseconds } => {
                    Some(self.keys.time().saturating_add(milliseconds))
                }
            };
            self.keys.insert(key, value.into(), deadline);
        }
        match (get, before) {
            (true, Some(before)) => Answer::Value(before),
            (true, None) => Answer::Nothing,
            (false, _) if writes => Answer::Ok,
            (false, _) => Answer::Nothing,
        }
    }

    fn get_many(&self, keys: &[Vec<u8>]) -> Answer {
        let values = keys.iter().map(|key| self.keys.get(key).cloned());
        let values: Vec<Option<Arc<[u8]>>> = values.collect();
        let bytes: usize = values.iter().flatten().map(|value| value.len()).sum();
        if bytes > MAX_ANSWER {
            return Answer::Error(
                format!(
                    "ERR the values have {bytes} bytes, where an answer has at most {MAX_ANSWER}: \
                     ask for fewer keys at once"
                )
                .into(),
            );
        }
        Answer::Values(values)
    }

    fn append(&mut self, key: &[u8], value: &[u8]) -> Answer {
        let before = self.keys.get(key).map_or(&[][..], |value| value);
        if before.len() + value.len() > MAX_VALUE {
            return TOO_LONG;
        }
        let whole = [before, value].concat();
        let length = whole.len();
        self.keys.replace(key, whole.into());
        Answer::Integer(length as i64)
    }

    fn add(&mut self, key: &[u8], amount: i64, number: fn(&str) -> Option<i64>) -> Answer {
        let before = match self.keys.get(key) {
            None => Some(0),
            Some(value) => std::str::from_utf8(value).ok().and_then(number),
        };
        let Some(before) = before else { return NOT_A_NUMBER };
        let Some(next) = before.checked_add(amount) else { return OVERFLOW };
        self.keys.replace(key, next.to_string().into_bytes().into());
        Answer::Integer(next)
    }

    fn expire(&mut self, key: &[u8], milliseconds: i64, only: Only) -> Answer {
        if self.keys.get(key).is_none() {
            return Answer::Integer(0);
        }
        let Only { lasting, expiring, later, earlier } = only;
        let now = self.keys.time();
        let new = now.saturating_add_signed(milliseconds);
        // What does not expire does so later than all that does.
        let old = self.keys.deadline(key);
        let concerned = (!lasting || old.is_none())
            && (!expiring || old.is_some())
            && (!later || old.is_some_and(|old| new > old))
            && (!earlier || old.is_none_or(|old| new < old));
        if !concerned {
            return Answer::Integer(0);
        }
        if milliseconds <= 0 {
            self.keys.remove(key);
        } else {
            self.keys.expire_at(key, Some(new));
        }
        Answer::Integer(1)
    }

    fn time_left(&self, key: &[u8], unit: Unit) -> Answer {
        if self.keys.get(key).is_none() {
            return Answer::Integer(-2);
        }
        let Some(deadline) = self.keys.deadline(key) else { return Answer::Integer(-1) };
        let left = deadline - self.keys.time();
        let left = match unit {
            Unit::Milliseconds => left,
            Unit::Seconds => left.saturating_add(500) / 1000,
        };
        Answer::Integer(i64::try_from(left).unwrap_or(i64::MAX))
    }
}

fn count(found: impl Iterator) -> Answer {
    Answer::Integer(found.count() as i64)
}

/// A number as Redis takes it: what it would itself write.
pub fn number(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
