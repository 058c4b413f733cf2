//! The forms of ballots and entries in the file, in postcard.

use crate::runtime::std;

use std::vec::Vec;

use serde::Deserialize;

use super::trouble::Trouble;
use crate::figure2::{Base, Entry, Index, Payload, ServerId, Term};

/// The same in all layouts.
#[derive(Deserialize)]
struct StoredBallot {
    current_term: Term,
    voted_for: Option<u64>,
}

/// Since layout 3.
#[derive(Deserialize)]
struct StoredBase {
    last_index: Index,
    last_term: Term,
}

/// An entry since layout 2.
#[derive(Deserialize)]
struct StoredEntry<'a> {
    term: Term,
    #[serde(borrow)]
    payload: StoredPayload<'a>,
}

/// The place of a variant is its number in the file.
#[derive(Deserialize)]
enum StoredPayload<'a> {
    Command(&'a [u8]),
    Blank,
}

/// An entry of layout 1, which knew commands only.
#[derive(Deserialize)]
struct StoredEntry1<'a> {
    term: Term,
    command: &'a [u8],
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

pub(super) fn read_ballot(bytes: &[u8]) -> Result<(Term, Option<ServerId>), Trouble> {
    let ballot: StoredBallot = decode(bytes).map_err(|what| Trouble::record("the ballot", what))?;
    Ok((ballot.current_term, ballot.voted_for.map(ServerId)))
}

pub(super) fn read_base(bytes: &[u8]) -> Result<Base, Trouble> {
    let StoredBase { last_index, last_term } =
        decode(bytes).map_err(|what| Trouble::record("the base", what))?;
    Ok(Base { last_index, last_term })
}

/// The entries of the run that begins at `first`.
pub(super) fn read_run(first: Index, bytes: &[u8]) -> Result<Vec<Entry>, Trouble> {
    let run: Vec<StoredEntry> = decode_run(first, bytes)?;
    Ok(run.into_iter().map(Entry::from).collect())
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

    fn entry(term: Term, command: &str) -> Entry {
        Entry::command(term, command.as_bytes())
    }

    #[test]
    fn the_bytes_of_earlier_layouts_are_read() {
        let blank = Entry { term: 300, payload: Payload::Blank };
        let run = [3, 1, 0, 0, 0xac, 0x02, 0, 2, b'a', b'b', 0xac, 0x02, 1];
        assert_eq!(read_run(1, &run).unwrap(), [entry(1, ""), entry(300, "ab"), blank]);
        let old = [3, 1, 1, b'a', 1, 0, 7, 2, b'x', b'y'];
        assert_eq!(read_run_1(1, &old).unwrap(), [entry(1, "a"), entry(1, ""), entry(7, "xy")]);
        assert_eq!(read_ballot(&[5, 0]).unwrap(), (5, None));
        assert_eq!(read_ballot(&[5, 1, 9]).unwrap(), (5, Some(ServerId(9))));
        let base = Base { last_index: 300, last_term: 7 };
        assert_eq!(read_base(&[0xac, 0x02, 7]).unwrap(), base);
    }

    #[test]
    fn bytes_too_few_or_too_many_are_an_error_that_says_where() {
        let bytes = [1, 1, 0, 3, b'a', b'b', b'c'];
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
