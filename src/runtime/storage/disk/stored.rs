//! The forms of records in a batch, one behind the other, in postcard: they change with the
//! layout and not with the core's types.

use crate::runtime::std;

use std::format;
use std::mem;
use std::string::String;
use std::vec::Vec;

use serde::{Deserialize, Serialize, Serializer};

use crate::figure2::{Base, Entries, Entry, Index, Payload, ServerId, Term};

/// A record as it is read. The place of a variant is its number in the file: add at the end only.
/// [`Written`] has the same.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) enum Stored<'a> {
    /// What all batches before this one say, but for entries: where the log begins, and its last
    /// index. The ballot and the notes follow.
    Checkpoint {
        base: StoredBase,
        last_index: Index,
    },
    Ballot {
        current_term: Term,
        voted_for: Option<u64>,
    },
    Truncate {
        last_index: Index,
    },
    #[serde(borrow)]
    Append(Vec<StoredEntry<'a>>),
    /// Whether the log held the base's own entry, so that what follows it stays.
    Base {
        base: StoredBase,
        is_held: bool,
    },
    /// An empty one is none.
    Note {
        name: &'a str,
        value: &'a [u8],
    },
    /// The store was closed in order.
    Closed,
}

/// A record as it is written.
#[derive(Clone, Copy, Serialize)]
pub(super) enum Written<'a> {
    Checkpoint {
        base: StoredBase,
        last_index: Index,
    },
    Ballot {
        current_term: Term,
        voted_for: Option<u64>,
    },
    Truncate {
        last_index: Index,
    },
    Append(#[serde(serialize_with = "each")] &'a Entries),
    Base {
        base: StoredBase,
        is_held: bool,
    },
    Note {
        name: &'a str,
        #[serde(serialize_with = "as_bytes")]
        value: &'a [u8],
    },
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredBase {
    last_index: Index,
    last_term: Term,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredEntry<'a> {
    pub(super) term: Term,
    #[serde(borrow)]
    payload: StoredPayload<'a>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum StoredPayload<'a> {
    Command(#[serde(serialize_with = "as_bytes")] &'a [u8]),
    Blank,
}

/// As a whole, rather than byte by byte; the result is the same.
fn as_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

fn each<S: Serializer>(entries: &Entries, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(entries.iter().map(StoredEntry::from))
}

impl From<Base> for StoredBase {
    fn from(base: Base) -> Self {
        let Base { last_index, last_term } = base;
        StoredBase { last_index, last_term }
    }
}

impl From<StoredBase> for Base {
    fn from(stored: StoredBase) -> Self {
        let StoredBase { last_index, last_term } = stored;
        Base { last_index, last_term }
    }
}

impl<'a> From<&'a Entry> for StoredEntry<'a> {
    fn from(entry: &'a Entry) -> Self {
        let payload = match &entry.payload {
            Payload::Command(command) => StoredPayload::Command(command.as_bytes()),
            Payload::Blank => StoredPayload::Blank,
        };
        StoredEntry { term: entry.term, payload }
    }
}

impl From<StoredEntry<'_>> for Entry {
    fn from(stored: StoredEntry<'_>) -> Self {
        let payload = match stored.payload {
            StoredPayload::Command(bytes) => Payload::Command(bytes.into()),
            StoredPayload::Blank => Payload::Blank,
        };
        Entry { term: stored.term, payload }
    }
}

pub(super) fn ballot((current_term, voted_for): (Term, Option<ServerId>)) -> Written<'static> {
    Written::Ballot { current_term, voted_for: voted_for.map(|server| server.0) }
}

/// Adds a record.
pub(super) fn write(record: Written<'_>, into: &mut Vec<u8>) {
    let written = postcard::to_extend(&record, mem::take(into));
    *into = written.expect("writing these types to memory cannot fail");
}

/// The first of these records, and the bytes behind it.
pub(super) fn read(bytes: &[u8]) -> Result<(Stored<'_>, &[u8]), String> {
    postcard::take_from_bytes(bytes).map_err(|error| format!("no record is there: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn bytes(record: Written<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(record, &mut bytes);
        bytes
    }

    /// The bytes of layout 4. A change here is a new layout.
    #[test]
    fn the_bytes_are_those_of_layout_4() {
        let command = |term, text: &str| Entry::command(term, text.as_bytes());
        let blank = Entry { term: 300, payload: Payload::Blank };
        let entries: Entries = [command(1, ""), command(300, "ab"), blank].into_iter().collect();
        let base = StoredBase { last_index: 300, last_term: 7 };
        let append = [3, 3, 1, 0, 0, 0xac, 0x02, 0, 2, b'a', b'b', 0xac, 0x02, 1];
        let forms: [(Written, &[u8]); 9] = [
            (Written::Checkpoint { base, last_index: 301 }, &[0, 0xac, 0x02, 7, 0xad, 0x02]),
            (ballot((5, None)), &[1, 5, 0]),
            (ballot((5, Some(ServerId(9)))), &[1, 5, 1, 9]),
            (Written::Truncate { last_index: 6 }, &[2, 6]),
            (Written::Append(&entries), &append),
            (Written::Base { base, is_held: false }, &[4, 0xac, 0x02, 7, 0]),
            (Written::Base { base, is_held: true }, &[4, 0xac, 0x02, 7, 1]),
            (Written::Note { name: "who", value: b"I" }, &[5, 3, b'w', b'h', b'o', 1, b'I']),
            (Written::Closed, &[6]),
        ];
        for (record, form) in forms {
            assert_eq!(bytes(record), form);
            let (_, rest) = read(form).unwrap();
            assert!(rest.is_empty());
            assert!(read(&form[..form.len() - 1]).is_err(), "{form:?} without its end");
        }
    }

    #[test]
    fn entries_come_back() {
        let entries = vec![Entry::command(1, &b"some text"[..]), Entry::command(7, &b""[..])];
        let bytes = bytes(Written::Append(&entries.iter().cloned().collect()));
        let Ok((Stored::Append(found), [])) = read(&bytes) else { panic!("lost") };
        assert_eq!(found.into_iter().map(Entry::from).collect::<Vec<_>>(), entries);
    }
}
