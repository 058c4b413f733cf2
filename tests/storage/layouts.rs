//! Stores of each layout that there has been, and of one that there has not.

use std::fs;
use std::path::Path;

use redb::TableDefinition;
use tempfile::TempDir;
use veraft::figure2::{Base, Entry, Payload, Persistent, Record, ServerId};
use veraft::runtime::{DiskStorage, Notes, Storage, StorageError};

use super::{append, ballot, copy_all, file};

const FORMAT: TableDefinition<(), u32> = TableDefinition::new("format");
const ENTRIES: TableDefinition<u64, &[u8]> = TableDefinition::new("entries");
const BALLOT: TableDefinition<(), &[u8]> = TableDefinition::new("ballot");
const BASE: TableDefinition<(), &[u8]> = TableDefinition::new("base");

/// A copy of `tests/fixtures/{name}`.
fn copy(name: &str) -> TempDir {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let directory = tempfile::tempdir().unwrap();
    copy_all(&fixture, directory.path());
    directory
}

/// Changes a store of an earlier layout.
fn edit(directory: &Path, edit: impl FnOnce(&redb::WriteTransaction)) {
    let store = redb::Database::create(directory.join("raft.redb")).unwrap();
    let transaction = store.begin_write().unwrap();
    edit(&transaction);
    transaction.commit().unwrap();
}

