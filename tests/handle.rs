//! What the handle of a node promises to its holder.

#![cfg(feature = "runtime")]

mod common;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use common::{Cluster, Journal, LONG, wait_until};
use veraft::figure2::{Command, Index, Persistent, Record, ServerId};
use veraft::runtime::{
    InFlightLimit, MemoryNetwork, MemoryStorage, Metrics, Node, NodeBuilder, Notes, PeerMetrics,
    ProposeError, StartError, StateMachine, StopReason, Storage, StorageError,
};

/// A cluster of one, which leads soon.
fn alone<M: StateMachine>(storage: impl Storage, machine: M) -> Node<M::Response> {
    let id = ServerId(1);
    let transport = MemoryNetwork::new(1).transport(id);
    let node = NodeBuilder::new(id, [id]).blanks(false).start(storage, transport, machine).unwrap();
    wait_until("it leads", || node.status().unwrap().is_leader());
    node
}

#[test]
fn a_command_is_answered_by_the_state_machine_and_applied_everywhere_in_order() {
    let cluster = Cluster::start(3);
    cluster.commit("first");
    let leader = cluster.node(cluster.leader());
    let pending: Vec<_> =
        (0..100).map(|number| leader.propose(format!("{number:03}").into_bytes())).collect();
    for (number, pending) in pending.into_iter().enumerate() {
        let applied = pending.wait_timeout(LONG).unwrap();
        assert_eq!(applied.index, number as Index + 2);
        let reversed: String = format!("{number:03}").chars().rev().collect();
        assert_eq!(applied.response, reversed.into_bytes());
    }
    for journal in &cluster.journals {
        wait_until("all applied", || journal.len() == 101);
        assert_eq!(journal.entries(), cluster.journals[0].entries());
    }
    let status = leader.status().unwrap();
    assert_eq!((status.last_log_index, status.commit_index, status.applied_index), (101, 101, 101));
    assert_eq!(status.leader, Some(status.id));
}

