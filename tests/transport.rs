//! What every transport promises to the nodes at its ends: they meet before a message passes, who
//! is refused hears why, and nothing passes meanwhile. Parcels travel beside the messages.

#![cfg(feature = "tcp")]

#[cfg(feature = "tls")]
#[path = "common/authority.rs"]
mod authority;
mod common;
#[path = "common/guest.rs"]
mod guest;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use common::wait_until;
use guest::{Event, GARBAGE, Guest};
use veraft::figure2::{
    AppendEntries, Command, Entry, MAX_ENTRIES, Message, RequestVote, RequestVoteReply, ServerId,
    Term,
};
use veraft::runtime::{
    Link, MAX_PARCEL, MemoryNetwork, ParcelLink, TcpTransport, Transport, Undelivered,
};

/// A kind of network, with places for a few servers.
trait Network {
    /// A new transport for server `id`, of which there is none at present.
    fn transport(&mut self, id: u64) -> Box<dyn Transport>;
}

impl Network for MemoryNetwork {
    fn transport(&mut self, id: u64) -> Box<dyn Transport> {
        Box::new(MemoryNetwork::transport(self, ServerId(id)))
    }
}

type Protect = Box<dyn FnMut(u64, TcpTransport) -> TcpTransport>;

/// TCP on this machine.
struct Tcp {
    addresses: BTreeMap<u64, SocketAddr>,
    protect: Protect,
}

impl Tcp {
    fn new(protect: impl FnMut(u64, TcpTransport) -> TcpTransport + 'static) -> Tcp {
        let listen = |id| TcpTransport::listen("conformance", ServerId(id), "127.0.0.1:0").unwrap();
        // All at once, so that each gets a port of its own.
        let listening: Vec<(u64, TcpTransport)> = (1..=3).map(|id| (id, listen(id))).collect();
        let addresses = listening.iter().map(|(id, transport)| (*id, transport.address()));
        Tcp { addresses: addresses.collect(), protect: Box::new(protect) }
    }
}

impl Network for Tcp {
    fn transport(&mut self, id: u64) -> Box<dyn Transport> {
        let address = self.addresses[&id].to_string();
        let listen = TcpTransport::listen("conformance", ServerId(id), &address).unwrap();
        let peers = self.addresses.iter().filter(|(peer, _)| **peer != id);
        let transport =
            peers.fold(listen, |transport, (&peer, to)| transport.peer(ServerId(peer), to));
        Box::new((self.protect)(id, transport))
    }
}

/// A node that takes down what happens, its transport, and its link to one peer.
struct Side {
    guest: Guest,
    transport: Box<dyn Transport>,
    link: Box<dyn Link>,
    parcels: Box<dyn ParcelLink>,
}

impl Side {
    fn start(network: &mut dyn Network, guest: Guest, id: u64, peer: u64) -> Side {
        let transport = network.transport(id);
        transport.start(guest.inbox()).unwrap();
        let link = transport.link(ServerId(peer));
        let parcels = transport.parcels(ServerId(peer)).unwrap();
        Side { guest, transport, link, parcels }
    }

    fn send(&mut self, term: Term) {
        self.link.send(vec![reply(term)]);
    }

    /// Sends until a message of this term, or a later one, has arrived at `other`.
    fn send_until_it_arrives(&mut self, other: &Side, term: Term) {
        let arrived = |other: &Side| other.guest.delivered().iter().any(|(_, m)| m.term() == term);
        wait_until("a message arrives", || {
            self.send(term);
            arrived(other)
        });
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        self.transport.close();
        self.transport.join();
    }
}

fn reply(term: Term) -> Message {
    Message::RequestVoteReply(RequestVoteReply { term, vote_granted: true })
}

fn one_and_two(network: &mut dyn Network, guests: [&Guest; 2]) -> [Side; 2] {
    let one = Side::start(network, guests[0].clone(), 1, 2);
    let two = Side::start(network, guests[1].clone(), 2, 1);
    [one, two]
}

fn met(peer: u64, hello: &str) -> Event {
    Event::Met(ServerId(peer), Some(hello.into()))
}

/// Both nodes hear each other's hello before either hears anything else.
fn nodes_meet_before_a_message_passes(network: &mut dyn Network) {
    let guests = [Guest::new(1, "I am one"), Guest::new(2, "I am two")];
    let [mut one, mut two] = one_and_two(network, [&guests[0], &guests[1]]);
    one.send_until_it_arrives(&two, 1);
    two.send_until_it_arrives(&one, 2);
    assert_eq!(guests[0].events()[0], met(2, "I am two"));
    assert_eq!(guests[1].events()[0], met(1, "I am one"));
    let spoke = |event: &Event| matches!(event, Event::RefusedBy(..));
    assert!(!guests.iter().any(|guest| guest.events().iter().any(spoke)));
}

