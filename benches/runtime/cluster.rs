//! Clusters to measure, and clients that load them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use veraft::figure2::{Command, Index, ServerId};
use veraft::runtime::{
    MemoryNetwork, Node, NodeBuilder, PendingProposal, StateMachine, Storage, Timing, Transport,
};

/// Counts the commands.
pub struct Count(u64);

impl StateMachine for Count {
    type Response = u64;

    fn apply(&mut self, _index: Index, _command: &Command) -> u64 {
        self.0 += 1;
        self.0
    }
}

pub type Nodes = Vec<Node<u64>>;

/// Starts `size` nodes, each with the storage and transport that the closures give.
pub fn start<S: Storage, T: Transport>(
    size: u64,
    storage: impl Fn(ServerId) -> S,
    transport: impl Fn(ServerId) -> T,
) -> Nodes {
    let servers: Vec<ServerId> = (1..=size).map(ServerId).collect();
    let node = |&id: &ServerId| {
        NodeBuilder::new(id, servers.clone())
            .timing(Timing::default())
            .seed(id.0)
            .start(storage(id), transport(id), Count(0))
            .unwrap()
    };
    servers.iter().map(node).collect()
}

/// A memory network's transports.
pub fn memory_network() -> impl Fn(ServerId) -> veraft::runtime::MemoryTransport {
    let network = MemoryNetwork::new(1);
    move |id| network.transport(id)
}

/// Waits for a leader that has committed a command.
pub fn leader(nodes: &Nodes) -> &Node<u64> {
    let give_up = Instant::now() + Duration::from_secs(20);
    loop {
        assert!(Instant::now() < give_up, "no leader");
        for node in nodes {
            let leads = node.status().unwrap().is_leader();
            let first = || node.propose(&b"first"[..]).wait_timeout(Duration::from_secs(1));
            if leads && first().is_ok() {
                return node;
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Commits a second, with `window` commands of `bytes` bytes in flight, for `time`.
pub fn throughput(node: &Node<u64>, window: usize, bytes: usize, time: Duration) -> f64 {
    let command = Command::from(vec![b'x'; bytes]);
    let mut flying: VecDeque<PendingProposal<u64>> = VecDeque::new();
    let run = |count: &mut u64, until: Duration, flying: &mut VecDeque<_>| {
        let start = Instant::now();
        while start.elapsed() < until {
            for _ in 0..16 {
                flying.push_back(node.propose(command.clone()));
                if flying.len() > window {
                    let oldest: PendingProposal<u64> = flying.pop_front().unwrap();
                    oldest.wait().unwrap();
                    *count += 1;
                }
            }
        }
        *count as f64 / start.elapsed().as_secs_f64()
    };
    run(&mut 0, time / 5, &mut flying);
    run(&mut 0, time, &mut flying)
}

/// The latencies of `count` commands of 64 bytes, one in flight, sorted.
pub fn latencies(node: &Node<u64>, count: usize) -> Vec<Duration> {
    let mut latencies: Vec<Duration> = (0..count)
        .map(|_| {
            let start = Instant::now();
            node.propose(vec![b'x'; 64]).wait().unwrap();
            start.elapsed()
        })
        .collect();
    latencies.sort_unstable();
    latencies
}
