//! A log is compacted: by hand, by itself, or not at all.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use veraft::figure2::{Command, Index};
use veraft::runtime::{
    CompactError, Compaction, Image, ImageStage, MemoryDisk, StartError, StateMachine, Storage,
};

use super::common::{Journal, wait_until};
use super::ledger::{Copied, Ledger};
use super::place::{Fate, Fated, Plain};
use super::{builder, commit, expected, start};

/// Marks of the finished images on a disk that no node has open.
fn images(disk: &MemoryDisk) -> Vec<Index> {
    let storage = disk.open().unwrap();
    let all = storage.images().unwrap().list().unwrap();
    assert!(all.iter().all(|image| image.stage == ImageStage::Finished), "{all:?}");
    all.iter().map(|image| image.name.base.last_index).collect()
}

#[test]
fn a_node_compacts_by_hand_and_starts_from_its_image_with_the_log_behind_it() {
    let disk = MemoryDisk::new();
    let ledger = Ledger::default();
    let node = start(builder(), disk.open().unwrap(), &ledger).unwrap();
    assert_eq!(node.compact().unwrap(), 0, "nothing is applied yet");
    commit(&node, &ledger, 50);
    assert_eq!(node.status().unwrap().base_index, 0);
    assert_eq!(node.compact().unwrap(), 50);
    // What `compact` has promised is told, and durable.
    assert_eq!((node.status().unwrap().base_index, node.metrics().unwrap().log_bytes), (50, 0));
    assert_eq!(disk.persistent().log().base().last_index, 50);
    let image = node.metrics().unwrap().image.unwrap();
    assert!(image.last_index == 50 && image.finished.is_some() && image.bytes > 500, "{image:?}");
    assert_eq!(node.compact().unwrap(), 50, "again, for nothing");
    commit(&node, &ledger, 7);
    assert_eq!(node.status().unwrap().last_log_index, 57);
    drop(node);
    assert_eq!((images(&disk), disk.persistent().log().entries().len()), (vec![50], 7));

    let again = Ledger::default();
    let node = start(builder(), disk.open().unwrap(), &again).unwrap();
    // The image is there once the node has started; what follows it, once it is committed.
    assert_eq!((again.restored(), again.applied()), (vec![50], 0));
    let status = node.status().unwrap();
    assert_eq!((status.applied_index, status.commit_index, status.base_index), (50, 50, 50));
    let metrics = node.metrics().unwrap();
    assert_eq!((metrics.images_restored, metrics.images_written), (1, 0));
    assert_eq!(metrics.image.unwrap().last_index, 50);
    super::common::commit(|| [&node].into_iter(), &super::text(58));
    assert_eq!((again.entries(), again.applied()), (expected(58), 8));
    assert_eq!(node.compact().unwrap(), 58);
    assert_eq!(node.metrics().unwrap().images_written, 1);
    drop(node);
    // If not by then, the older one goes at the next start.
    drop(start(builder(), disk.open().unwrap(), &Ledger::default()).unwrap());
    assert_eq!(images(&disk), [58]);
}

#[test]
fn a_node_compacts_by_itself_and_keeps_some_entries() {
    const KEPT: u64 = 20;
    let disk = MemoryDisk::new();
    let ledger = Ledger::default();
    // An image is due every few dozen commands.
    let policy = Compaction::default().at_least(1000).factor(0).kept(KEPT);
    let begin = || builder().compaction(policy);
    let node = start(begin(), disk.open().unwrap(), &ledger).unwrap();
    let mut last = 0;
    while node.metrics().unwrap().images_written < 5 {
        last = commit(&node, &ledger, 1);
        let status = node.status().unwrap();
        let base = status.base_index;
        assert!(base == 0 || base + KEPT <= last, "{base}, and the last one is {last}");
    }
    wait_until("the log begins somewhere", || node.status().unwrap().base_index > 100);
    drop(node);
    let found = disk.persistent();
    let (base, entries) = (found.log().base().last_index, found.log().entries().len() as u64);
    assert_eq!(base + entries, last);
    let kept = images(&disk);
    // The last one may wait for entries behind it, and one before the base to be removed.
    assert!(kept.contains(&base) && kept.len() <= 3, "{kept:?}, and the log begins at {base}");

    let again = Ledger::default();
    let node = start(begin(), disk.open().unwrap(), &again).unwrap();
    assert_eq!(again.restored(), [base as usize]);
    super::common::commit(|| [&node].into_iter(), &super::text(last + 1));
    assert_eq!(again.entries(), expected(last + 1));
}

