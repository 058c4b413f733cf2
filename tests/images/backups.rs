//! Backups of running nodes, and clusters that begin with one.

use std::io::{self, Write};

use veraft::figure2::{Base, ServerId};
use veraft::runtime::{
    Backup, BackupError, MemoryDisk, MemoryNetwork, MemoryStorage, Node, NodeBuilder, StartError,
    UnusableBackup,
};

use super::ledger::Ledger;
use super::{builder, commit, expected, start, text};
use crate::common;

/// A node that has committed so many commands, and a backup of it.
fn backed_up(count: u64) -> (Node<u64>, Ledger, Vec<u8>, Backup) {
    let ledger = Ledger::default();
    let node = start(builder().cluster("old"), MemoryStorage::new(), &ledger).unwrap();
    commit(&node, &ledger, count);
    let mut bytes = Vec::new();
    let backup = node.backup(&mut bytes).unwrap();
    (node, ledger, bytes, backup)
}

fn restored(bytes: &[u8]) -> MemoryDisk {
    let disk = MemoryDisk::new();
    Backup::restore(&mut &*bytes, disk.open().unwrap()).unwrap();
    disk
}

#[test]
fn a_backup_holds_what_was_applied_and_says_of_what() {
    let (node, ledger, bytes, backup) = backed_up(7);
    assert_eq!((backup.base, &*backup.cluster), (Base { last_index: 7, last_term: 1 }, "old"));
    assert_eq!((backup.server, backup.servers.len()), (node.id(), 1));
    assert_eq!(Backup::verify(&mut &*bytes).unwrap(), backup);
    // What follows is not in it, and two of the same state are two incarnations.
    commit(&node, &ledger, 3);
    let other = node.backup(&mut io::sink()).unwrap();
    assert_eq!(other.base.last_index, 10);
    let again = node.backup(&mut io::sink()).unwrap();
    assert_eq!(again.base.last_index, 10);
    assert!(other.incarnation != again.incarnation && again.incarnation != 0);
}

#[test]
fn a_new_cluster_begins_with_what_is_in_the_backup() {
    let (node, _, bytes, _) = backed_up(7);
    node.shutdown();
    let servers = [4, 5, 6].map(ServerId);
    let network = MemoryNetwork::new(3);
    let ledgers = [(); 3].map(|()| Ledger::default());
    let nodes: Vec<Node<u64>> = servers
        .iter()
        .zip(&ledgers)
        .map(|(&id, ledger)| {
            let builder = NodeBuilder::new(id, servers).cluster("new");
            let storage = restored(&bytes).open().unwrap();
            builder.start(storage, network.transport(id), ledger.clone()).unwrap()
        })
        .collect();
    common::commit(|| nodes.iter(), "one more");
    let whole: Vec<Vec<u8>> = expected(7).into_iter().chain([b"one more".to_vec()]).collect();
    common::wait_until("all have everything", || {
        ledgers.iter().all(|ledger| ledger.entries() == whole)
    });
    for (node, ledger) in nodes.iter().zip(&ledgers) {
        assert_eq!((ledger.restored(), node.status().unwrap().base_index), (vec![7], 7));
    }
}

/// Of three servers two begin with the backup, and one with nothing, or with another backup.
#[test]
fn who_does_not_begin_with_the_same_backup_is_refused() {
    let (node, _, bytes, backup) = backed_up(7);
    let mut another = Vec::new();
    let other = node.backup(&mut another).unwrap();
    assert_eq!(other.base, backup.base);
    for (disk, theirs) in [(MemoryDisk::new(), 0), (restored(&another), other.incarnation)] {
        let servers = [1, 2, 3].map(ServerId);
        let network = MemoryNetwork::new(3);
        let begin = |id: u64, disk: &MemoryDisk| {
            let (id, ledger) = (ServerId(id), Ledger::default());
            let storage = disk.open().unwrap();
            let builder = NodeBuilder::new(id, servers);
            builder.start(storage, network.transport(id), ledger).unwrap()
        };
        let ours = [begin(1, &restored(&bytes)), begin(2, &restored(&bytes))];
        common::commit(|| ours.iter(), "x");
        let stranger = begin(3, &disk);
        common::wait_until("it is refused", || {
            let refused = |node: &Node<u64>| {
                let status = node.status().unwrap();
                status.refused.get(&ServerId(3)).cloned().unwrap_or_default()
            };
            ours.iter().all(|node| {
                refused(node).contains(&format!("incarnation {theirs} of the cluster"))
                    && refused(node).contains(&format!("incarnation {}", backup.incarnation))
            })
        });
        assert_eq!(stranger.status().unwrap().commit_index, disk_base(theirs));
    }
}

