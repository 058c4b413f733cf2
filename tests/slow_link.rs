//! A link that is slow is neither cut nor flooded: what waits for it is sent once, and the leader
//! stays.

#![cfg(feature = "runtime")]

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::{LONG, leader, wait_until};
use veraft::figure2::{Command, Index, ServerId};
use veraft::runtime::{MemoryDisk, MemoryNetwork, Node, NodeBuilder, StateMachine, Timing};

/// How many bytes a second the link takes.
const RATE: u64 = 2_000_000;
/// The bytes of a command, and how many there are.
const BYTES: usize = 256 * 1024;
const COMMANDS: u64 = 24;

struct Nothing;

impl StateMachine for Nothing {
    type Response = ();

    fn apply(&mut self, _: Index, _: &Command) {}
}

fn start(network: &MemoryNetwork) -> Vec<Node<()>> {
    let ids = || (1..=3).map(ServerId);
    // A busy machine must not decide: it may stall for seconds.
    let seconds = Duration::from_secs;
    let timing = Timing::new(seconds(3)..=seconds(6), Duration::from_millis(300)).unwrap();
    let start = |id: ServerId| {
        let builder = NodeBuilder::new(id, ids()).timing(timing.clone()).seed(id.0);
        let disk = MemoryDisk::new();
        builder.start(disk.open().unwrap(), network.transport(id), Nothing).unwrap()
    };
    ids().map(start).collect()
}

#[test]
fn a_slow_link_at_half_load_costs_no_election_and_no_byte_twice() {
    let network = MemoryNetwork::new(16);
    let nodes = start(&network);
    let leads = leader(|| nodes.iter());
    let slow = (1..=3).map(ServerId).find(|id| *id != leads).unwrap();
    let leader = nodes.iter().find(|node| node.id() == leads).unwrap();
    leader.propose(b"first".to_vec()).wait_timeout(LONG).unwrap();
    network.limit(leads, slow, Some(RATE));
    let (term, before) = (leader.status().unwrap().term, network.sent_bytes(leads, slow));
    let began = Instant::now();
    let pending: Vec<_> = (0..COMMANDS)
        .map(|number| {
            // Half of what the link takes.
            let at = Duration::from_secs_f64((number * BYTES as u64) as f64 / (RATE / 2) as f64);
            thread::sleep((began + at).saturating_duration_since(Instant::now()));
            leader.propose(vec![number as u8; BYTES])
        })
        .collect();
    let last = pending.into_iter().map(|one| one.wait_timeout(LONG).unwrap().index).max().unwrap();
    let lags = nodes.iter().find(|node| node.id() == slow).unwrap();
    wait_until("it is there, too", || lags.status().unwrap().applied_index >= last);
    let bytes = network.sent_bytes(leads, slow) - before;
    let all = COMMANDS * BYTES as u64;
    assert_eq!(leader.status().unwrap().term, term, "an election");
    assert!(bytes <= all * 6 / 5, "{bytes} bytes for {all}");
}
