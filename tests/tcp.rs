//! The TCP transport: messages arrive, and bad input harms nothing but its own connection.

#![cfg(feature = "tcp")]

mod common;
#[path = "common/guest.rs"]
mod guest;
#[path = "common/log.rs"]
mod log;
#[path = "common/raw.rs"]
mod raw;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use common::{Journal, JournalNode, LONG, wait_until};
use guest::{Event, Guest};
use log::log;
use raw::{accepted, attack, closes, frame, hello_1, hello_2, whole};
use veraft::figure2::{
    AppendEntries, Entry, Message, RequestVote, RequestVoteReply, ServerId, Term,
};
use veraft::runtime::{
    Inbox, Link, MemoryDisk, MemoryStorage, NodeBuilder, TcpTransport, Timing, Transport,
    TransportError,
};

const CLUSTER: &str = "test cluster";

fn reply(term: Term) -> Message {
    Message::RequestVoteReply(RequestVoteReply { term, vote_granted: true })
}

/// A message of 1 MiB.
fn large() -> Message {
    Message::AppendEntries(AppendEntries {
        term: 1,
        leader_id: ServerId(1),
        prev_log_index: 0,
        prev_log_term: 0,
        entries: [Entry::command(1, vec![b'x'; 1 << 20])].into_iter().collect(),
        leader_commit: 0,
    })
}

/// Server 1 of three, at the receiving end.
struct Receiving {
    transport: TcpTransport,
    arrived: Receiver<(ServerId, Message)>,
}

impl Receiving {
    fn start() -> Receiving {
        let id = ServerId(1);
        let transport = TcpTransport::listen(CLUSTER, id, "127.0.0.1:0").unwrap();
        let transport = transport.max_frame_bytes(1000);
        let (sender, arrived) = mpsc::channel();
        let servers = Arc::new([1, 2, 3].map(ServerId).into());
        let inbox = Inbox::new(id, servers, move |from, message, _| {
            sender.send((from, message)).unwrap();
            Ok(())
        });
        transport.start(inbox).unwrap();
        Receiving { transport, arrived }
    }

    fn address(&self) -> SocketAddr {
        self.transport.address()
    }

    /// A well-behaved peer, connected.
    fn peer(&self, id: u64) -> Peer {
        let transport = TcpTransport::listen(CLUSTER, ServerId(id), "127.0.0.1:0").unwrap();
        let transport = transport.peer(ServerId(1), self.address());
        let servers = Arc::new([1, 2, 3].map(ServerId).into());
        transport.start(Inbox::new(ServerId(id), servers, |_, _, _| Ok(()))).unwrap();
        let link = transport.link(ServerId(1));
        Peer { link, transport }
    }

    fn expect(&self, from: u64, term: Term) {
        assert_eq!(self.arrived.recv_timeout(LONG).unwrap(), (ServerId(from), reply(term)));
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.transport.close();
        self.transport.join();
    }
}

struct Peer {
    link: Box<dyn Link>,
    transport: TcpTransport,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.transport.close();
        self.transport.join();
    }
}

impl Peer {
    fn send(&mut self, term: Term) -> u64 {
        self.link.send(vec![reply(term)])
    }
}

#[test]
fn messages_arrive_in_order_with_their_sender() {
    let receiving = Receiving::start();
    let mut peers = [receiving.peer(2), receiving.peer(3)];
    for term in 1..=100 {
        for peer in &mut peers {
            assert!(peer.send(term) > 0);
        }
    }
    let mut terms = [0, 0];
    for _ in 0..200 {
        let (from, message) = receiving.arrived.recv_timeout(LONG).unwrap();
        let last = &mut terms[from.0 as usize - 2];
        *last += 1;
        assert_eq!(message, reply(*last));
    }
}

/// Sends garbage, each case on a connection of its own, to a node that has a peer; the complaint
/// is what the node's log must say of it.
fn suffer(cases: Vec<(&str, Vec<u8>)>) {
    let log = log();
    let receiving = Receiving::start();
    let mut peer = receiving.peer(2);
    for (number, (complaint, bytes)) in cases.into_iter().enumerate() {
        let mut stream = attack(receiving.address(), &bytes);
        let address = stream.local_addr().unwrap().to_string();
        assert!(closes(&mut stream), "case {number} stays open: {complaint}");
        wait_until(complaint, || !log.warnings(&address).is_empty());
        let term = number as Term + 1;
        assert!(peer.send(term) > 0);
        receiving.expect(2, term);
        let lines = log.warnings(&address);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(complaint), "{complaint:?} is not in {lines:?}");
    }
}

