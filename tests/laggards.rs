//! Whole nodes, one of which lags so far behind that only an image brings it up: over TCP and in
//! memory, with connections that break, senders that die, and elections or none.

#![cfg(all(feature = "disk", feature = "tcp"))]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{commit, leader, timing, wait_until};
use tempfile::TempDir;
use veraft::figure2::{Command, Index, ServerId};
use veraft::runtime::{
    Compaction, DiskStorage, Image, Inbox, Link, MemoryNetwork, Node, NodeBuilder, ParcelLink,
    PeerMetrics, StateMachine, TcpTransport, Transport, TransportError,
};

/// Counts commands and mixes them up; its images are as long as it is told.
#[derive(Clone)]
struct Mixer {
    state: Arc<Mutex<Mixed>>,
    image_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mixed {
    count: u64,
    sum: u64,
    /// How often it was restored.
    restored: u64,
}

impl Mixer {
    fn new(image_bytes: usize) -> Mixer {
        Mixer { state: Arc::default(), image_bytes }
    }

    fn state(&self) -> Mixed {
        *self.state.lock().unwrap()
    }
}

/// Bytes that follow from a number, and do not repeat.
fn padding(sum: u64) -> impl Iterator<Item = u8> {
    let mut next = sum | 1;
    std::iter::from_fn(move || {
        next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some((next >> 56) as u8)
    })
}

struct MixerImage(Mixed, usize);

impl Image for MixerImage {
    fn write(self: Box<Self>, to: &mut dyn Write) -> io::Result<()> {
        let MixerImage(Mixed { count, sum, restored: _ }, bytes) = *self;
        to.write_all(&count.to_le_bytes())?;
        to.write_all(&sum.to_le_bytes())?;
        let padding: Vec<u8> = padding(sum).take(bytes).collect();
        to.write_all(&padding)
    }
}

impl StateMachine for Mixer {
    type Response = u64;

    fn apply(&mut self, index: Index, command: &Command) -> u64 {
        let mut state = self.state.lock().unwrap();
        let mixed = command.as_bytes().iter().fold(state.sum ^ index, |sum, &byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        (state.count, state.sum) = (state.count + 1, mixed);
        state.count
    }

    fn capture(&mut self) -> Option<Box<dyn Image>> {
        Some(Box::new(MixerImage(self.state(), self.image_bytes)))
    }

    fn restore(&mut self, image: &mut dyn Read) -> io::Result<()> {
        let mut word = [0; 8];
        let mut number = || image.read_exact(&mut word).map(|()| u64::from_le_bytes(word));
        let (count, sum) = (number()?, number()?);
        let mut rest = Vec::new();
        image.read_to_end(&mut rest)?;
        assert!(padding(sum).take(rest.len()).eq(rest), "altered");
        let mut state = self.state.lock().unwrap();
        *state = Mixed { count, sum, restored: state.restored + 1 };
        Ok(())
    }
}

/// A transport of which the test keeps hold.
struct Kept(Arc<dyn Transport>);

impl Transport for Kept {
    fn start(&self, inbox: Inbox) -> Result<(), TransportError> {
        self.0.start(inbox)
    }

    fn link(&self, peer: ServerId) -> Box<dyn Link> {
        self.0.link(peer)
    }

    fn parcels(&self, peer: ServerId) -> Option<Box<dyn ParcelLink>> {
        self.0.parcels(peer)
    }

    fn close(&self) {
        self.0.close();
    }

    fn join(&self) {
        self.0.join();
    }

    fn disconnect(&self, peer: ServerId) {
        self.0.disconnect(peer);
    }
}

enum Network {
    Memory(MemoryNetwork),
    Tcp(BTreeMap<ServerId, SocketAddr>),
}

impl Network {
    fn memory() -> Network {
        Network::Memory(MemoryNetwork::new(1))
    }

    fn tcp() -> Network {
        // All at once, so that each gets a port of its own.
        let listen = |id| TcpTransport::listen("images", id, "127.0.0.1:0").unwrap();
        let all: Vec<_> = (1..=5).map(ServerId).map(|id| (id, listen(id))).collect();
        Network::Tcp(all.iter().map(|(id, transport)| (*id, transport.address())).collect())
    }

