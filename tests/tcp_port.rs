//! The port where peers connect: what strangers and impostors can do there is bounded.

#![cfg(feature = "tcp")]

#[cfg(feature = "tls")]
#[path = "common/authority.rs"]
mod authority;
mod common;
#[path = "common/guest.rs"]
mod guest;
#[path = "common/log.rs"]
mod log;
#[path = "common/raw.rs"]
mod raw;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use common::{Journal, LONG, wait_until};
use guest::{Event, Guest};
use log::log;
use raw::{accepted, attack, closes, hello, read_frame, whole};
use veraft::figure2::{Message, RequestVoteReply, ServerId, Term};
use veraft::runtime::{MemoryStorage, NodeBuilder, TcpCounters, TcpTransport, Transport};

const CLUSTER: &str = "port";

/// Versions 2 and 3, as a node of today speaks them.
const BOTH: (u8, u8) = (2, 3);

fn reply(term: Term) -> Message {
    Message::RequestVoteReply(RequestVoteReply { term, vote_granted: false })
}

/// Server 1.
struct Port {
    guest: Guest,
    transport: TcpTransport,
    counters: TcpCounters,
}

impl Port {
    fn open(guest: Guest) -> Port {
        let transport = TcpTransport::listen(CLUSTER, ServerId(1), "127.0.0.1:0").unwrap();
        let counters = transport.counters();
        transport.start(guest.inbox()).unwrap();
        Port { guest, transport, counters }
    }

    fn address(&self) -> SocketAddr {
        self.transport.address()
    }

    /// A connection in the name of a peer, up to where messages may follow.
    fn peer(&self, id: u64) -> TcpStream {
        let mut stream = attack(self.address(), &hello(BOTH, CLUSTER, id, 1, 7));
        let (_, answer) = read_frame(&mut stream).unwrap();
        assert_eq!(answer[0], 0, "refused: {}", String::from_utf8_lossy(&answer));
        stream.write_all(&accepted()).unwrap();
        stream
    }

    fn hears(&self, stream: &mut TcpStream, from: u64, term: Term) {
        stream.write_all(&whole(3, &reply(term))).unwrap();
        self.guest.expect(&Event::Delivered(ServerId(from), reply(term)));
    }

    fn close(&self) {
        self.transport.close();
        self.transport.join();
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.close();
    }
}

