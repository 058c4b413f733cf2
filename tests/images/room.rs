//! A store that fills up: the node warns and compacts early, refuses commands, lags, and takes all
//! of that back once there is room.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use veraft::figure2::{Persistent, Record, ServerId};
use veraft::runtime::{
    Compaction, Images, LimitError, MemoryNetwork, MemoryStorage, Node, NodeBuilder, Notes,
    ProposeError, Room, RoomLevel, StartError, Storage, StorageError,
};

use super::common::{LONG, timing, wait_until};
use super::ledger::Ledger;
use super::log::log;
use super::{builder, start};

const MIB: u64 = 1 << 20;

/// Enough for a compaction, beside what is free.
const RESERVE: u64 = 8 * MIB;

/// The room in a storage, as a test tells it. Clones are the same.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<(Room, u64)>>);

impl Told {
    fn new(free: u64) -> Told {
        let told = Told::default();
        told.is(free, RESERVE);
        told
    }

    fn is(&self, free: u64, reserve: u64) {
        self.0.lock().unwrap().0 = Room { free, reserve };
    }

    /// How often the storage was to make room.
    fn made(&self) -> u64 {
        self.0.lock().unwrap().1
    }

    /// Waits until a node has seen it.
    fn is_seen(&self, node: &Node<u64>, free: u64, reserve: u64) -> RoomLevel {
        self.is(free, reserve);
        let metrics = || node.metrics().unwrap();
        wait_until("it is seen", || metrics().room == Some(Room { free, reserve }));
        metrics().room_level
    }
}

struct Filling {
    storage: MemoryStorage,
    told: Told,
}

fn filling(told: &Told) -> Filling {
    Filling { storage: MemoryStorage::new(), told: told.clone() }
}

impl Storage for Filling {
    fn load(&mut self) -> Result<Persistent, StorageError> {
        self.storage.load()
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        self.storage.append(records)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.storage.sync()
    }

    fn notes(&mut self) -> Result<Notes, StorageError> {
        self.storage.notes()
    }

    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), StorageError> {
        self.storage.note(name, value)
    }

    fn images(&self) -> Option<Arc<dyn Images>> {
        self.storage.images()
    }

    fn room(&mut self) -> Option<Room> {
        Some(self.told.0.lock().unwrap().0)
    }

    fn make_room(&mut self) -> Result<(), StorageError> {
        self.told.0.lock().unwrap().1 += 1;
        Ok(())
    }
}

fn limited() -> NodeBuilder {
    builder().scarce_below(1000 * MIB).full_below(100 * MIB)
}

#[test]
fn commands_are_refused_below_a_limit_and_taken_again_a_quarter_above() {
    let (log, told) = (log(), Told::new(2000 * MIB));
    let node = start(limited(), filling(&told), &Ledger::default()).unwrap();
    node.wait_for_leader(LONG).unwrap();
    let propose = || node.propose(b"x".as_slice()).wait();
    assert!(propose().is_ok());

    assert_eq!(told.is_seen(&node, 97 * MIB, RESERVE), RoomLevel::Full);
    let refused = propose().unwrap_err();
    assert!(
        matches!(refused, ProposeError::StoreFull { free, limit }
            if (free, limit) == (97 * MIB, 100 * MIB)),
        "{refused}"
    );
    assert!(!refused.may_still_commit() && refused.to_string().contains("make room"));
    assert_eq!(node.status().unwrap().last_log_index, 1, "it is in no log");
    // What takes next to nothing goes on, until nothing is left but what a compaction takes.
    node.barrier().wait().unwrap();
    node.propose_small(b"y".as_slice()).wait().unwrap();
    told.is_seen(&node, 0, MIB);
    for refused in [
        node.barrier().wait().unwrap_err(),
        node.propose_small(b"y".as_slice()).wait().unwrap_err(),
    ] {
        assert!(matches!(refused, ProposeError::StoreFull { .. }), "{refused}");
    }

    assert_eq!(told.is_seen(&node, 124 * MIB, RESERVE), RoomLevel::Full, "not yet");
    assert!(propose().is_err());
    assert_eq!(told.is_seen(&node, 125 * MIB, RESERVE), RoomLevel::Scarce);
    assert!(propose().is_ok());
    assert_eq!(told.is_seen(&node, 98 * MIB, RESERVE), RoomLevel::Full);
    assert_eq!(told.is_seen(&node, 5000 * MIB, RESERVE), RoomLevel::Plenty);
    assert!(propose().is_ok());

    assert_eq!(told.is_seen(&node, 96 * MIB, RESERVE), RoomLevel::Full);

    // It is logged once until there is plenty of room again.
    let said = |level, text, free| log.lines(level, &format!("{text} free={}", free * MIB)).len();
    let full = |free| said("ERROR", "Make room", free);
    assert_eq!([97, 124, 98, 96].map(full), [1, 0, 0, 1]);
    assert_eq!(said("INFO", "there is room again where the store is", 5000), 1);
    assert_eq!(told.made(), 3, "whenever there is less than there was");
}

