//! Whole nodes that compare their state machines: one that differs from a majority stops for good.

#![cfg(feature = "runtime")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use common::{LONG, leader, timing, wait_until};
use veraft::figure2::{Command, Index, ServerId};
use veraft::runtime::{
    MemoryDisk, MemoryNetwork, Node, NodeBuilder, StartError, StateMachine, StopReason, UnfitStore,
};

/// A state machine that is not deterministic, once it is told to be none.
#[derive(Clone, Default)]
struct Sum {
    sum: u64,
    is_wrong: Arc<AtomicBool>,
}

impl StateMachine for Sum {
    type Response = u64;

    fn apply(&mut self, index: Index, command: &Command) -> u64 {
        let wrong = u64::from(self.is_wrong.swap(false, Ordering::SeqCst));
        self.sum = self.sum.wrapping_mul(31).wrapping_add(index + wrong);
        self.sum = command.as_bytes().iter().fold(self.sum, |sum, byte| sum ^ u64::from(*byte));
        self.sum
    }

    fn digest(&self) -> Option<u64> {
        Some(self.sum)
    }
}

struct Cluster {
    network: MemoryNetwork,
    disks: Vec<MemoryDisk>,
    machines: Vec<Sum>,
    nodes: Vec<Option<Node<u64>>>,
}

impl Cluster {
    fn start(servers: usize) -> Cluster {
        let mut cluster = Cluster {
            network: MemoryNetwork::new(7),
            disks: (0..servers).map(|_| MemoryDisk::new()).collect(),
            machines: vec![Sum::default(); servers],
            nodes: Vec::new(),
        };
        cluster.machines.iter_mut().for_each(|machine| machine.is_wrong = Arc::default());
        for at in 0..servers {
            let node = cluster.restart(at).unwrap();
            cluster.nodes.push(Some(node));
        }
        cluster
    }

    fn restart(&self, at: usize) -> Result<Node<u64>, StartError> {
        let ids = (1..=self.disks.len() as u64).map(ServerId);
        let id = ServerId(at as u64 + 1);
        let builder = NodeBuilder::new(id, ids).timing(timing()).seed(at as u64);
        let storage = self.disks[at].open().unwrap();
        builder.start(storage, self.network.transport(id), self.machines[at].clone())
    }

    fn nodes(&self) -> impl Iterator<Item = &Node<u64>> {
        self.nodes.iter().flatten()
    }

    /// Lets a leader commit so many commands, whatever befalls leaders meanwhile.
    fn commit(&self, count: usize) {
        let mut committed = 0;
        let give_up = Instant::now() + LONG;
        while committed < count {
            assert!(Instant::now() < give_up, "committed only {committed}");
            let leads = leader(|| self.nodes());
            let Some(leader) = self.nodes().find(|node| node.id() == leads) else { continue };
            let window: Vec<_> = (committed..count.min(committed + 256))
                .map(|number| leader.propose(number.to_le_bytes().to_vec()))
                .collect();
            committed += window.into_iter().filter_map(|one| one.wait_timeout(LONG).ok()).count();
        }
    }

    fn digest_index(&self, at: usize) -> Index {
        self.nodes[at].as_ref().unwrap().metrics().unwrap().digest_index
    }
}

#[test]
fn state_machines_that_are_the_same_are_found_to_be() {
    let cluster = Cluster::start(3);
    for round in 1..=3 {
        cluster.commit(4200);
        for at in 0..3 {
            wait_until("digests agree", || cluster.digest_index(at) >= round * 4096);
        }
    }
    for node in cluster.nodes() {
        assert!(!node.metrics().unwrap().digests_differ);
    }
}

#[test]
fn who_differs_from_a_majority_stops_for_good_leader_or_not() {
    for leads in [false, true] {
        let mut cluster = Cluster::start(3);
        cluster.commit(100);
        let is_leader = |at: usize| {
            let node = cluster.nodes[at].as_ref().unwrap();
            node.status().unwrap().is_leader()
        };
        let at = (0..3).find(|at| is_leader(*at) == leads).unwrap();
        cluster.machines[at].is_wrong.store(true, Ordering::SeqCst);
        cluster.commit(5000);
        let wrong = cluster.nodes[at].take().unwrap();
        wait_until("it stops", || wrong.status().is_err());
        let StopReason::Diverged { text } = wrong.status().unwrap_err().reason else { panic!() };
        assert!(text.contains("behind index 4096"), "{text}");
        drop(wrong);
        // The others go on, and find each other to be the same.
        cluster.commit(5000);
        for other in (0..3).filter(|other| *other != at) {
            wait_until("digests agree", || cluster.digest_index(other) >= 8192);
        }
        let Err(StartError::Unfit(UnfitStore::Stopped { text: mark })) = cluster.restart(at) else {
            panic!("it started again")
        };
        assert_eq!(mark, text);
    }
}

#[test]
fn of_two_that_differ_both_say_so_and_go_on() {
    let cluster = Cluster::start(2);
    cluster.commit(100);
    cluster.machines[0].is_wrong.store(true, Ordering::SeqCst);
    cluster.commit(5000);
    for node in cluster.nodes() {
        wait_until("it says so", || node.metrics().unwrap().digests_differ);
    }
    cluster.commit(100);
}
