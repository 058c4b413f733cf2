//! A node that is behind becomes what a leader's image says, in order with what it applies.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use veraft::figure2::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Base, Entry, Index, InstallSnapshot, Message,
    ServerId, Term,
};
use veraft::runtime::{
    Compaction, ImageName, ImageStage, Images, Inbox, Link, MemoryDisk, Node, NodeBuilder,
    ParcelLink, StopReason, Storage, Timing, Transport, TransportError, Undelivered,
};

use super::common::{LONG, wait_until};
use super::ledger::Ledger;
use super::{S1, builder, commit, expected, start, text};

const S2: ServerId = ServerId(2);

/// The other server, played by a test.
#[derive(Clone, Default)]
struct Peer(Arc<Mutex<Played>>);

#[derive(Default)]
struct Played {
    inbox: Option<Inbox>,
    sent: Vec<Message>,
}

impl Peer {
    fn says(&self, message: Message) {
        let inbox = self.0.lock().unwrap().inbox.clone();
        // A node that has stopped hears nothing.
        inbox.map(|inbox| inbox.deliver(S2, message, 0));
    }

    fn append(&self, term: Term, prev: (Index, Term), numbers: std::ops::RangeInclusive<u64>) {
        let (prev_log_index, prev_log_term) = prev;
        let entry = |number| Entry::command(term, text(number).into_bytes());
        let entries: Vec<Entry> = numbers.map(entry).collect();
        let leader_commit = prev_log_index + entries.len() as Index;
        self.says(Message::AppendEntries(AppendEntries {
            term,
            leader_id: S2,
            prev_log_index,
            prev_log_term,
            entries: entries.into_iter().collect(),
            leader_commit,
        }));
    }

    fn install(&self, term: Term, base: Base) {
        self.says(Message::InstallSnapshot(InstallSnapshot { term, leader_id: S2, base }));
    }

    fn acknowledged(&self, index: Index) -> bool {
        let success = AppendOutcome::Success { match_index: index };
        let is_it = |message: &Message| match message {
            Message::AppendEntriesReply(AppendEntriesReply { outcome, .. }) => *outcome == success,
            Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::AppendEntries(_)
            | Message::InstallSnapshot(_) => false,
        };
        self.0.lock().unwrap().sent.iter().any(is_it)
    }
}

impl Transport for Peer {
    fn start(&self, inbox: Inbox) -> Result<(), TransportError> {
        self.0.lock().unwrap().inbox = Some(inbox);
        Ok(())
    }

    fn link(&self, _peer: ServerId) -> Box<dyn Link> {
        Box::new(self.clone())
    }

    fn parcels(&self, _peer: ServerId) -> Option<Box<dyn ParcelLink>> {
        Some(Box::new(Nowhere))
    }

    fn close(&self) {
        self.0.lock().unwrap().inbox = None;
    }

    fn join(&self) {}
}

/// No image is asked for in earnest: all are here.
struct Nowhere;

impl ParcelLink for Nowhere {
    fn send(&mut self, _parcel: &[u8]) -> Result<u64, Undelivered> {
        Err(Undelivered::NoConnection)
    }
}

impl Link for Peer {
    fn send(&mut self, messages: Vec<Message>) -> u64 {
        self.0.lock().unwrap().sent.extend(messages);
        0
    }
}

/// A node of two that never stands for election by itself soon.
fn follower(disk: &MemoryDisk, peer: &Peer, ledger: &Ledger) -> Node<u64> {
    follower_on(disk.open().unwrap(), peer, ledger)
}

fn follower_on(storage: impl Storage, peer: &Peer, ledger: &Ledger) -> Node<u64> {
    let patient = Timing::new(LONG..=LONG * 2, Duration::from_millis(50)).unwrap();
    let servers: BTreeSet<ServerId> = [S1, S2].into();
    let builder = NodeBuilder::new(S1, servers).timing(patient);
    let builder = builder.compaction(Compaction::by_hand());
    builder.start(storage, peer.clone(), ledger.clone()).unwrap()
}