/// Of an image that was finished before its log began at it, the next life makes use.
#[test]
fn an_image_that_was_not_told_of_counts_in_the_next_life() {
    let disk = MemoryDisk::new();
    let ledger = Ledger::default();
    let policy = Compaction::default().at_least(1000).factor(1).kept(1000);
    let node = start(builder().compaction(policy), disk.open().unwrap(), &ledger).unwrap();
    while node.metrics().unwrap().images_written == 0 {
        commit(&node, &ledger, 1);
    }
    let last = ledger.entries().len() as u64;
    drop(node);
    let kept = images(&disk);
    assert_eq!((kept.len(), disk.persistent().log().base().last_index), (1, 0));

    let (again, policy) = (Ledger::default(), policy.at_least(1 << 40).kept(0));
    let node = start(builder().compaction(policy), disk.open().unwrap(), &again).unwrap();
    super::common::commit(|| [&node].into_iter(), &super::text(last + 1));
    wait_until("the log begins at it", || node.status().unwrap().base_index == kept[0]);
    assert_eq!((again.restored(), again.entries()), (vec![], expected(last + 1)));
    assert_eq!(node.metrics().unwrap().images_written, 0);
}

#[test]
fn a_machine_or_a_storage_without_images_keeps_the_log_whole_and_says_so() {
    let always = || builder().compaction(Compaction::default().at_least(0).factor(0).kept(0));
    let (disk, journal) = (MemoryDisk::new(), Journal::default());
    let node = start(always(), disk.open().unwrap(), &journal).unwrap();
    (1..=20).for_each(|number| {
        super::common::commit(|| [&node].into_iter(), &super::text(number));
    });
    for _ in 0..2 {
        assert!(matches!(node.compact(), Err(CompactError::Unsupported)));
    }
    assert_eq!(node.status().unwrap().base_index, 0);
    drop(node);
    assert_eq!((images(&disk), disk.persistent().log().entries().len()), (vec![], 20));

    let (disk, ledger) = (MemoryDisk::new(), Ledger::default());
    let node = start(always(), Plain(disk.open().unwrap()), &ledger).unwrap();
    commit(&node, &ledger, 20);
    let refused = node.compact().unwrap_err();
    assert!(matches!(refused, CompactError::NoPlace), "{refused}");
    drop(node);
    assert_eq!(disk.persistent().log().entries().len(), 20);
}

#[test]
fn a_machine_that_cannot_be_restored_does_not_start_behind_an_image() {
    let (disk, ledger) = (MemoryDisk::new(), Ledger::default());
    let node = start(builder(), disk.open().unwrap(), &ledger).unwrap();
    commit(&node, &ledger, 5);
    node.compact().unwrap();
    drop(node);
    let refused = start(builder(), disk.open().unwrap(), &Journal::default()).map(|_| ());
    let Err(error @ StartError::Restore(_)) = refused else { panic!("{refused:?}") };
    let text = error.to_string();
    assert!(text.contains("index 5") && text.contains("StateMachine::restore"), "{text}");
    let refused = start(builder(), Plain(disk.open().unwrap()), &ledger).map(|_| ());
    let text = format!("{:?}", refused.unwrap_err());
    assert!(text.contains("index 5") && text.contains("Storage::images"), "{text}");
    // Nothing was lost by it.
    let again = Ledger::default();
    drop(start(builder(), disk.open().unwrap(), &again).unwrap());
    assert_eq!(again.entries(), expected(5));
}

#[test]
fn while_there_is_no_room_for_an_image_the_log_is_kept_and_the_node_goes_on() {
    let (disk, ledger, fate) = (MemoryDisk::new(), Ledger::default(), Fate::kind());
    let storage = Fated { storage: disk.open().unwrap(), fate: fate.clone() };
    let policy = Compaction::default().at_least(400).factor(0).kept(0);
    let node = start(builder().compaction(policy), storage, &ledger).unwrap();
    fate.fill_images(true);
    commit(&node, &ledger, 100);
    let error = node.compact().unwrap_err();
    assert!(matches!(error, CompactError::Storage(_)), "{error}");
    assert!(format!("{error:?}").contains("cannot write the image"), "{error:?}");
    commit(&node, &ledger, 100);
    let status = node.status().unwrap();
    assert_eq!((status.base_index, status.last_log_index), (0, 200));
    fate.fill_images(false);
    while node.status().unwrap().base_index == 0 {
        commit(&node, &ledger, 1);
    }
    let last = commit(&node, &ledger, 1);
    assert_eq!(node.compact().unwrap(), last);
    drop(node);
    drop(start(builder(), disk.open().unwrap(), &Ledger::default()).unwrap());
    assert_eq!(images(&disk), [last]);
}

