//! A leader without a majority holds a bounded amount of what it is offered. The only test of its
//! process, whose memory it measures.

#![cfg(all(feature = "runtime", target_os = "linux"))]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{Cluster, JournalNode, LONG, wait_until};
use veraft::runtime::{InFlightLimit, ProposeError};

const MIB: usize = 1024 * 1024;

/// What a leader may have in flight.
const MOST: usize = 64 * MIB;

/// What the process may take beside that, for its threads, and for what was refused and the allocator
/// keeps.
const SLACK: usize = 64 * MIB;

/// How much memory the process has, or had at most, in bytes.
fn memory(which: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(which)).unwrap();
    let number = line.trim_start_matches(':').split_whitespace().next().unwrap();
    number.parse::<usize>().unwrap() * 1024
}

#[test]
fn a_leader_without_a_majority_does_not_fill_the_memory() {
    let cluster = Cluster::start(3);
    cluster.commit("something");
    let leader = cluster.leader();
    cluster.network.disconnect(leader);
    let before = memory("VmRSS");
    let node = cluster.node(leader);
    let mut pending = Vec::new();
    let (mut busy, mut largest) = (0, 0);
    for number in 0..3000_usize {
        let one = node.propose(vec![number as u8; MIB]);
        if one.is_done() {
            match one.wait() {
                Err(ProposeError::Busy { limit }) => {
                    assert_eq!(limit, InFlightLimit::Bytes(MOST));
                    busy += 1;
                }
                other => panic!("{other:?}"),
            }
        } else {
            pending.push(one);
        }
        largest = largest.max(node.metrics().unwrap().bytes_in_flight);
    }
    assert_eq!((pending.len(), busy), (MOST / MIB, 3000 - MOST / MIB));
    assert_eq!(largest, MOST);
    // Nor does it grow while the time goes by, in which it tries again and again to send.
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        assert!(matches!(node.propose(vec![0; MIB]).wait(), Err(ProposeError::Busy { .. })));
    }
    let grown = memory("VmHWM").saturating_sub(before);
    assert!(grown < MOST + SLACK, "{} MiB more", grown / MIB);
    cluster.network.connect(leader);
    wait_until("a leader commits, whoever it is", || {
        let propose = |node: &JournalNode| node.propose(&b"something else"[..]);
        cluster.running().any(|node| propose(node).wait_timeout(Duration::from_secs(1)).is_ok())
    });
    // All have lost their places to it, or one is answered for all.
    pending.into_iter().for_each(|one| drop(one.wait_timeout(LONG)));
    wait_until("there is room again", || {
        cluster.running().all(|node| node.metrics().unwrap().bytes_in_flight == 0)
    });
}
