//! The TCP transport reaches a peer that returns before that loses its patience.

#![cfg(feature = "tcp")]

mod common;
#[path = "common/guest.rs"]
mod guest;
#[path = "common/ports.rs"]
mod ports;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Journal, JournalNode, LONG, wait_until};
use guest::{Event, Guest};
use ports::address_to_keep;
use veraft::figure2::{Message, RequestVoteReply, ServerId, Term};
use veraft::runtime::{Link, MemoryDisk, NodeBuilder, TcpTransport, Timing, Transport};

const CLUSTER: &str = "test cluster";

fn reply(term: Term) -> Message {
    Message::RequestVoteReply(RequestVoteReply { term, vote_granted: true })
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

/// How late a thread may wake on a machine on which a follower that can be reached is: there are
/// ten hand-overs between threads from a connection to the first heartbeat on it.
const MOST_LATE: Duration = Duration::from_millis(15);

/// How late a thread of this process wakes that sleeps again and again.
struct Lateness {
    over: Arc<AtomicBool>,
    measures: thread::JoinHandle<Duration>,
}

impl Lateness {
    fn measured() -> Lateness {
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        let measures = thread::spawn(move || {
            let (nap, mut most) = (Duration::from_millis(5), Duration::ZERO);
            while !until.load(Ordering::SeqCst) {
                let began = Instant::now();
                thread::sleep(nap);
                most = most.max(began.elapsed() - nap);
            }
            most
        });
        Lateness { over, measures }
    }

    fn most(self) -> Duration {
        self.over.store(true, Ordering::SeqCst);
        self.measures.join().unwrap()
    }
}

/// A link that has tried in vain for so long that its next attempt is far, tries at once when the
/// peer connects.
#[test]
fn a_peer_that_dials_in_is_reached_at_once() {
    let guests = [1, 2].map(|id| Guest::new(id, "hello").with_patience(LONG));
    let listen = |id, at: &str| TcpTransport::listen(CLUSTER, ServerId(id), at).unwrap();
    let address = address_to_keep();
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
        patient.2.load(Ordering::SeqCst) >= 20
    });
    let [often, seldom] = [&impatient, &patient].map(|(_, _, count)| count.load(Ordering::SeqCst));
    assert!(often > 2 * seldom, "{often} attempts, and {seldom}");
    for (transport, _, _) in [impatient, patient] {
        transport.close();
        transport.join();
    }
}

#[test]
fn a_follower_that_returns_leaves_the_leader_in_peace() {
    let addresses: Vec<SocketAddr> = (0..3).map(|_| address_to_keep().parse().unwrap()).collect();
    let ids = [1, 2, 3].map(ServerId);
    let disks = ids.map(|_| MemoryDisk::new());
    let mut nodes: Vec<JournalNode> =
        ids.iter().zip(&disks).map(|(&id, disk)| node_at(id, &addresses, disk)).collect();
    let reign = |nodes: &[JournalNode]| {
        let status = nodes.iter().map(|node| node.status().unwrap());
        status.map(|status| (status.term, status.leader)).collect::<Vec<_>>()
    };
    let mut judged = 0;
    for round in 0..6 {
        common::commit(|| nodes.iter(), "something");
        wait_until("all follow", || {
            let leader = common::leader(|| nodes.iter());
            reign(&nodes).iter().all(|&(_, known)| known == Some(leader))
        });
        let before = reign(&nodes);
        let follower = ids.iter().position(|&id| before[0].1 != Some(id)).unwrap();
        let lateness = Lateness::measured();
        nodes.remove(follower).shutdown();
        thread::sleep(Duration::from_millis(2500));
        let returned = node_at(ids[follower], &addresses, &disks[follower]);
        nodes.insert(follower, returned);
        thread::sleep(*impatient().election().end() * 2);
        // On a machine that lets threads wait, an election is none of the transport's doing.
        if lateness.most() <= MOST_LATE {
            assert_eq!(reign(&nodes), before, "in round {round}");
            judged += 1;
        }
        if judged == 3 {
            return;
        }
    }
    println!("the machine is too busy: {judged} of 3 rounds were judged");
}
