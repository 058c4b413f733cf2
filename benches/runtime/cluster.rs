//! Clusters to measure, and clients that load them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use veraft::figure2::{Command, Index, ServerId};
use veraft::runtime::{
    MemoryNetwork, MemoryTransport, Node, NodeBuilder, PendingProposal, StateMachine, Storage,
    TcpTransport, Timing, Transport,
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

/// Starts one node for each transport, with the storage that `storage` gives.
pub fn start<S: Storage, T: Transport>(
    storage: impl Fn(ServerId) -> S,
    transports: impl IntoIterator<Item = T>,
) -> Nodes {
    let transports: Vec<T> = transports.into_iter().collect();
    let servers: Vec<ServerId> = (1..=transports.len() as u64).map(ServerId).collect();
    let node = |(&id, transport): (&ServerId, T)| {
        NodeBuilder::new(id, servers.clone())
            .timing(Timing::default())
            .seed(id.0)
            .start(storage(id), transport, Count(0))
            .unwrap()
    };
    servers.iter().zip(transports).map(node).collect()
}

/// The transports of three servers on one network in memory.
pub fn memory(network: &MemoryNetwork) -> [MemoryTransport; 3] {
    [1, 2, 3].map(|id| network.transport(ServerId(id)))
}

/// The transports of three servers over TCP on this machine.
pub fn tcp() -> Vec<TcpTransport> {
    let ids = [1, 2, 3].map(ServerId);
    let listen = |id| TcpTransport::listen("bench", id, "127.0.0.1:0").unwrap();
    let transports = ids.map(listen);
    let addresses = transports.each_ref().map(TcpTransport::address);
    let introduce = |mut transport: TcpTransport| {
        for (id, address) in ids.iter().zip(&addresses) {
            transport = transport.peer(*id, address);
        }
        transport
    };
    transports.into_iter().map(introduce).collect()
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
