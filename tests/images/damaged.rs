//! A node whose own image is of no use gets one from a peer, and takes no harm meanwhile.

use std::thread;
use std::time::Duration;

use veraft::figure2::{Index, ServerId};
use veraft::runtime::{
    Compaction, ImageStage, MemoryDisk, MemoryNetwork, Node, NodeBuilder, Storage,
};

use super::common::{self, timing, wait_until};
use super::ledger::Ledger;
use super::{expected, text};

const SERVERS: [ServerId; 3] = [ServerId(1), ServerId(2), ServerId(3)];

struct Cluster {
    network: MemoryNetwork,
    disks: [MemoryDisk; 3],
    ledgers: [Ledger; 3],
    nodes: [Option<Node<u64>>; 3],
    count: u64,
}

impl Cluster {
    fn start() -> Cluster {
        let mut cluster = Cluster {
            network: MemoryNetwork::new(3),
            disks: Default::default(),
            ledgers: Default::default(),
            nodes: Default::default(),
            count: 0,
        };
        (0..3).for_each(|at| cluster.restart(at));
        cluster
    }

    fn restart(&mut self, at: usize) {
        self.nodes[at] = None;
        self.ledgers[at] = Ledger::default();
        let (id, storage) = (SERVERS[at], self.disks[at].open().unwrap());
        let builder = NodeBuilder::new(id, SERVERS).timing(timing()).seed(id.0);
        let builder = builder.compaction(Compaction::by_hand());
        let transport = self.network.transport(id);
        self.nodes[at] = Some(builder.start(storage, transport, self.ledgers[at].clone()).unwrap());
    }

    fn node(&self, at: usize) -> &Node<u64> {
        self.nodes[at].as_ref().unwrap()
    }

    fn commit(&mut self, count: u64) {
        for _ in 0..count {
            self.count += 1;
            common::commit(|| self.nodes.iter().flatten(), &text(self.count));
        }
    }

    /// Waits until this node has all, and compacts it.
    fn compact(&self, at: usize) -> Index {
        self.wait_for(at);
        self.node(at).compact().unwrap()
    }

    fn wait_for(&self, at: usize) {
        wait_until("all is applied", || self.ledgers[at].entries() == expected(self.count));
    }

    fn follower(&self) -> usize {
        let leader = common::leader(|| self.nodes.iter().flatten());
        (0..3).find(|&at| SERVERS[at] != leader).unwrap()
    }
}

/// Turns a bit in the middle of the image on a disk, or removes it.
fn damage(disk: &MemoryDisk, removes: bool) {
    let storage = disk.open().unwrap();
    let images = storage.images().unwrap();
    let [image] = images.list().unwrap()[..] else { panic!("one image") };
    if removes {
        return images.remove(image.name, ImageStage::Finished).unwrap();
    }
    let mut bytes = vec![0; image.bytes as usize];
    images.open(image.name).unwrap().read_at(0, &mut bytes).unwrap();
    bytes[image.bytes as usize / 2] ^= 1;
    let mut file = images.create(image.name, ImageStage::Written).unwrap();
    file.append(&bytes).unwrap();
    file.finish().unwrap();
}

/// What the others do while the node is down, or before.
#[derive(Clone, Copy, PartialEq)]
enum Others {
    /// They keep their images.
    Stay,
    /// They compact what the node has in its log.
    Compact,
    /// They compact what the node misses.
    GoOn,
}

fn a_node_gets_its_image_from_a_peer(others: Others, removes: bool) {
    let mut cluster = Cluster::start();
    cluster.commit(40);
    let base = (0..3).map(|at| cluster.compact(at)).min().unwrap();
    let victim = cluster.follower();
    if others == Others::GoOn {
        cluster.nodes[victim] = None;
    }
    cluster.commit(20);
    if others != Others::GoOn {
        cluster.wait_for(victim);
        cluster.nodes[victim] = None;
    }
    if others != Others::Stay {
        for at in (0..3).filter(|&at| at != victim) {
            assert!(cluster.compact(at) > base);
        }
        cluster.commit(5);
    }
    damage(&cluster.disks[victim], removes);

    cluster.restart(victim);
    cluster.wait_for(victim);
    let restored = cluster.ledgers[victim].restored();
    assert_eq!(restored, [if others == Others::Stay { 40 } else { 60 }]);
    // From here on it is like any other: it leads, too.
    cluster.commit(5);
    cluster.wait_for(victim);
    cluster.nodes[(victim + 1) % 3] = None;
    cluster.commit(5);
    cluster.wait_for(victim);
    // And it starts from that image, alone.
    (0..3).for_each(|at| cluster.nodes[at] = None);
    cluster.restart(victim);
    assert_eq!(cluster.ledgers[victim].restored(), restored);
}

#[test]
fn a_damaged_image_is_replaced_by_one_of_the_same_mark() {
    a_node_gets_its_image_from_a_peer(Others::Stay, false);
}

#[test]
fn a_damaged_image_is_replaced_by_one_within_the_log() {
    a_node_gets_its_image_from_a_peer(Others::Compact, false);
}

#[test]
fn a_damaged_image_is_replaced_by_one_behind_the_log() {
    a_node_gets_its_image_from_a_peer(Others::GoOn, false);
}

#[test]
fn a_missing_image_is_replaced_too() {
    for others in [Others::Stay, Others::Compact, Others::GoOn] {
        a_node_gets_its_image_from_a_peer(others, true);
    }
}

#[test]
fn a_node_without_its_image_votes_and_never_stands() {
    let mut cluster = Cluster::start();
    cluster.commit(30);
    for at in 0..3 {
        cluster.compact(at);
    }
    let victim = cluster.follower();
    cluster.commit(5);
    cluster.wait_for(victim);
    cluster.nodes = Default::default();
    damage(&cluster.disks[victim], false);

    cluster.restart(victim);
    // For some election timeouts.
    thread::sleep(Duration::from_secs(2));
    let status = cluster.node(victim).status().unwrap();
    assert_eq!(cluster.node(victim).metrics().unwrap().elections_started, 0);
    assert_eq!((status.applied_index, cluster.ledgers[victim].applied()), (0, 0));
    assert!(cluster.node(victim).compact().is_ok(), "there is nothing to compact");
    // Its vote makes one of the others a leader, and it acknowledges.
    let other = (victim + 1) % 3;
    cluster.restart(other);
    cluster.commit(3);
    cluster.wait_for(victim);
    assert_eq!(cluster.ledgers[victim].restored(), [30]);
    // Once it has its image, it leads if it must.
    cluster.nodes[other] = None;
    cluster.restart((victim + 2) % 3);
    cluster.commit(1);
    cluster.wait_for(victim);
}
