//! veraft, as its runtime ships.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use veraft::figure2::{Command, Index, Persistent, Record, ServerId};
use veraft::runtime::{
    DiskStorage, MemoryNetwork, MemoryStorage, Node, NodeBuilder, Notes, PendingProposal,
    StateMachine, Storage, StorageError, Timing,
};

use crate::side::{BROKEN, Cluster, Commands, ELECTION, HEARTBEAT, SLOW_SYNC, Side, Store};

pub const SIDE: Side = Side { name: "veraft", start };

/// Counts the commands.
struct Count(u64);

impl StateMachine for Count {
    type Response = u64;

    fn apply(&mut self, _index: Index, _command: &Command) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// Memory, with a sync that takes its time.
struct Slow(MemoryStorage);

impl Storage for Slow {
    fn load(&mut self) -> Result<Persistent, StorageError> {
        self.0.load()
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        self.0.append(records)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        thread::sleep(SLOW_SYNC);
        self.0.sync()
    }

    fn notes(&mut self) -> Result<Notes, StorageError> {
        self.0.notes()
    }

    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), StorageError> {
        self.0.note(name, value)
    }
}

struct Veraft {
    nodes: Vec<Arc<Node<u64>>>,
    leader: Arc<Node<u64>>,
    commands: Commands,
}

fn start(store: &Store) -> Box<dyn Cluster> {
    let network = MemoryNetwork::new(1);
    let servers = [1, 2, 3].map(ServerId);
    let node = |id: ServerId| {
        let storage: Box<dyn Storage> = match store {
            Store::Disk(directory) => {
                Box::new(DiskStorage::open(directory.join(id.to_string())).unwrap())
            }
            Store::Memory => Box::new(MemoryStorage::new()),
            Store::Slow => Box::new(Slow(MemoryStorage::new())),
        };
        let timing = Timing::new(ELECTION.0..=ELECTION.1, HEARTBEAT).unwrap();
        let builder = NodeBuilder::new(id, servers).timing(timing).seed(id.0);
        Arc::new(builder.start(storage, network.transport(id), Count(0)).unwrap())
    };
    let nodes = Vec::from(servers.map(node));
    let leader = leader(&nodes);
    Box::new(Veraft { nodes, leader, commands: Commands::default() })
}

/// Waits for a leader that has committed a command.
fn leader(nodes: &[Arc<Node<u64>>]) -> Arc<Node<u64>> {
    let give_up = Instant::now() + BROKEN;
    loop {
        assert!(Instant::now() < give_up, "no leader");
        for node in nodes {
            let commits = || node.propose(&b"first"[..]).wait_timeout(Duration::from_secs(1));
            if node.status().unwrap().is_leader() && commits().is_ok() {
                return node.clone();
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
}

impl Cluster for Veraft {
    fn load(&mut self, in_flight: usize, time: Duration) -> Vec<Duration> {
        let mut flying: VecDeque<(Instant, PendingProposal<u64>)> = VecDeque::new();
        let mut latencies = Vec::new();
        let start = Instant::now();
        loop {
            while flying.len() < in_flight && start.elapsed() < time {
                let command = self.commands.next();
                flying.push_back((Instant::now(), self.leader.propose(command)));
            }
            let Some((since, oldest)) = flying.pop_front() else { return latencies };
            oldest.wait_timeout(BROKEN).unwrap();
            latencies.push(since.elapsed());
        }
    }
}

impl Drop for Veraft {
    fn drop(&mut self) {
        self.nodes.iter().for_each(|node| node.shutdown());
    }
}
