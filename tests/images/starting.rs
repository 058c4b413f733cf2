//! Starts from an image on a disk: one that is sound, missing, or damaged.

use std::fs;
use std::path::{Path, PathBuf};

use veraft::runtime::{Compaction, DiskStorage, Node, RestoreError, StartError, StorageError};

use super::common::{LONG, wait_until};
use super::ledger::Ledger;
use super::{builder, commit, expected, start};

/// A directory whose log begins behind entry 30 of 40.
fn compacted() -> tempfile::TempDir {
    let (directory, ledger) = (tempfile::tempdir().unwrap(), Ledger::default());
    let node = open(directory.path(), &ledger).unwrap();
    commit(&node, &ledger, 30);
    assert_eq!(node.compact().unwrap(), 30);
    commit(&node, &ledger, 10);
    directory
}

fn open(directory: &Path, ledger: &Ledger) -> Result<Node<u64>, StartError> {
    start(builder(), DiskStorage::open(directory).unwrap(), ledger)
}

/// Waits until it leads, and all is applied.
fn lead(node: &Node<u64>) {
    node.wait_for_leader(LONG).unwrap();
    node.barrier().wait().unwrap();
}

fn image(directory: &Path) -> PathBuf {
    let all = images(directory);
    assert_eq!(all.len(), 1, "one image");
    all[0].clone()
}

fn images(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory.join("images")).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

#[test]
fn a_node_starts_from_the_image_on_its_disk() {
    let directory = compacted();
    for _ in 0..2 {
        let ledger = Ledger::default();
        let node = open(directory.path(), &ledger).unwrap();
        assert_eq!((ledger.restored(), ledger.applied()), (vec![30], 0));
        wait_until("all is applied", || {
            // Without a blank, an entry of the own term is needed.
            let _ = node.barrier().wait();
            ledger.entries().len() == 40
        });
        assert_eq!(ledger.entries(), expected(40));
    }
}

#[test]
fn a_missing_image_is_told_and_nothing_is_changed() {
    let directory = compacted();
    let file = image(directory.path());
    let aside = directory.path().join("aside");
    fs::rename(&file, &aside).unwrap();
    let refused = open(directory.path(), &Ledger::default()).map(|_| ()).unwrap_err();
    let found = matches!(
        &refused,
        StartError::Restore(RestoreError::Storage(StorageError::MissingImage { base }))
            if base.last_index == 30
    );
    let text = refused.to_string();
    assert!(found && text.contains("put it back") && text.contains("readmit"), "{text}");
    fs::rename(&aside, &file).unwrap();
    let ledger = Ledger::default();
    open(directory.path(), &ledger).unwrap();
    assert_eq!(ledger.restored(), [30]);
}

/// One byte of each piece, and each of some lengths.
#[test]
fn a_damaged_image_is_told_by_name_and_nothing_is_changed() {
    let directory = compacted();
    let file = image(directory.path());
    let sound = fs::read(&file).unwrap();
    let mut changed: Vec<Vec<u8>> = [0, 9, 20, 38, 42, 46, 60, sound.len() - 20, sound.len() - 3]
        .map(|at| {
            let mut bytes = sound.clone();
            bytes[at] ^= 8;
            bytes
        })
        .into();
    changed.extend([0, 39, 45, 100, sound.len() - 1].map(|length| sound[..length].to_vec()));
    changed.push([&sound[..], b"more"].concat());
    for bytes in changed {
        fs::write(&file, &bytes).unwrap();
        let refused = open(directory.path(), &Ledger::default()).map(|_| ()).unwrap_err();
        let found = matches!(
            &refused,
            StartError::Restore(RestoreError::Storage(StorageError::DamagedImage { file: named, .. }))
                if *named == file
        );
        assert!(found, "{refused:?}");
        let text = refused.to_string();
        assert!(text.contains("30-1-") && text.contains("is damaged at byte"), "{text}");
        assert!(fs::read(&file).unwrap() == bytes);
    }
    // Another image of the same mark is as good.
    let name = file.file_name().unwrap().to_str().unwrap();
    let number = name.strip_prefix("30-1-").unwrap().strip_suffix(".image").unwrap();
    let number = u64::from_str_radix(number, 16).unwrap();
    fs::write(&file, &sound).unwrap();
    for other in [number ^ 1 << 63, number ^ 1] {
        let copy = file.with_file_name(format!("30-1-{other:016x}.image"));
        fs::write(copy, &sound).unwrap();
    }
    let ledger = Ledger::default();
    open(directory.path(), &ledger).unwrap();
    assert_eq!(ledger.entries()[..30], expected(30));
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// A crash came between the image as of 40 and the record that would have let the log begin there.
#[test]
fn an_image_that_the_log_does_not_begin_at_yet_is_used_only_if_it_is_sound() {
    for damaged in [false, true] {
        let (directory, ledger) = (tempfile::tempdir().unwrap(), Ledger::default());
        let file = |name: &str| directory.path().join(name);
        let node = open(directory.path(), &ledger).unwrap();
        commit(&node, &ledger, 30);
        assert_eq!(node.compact().unwrap(), 30);
        commit(&node, &ledger, 10);
        let old = image(directory.path());
        copy_files(&file("log"), &file("before"));
        fs::copy(&old, file("old")).unwrap();
        assert_eq!(node.compact().unwrap(), 40);
        drop(node);
        // The older one may be there still.
        let newer = images(directory.path()).into_iter().find(|one| *one != old).unwrap();
        let mut bytes = fs::read(&newer).unwrap();
        let end = bytes.len() - 10;
        bytes[end] ^= u8::from(damaged);
        fs::write(&newer, bytes).unwrap();
        fs::remove_dir_all(file("log")).unwrap();
        fs::rename(file("before"), file("log")).unwrap();
        fs::rename(file("old"), &old).unwrap();
        for _ in 0..2 {
            let ledger = Ledger::default();
            let builder = builder().compaction(Compaction::by_hand().kept(0));
            let storage = DiskStorage::open(directory.path()).unwrap();
            let node = start(builder, storage, &ledger).unwrap();
            lead(&node);
            assert_eq!(ledger.entries(), expected(40), "damaged: {damaged}");
            let base_index = if damaged { 30 } else { 40 };
            wait_until("the log begins where it can", || {
                node.status().unwrap().base_index == base_index
            });
            assert_eq!(newer.exists(), !damaged);
        }
    }
}

/// What reads an image may be another version of the application.
#[test]
fn a_machine_that_refuses_a_sound_image_is_told_as_such() {
    let directory = compacted();
    #[derive(Clone)]
    struct Other;
    impl veraft::runtime::StateMachine for Other {
        type Response = u64;
        fn apply(&mut self, _: u64, _: &veraft::figure2::Command) -> u64 {
            unreachable!("it was never restored")
        }
        fn restore(&mut self, _: &mut dyn std::io::Read) -> std::io::Result<()> {
            Err(std::io::Error::other("version 7, and this is 6"))
        }
    }
    let refused = start(builder(), DiskStorage::open(directory.path()).unwrap(), &Other);
    let refused = refused.map(|_| ()).unwrap_err();
    let text = format!("{refused:?}");
    assert!(text.contains("index 30") && text.contains("version 7, and this is 6"), "{text}");
}