    fn transport(&self, id: ServerId) -> Arc<dyn Transport> {
        match self {
            Network::Memory(network) => Arc::new(network.transport(id)),
            Network::Tcp(addresses) => {
                let address = addresses[&id].to_string();
                let transport = TcpTransport::listen("images", id, &address).unwrap();
                let others = addresses.iter().filter(|(peer, _)| **peer != id);
                Arc::new(others.fold(transport, |transport, (&peer, to)| transport.peer(peer, to)))
            }
        }
    }
}

struct Cluster {
    network: Network,
    size: u64,
    image_bytes: usize,
    rate: Option<u64>,
    disks: TempDir,
    machines: BTreeMap<ServerId, Mixer>,
    nodes: BTreeMap<ServerId, Node<u64>>,
    transports: BTreeMap<ServerId, Arc<dyn Transport>>,
}

impl Cluster {
    fn start(network: Network, size: u64, image_bytes: usize, rate: Option<u64>) -> Cluster {
        let mut cluster = Cluster {
            network,
            size,
            image_bytes,
            rate,
            disks: TempDir::new().unwrap(),
            machines: BTreeMap::new(),
            nodes: BTreeMap::new(),
            transports: BTreeMap::new(),
        };
        cluster.ids().into_iter().for_each(|id| cluster.restart(id));
        cluster
    }

    fn ids(&self) -> Vec<ServerId> {
        (1..=self.size).map(ServerId).collect()
    }

    fn restart(&mut self, id: ServerId) {
        self.stop(id);
        let machine = Mixer::new(self.image_bytes);
        let transport = self.network.transport(id);
        let storage = DiskStorage::open(self.disks.path().join(id.0.to_string())).unwrap();
        let builder = NodeBuilder::new(id, self.ids())
            .timing(timing())
            .seed(id.0)
            .compaction(Compaction::by_hand())
            .image_rate(self.rate);
        let node = builder.start(storage, Kept(transport.clone()), machine.clone()).unwrap();
        self.nodes.insert(id, node);
        self.machines.insert(id, machine);
        self.transports.insert(id, transport);
    }

    fn stop(&mut self, id: ServerId) {
        self.nodes.remove(&id);
        self.transports.remove(&id);
    }

    fn leader(&self) -> ServerId {
        leader(|| self.nodes.values())
    }

    fn commit(&self, count: u64) {
        for _ in 0..count {
            commit(|| self.nodes.values(), "a command");
        }
    }

    /// Stops so many followers, and lets the others commit and forget what those lack.
    fn leave_behind(&mut self, count: usize) -> Vec<ServerId> {
        self.commit(5);
        let leads = self.leader();
        let followers = self.ids().into_iter().filter(|&id| id != leads);
        let laggards: Vec<ServerId> = followers.take(count).collect();
        laggards.iter().for_each(|&id| self.stop(id));
        self.commit(50);
        let all = 55;
        wait_until("the others have applied all", || {
            self.nodes.keys().all(|id| self.machines[id].state().count == all)
        });
        for node in self.nodes.values() {
            assert!(node.compact().unwrap() >= all);
        }
        laggards
    }

    /// What `id` counts of `peer`.
    fn counts(&self, id: ServerId, peer: ServerId) -> PeerMetrics {
        self.nodes[&id].metrics().unwrap().peers[&peer]
    }

    fn image_bytes_received(&self, id: ServerId) -> u64 {
        let metrics = self.nodes[&id].metrics().unwrap();
        metrics.peers.values().map(|peer| peer.image_bytes_received).sum()
    }

    fn image_bytes_sent(&self, to: ServerId) -> u64 {
        let senders = self.nodes.keys().filter(|&&id| id != to);
        senders.map(|&id| self.counts(id, to).image_bytes_sent).sum()
    }

    fn restored(&self, id: ServerId) -> u64 {
        self.machines[&id].state().restored
    }

    /// Waits until all have the same state, which is the result of as many commands.
    fn agree(&self, at_least: u64) {
        wait_until("all agree", || {
            let states: BTreeSet<(u64, u64)> = self
                .nodes
                .keys()
                .map(|id| self.machines[id].state())
                .map(|Mixed { count, sum, restored: _ }| (count, sum))
                .collect();
            states.len() == 1 && states.first().is_some_and(|state| state.0 >= at_least)
        });
    }