/// Messages of either, which must all be lost, until `told` has happened at both.
fn nothing_passes(sides: &mut [Side; 2], told: [&[Event]; 2]) {
    let all_told = |sides: &[Side; 2]| {
        let heard = sides.iter().zip(told).map(|(side, told)| (&side.guest, told));
        heard.into_iter().all(|(guest, told)| told.iter().all(|event| guest.happened(event)))
    };
    let mut term = 0;
    wait_until("both are told", || {
        term += 1;
        sides.iter_mut().for_each(|side| side.send(term));
        all_told(sides)
    });
    assert!(sides.iter().all(|side| side.guest.delivered().is_empty()), "something passed");
}

/// Whoever refuses, nothing passes in either direction, and both know why.
fn who_is_refused_hears_why(network: &mut dyn Network) {
    for refuses in [1, 2] {
        let guests = [Guest::new(1, "I am one"), Guest::new(2, "I am two")];
        let refused = 3 - refuses;
        guests[refuses as usize - 1].refuse(refused, "you are a clone");
        let mut sides = one_and_two(network, [&guests[0], &guests[1]]);
        let hello = [met(2, "I am two"), met(1, "I am one")];
        let told = Event::RefusedBy(ServerId(refuses), "you are a clone".into());
        let mut expected = [vec![hello[0].clone()], vec![hello[1].clone()]];
        expected[refused as usize - 1].push(told);
        nothing_passes(&mut sides, [&expected[0], &expected[1]]);

        guests[refuses as usize - 1].accept(refused);
        let [one, two] = &mut sides;
        one.send_until_it_arrives(two, 1001);
        two.send_until_it_arrives(one, 1002);
    }
}

/// Both refuse, and both hear both reasons.
fn both_may_refuse(network: &mut dyn Network) {
    let guests = [Guest::new(1, "I am one"), Guest::new(2, "I am two")];
    guests[0].refuse(2, "too old");
    guests[1].refuse(1, "too new");
    let mut sides = one_and_two(network, [&guests[0], &guests[1]]);
    let told = [
        [met(2, "I am two"), Event::RefusedBy(ServerId(2), "too new".into())],
        [met(1, "I am one"), Event::RefusedBy(ServerId(1), "too old".into())],
    ];
    nothing_passes(&mut sides, [&told[0], &told[1]]);
}

/// A node in a new life introduces itself anew, and is heard by a link of before.
fn a_new_life_is_met_anew(network: &mut dyn Network) {
    let guests = [Guest::new(1, "I am one"), Guest::new(2, "I am two")];
    let [mut one, mut two] = one_and_two(network, [&guests[0], &guests[1]]);
    one.send_until_it_arrives(&two, 1);
    two.send_until_it_arrives(&one, 2);
    drop(two);
    let reborn = Guest::new(2, "I am two again");
    let mut two = Side::start(network, reborn.clone(), 2, 1);
    one.send_until_it_arrives(&two, 3);
    two.send_until_it_arrives(&one, 4);
    assert_eq!(reborn.events()[0], met(1, "I am one"));
    let events = guests[0].events();
    let anew = events.iter().position(|event| *event == met(2, "I am two again")).unwrap();
    let fourth = Event::Delivered(ServerId(2), reply(4));
    assert!(anew < events.iter().position(|event| *event == fourth).unwrap());
}

/// Who takes part must be known; who speaks for another is not heard.
fn nobody_speaks_for_another(network: &mut dyn Network) {
    let guests = [Guest::new(1, "I am one"), Guest::new(2, "I am two")];
    let [mut one, two] = one_and_two(network, [&guests[0], &guests[1]]);
    one.send_until_it_arrives(&two, 1);
    let for_three =
        RequestVote { term: 2, candidate_id: ServerId(3), last_log_index: 0, last_log_term: 0 };
    one.link.send(vec![Message::RequestVote(for_three.clone())]);
    one.send_until_it_arrives(&two, 3);
    assert!(two.guest.delivered().iter().all(|(_, message)| message.term() != 2));
}

