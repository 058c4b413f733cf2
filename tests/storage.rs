//! Storage on disk: what comes back, who may open it, and what damage does.

#![cfg(feature = "disk")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use veraft::figure2::{Command, Entry, Persistent, Record, ServerId};
use veraft::runtime::{DiskStorage, MemoryNetwork, NodeBuilder, Storage, StorageError};

fn append(term: u64, commands: &[&str]) -> Record {
    let entry = |command: &&str| Entry::command(term, Command::from(command.as_bytes()));
    Record::Append { entries: commands.iter().map(entry).collect() }
}

fn file(directory: &Path) -> PathBuf {
    let mut files = fs::read_dir(directory).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none(), "one file");
    file
}

#[test]
fn records_come_back_folded_and_unsynced_ones_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let synced = [
        Record::Ballot { current_term: 1, voted_for: None },
        append(1, &["a", "b", "", "d"]),
        Record::Truncate { last_index: 2 },
        Record::Ballot { current_term: 3, voted_for: Some(ServerId(2)) },
        append(3, &["e"]),
        append(3, &[]),
    ];
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    assert_eq!(storage.load().unwrap(), Persistent::default());
    storage.append(&synced[..2]).unwrap();
    storage.sync().unwrap();
    storage.append(&synced[2..4]).unwrap();
    storage.append(&synced[4..]).unwrap();
    storage.sync().unwrap();
    storage.sync().unwrap();
    storage.append(&[append(3, &["lost"]), Record::Truncate { last_index: 0 }]).unwrap();
    drop(storage);

    let mut storage = DiskStorage::open(directory.path()).unwrap();
    let expected: Persistent = synced.into_iter().collect();
    assert_eq!(storage.load().unwrap(), expected);
    storage.append(&[append(4, &["f"])]).unwrap();
    storage.sync().unwrap();
    assert_eq!(storage.load().unwrap().log().last_index(), 4);
}

#[test]
fn long_logs_are_cut_anywhere() {
    let directory = tempfile::tempdir().unwrap();
    let commands: Vec<String> = (1..=1000).map(|number| number.to_string()).collect();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let mut expected = Persistent::default();
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    for last_index in [1000, 999, 768, 700, 257, 256, 255, 1, 0] {
        let records = [
            Record::Truncate { last_index: 0 },
            append(1, &commands),
            Record::Truncate { last_index },
            append(2, &["x", "y"]),
        ];
        storage.append(&records).unwrap();
        storage.sync().unwrap();
        records.into_iter().for_each(|record| expected.write(record));
        assert_eq!(storage.load().unwrap(), expected, "cut after {last_index}");
    }
}

const OPEN: &str = "VERAFT_TEST_OPEN";

/// Not a test by itself: the second process of the next one.
#[test]
fn child_that_opens_a_directory() {
    if let Ok(directory) = std::env::var(OPEN) {
        match DiskStorage::open(&directory) {
            Err(error @ StorageError::InUse { .. }) => println!("refused: {error}"),
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
}

#[test]
fn a_second_opener_gets_a_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    let first = DiskStorage::open(directory.path()).unwrap();
    let Err(error @ StorageError::InUse { .. }) = DiskStorage::open(directory.path()) else {
        panic!("opened twice");
    };
    assert!(error.to_string().contains(&*directory.path().to_string_lossy()), "{error}");

    let child = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_opens_a_directory", "--nocapture"])
        .env(OPEN, directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("is in use by another node"), "{said}");

    drop(first);
    DiskStorage::open(directory.path()).unwrap();
}

#[test]
fn damage_is_a_clear_error_that_names_the_file_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    for number in 0..200 {
        let ballot = Record::Ballot { current_term: number, voted_for: None };
        storage.append(&[ballot, append(number, &["some command", "another"])]).unwrap();
        storage.sync().unwrap();
    }
    let expected = storage.load().unwrap();
    drop(storage);
    let file = file(directory.path());
    let sound = fs::read(&file).unwrap();
    let used: Vec<usize> = (0..sound.len()).filter(|&at| sound[at] != 0).collect();
    let (mut refused, mut sure) = (0, 0);
    for &at in used.iter().step_by(used.len() / 300) {
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
    assert!(refused > 30 && sure == refused, "{refused} refused, {sure} as damaged");
}

#[test]
fn a_file_that_lost_its_end_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    for number in 0..200 {
        storage.append(&[append(number, &["some command"])]).unwrap();
        storage.sync().unwrap();
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

#[test]
fn a_node_comes_back_from_its_disk() {
    let directory = tempfile::tempdir().unwrap();
    let id = ServerId(1);
    for life in 1..=3 {
        let journal = common::Journal::default();
        let transport = MemoryNetwork::new(1).transport(id);
        let storage = DiskStorage::open(directory.path()).unwrap();
        let node = NodeBuilder::new(id, [id]).start(storage, transport, journal.clone()).unwrap();
        common::commit(|| [&node].into_iter(), &format!("life {life}"));
        let lives = (1..=life).map(|life| format!("life {life}").into_bytes());
        assert_eq!(journal.entries(), lives.collect::<Vec<_>>());
    }
}
