//! A node stops, in order or not, or for good: what the next start says.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use veraft::runtime::{DiskStorage, Notes, Storage, StorageError};

use super::{append, ballot, copy_all};

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged while a storage is opened, filled and closed again.
fn logged(directory: &Path) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let mut storage = DiskStorage::open(directory).unwrap();
        let term = storage.load().unwrap().current_term() + 1;
        storage.append(&[ballot(term), append(term, &["a"])]).unwrap();
        storage.sync().unwrap();
        storage.append(&[append(term, &["never synced"])]).unwrap();
    });
    String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn a_start_after_an_orderly_stop_has_nothing_to_say() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..4 {
        assert_eq!(logged(directory.path()), "");
    }
}

#[test]
fn a_start_after_a_kill_says_that_nothing_is_missing() {
    let (directory, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    storage.append(&[ballot(1)]).unwrap();
    storage.sync().unwrap();
    storage.append(&[ballot(2)]).unwrap();
    // What a process that is killed leaves behind.
    copy_all(directory.path(), killed.path());
    let text = logged(killed.path());
    assert!(text.contains("nothing that was synced is missing"), "{text}");
    assert!(text.contains("INFO") && !text.contains("WARN"), "{text}");
    assert_eq!(logged(killed.path()), "");
}

#[test]
fn the_mark_of_a_node_that_stopped_for_good_is_removed_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    storage.append(&[ballot(7)]).unwrap();
    storage.note("stopped", "entry 1 contradicts".as_bytes()).unwrap();
    storage.note("who", b"I").unwrap();
    storage.sync().unwrap();
    let refused = DiskStorage::clear_stopped(directory.path());
    assert!(matches!(refused, Err(StorageError::InUse { .. })), "{refused:?}");
    drop(storage);

    let reason = DiskStorage::clear_stopped(directory.path()).unwrap();
    assert_eq!(reason.as_deref(), Some("entry 1 contradicts"));
    assert_eq!(DiskStorage::clear_stopped(directory.path()).unwrap(), None);
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    assert_eq!(storage.load().unwrap().current_term(), 7);
    assert_eq!(storage.notes().unwrap(), Notes::from([("who".into(), b"I".to_vec())]));
}

#[test]
fn no_mark_is_removed_where_there_is_no_store() {
    let directory = tempfile::tempdir().unwrap();
    match DiskStorage::clear_stopped(directory.path()) {
        Err(StorageError::Io { source, .. }) => assert_eq!(source.kind(), io::ErrorKind::NotFound),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// Layout 1 was written by commits of one phase, of which a damaged one looks cut off.
#[test]
fn a_start_after_a_kill_of_an_earlier_version_says_what_cannot_be_known() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/store-1/raft.redb");
    let (directory, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::copy(fixture, directory.path().join("raft.redb")).unwrap();
    let file = directory.path().join("raft.redb");
    let store = redb::Database::open(&file).unwrap();
    let transaction = store.begin_write().unwrap();
    // Term 6, no vote.
    let table = redb::TableDefinition::<(), &[u8]>::new("ballot");
    transaction.open_table(table).unwrap().insert((), &[6, 0][..]).unwrap();
    transaction.commit().unwrap();
    fs::copy(&file, killed.path().join("raft.redb")).unwrap();

    let text = logged(killed.path());
    assert!(text.contains("WARN") && text.contains("by an earlier version"), "{text}");
    assert!(text.contains("brought to the layout of this version"), "{text}");
    assert_eq!(logged(killed.path()), "");
    let found = DiskStorage::open(killed.path()).unwrap().load().unwrap();
    assert_eq!((found.current_term(), found.log().last_index()), (8, 302));
}