#[test]
fn a_follower_names_the_leader() {
    let cluster = Cluster::start(3);
    cluster.commit("first");
    let leader = cluster.leader();
    let follower = cluster.running().find(|node| node.id() != leader).unwrap();
    wait_until("it knows", || follower.status().unwrap().leader == Some(leader));
    match follower.propose(&b"x"[..]).wait_timeout(LONG) {
        Err(error @ ProposeError::NotLeader { leader: named, .. }) => {
            assert_eq!(named, Some(leader));
            assert!(!error.may_still_commit());
            assert!(error.to_string().ends_with(&format!("try {leader}")), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_whose_place_was_taken_is_superseded() {
    let cluster = Cluster::start(3);
    cluster.commit("first");
    let old = cluster.leader();
    cluster.network.disconnect(old);
    let pending = cluster.node(old).propose(&b"never"[..]);
    let accepted = pending.accepted(LONG).unwrap();
    assert_eq!(accepted.index, 2);
    let others = || cluster.running().filter(|node| node.id() != old);
    assert_eq!(common::commit(others, "instead"), 2);
    assert!(!pending.is_done());
    cluster.network.connect(old);
    match pending.wait_timeout(LONG) {
        Err(error @ ProposeError::Superseded { term, index }) => {
            assert_eq!((term, index), (accepted.term, 2));
            assert!(!error.may_still_commit());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(cluster.journal(old).entries(), [b"first".to_vec(), b"instead".to_vec()]);
}

#[test]
fn a_command_without_a_majority_is_unknown_and_may_still_be_applied() {
    let cluster = Cluster::start(3);
    cluster.commit("first");
    let leader = cluster.leader();
    for node in cluster.running().filter(|node| node.id() != leader) {
        cluster.network.cut(leader, node.id());
    }
    let (early, late) =
        (cluster.node(leader).propose(&b"early"[..]), cluster.node(leader).propose(&b"late"[..]));
    early.accepted(LONG).unwrap();
    late.accepted(LONG).unwrap();
    match early.wait_timeout(Duration::from_millis(1)) {
        Err(error @ ProposeError::TimedOut) => assert!(error.may_still_commit()),
        other => panic!("{other:?}"),
    }
    cluster.node(leader).shutdown();
    match late.wait_timeout(LONG) {
        Err(ref error @ ProposeError::Lost(ref stopped)) => {
            assert!(matches!(stopped.reason, StopReason::Shutdown));
            assert!(error.may_still_commit());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn after_a_shutdown_every_call_says_stopped_and_nothing_is_left() {
    for drop_it in [false, true] {
        let (journal, storage) = (Journal::default(), Sentinel::default());
        let alive = storage.alive.clone();
        let node = Arc::new(alone(storage, journal.clone()));
        node.propose(&b"x"[..]).wait_timeout(LONG).unwrap();
        assert_eq!(alive.load(Ordering::SeqCst), 1);
        if drop_it {
            drop(node);
        } else {
            let others: Vec<_> = (0..3)
                .map(|_| {
                    let node = node.clone();
                    thread::spawn(move || node.shutdown())
                })
                .collect();
            node.shutdown();
            assert_eq!(alive.load(Ordering::SeqCst), 0);
            others.into_iter().for_each(|other| other.join().unwrap());
            node.shutdown();
            let stopped = node.status().unwrap_err();
            assert!(matches!(stopped.reason, StopReason::Shutdown), "{stopped}");
            assert!(node.metrics().is_err());
            let refused = node.propose(&b"x"[..]).wait();
            assert!(matches!(refused, Err(ProposeError::Stopped(_))), "{refused:?}");
        }
        assert_eq!(alive.load(Ordering::SeqCst), 0, "the disk thread still has its storage");
        assert_eq!(journal.len(), 1);
    }
}

/// Storage in memory that counts how many of its kind live.
struct Sentinel {
    storage: MemoryStorage,
    alive: Arc<AtomicUsize>,
}

impl Default for Sentinel {
    fn default() -> Self {
        Sentinel { storage: MemoryStorage::new(), alive: Arc::new(AtomicUsize::new(1)) }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Storage for Sentinel {
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
}

/// A disk whose sync fails once it is told to.
#[derive(Clone, Default)]
struct Broken {
    fails: Arc<OnceLock<()>>,
    syncs_after: Arc<AtomicUsize>,
}

impl Storage for Broken {
    fn load(&mut self) -> Result<Persistent, StorageError> {
        Ok(Persistent::default())
    }

    fn append(&mut self, _records: &[Record]) -> Result<(), StorageError> {
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        if self.fails.get().is_none() {
            return Ok(());
        }
        self.syncs_after.fetch_add(1, Ordering::SeqCst);
        Err(StorageError::other("the disk is on fire"))
    }

    fn notes(&mut self) -> Result<Notes, StorageError> {
        Ok(Notes::new())
    }

    fn note(&mut self, _name: &str, _value: &[u8]) -> Result<(), StorageError> {
        Ok(())
    }
}

#[test]
fn a_failed_sync_stops_the_node_and_is_not_tried_again() {
    let (disk, journal) = (Broken::default(), Journal::default());
    let node = alone(disk.clone(), journal.clone());
    disk.fails.set(()).unwrap();
    match node.propose(&b"x"[..]).wait_timeout(LONG) {
        Err(ProposeError::Lost(stopped)) => {
            assert!(matches!(stopped.reason, StopReason::Storage(_)), "{stopped}");
        }
        other => panic!("{other:?}"),
    }
    let stopped = node.status().unwrap_err();
    assert!(format!("{stopped:?}").ends_with(": the disk is on fire"), "{stopped:?}");
    node.shutdown();
    assert!(matches!(node.status().unwrap_err().reason, StopReason::Storage(_)));
    assert_eq!(disk.syncs_after.load(Ordering::SeqCst), 1);
    assert_eq!(journal.len(), 0, "applied what is not durable");
}

/// What became of a proposal, in the order in which it happened.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Happened {
    Recorded,
    Appended,
    RecordedAsDurable,
    Answered,
}

#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<Happened>>>);

impl Events {
    fn add(&self, event: Happened) {
        self.0.lock().unwrap().push(event);
    }
}

/// A recording that is slower than everything else: what does not wait for it comes before it.
struct Slow(Events);

impl io::Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        thread::sleep(Duration::from_millis(5));
        let text = String::from_utf8_lossy(bytes);
        if text.contains("Propose") {
            self.0.add(Happened::Recorded);
        }
        if text.contains("{\"durable\"") {
            self.0.add(Happened::RecordedAsDurable);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A storage in memory that says what was appended.
struct Told(MemoryStorage, Events);

impl Storage for Told {
    fn load(&mut self) -> Result<Persistent, StorageError> {
        self.0.load()
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        self.1.add(Happened::Appended);
        self.0.append(records)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.0.sync()
    }

    fn notes(&mut self) -> Result<Notes, StorageError> {
        self.0.notes()
    }

    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), StorageError> {
        self.0.note(name, value)
    }
}

#[test]
fn nothing_reaches_the_disk_or_is_answered_before_its_line_is_recorded() {
    let (id, events) = (ServerId(1), Events::default());
    let transport = MemoryNetwork::new(1).transport(id);
    let builder = NodeBuilder::new(id, [id]).blanks(false).record(Slow(events.clone()));
    let storage = Told(MemoryStorage::new(), events.clone());
    let node = builder.start(storage, transport, Journal::default()).unwrap();
    wait_until("it leads", || node.status().unwrap().is_leader());
    node.propose(&b"all before this one is written"[..]).wait_timeout(LONG).unwrap();
    events.0.lock().unwrap().clear();
    for number in 0..20 {
        node.propose([number].as_slice()).wait_timeout(LONG).unwrap();
        events.add(Happened::Answered);
        let happened = std::mem::take(&mut *events.0.lock().unwrap());
        let order = [
            Happened::Recorded,
            Happened::Appended,
            Happened::RecordedAsDurable,
            Happened::Answered,
        ];
        assert_eq!(happened, order, "proposal {number}");
    }
}

struct Panics;

impl StateMachine for Panics {
    type Response = ();

    fn apply(&mut self, _index: Index, _command: &Command) {
        panic!("this command is poison (a panic that the test expects)");
    }
}

#[test]
fn a_state_machine_that_panics_stops_the_node() {
    let node = alone(MemoryStorage::new(), Panics);
    match node.propose(&b"x"[..]).wait_timeout(LONG) {
        Err(ProposeError::Lost(stopped)) => {
            assert!(matches!(stopped.reason, StopReason::Panicked { .. }), "{stopped}");
        }
        other => panic!("{other:?}"),
    }
    wait_until("it stops", || node.status().is_err());
    let stopped = node.status().unwrap_err();
    assert_eq!(stopped.to_string().matches("application thread panicked").count(), 1);
}

/// Shuts its own node down.
struct ShutsDown(Arc<OnceLock<Arc<Node<()>>>>);

impl StateMachine for ShutsDown {
    type Response = ();

    fn apply(&mut self, _index: Index, _command: &Command) {
        self.0.wait().shutdown();
    }
}

#[test]
fn a_state_machine_may_shut_its_own_node_down() {
    let own = Arc::new(OnceLock::new());
    let node = Arc::new(alone(MemoryStorage::new(), ShutsDown(own.clone())));
    own.set(node.clone()).ok().unwrap();
    let _ = node.propose(&b"x"[..]).wait_timeout(LONG);
    assert!(node.status().is_err());
    node.shutdown();
}

#[test]
fn commands_too_large_or_too_many_are_refused_before_they_enter_a_log() {
    let id = ServerId(1);
    let servers = [1, 2, 3].map(ServerId);
    let transport = MemoryNetwork::new(1).transport(id);
    let builder = NodeBuilder::new(id, servers).max_command_bytes(10).max_in_flight(0);
    let node = builder.start(MemoryStorage::new(), transport, Journal::default()).unwrap();
    let large = node.propose(&[0; 11][..]).wait();
    assert!(matches!(large, Err(ProposeError::TooLarge { bytes: 11, limit: 10 })), "{large:?}");
    let busy = node.propose(&[0; 10][..]).wait();
    assert!(
        matches!(busy, Err(ProposeError::Busy { limit: InFlightLimit::Proposals(0) })),
        "{busy:?}"
    );
}

#[test]
fn a_server_outside_its_own_cluster_does_not_start() {
    let builder = NodeBuilder::new(ServerId(4), [1, 2, 3].map(ServerId));
    let transport = MemoryNetwork::new(1).transport(ServerId(4));
    let started = builder.start(MemoryStorage::new(), transport, Journal::default());
    assert!(matches!(started.err(), Some(StartError::NotInCluster(ServerId(4)))));
}

#[test]
fn a_second_node_of_the_same_server_does_not_start_and_harms_nothing() {
    let cluster = Cluster::start(3);
    cluster.commit("first");
    let leader = cluster.leader();
    let transport = cluster.network.transport(leader);
    let second = cluster.builder(leader).start(MemoryStorage::new(), transport, Journal::default());
    assert!(matches!(second.err(), Some(StartError::Transport(_))));
    assert_eq!(cluster.commit("second"), 2);
    assert_eq!(cluster.leader(), leader);
}

#[test]
fn what_was_acknowledged_survives_the_restart_of_every_node() {
    let mut cluster = Cluster::start(3);
    let commands = ["a", "b", "c"];
    commands.iter().for_each(|command| assert!(cluster.commit(command) > 0));
    (1..=3).for_each(|id| cluster.restart(ServerId(id)));
    cluster.commit("d");
    let expected: Vec<Vec<u8>> = ["a", "b", "c", "d"].map(|command| command.into()).into();
    for journal in &cluster.journals {
        wait_until("all applied", || journal.len() == 4);
        assert_eq!(journal.entries(), expected);
    }
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_proposal_can_be_awaited() {
    let node = alone(MemoryStorage::new(), Journal::default());
    let mut pending = pin!(node.propose(&b"abc"[..]));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let applied = loop {
        match pending.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => break outcome.unwrap(),
            Poll::Pending => thread::park(),
        }
    };
    assert_eq!(applied.response, b"cba");
}

#[test]
fn metrics_count_what_happened() {
    let cluster = Cluster::start(3);
    (0..10).for_each(|number| assert!(cluster.commit(&number.to_string()) > 0));
    let metrics: Vec<Metrics> = cluster.running().map(|node| node.metrics().unwrap()).collect();
    let sum = |of: fn(&Metrics) -> u64| metrics.iter().map(of).sum::<u64>();
    let elections = sum(|one| one.elections_won);
    assert!(elections >= 1 && sum(|one| one.elections_started) >= elections);
    let proposals = sum(|one| one.proposal_batch.sum);
    // A command is proposed again where a new leader has lost it.
    assert!(proposals == 10 || proposals > 10 && elections > 1, "{proposals}, {elections}");
    assert!(metrics.iter().all(|one| one.sync_batch.sum > one.proposal_batch.count));
    let leader = cluster.node(cluster.leader());
    wait_until("all have answered", || {
        let peers = leader.metrics().unwrap().peers;
        let talks = |peer: &PeerMetrics| peer.messages_sent > 0 && peer.messages_received > 0;
        peers.len() == 2 && peers.values().all(talks)
    });
    wait_until("all applied", || leader.metrics().unwrap().apply_lag == 0);
    let metrics = leader.metrics().unwrap();
    assert_eq!(metrics.sync_batch.count, metrics.sync_nanoseconds.count);
    assert_eq!((metrics.proposals_in_flight, metrics.bytes_in_flight), (0, 0));
}
