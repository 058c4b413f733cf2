//! A link to one follower that takes far less than the others.

use std::thread;
use std::time::{Duration, Instant};

use veraft::figure2::ServerId;
use veraft::runtime::{MemoryNetwork, MemoryStorage, Node};

use crate::cluster::{self, Nodes};
use crate::throttle::Throttle;
use crate::{Outcome, median};

/// How many bytes a second the link takes.
const RATE: u64 = 2_000_000;
const BYTES: usize = 256 * 1024;
const COMMANDS: usize = 40;
const TURNS: usize = 3;

/// A link from the leader to a follower that can be made slow.
trait Way {
    /// Makes it slow.
    fn limit(&self);
    /// How many bytes went that way.
    fn bytes(&self) -> u64;
}

struct InMemory {
    network: MemoryNetwork,
    from: ServerId,
    to: ServerId,
}

impl Way for InMemory {
    fn limit(&self) {
        self.network.limit(self.from, self.to, Some(RATE));
    }

    fn bytes(&self) -> u64 {
        self.network.sent_bytes(self.from, self.to)
    }
}

impl Way for Throttle {
    fn limit(&self) {
        Throttle::limit(self, RATE);
    }

    fn bytes(&self) -> u64 {
        self.passed()
    }
}

/// What one load over a slow link came to.
struct Turn {
    elections: u64,
    /// Bytes on the link for each byte of the commands.
    bytes: f64,
    /// Until all was applied behind it, as a multiple of the ideal.
    time: f64,
}

pub fn memory() -> Outcome {
    let turn = |load: f64| {
        let network = MemoryNetwork::new(1);
        let nodes = cluster::start(|_| MemoryStorage::new(), cluster::memory(&network));
        let way = |from, to| InMemory { network: network.clone(), from, to };
        measure(&nodes, load, way)
    };
    outcome(turn)
}

pub fn tcp() -> Outcome {
    let turn = |load: f64| {
        let mut ways = Vec::new();
        let transports = cluster::tcp_through(|from, to, address| {
            let throttle = Throttle::to(address);
            let stands_at = throttle.address;
            ways.push((from, to, throttle));
            stands_at
        });
        let nodes = cluster::start(|_| MemoryStorage::new(), transports);
        let way = |from, to| {
            let is_it = |way: &&(ServerId, ServerId, Throttle)| (way.0, way.1) == (from, to);
            ways.iter().find(is_it).unwrap().2.clone()
        };
        measure(&nodes, load, way)
    };
    outcome(turn)
}

fn outcome(turn: impl Fn(f64) -> Turn) -> Outcome {
    let mut texts = Vec::new();
    let mut reached = true;
    for (load, name) in [(0.5, "half load"), (f64::INFINITY, "all at once")] {
        let turns: Vec<Turn> = (0..TURNS).map(|_| turn(load)).collect();
        let elections: u64 = turns.iter().map(|turn| turn.elections).sum();
        let bytes = median(turns.iter().map(|turn| turn.bytes));
        let time = median(turns.iter().map(|turn| turn.time));
        if load < 1.0 {
            reached = elections == 0 && bytes <= 1.2 && time <= 1.3;
        }
        texts.push(format!(
            "{name}: {elections} elections, {bytes:.2} times the bytes, {time:.2} times the ideal \
             time"
        ));
    }
    Outcome {
        measured: format!("{} ({TURNS} turns of 40 commands of 256 KiB, 2 MB/s)", texts.join("; ")),
        target: "at half load no election, 1.2 times, 1.3 times",
        reached,
    }
}

fn measure<W: Way>(nodes: &Nodes, load: f64, way: impl Fn(ServerId, ServerId) -> W) -> Turn {
    let leader = cluster::leader(nodes);
    let lags: &Node<u64> = nodes.iter().find(|node| node.id() != leader.id()).unwrap();
    let link = way(leader.id(), lags.id());
    link.limit();
    let (term, before, began) = (term(nodes), link.bytes(), Instant::now());
    let at = |number: usize| Duration::from_secs_f64((number * BYTES) as f64 / RATE as f64 / load);
    let pending: Vec<_> = (0..COMMANDS)
        .map(|number| {
            thread::sleep((began + at(number)).saturating_duration_since(Instant::now()));
            leader.propose(vec![number as u8; BYTES])
        })
        .collect();
    let committed = pending.into_iter().filter_map(|one| one.wait().ok());
    let last = committed.map(|applied| applied.index).max().unwrap();
    while lags.status().unwrap().applied_index < last {
        thread::sleep(Duration::from_millis(5));
        assert!(began.elapsed() < Duration::from_secs(300), "it never arrives");
    }
    let took = began.elapsed();
    let (all, one) = ((COMMANDS * BYTES) as f64, BYTES as f64 / RATE as f64);
    let ideal = (all / RATE as f64).max(at(COMMANDS - 1).as_secs_f64() + one);
    Turn {
        elections: self::term(nodes) - term,
        bytes: (link.bytes() - before) as f64 / all,
        time: took.as_secs_f64() / ideal,
    }
}

fn term(nodes: &Nodes) -> u64 {
    nodes.iter().map(|node| node.status().unwrap().term).max().unwrap()
}
