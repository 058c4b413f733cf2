//! The TCP transport gives up a connection whose other end is gone without a word.

#![cfg(feature = "tcp")]

mod common;
#[path = "common/guest.rs"]
mod guest;
#[path = "common/proxy.rs"]
mod proxy;
#[path = "common/raw.rs"]
mod raw;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use common::{Journal, JournalNode, LONG, wait_until};
use guest::Guest;
use proxy::{End, Proxy};
use raw::{accepted, hello, read_frame};
use veraft::figure2::{AppendEntries, RequestVoteReply};
use veraft::figure2::{Command, Entry, Message, ServerId};
use veraft::runtime::{MemoryDisk, NodeBuilder, TcpCounters, TcpTransport, Timing, Transport};

const CLUSTER: &str = "test cluster";

/// A follower that hears nothing for half a second stands for election.
fn timing() -> Timing {
    let [shortest, longest, heartbeat] = [450, 550, 150].map(Duration::from_millis);
    Timing::new(shortest..=longest, heartbeat).unwrap()
}

const IDS: [ServerId; 3] = [ServerId(1), ServerId(2), ServerId(3)];

/// Three nodes. Between each and each other stands a proxy, in either direction.
struct Cluster {
    nodes: Vec<JournalNode>,
    counters: Vec<TcpCounters>,
    disks: [MemoryDisk; 3],
    /// From one server to another, by their places.
    ways: BTreeMap<(usize, usize), Proxy>,
}

fn listen(id: ServerId) -> TcpTransport {
    TcpTransport::listen(CLUSTER, id, "127.0.0.1:0").unwrap()
}

impl Cluster {
    fn start() -> Cluster {
        let transports = IDS.map(listen);
        let addresses = transports.each_ref().map(TcpTransport::address);
        let pairs = (0..3).flat_map(|from| (0..3).map(move |to| (from, to)));
        let others = pairs.filter(|(from, to)| from != to);
        let ways = others.map(|(from, to)| ((from, to), Proxy::to(addresses[to]))).collect();
        let disks = IDS.map(|_| MemoryDisk::new());
        let mut cluster = Cluster { nodes: Vec::new(), counters: Vec::new(), disks, ways };
        for (at, transport) in transports.into_iter().enumerate() {
            cluster.start_node(at, transport);
        }
        cluster
    }

    /// Starts the server that has this place among the others.
    fn start_node(&mut self, at: usize, transport: TcpTransport) {
        let peers = (0..3).filter(|&to| to != at);
        let with_peer =
            |transport: TcpTransport, to| transport.peer(IDS[to], self.ways[&(at, to)].address());
        let transport = peers.fold(transport, with_peer);
        self.counters.insert(at, transport.counters());
        let builder = NodeBuilder::new(IDS[at], IDS).timing(timing()).seed(at as u64);
        let node = builder.start(self.disks[at].open().unwrap(), transport, Journal::default());
        self.nodes.insert(at, node.unwrap());
    }

    /// Waits until all follow one leader, and nobody connects any more; the place of a follower.
    fn follower(&self) -> usize {
        let mut leaders = Vec::new();
        wait_until("all follow one leader", || {
            leaders = self.nodes.iter().map(|node| node.status().unwrap().leader).collect();
            leaders[0].is_some() && leaders.iter().all(|&leader| leader == leaders[0])
        });
        common::commit(|| self.nodes.iter(), "something");
        wait_until("nobody connects any more", || {
            let before = self.counts();
            thread::sleep(Duration::from_millis(300));
            self.counts() == before
        });
        IDS.iter().position(|&id| leaders[0] != Some(id)).unwrap()
    }

    /// No connection with a server leads anywhere any more, and only that server knows.
    fn strand(&self, moves: usize) {
        for (&(from, to), way) in &self.ways {
            if to == moves {
                way.strand(End::Listener);
            } else if from == moves {
                way.strand(End::Dialer);
            }
        }
    }

    /// How many connections each node has accepted, and how often it has given up one of its own.
    fn counts(&self) -> Vec<(u64, u64)> {
        let snapshots = self.counters.iter().map(TcpCounters::snapshot);
        snapshots.map(|now| (now.accepted, now.renewed)).collect()
    }

    /// Waits until a server applies what the others commit now; says how long it took.
    fn reaches(&self, at: usize) -> Duration {
        let since = Instant::now();
        let index = common::commit(|| self.nodes.iter(), "something new");
        wait_until("it has what was committed", || {
            self.nodes[at].status().unwrap().applied_index >= index
        });
        since.elapsed()
    }
}

/// In how many election timeouts a cluster is to be whole again, of which some are for threads that
/// have to wait.
fn a_few() -> Duration {
    *timing().election().end() * 5
}

#[test]
fn nodes_in_good_health_stay_connected() {
    let cluster = Cluster::start();
    cluster.follower();
    let before = cluster.counts();
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        common::commit(|| cluster.nodes.iter(), "something");
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(cluster.counts(), before);
}