/// The largest message that the transport promises to carry arrives, and an urgent one with it.
fn what_fits_arrives(network: &mut dyn Network) {
    let guests = [Guest::new(1, "I am one"), Guest::new(2, "I am two")];
    let [mut one, two] = one_and_two(network, [&guests[0], &guests[1]]);
    one.send_until_it_arrives(&two, 1);
    let most = one.transport.max_message_bytes().unwrap_or(20_000_000);
    let entry = |bytes| Entry::command(2, Command::from(vec![b'x'; bytes]));
    let append = |term, entries: Vec<Entry>| {
        Message::AppendEntries(AppendEntries {
            term,
            leader_id: ServerId(1),
            prev_log_index: 0,
            prev_log_term: 0,
            entries: entries.into_iter().collect(),
            leader_commit: 0,
        })
    };
    let many = (0..MAX_ENTRIES).map(|at| if at == 7 { entry(most) } else { entry(0) });
    let messages = [append(2, vec![entry(most)]), append(3, many.collect())];
    for message in messages {
        let mut urgent = vec![reply(4)];
        one.link.send_letting_pass(vec![message.clone()], &mut || std::mem::take(&mut urgent));
        wait_until("the message is there", || {
            two.guest.delivered().contains(&(ServerId(1), message.clone()))
        });
    }
}

/// A parcel of `length` bytes, which no other number has.
fn parcel(number: u32, length: usize) -> Vec<u8> {
    let byte = |at: u32| (number.wrapping_mul(31).wrapping_add(at)).wrapping_mul(2_654_435_761);
    let rest = (4..length as u32).map(|at| (byte(at) >> 24) as u8);
    number.to_le_bytes().into_iter().chain(rest).collect()
}

/// Two nodes that have met, and send each other parcels.
fn with_parcels(network: &mut dyn Network) -> [Side; 2] {
    let guests = [Guest::new(1, "I am one"), Guest::new(2, "I am two")];
    let [mut one, mut two] = one_and_two(network, [&guests[0], &guests[1]]);
    one.send_until_it_arrives(&two, 1);
    two.send_until_it_arrives(&one, 2);
    let meet = |from: &mut Side, to: &Side| {
        wait_until("a first parcel arrives", || {
            let _ = from.parcels.send(b"first");
            !to.guest.parcels().is_empty()
        });
    };
    meet(&mut one, &two);
    meet(&mut two, &one);
    [one, two]
}

/// The parcels that have arrived of a peer, but for those with which they met.
fn arrived(side: &Side, from: u64) -> Vec<Vec<u8>> {
    let parcels = side.guest.parcels().into_iter().map(|(sender, parcel)| {
        assert_eq!(sender, ServerId(from));
        parcel
    });
    parcels.filter(|parcel| parcel != b"first").collect()
}

/// Parcels of every length arrive as they were sent, in order, in both directions at once; one
/// that is too long does not leave.
fn parcels_arrive_as_they_were_sent(network: &mut dyn Network) {
    let mut sides = with_parcels(network);
    let lengths = [4, 5, 1000, MAX_PARCEL - 1, MAX_PARCEL];
    let sent: Vec<Vec<u8>> = (0..100).map(|n| parcel(n, lengths[n as usize % 5])).collect();
    std::thread::scope(|scope| {
        for side in &mut sides {
            let sent = &sent;
            scope.spawn(move || {
                for one in sent {
                    side.parcels.send(one).unwrap();
                }
            });
        }
    });
    for (side, from) in sides.iter().zip([2, 1]) {
        wait_until("all parcels arrive", || arrived(side, from).len() >= sent.len());
        assert!(arrived(side, from) == sent, "altered, or out of order");
    }
    let refused = sides[0].parcels.send(&parcel(0, MAX_PARCEL + 1));
    assert_eq!(refused, Err(Undelivered::TooLong(MAX_PARCEL + 1)));
    sides[0].parcels.send(b"last").unwrap();
    wait_until("the next arrives", || arrived(&sides[1], 1).last().is_some_and(|p| p == b"last"));
}

/// Lets a node take parcels again, also when the test fails: nobody waits for ever.
struct GoesOn<'a>(&'a Guest, &'a AtomicBool);

impl Drop for GoesOn<'_> {
    fn drop(&mut self) {
        self.1.store(true, Ordering::SeqCst);
        self.0.hold_parcels(false);
    }
}

