//! What an application is told of leaders, and what a barrier promises.

mod common;
#[path = "common/log.rs"]
mod log;

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use common::{Cluster, Journal, JournalNode, LONG, wait_until};
use veraft::figure2::{Persistent, Record, ServerId};
use veraft::runtime::{
    Leadership, LeadershipChanges, MemoryNetwork, MemoryStorage, NoLeader, NodeBuilder, Notes,
    ProposeError, RoleName, Storage, StorageError,
};

/// Waits until `changes` tell what `wanted` asks for.
fn told(changes: &mut LeadershipChanges, wanted: impl Fn(&Leadership) -> bool) -> Leadership {
    let mut found = None;
    wait_until("the change", || {
        let change = changes.next_within(Duration::from_millis(100)).unwrap();
        found = change.filter(|change| wanted(change));
        found.is_some()
    });
    found.unwrap()
}

/// One of a cluster of three whose others do not run.
fn alone() -> JournalNode {
    let builder = NodeBuilder::new(ServerId(1), (1..=3).map(ServerId)).timing(common::timing());
    let transport = MemoryNetwork::new(1).transport(ServerId(1));
    builder.start(MemoryStorage::new(), transport, common::Journal::default()).unwrap()
}

/// A disk that says when a ballot is on its way to it, and makes it durable once it is let go.
struct Hesitant {
    storage: MemoryStorage,
    ballot: bool,
    writes: Sender<()>,
    go: Receiver<()>,
}

impl Storage for Hesitant {
    fn load(&mut self) -> Result<Persistent, StorageError> {
        self.storage.load()
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        self.ballot |= records.iter().any(|record| matches!(record, Record::Ballot { .. }));
        self.storage.append(records)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        if std::mem::take(&mut self.ballot) {
            // A test that has failed listens no more.
            let _ = self.writes.send(());
            let _ = self.go.recv();
        }
        self.storage.sync()
    }

    fn notes(&mut self) -> Result<Notes, StorageError> {
        self.storage.notes()
    }

    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), StorageError> {
        self.storage.note(name, value)
    }
}

#[test]
fn a_server_says_that_it_leads_once_its_own_ballot_is_durable() {
    let (log, id) = (log::log(), ServerId(77));
    let ((writes, has_written), (let_go, go)) = (mpsc::channel(), mpsc::channel());
    let storage = Hesitant { storage: MemoryStorage::new(), ballot: false, writes, go };
    let transport = MemoryNetwork::new(1).transport(id);
    let node = NodeBuilder::new(id, [id]).start(storage, transport, Journal::default()).unwrap();
    // Gone before the node is: a test that fails lets the disk go.
    let let_go = let_go;
    let mut changes = node.leadership_changes();
    has_written.recv().unwrap();
    // It has elected itself, and its ballot is not on the disk.
    let status = node.status().unwrap();
    assert_eq!((status.term, status.role, status.leader), (0, RoleName::Follower, None));
    assert_eq!(changes.next().map(|told| (told.term, told.leader)), Some((0, None)));
    assert_eq!(changes.next_within(Duration::ZERO).unwrap(), None);
    assert!(matches!(node.wait_for_leader(Duration::ZERO), Err(NoLeader::TimedOut)));
    let metrics = node.metrics().unwrap();
    assert_eq!((metrics.elections_started, metrics.elections_won), (0, 0));
    let logged = || log.lines("INFO", "S77").into_iter().filter(|line| line.contains("leader"));
    assert_eq!(logged().count(), 0);
    let_go.send(()).unwrap();
    let leads = changes.next().unwrap();
    assert_eq!((leads.term, leads.role, leads.leader), (1, RoleName::Leader, Some(id)));
    assert_eq!(node.wait_for_leader(LONG).unwrap(), id);
    assert!(logged().count() > 0);
    let metrics = node.metrics().unwrap();
    assert_eq!((metrics.elections_started, metrics.elections_won), (1, 1));
}

#[test]
fn all_wait_for_one_leader() {
    let cluster = Cluster::start(3);
    let leaders: Vec<ServerId> =
        cluster.running().map(|node| node.wait_for_leader(LONG).unwrap()).collect();
    // A later election may have come between two of the answers.
    wait_until("one leader", || {
        let leader = |node: &JournalNode| node.wait_for_leader(LONG).unwrap();
        cluster.running().all(|node| leader(node) == cluster.leader())
    });
    assert!(leaders.iter().all(|leader| (1..=3).contains(&leader.0)));
}

