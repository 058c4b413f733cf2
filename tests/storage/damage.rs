//! Files that are damaged, cut, or none of ours.

use std::fs;
use std::path::Path;

use veraft::figure2::{Persistent, Record, ServerId};
use veraft::runtime::{DiskStorage, Storage, StorageError};

use super::{append, ballot, file};

/// What a store says after byte `at` of its file was altered: that it is damaged, and then the
/// file is left as it is; or all that was in it.
fn alter(directory: &Path, sound: &[u8], at: usize, expected: &Persistent) -> Outcome {
    let file = file(directory);
    let mut bytes = sound.to_vec();
    bytes[at] ^= 0x55;
    fs::write(&file, &bytes).unwrap();
    let opened = DiskStorage::open(directory);
    match opened.and_then(|mut storage| storage.load()) {
        Ok(found) => {
            assert_eq!(found, *expected, "byte {at} altered the records");
            Outcome::Harmless
        }
        Err(error) => {
            assert!(matches!(error, StorageError::Damaged { .. }), "byte {at}: {error}");
            assert!(error.to_string().contains("raft.redb"), "byte {at}: {error}");
            assert!(fs::read(&file).unwrap() == bytes, "byte {at}: the file was changed");
            Outcome::Refused
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Refused,
    Harmless,
}

/// A page that was written anew leaves its old form in the file, where nobody reads it. So of the
/// copies of a command exactly one counts: a flip in that one is refused, a flip in any other is
/// harmless, and no flip anywhere does anything else.
#[test]
fn damage_is_a_clear_error_that_names_the_file_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let command = |number: u64| format!("the command of entry {number:03}");
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    for number in 1..=200 {
        storage.append(&[ballot(number), append(number, &[&command(number)])]).unwrap();
        if number % 10 == 0 {
            storage.sync().unwrap();
        }
    }
    let expected = storage.load().unwrap();
    drop(storage);
    let sound = fs::read(file(directory.path())).unwrap();
    let outcome = |at| alter(directory.path(), &sound, at, &expected);

    let mut old = 0;
    for number in (1..=200).step_by(10) {
        let text = command(number);
        let copies = (0..sound.len()).filter(|&at| sound[at..].starts_with(text.as_bytes()));
        let within = number as usize % text.len();
        let outcomes: Vec<Outcome> = copies.map(|at| outcome(at + within)).collect();
        let refused = outcomes.iter().filter(|&&outcome| outcome == Outcome::Refused).count();
        assert_eq!(refused, 1, "{text}: {outcomes:?}");
        old += outcomes.len() - refused;
    }
    assert!(old > 0, "no page was ever written anew, so no flip could be harmless");

    let used: Vec<usize> = (0..sound.len()).filter(|&at| sound[at] != 0).collect();
    let flips = used.iter().step_by(used.len() / 60);
    let outcomes: Vec<Outcome> = flips.map(|&at| outcome(at)).collect();
    for some in [Outcome::Refused, Outcome::Harmless] {
        assert!(outcomes.contains(&some), "none was {some:?} of {}", outcomes.len());
    }
}

/// The byte that says which of two roots is the last one has no checksum. Once with a vote as the
/// last commit, and in a file that was not closed.
#[test]
fn damage_to_the_byte_that_chooses_the_root_loses_no_vote() {
    const CHOOSES: usize = 9;
    let (directory, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    let vote = Record::Ballot { current_term: 2, voted_for: Some(ServerId(3)) };
    for record in [ballot(1), append(1, &["a"]), vote] {
        storage.append(&[record]).unwrap();
        storage.sync().unwrap();
    }
    let expected = storage.load().unwrap();
    let bytes = fs::read(file(directory.path())).unwrap();
    let mut refused = 0;
    for bit in 0..8 {
        let mut bytes = bytes.clone();
        bytes[CHOOSES] ^= 1 << bit;
        fs::write(copy.path().join("raft.redb"), bytes).unwrap();
        for _ in 0..2 {
            match DiskStorage::open(copy.path()).and_then(|mut storage| storage.load()) {
                Ok(found) => assert_eq!(found, expected, "bit {bit}"),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused < 16, "all were refused");
}

#[test]
fn a_file_that_lost_its_end_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    for number in 1..=200 {
        storage.append(&[ballot(number), append(number, &["some command"])]).unwrap();
        if number % 10 == 0 {
            storage.sync().unwrap();
        }
    }
    let expected = storage.load().unwrap();
    drop(storage);
    let file = file(directory.path());
    let sound = fs::read(&file).unwrap();
    for part in 1..20 {
        fs::write(&file, &sound[..sound.len() * part / 20]).unwrap();
        let opened = DiskStorage::open(directory.path());
        match opened.and_then(|mut storage| storage.load()) {
            Ok(found) => assert_eq!(found, expected, "part {part} of the file was enough"),
            Err(error) => assert!(error.to_string().contains("raft.redb"), "{error}"),
        }
    }
}

#[test]
fn a_file_that_is_none_of_ours_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("raft.redb"), "a text that somebody put here".repeat(999))
        .unwrap();
    let Err(error) = DiskStorage::open(directory.path()) else { panic!("opened") };
    assert!(matches!(error, StorageError::Damaged { .. }), "{error}");
}

/// Who follows this advice loses nothing that was acknowledged.
#[test]
fn the_advice_for_a_damaged_file_is_to_replace_the_server() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("raft.redb"), "no file of ours".repeat(99)).unwrap();
    let Err(error) = DiskStorage::open(directory.path()) else { panic!("opened") };
    let text = error.to_string();
    assert!(!text.contains("backup") && text.contains("Replace the server"), "{text}");
    assert!(text.contains("Node::readmit") && text.contains("docs/operations.md"), "{text}");
}
