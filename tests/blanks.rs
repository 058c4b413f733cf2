//! What a new leader's blank is for: the past comes back, and is answered, without a client.

mod common;

use std::sync::{Arc, Mutex};

use common::{LONG, leader, timing, wait_until};
use veraft::figure2::{Command, Index, ServerId};
use veraft::runtime::{MemoryDisk, MemoryNetwork, Node, NodeBuilder, ProposeError, StateMachine};

const SERVERS: [ServerId; 3] = [ServerId(1), ServerId(2), ServerId(3)];

type Applied = Vec<(Index, Vec<u8>)>;

/// Keeps what it is given, with the index of each.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Applied>>);

impl Kept {
    fn commands(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().iter().map(|(_, bytes)| bytes.clone()).collect()
    }
}

impl StateMachine for Kept {
    type Response = ();

    fn apply(&mut self, index: Index, command: &Command) {
        self.0.lock().unwrap().push((index, command.as_bytes().to_vec()));
    }
}

struct Cluster {
    network: MemoryNetwork,
    disks: [MemoryDisk; 3],
    nodes: Vec<Node<()>>,
    machines: Vec<Kept>,
    blanks: bool,
}

impl Cluster {
    fn start(blanks: bool) -> Cluster {
        let network = MemoryNetwork::new(1);
        let disks = [(); 3].map(|()| MemoryDisk::new());
        let mut cluster = Cluster { network, disks, nodes: vec![], machines: vec![], blanks };
        cluster.start_all();
        cluster
    }

    fn start_all(&mut self) {
        self.machines = SERVERS.map(|_| Kept::default()).into();
        let parts = SERVERS.iter().zip(&self.disks).zip(&self.machines);
        let start = |((&id, disk), machine): ((&ServerId, &MemoryDisk), &Kept)| {
            let builder = NodeBuilder::new(id, SERVERS).timing(timing()).blanks(self.blanks);
            let (storage, transport) = (disk.open().unwrap(), self.network.transport(id));
            builder.start(storage, transport, machine.clone()).unwrap()
        };
        self.nodes = parts.map(start).collect();
    }

    fn leader(&self) -> &Node<()> {
        let leader = leader(|| self.nodes.iter());
        self.nodes.iter().find(|node| node.id() == leader).unwrap()
    }

    fn commit(&self, command: &[u8]) {
        loop {
            match self.leader().propose(command).wait_timeout(LONG) {
                Ok(_) => return,
                Err(ProposeError::NotLeader { .. } | ProposeError::Superseded { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn after_a_restart_of_all_the_state_machines_fill_without_a_client() {
    let mut cluster = Cluster::start(true);
    ["a", "b"].iter().for_each(|command| cluster.commit(command.as_bytes()));
    cluster.nodes.clear();
    cluster.start_all();
    wait_until("every machine holds all again", || {
        cluster.machines.iter().all(|machine| machine.commands() == [b"a", b"b"])
    });
    wait_until("blanks count as applied, and as committed", || {
        let all = cluster.nodes.iter().map(|node| node.status().unwrap());
        let mut all = all.map(|now| (now.applied_index, now.commit_index, now.last_log_index));
        all.all(|(applied, commit, last)| applied == commit && commit == last && last >= 4)
    });
    // What the machines were given has the indices of the log: blanks took some.
    for machine in &cluster.machines {
        let indices: Vec<Index> = machine.0.lock().unwrap().iter().map(|(at, _)| *at).collect();
        assert!(indices.is_sorted() && indices[0] > 1, "{indices:?}");
    }
}

#[test]
fn without_blanks_the_past_waits_for_a_client() {
    let mut cluster = Cluster::start(false);
    cluster.commit(b"a");
    cluster.nodes.clear();
    cluster.start_all();
    let term = cluster.leader().status().unwrap().term;
    assert_eq!(cluster.leader().status().unwrap().last_log_index, 1, "term {term}");
    cluster.commit(b"b");
    wait_until("and then all comes back", || {
        cluster.machines.iter().all(|machine| machine.commands() == [b"a", b"b"])
    });
}

/// The leader is cut off with a proposal that all others hold but nobody knows to be committed.
#[test]
fn a_proposal_in_every_log_is_answered_after_a_change_of_leader() {
    let cluster = Cluster::start(true);
    cluster.commit(b"first");
    let old = cluster.leader();
    let followers: Vec<ServerId> = SERVERS.into_iter().filter(|&id| id != old.id()).collect();
    // Entries get through, acknowledgements do not.
    followers.iter().for_each(|&from| cluster.network.cut(from, old.id()));
    let pending = old.propose(&b"second"[..]);
    let last = pending.accepted(LONG).unwrap().index;
    wait_until("every log holds it", || {
        cluster.nodes.iter().all(|node| node.status().unwrap().last_log_index >= last)
    });
    // It hears of the next leader, which does not hear of it.
    cluster.network.disconnect(old.id());
    let others = || cluster.nodes.iter().filter(|node| followers.contains(&node.id()));
    leader(others);
    cluster.network.heal();
    assert_eq!(pending.wait_timeout(LONG).unwrap().index, last);
}
