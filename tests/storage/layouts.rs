//! Files of each layout that there has been, and of one that there has not.

use std::fs;
use std::path::Path;

use redb::{ReadableDatabase, TableDefinition};
use tempfile::TempDir;
use veraft::figure2::{Base, Persistent, Record, ServerId};
use veraft::runtime::{DiskStorage, Notes, Storage, StorageError};

use super::{append, ballot};

/// The layout that is written.
const NEWEST: u32 = 3;

const FORMAT: TableDefinition<(), u32> = TableDefinition::new("format");

/// A copy of `tests/fixtures/{name}`.
fn copy(name: &str) -> TempDir {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let directory = tempfile::tempdir().unwrap();
    fs::copy(fixture.join("raft.redb"), directory.path().join("raft.redb")).unwrap();
    directory
}

/// The version that stands in the file.
fn layout(directory: &Path) -> u32 {
    let store = redb::Database::open(directory.join("raft.redb")).unwrap();
    let table = store.begin_read().unwrap().open_table(FORMAT).unwrap();
    table.get(()).unwrap().unwrap().value()
}

/// So many commands, each of the length that `length` gives: all its letters are the one of that
/// number in the alphabet, from 0.
fn repeated(count: usize, length: impl Fn(usize) -> usize) -> Vec<String> {
    let command = |length: usize| char::from(b'a' + length as u8).to_string().repeat(length);
    (0..count).map(|number| command(length(number))).collect()
}