fn disk_base(incarnation: u64) -> u64 {
    if incarnation == 0 { 0 } else { 7 }
}

#[test]
fn nothing_is_restored_over_something() {
    let (node, _, bytes, _) = backed_up(7);
    let disk = MemoryDisk::new();
    let ledger = Ledger::default();
    // Also a store that has only been started on.
    start(builder(), disk.open().unwrap(), &ledger).unwrap().shutdown();
    for disk in [disk, restored(&bytes)] {
        let before = disk.persistent();
        let refused = Backup::restore(&mut &*bytes, disk.open().unwrap());
        assert!(matches!(refused, Err(UnusableBackup::NotEmpty)));
        assert_eq!(disk.persistent(), before);
    }
    drop(node);
}

#[test]
fn a_backup_that_is_damaged_or_cut_off_makes_no_store() {
    let (_node, _, bytes, _) = backed_up(50);
    let text = |error: UnusableBackup| format!("{error}");
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let found = Backup::verify(&mut &*damaged).map_err(text).unwrap_err();
        let expected = match at {
            0..8 => "no backup of veraft",
            8..12 => "the backup has version",
            _ => "damaged at byte",
        };
        assert!(found.contains(expected), "byte {at}: {found}");
        assert!(Backup::verify(&mut &bytes[..at]).is_err(), "cut off at {at}");
    }
    let longer = [&bytes[..], b"x"].concat();
    assert!(text(Backup::verify(&mut &*longer).unwrap_err()).contains("follow the end mark"));

    // What was begun is no store, until it is done again; then it is one, with nothing else in it.
    let disk = MemoryDisk::new();
    let cut = &bytes[..bytes.len() - 1];
    let error = Backup::restore(&mut &*cut, disk.open().unwrap()).map_err(text).unwrap_err();
    assert!(error.contains("cut off"), "{error}");
    let ledger = Ledger::default();
    let refused = start(builder().cluster("new"), disk.open().unwrap(), &ledger);
    let Err(StartError::Unfit(unfit)) = refused else { panic!("it starts") };
    assert!(format!("{unfit}").contains("not restored to its end"), "{unfit}");
    Backup::restore(&mut &*bytes, disk.open().unwrap()).unwrap();
    let node = start(builder().cluster("new"), disk.open().unwrap(), &ledger).unwrap();
    commit(&node, &ledger, 1);
    assert_eq!((ledger.restored(), ledger.entries()), (vec![50], expected(51)));
}

#[test]
fn who_has_nothing_or_takes_nothing_gets_an_error() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let ledger = Ledger::default();
    let node = start(builder(), MemoryStorage::new(), &ledger).unwrap();
    assert!(matches!(node.backup(&mut io::sink()), Err(BackupError::Nothing)));
    commit(&node, &ledger, 1);
    assert!(matches!(node.backup(&mut Full), Err(BackupError::Write(_))));
    assert!(node.backup(&mut io::sink()).is_ok());
    node.shutdown();
    assert!(matches!(node.backup(&mut io::sink()), Err(BackupError::Compact(_))));
}

/// On disk, where the power can fail between the image and the records.
#[cfg(feature = "disk")]
#[test]
fn a_restored_directory_is_a_store_like_any_other() {
    use veraft::runtime::DiskStorage;

    let (_node, _, bytes, _) = backed_up(7);
    let directory = tempfile::tempdir().unwrap();
    Backup::restore(&mut &*bytes, DiskStorage::open(&directory).unwrap()).unwrap();
    for round in 1..=3 {
        let ledger = Ledger::default();
        let node = start(builder(), DiskStorage::open(&directory).unwrap(), &ledger).unwrap();
        common::commit(|| [&node].into_iter(), &text(7 + round));
        assert_eq!((ledger.restored(), ledger.entries()), (vec![7], expected(7 + round)));
        node.shutdown();
    }
    let again = Backup::restore(&mut &*bytes, DiskStorage::open(&directory).unwrap());
    assert!(matches!(again, Err(UnusableBackup::NotEmpty)));
}