/// An image of the first `count` commands, as of term 1: its name and bytes.
fn image(count: u64) -> (ImageName, Vec<u8>) {
    let (disk, ledger) = (MemoryDisk::new(), Ledger::default());
    let node = start(builder(), disk.open().unwrap(), &ledger).unwrap();
    commit(&node, &ledger, count);
    assert_eq!(node.compact().unwrap(), count);
    drop(node);
    let storage = disk.open().unwrap();
    let images = storage.images().unwrap();
    let name = images.list().unwrap()[0].name;
    let mut file = images.open(name).unwrap();
    let mut bytes = vec![0; file.bytes() as usize];
    file.read_at(0, &mut bytes).unwrap();
    (name, bytes)
}

fn put(images: &dyn Images, name: ImageName, bytes: &[u8]) {
    let mut file = images.create(name, ImageStage::Received).unwrap();
    file.append(bytes).unwrap();
    file.finish().unwrap();
}

/// A disk on which these images have arrived.
fn with(all: &[&(ImageName, Vec<u8>)]) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let storage = disk.open().unwrap();
    let images = storage.images().unwrap();
    all.iter().for_each(|(name, bytes)| put(&*images, *name, bytes));
    disk
}

#[test]
fn a_node_becomes_what_an_image_says_and_applies_what_follows() {
    let image = image(50);
    let disk = with(&[&image]);
    let (peer, ledger) = (Peer::default(), Ledger::default());
    let node = follower(&disk, &peer, &ledger);
    let base = image.0.base;
    peer.append(base.last_term, (0, 0), 1..=8);
    wait_until("the first are applied", || ledger.applied() == 8);
    peer.install(base.last_term, base);
    wait_until("it is acknowledged", || peer.acknowledged(50));
    peer.append(base.last_term + 1, (50, base.last_term), 51..=60);
    wait_until("the rest is applied", || ledger.entries().len() == 60);
    assert_eq!((ledger.entries(), ledger.restored()), (expected(60), vec![50]));
    let status = node.status().unwrap();
    assert_eq!((status.base_index, status.applied_index), (50, 60));
    assert_eq!(node.metrics().unwrap().images_restored, 1);
    // Again, and it changes nothing.
    peer.install(base.last_term + 1, base);
    peer.append(base.last_term + 1, (60, base.last_term + 1), 61..=61);
    wait_until("one more is applied", || ledger.entries().len() == 61);
    assert_eq!(ledger.restored(), [50]);
    drop(node);

    let again = Ledger::default();
    let node = follower(&disk, &peer, &again);
    assert_eq!((again.restored(), again.entries()), (vec![50], expected(50)));
    peer.append(base.last_term + 2, (61, base.last_term + 1), 62..=62);
    wait_until("all is applied again", || again.entries() == expected(62));
    drop(node);
}

#[test]
fn a_later_image_takes_the_place_of_an_earlier_one_on_the_disk_too() {
    let images = [image(20), image(50)];
    let disk = with(&[&images[0], &images[1]]);
    let (peer, ledger) = (Peer::default(), Ledger::default());
    let node = follower(&disk, &peer, &ledger);
    for (name, _) in &images {
        peer.install(1.max(name.base.last_term), name.base);
    }
    wait_until("the second is there", || ledger.entries() == expected(50));
    drop(node);
    let again = Ledger::default();
    let node = follower(&disk, &peer, &again);
    assert_eq!(again.entries(), expected(50));
    drop(node);
    let storage = disk.open().unwrap();
    let left = storage.images().unwrap().list().unwrap();
    assert_eq!(left.iter().map(|image| image.name).collect::<Vec<_>>(), [images[1].0]);
}

#[test]
fn a_node_that_cannot_be_restored_stops_and_says_why() {
    let (name, mut bytes) = image(50);
    let disk = with(&[&(name, bytes.clone())]);
    let storage = disk.open().unwrap();
    let (place, peer, ledger) = (storage.images().unwrap(), Peer::default(), Ledger::default());
    let node = follower_on(storage, &peer, &ledger);
    // It was sound when the node started.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    place.remove(name, ImageStage::Finished).unwrap();
    put(&*place, name, &bytes);
    peer.install(1.max(name.base.last_term), name.base);
    wait_until("it stops", || node.status().is_err());
    let stopped = node.status().unwrap_err();
    assert!(matches!(stopped.reason, StopReason::Restore(_)), "{stopped:?}");
    assert!(format!("{stopped:?}").contains("is damaged at byte"), "{stopped:?}");
    assert_eq!(ledger.entries(), Vec::<Vec<u8>>::new(), "nothing of it reached the machine");
}
