//! Three servers with large images, and one of them that lags behind.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use veraft::figure2::{Command, Index, ServerId};
use veraft::runtime::{
    Compaction, DiskStorage, Image, MemoryNetwork, Node, NodeBuilder, PeerMetrics, StateMachine,
    TcpTransport, Timing, Transport,
};

use crate::load;

/// Counts commands; its image has as many bytes as it is told.
struct Large {
    count: u64,
    bytes: usize,
}

/// Content that nobody can compress, and its length.
pub struct LargeImage(pub u64, pub usize);

impl StateMachine for Large {
    type Response = u64;

    fn apply(&mut self, _index: Index, _command: &Command) -> u64 {
        self.count += 1;
        self.count
    }

    fn capture(&mut self) -> Option<Box<dyn Image>> {
        Some(Box::new(LargeImage(self.count, self.bytes)))
    }

    fn restore(&mut self, image: &mut dyn Read) -> io::Result<()> {
        let mut count = [0; 8];
        image.read_exact(&mut count)?;
        self.count = u64::from_le_bytes(count);
        io::copy(image, &mut io::sink()).map(drop)
    }
}

impl Image for LargeImage {
    fn write(self: Box<Self>, to: &mut dyn Write) -> io::Result<()> {
        to.write_all(&self.0.to_le_bytes())?;
        let mut block = vec![0; 64 * 1024];
        let mut state = self.0 | 1;
        for _ in 0..self.1 / block.len() {
            for word in block.chunks_exact_mut(8) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                word.copy_from_slice(&state.to_le_bytes());
            }
            to.write_all(&block)?;
        }
        Ok(())
    }
}

const IDS: [ServerId; 3] = [ServerId(1), ServerId(2), ServerId(3)];

/// How the servers reach each other.
enum Network {
    Tcp(Vec<SocketAddr>),
    Memory(MemoryNetwork),
}

/// Three servers on disks, of which one may be down. Their logs are compacted by hand.
pub struct Cluster<'a> {
    place: &'a Path,
    network: Network,
    /// How large their images are.
    pub bytes: usize,
    /// In the place of the default rate; none is without a limit.
    rate: Option<Option<u64>>,
    nodes: Vec<Option<Node<u64>>>,
}

impl<'a> Cluster<'a> {
    /// Over TCP, with images of so many bytes; `rate` in the place of the default one.
    pub fn over_tcp(place: &'a Path, bytes: usize, rate: Option<Option<u64>>) -> Cluster<'a> {
        let listen = |id| TcpTransport::listen("bench", id, "127.0.0.1:0").unwrap();
        let addresses = IDS.map(listen).iter().map(TcpTransport::address).collect();
        Cluster::start(place, Network::Tcp(addresses), bytes, rate)
    }

    /// On a network whose links can be cut.
    pub fn in_memory(place: &'a Path, bytes: usize) -> Cluster<'a> {
        Cluster::start(place, Network::Memory(MemoryNetwork::new(1)), bytes, None)
    }

    fn start(
        place: &'a Path,
        network: Network,
        bytes: usize,
        rate: Option<Option<u64>>,
    ) -> Cluster<'a> {
        let nodes = vec![None, None, None];
        let mut cluster = Cluster { place, network, bytes, rate, nodes };
        (0..3).for_each(|at| cluster.restart(at));
        cluster
    }

    fn restart(&mut self, at: usize) {
        let node = match &self.network {
            Network::Tcp(addresses) => {
                let address = addresses[at].to_string();
                let listen = TcpTransport::listen("bench", IDS[at], &address).unwrap();
                let peers = IDS.iter().zip(addresses);
                let transport = peers.fold(listen, |transport, (&id, to)| transport.peer(id, to));
                self.node_over(at, transport)
            }
            Network::Memory(network) => self.node_over(at, network.transport(IDS[at])),
        };
        self.nodes[at] = Some(node);
    }

    fn node_over(&self, at: usize, transport: impl Transport) -> Node<u64> {
        let storage = DiskStorage::open(self.place.join(at.to_string())).unwrap();
        let builder = NodeBuilder::new(IDS[at], IDS)
            .timing(Timing::default())
            .seed(at as u64)
            .max_in_flight(2 * load::MOST)
            .compaction(Compaction::by_hand());
        let builder = match self.rate {
            Some(rate) => builder.image_rate(rate),
            None => builder,
        };
        builder.start(storage, transport, Large { count: 0, bytes: self.bytes }).unwrap()
    }

    pub fn node(&self, at: usize) -> &Node<u64> {
        self.nodes[at].as_ref().unwrap()
    }

    /// All that run.
    pub fn nodes(&self) -> impl Iterator<Item = &Node<u64>> {
        self.nodes.iter().flatten()
    }

    /// Waits for a leader that has committed a command.
    pub fn leader(&self) -> &Node<u64> {
        let give_up = Instant::now() + Duration::from_secs(60);
        loop {
            assert!(Instant::now() < give_up, "no leader");
            let leads = |node: &&Node<u64>| node.status().unwrap().is_leader();
            if let Some(leader) =
                self.nodes().filter(leads).max_by_key(|node| node.status().unwrap().term)
            {
                let first = leader.propose(&b"first"[..]).wait_timeout(Duration::from_secs(1));
                if first.is_ok() {
                    return leader;
                }
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stops a follower, lets the others forget what it lacks, and starts it again; which it is.
    pub fn leave_behind(&mut self) -> usize {
        let leads = self.leader().id();
        let at = (0..3).find(|at| IDS[*at] != leads).unwrap();
        self.nodes[at] = None;
        for _ in 0..100 {
            self.leader().propose(vec![b'x'; 64]).wait().unwrap();
        }
        for node in self.nodes() {
            node.compact().unwrap();
        }
        self.restart(at);
        while self.received(at).0 == 0 {
            thread::sleep(Duration::from_micros(100));
        }
        at
    }

    /// How many bytes of images have come to this one since its start, and how many images.
    pub fn received(&self, at: usize) -> (u64, u64) {
        let peers = self.node(at).metrics().unwrap().peers;
        let sum = |of: fn(&PeerMetrics) -> u64| peers.values().map(of).sum();
        (sum(|peer| peer.image_bytes_received), sum(|peer| peer.images_received))
    }

    /// Waits until this one has applied what is committed now.
    pub fn caught_up(&self, at: usize) {
        let committed = self.leader().status().unwrap().commit_index;
        while self.node(at).status().unwrap().applied_index < committed {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// How many bytes a second an image comes in with.
    pub fn transfer(&mut self) -> f64 {
        let at = self.leave_behind();
        let (start, before) = (Instant::now(), self.received(at).0);
        while self.received(at).1 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        let rate = (self.bytes as f64 - before as f64) / start.elapsed().as_secs_f64();
        self.caught_up(at);
        rate
    }

    /// Deposes the leader: its links are cut until another leads, or, over TCP, it is stopped and
    /// started again.
    pub fn depose(&mut self) {
        let old = self.leader().status().unwrap();
        let Network::Memory(network) = &self.network else {
            let at = (0..3).find(|at| IDS[*at] == old.id).unwrap();
            self.nodes[at] = None;
            return self.restart(at);
        };
        network.disconnect(old.id);
        let leads = |node: &Node<u64>| {
            let status = node.status().unwrap();
            status.is_leader() && status.term > old.term
        };
        while !self.nodes().any(leads) {
            thread::sleep(Duration::from_millis(1));
        }
        network.connect(old.id);
    }
}
