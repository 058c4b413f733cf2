//! What clients ask of the map, and what it answers.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest value, in bytes. What it bounds is decided when an operation is applied, so it
/// must be the same on every node, and must not change.
pub const MAX_VALUE: usize = 1024 * 1024;

/// The most that one `GetMany` may answer, in bytes; see [`MAX_VALUE`].
pub const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// An operation on the map. Stored in the logs of the nodes in postcard, inside
/// [`Stored`](crate::entry::Stored): new ones go to the end, and none is ever changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Nothing but the stamp: time goes on.
    Tick,
    /// Reads a key. Goes through the log like a write, and so sees every write that was
    /// answered before it began.
    Get { key: Vec<u8> },
    /// Writes a key, if the condition holds.
    Set { key: Vec<u8>, value: Vec<u8>, condition: Condition, expiry: Expiry, get: bool },
    /// Writes a key that is absent, and answers whether it did.
    SetAbsent { key: Vec<u8>, value: Vec<u8> },
    /// Removes keys.
    Del { keys: Vec<Vec<u8>> },
    /// Counts keys that are there; one that is named twice counts twice.
    Exists { keys: Vec<Vec<u8>> },
    /// Adds to the number at a key; an absent key counts as 0.
    Add { key: Vec<u8>, amount: i64 },
    /// Writes a key that holds `expected`. When it expires stays as it was.
    Cas { key: Vec<u8>, expected: Vec<u8>, new: Vec<u8> },
    /// Reads keys at one moment.
    GetMany { keys: Vec<Vec<u8>> },
    /// Writes keys at one moment; they do not expire.
    SetMany { pairs: Vec<(Vec<u8>, Vec<u8>)> },
    /// Reads a key and removes it.
    GetDel { key: Vec<u8> },
    /// Adds to the end of a value; an absent key counts as empty.
    Append { key: Vec<u8>, value: Vec<u8> },
    /// The length of a value.
    Length { key: Vec<u8> },
    /// What a key holds.
    Type { key: Vec<u8> },
    /// How many keys there are.
    Size,
    /// Lets a key expire, in milliseconds from now; at once if that is not in the future.
    Expire { key: Vec<u8>, milliseconds: i64, only: Only },
    /// How long until a key expires.
    TimeLeft { key: Vec<u8>, unit: Unit },
    /// Lets a key expire no more.
    Persist { key: Vec<u8> },
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

/// When what a `Set` wrote expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiry {
    Never,
    /// As what was there before (`KEEPTTL`).
    Keep,
    After {
        milliseconds: u64,
    },
}

/// Which keys an `Expire` concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Only {
    /// Those that do not expire (`NX`).
    pub lasting: bool,
    /// Those that do (`XX`).
    pub expiring: bool,
    /// Those that would have expired earlier (`GT`).
    pub later: bool,
    /// Those that would have expired later, or not at all (`LT`).
    pub earlier: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    Seconds,
    Milliseconds,
}

/// What an operation gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Ok,
    /// No such key, or a condition that did not hold.
    Nothing,
    Value(Arc<[u8]>),
    Values(Vec<Option<Arc<[u8]>>>),
    Integer(i64),
    /// A word, such as the name of a type.
    Word(&'static str),
    /// The operation does not fit the value; nothing was changed.
    Error(Cow<'static, str>),
}

impl Operation {
    /// Whether the operation leaves the map as it is.
    pub fn only_reads(&self) -> bool {
        match self {
            Operation::Tick
            | Operation::Get { .. }
            | Operation::Exists { .. }
            | Operation::GetMany { .. }
            | Operation::Length { .. }
            | Operation::Type { .. }
            | Operation::Size
            | Operation::TimeLeft { .. } => true,
            Operation::Set { .. }
            | Operation::SetAbsent { .. }
            | Operation::Del { .. }
            | Operation::Add { .. }
            | Operation::Cas { .. }
            | Operation::SetMany { .. }
            | Operation::GetDel { .. }
            | Operation::Append { .. }
            | Operation::Expire { .. }
            | Operation::Persist { .. } => false,
        }
    }

    /// Whether the operation is executed on a disk that is full, too: it is small, and reads, or
    /// makes the map smaller.
    pub fn is_worth_room(&self) -> bool {
        const SMALL: usize = 4 * 1024;
        let removes = matches!(self, Operation::Del { .. } | Operation::GetDel { .. });
        (removes || self.only_reads()) && self.bytes() <= SMALL
    }

    /// How many values the answer may hold.
    pub fn values(&self) -> usize {
        match self {
            Operation::Get { .. } | Operation::GetDel { .. } => 1,
            Operation::Set { get, .. } => (*get).into(),
            Operation::GetMany { keys } => keys.len(),
            Operation::Tick
            | Operation::SetAbsent { .. }
            | Operation::Del { .. }
            | Operation::Exists { .. }
            | Operation::Add { .. }
            | Operation::Cas { .. }
            | Operation::SetMany { .. }
            | Operation::Append { .. }
            | Operation::Length { .. }
            | Operation::Type { .. }
            | Operation::Size
            | Operation::Expire { .. }
            | Operation::TimeLeft { .. }
            | Operation::Persist { .. } => 0,
        }
    }

    /// How many bytes of keys and values it has.
    pub fn bytes(&self) -> usize {
        match self {
            Operation::Tick | Operation::Size => 0,
            Operation::Get { key }
            | Operation::Add { key, .. }
            | Operation::GetDel { key }
            | Operation::Length { key }
            | Operation::Type { key }
            | Operation::Expire { key, .. }
            | Operation::TimeLeft { key, .. }
            | Operation::Persist { key } => key.len(),
            Operation::Set { key, value, .. }
            | Operation::SetAbsent { key, value }
            | Operation::Append { key, value } => key.len() + value.len(),
            Operation::Del { keys } | Operation::Exists { keys } | Operation::GetMany { keys } => {
                keys.iter().map(Vec::len).sum()
            }
            Operation::Cas { key, expected, new } => key.len() + expected.len() + new.len(),
            Operation::SetMany { pairs } => {
                pairs.iter().map(|(key, value)| key.len() + value.len()).sum()
            }
        }
    }
}
