//! The TCP transport: messages arrive, and bad input harms nothing but its own connection.

#![cfg(feature = "tcp")]

mod common;
#[path = "common/log.rs"]
mod log;
#[path = "common/ports.rs"]
mod ports;
#[path = "common/raw.rs"]
mod raw;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{Journal, JournalNode, LONG, wait_until};
use log::log;
use ports::address_to_keep;
use raw::{accepted, attack, closes, frame, hello, hello_for, read_frame, whole};
use veraft::figure2::{
    AppendEntries, Entry, Message, RequestVote, RequestVoteReply, ServerId, Term,
};
use veraft::runtime::{
    Inbox, Link, MemoryStorage, NodeBuilder, PeerMetrics, TcpTransport, Transport, TransportError,
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
        Receiving::at("127.0.0.1:0")
    }

    fn at(address: &str) -> Receiving {
        let id = ServerId(1);
        let transport = TcpTransport::listen(CLUSTER, id, address).unwrap();
        let transport = transport.max_frame_bytes(1000);
        let (sender, arrived) = mpsc::channel();
        let servers = Arc::new([1, 2, 3].map(ServerId).into());
        let inbox = Inbox::new(id, servers, move |from, message, _| {
            sender.send((from, message)).unwrap();
            Ok(())
        });
        // Each line that it logs tells whose it is.
        let span = tracing::info_span!("receiving", at = %transport.address());
        span.in_scope(|| transport.start(inbox)).unwrap();
        Receiving { transport, arrived }
    }

    fn address(&self) -> SocketAddr {
        self.transport.address()
    }

    /// A well-behaved peer, whose message of term 0 has arrived. A busy machine may let its first
    /// attempts fail.
    fn peer(&self, id: u64) -> Peer {
        let transport = TcpTransport::listen(CLUSTER, ServerId(id), "127.0.0.1:0").unwrap();
        let transport = transport.peer(ServerId(1), self.address());
        let servers = Arc::new([1, 2, 3].map(ServerId).into());
        transport.start(Inbox::new(ServerId(id), servers, |_, _, _| Ok(()))).unwrap();
        let link = transport.link(ServerId(1));
        let mut peer = Peer { link, transport };
        wait_until("it connects", || peer.send(0) > 0);
        self.expect(id, 0);
        peer
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
    let lines = || log.warnings(&format!("receiving{{at={}}}", receiving.address()));
    for ((complaint, bytes), number) in cases.into_iter().zip(1..) {
        let mut stream = attack(receiving.address(), &bytes);
        assert!(closes(&mut stream), "case {number} stays open: {complaint}");
        wait_until(complaint, || lines().len() >= number);
        assert!(peer.send(number as Term) > 0);
        receiving.expect(2, number as Term);
        let lines = lines();
        assert_eq!(lines.len(), number, "{lines:?}");
        assert!(lines[number - 1].contains(complaint), "{complaint:?} is not in {lines:?}");
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

/// Versions 2 and 3, as a node of today speaks them.
const BOTH: (u8, u8) = (2, 3);

#[test]
fn garbage_closes_its_connection_with_one_line_and_harms_nothing_else() {
    let valid = whole(3, &reply(7));
    let in_anothers_name = whole(3, &in_anothers_name());
    let mut wrong_checksum = valid.clone();
    wrong_checksum[6] ^= 1;
    let begin = |bytes: &[u8]| [&b"veraft"[..], bytes].concat();
    let from = |cluster, from, to| hello(BOTH, cluster, from, to, 7);
    let after_hello = |bytes: &[u8]| [&from(CLUSTER, 3, 1), &accepted(), bytes].concat();
    let after_welcome = |bytes: &[u8]| [&from(CLUSTER, 3, 1), bytes].concat();
    suffer(vec![
        ("does not speak veraft's protocol", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("does not speak veraft's protocol", noise()),
        ("\"another\"", from("another", 3, 1)),
        ("looks for S2", from(CLUSTER, 3, 2)),
        ("S9 is not a peer", from(CLUSTER, 9, 1)),
        ("S1 is not a peer", from(CLUSTER, 1, 1)),
        ("no message", begin(&frame(2, b"\xff\xff\xff"))),
        ("no message", after_welcome(&frame(2, b"\x07"))),
        ("S3 refuses this node: it stinks", after_welcome(&frame(2, b"\x01\x09it stinks"))),
    ]);
    suffer(vec![
        ("protocol version", after_hello(&noise())),
        ("4294967295 bytes, where 1001", after_hello(&[3, 255, 255, 255, 255, 0, 0, 0, 0])),
        ("1002 bytes, where 1001", after_hello(&frame(3, &[0; 1002]))),
        ("1200 bytes, where 1000", after_hello(&frame(3, &[1; 601]).repeat(2))),
        ("checksum", after_hello(&wrong_checksum)),
        ("kind 3", after_hello(&frame(3, b"\x03piece"))),
        ("no message", after_hello(&frame(3, b""))),
        ("no message", after_hello(&frame(3, b"\x00\x63nonsense"))),
        ("no message", after_hello(&frame(3, &[&valid[9..], b"more"].concat()))),
        ("S3 sent a request in the name of S2", after_hello(&in_anothers_name)),
    ]);
}

#[test]
fn another_version_closes_its_connection_with_one_line_that_names_both() {
    let begin = |bytes: &[u8]| [&b"veraft"[..], bytes].concat();
    let of = |versions| hello(versions, CLUSTER, 3, 1, 7);
    suffer(vec![
        ("protocol version 1, this node versions 2 and 3", begin(&frame(1, b"hi"))),
        ("protocol version 4, this node versions 2 and 3", begin(&frame(4, b"hi"))),
        ("versions 4 to 5, this node versions 2 and 3", of((4, 5))),
        ("versions 0 to 1, this node versions 2 and 3", of((0, 1))),
    ]);
    suffer(vec![
        ("version 3 on a connection of version 2", begin(&frame(3, b"hi"))),
        (
            "version 2 on a connection of version 3",
            [of(BOTH), accepted(), frame(2, b"\x00mixed")].concat(),
        ),
    ]);
}

#[test]
fn garbage_among_parcels_closes_their_connection_with_one_line_and_harms_nothing_else() {
    let from = |versions, from| hello_for(b"parcel", versions, CLUSTER, from, 1, 7);
    let after_hello = |bytes: &[u8]| [&from(BOTH, 3), &accepted(), bytes].concat();
    let mut wrong_checksum = frame(3, b"some bytes");
    wrong_checksum[6] ^= 1;
    suffer(vec![
        ("versions 2 to 2, this node versions 2 and 3", from((2, 2), 3)),
        ("S9 is not a peer", from(BOTH, 9)),
        ("protocol version", after_hello(&noise())),
        ("version 2 on a connection of version 3", after_hello(&frame(2, b"some bytes"))),
        ("66561 bytes, where 66560", after_hello(&frame(3, &[0; 65 * 1024 + 1]))),
        ("checksum", after_hello(&wrong_checksum)),
    ]);
}

#[test]
fn strangers_that_say_nothing_keep_no_peer_out() {
    let receiving = Receiving::start();
    let _silent: Vec<TcpStream> = (0..300).map(|_| attack(receiving.address(), b"")).collect();
    let mut peer = receiving.peer(2);
    assert!(peer.send(1) > 0);
    receiving.expect(2, 1);
}

#[test]
fn a_peer_reconnects_after_its_connection_broke() {
    let address = address_to_keep();
    let receiving = Receiving::at(&address);
    let mut peer = receiving.peer(2);
    assert!(peer.send(1) > 0);
    receiving.expect(2, 1);
    drop(receiving);
    wait_until("it notices", || peer.send(2) == 0);

    let receiving = Receiving::at(&address);
    wait_until("it is back", || peer.send(3) > 0);
    receiving.expect(2, 3);
}

#[test]
fn a_new_connection_of_a_peer_replaces_its_old_one() {
    let receiving = Receiving::start();
    let mut old = attack(receiving.address(), &hello(BOTH, CLUSTER, 2, 1, 7));
    read_frame(&mut old).unwrap();
    old.write_all(&accepted()).unwrap();
    // It has been told that it is welcome, and is the peer's connection a moment later.
    let counters = receiving.transport.counters();
    wait_until("it is taken", || counters.snapshot().accepted == 1);
    let mut peer = receiving.peer(2);
    assert!(peer.send(5) > 0);
    receiving.expect(2, 5);
    assert!(closes(&mut old));
}

#[test]
fn whoever_joins_a_closed_transport_waits_for_what_it_reads() {
    let transport = TcpTransport::listen(CLUSTER, ServerId(1), "127.0.0.1:0").unwrap();
    let (arrives, arrived) = mpsc::channel();
    let (go, let_go) = mpsc::channel();
    let (let_go, over) = (Mutex::new(let_go), Arc::new(AtomicBool::new(false)));
    let is_over = over.clone();
    let deliver = move |_, _, _| {
        arrives.send(()).unwrap();
        let_go.lock().unwrap().recv().unwrap();
        // So long that whoever does not wait is seen not to.
        thread::sleep(Duration::from_millis(100));
        is_over.store(true, Ordering::SeqCst);
        Ok(())
    };
    let servers = Arc::new([1, 2].map(ServerId).into());
    transport.start(Inbox::new(ServerId(1), servers, deliver)).unwrap();
    let hello = [hello(BOTH, CLUSTER, 2, 1, 7), accepted(), whole(3, &reply(1))];
    let _peer = attack(transport.address(), &hello.concat());
    arrived.recv().unwrap();
    transport.close();
    go.send(()).unwrap();
    transport.join();
    assert!(over.load(Ordering::SeqCst));
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
    // Whoever led meanwhile: both others have got it all.
    let all = 2 * 20 * payload.len() as u64;
    wait_until("bytes are counted", || {
        let metrics = nodes.iter().map(|node| node.metrics().unwrap());
        let peers: Vec<PeerMetrics> = metrics.flat_map(|one| one.peers.into_values()).collect();
        let sum = |of: fn(&PeerMetrics) -> u64| peers.iter().map(of).sum::<u64>();
        sum(|peer| peer.bytes_sent) >= all && sum(|peer| peer.bytes_received) >= all
    });
}
