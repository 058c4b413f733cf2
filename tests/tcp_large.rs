//! Large messages: they hold up nothing that is urgent.

#![cfg(feature = "tcp")]

mod common;
#[path = "common/guest.rs"]
mod guest;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::{Journal, JournalNode, LONG, wait_until};
use guest::Guest;
use veraft::figure2::{AppendEntries, Command, Entry, Message, ServerId};
use veraft::runtime::{MemoryStorage, NodeBuilder, ProposeError, TcpTransport, Timing, Transport};

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

/// A heartbeat that comes once the large message is under way arrives before it, over a slow way.
#[test]
fn a_heartbeat_overtakes_a_large_message() {
    let [one, two] = [1, 2].map(|id| Guest::new(id, "hello"));
    let listen = |id| TcpTransport::listen("large", ServerId(id), "127.0.0.1:0").unwrap();
    let receiving = listen(2);
    let way = Way::to(receiving.address());
    let sending = listen(1).peer(ServerId(2), way.address);
    receiving.start(two.inbox()).unwrap();
    sending.start(one.inbox()).unwrap();
    let append = |term, commands: Vec<Command>| {
        Message::AppendEntries(AppendEntries {
            term,
            leader_id: ServerId(1),
            prev_log_index: 0,
            prev_log_term: 0,
            entries: commands.into_iter().map(|command| Entry::command(term, command)).collect(),
            leader_commit: 0,
        })
    };
    let mut link = sending.link(ServerId(2));
    wait_until("it connects", || link.send(vec![append(1, Vec::new())]) > 0);
    way.is_slow.store(true, Ordering::SeqCst);
    let large = append(2, vec![vec![b'x'; 8 * MEGABYTE].into()]);
    let (heartbeat, mut asked) = (append(3, Vec::new()), 0);
    let mut urgent = || {
        asked += 1;
        if asked == 10 { vec![heartbeat.clone()] } else { Vec::new() }
    };
    assert!(link.send_letting_pass(vec![large.clone()], &mut urgent) > 8 * MEGABYTE as u64);
    wait_until("both arrive", || two.delivered().len() == 3);
    let arrived: Vec<Message> = two.delivered().into_iter().map(|(_, message)| message).collect();
    assert_eq!(arrived[1..], [heartbeat, large]);
    for transport in [sending, receiving] {
        transport.close();
        transport.join();
    }
}

/// The slow way takes a large entry several times as long as a follower is patient. If heartbeats
/// waited behind it, somebody would stand for election each time; on a machine that is busy
/// somebody may for other reasons, so one quiet time of several is enough.
#[test]
fn heartbeats_pass_a_large_entry_on_a_slow_way() {
    assert!((0..5).any(|_| nobody_stands_while_a_large_entry_travels()));
}

fn nobody_stands_while_a_large_entry_travels() -> bool {
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
    let first = common::commit(|| nodes.iter(), "first");
    let leader = common::leader(|| nodes.iter());
    let (at, _) = SERVERS.iter().enumerate().find(|(_, id)| **id != leader).unwrap();
    let slow = &nodes[at];
    wait_until("it follows", || slow.status().unwrap().commit_index >= first);
    let elections =
        || nodes.iter().map(|node| node.metrics().unwrap().elections_started).sum::<u64>();
    let before = elections();
    let way = ways.iter().find(|(from, to, _)| (*from, *to) == (leader, slow.id())).unwrap();
    way.2.is_slow.store(true, Ordering::SeqCst);

    let leads = nodes.iter().find(|node| node.id() == leader).unwrap();
    match leads.propose(vec![b'x'; 8 * MEGABYTE]).wait_timeout(LONG) {
        Ok(applied) => wait_until("the entry arrives", || {
            slow.status().unwrap().last_log_index >= applied.index || elections() > before
        }),
        Err(ProposeError::NotLeader { .. } | ProposeError::Superseded { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    elections() == before
}