#[test]
fn whoever_waits_for_a_leader_in_vain_is_told_why() {
    let node = alone();
    let in_vain = node.wait_for_leader(Duration::from_millis(1)).unwrap_err();
    assert!(matches!(in_vain, NoLeader::TimedOut), "{in_vain}");
    thread::scope(|scope| {
        let (begun, has_begun) = mpsc::channel();
        let waiting = &node;
        let waits = scope.spawn(move || {
            begun.send(()).unwrap();
            waiting.wait_for_leader(Duration::MAX)
        });
        has_begun.recv().unwrap();
        node.shutdown();
        assert!(matches!(waits.join().unwrap(), Err(NoLeader::Stopped(_))));
    });
    assert!(matches!(node.wait_for_leader(Duration::MAX), Err(NoLeader::Stopped(_))));
}

#[test]
fn each_change_of_role_and_leader_is_told() {
    let cluster = Cluster::start(3);
    let first = cluster.leader();
    let others = cluster.running().filter(|node| node.id() != first);
    let mut changes: Vec<LeadershipChanges> = others.map(|one| one.leadership_changes()).collect();
    let old = changes.iter_mut().map(|one| told(one, |now| now.leader == Some(first)));
    let term = old.map(|one| one.term).max().unwrap();
    cluster.network.disconnect(first);
    for changes in &mut changes {
        let new = told(changes, |now| now.leader.is_some_and(|leader| leader != first));
        assert!(new.term > term, "{new:?} after term {term}");
    }
    let leader = cluster.leader();
    assert_ne!(leader, first);
    let now = cluster.node(leader).leadership_changes().next().unwrap();
    assert_eq!((now.role, now.leader), (RoleName::Leader, Some(leader)));
}

/// The old leader hears that it no longer leads once it is connected again.
#[test]
fn a_leader_that_was_cut_off_is_told_that_it_follows() {
    let cluster = Cluster::start(3);
    let first = cluster.leader();
    let mut changes = cluster.node(first).leadership_changes();
    let led = told(&mut changes, |now| now.role == RoleName::Leader);
    cluster.network.disconnect(first);
    wait_until("another leader", || {
        let others = cluster.running().filter(|node| node.id() != first);
        others.into_iter().any(|node| node.status().unwrap().is_leader())
    });
    cluster.network.connect(first);
    let follows = told(&mut changes, |now| now.role == RoleName::Follower);
    assert!(follows.term > led.term, "{follows:?} after {led:?}");
}

#[test]
fn the_changes_end_with_the_node_and_do_not_keep_it() {
    let node = alone();
    let mut changes = node.leadership_changes();
    assert!(changes.next().is_some(), "what holds at first is told");
    let ends = thread::spawn(move || changes.count());
    drop(node);
    ends.join().unwrap();
}

/// Without blanks of its own a new leader applies nothing until something is proposed.
#[test]
fn a_barrier_brings_a_new_leader_up_to_date() {
    let mut cluster = Cluster::start(3);
    for number in 0..10 {
        cluster.commit(&format!("command {number}"));
    }
    (1..=3).for_each(|id| cluster.restart(ServerId(id)));
    let applied = loop {
        let leader = cluster.leader();
        match cluster.node(leader).barrier().wait_timeout(LONG) {
            Ok(applied) => {
                assert_eq!(cluster.journal(leader).len(), 10, "when the barrier is answered");
                break applied;
            }
            // Somebody else was elected meanwhile.
            Err(ProposeError::NotLeader { .. } | ProposeError::Superseded { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!((applied.index, applied.response), (11, ()), "a barrier takes an entry");
    assert_eq!(cluster.commit("later"), 12);
    let leader = cluster.leader();
    wait_until("the later command", || cluster.journal(leader).len() == 11);
}

#[test]
fn a_barrier_is_the_leaders_alone() {
    let cluster = Cluster::start(3);
    wait_until("a follower that knows its leader", || {
        let leader = cluster.leader();
        cluster.running().filter(|node| node.id() != leader).any(|node| {
            let refused = node.barrier().wait();
            matches!(refused, Err(ProposeError::NotLeader { leader: Some(known), .. }) if known == leader)
        })
    });
    assert_eq!(
        cluster.running().map(|node| node.metrics().unwrap().proposals_in_flight).sum::<usize>(),
        0
    );
}
