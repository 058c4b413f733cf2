//! Clusters to measure, and clients that load them.

use std::collections::VecDeque;
use std::net::SocketAddr;
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
    start_with(storage, transports, |builder| builder)
}

/// The same, with other settings than the defaults.
pub fn start_with<S: Storage, T: Transport>(
    storage: impl Fn(ServerId) -> S,
    transports: impl IntoIterator<Item = T>,
    settings: impl Fn(NodeBuilder) -> NodeBuilder,
) -> Nodes {
    let transports: Vec<T> = transports.into_iter().collect();
    let servers: Vec<ServerId> = (1..=transports.len() as u64).map(ServerId).collect();
    let node = |(&id, transport): (&ServerId, T)| {
        let builder = NodeBuilder::new(id, servers.clone()).timing(Timing::default()).seed(id.0);
        settings(builder).start(storage(id), transport, Count(0)).unwrap()
    };
    servers.iter().zip(transports).map(node).collect()
}

/// The transports of three servers on one network in memory.
pub fn memory(network: &MemoryNetwork) -> [MemoryTransport; 3] {
    [1, 2, 3].map(|id| network.transport(ServerId(id)))
}

/// The transports of three servers over TCP on this machine.
pub fn tcp() -> Vec<TcpTransport> {
    tcp_through(|_, _, address| address)
}

/// The same, where `way` gives the address at which one server finds another.
pub fn tcp_through(
    mut way: impl FnMut(ServerId, ServerId, SocketAddr) -> SocketAddr,
) -> Vec<TcpTransport> {
    let ids = [1, 2, 3].map(ServerId);
    let listen = |id| TcpTransport::listen("bench", id, "127.0.0.1:0").unwrap();
    let transports = ids.map(listen);
    let addresses = transports.each_ref().map(TcpTransport::address);
    let introduce = |(from, mut transport): (ServerId, TcpTransport)| {
        for (to, address) in ids.into_iter().zip(addresses) {
            if to != from {
                transport = transport.peer(to, way(from, to, address));
            }
        }
        transport
    };
    ids.into_iter().zip(transports).map(introduce).collect()
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
