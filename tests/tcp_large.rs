//! Large messages: they hold up nothing that is urgent.

#![cfg(feature = "tcp")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::{Journal, JournalNode, LONG, wait_until};
use veraft::figure2::ServerId;
use veraft::runtime::{MemoryStorage, NodeBuilder, TcpTransport, Timing};

const SERVERS: [ServerId; 3] = [ServerId(1), ServerId(2), ServerId(3)];
const MEGABYTE: usize = 1024 * 1024;

/// A way to a listener that can be made slow.
#[derive(Clone)]
struct Way {
    address: SocketAddr,
    is_slow: Arc<AtomicBool>,
}

impl Way {
    fn to(target: SocketAddr) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let way = Way { address: listener.local_addr().unwrap(), is_slow: Arc::default() };
        let is_slow = way.is_slow.clone();
        thread::spawn(move || {
            for from in listener.incoming().flatten() {
                let Ok(to) = TcpStream::connect(target) else { continue };
                let (mut back, mut home) = (to.try_clone().unwrap(), from.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut back, &mut home));
                let is_slow = is_slow.clone();
                thread::spawn(move || carry(from, to, &is_slow));
            }
        });
        way
    }
}

/// Carries bytes, 2 MB in a second while the way is slow.
fn carry(mut from: TcpStream, mut to: TcpStream, is_slow: &AtomicBool) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if is_slow.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(8));
        }
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

/// The slow way takes a large entry several times as long as a follower is patient; the entry
/// arrives, and nobody stands for election.
#[test]
fn heartbeats_pass_a_large_entry_on_a_slow_way() {
    let listen = |id| TcpTransport::listen("large", id, "127.0.0.1:0").unwrap();
    let transports = SERVERS.map(listen);
    let addresses = transports.each_ref().map(TcpTransport::address);
    let [shortest, longest, heartbeat] = [900, 1100, 150].map(Duration::from_millis);
    let timing = Timing::new(shortest..=longest, heartbeat).unwrap();
    let mut ways: Vec<(ServerId, ServerId, Way)> = Vec::new();
    let mut nodes: Vec<JournalNode> = Vec::new();
    for (id, mut transport) in SERVERS.into_iter().zip(transports) {
        for (peer, address) in SERVERS.into_iter().zip(addresses).filter(|(peer, _)| *peer != id) {
            let way = Way::to(address);
            transport = transport.peer(peer, way.address);
            ways.push((id, peer, way));
        }
        let builder = NodeBuilder::new(id, SERVERS).timing(timing.clone()).seed(id.0);
        let builder = builder.max_command_bytes(8 * MEGABYTE);
        nodes.push(builder.start(MemoryStorage::new(), transport, Journal::default()).unwrap());
    }
    common::commit(|| nodes.iter(), "first");
    let leader = common::leader(|| nodes.iter());
    let (at, _) = SERVERS.iter().enumerate().find(|(_, id)| **id != leader).unwrap();
    let slow = &nodes[at];
    wait_until("it follows", || slow.status().unwrap().commit_index == 1);
    let elections =
        || nodes.iter().map(|node| node.metrics().unwrap().elections_started).sum::<u64>();
    let before = elections();
    let way = ways.iter().find(|(from, to, _)| (*from, *to) == (leader, slow.id())).unwrap();
    way.2.is_slow.store(true, Ordering::SeqCst);

    let leads = nodes.iter().find(|node| node.id() == leader).unwrap();
    leads.propose(vec![b'x'; 8 * MEGABYTE]).wait_timeout(LONG).unwrap();
    wait_until("the entry arrives", || slow.status().unwrap().last_log_index == 2);
    assert_eq!(elections(), before, "somebody stood for election");
}
