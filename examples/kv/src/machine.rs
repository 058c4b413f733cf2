//! The replicated state: a map from keys to values, and the operations on it.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use veraft::figure2::{Command, Index};
use veraft::runtime::StateMachine;

/// What clients ask of the map. Stored in the logs of the nodes in postcard: new operations go
/// to the end, and none is ever changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Reads a key. Goes through the log like a write, and so sees every write that was
    /// answered before it began.
    Get { key: Vec<u8> },
    /// Writes a key, if the condition holds.
    Set { key: Vec<u8>, value: Vec<u8>, condition: Condition },
    /// Removes keys.
    Del { keys: Vec<Vec<u8>> },
    /// Adds one to the number at a key; an absent key counts as 0.
    Incr { key: Vec<u8> },
    /// Writes a key that holds `expected`.
    Cas { key: Vec<u8>, expected: Vec<u8>, new: Vec<u8> },
}

/// When a `Set` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    Always,
    /// The key is absent (`NX`).
    Absent,
    /// The key is there (`XX`).
    Present,
}

/// What an operation gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Ok,
    /// No such key, or a condition that did not hold.
    Nothing,
    Value(Arc<[u8]>),
    Integer(i64),
    /// The operation does not fit the value; nothing was changed.
    Error(&'static str),
}

impl Operation {
    /// Whether the operation leaves the map as it is.
    pub fn only_reads(&self) -> bool {
        matches!(self, Operation::Get { .. })
    }

    /// The form in which the operation is replicated.
    pub fn to_command(&self) -> Command {
        let bytes = postcard::to_allocvec(self);
        Command::from(bytes.expect("writing plain data to memory cannot fail"))
    }
}

/// The map.
#[derive(Default)]
pub struct Map {
    values: HashMap<Vec<u8>, Arc<[u8]>>,
}

impl StateMachine for Map {
    type Response = Answer;

    /// # Panics
    /// When the log holds an operation of a later version: to skip it would leave this node
    /// with another map than the others. The node stops.
    fn apply(&mut self, index: Index, command: &Command) -> Answer {
        match postcard::from_bytes(command.as_bytes()) {
            Ok(operation) => self.execute(operation),
            Err(error) => panic!(
                "entry {index} is no operation that this version knows ({error}): install the \
                 version that wrote it"
            ),
        }
    }
}

impl Map {
    fn execute(&mut self, operation: Operation) -> Answer {
        match operation {
            Operation::Get { key } => match self.values.get(&key) {
                Some(value) => Answer::Value(value.clone()),
                None => Answer::Nothing,
            },
            Operation::Set { key, value, condition } => {
                let writes = match condition {
                    Condition::Always => true,
                    Condition::Absent => !self.values.contains_key(&key),
                    Condition::Present => self.values.contains_key(&key),
                };
                if !writes {
                    return Answer::Nothing;
                }
                self.values.insert(key, value.into());
                Answer::Ok
            }
            Operation::Del { keys } => {
                let removed = keys.iter().filter(|key| self.values.remove(*key).is_some()).count();
                Answer::Integer(removed as i64)
            }
            Operation::Incr { key } => self.increment(key),
            Operation::Cas { key, expected, new } => {
                let holds = self.values.get(&key).is_some_and(|value| **value == *expected);
                if holds {
                    self.values.insert(key, new.into());
                }
                Answer::Integer(holds.into())
            }
        }
    }

    fn increment(&mut self, key: Vec<u8>) -> Answer {
        let number = match self.values.get(&key) {
            None => Some(0),
            Some(value) => std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()),
        };
        let Some(number): Option<i64> = number else {
            return Answer::Error("ERR value is not an integer or out of range");
        };
        let Some(next) = number.checked_add(1) else {
            return Answer::Error("ERR increment or decrement would overflow");
        };
        self.values.insert(key, next.to_string().into_bytes().into());
        Answer::Integer(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(key: &str, value: &str, condition: Condition) -> Operation {
        Operation::Set { key: key.into(), value: value.into(), condition }
    }

    fn value(text: &str) -> Answer {
        Answer::Value(text.as_bytes().into())
    }

    /// Applies through the replicated form.
    fn run(map: &mut Map, operation: Operation) -> Answer {
        map.apply(1, &operation.to_command())
    }

    #[test]
    fn what_was_set_is_read_until_it_is_deleted() {
        let mut map = Map::default();
        let get = || Operation::Get { key: "a".into() };
        assert_eq!(run(&mut map, get()), Answer::Nothing);
        assert_eq!(run(&mut map, set("a", "1", Condition::Always)), Answer::Ok);
        assert_eq!(run(&mut map, get()), value("1"));
        let keys = vec!["a".into(), "b".into(), "a".into()];
        assert_eq!(run(&mut map, Operation::Del { keys }), Answer::Integer(1));
        assert_eq!(run(&mut map, get()), Answer::Nothing);
    }

    #[test]
    fn conditions_decide_whether_a_set_writes() {
        let mut map = Map::default();
        assert_eq!(run(&mut map, set("a", "1", Condition::Present)), Answer::Nothing);
        assert_eq!(run(&mut map, set("a", "2", Condition::Absent)), Answer::Ok);
        assert_eq!(run(&mut map, set("a", "3", Condition::Absent)), Answer::Nothing);
        assert_eq!(run(&mut map, Operation::Get { key: "a".into() }), value("2"));
        assert_eq!(run(&mut map, set("a", "4", Condition::Present)), Answer::Ok);
        assert_eq!(run(&mut map, Operation::Get { key: "a".into() }), value("4"));
    }

    #[test]
    fn numbers_count_up_to_the_greatest_and_nothing_else_does() {
        let mut map = Map::default();
        let incr = || Operation::Incr { key: "n".into() };
        assert_eq!(run(&mut map, incr()), Answer::Integer(1));
        assert_eq!(run(&mut map, incr()), Answer::Integer(2));
        for refused in ["x", "", "1.5", "9223372036854775807", "9223372036854775808"] {
            run(&mut map, set("n", refused, Condition::Always));
            assert!(matches!(run(&mut map, incr()), Answer::Error(_)), "{refused}");
            assert_eq!(run(&mut map, Operation::Get { key: "n".into() }), value(refused));
        }
    }

    #[test]
    fn compare_and_swap_writes_only_over_what_was_expected() {
        let mut map = Map::default();
        let cas = |expected: &str, new: &str| Operation::Cas {
            key: "a".into(),
            expected: expected.into(),
            new: new.into(),
        };
        assert_eq!(run(&mut map, cas("", "1")), Answer::Integer(0));
        run(&mut map, set("a", "1", Condition::Always));
        assert_eq!(run(&mut map, cas("2", "3")), Answer::Integer(0));
        assert_eq!(run(&mut map, cas("1", "3")), Answer::Integer(1));
        assert_eq!(run(&mut map, Operation::Get { key: "a".into() }), value("3"));
    }

    #[test]
    #[should_panic(expected = "no operation that this version knows")]
    fn an_operation_of_a_later_version_is_not_skipped() {
        Map::default().apply(9, &Command::from(&[77u8][..]));
    }
}
