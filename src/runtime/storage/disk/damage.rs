//! One bit of the store is damaged: what was durable is found whole, or an error names the place.
//! Never is it found older than it was, not by one batch, without a word.

use crate::runtime::std;

use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::platter::{Disk, Platter, SECTOR, batch};
use crate::figure2::{Persistent, Record, ServerId};
use crate::runtime::storage::{Notes, StorageError};

/// What is on a disk, and what was durable in it.
struct Copy {
    disk: Disk,
    expected: (Persistent, Notes),
    /// What was durable before, after each batch.
    before: Vec<(Persistent, Notes)>,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Whole,
    Refused,
    /// The last batches are missing.
    Older,
}

impl Copy {
    /// What is found after a segment was altered.
    fn outcome(&self, name: &str, alter: impl FnOnce(&mut Vec<u8>)) -> Outcome {
        let mut disk = self.disk.clone();
        alter(disk.file(name));
        let platter = Platter::holding(disk);
        match platter.found() {
            Ok(found) if found == self.expected => Outcome::Whole,
            Ok(found) if self.before.contains(&found) => Outcome::Older,
            Ok(found) => panic!("{name}: altered: {found:?}"),
            Err(error) => {
                assert!(matches!(error, StorageError::Damaged { .. }), "{name}: {error}");
                assert!(error.to_string().contains("log"), "{error}");
                assert_eq!(platter.history().len(), 0, "{name}: something was changed");
                Outcome::Refused
            }
        }
    }
}

/// Copies of a store that is in use, at the ends of some syncs, and one of it closed.
fn copies(random: &mut StdRng, count: u64) -> (Vec<Copy>, Copy) {
    let platter = Platter::default();
    let mut store = platter.open().unwrap();
    let mut expected = (store.load().unwrap(), Notes::new());
    let (mut copies, mut before) = (Vec::new(), Vec::new());
    for number in 1..=count {
        let vote = Record::Ballot { current_term: 2 * number + 1, voted_for: Some(ServerId(9)) };
        // Each other batch is a vote and nothing else.
        for records in [batch(random, 2 * number, &expected.0), vec![vote]] {
            before.push(expected.clone());
            store.append(&records).unwrap();
            records.into_iter().for_each(|record| expected.0.write(record));
            let floor = expected.0.log().last_index().to_le_bytes();
            store.note("floor", &floor);
            store.sync().unwrap();
            expected.1.insert("floor".into(), floor.to_vec());
            let (disk, expected) = (platter.disk(), expected.clone());
            copies.push(Copy { disk, expected, before: before.clone() });
        }
    }
    drop(store);
    // That it was closed is the last batch.
    (copies, Copy { disk: platter.disk(), expected, before })
}

fn with_segments(copies: &[Copy], closed: &Copy, mut each: impl FnMut(&Copy, &str, &[u8])) {
    for copy in copies.iter().rev().step_by(5).chain([closed]) {
        for name in copy.disk.segments() {
            let bytes = copy.disk.clone().file(&name).clone();
            each(copy, &name, &bytes);
        }
    }
}

/// In each byte of the store.
#[test]
fn one_damaged_bit_loses_nothing_without_a_word() {
    let mut random = StdRng::seed_from_u64(10);
    let (copies, closed) = copies(&mut random, 12);
    assert!(closed.disk.segments().len() > 1);
    let (mut whole, mut refused) = (0, 0);
    with_segments(&copies, &closed, |copy, name, bytes| {
        for at in 0..bytes.len() {
            let bit = random.random_range(0..8);
            match copy.outcome(name, |bytes| bytes[at] ^= 1 << bit) {
                Outcome::Whole => whole += 1,
                Outcome::Refused => refused += 1,
                Outcome::Older => panic!("{name}: byte {at}, bit {bit}"),
            }
        }
    });
    assert!(whole > 500 && refused > 5000, "{whole} whole, {refused} refused");
}

/// A file that is cut anywhere, and two sectors that stand in each other's place.
#[test]
fn what_lost_its_end_or_its_order_is_refused() {
    let (copies, closed) = copies(&mut StdRng::seed_from_u64(3), 12);
    with_segments(&copies, &closed, |copy, name, bytes| {
        for length in (0..bytes.len()).rev().step_by(37) {
            let outcome = copy.outcome(name, |bytes| bytes.truncate(length));
            assert_ne!(outcome, Outcome::Older, "{name} up to byte {length}");
        }
        let sectors = bytes.len() / SECTOR;
        for (first, second) in (0..sectors).flat_map(|one| (0..one).map(move |two| (two, one))) {
            let outcome = copy.outcome(name, |bytes| {
                let (before, behind) = bytes.split_at_mut(second * SECTOR);
                before[first * SECTOR..][..SECTOR].swap_with_slice(&mut behind[..SECTOR]);
            });
            let is_blank = |place: usize| bytes[place * SECTOR..][..SECTOR] == [0; SECTOR];
            match is_blank(first) {
                true => assert_eq!(outcome, Outcome::Whole),
                false => assert_eq!(outcome, Outcome::Refused, "{name}: {first} and {second}"),
            }
        }
    });
}

/// A disk that has lost what it said it had synced: seen, unless the log ends there.
#[test]
fn a_sector_that_reads_as_if_never_written_is_missed_but_where_the_log_ends() {
    let (copies, closed) = copies(&mut StdRng::seed_from_u64(4), 12);
    let (mut refused, mut older) = (0, 0);
    with_segments(&copies, &closed, |copy, name, bytes| {
        let blank = [0; SECTOR];
        let written = bytes.chunks(SECTOR).rposition(|sector| sector != blank).unwrap();
        for place in 0..=written {
            match copy.outcome(name, |bytes| bytes[place * SECTOR..][..SECTOR].fill(0)) {
                Outcome::Whole => panic!("{name}: nothing was in sector {place}"),
                Outcome::Refused => refused += 1,
                Outcome::Older => {
                    assert!(Some(name) == copy.disk.segments().last().map(String::as_str));
                    older += 1;
                }
            }
        }
    });
    assert!(refused > 50 && refused > 5 * older, "{refused} refused, {older} older");
}