/// Says one byte now and then; how many it got rid of before the other end closed.
fn drip(address: SocketAddr, bytes: &[u8]) -> usize {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let is_open = |stream: &mut TcpStream| match stream.read(&mut [0]) {
        Ok(count) => count > 0,
        Err(error) => {
            let kind = error.kind();
            matches!(kind, std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
        }
    };
    let mut said = 0;
    while said < bytes.len() && stream.write_all(&bytes[said..=said]).is_ok() {
        said += 1;
        if !is_open(&mut stream) {
            break;
        }
    }
    said
}

#[test]
fn a_handshake_byte_by_byte_ends_in_the_middle() {
    let port = Port::open(Guest::new(1, "one"));
    let hello = hello(BOTH, &"long name ".repeat(90), 2, 1, 7);
    let said = drip(port.address(), &hello);
    assert!(said < hello.len() / 2, "{said} bytes");
    wait_until("it is counted", || port.counters.snapshot().strangers == 1);
}

/// The first bytes of a TLS handshake, with room for a very long one.
#[cfg(feature = "tls")]
#[test]
fn a_handshake_of_tls_byte_by_byte_ends_in_the_middle() {
    let authority = authority::Authority::new();
    let transport = TcpTransport::listen(CLUSTER, ServerId(1), "127.0.0.1:0").unwrap();
    let transport = transport.tls(authority.tls(1, &authority));
    transport.start(Guest::new(1, "one").inbox()).unwrap();
    // A record of 8 KiB that holds the beginning of a hello of 8 KiB.
    let mut hello = vec![22, 3, 1, 0x20, 0x00, 1, 0x00, 0x1f, 0xfc, 3, 3];
    hello.resize(1000, 0);
    let said = drip(transport.address(), &hello);
    assert!(said < hello.len() / 2, "{said} bytes");
    transport.close();
    transport.join();
}

#[test]
fn a_flood_of_strangers_is_a_few_lines_and_a_count() {
    let log = log();
    let port = Port::open(Guest::new(1, "one"));
    let flood = 500;
    let complaint = "belongs to cluster \"flooded\"";
    for _ in 0..flood {
        assert!(closes(&mut attack(port.address(), &hello(BOTH, "flooded", 2, 1, 7))));
    }
    wait_until("all are counted", || port.counters.snapshot().strangers == flood);
    let spared = port.counters.snapshot().lines_spared;
    port.close();
    let lines = log.warnings(complaint).len() as u64;
    assert!((1..10).contains(&lines), "{lines} lines");
    let sums = log.warnings("another cluster: ");
    let in_sums: u64 = sums
        .iter()
        .map(|line| {
            let (_, number) = line.split_once("another cluster: ").unwrap();
            let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
            number[..end].parse::<u64>().unwrap()
        })
        .sum();
    assert_eq!(lines + in_sums, flood, "{sums:?}");
    assert!(spared >= in_sums);
}

#[test]
fn a_refused_peer_is_one_line_at_either_end_however_often_it_tries() {
    let log = log();
    let why = "its store is a copy";
    let port = Port::open(Guest::new(1, "one"));
    port.guest.refuse(2, why);
    let two = Guest::new(2, "two");
    let transport = TcpTransport::listen(CLUSTER, ServerId(2), "127.0.0.1:0").unwrap();
    let transport = transport.peer(ServerId(1), port.address());
    transport.start(two.inbox()).unwrap();
    let mut link = transport.link(ServerId(1));
    wait_until("it has tried ten times", || {
        link.send(vec![reply(1)]);
        port.counters.snapshot().peers_refused >= 10
    });
    let lines = |what: &str| -> Vec<String> {
        log.warnings(why).into_iter().filter(|line| line.contains(what)).collect()
    };
    assert_eq!(lines("S2 is refused").len(), 1, "{:?}", log.warnings(why));
    assert_eq!(lines("S1 refuses this node").len(), 1, "{:?}", log.warnings(why));
    // Accepted and refused again is news.
    port.guest.accept(2);
    wait_until("it gets through", || link.send(vec![reply(1)]) > 0);
    port.guest.expect(&Event::Delivered(ServerId(2), reply(1)));
    transport.close();
    transport.join();
}

#[test]
fn an_impostor_does_not_throw_out_a_peer_that_is_heard() {
    let port = Port::open(Guest::new(1, "one").with_patience(LONG));
    let mut peer = port.peer(2);
    port.hears(&mut peer, 2, 1);
    for hello in [(2, 2), BOTH].map(|versions| hello(versions, CLUSTER, 2, 1, 8)) {
        let address = port.address();
        let impostor = thread::spawn(move || closes(&mut attack(address, &hello)));
        let mut term = 1;
        wait_until("the impostor gives up", || {
            term += 1;
            port.hears(&mut peer, 2, term);
            impostor.is_finished()
        });
        assert!(impostor.join().unwrap());
    }
    wait_until("it is counted", || port.counters.snapshot().peers_refused == 2);
    assert_eq!(port.counters.snapshot().accepted, 1);
    let met = |event: &Event| matches!(event, Event::Met(..));
    assert_eq!(port.guest.events().iter().filter(|event| met(event)).count(), 1);
}

#[test]
fn a_peer_whose_connection_broke_gets_in_again_whether_or_not_that_was_seen() {
    // So patient that only the end of the old connection lets the new one in.
    let port = Port::open(Guest::new(1, "one").with_patience(LONG * 2));
    let mut peer = port.peer(2);
    port.hears(&mut peer, 2, 1);
    drop(peer);
    wait_until("it is welcome", || {
        let mut again = attack(port.address(), &hello(BOTH, CLUSTER, 2, 1, 8));
        read_frame(&mut again).unwrap().1[0] == 0
    });

    // The old connection is open, and silent.
    let port = Port::open(Guest::new(1, "one").with_patience(Duration::from_millis(200)));
    let mut silent = port.peer(2);
    port.hears(&mut silent, 2, 1);
    let mut again = port.peer(2);
    port.hears(&mut again, 2, 2);
    assert!(closes(&mut silent));
}

#[test]
fn what_the_port_logs_carries_the_name_of_its_node() {
    let log = log();
    let (id, ids) = (ServerId(77), [77, 78].map(ServerId));
    let transport = TcpTransport::listen(CLUSTER, id, "127.0.0.1:0").unwrap();
    let (address, transport) = (transport.address(), transport.peer(ServerId(78), "127.0.0.1:1"));
    let builder = NodeBuilder::new(id, ids);
    let node = builder.start(MemoryStorage::new(), transport, Journal::default()).unwrap();
    assert!(closes(&mut attack(address, &hello(BOTH, "nameless", 78, 77, 7))));
    wait_until("it is logged", || !log.warnings("nameless").is_empty());
    let lines = log.warnings("nameless");
    assert!(lines[0].contains("node{id=S77}"), "{lines:?}");
    drop(node);
}
