//! Storages: what they owe, who may open them, what comes back, and what damage does.

#![cfg(feature = "disk")]

mod common;
#[path = "storage/conformance.rs"]
mod conformance;
#[path = "storage/damage.rs"]
mod damage;
#[path = "storage/growth.rs"]
mod growth;
#[path = "storage/layouts.rs"]
mod layouts;
#[path = "storage/stops.rs"]
mod stops;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use veraft::figure2::{Command, Entry, Persistent, Record, ServerId};
use veraft::runtime::{DiskStorage, MemoryNetwork, NodeBuilder, Storage, StorageError};

fn append(term: u64, commands: &[&str]) -> Record {
    let entry = |command: &&str| Entry::command(term, Command::from(command.as_bytes()));
    Record::Append { entries: commands.iter().map(entry).collect() }
}

fn ballot(current_term: u64) -> Record {
    Record::Ballot { current_term, voted_for: None }
}

/// The files of the log.
fn segments(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory.join("log")).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    files
}

/// The only file of the log.
fn file(directory: &Path) -> PathBuf {
    let files = segments(directory);
    assert_eq!(files.len(), 1, "one file");
    files[0].clone()
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, to) = (entry.unwrap(), to.to_path_buf());
        match entry.file_type().unwrap().is_dir() {
            true => copy_all(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

const OPEN: &str = "VERAFT_TEST_OPEN";

fn is_refused(directory: &Path) {
    let Err(error @ StorageError::InUse { .. }) = DiskStorage::open(directory) else {
        panic!("opened twice");
    };
    assert!(error.to_string().contains(&*directory.to_string_lossy()), "{error}");
    println!("{error}");
}

/// In this process and, the same test being run there with a directory, in another one.
#[test]
fn a_second_opener_gets_a_clear_error() {
    if let Some(directory) = std::env::var_os(OPEN) {
        return is_refused(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let first = DiskStorage::open(directory.path()).unwrap();
    is_refused(directory.path());

    let child = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_second_opener_gets_a_clear_error", "--nocapture"])
        .env(OPEN, directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("is in use by another node"), "{said}");

    drop(first);
    DiskStorage::open(directory.path()).unwrap();
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

#[test]
fn a_truncation_past_the_end_is_refused_and_nothing_of_its_batch_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    storage.load().unwrap();
    let end = Record::Truncate { last_index: 3 };
    let error = storage.append(&[ballot(1), append(1, &["a", "b"]), end]).unwrap_err();
    assert!(error.to_string().contains("the last one is 2"), "{error}");
    storage.sync().unwrap();
    assert_eq!(storage.load().unwrap(), Persistent::default());
}

/// Whoever prints an error and its sources prints nothing twice, and loses nothing.
#[test]
fn an_error_says_what_was_tried_and_its_source_why() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a file");
    fs::write(&file, "").unwrap();
    let Err(error) = DiskStorage::open(&file) else { panic!("opened") };
    let why = error.source().expect("a source").to_string();
    let text = error.to_string();
    assert!(text.contains("cannot create the directory") && text.contains("a file"), "{text}");
    assert!(!why.is_empty() && !text.contains(&why), "{text}: {why}");

    let source = std::io::Error::other("on fire");
    let error = StorageError::other(source);
    assert_eq!((error.to_string().as_str(), error.source().is_none()), ("on fire", true));
}