/// A receiver that takes no parcels holds up whoever sends them, and no message.
fn messages_go_on_while_parcels_are_stuck(network: &mut dyn Network) {
    let [mut one, mut two] = with_parcels(network);
    two.guest.hold_parcels(true);
    let (sent, goes_on) = (AtomicU32::new(0), AtomicBool::new(false));
    let count = || sent.load(Ordering::SeqCst);
    let over = || goes_on.load(Ordering::SeqCst);
    let receiver = two.guest.clone();
    let most = 2_000;
    std::thread::scope(|scope| {
        let Side { parcels, link, guest, .. } = &mut one;
        scope.spawn(|| {
            // More than any system keeps for a reader that reads nothing.
            for number in 0..most {
                if parcels.send(&parcel(number, MAX_PARCEL)).is_err() || over() {
                    break;
                }
                sent.fetch_add(1, Ordering::SeqCst);
            }
        });
        let _goes_on = GoesOn(&receiver, &goes_on);
        // It is stuck once nothing more left for a while, in which messages pass both ways.
        let (mut term, mut before) = (10, u32::MAX);
        while count() != before {
            before = count();
            for _ in 0..20 {
                term += 1;
                link.send(vec![reply(term)]);
                two.send(term);
                wait_until("a message passes", || {
                    let there = |guest: &Guest| {
                        guest.delivered().iter().any(|(_, message)| message.term() == term)
                    };
                    there(&two.guest) && there(guest)
                });
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
        assert!(count() < most, "nothing holds the sender up");
    });
    let parcels = arrived(&two, 1);
    assert!(parcels.iter().zip(0..).all(|(arrived, n)| *arrived == parcel(n, MAX_PARCEL)));
}

/// Who closes a transport ends whoever waits to send a parcel, and nothing arrives afterwards.
fn closing_ends_what_is_stuck(network: &mut dyn Network) {
    for closes in [0, 1] {
        let [mut one, two] = with_parcels(network);
        two.guest.hold_parcels(true);
        let fails = AtomicBool::new(false);
        let over = || fails.load(Ordering::SeqCst);
        std::thread::scope(|scope| {
            let Side { parcels, transport, .. } = &mut one;
            let sending =
                scope.spawn(|| while !over() && parcels.send(&parcel(1, MAX_PARCEL)).is_ok() {});
            let _goes_on = GoesOn(&two.guest, &fails);
            std::thread::sleep(std::time::Duration::from_millis(100));
            assert!(!sending.is_finished(), "nothing holds the sender up");
            if closes == 0 {
                transport.close()
            } else {
                two.transport.close()
            }
            if closes == 1 {
                two.guest.hold_parcels(false);
            }
            wait_until("the sender gives up", || sending.is_finished());
        });
        two.guest.hold_parcels(false);
        two.transport.close();
        two.transport.join();
        let after = two.guest.parcels().len();
        assert!(one.parcels.send(b"late").is_err() || closes == 1);
        assert_eq!(two.guest.parcels().len(), after);
    }
}

/// Who is refused gets no parcel through either; a parcel that no correct peer sends ends the
/// connection, and the next one finds another.
fn parcels_pass_between_nodes_that_accept_each_other(network: &mut dyn Network) {
    let [mut one, two] = with_parcels(network);
    one.parcels.send(GARBAGE).unwrap();
    wait_until("they connect again", || {
        let _ = one.parcels.send(b"again");
        arrived(&two, 1).iter().any(|parcel| parcel == b"again")
    });
    assert!(!arrived(&two, 1).iter().any(|parcel| parcel == GARBAGE));
    drop((one, two));

    let guests = [Guest::new(1, "I am one"), Guest::new(2, "I am two")];
    guests[1].refuse(1, "you are a clone");
    let mut sides = one_and_two(network, [&guests[0], &guests[1]]);
    for _ in 0..50 {
        let _ = sides[0].parcels.send(b"a part");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let told = Event::RefusedBy(ServerId(2), "you are a clone".into());
    wait_until("it is told", || {
        sides[0].send(1);
        let _ = sides[0].parcels.send(b"a part");
        guests[0].happened(&told)
    });
    assert!(sides[1].guest.parcels().is_empty());
}

fn conforms(mut network: impl Network) {
    nodes_meet_before_a_message_passes(&mut network);
    who_is_refused_hears_why(&mut network);
    both_may_refuse(&mut network);
    a_new_life_is_met_anew(&mut network);
    nobody_speaks_for_another(&mut network);
    what_fits_arrives(&mut network);
    parcels_arrive_as_they_were_sent(&mut network);
    messages_go_on_while_parcels_are_stuck(&mut network);
    closing_ends_what_is_stuck(&mut network);
    parcels_pass_between_nodes_that_accept_each_other(&mut network);
}

#[test]
fn the_memory_network_conforms() {
    conforms(MemoryNetwork::new(1));
}

#[test]
fn a_memory_network_with_delays_conforms() {
    let network = MemoryNetwork::new(1);
    let ms = std::time::Duration::from_millis;
    network
        .set_conditions(veraft::runtime::Conditions { delay: ms(0)..=ms(5), ..Default::default() });
    conforms(network);
}

#[test]
fn tcp_conforms() {
    conforms(Tcp::new(|_, transport| transport));
}

#[cfg(feature = "tls")]
#[test]
fn tls_conforms() {
    let authority = authority::Authority::new();
    conforms(Tcp::new(move |id, transport| {
        let named = (1..=3).fold(transport, |transport, id| {
            transport.peer_name(ServerId(id), authority::name(id))
        });
        named.tls(authority.tls(id, &authority))
    }));
}
