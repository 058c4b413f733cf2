//! One bit of the file is damaged: what was durable is found whole, or an error names the file.
//! Never is it found older than it was, not by one commit, without a word.

use crate::runtime::std;

use std::cell::Cell;
use std::string::ToString;
use std::vec::Vec;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::platter::{Event, Platter, batch};
use super::roots::{self, End};
use crate::figure2::{Persistent, Record, ServerId};
use crate::runtime::storage::{Notes, Storage, StorageError};

/// What is written at the beginning of the file, in bytes: where the roots are.
const HEADER: usize = 320;
/// Says which root counts. The only byte of the header without a checksum that changes.
const GOD_BYTE: usize = 9;

/// The bytes of a file, and what was durable in it.
struct Copy {
    bytes: Vec<u8>,
    expected: (Persistent, Notes),
}

impl Copy {
    fn of(platter: &Platter, expected: &Persistent, notes: &Notes) -> Copy {
        Copy { bytes: platter.bytes(), expected: (expected.clone(), notes.clone()) }
    }

    /// Bits that hold something: each of the god byte, one of each other byte of the header,
    /// and `count` of the pages.
    fn bits(&self, random: &mut StdRng, count: usize) -> Vec<(usize, u8)> {
        let mut bits: Vec<(usize, u8)> = (0..8).map(|bit| (GOD_BYTE, bit)).collect();
        bits.extend((0..HEADER).map(|at| (at, random.random_range(0..8))));
        let used: Vec<usize> =
            (HEADER..self.bytes.len()).filter(|&at| self.bytes[at] != 0).collect();
        bits.extend(
            (0..count)
                .map(|_| (used[random.random_range(0..used.len())], random.random_range(0..8))),
        );
        bits
    }

    /// What is found with that bit turned.
    fn outcome(&self, (at, bit): (usize, u8)) -> Outcome {
        let mut bytes = self.bytes.clone();
        bytes[at] ^= 1 << bit;
        let found = || -> Result<(Persistent, Notes), StorageError> {
            let mut storage = Platter::holding(bytes).open()?;
            Ok((storage.load()?, storage.notes()?))
        };
        match found() {
            Ok(found) if found == self.expected => Outcome::Whole,
            Ok(_) => Outcome::Altered,
            Err(error) => {
                assert!(error.to_string().contains("platter"), "byte {at}: {error}");
                Outcome::Refused
            }
        }
    }
}

#[derive(PartialEq)]
enum Outcome {
    Whole,
    Refused,
    Altered,
}

/// Copies of a file that is in use, at the ends of some syncs, and one of it closed.
fn copies(random: &mut StdRng, count: usize) -> (Vec<Copy>, Copy) {
    let platter = Platter::default();
    let mut storage = platter.open().unwrap();
    let mut expected = storage.load().unwrap();
    let mut notes = Notes::new();
    let mut copies = Vec::new();
    let mut write = |storage: &mut super::DiskStorage,
                     records: &mut dyn FnMut(&Persistent) -> Vec<Record>| {
        let records = records(&expected);
        storage.append(&records).unwrap();
        records.into_iter().for_each(|record| expected.write(record));
        let floor = expected.log().last_index().to_le_bytes();
        storage.note("floor", &floor).unwrap();
        storage.sync().unwrap();
        notes.insert("floor".into(), floor.to_vec());
        (expected.clone(), notes.clone())
    };
    for number in 1..=count as u64 {
        let (found, notes) = write(&mut storage, &mut |before| batch(random, 2 * number, before));
        copies.push(Copy::of(&platter, &found, &notes));
        // The last commit is a vote and nothing else.
        let vote = Record::Ballot { current_term: 2 * number + 1, voted_for: Some(ServerId(9)) };
        let (found, notes) = write(&mut storage, &mut |_| Vec::from([vote.clone()]));
        copies.push(Copy::of(&platter, &found, &notes));
    }
    drop(storage);
    let (persistent, notes) = copies[copies.len() - 1].expected.clone();
    (copies, Copy::of(&platter, &persistent, &notes))
}

#[test]
fn one_damaged_bit_loses_nothing_without_a_word() {
    const COPIES: usize = 5;
    const PAGES: usize = 160;
    let mut random = StdRng::seed_from_u64(10);
    let (copies, closed) = copies(&mut random, COPIES);
    let (mut whole, mut refused, mut altered) = (0, 0, Vec::new());
    for (number, copy) in copies.iter().chain([&closed]).enumerate() {
        for bit in copy.bits(&mut random, PAGES) {
            match copy.outcome(bit) {
                Outcome::Whole => whole += 1,
                Outcome::Refused => refused += 1,
                Outcome::Altered => altered.push((number, bit)),
            }
        }
    }
    assert!(
        altered.is_empty(),
        "{whole} files whole, {refused} refused, {} altered: (copy, (byte, bit)) {altered:?}",
        altered.len()
    );
    assert!(whole > 500 && refused > 500, "{whole} files whole, {refused} refused");
}

/// The file is looked at before it is locked: what a node that is about to close commits in
/// between is not taken for what was seen.
#[test]
fn a_commit_between_the_look_and_the_lock_is_kept() {
    let (copies, _) = copies(&mut StdRng::seed_from_u64(11), 2);
    let [_, seen, later, ..] = &copies[..] else { panic!("four copies") };
    for moment in [2, 3] {
        let mut bytes = seen.bytes.clone();
        bytes[GOD_BYTE] ^= 1;
        let platter = Platter::holding(bytes);
        let looks = Cell::new(0);
        let open = || {
            looks.set(looks.get() + 1);
            if looks.get() == moment {
                platter.note(Event::SetLen(later.bytes.len()));
                platter.note(Event::Write(0, later.bytes.clone()));
            }
            Ok(platter.clone())
        };
        assert_eq!(roots::settle(open).unwrap(), End::Cut);
        assert!(looks.get() > moment, "looked {} times", looks.get());
        let mut storage = platter.open().unwrap();
        assert!((storage.load().unwrap(), storage.notes().unwrap()) == later.expected);
    }
}