#[test]
fn a_peer_that_moves_is_reached_at_its_new_address() {
    let cluster = Cluster::start();
    for round in 1..=3 {
        let moves = cluster.follower();
        let before = cluster.counts();
        cluster.strand(moves);
        let took = cluster.reaches(moves);
        assert!(took < a_few(), "{took:?} in round {round}");
        // It may lead by then, by the vote of one that had no connection to lose.
        wait_until("the other one dials it anew", || {
            let now = cluster.counts();
            (0..3).any(|at| at != moves && now[at].1 > before[at].1)
        });
        cluster.follower();
        let before = cluster.counts();
        thread::sleep(Duration::from_secs(2));
        assert_eq!(cluster.counts(), before, "they make each other connect, in round {round}");
    }
}

#[test]
fn a_peer_that_starts_anew_elsewhere_is_reached_there() {
    let mut cluster = Cluster::start();
    let moves = cluster.follower();
    cluster.strand(moves);
    cluster.nodes.remove(moves).shutdown();
    cluster.counters.remove(moves);
    let transport = listen(IDS[moves]);
    let ways = cluster.ways.iter().filter(|((_, to), _)| *to == moves);
    ways.for_each(|(_, way)| way.turn_to(transport.address()));
    cluster.start_node(moves, transport);
    let took = cluster.reaches(moves);
    assert!(took < a_few(), "{took:?}");
}

/// The other end's part of a handshake, as server 2 of run `run`. Reads nothing more.
fn welcome(listener: &TcpListener, run: u64) -> TcpStream {
    let answer = |mut stream: TcpStream| -> io::Result<TcpStream> {
        stream.read_exact(&mut [0; 6])?;
        read_frame(&mut stream)?;
        let answer = postcard::to_allocvec(&(0_u8, 3_u8, run, b"opaque".to_vec())).unwrap();
        stream.write_all(&raw::frame(2, &answer))?;
        read_frame(&mut stream)?;
        Ok(stream)
    };
    // Attempts that were given up meanwhile stand before the one that counts.
    listener.incoming().find_map(|stream| answer(stream.unwrap()).ok()).unwrap()
}

/// Server 2 connects to `address`.
fn dial_in(address: SocketAddr, run: u64) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&hello((2, 3), CLUSTER, 2, 1, run)).unwrap();
    read_frame(&mut stream).unwrap();
    stream.write_all(&accepted()).unwrap();
    stream
}

fn vote() -> Message {
    Message::RequestVoteReply(RequestVoteReply { term: 1, vote_granted: true })
}

/// More than the system takes of one whose other end reads nothing.
fn large() -> Message {
    let bytes = vec![b'x'; 15 * 1024 * 1024];
    Message::AppendEntries(AppendEntries {
        term: 1,
        leader_id: ServerId(1),
        prev_log_index: 0,
        prev_log_term: 0,
        entries: [Entry::command(1, Command::from(bytes))].into_iter().collect(),
        leader_commit: 0,
    })
}

/// A write that waits for a peer that is gone ends when the peer comes back.
#[test]
fn a_write_that_blocks_ends_when_the_peer_dials_in() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let transport =
        listen(ServerId(1)).dead_after(LONG).peer(ServerId(2), listener.local_addr().unwrap());
    transport.start(Guest::new(1, "hello").inbox()).unwrap();
    let mut link = transport.link(ServerId(2));
    let writes = thread::spawn(move || {
        assert!(link.send(vec![vote()]) > 0);
        while link.send(vec![large()]) > 0 {}
        link
    });
    let _silent = welcome(&listener, 7);
    // Long enough for it to block; if not, it ends all the same.
    thread::sleep(Duration::from_millis(300));
    let since = Instant::now();
    let _arrived = dial_in(transport.address(), 8);
    wait_until("the write has ended", || writes.is_finished());
    assert!(since.elapsed() < LONG / 3);
    let mut link = writes.join().unwrap();
    let welcomes = thread::spawn(move || welcome(&listener, 8));
    wait_until("it is connected to the new run", || link.send(vec![vote()]) > 0);
    welcomes.join().unwrap();
    transport.close();
    transport.join();
}

/// What a peer that has connected anew is known by: its run, and whether it has closed what was
/// before.
#[test]
fn only_a_peer_that_lost_its_connection_is_dialed_anew() {
    // How the earlier connection ended, which run dials in at last, whether that renews.
    let cases = [("closed", 7, false), ("open", 7, true), ("closed", 8, true)];
    for (earlier, run, renews) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let transport = listen(ServerId(1)).peer(ServerId(2), listener.local_addr().unwrap());
        transport.start(Guest::new(1, "hello").inbox()).unwrap();
        let mut link = transport.link(ServerId(2));
        let (first, ours) = thread::scope(|scope| {
            let welcomes = scope.spawn(|| welcome(&listener, 7));
            wait_until("it is connected", || link.send(vec![vote()]) > 0);
            (dial_in(transport.address(), 7), welcomes.join().unwrap())
        });
        let counters = transport.counters();
        wait_until("it is accepted", || counters.snapshot().accepted == 1);
        let kept = (earlier == "open").then_some(first);
        let again = dial_in(transport.address(), run);
        wait_until("it is accepted again", || counters.snapshot().accepted == 2);
        assert_eq!(counters.snapshot().renewed > 0, renews, "{earlier}, run {run}");
        drop((kept, again, ours));
        transport.close();
        transport.join();
    }
}