    fn elections(&self) -> u64 {
        self.nodes.values().map(|node| node.metrics().unwrap().elections_started).sum()
    }
}

/// Sets a flag when it goes, also when the test fails: nobody commits for ever.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

const MIB: usize = 1024 * 1024;

fn networks() -> [Network; 2] {
    [Network::memory(), Network::tcp()]
}

#[test]
fn a_laggard_is_brought_up_by_an_image_while_the_others_commit() {
    for network in networks() {
        let mut cluster = Cluster::start(network, 3, 4 * MIB, None);
        let laggard = cluster.leave_behind(1)[0];
        cluster.restart(laggard);
        let over = AtomicBool::new(false);
        let committed = thread::scope(|scope| {
            let cluster = &cluster;
            let committing = scope.spawn(|| {
                let mut count = 0;
                while !over.load(Ordering::SeqCst) {
                    cluster.commit(1);
                    count += 1;
                }
                count
            });
            let ends = Ends(&over);
            wait_until("the laggard is restored", || cluster.restored(laggard) == 1);
            drop(ends);
            committing.join().unwrap()
        });
        cluster.agree(55 + committed);
        assert_eq!(cluster.restored(laggard), 1);
        let received = cluster.nodes[&laggard].metrics().unwrap().peers;
        assert_eq!(received.values().map(|peer| peer.images_received).sum::<u64>(), 1);
        assert!(cluster.image_bytes_received(laggard) < 5 * MIB as u64);
        let metrics = cluster.nodes[&laggard].metrics().unwrap();
        assert!(!metrics.image_coming);
        // It has forgotten, in turn, what it does not need.
        assert!(cluster.nodes[&laggard].status().unwrap().last_log_index >= 55);
        cluster.restart(laggard);
        cluster.agree(55 + committed);
        assert_eq!(cluster.restored(laggard), 1, "a start restores it from its own disk");
        assert_eq!(cluster.image_bytes_received(laggard), 0);
    }
}

#[test]
fn a_connection_that_breaks_in_the_middle_costs_no_more_than_what_was_under_way() {
    for network in networks() {
        let length = 12 * MIB;
        let mut cluster = Cluster::start(network, 3, length, Some(4 * MIB as u64));
        let laggard = cluster.leave_behind(1)[0];
        cluster.restart(laggard);
        for times in 1..=3 {
            wait_until("a quarter has come", || {
                cluster.image_bytes_received(laggard) > (times * length / 4) as u64
            });
            match &cluster.network {
                Network::Memory(network) => {
                    network.disconnect(laggard);
                    thread::sleep(Duration::from_millis(50));
                    network.connect(laggard);
                }
                Network::Tcp(_) => cluster.transports[&laggard].disconnect(cluster.leader()),
            }
        }
        cluster.commit(1);
        cluster.agree(56);
        assert_eq!(cluster.restored(laggard), 1);
        let sent = cluster.image_bytes_sent(laggard);
        assert!(sent > length as u64);
        // Three times no more than a window.
        assert!(sent < (length + 3 * 2 * MIB + MIB) as u64, "{sent} bytes");
    }
}

#[test]
fn a_laggard_that_restarts_in_the_middle_goes_on_where_it_was() {
    for network in networks() {
        let length = 12 * MIB;
        let mut cluster = Cluster::start(network, 3, length, Some(6 * MIB as u64));
        let laggard = cluster.leave_behind(1)[0];
        cluster.restart(laggard);
        wait_until("half has come", || cluster.image_bytes_received(laggard) > length as u64 / 2);
        assert!(cluster.nodes[&laggard].metrics().unwrap().image_coming);
        cluster.restart(laggard);
        cluster.commit(1);
        cluster.agree(56);
        assert_eq!(cluster.restored(laggard), 1);
        let received = cluster.image_bytes_received(laggard);
        assert!(received < (length / 2 + 2 * MIB) as u64, "{received} bytes in the second life");
    }
}

#[test]
fn a_sender_that_dies_in_the_middle_is_replaced() {
    for network in networks() {
        let length = 8 * MIB;
        let mut cluster = Cluster::start(network, 3, length, Some(4 * MIB as u64));
        let laggard = cluster.leave_behind(1)[0];
        cluster.restart(laggard);
        wait_until("half has come", || cluster.image_bytes_received(laggard) > length as u64 / 2);
        let sends = *cluster
            .nodes
            .keys()
            .find(|&&id| id != laggard && cluster.counts(id, laggard).image_leaving)
            .unwrap();
        cluster.stop(sends);
        cluster.commit(1);
        cluster.agree(56);
        assert_eq!(cluster.restored(laggard), 1);
    }
}

#[test]
fn two_laggards_at_once_get_their_images_from_one_leader() {
    for network in networks() {
        let mut cluster = Cluster::start(network, 5, 6 * MIB, Some(6 * MIB as u64));
        let laggards = cluster.leave_behind(2);
        laggards.iter().for_each(|&id| cluster.restart(id));
        let mut together = false;
        wait_until("both are restored", || {
            together |= cluster.nodes.keys().any(|&id| {
                laggards.iter().all(|&to| to != id && cluster.counts(id, to).image_leaving)
            });
            laggards.iter().all(|&id| cluster.restored(id) == 1)
        });
        assert!(together, "one after the other");
        cluster.commit(1);
        cluster.agree(56);
    }
}

#[test]
fn nobody_stands_for_election_while_an_image_travels() {
    for network in networks() {
        let mut cluster = Cluster::start(network, 3, 12 * MIB, Some(4 * MIB as u64));
        let laggard = cluster.leave_behind(1)[0];
        cluster.restart(laggard);
        wait_until("it begins", || cluster.image_bytes_received(laggard) > 0);
        let before = cluster.elections();
        let mut commits = 0;
        while cluster.restored(laggard) == 0 {
            cluster.commit(1);
            commits += 1;
        }
        assert!(commits > 100, "{commits} commits");
        assert_eq!(cluster.elections(), before, "an election was held");
        cluster.agree(55 + commits);
    }
}
