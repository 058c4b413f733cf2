//! Parts that misbehave: slow disks, applications that block, peers that never read. What they
//! are not part of goes on as if nothing were.

#![cfg(feature = "tcp")]

mod common;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{Journal, JournalNode, LONG, SLOWER, commit, leader, timing, wait_until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use veraft::figure2::{Command, Index, Message, Persistent, Record, ServerId};
use veraft::runtime::{
    Closed, Inbox, Link, MemoryNetwork, MemoryStorage, Node, NodeBuilder, Notes, Reception,
    StateMachine, Storage, StorageError, TcpTransport, Transport, TransportError,
};

const SERVERS: [ServerId; 3] = [ServerId(1), ServerId(2), ServerId(3)];

/// A disk of which each sync may stall.
struct Stalling<F> {
    storage: MemoryStorage,
    stall: F,
}

impl<F: FnMut() -> Duration + Send + 'static> Storage for Stalling<F> {
    fn load(&mut self) -> Result<Persistent, StorageError> {
        self.storage.load()
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        self.storage.append(records)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        thread::sleep((self.stall)());
        self.storage.sync()
    }

    fn notes(&mut self) -> Result<Notes, StorageError> {
        self.storage.notes()
    }

    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), StorageError> {
        self.storage.note(name, value)
    }
}

fn start<F: FnMut() -> Duration + Send + 'static>(
    stall: impl Fn(ServerId) -> F,
) -> Vec<JournalNode> {
    let network = MemoryNetwork::new(1);
    let node = |id| {
        let storage = Stalling { storage: MemoryStorage::new(), stall: stall(id) };
        let builder = NodeBuilder::new(id, SERVERS).timing(timing()).seed(id.0).blanks(false);
        builder.start(storage, network.transport(id), Journal::default()).unwrap()
    };
    SERVERS.map(node).into()
}

fn elections<R>(nodes: &[Node<R>]) -> u64 {
    nodes.iter().map(|node| node.metrics().unwrap().elections_started).sum()
}

/// 100 ms where the shortest election timeout is 150 ms, both slower by the same factor. Without
/// heartbeats that pass a sync, two stalls in a row would depose the leader.
#[test]
fn disks_that_stall_at_random_lose_no_leader() {
    let stalls = Arc::new(AtomicBool::new(false));
    let nodes = start(|id| {
        let (stalls, mut random) = (stalls.clone(), StdRng::seed_from_u64(id.0));
        move || match stalls.load(Ordering::Relaxed) && random.random_bool(0.5) {
            true => Duration::from_millis(100) * SLOWER,
            false => Duration::ZERO,
        }
    });
    commit(|| nodes.iter(), "first");
    let (first, before) = (leader(|| nodes.iter()), elections(&nodes));
    stalls.store(true, Ordering::Relaxed);
    let node = nodes.iter().find(|node| node.id() == first).unwrap();
    let end = Instant::now() + Duration::from_secs(8);
    let mut pending = Vec::new();
    while Instant::now() < end {
        // So often that records always wait behind a stalled sync, with heartbeats behind them.
        pending.push(node.propose(&b"x"[..]));
        thread::sleep(Duration::from_millis(10));
    }
    pending.into_iter().for_each(|one| assert!(one.wait_timeout(LONG).is_ok()));
    assert_eq!(elections(&nodes), before, "an election was held");
    assert_eq!(leader(|| nodes.iter()), first);
}

#[test]
fn a_leader_whose_disk_stalls_for_long_loses_to_a_healthy_node() {
    let stalled = Arc::new(AtomicU64::new(0));
    let since = Arc::new(Mutex::new(None));
    let nodes = start(|id| {
        let (stalled, since) = (stalled.clone(), since.clone());
        move || {
            let mine = stalled.compare_exchange(id.0, 0, Ordering::SeqCst, Ordering::SeqCst);
            match mine.is_ok() {
                true => {
                    *since.lock().unwrap() = Some(Instant::now());
                    Duration::from_secs(5)
                }
                false => Duration::ZERO,
            }
        }
    });
    commit(|| nodes.iter(), "first");
    let old = leader(|| nodes.iter());
    stalled.store(old.0, Ordering::SeqCst);
    let node = nodes.iter().find(|node| node.id() == old).unwrap();
    let slow = node.propose(&b"slow"[..]);
    let healthy = || nodes.iter().filter(|node| node.id() != old);
    leader(healthy);
    let took = since.lock().unwrap().unwrap().elapsed();
    let two_timeouts = *timing().election().end() * 2;
    assert!(took < two_timeouts, "a new leader after {took:?}, allowed are {two_timeouts:?}");
    commit(healthy, "second");
    // The others had it at once, and have committed it since.
    assert!(!slow.is_done(), "answered before its record was durable");
    assert_eq!(slow.wait_timeout(LONG).unwrap().index, 2);
    wait_until("the old leader follows", || {
        let status = node.status().unwrap();
        !status.is_leader() && status.commit_index == 3
    });
}

/// A state machine that blocks in its second command until it is let go.
#[derive(Clone, Default)]
struct Blocking {
    journal: Journal,
    go: Arc<(Mutex<bool>, Condvar)>,
}

impl StateMachine for Blocking {
    type Response = Vec<u8>;

    fn apply(&mut self, index: Index, command: &Command) -> Vec<u8> {
        if index == 2 {
            let mut go = self.go.0.lock().unwrap();
            while !*go {
                go = self.go.1.wait(go).unwrap();
            }
        }
        self.journal.apply(index, command)
    }
}