fn entries(term: u64, commands: &[String]) -> Record {
    append(term, &commands.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What each fixture holds, as `tests/fixtures/README.md` tells.
fn expected() -> Persistent {
    let first = repeated(290, |number| number % 7);
    let second = repeated(10, |number| number);
    [ballot(5), entries(1, &first), entries(3, &second)].into_iter().collect()
}

#[test]
fn a_file_of_layout_1_becomes_one_of_this_layout() {
    let directory = copy("store-1");
    assert_eq!(layout(directory.path()), 1);
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    assert_eq!(storage.load().unwrap(), expected());
    assert_eq!(storage.notes().unwrap(), Notes::new());
    drop(storage);
    assert_eq!(layout(directory.path()), NEWEST);

    let mut storage = DiskStorage::open(directory.path()).unwrap();
    let mut found = storage.load().unwrap();
    assert_eq!(found, expected());
    let record = append(5, &["more"]);
    storage.append(std::slice::from_ref(&record)).unwrap();
    storage.note("who", b"I").unwrap();
    storage.sync().unwrap();
    drop(storage);
    found.write(record);
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    assert_eq!(storage.load().unwrap(), found);
    assert_eq!(storage.notes().unwrap(), Notes::from([("who".into(), b"I".to_vec())]));
}

#[test]
fn a_file_of_layout_2_becomes_one_of_this_layout() {
    let directory = copy("store-2");
    assert_eq!(layout(directory.path()), 2);
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    let vote = Record::Ballot { current_term: 5, voted_for: Some(ServerId(3)) };
    let mut found = expected();
    found.write(vote);
    assert_eq!(storage.load().unwrap(), found);
    let notes = [("floor", 296_u64.to_le_bytes().to_vec()), ("who", b"a note".to_vec())];
    let notes: Notes = notes.into_iter().map(|(name, value)| (name.into(), value)).collect();
    assert_eq!(storage.notes().unwrap(), notes);

    let base = Record::Base(Base { last_index: 260, last_term: 1 });
    storage.append(std::slice::from_ref(&base)).unwrap();
    storage.sync().unwrap();
    drop(storage);
    assert_eq!(layout(directory.path()), NEWEST);
    found.write(base);
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    assert_eq!(storage.load().unwrap(), found);
    assert_eq!(storage.notes().unwrap(), notes);
}

#[test]
fn a_later_layout_is_refused_and_kept() {
    let directory = copy("store-2");
    let store = redb::Database::open(directory.path().join("raft.redb")).unwrap();
    let transaction = store.begin_write().unwrap();
    transaction.open_table(FORMAT).unwrap().insert((), NEWEST + 1).unwrap();
    transaction.commit().unwrap();
    drop(store);
    for _ in 0..2 {
        match DiskStorage::open(directory.path()).map(|_| ()) {
            Err(error @ StorageError::Layout { found: 4, newest: 3, .. }) => {
                let text = error.to_string();
                assert!(text.contains("raft.redb") && text.contains("later"), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(layout(directory.path()), NEWEST + 1);
}

#[test]
fn a_file_of_layout_1_that_no_server_wrote_stays_one() {
    let directory = copy("store-1");
    let store = redb::Database::open(directory.path().join("raft.redb")).unwrap();
    let transaction = store.begin_write().unwrap();
    // Term 2, no vote.
    let table = TableDefinition::<(), &[u8]>::new("ballot");
    transaction.open_table(table).unwrap().insert((), &[2, 0][..]).unwrap();
    transaction.commit().unwrap();
    drop(store);
    match DiskStorage::open(directory.path()).map(|_| ()) {
        Err(StorageError::Damaged { position, .. }) => assert_eq!(position, "entry 291"),
        other => panic!("{other:?}"),
    }
    assert_eq!(layout(directory.path()), 1);
}

#[test]
fn a_store_of_another_kind_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = redb::Database::create(directory.path().join("raft.redb")).unwrap();
    let transaction = store.begin_write().unwrap();
    transaction.open_table(TableDefinition::<u64, u64>::new("foreign")).unwrap();
    transaction.commit().unwrap();
    drop(store);
    match DiskStorage::open(directory.path()).map(|_| ()) {
        Err(StorageError::Damaged { position, .. }) => assert_eq!(position, "its layout"),
        other => panic!("{other:?}"),
    }
}

/// Damage that the checksums of the pages do not know of.
#[test]
fn a_record_that_is_missing_or_no_record_is_named() {
    const ENTRIES: TableDefinition<u64, &[u8]> = TableDefinition::new("entries");
    const BALLOT: TableDefinition<(), &[u8]> = TableDefinition::new("ballot");
    type Edit = fn(&redb::WriteTransaction);
    const BASE: TableDefinition<(), &[u8]> = TableDefinition::new("base");
    fn base(edit: &redb::WriteTransaction, base: &[u8]) {
        edit.open_table(BASE).unwrap().insert((), base).unwrap();
    }
    let edits: [(Edit, &str); 9] = [
        (|edit| drop(edit.open_table(ENTRIES).unwrap().remove(1).unwrap()), "entry 1"),
        (|edit| drop(edit.open_table(ENTRIES).unwrap().remove(257).unwrap()), "entry 257"),
        (
            |edit| drop(edit.open_table(ENTRIES).unwrap().insert(257, &[9_u8, 9][..]).unwrap()),
            "the entries from 257 on",
        ),
        (
            |edit| drop(edit.open_table(BALLOT).unwrap().insert((), &[5_u8][..]).unwrap()),
            "the ballot",
        ),
        (|edit| assert!(edit.delete_table(BALLOT).unwrap()), "its tables"),
        (|edit| assert!(edit.delete_table(BASE).unwrap()), "its tables"),
        (|edit| base(edit, &[1]), "the base"),
        // Of a term that the server has not seen.
        (|edit| base(edit, &[100, 6]), "the base"),
        // The entry behind it has a lower term.
        (|edit| base(edit, &[100, 3]), "entry 101"),
    ];
    for (edit, expected) in edits {
        let directory = copy("store-2");
        drop(DiskStorage::open(directory.path()).unwrap());
        let store = redb::Database::open(directory.path().join("raft.redb")).unwrap();
        let transaction = store.begin_write().unwrap();
        edit(&transaction);
        transaction.commit().unwrap();
        drop(store);
        match DiskStorage::open(directory.path()).and_then(|mut storage| storage.load()) {
            Err(StorageError::Damaged { position, .. }) => assert_eq!(position, expected),
            other => panic!("{expected}: {:?}", other.map(|_| ())),
        }
    }
}
