//! How operations stand in the log.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use veraft::figure2::Command;

use crate::operation::{Condition, Operation};

/// An entry of the log, in postcard: the first byte is the number of the variant. New variants go
/// to the end, and none is ever changed: the logs of every version are read by every later one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stored<'a> {
    /// The first five are what was written before there were stamps. To them, keys do not expire.
    Get {
        key: Vec<u8>,
    },
    Set {
        key: Vec<u8>,
        value: Vec<u8>,
        condition: Condition,
    },
    Del {
        keys: Vec<Vec<u8>>,
    },
    Incr {
        key: Vec<u8>,
    },
    Cas {
        key: Vec<u8>,
        expected: Vec<u8>,
        new: Vec<u8>,
    },
    /// An operation, and the time of the log at which it was proposed, in milliseconds.
    Stamped {
        stamp: u64,
        operation: Cow<'a, Operation>,
    },
}

/// The form in which an operation is replicated.
pub fn to_command(operation: &Operation, stamp: u64) -> Command {
    let stored = Stored::Stamped { stamp, operation: Cow::Borrowed(operation) };
    let bytes = postcard::to_allocvec(&stored);
    Command::from(bytes.expect("writing plain data to memory cannot fail"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Expiry, Only, Unit};

    /// Bytes that versions of this program have written. What is here never changes.
    #[test]
    fn every_form_that_was_ever_written_is_still_read() {
        let (a, b, c) = (|| b"a".to_vec(), || b"b".to_vec(), || b"c".to_vec());
        let at = |operation| Stored::Stamped { stamp: 300, operation: Cow::Owned(operation) };
        let set = |condition| Stored::Set { key: a(), value: b(), condition };
        let stamped_set = |expiry, get| {
            at(Operation::Set { key: a(), value: b(), condition: Condition::Absent, expiry, get })
        };
        let only = Only { lasting: true, expiring: false, later: true, earlier: false };
        let forms: &[(&[u8], Stored<'_>)] = &[
            (b"\x00\x01a", Stored::Get { key: a() }),
            (b"\x01\x01a\x01b\x00", set(Condition::Always)),
            (b"\x01\x01a\x01b\x01", set(Condition::Absent)),
            (b"\x01\x01a\x01b\x02", set(Condition::Present)),
            (b"\x02\x02\x01a\x01b", Stored::Del { keys: vec![a(), b()] }),
            (b"\x03\x01a", Stored::Incr { key: a() }),
            (b"\x04\x01a\x01b\x01c", Stored::Cas { key: a(), expected: b(), new: c() }),
            (b"\x05\xac\x02\x00", at(Operation::Tick)),
            (b"\x05\xac\x02\x01\x01a", at(Operation::Get { key: a() })),
            (b"\x05\xac\x02\x02\x01a\x01b\x01\x00\x00", stamped_set(Expiry::Never, false)),
            (b"\x05\xac\x02\x02\x01a\x01b\x01\x01\x01", stamped_set(Expiry::Keep, true)),
            (
                b"\x05\xac\x02\x02\x01a\x01b\x01\x02\x07\x00",
                stamped_set(Expiry::After { milliseconds: 7 }, false),
            ),
            (b"\x05\xac\x02\x03\x01a\x01b", at(Operation::SetAbsent { key: a(), value: b() })),
            (b"\x05\xac\x02\x04\x01\x01a", at(Operation::Del { keys: vec![a()] })),
            (b"\x05\xac\x02\x05\x01\x01a", at(Operation::Exists { keys: vec![a()] })),
            (b"\x05\xac\x02\x06\x01a\x03", at(Operation::Add { key: a(), amount: -2 })),
            (
                b"\x05\xac\x02\x07\x01a\x01b\x01c",
                at(Operation::Cas { key: a(), expected: b(), new: c() }),
            ),
            (b"\x05\xac\x02\x08\x01\x01a", at(Operation::GetMany { keys: vec![a()] })),
            (b"\x05\xac\x02\x09\x01\x01a\x01b", at(Operation::SetMany { pairs: vec![(a(), b())] })),
            (b"\x05\xac\x02\x0a\x01a", at(Operation::GetDel { key: a() })),
            (b"\x05\xac\x02\x0b\x01a\x01b", at(Operation::Append { key: a(), value: b() })),
            (b"\x05\xac\x02\x0c\x01a", at(Operation::Length { key: a() })),
            (b"\x05\xac\x02\x0d\x01a", at(Operation::Type { key: a() })),
            (b"\x05\xac\x02\x0e", at(Operation::Size)),
            (
                b"\x05\xac\x02\x0f\x01a\x03\x01\x00\x01\x00",
                at(Operation::Expire { key: a(), milliseconds: -2, only }),
            ),
            (
                b"\x05\xac\x02\x10\x01a\x00",
                at(Operation::TimeLeft { key: a(), unit: Unit::Seconds }),
            ),
            (b"\x05\xac\x02\x11\x01a", at(Operation::Persist { key: a() })),
        ];
        for (bytes, stored) in forms {
            assert_eq!(&postcard::from_bytes::<Stored<'_>>(bytes).unwrap(), stored);
            // What this version writes, it writes as it was.
            assert_eq!(&postcard::to_allocvec(stored).unwrap(), bytes, "{stored:?}");
        }
    }
}