#[test]
fn an_application_that_blocks_holds_up_nobody_else() {
    for blocks_the_leader in [false, true] {
        let network = MemoryNetwork::new(1);
        let machines = SERVERS.map(|_| Blocking::default());
        let node = |(id, machine): (ServerId, Blocking)| {
            let builder = NodeBuilder::new(id, SERVERS).timing(timing()).seed(id.0).blanks(false);
            builder.start(MemoryStorage::new(), network.transport(id), machine).unwrap()
        };
        let nodes: Vec<_> = SERVERS.into_iter().zip(machines.clone()).map(node).collect();
        commit(|| nodes.iter(), "first");
        let leads = leader(|| nodes.iter());
        let before = elections(&nodes);
        let blocked = SERVERS.into_iter().find(|&id| (id == leads) == blocks_the_leader).unwrap();
        for (id, machine) in SERVERS.iter().zip(&machines) {
            *machine.go.0.lock().unwrap() = *id != blocked;
        }
        // The node whose application blocks is needed for the majority.
        let third = SERVERS.into_iter().find(|&id| id != blocked && id != leads);
        network.disconnect(third.unwrap());
        let node = nodes.iter().find(|node| node.id() == leads).unwrap();
        let pending: Vec<_> = (0..10).map(|_| node.propose(&b"x"[..])).collect();
        wait_until("all are committed", || node.status().unwrap().commit_index == 11);
        thread::sleep(*timing().election().end() * 2);
        let healthy = nodes.iter().filter(|node| Some(node.id()) != third);
        let held: u64 = healthy.map(|node| node.metrics().unwrap().elections_started).sum();
        assert!(held <= before, "an election was held");
        let at = blocked.0 as usize - 1;
        assert_eq!(machines[at].journal.len(), 1);
        assert_eq!(pending[0].is_done(), !blocks_the_leader);
        *machines[at].go.0.lock().unwrap() = true;
        machines[at].go.1.notify_all();
        pending.into_iter().for_each(|one| assert!(one.wait_timeout(LONG).is_ok()));
        wait_until("it catches up", || {
            let lag = nodes[at].metrics().unwrap().apply_lag;
            lag == 0 && machines[at].journal.len() == 11
        });
    }
}

/// A node that greets its peers, and takes no message before the test ends.
struct Deaf {
    inbox: Inbox,
    over: Arc<(Mutex<bool>, Condvar)>,
}

impl Reception for Deaf {
    fn deliver(&self, _from: ServerId, _message: Message, _bytes: u64) -> Result<(), Closed> {
        let (over, ended) = &*self.over;
        let _over = ended.wait_while(over.lock().unwrap(), |over| !*over).unwrap();
        Err(Closed)
    }

    fn hello(&self) -> Vec<u8> {
        self.inbox.hello()
    }

    fn meet(&self, peer: ServerId, hello: Option<&[u8]>) -> Result<(), String> {
        self.inbox.meet(peer, hello).map_err(|refused| refused.to_string())
    }
}

/// Nobody hears of the elections in which it stands.
struct Mute;

impl Link for Mute {
    fn send(&mut self, _messages: Vec<Message>) -> u64 {
        0
    }
}

/// The transport of such a node.
struct Unread {
    transport: TcpTransport,
    over: Arc<(Mutex<bool>, Condvar)>,
}

impl Transport for Unread {
    fn start(&self, inbox: Inbox) -> Result<(), TransportError> {
        let (id, servers) = (inbox.id(), Arc::new(BTreeSet::from(SERVERS)));
        let deaf = Deaf { inbox, over: self.over.clone() };
        self.transport.start(Inbox::new(id, servers, deaf))
    }

    fn link(&self, _peer: ServerId) -> Box<dyn Link> {
        Box::new(Mute)
    }

    fn close(&self) {
        self.transport.close();
        *self.over.0.lock().unwrap() = true;
        self.over.1.notify_all();
    }

    fn join(&self) {
        self.transport.join();
    }
}

#[test]
fn a_peer_that_accepts_and_never_reads_holds_up_nobody_else() {
    for greets in [false, true] {
        let listen = |id| TcpTransport::listen("deaf", id, "127.0.0.1:0").unwrap();
        let transports = [listen(SERVERS[0]), listen(SERVERS[1])];
        let third = listen(SERVERS[2]);
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let deaf = if greets { third.address() } else { silent.local_addr().unwrap() };
        let addresses = transports.each_ref().map(TcpTransport::address);
        let introduce = |transport: TcpTransport| {
            transport
                .peer(SERVERS[0], addresses[0])
                .peer(SERVERS[1], addresses[1])
                .peer(SERVERS[2], deaf)
        };
        let builder = |id| NodeBuilder::new(id, SERVERS).timing(timing()).seed(id.0).blanks(false);
        let start = |(id, transport): (ServerId, TcpTransport)| {
            let transport = introduce(transport);
            builder(id).start(MemoryStorage::new(), transport, Journal::default()).unwrap()
        };
        let _deaf = greets.then(|| {
            let transport = Unread { transport: introduce(third), over: Arc::default() };
            let builder = builder(SERVERS[2]).cluster("deaf");
            builder.start(MemoryStorage::new(), transport, Journal::default()).unwrap()
        });
        let nodes: Vec<_> = SERVERS.into_iter().zip(transports).map(start).collect();
        commit(|| nodes.iter(), "first");
        let (leads, before) = (leader(|| nodes.iter()), elections(&nodes));
        let node = nodes.iter().find(|node| node.id() == leads).unwrap();
        // More than the buffers of a connection hold.
        for _ in 0..100 {
            node.propose(vec![b'x'; 200_000]).wait_timeout(LONG).unwrap();
        }
        assert_eq!(elections(&nodes), before, "an election was held");
        assert_eq!(leader(|| nodes.iter()), leads);
        let start = Instant::now();
        nodes.iter().for_each(Node::shutdown);
        assert!(start.elapsed() < LONG, "the shutdown waits for the peer");
    }
}
