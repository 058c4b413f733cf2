//! Images on their way to a peer that lags behind.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use veraft::figure2::{Command, Index, ServerId};
use veraft::runtime::{
    Compaction, DiskStorage, Image, Node, NodeBuilder, StateMachine, TcpTransport, Timing,
};

/// Counts commands; its image has as many bytes as it is told.
struct Large {
    count: u64,
    bytes: usize,
}

struct LargeImage(u64, usize);

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

/// Three servers over TCP, on disks, of which one may be down.
pub struct Laggards<'a> {
    place: &'a Path,
    addresses: Vec<SocketAddr>,
    bytes: usize,
    rate: Option<Option<u64>>,
    nodes: Vec<Option<Node<u64>>>,
}

impl<'a> Laggards<'a> {
    /// With images of so many bytes; `rate` in the place of the default one.
    pub fn start(place: &'a Path, bytes: usize, rate: Option<Option<u64>>) -> Laggards<'a> {
        let listen = |id| TcpTransport::listen("bench", ServerId(id), "127.0.0.1:0").unwrap();
        let addresses: Vec<SocketAddr> =
            [1, 2, 3].map(listen).iter().map(TcpTransport::address).collect();
        let mut cluster = Laggards { place, addresses, bytes, rate, nodes: vec![None, None, None] };
        (0..3).for_each(|at| cluster.restart(at));
        cluster
    }

    fn restart(&mut self, at: usize) {
        let ids = [1, 2, 3].map(ServerId);
        let address = self.addresses[at].to_string();
        let listen = TcpTransport::listen("bench", ids[at], &address).unwrap();
        let peers = ids.iter().zip(&self.addresses);
        let transport = peers.fold(listen, |transport, (&id, to)| transport.peer(id, to));
        let storage = DiskStorage::open(self.place.join(at.to_string())).unwrap();
        let builder = NodeBuilder::new(ids[at], ids)
            .timing(Timing::default())
            .seed(at as u64)
            .compaction(Compaction::by_hand());
        let builder = match self.rate {
            Some(rate) => builder.image_rate(rate),
            None => builder,
        };
        let machine = Large { count: 0, bytes: self.bytes };
        self.nodes[at] = Some(builder.start(storage, transport, machine).unwrap());
    }

    fn node(&self, at: usize) -> &Node<u64> {
        self.nodes[at].as_ref().unwrap()
    }

    pub fn leader(&self) -> &Node<u64> {
        let give_up = Instant::now() + Duration::from_secs(60);
        loop {
            assert!(Instant::now() < give_up, "no leader");
            let leads = |node: &&Node<u64>| node.status().unwrap().is_leader();
            if let Some(leader) = self.nodes.iter().flatten().find(leads) {
                let first = leader.propose(&b"first"[..]).wait_timeout(Duration::from_secs(1));
                if first.is_ok() {
                    return leader;
                }
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stops a follower, lets the others forget what it lacks, and starts it again; which it is.
    fn leave_behind(&mut self) -> usize {
        let leads = self.leader().id();
        let at = (0..3).find(|at| ServerId(*at as u64 + 1) != leads).unwrap();
        self.nodes[at] = None;
        for _ in 0..100 {
            self.leader().propose(vec![b'x'; 64]).wait().unwrap();
        }
        for node in self.nodes.iter().flatten() {
            node.compact().unwrap();
        }
        self.restart(at);
        at
    }

    fn coming(&self, at: usize) -> (u64, u64) {
        let peers = self.node(at).metrics().unwrap().peers;
        let sum = |of: fn(&veraft::runtime::PeerMetrics) -> u64| peers.values().map(of).sum();
        (sum(|peer| peer.image_bytes_received), sum(|peer| peer.images_received))
    }

    /// How many bytes a second an image comes in with.
    pub fn transfer(&mut self) -> f64 {
        let at = self.leave_behind();
        while self.coming(at).0 == 0 {
            thread::sleep(Duration::from_micros(100));
        }
        let start = Instant::now();
        while self.coming(at).1 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        let took = start.elapsed();
        while self.node(at).metrics().unwrap().images_restored == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        self.bytes as f64 / took.as_secs_f64()
    }

    /// So many commands a second, for `time` and until `over`: commits a second, and the latency
    /// that one in a hundred passes.
    fn load(&self, rate: f64, time: Duration, over: impl Fn() -> bool) -> (f64, Duration) {
        let (leader, command) = (self.leader(), Command::from(vec![b'x'; 64]));
        let (start, mut proposed, mut flying) = (Instant::now(), 0_u64, VecDeque::new());
        let mut latencies = Vec::new();
        while start.elapsed() < time || !over() {
            while (proposed as f64) < rate * start.elapsed().as_secs_f64() && flying.len() < 20_000
            {
                flying.push_back((Instant::now(), leader.propose(command.clone())));
                proposed += 1;
            }
            while flying.front().is_some_and(|(_, pending)| pending.is_done()) {
                latencies.extend(flying.pop_front().map(|(from, _)| from.elapsed()));
            }
            thread::sleep(Duration::from_micros(200));
        }
        let committed = latencies.len() as f64 / start.elapsed().as_secs_f64();
        latencies.sort_unstable();
        (committed, latencies[latencies.len() * 99 / 100])
    }

    /// At half of this load: commits a second and their latency, without an image and with one
    /// on its way.
    pub fn beside(&mut self, most: f64) -> [(f64, Duration); 2] {
        let time = Duration::from_secs(5);
        let alone = self.load(most / 2.0, time, || true);
        let at = self.leave_behind();
        while self.coming(at).0 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        let beside = self.load(most / 2.0, Duration::ZERO, || self.coming(at).1 > 0);
        [alone, beside]
    }
}

/// How many bytes a second are copied from one file to another, over a connection like that of
/// nodes, and as durably.
pub fn plain_copy(place: &Path, bytes: usize) -> f64 {
    const BLOCK: usize = 64 * 1024;
    const SYNC_EVERY: usize = 8 * 1024 * 1024;
    let (from, to) = (place.join("from"), place.join("to"));
    if !from.exists() {
        let image: Box<dyn Image> = Box::new(LargeImage(7, bytes));
        image.write(&mut File::create(&from).unwrap()).unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut file, mut block) = (File::open(&from).unwrap(), vec![0; BLOCK]);
            loop {
                match file.read(&mut block).unwrap() {
                    0 => break,
                    count => stream.write_all(&block[..count]).unwrap(),
                }
            }
        });
        let (mut stream, mut file) = (listener.accept().unwrap().0, File::create(&to).unwrap());
        let (mut block, mut unsynced) = (vec![0; BLOCK], 0);
        loop {
            let count = stream.read(&mut block).unwrap();
            file.write_all(&block[..count]).unwrap();
            unsynced += count;
            if count == 0 || unsynced >= SYNC_EVERY {
                file.sync_data().unwrap();
                unsynced = 0;
            }
            if count == 0 {
                break;
            }
        }
    });
    bytes as f64 / start.elapsed().as_secs_f64()
}
