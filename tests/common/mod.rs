//! Parts that the suites of the runtime share.

#![allow(dead_code, reason = "each suite uses its own share")]

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use veraft::figure2::{Command, Index, ServerId};
use veraft::runtime::{
    MemoryDisk, MemoryNetwork, Node, NodeBuilder, ProposeError, StateMachine, Timing,
};

/// No test depends on how fast something happens, but each must end.
pub const LONG: Duration = Duration::from_secs(60);

pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let give_up = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < give_up, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The default timing, slower by this factor: a busy machine must not decide a test.
pub const SLOWER: u32 = 3;

pub fn timing() -> Timing {
    let default = Timing::default();
    let (shortest, longest) = (*default.election().start(), *default.election().end());
    Timing::new(shortest * SLOWER..=longest * SLOWER, default.heartbeat() * SLOWER).unwrap()
}

/// What a state machine has applied, in order.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<Applied>>);

#[derive(Default)]
struct Applied {
    entries: Vec<Vec<u8>>,
    last_index: Index,
}

impl Journal {
    pub fn entries(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().entries.clone()
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().entries.len()
    }
}

/// Answers with the command reversed.
impl StateMachine for Journal {
    type Response = Vec<u8>;

    fn apply(&mut self, index: Index, command: &Command) -> Vec<u8> {
        let mut applied = self.0.lock().unwrap();
        assert!(index > applied.last_index, "{index} after {}", applied.last_index);
        applied.last_index = index;
        applied.entries.push(command.as_bytes().to_vec());
        command.as_bytes().iter().rev().copied().collect()
    }
}

pub type JournalNode = Node<Vec<u8>>;

/// Nodes on memory disks and a memory network.
pub struct Cluster {
    pub network: MemoryNetwork,
    pub disks: Vec<MemoryDisk>,
    pub journals: Vec<Journal>,
    pub nodes: Vec<Option<JournalNode>>,
}

impl Cluster {
    pub fn start(size: u64) -> Cluster {
        let mut cluster = Cluster {
            network: MemoryNetwork::new(size),
            disks: (0..size).map(|_| MemoryDisk::new()).collect(),
            journals: (0..size).map(|_| Journal::default()).collect(),
            nodes: (0..size).map(|_| None).collect(),
        };
        (1..=size).for_each(|id| cluster.restart(ServerId(id)));
        cluster
    }

    /// Without blanks, so that indices count commands.
    pub fn builder(&self, id: ServerId) -> NodeBuilder {
        let servers = (1..=self.disks.len() as u64).map(ServerId);
        NodeBuilder::new(id, servers).timing(timing()).seed(id.0).blanks(false)
    }

    /// Stops the server, if it runs, and starts it from its disk.
    pub fn restart(&mut self, id: ServerId) {
        let at = id.0 as usize - 1;
        self.nodes[at] = None;
        self.journals[at] = Journal::default();
        let storage = self.disks[at].open().unwrap();
        let (transport, journal) = (self.network.transport(id), self.journals[at].clone());
        self.nodes[at] = Some(self.builder(id).start(storage, transport, journal).unwrap());
    }

    pub fn node(&self, id: ServerId) -> &JournalNode {
        self.nodes[id.0 as usize - 1].as_ref().unwrap()
    }

    pub fn journal(&self, id: ServerId) -> &Journal {
        &self.journals[id.0 as usize - 1]
    }

    pub fn running(&self) -> impl Iterator<Item = &JournalNode> {
        self.nodes.iter().flatten()
    }

    /// A leader that the network still connects.
    pub fn leader(&self) -> ServerId {
        let connected = |node: &&JournalNode| self.network.is_connected(node.id());
        leader(|| self.running().filter(connected))
    }

    pub fn commit(&self, command: &str) -> Index {
        commit(|| self.running(), command)
    }
}

/// Waits for a node that leads.
pub fn leader<'a, R: 'a, I: Iterator<Item = &'a Node<R>>>(nodes: impl Fn() -> I) -> ServerId {
    let leads = |node: &&Node<R>| node.status().is_ok_and(|status| status.is_leader());
    let mut leader = None;
    wait_until("a leader", || {
        leader = nodes().find(leads).map(Node::id);
        leader.is_some()
    });
    leader.unwrap()
}

/// Proposes a command to whoever leads until it is applied there; returns its index.
pub fn commit<'a, R: 'a, I: Iterator<Item = &'a Node<R>>>(
    nodes: impl Fn() -> I,
    command: &str,
) -> Index {
    let give_up = Instant::now() + LONG;
    while Instant::now() < give_up {
        for node in nodes() {
            match node.propose(command.as_bytes()).wait_timeout(Duration::from_secs(10)) {
                Ok(applied) => return applied.index,
                Err(
                    ProposeError::NotLeader { .. }
                    | ProposeError::Superseded { .. }
                    | ProposeError::Stopped(_),
                ) => {}
                Err(error) => panic!("{command}: {error}"),
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("{command} was not committed")
}
