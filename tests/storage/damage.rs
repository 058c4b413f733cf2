//! Files that are damaged, cut, or none of ours.

use std::fs;
use std::path::Path;

use veraft::figure2::Persistent;
use veraft::runtime::{DiskStorage, Storage, StorageError};

use super::{append, ballot, file};

fn command(number: u64) -> String {
    format!("the command of entry {number:03}")
}

/// A store with 200 entries.
fn filled(directory: &Path) -> Persistent {
    let mut storage = DiskStorage::open(directory).unwrap();
    for number in 1..=200 {
        storage.append(&[ballot(number), append(number, &[&command(number)])]).unwrap();
        if number % 10 == 0 {
            storage.sync().unwrap();
        }
    }
    storage.load().unwrap()
}

/// What a store says whose file was altered: that it is damaged, and the file is left as it is.
fn is_refused(directory: &Path, bytes: &[u8], altered: &str) {
    let file = file(directory);
    fs::write(&file, bytes).unwrap();
    match DiskStorage::open(directory).and_then(|mut storage| storage.load()) {
        Ok(_) => panic!("{altered}: opened"),
        Err(error) => {
            assert!(matches!(error, StorageError::Damaged { .. }), "{altered}: {error}");
            let text = error.to_string();
            assert!(text.contains("0000000001.log"), "{altered}: {error}");
            assert!(fs::read(&file).unwrap() == bytes, "{altered}: the file was changed");
        }
    }
}

#[test]
fn damage_is_a_clear_error_that_names_the_file_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let sound = fs::read(file(directory.path())).unwrap();
    let altered = |at: usize| {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x55;
        is_refused(directory.path(), &bytes, &format!("byte {at}"));
    };
    let mut found = 0;
    for number in (1..=200).step_by(10) {
        let text = command(number);
        if let Some(at) = sound.windows(text.len()).position(|part| part == text.as_bytes()) {
            altered(at + number as usize % text.len());
            found += 1;
        }
    }
    assert!(found > 10, "{found}");
    (0..sound.len()).step_by(sound.len() / 100).for_each(altered);
}

#[test]
fn a_file_that_lost_its_end_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let expected = filled(directory.path());
    let sound = fs::read(file(directory.path())).unwrap();
    let used = sound.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    for part in 0..=20 {
        let bytes = &sound[..used * part / 20];
        is_refused(directory.path(), bytes, &format!("part {part} of the file"));
    }
    // What follows is room for what is to come.
    fs::write(file(directory.path()), &sound[..used.next_multiple_of(512) + 512]).unwrap();
    let found = DiskStorage::open(directory.path()).unwrap().load().unwrap();
    assert_eq!(found, expected);
}

#[test]
fn a_store_that_lost_its_log_is_no_new_store() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let log = directory.path().join("log");
    fs::remove_file(file(directory.path())).unwrap();
    for _ in 0..2 {
        match DiskStorage::open(directory.path()).map(|_| ()) {
            Err(StorageError::Damaged { file, .. }) => assert_eq!(file, log),
            other => panic!("{other:?}"),
        }
        let _ = fs::remove_dir(&log);
    }
    let text = fs::read_to_string(directory.path().join("raft.redb")).unwrap();
    assert!(text.contains("directory `log`"), "{text}");
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
