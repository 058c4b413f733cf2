//! A log that is compacted gives its place on the disk to what comes.

use std::fs;

use veraft::figure2::{Base, Record};
use veraft::runtime::{DiskStorage, Storage};

use super::{append, ballot, segments};

/// Commands of 64 bytes, one at a time and in batches: the files are as large after the last as
/// after the first that were compacted.
#[test]
fn a_log_that_is_compacted_takes_as_much_as_it_did() {
    const ENTRIES: u64 = 800_000;
    const KEPT: u64 = 20_000;
    for batch in [16, 128] {
        let directory = tempfile::tempdir().unwrap();
        let mut storage = DiskStorage::open(directory.path()).unwrap();
        storage.load().unwrap();
        storage.append(&[ballot(1)]).unwrap();
        let command = "c".repeat(64);
        let commands = vec![command.as_str(); batch];
        let size = || -> u64 {
            let files = segments(directory.path());
            files.iter().map(|file| fs::metadata(file).unwrap().len()).sum()
        };
        let (mut last_index, mut base, mut early) = (0, 0, 0);
        while last_index < ENTRIES {
            storage.append(&[append(1, &commands)]).unwrap();
            last_index += batch as u64;
            if last_index - base > 4 * KEPT {
                base = last_index - KEPT;
                let base = Base { last_index: base, last_term: 1 };
                storage.append(&[Record::Base(base)]).unwrap();
            }
            if (last_index / batch as u64).is_multiple_of(8) {
                storage.sync().unwrap();
            }
            if last_index < ENTRIES / 4 {
                early = size();
            }
        }
        storage.sync().unwrap();
        let late = size();
        assert!(late <= early, "batches of {batch}: {early} bytes, then {late}");
        drop(storage);
        let found = DiskStorage::open(directory.path()).unwrap().load().unwrap();
        assert_eq!((found.log().base().last_index, found.log().last_index()), (base, last_index));
    }
}

#[test]
fn where_room_is_made_no_segment_is_left_that_nobody_needs() {
    const ENTRIES: u64 = 600_000;
    const KEPT: u64 = 1_000;
    let directory = tempfile::tempdir().unwrap();
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    storage.load().unwrap();
    storage.append(&[ballot(1)]).unwrap();
    let command = "c".repeat(64);
    let commands = vec![command.as_str(); 100];
    for _ in 0..ENTRIES / 100 {
        storage.append(&[append(1, &commands)]).unwrap();
        storage.sync().unwrap();
    }
    let size = || -> u64 {
        let files = segments(directory.path());
        files.iter().map(|file| fs::metadata(file).unwrap().len()).sum()
    };
    let before = size();
    let base = Base { last_index: ENTRIES - KEPT, last_term: 1 };
    storage.append(&[Record::Base(base)]).unwrap();
    storage.sync().unwrap();
    assert_eq!(size(), before, "not by itself");
    storage.make_room().unwrap();
    let after = size();
    assert!(before > 32 << 20 && after < 9 << 20, "{before} bytes, then {after}");
    // It goes on, and so does the next life.
    storage.append(&[append(1, &commands)]).unwrap();
    storage.sync().unwrap();
    drop(storage);
    let found = DiskStorage::open(directory.path()).unwrap().load().unwrap();
    assert_eq!(found.log().base(), base);
    assert_eq!(found.log().last_index(), ENTRIES + 100);
}
