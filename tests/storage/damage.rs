//! Files that are damaged, cut, or none of ours.

use std::fs;

use veraft::figure2::{Record, ServerId};
use veraft::runtime::{DiskStorage, Storage, StorageError};

use super::{append, ballot, file};

#[test]
fn damage_is_a_clear_error_that_names_the_file_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    for number in 1..=200 {
        storage.append(&[ballot(number), append(number, &["some command", "another"])]).unwrap();
        if number % 10 == 0 {
            storage.sync().unwrap();
        }
    }
    let expected = storage.load().unwrap();
    drop(storage);
    let file = file(directory.path());
    let sound = fs::read(&file).unwrap();
    let used: Vec<usize> = (0..sound.len()).filter(|&at| sound[at] != 0).collect();
    let (mut refused, mut sure) = (0, 0);
    for &at in used.iter().step_by(used.len() / 100) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x55;
        fs::write(&file, &bytes).unwrap();
        let opened = DiskStorage::open(directory.path());
        match opened.and_then(|mut storage| storage.load()) {
            Ok(found) => assert_eq!(found, expected, "byte {at} altered the records"),
            Err(error) => {
                refused += 1;
                sure += usize::from(matches!(error, StorageError::Damaged { .. }));
                assert!(error.to_string().contains("raft.redb"), "byte {at}: {error}");
                assert!(fs::read(&file).unwrap() == bytes, "byte {at}: the file was changed");
            }
        }
    }
    assert!(refused > 10 && sure == refused, "{refused} refused, {sure} as damaged");
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