/// The older file gave way to a text, at which the versions that wrote it stop.
fn is_newest(directory: &Path) -> bool {
    let text = fs::read(directory.join("raft.redb")).unwrap();
    text.starts_with(b"The store of this node is the directory `log`")
        && redb::Database::create(directory.join("raft.redb")).is_err()
        && directory.join("log/0000000001.log").exists()
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
fn expected(layout: u32) -> (Persistent, Notes) {
    let first = repeated(290, |number| number % 7);
    let second = repeated(10, |number| number);
    let mut records = vec![ballot(5), entries(1, &first), entries(3, &second)];
    let mut notes = Notes::new();
    if layout >= 2 {
        records.push(Record::Ballot { current_term: 5, voted_for: Some(ServerId(3)) });
        notes.insert("floor".into(), 296_u64.to_le_bytes().to_vec());
        notes.insert("who".into(), b"a note".to_vec());
    }
    if layout >= 3 {
        records.push(Record::Base(Base { last_index: 260, last_term: 1 }));
        let blank = Entry { term: 5, payload: Payload::Blank };
        records.push(Record::Append { entries: [blank].into_iter().collect() });
    }
    (records.into_iter().collect(), notes)
}

/// And goes on from there.
#[test]
fn a_store_of_each_layout_becomes_one_of_this_layout() {
    for layout in 1..=4 {
        let directory = copy(&format!("store-{layout}"));
        assert_eq!(is_newest(directory.path()), layout == 4);
        let (mut found, mut notes) = expected(layout);
        for life in 0..3 {
            let mut storage = DiskStorage::open(directory.path()).unwrap();
            assert!(is_newest(directory.path()));
            assert_eq!(storage.load().unwrap(), found, "layout {layout}, life {life}");
            assert_eq!(storage.notes().unwrap(), notes, "layout {layout}, life {life}");
            let more = append(5, &["more"]);
            storage.append(std::slice::from_ref(&more)).unwrap();
            storage.note("life", &[life]).unwrap();
            storage.sync().unwrap();
            found.write(more);
            notes.insert("life".into(), [life].into());
        }
    }
}

fn checksum_of_first_sector(bytes: &mut [u8]) {
    // It begins with the sector's place, which is 0.
    let checksum = crc32fast::hash(&bytes[4..512]).to_le_bytes();
    bytes[..4].copy_from_slice(&checksum);
}

#[test]
fn a_later_layout_is_refused_and_kept() {
    let directory = copy("store-4");
    let file = file(directory.path());
    let mut bytes = fs::read(&file).unwrap();
    assert_eq!(bytes[16..20], 4_u32.to_le_bytes());
    bytes[16..20].copy_from_slice(&5_u32.to_le_bytes());
    checksum_of_first_sector(&mut bytes);
    fs::write(&file, &bytes).unwrap();
    let older = copy("store-3");
    edit(older.path(), |edit| drop(edit.open_table(FORMAT).unwrap().insert((), 5).unwrap()));
    let before = fs::read(older.path().join("raft.redb")).unwrap();
    for place in [&directory, &older, &directory, &older] {
        match DiskStorage::open(place.path()).map(|_| ()) {
            Err(error @ StorageError::Layout { found: 5, newest: 4, .. }) => {
                assert!(error.to_string().contains("later"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(fs::read(&file).unwrap() == bytes);
    assert!(fs::read(older.path().join("raft.redb")).unwrap() == before);
}

#[test]
fn a_file_of_layout_1_that_no_server_wrote_stays_one() {
    let directory = copy("store-1");
    // Term 2, no vote.
    edit(directory.path(), |edit| {
        edit.open_table(BALLOT).unwrap().insert((), &[2, 0][..]).unwrap();
    });
    let before = fs::read(directory.path().join("raft.redb")).unwrap();
    match DiskStorage::open(directory.path()).map(|_| ()) {
        Err(StorageError::Damaged { position, .. }) => assert_eq!(position, "entry 291"),
        other => panic!("{other:?}"),
    }
    assert!(fs::read(directory.path().join("raft.redb")).unwrap() == before);
    assert!(!directory.path().join("log").exists());
}

#[test]
fn a_store_of_another_kind_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    edit(directory.path(), |edit| {
        edit.open_table(TableDefinition::<u64, u64>::new("foreign")).unwrap();
    });
    match DiskStorage::open(directory.path()).map(|_| ()) {
        Err(StorageError::Damaged { position, .. }) => assert_eq!(position, "its layout"),
        other => panic!("{other:?}"),
    }
}

/// In files of an earlier layout: damage that the checksums of the pages do not know of.
#[test]
fn a_record_that_is_missing_or_no_record_is_named() {
    type Edit = fn(&redb::WriteTransaction);
    fn base(edit: &redb::WriteTransaction, base: &[u8]) {
        edit.open_table(BASE).unwrap().insert((), base).unwrap();
    }
    let edits: [(Edit, &str); 9] = [
        (|edit| drop(edit.open_table(ENTRIES).unwrap().remove(1).unwrap()), "entry 261"),
        (|edit| drop(edit.open_table(ENTRIES).unwrap().remove(257).unwrap()), "entry 261"),
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
        (|edit| base(edit, &[0x84, 0x02, 6]), "the base"),
        // The entry behind it has a lower term.
        (|edit| base(edit, &[0x84, 0x02, 3]), "entry 261"),
    ];
    for (place, (change, expected)) in edits.into_iter().enumerate() {
        let directory = copy("store-3");
        edit(directory.path(), change);
        match DiskStorage::open(directory.path()).map(|_| ()) {
            Err(StorageError::Damaged { position, .. }) => assert_eq!(position, expected),
            // The first run is dead: nobody reads it.
            other => assert!(place == 0 && other.is_ok(), "{expected}: {other:?}"),
        }
    }
}

/// The byte of an older file that says which of two roots is the last one has no checksum. Once
/// with a vote as the last commit, and in a file that was not closed.
#[test]
fn damage_to_the_byte_that_chooses_the_root_loses_no_vote() {
    const CHOOSES: usize = 9;
    let directory = copy("store-3");
    let store = redb::Database::open(directory.path().join("raft.redb")).unwrap();
    for vote in [[6, 0, 0], [6, 1, 2], [7, 0, 0], [7, 1, 3]] {
        let mut transaction = store.begin_write().unwrap();
        transaction.set_two_phase_commit(true);
        let vote = if vote[1] == 0 { &vote[..2] } else { &vote[..] };
        transaction.open_table(BALLOT).unwrap().insert((), vote).unwrap();
        transaction.commit().unwrap();
    }
    let bytes = fs::read(directory.path().join("raft.redb")).unwrap();
    let mut refused = 0;
    for bit in 0..8 {
        let copy = tempfile::tempdir().unwrap();
        let mut bytes = bytes.clone();
        bytes[CHOOSES] ^= 1 << bit;
        fs::write(copy.path().join("raft.redb"), bytes).unwrap();
        for _ in 0..2 {
            match DiskStorage::open(copy.path()).and_then(|mut storage| storage.load()) {
                Ok(found) => {
                    let vote = (found.current_term(), found.voted_for());
                    assert_eq!(vote, (7, Some(ServerId(3))), "bit {bit}");
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused < 16, "all were refused");
    let refused = DiskStorage::open(directory.path());
    assert!(matches!(refused, Err(StorageError::InUse { .. })), "it is open");
    drop(store);
    let found = DiskStorage::open(directory.path()).unwrap().load().unwrap();
    assert_eq!(found.voted_for(), Some(ServerId(3)));
}
