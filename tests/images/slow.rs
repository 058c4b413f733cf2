//! State machines that are slower than what is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use veraft::figure2::{Command, Index, ServerId};
use veraft::runtime::{
    Compaction, MemoryDisk, MemoryNetwork, Node, NodeBuilder, ProposeError, StateMachine,
};

use super::common::{self, LONG, timing, wait_until};
use super::ledger::Ledger;
use super::{MS, builder, start};

/// A ledger that applies nothing until it is let.
#[derive(Clone, Default)]
struct Slow {
    ledger: Ledger,
    may: Arc<AtomicBool>,
}

impl Slow {
    fn may(&self) {
        self.may.store(true, Ordering::SeqCst);
    }
}

/// A test that fails lets them go on, so that their nodes can end. To be declared behind these.
struct Released(Vec<Slow>);

impl Drop for Released {
    fn drop(&mut self) {
        self.0.iter().for_each(Slow::may);
    }
}

impl StateMachine for Slow {
    type Response = u64;

    fn apply(&mut self, index: Index, command: &Command) -> u64 {
        while !self.may.load(Ordering::SeqCst) {
            thread::sleep(MS);
        }
        self.ledger.apply(index, command)
    }
}

#[test]
fn what_waits_for_a_slow_machine_is_bounded() {
    let (disk, slow) = (MemoryDisk::new(), Slow::default());
    let limited = builder().max_backlog_bytes(10_000);
    let node = start(limited, disk.open().unwrap(), &slow).unwrap();
    let _released = Released(Vec::from([slow.clone()]));
    node.wait_for_leader(LONG).unwrap();
    let mut pending = Vec::new();
    let refused = loop {
        assert!(pending.len() < 1000, "never refused");
        let proposal = node.propose(vec![b'x'; 1000]);
        match proposal.accepted(LONG) {
            Ok(_) => pending.push(proposal),
            Err(error) => break error,
        }
    };
    let ProposeError::Backlog { bytes, limit } = refused else { panic!("{refused}") };
    assert!(bytes > limit && limit == 10_000 && pending.len() <= 12, "{bytes}");
    assert!(!refused.may_still_commit() && node.metrics().unwrap().backlog_bytes == bytes);
    slow.may();
    for proposal in pending {
        proposal.wait().unwrap();
    }
    assert_eq!(node.metrics().unwrap().backlog_bytes, 0);
    node.propose(vec![b'x'; 1000]).wait().unwrap();
}

/// It is not needed for a majority: the others commit without it, and it holds no more of what they
/// commit than it may.
#[test]
fn a_follower_whose_machine_is_slow_lags_and_catches_up() {
    let network = MemoryNetwork::new(1);
    let machines: Vec<Slow> = (0..3).map(|_| Slow::default()).collect();
    let ids = [1, 2, 3].map(ServerId);
    let nodes: Vec<Node<u64>> = ids
        .into_iter()
        .zip(&machines)
        .map(|(id, machine)| {
            let builder = NodeBuilder::new(id, ids).timing(timing()).max_backlog_bytes(10_000);
            let builder = builder.compaction(Compaction::by_hand());
            let storage = MemoryDisk::new().open().unwrap();
            builder.start(storage, network.transport(id), machine.clone()).unwrap()
        })
        .collect();
    let _released = Released(machines.clone());
    let leader = common::leader(|| nodes.iter());
    let slow = ids.iter().position(|id| *id != leader).unwrap();
    let quick = |at: &usize| *at != slow;
    (0..3).filter(quick).for_each(|at| machines[at].may());
    let mut last = 0;
    for number in 0..200 {
        let command = format!("{number:01000}");
        last = common::commit(|| nodes.iter().filter(|node| node.id() != ids[slow]), &command);
    }
    let metrics = || nodes[slow].metrics().unwrap();
    wait_until("it declines", || metrics().appends_declined > 0);
    assert!(metrics().backlog_bytes < 20_000, "{:?}", metrics());
    machines[slow].may();
    wait_until("it catches up", || nodes[slow].status().unwrap().applied_index >= last);
    assert_eq!(machines[slow].ledger.entries(), machines[(slow + 1) % 3].ledger.entries());
    assert_eq!(metrics().backlog_bytes, 0);
}
