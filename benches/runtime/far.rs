//! Peers that are far away: what a window of unacknowledged batches is worth.

use std::thread;
use std::time::{Duration, Instant};

use veraft::runtime::{Conditions, MemoryNetwork, MemoryStorage, Node, NodeBuilder, Timing};

use crate::Outcome;
use crate::cluster::{self, Nodes};

/// Windows to compare, and the default.
const WINDOWS: [Option<usize>; 6] = [Some(1), Some(2), Some(4), Some(8), Some(32), None];

/// A cluster on a network with this round trip.
fn start(round_trip: Duration, window: Option<usize>) -> (MemoryNetwork, Nodes) {
    let network = MemoryNetwork::new(1);
    let seconds = Duration::from_secs;
    let timing = Timing::new(seconds(1)..=seconds(2), Duration::from_millis(200)).unwrap();
    let settings = |builder: NodeBuilder| {
        let builder = builder.timing(timing.clone());
        match window {
            Some(window) => builder.window(window),
            None => builder,
        }
    };
    let nodes = cluster::start_with(|_| MemoryStorage::new(), cluster::memory(&network), settings);
    let delay = round_trip / 2;
    network.set_conditions(Conditions { delay: delay..=delay, ..Conditions::default() });
    (network, nodes)
}

/// 3,000 commands of 4 KiB, 60 ms away: nothing is sent twice.
pub fn bytes() -> Outcome {
    const COMMANDS: usize = 3000;
    const BYTES: usize = 4096;
    let (network, nodes) = start(Duration::from_millis(60), None);
    let leader = cluster::leader(&nodes);
    let sent = || {
        let peers = nodes.iter().map(|node| node.id()).filter(|id| *id != leader.id());
        peers.map(|peer| network.sent_bytes(leader.id(), peer)).sum::<u64>()
    };
    let before = sent();
    let pending: Vec<_> = (0..COMMANDS).map(|_| leader.propose(vec![b'x'; BYTES])).collect();
    pending.into_iter().for_each(|one| assert!(one.wait().is_ok()));
    thread::sleep(Duration::from_secs(1));
    let ratio = (sent() - before) as f64 / 2.0 / (COMMANDS * BYTES) as f64;
    Outcome {
        measured: format!("{ratio:.3} times the bytes of 3,000 commands of 4 KiB, 60 ms away"),
        target: "1.1 times",
        reached: ratio <= 1.1,
    }
}

/// Windows side by side: the latency at a load at which several commands are due within a round
/// trip, and what goes through with 256 in flight.
pub fn round_trip() -> Outcome {
    println!("round trip    window   p50, p99 in round trips   commits/s, 256 in flight");
    let mut worst: f64 = 0.0;
    for round_trip in [10, 50, 150].map(Duration::from_millis) {
        for window in WINDOWS {
            let (_network, nodes) = start(round_trip, window);
            let leader = cluster::leader(&nodes);
            // Twelve commands in a round trip.
            let mut latencies = paced(leader, round_trip / 12, 400);
            latencies.sort_unstable();
            let at = |share: f64| {
                latencies[(latencies.len() as f64 * share) as usize].as_secs_f64()
                    / round_trip.as_secs_f64()
            };
            let rate = cluster::throughput(leader, 256, 64, Duration::from_secs(3));
            let window_text = window.map_or("default".to_string(), |window| window.to_string());
            println!(
                "{round_trip:>10.0?}   {window_text:>7}   {:5.2}, {:5.2}              {rate:.0}",
                at(0.5),
                at(0.99)
            );
            if window.is_none() {
                worst = worst.max(at(0.5));
            }
        }
    }
    Outcome {
        measured: format!("median at most {worst:.2} round trips with the default window"),
        target: "1.1 round trips",
        reached: worst <= 1.1,
    }
}

/// The latencies of so many commands, one each `pause`.
fn paced(leader: &Node<u64>, pause: Duration, count: u32) -> Vec<Duration> {
    let began = Instant::now();
    thread::scope(|scope| {
        let waits: Vec<_> = (0..count)
            .map(|number| {
                let due = began + pause * number;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let (since, pending) = (Instant::now(), leader.propose(vec![b'x'; 64]));
                scope.spawn(move || {
                    pending.wait().unwrap();
                    since.elapsed()
                })
            })
            .collect();
        waits.into_iter().map(|wait| wait.join().unwrap()).collect()
    })
}