/// A ledger whose images do as they are told.
#[derive(Clone, Default)]
struct Told {
    ledger: Ledger,
    /// Taken by the next image that is written: it waits for this.
    waits: Arc<Mutex<Option<mpsc::Receiver<()>>>>,
    fails: Arc<AtomicBool>,
    endless: Arc<AtomicBool>,
}

impl StateMachine for Told {
    type Response = u64;

    fn apply(&mut self, index: Index, command: &Command) -> u64 {
        self.ledger.apply(index, command)
    }

    fn capture(&mut self) -> Option<Box<dyn Image>> {
        Some(Box::new(ToldImage { of: self.clone(), copied: Copied(self.ledger.entries()) }))
    }

    fn restore(&mut self, image: &mut dyn Read) -> io::Result<()> {
        self.ledger.restore(image)
    }
}

struct ToldImage {
    of: Told,
    copied: Copied,
}

impl Image for ToldImage {
    fn write(self: Box<Self>, to: &mut dyn Write) -> io::Result<()> {
        let ToldImage { of, copied } = *self;
        let waits = of.waits.lock().unwrap().take();
        if let Some(waits) = waits {
            waits.recv().unwrap();
        }
        if of.fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("out of ink"));
        }
        while of.endless.load(Ordering::SeqCst) {
            to.write_all(&[7; 4096])?;
        }
        Box::new(copied).write(to)
    }
}

#[test]
fn commands_are_applied_while_an_image_is_written_and_stand_behind_it() {
    let (disk, told) = (MemoryDisk::new(), Told::default());
    let (go_on, waits) = mpsc::channel();
    *told.waits.lock().unwrap() = Some(waits);
    let node = start(builder(), disk.open().unwrap(), &told).unwrap();
    commit(&node, &told.ledger, 10);
    thread::scope(|scope| {
        let first = scope.spawn(|| node.compact());
        wait_until("the image is begun", || told.waits.lock().unwrap().is_none());
        commit(&node, &told.ledger, 30);
        // Who asks now wants what was applied by now, and waits for the next one.
        let second = scope.spawn(|| node.compact());
        commit(&node, &told.ledger, 5);
        assert!(!first.is_finished() && !second.is_finished());
        assert!(node.metrics().unwrap().image_being_written);
        go_on.send(()).unwrap();
        assert_eq!(first.join().unwrap().unwrap(), 10);
        assert!((40..=45).contains(&second.join().unwrap().unwrap()));
    });
    assert_eq!(told.ledger.entries(), expected(45));
}

#[test]
fn an_image_that_the_machine_gives_up_is_told_and_tried_again() {
    let (disk, told) = (MemoryDisk::new(), Told::default());
    let node = start(builder(), disk.open().unwrap(), &told).unwrap();
    commit(&node, &told.ledger, 10);
    told.fails.store(true, Ordering::SeqCst);
    let error = node.compact().unwrap_err();
    assert!(format!("{error:?}").contains("out of ink"), "{error:?}");
    let metrics = node.metrics().unwrap();
    assert!(metrics.image_failed && !metrics.image_being_written, "{metrics:?}");
    told.fails.store(false, Ordering::SeqCst);
    assert_eq!(node.compact().unwrap(), 10);
    assert!(!node.metrics().unwrap().image_failed);
}

#[test]
fn a_node_that_is_shut_down_gives_up_the_image_that_it_writes() {
    let (disk, told) = (MemoryDisk::new(), Told::default());
    told.endless.store(true, Ordering::SeqCst);
    let node = start(builder(), disk.open().unwrap(), &told).unwrap();
    commit(&node, &told.ledger, 10);
    thread::scope(|scope| {
        let asked = scope.spawn(|| node.compact());
        while !asked.is_finished() {
            thread::yield_now();
            node.shutdown();
        }
        assert!(matches!(asked.join().unwrap(), Err(CompactError::Stopped(_))));
    });
    drop(node);
    assert!(images(&disk).is_empty());
}