#[test]
fn where_room_is_scarce_the_log_is_compacted_early_and_nothing_is_kept_behind() {
    const COMMAND: usize = 10_000;
    let (log, told) = (log(), Told::new(2000 * MIB));
    let policy = Compaction::default().at_least(1 << 20).factor(0).kept(1 << 40);
    let node = start(limited().compaction(policy), filling(&told), &Ledger::default()).unwrap();
    node.wait_for_leader(LONG).unwrap();
    let commit = |count: u64| {
        for _ in 0..count {
            node.propose(vec![7; COMMAND]).wait().unwrap();
        }
        node.status().unwrap().last_log_index
    };
    commit(50);
    assert_eq!(node.metrics().unwrap().images_written, 0, "it is due after a megabyte");
    assert_eq!(told.is_seen(&node, 999 * MIB, RESERVE), RoomLevel::Scarce);
    wait_until("the log begins at an image", || node.status().unwrap().base_index == 50);
    wait_until("what stood before it is given back", || told.made() == 2);
    // Half a quarter of a megabyte more is not worth another one.
    commit(12);
    assert_eq!(told.is_seen(&node, 998 * MIB, RESERVE), RoomLevel::Scarce);
    assert_eq!(node.metrics().unwrap().images_written, 1);
    let last = commit(20);
    wait_until("there is another one", || node.metrics().unwrap().images_written == 2);
    wait_until("the log begins there", || node.status().unwrap().base_index > 62);
    assert!(node.status().unwrap().base_index <= last);
    assert_eq!(log.warnings(&format!("compacted early. Make room free={}", 999 * MIB)).len(), 1);
}

#[test]
fn a_node_that_starts_with_little_room_has_it_made_first() {
    let told = Told::new(50 * MIB);
    let node = start(limited(), filling(&told), &Ledger::default()).unwrap();
    assert_eq!((told.made(), node.metrics().unwrap().room_level), (1, RoomLevel::Full));
    node.wait_for_leader(LONG).unwrap();
    assert!(matches!(node.propose(b"x".as_slice()).wait(), Err(ProposeError::StoreFull { .. })));
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    let builder = builder().scarce_below(99).full_below(100);
    let Err(refused) = start(builder, MemoryStorage::new(), &Ledger::default()) else {
        panic!("it starts");
    };
    let expected = LimitError::Room { full: 100, scarce: 99 };
    assert!(matches!(&refused, StartError::Limits(found) if *found == expected), "{refused}");
}

/// It follows, votes and is told of its leader, and lags.
#[test]
fn a_follower_without_room_takes_no_entries_and_catches_up_once_there_is() {
    let servers = [1, 2, 3].map(ServerId);
    let network = MemoryNetwork::new(3);
    let told = servers.map(|_| Told::new(2000 * MIB));
    let nodes: Vec<Node<u64>> = servers
        .iter()
        .zip(&told)
        .map(|(&id, told)| {
            let builder = NodeBuilder::new(id, servers).timing(timing()).seed(id.0);
            let builder = builder.scarce_below(1000 * MIB).full_below(100 * MIB);
            builder.start(filling(told), network.transport(id), Ledger::default()).unwrap()
        })
        .collect();
    super::common::commit(|| nodes.iter(), "first");
    let leader = nodes[0].wait_for_leader(LONG).unwrap();
    let lags = servers.iter().position(|&id| id != leader).unwrap();
    let follower = &nodes[lags];
    let applied = |node: &Node<u64>| node.status().unwrap().applied_index;
    let last = super::common::commit(|| nodes.iter(), "second");
    wait_until("it has applied it", || applied(follower) == last);

    // Full, but with a reserve: what its leader has accepted, it takes.
    told[lags].is_seen(follower, 0, RESERVE);
    let last = super::common::commit(|| nodes.iter(), "third");
    wait_until("it has applied it", || applied(follower) == last);
    told[lags].is_seen(follower, 0, MIB);
    let term = follower.status().unwrap().term;
    let mut end = 0;
    for number in 0..20 {
        end = super::common::commit(|| nodes.iter(), &super::text(number));
    }
    wait_until("it drops", || follower.metrics().unwrap().appends_declined > 3);
    let status = follower.status().unwrap();
    assert_eq!((status.last_log_index, status.term), (last, term));
    assert_eq!(status.leader, Some(leader));
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(follower.status().unwrap().term, term, "it stands for no election");
    told[lags].is_seen(follower, 3000 * MIB, RESERVE);
    wait_until("it catches up", || applied(follower) == end);
}