fn noise() -> Vec<u8> {
    (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// A message that nobody but S2 may send.
fn in_anothers_name() -> Message {
    Message::RequestVote(RequestVote {
        term: 9,
        candidate_id: ServerId(2),
        last_log_index: 0,
        last_log_term: 0,
    })
}

#[test]
fn garbage_closes_its_connection_with_one_line_and_harms_nothing_else() {
    let valid = frame(1, &postcard::to_allocvec(&reply(7)).unwrap());
    let after_hello = |bytes: &[u8]| [&hello_1(CLUSTER, 3, 1), bytes].concat();
    let mut wrong_checksum = valid.clone();
    wrong_checksum[6] ^= 1;
    let in_anothers_name = frame(1, &postcard::to_allocvec(&in_anothers_name()).unwrap());
    let begin = |bytes: &[u8]| [&b"veraft"[..], bytes].concat();
    suffer(vec![
        ("does not speak veraft's protocol", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("does not speak veraft's protocol", noise()),
        ("protocol version 0, this node versions 1 and 2", begin(&frame(0, b"hi"))),
        ("protocol version 3, this node versions 1 and 2", begin(&frame(3, b"hi"))),
        ("\"another\"", hello_1("another", 3, 1)),
        ("looks for S2", hello_1(CLUSTER, 3, 2)),
        ("S9 is not a peer", hello_1(CLUSTER, 9, 1)),
        ("S1 is not a peer", hello_1(CLUSTER, 1, 1)),
        ("no message", begin(&frame(1, b"\xff\xff\xff"))),
        ("protocol version", after_hello(&noise())),
        ("version 2 on a connection of version 1", after_hello(&frame(2, b"\x00mixed"))),
        ("4294967295 bytes, where 1000", after_hello(&[1, 255, 255, 255, 255, 0, 0, 0, 0])),
        ("1001 bytes, where 1000", after_hello(&frame(1, &[0; 1001]))),
        ("checksum", after_hello(&wrong_checksum)),
        ("no message", after_hello(&frame(1, b"\x63nonsense"))),
        ("no message", after_hello(&frame(1, &[&valid[9..], b"more"].concat()))),
        ("S3 sent a request in the name of S2", after_hello(&in_anothers_name)),
    ]);
}

#[test]
fn garbage_of_version_2_closes_its_connection_with_one_line_and_harms_nothing_else() {
    let hello = |cluster, from, to| hello_2((1, 2), cluster, from, to, 7);
    let after_hello =
        |bytes: &[u8]| [&hello(CLUSTER, 3, 1), &accepted(), bytes].map(<[u8]>::to_vec).concat();
    let after_welcome = |bytes: &[u8]| [&hello(CLUSTER, 3, 1), bytes].map(<[u8]>::to_vec).concat();
    suffer(vec![
        ("\"another\"", hello("another", 3, 1)),
        ("looks for S2", hello(CLUSTER, 3, 2)),
        ("S9 is not a peer", hello(CLUSTER, 9, 1)),
        ("versions 3 to 4, this node versions 1 and 2", hello_2((3, 4), CLUSTER, 3, 1, 7)),
        ("versions 0 to 0, this node versions 1 and 2", hello_2((0, 0), CLUSTER, 3, 1, 7)),
        ("no message", [&b"veraft"[..], &frame(2, b"\xff\xff\xff")].concat()),
        ("no message", after_welcome(&frame(2, b"\x07"))),
        ("S3 refuses this node: it stinks", after_welcome(&frame(2, b"\x01\x09it stinks"))),
        ("version 1 on a connection of version 2", after_hello(&frame(1, b"\x00mixed"))),
        ("kind 3", after_hello(&frame(2, b"\x03piece"))),
        ("no message", after_hello(&frame(2, b""))),
        ("1200 bytes, where 1000", after_hello(&frame(2, &[1; 601]).repeat(2))),
        ("S3 sent a request in the name of S2", after_hello(&whole(&in_anothers_name()))),
    ]);
}

#[test]
fn strangers_that_say_nothing_keep_no_peer_out() {
    let receiving = Receiving::start();
    let _silent: Vec<TcpStream> = (0..300).map(|_| attack(receiving.address(), b"")).collect();
    let mut peer = receiving.peer(2);
    wait_until("the peer gets through", || peer.send(1) > 0);
    receiving.expect(2, 1);
}

#[test]
fn a_peer_reconnects_after_its_connection_broke() {
    let receiving = Receiving::start();
    let address = receiving.address();
    let mut peer = receiving.peer(2);
    assert!(peer.send(1) > 0);
    receiving.expect(2, 1);
    drop(receiving);
    wait_until("it notices", || peer.send(2) == 0);

    let transport = TcpTransport::listen(CLUSTER, ServerId(1), &address.to_string()).unwrap();
    let (sender, arrived) = mpsc::channel();
    let servers = Arc::new([1, 2].map(ServerId).into());
    let deliver = move |_, message: Message, _| {
        sender.send(message.term()).unwrap();
        Ok(())
    };
    transport.start(Inbox::new(ServerId(1), servers, deliver)).unwrap();
    wait_until("it is back", || peer.send(3) > 0);
    assert_eq!(arrived.recv_timeout(LONG).unwrap(), 3);
    transport.close();
    transport.join();
}

#[test]
fn a_new_connection_of_a_peer_replaces_its_old_one() {
    let receiving = Receiving::start();
    let mut old = attack(receiving.address(), &hello_1(CLUSTER, 2, 1));
    old.read_exact(&mut [0; 10]).unwrap();
    let mut peer = receiving.peer(2);
    assert!(peer.send(5) > 0);
    receiving.expect(2, 5);
    assert!(closes(&mut old));
}

#[test]
fn an_address_in_use_is_a_clear_error() {
    let first = TcpTransport::listen(CLUSTER, ServerId(1), "127.0.0.1:0").unwrap();
    let second = TcpTransport::listen(CLUSTER, ServerId(1), &first.address().to_string());
    let Err(error @ TransportError::Listen { .. }) = second.map(|_| ()) else { panic!() };
    assert!(error.to_string().contains(&first.address().to_string()), "{error}");
}

#[test]
fn closing_ends_a_link_that_blocks_in_a_write() {
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let transport = TcpTransport::listen(CLUSTER, ServerId(1), "127.0.0.1:0").unwrap();
    let transport = transport.peer(ServerId(2), deaf.local_addr().unwrap());
    let servers = Arc::new([1, 2].map(ServerId).into());
    transport.start(Inbox::new(ServerId(1), servers, |_, _, _| Ok(()))).unwrap();
    let mut link = transport.link(ServerId(2));
    // One call, with more than any system keeps for a reader that reads nothing: 256 MiB.
    let sending = thread::spawn(move || link.send(vec![large(); 256]));
    let mut stream = deaf.accept().unwrap().0;
    // Welcome, in version 2, from run 7, with nothing to say of the node.
    stream.write_all(&frame(2, &[0, 2, 7, 0])).unwrap();
    // More than a hello: the link is in the midst of the messages.
    let mut arrived = vec![0; 2 * 64 * 1024];
    wait_until("messages arrive", || stream.peek(&mut arrived).unwrap() > 64 * 1024);
    assert!(!sending.is_finished(), "it does not block");
    transport.close();
    wait_until("the link gives up", || sending.is_finished());
    assert_eq!(sending.join().unwrap(), 0, "it was not cut off");
    transport.join();
}

/// Three nodes over TCP.
fn nodes() -> Vec<JournalNode> {
    let ids = [1, 2, 3].map(ServerId);
    let listen = |&id: &ServerId| TcpTransport::listen(CLUSTER, id, "127.0.0.1:0").unwrap();
    let transports: Vec<TcpTransport> = ids.iter().map(listen).collect();
    let addresses: Vec<SocketAddr> = transports.iter().map(TcpTransport::address).collect();
    let start = |(id, mut transport): (ServerId, TcpTransport)| {
        for (peer, address) in ids.iter().zip(&addresses) {
            transport = transport.peer(*peer, address);
        }
        let builder = NodeBuilder::new(id, ids).timing(common::timing());
        builder.start(MemoryStorage::new(), transport, Journal::default()).unwrap()
    };
    ids.into_iter().zip(transports).map(start).collect()
}

#[test]
fn three_nodes_commit_over_tcp_and_count_their_bytes() {
    let nodes = nodes();
    let payload = "x".repeat(50_000);
    (0..20).for_each(|_| assert!(common::commit(|| nodes.iter(), &payload) > 0));
    let leader = common::leader(|| nodes.iter());
    let leader = nodes.iter().find(|node| node.id() == leader).unwrap();
    for peer in leader.metrics().unwrap().peers.values() {
        wait_until("bytes are counted", || {
            let metrics = leader.metrics().unwrap();
            metrics.peers.values().all(|peer| peer.bytes_sent >= 20 * 50_000)
        });
        assert!(peer.bytes_received > 0);
    }
}

/// Server `id` of the three that listen at `addresses`, on a disk of its own.
fn node_at(id: ServerId, addresses: &[SocketAddr], disk: &MemoryDisk) -> JournalNode {
    let at = id.0 as usize - 1;
    let listen = TcpTransport::listen(CLUSTER, id, &addresses[at].to_string()).unwrap();
    let ids = [1, 2, 3].map(ServerId);
    let peers = ids.iter().zip(addresses).filter(|(peer, _)| **peer != id);
    let transport = peers.fold(listen, |transport, (peer, to)| transport.peer(*peer, to));
    let builder = NodeBuilder::new(id, ids).timing(impatient()).seed(id.0);
    builder.start(disk.open().unwrap(), transport, Journal::default()).unwrap()
}

/// A follower that hears nothing for half a second stands for election.
fn impatient() -> Timing {
    let [shortest, longest, heartbeat] = [450, 550, 150].map(Duration::from_millis);
    Timing::new(shortest..=longest, heartbeat).unwrap()
}

/// A link that has tried in vain for so long that its next attempt is far, tries at once when the
/// peer connects.
#[test]
fn a_peer_that_dials_in_is_reached_at_once() {
    let guests = [1, 2].map(|id| Guest::new(id, "hello").with_patience(LONG));
    let listen = |id, at: &str| TcpTransport::listen(CLUSTER, ServerId(id), at).unwrap();
    let address = listen(2, "127.0.0.1:0").address().to_string();
    let one = listen(1, "127.0.0.1:0").peer(ServerId(2), &address);
    one.start(guests[0].inbox()).unwrap();
    let mut link = one.link(ServerId(2));
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(1500) {
        assert_eq!(link.send(vec![reply(1)]), 0);
        thread::sleep(Duration::from_millis(5));
    }
    let two = listen(2, &address).peer(ServerId(1), one.address());
    two.start(guests[1].inbox()).unwrap();
    // What a new link does before there is a message.
    two.link(ServerId(1)).send(Vec::new());
    wait_until("it has dialled in", || one.counters().snapshot().accepted == 1);
    assert!(link.send(vec![reply(2)]) > 0);
    guests[1].expect(&Event::Delivered(ServerId(1), reply(2)));
    for transport in [one, two] {
        transport.close();
        transport.join();
    }
}

/// How often a link has tried to connect, to a listener that closes each connection.
fn attempts(patience: Duration) -> (TcpTransport, Box<dyn Link>, Arc<AtomicUsize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let transport = TcpTransport::listen(CLUSTER, ServerId(1), "127.0.0.1:0").unwrap();
    let transport = transport.peer(ServerId(2), listener.local_addr().unwrap());
    transport.start(Guest::new(1, "hello").with_patience(patience).inbox()).unwrap();
    let link = transport.link(ServerId(2));
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream);
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    (transport, link, count)
}

/// Side by side, so that a slow machine slows both.
#[test]
fn an_impatient_peer_is_tried_more_often() {
    let [mut impatient, mut patient] = [Duration::from_millis(80), LONG].map(attempts);
    wait_until("the patient one has tried often enough to wait long", || {
        impatient.1.send(vec![reply(1)]);
        patient.1.send(vec![reply(1)]);
        // Two connections an attempt: one in each version.
        patient.2.load(Ordering::SeqCst) >= 16
    });
    let [often, seldom] = [&impatient, &patient].map(|(_, _, count)| count.load(Ordering::SeqCst));
    assert!(often > 3 * seldom, "{often} attempts, and {seldom}");
    for (transport, _, _) in [impatient, patient] {
        transport.close();
        transport.join();
    }
}

#[test]
fn a_follower_that_returns_leaves_the_leader_in_peace() {
    let free = || TcpTransport::listen(CLUSTER, ServerId(1), "127.0.0.1:0").unwrap().address();
    let addresses: Vec<SocketAddr> = (0..3).map(|_| free()).collect();
    let ids = [1, 2, 3].map(ServerId);
    let disks = ids.map(|_| MemoryDisk::new());
    let mut nodes: Vec<JournalNode> =
        ids.iter().zip(&disks).map(|(&id, disk)| node_at(id, &addresses, disk)).collect();
    common::commit(|| nodes.iter(), "first");
    let leader = common::leader(|| nodes.iter());
    let reign = |nodes: &[JournalNode]| {
        let status = nodes.iter().map(|node| node.status().unwrap());
        status.map(|status| (status.term, status.leader)).collect::<Vec<_>>()
    };
    wait_until("all follow", || reign(&nodes).iter().all(|&(_, known)| known == Some(leader)));
    let before = reign(&nodes);
    let follower = ids.iter().position(|&id| id != leader).unwrap();
    for round in 0..3 {
        nodes.remove(follower).shutdown();
        thread::sleep(Duration::from_millis(2500));
        let returned = node_at(ids[follower], &addresses, &disks[follower]);
        nodes.insert(follower, returned);
        thread::sleep(*impatient().election().end() * 2);
        assert_eq!(reign(&nodes), before, "in round {round}");
    }
}
