//! The forms of ballots and entries in the file, in postcard: they change with the layout and
//! not with the core's types.

use crate::runtime::std;

use std::vec::Vec;

use serde::{Deserialize, Serialize, Serializer};

use super::trouble::Trouble;
use crate::figure2::{Base, Entry, Index, Payload, ServerId, Term};

/// The same in all layouts.
#[derive(Serialize, Deserialize)]
struct StoredBallot {
    current_term: Term,
    voted_for: Option<u64>,
}

/// Since layout 3.
#[derive(Serialize, Deserialize)]
struct StoredBase {
    last_index: Index,
    last_term: Term,
}

/// An entry since layout 2.
#[derive(Serialize, Deserialize)]
struct StoredEntry<'a> {
    term: Term,
    #[serde(borrow)]
    payload: StoredPayload<'a>,
}

/// The place of a variant is its number in the file: add at the end only.
#[derive(Serialize, Deserialize)]
enum StoredPayload<'a> {
    Command(#[serde(serialize_with = "as_bytes")] &'a [u8]),
    Blank,
}

/// An entry of layout 1, which knew commands only.
#[derive(Deserialize)]
struct StoredEntry1<'a> {
    term: Term,
    command: &'a [u8],
}

/// As a whole, rather than byte by byte; the result is the same.
fn as_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
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

impl<'a> From<StoredEntry1<'a>> for StoredEntry<'a> {
    fn from(stored: StoredEntry1<'a>) -> Self {
        StoredEntry { term: stored.term, payload: StoredPayload::Command(stored.command) }
    }
}

pub(super) fn ballot(current_term: Term, voted_for: Option<ServerId>) -> Vec<u8> {
    encode(&StoredBallot { current_term, voted_for: voted_for.map(|server| server.0) })
}

pub(super) fn read_ballot(bytes: &[u8]) -> Result<(Term, Option<ServerId>), Trouble> {
    let ballot: StoredBallot = decode(bytes).map_err(|what| Trouble::record("the ballot", what))?;
    Ok((ballot.current_term, ballot.voted_for.map(ServerId)))
}

pub(super) fn base(base: Base) -> Vec<u8> {
    let Base { last_index, last_term } = base;
    encode(&StoredBase { last_index, last_term })
}

pub(super) fn read_base(bytes: &[u8]) -> Result<Base, Trouble> {
    let StoredBase { last_index, last_term } =
        decode(bytes).map_err(|what| Trouble::record("the base", what))?;
    Ok(Base { last_index, last_term })
}

/// Consecutive entries.
pub(super) fn run(entries: &[&Entry]) -> Vec<u8> {
    let run: Vec<StoredEntry> = entries.iter().map(|&entry| entry.into()).collect();
    encode(&run)
}

/// The entries of the run that begins at `first`.
pub(super) fn read_run(first: Index, bytes: &[u8]) -> Result<Vec<Entry>, Trouble> {
    let run: Vec<StoredEntry> = decode_run(first, bytes)?;
    Ok(run.into_iter().map(Entry::from).collect())
}

/// The first `count` entries of the run that begins at `first`.
pub(super) fn cut_run(first: Index, bytes: &[u8], count: usize) -> Result<Vec<u8>, Trouble> {
    let mut run: Vec<StoredEntry> = decode_run(first, bytes)?;
    run.truncate(count);
    Ok(encode(&run))
}

/// The term of the entry at `index`, if it is in the run that begins at `first`.
pub(super) fn term_in_run(
    first: Index,
    bytes: &[u8],
    index: Index,
) -> Result<Option<Term>, Trouble> {
    let run: Vec<StoredEntry> = decode_run(first, bytes)?;
    let place = index.checked_sub(first).and_then(|place| usize::try_from(place).ok());
    Ok(place.and_then(|place| run.get(place)).map(|entry| entry.term))
}

/// The entries of a run of layout 1.
pub(super) fn read_run_1(first: Index, bytes: &[u8]) -> Result<Vec<Entry>, Trouble> {
    let run: Vec<StoredEntry1> = decode_run(first, bytes)?;
    Ok(run.into_iter().map(|stored| StoredEntry::from(stored).into()).collect())
}

fn decode_run<'a, T: Deserialize<'a>>(first: Index, bytes: &'a [u8]) -> Result<Vec<T>, Trouble> {
    let position = || std::format!("the entries from {first} on");
    decode(bytes).map_err(|what| Trouble::record(position(), what))
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("writing these types to memory cannot fail")
}

/// All of `bytes`, or what is wrong with them.
fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, std::string::String> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(std::format!("{} bytes too many", rest.len())),
        Err(error) => Err(std::format!("{error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn entry(term: Term, command: &str) -> Entry {
        Entry::command(term, command.as_bytes())
    }

    /// The bytes of layout 3. A change here is a new layout.
    #[test]
    fn the_bytes_are_those_of_layout_3() {
        let blank = Entry { term: 300, payload: Payload::Blank };
        let run = run(&[&entry(1, ""), &entry(300, "ab"), &blank]);
        assert_eq!(run, [3, 1, 0, 0, 0xac, 0x02, 0, 2, b'a', b'b', 0xac, 0x02, 1]);
        assert_eq!(ballot(5, None), [5, 0]);
        assert_eq!(ballot(5, Some(ServerId(9))), [5, 1, 9]);
        assert_eq!(base(Base { last_index: 300, last_term: 7 }), [0xac, 0x02, 7]);
    }

    #[test]
    fn what_was_encoded_comes_back_and_so_does_layout_1() {
        let entries = vec![entry(1, "a"), entry(1, ""), entry(7, "some text")];
        let bytes = run(&entries.iter().collect::<Vec<_>>());
        assert_eq!(read_run(1, &bytes).unwrap(), entries);
        assert_eq!(read_run(1, &cut_run(1, &bytes, 2).unwrap()).unwrap(), entries[..2]);
        let terms = [4, 5, 7, 8].map(|index| term_in_run(5, &bytes, index).unwrap());
        assert_eq!(terms, [None, Some(1), Some(7), None]);
        let mark = Base { last_index: 1 << 40, last_term: 3 };
        assert_eq!(read_base(&base(mark)).unwrap(), mark);
        let old = [3, 1, 1, b'a', 1, 0, 7, 9];
        let old = [&old[..], b"some text"].concat();
        assert_eq!(read_run_1(1, &old).unwrap(), entries);
        assert_eq!(read_ballot(&ballot(9, Some(ServerId(2)))).unwrap(), (9, Some(ServerId(2))));
    }

    #[test]
    fn bytes_too_few_or_too_many_are_an_error_that_says_where() {
        let bytes = run(&[&entry(1, "abc")]);
        let longer = [&bytes[..], &[0]].concat();
        for bytes in [&longer[..], &bytes[..bytes.len() - 1]] {
            let Err(Trouble::Record { position, .. }) = read_run(17, bytes) else {
                panic!("read");
            };
            assert_eq!(position, "the entries from 17 on");
        }
        assert!(matches!(read_ballot(&[5, 7]), Err(Trouble::Record { .. })));
        assert!(matches!(read_base(&[5, 7, 9]), Err(Trouble::Record { .. })));
    }
}
