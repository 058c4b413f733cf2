//! Nodes of protocol version 1, played from what they have once said, and of later versions,
//! against a node of today.

#![cfg(feature = "tcp")]

mod common;
#[path = "common/guest.rs"]
mod guest;
#[path = "common/raw.rs"]
mod raw;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use common::wait_until;
use guest::{Event, Guest};
use raw::{accepted, attack, closes, frame, hello_2, read_frame, recorded, whole};
use veraft::figure2::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Entry, Message, RequestVote,
    RequestVoteReply, ServerId,
};
use veraft::runtime::{Link, TcpTransport, Transport};

const CLUSTER: &str = "wire 1";

/// Every kind of message, with the name of its recording.
fn messages() -> Vec<(&'static str, Message)> {
    let entry = |term, bytes: &[u8]| Entry::command(term, bytes);
    let append = |entries: Vec<Entry>| {
        Message::AppendEntries(AppendEntries {
            term: 300,
            leader_id: ServerId(2),
            prev_log_index: 70_000,
            prev_log_term: 299,
            entries: entries.into_iter().collect(),
            leader_commit: 69_000,
        })
    };
    let entries = vec![entry(299, b""), entry(300, b"a command"), entry(300, &[0, 255, 128])];
    let request = RequestVote {
        term: 300,
        candidate_id: ServerId(2),
        last_log_index: 70_000,
        last_log_term: 299,
    };
    let vote =
        |term, vote_granted| Message::RequestVoteReply(RequestVoteReply { term, vote_granted });
    let reply = |outcome| Message::AppendEntriesReply(AppendEntriesReply { term: 301, outcome });
    let conflict = |conflict_term, conflict_index| {
        let prev_log_index = 70_000;
        reply(AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index })
    };
    vec![
        ("message-request-vote", Message::RequestVote(request)),
        ("message-vote-granted", vote(300, true)),
        ("message-vote-denied", vote(301, false)),
        ("message-heartbeat", append(Vec::new())),
        ("message-append-entries", append(entries)),
        ("message-append-success", reply(AppendOutcome::Success { match_index: 70_003 })),
        ("message-append-stale-term", reply(AppendOutcome::StaleTerm)),
        ("message-append-conflict", conflict(Some(7), 1_000)),
        ("message-append-conflict-past-end", conflict(None, 500)),
    ]
}

/// A node of today, with a peer that is played.
struct Today {
    guest: Guest,
    transport: TcpTransport,
}

impl Today {
    fn start(cluster: &str, id: u64, peer: Option<SocketAddr>) -> Today {
        let guest = Guest::new(id, "of today");
        let transport = TcpTransport::listen(cluster, ServerId(id), "127.0.0.1:0").unwrap();
        let transport =
            peer.into_iter().fold(transport, |transport, to| transport.peer(ServerId(3 - id), to));
        transport.start(guest.inbox()).unwrap();
        Today { guest, transport }
    }

    fn link(&self) -> Box<dyn Link> {
        self.transport.link(ServerId(3 - self.guest.inbox().id().0))
    }
}

impl Drop for Today {
    fn drop(&mut self) {
        self.transport.close();
        self.transport.join();
    }
}

#[test]
fn a_dialer_of_version_1_is_understood() {
    let today = Today::start(CLUSTER, 1, None);
    let mut stream = attack(today.transport.address(), &recorded("hello"));
    let welcome = recorded("verdict-welcome");
    let mut answer = vec![0; welcome.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, welcome);
    for (name, _) in messages() {
        stream.write_all(&recorded(name)).unwrap();
    }
    let delivered = |(_, message)| Event::Delivered(ServerId(2), message);
    let mut expected = vec![Event::Met(ServerId(2), None)];
    expected.extend(messages().into_iter().map(delivered));
    wait_until("all is there", || today.guest.events().len() >= expected.len());
    assert_eq!(today.guest.events(), expected);
}

/// What a node of today, server `id` of `cluster`, answers to the recorded hello.
fn verdict(cluster: &str, id: u64, refuses: bool) -> Vec<u8> {
    let today = Today::start(cluster, id, None);
    if refuses {
        today.guest.refuse(2, "who are you?");
    }
    let mut stream = attack(today.transport.address(), &recorded("hello"));
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(today.guest.delivered().is_empty());
    answer
}

#[test]
fn a_dialer_of_version_1_hears_its_own_verdicts() {
    assert_eq!(verdict("another", 1, false), recorded("verdict-other-cluster"));
    assert_eq!(verdict(CLUSTER, 3, false), recorded("verdict-not-me"));
    assert_eq!(verdict(CLUSTER, 1, true), recorded("verdict-unknown-sender"));
}

/// What a listener of version 1 does with one connection: it closes one that does not begin with
/// the recorded hello, and answers the other.
fn version_1_accepts(listener: &TcpListener, verdict: &str) -> Option<TcpStream> {
    let (mut stream, _) = listener.accept().unwrap();
    let expected = recorded("hello");
    let mut first = [0; 7];
    stream.read_exact(&mut first).unwrap();
    if first != expected[..7] {
        return None;
    }
    let mut rest = vec![0; expected.len() - 7];
    stream.read_exact(&mut rest).unwrap();
    assert_eq!(rest, expected[7..]);
    stream.write_all(&recorded(verdict)).unwrap();
    Some(stream)
}

#[test]
fn a_listener_of_version_1_is_spoken_to_in_its_own_words() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let today = Today::start(CLUSTER, 2, Some(listener.local_addr().unwrap()));
    let listening = thread::spawn(move || {
        let first = version_1_accepts(&listener, "verdict-welcome");
        assert!(first.is_none(), "it begins with the newest version");
        let mut stream = version_1_accepts(&listener, "verdict-welcome").unwrap();
        for (name, _) in messages() {
            let mut bytes = recorded(name);
            stream.read_exact(&mut bytes).unwrap();
            assert_eq!(bytes, recorded(name), "{name}");
        }
    });
    let mut link = today.link();
    let sent = link.send(messages().into_iter().map(|(_, message)| message).collect());
    assert!(sent > 0);
    listening.join().unwrap();
    assert_eq!(today.guest.events(), [Event::Met(ServerId(1), None)]);
}

#[test]
fn the_verdict_of_a_listener_of_version_1_reaches_the_node() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let today = Today::start(CLUSTER, 2, Some(listener.local_addr().unwrap()));
    let listening = thread::spawn(move || {
        assert!(version_1_accepts(&listener, "verdict-unknown-sender").is_none());
        drop(version_1_accepts(&listener, "verdict-unknown-sender"));
    });
    assert_eq!(today.link().send(vec![messages().remove(0).1]), 0);
    listening.join().unwrap();
    let why = "S2 is not a peer in this cluster".to_string();
    assert_eq!(today.guest.events(), [Event::RefusedBy(ServerId(1), why)]);
}

#[test]
fn a_node_that_refuses_who_says_nothing_of_itself_sends_nothing_to_version_1() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let today = Today::start(CLUSTER, 2, Some(listener.local_addr().unwrap()));
    today.guest.refuse(1, "say who you are");
    let listening = thread::spawn(move || {
        assert!(version_1_accepts(&listener, "verdict-welcome").is_none());
        let mut stream = version_1_accepts(&listener, "verdict-welcome").unwrap();
        let mut sent = Vec::new();
        let _ = stream.read_to_end(&mut sent);
        sent
    });
    assert_eq!(today.link().send(vec![messages().remove(0).1]), 0);
    assert!(listening.join().unwrap().is_empty());
}

#[test]
fn a_peer_that_is_upgraded_is_spoken_to_in_the_newer_version() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let today = Today::start(CLUSTER, 2, Some(address));
    let listening = thread::spawn(move || {
        assert!(version_1_accepts(&listener, "verdict-welcome").is_none());
        let stream = version_1_accepts(&listener, "verdict-welcome").unwrap();
        (listener, stream)
    });
    let mut link = today.link();
    let message = || vec![messages().remove(1).1];
    assert!(link.send(message()) > 0);
    let (listener, old) = listening.join().unwrap();

    // It connects in version 2, while the connection in version 1 is still open.
    let listening = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut begin = [0; 7];
        stream.read_exact(&mut begin).unwrap();
        begin
    });
    let mut upgraded = attack(today.transport.address(), &hello_2((1, 2), CLUSTER, 1, 2, 99));
    read_frame(&mut upgraded).unwrap();
    upgraded.write_all(&accepted()).unwrap();
    today.guest.expect(&Event::Met(ServerId(1), Some(b"opaque".to_vec())));
    wait_until("it connects anew", || {
        link.send(message());
        listening.is_finished()
    });
    assert_eq!(listening.join().unwrap(), *b"veraft\x02");
    drop(old);
}

#[test]
fn a_later_version_that_still_speaks_this_one_is_understood() {
    let today = Today::start(CLUSTER, 1, None);
    let mut stream = attack(today.transport.address(), &hello_2((2, 3), CLUSTER, 2, 1, 7));
    let (version, answer) = read_frame(&mut stream).unwrap();
    assert_eq!((version, &answer[..2]), (2, &[0, 2][..]), "welcome, in version 2");
    assert!(answer.ends_with(b"\x08of today"));
    assert!(today.guest.delivered().is_empty());
    stream.write_all(&accepted()).unwrap();
    let (_, message) = messages().remove(1);
    stream.write_all(&whole(&message)).unwrap();
    today.guest.expect(&Event::Delivered(ServerId(2), message));
}

#[test]
fn a_version_too_new_is_told_both() {
    let today = Today::start(CLUSTER, 1, None);
    let mut stream = attack(today.transport.address(), &hello_2((3, 4), CLUSTER, 2, 1, 7));
    let (version, answer) = read_frame(&mut stream).unwrap();
    assert_eq!((version, answer[0]), (2, 1), "refused, in a frame that every version reads");
    let answer = String::from_utf8_lossy(&answer[1..]).into_owned();
    assert!(answer.contains("versions 1 and 2, not 3 to 4"), "{answer}");
    assert!(closes(&mut stream));
    assert!(today.guest.events().is_empty());
}

/// A message counts as an acceptance no more than silence does.
#[test]
fn nothing_is_delivered_before_the_dialer_has_accepted() {
    let today = Today::start(CLUSTER, 1, None);
    let mut stream = attack(today.transport.address(), &hello_2((1, 2), CLUSTER, 2, 1, 7));
    read_frame(&mut stream).unwrap();
    stream.write_all(&whole(&messages().remove(1).1)).unwrap();
    assert!(closes(&mut stream));
    assert!(today.guest.delivered().is_empty());
    let mut stream = attack(today.transport.address(), &hello_2((1, 2), CLUSTER, 2, 1, 7));
    read_frame(&mut stream).unwrap();
    stream.write_all(&frame(2, b"\x01\x02no")).unwrap();
    today.guest.expect(&Event::RefusedBy(ServerId(2), "no".into()));
}

/// A listener that refuses may say who it is; the dialer's node hears both.
#[test]
fn a_dialer_meets_the_node_that_refuses_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let today = Today::start(CLUSTER, 2, Some(listener.local_addr().unwrap()));
    let listening = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 6]).unwrap();
        read_frame(&mut stream).unwrap();
        stream.write_all(&frame(2, b"\x01\x02no\x01\x03one")).unwrap();
        assert!(closes(&mut stream));
    });
    assert_eq!(today.link().send(vec![messages().remove(1).1]), 0);
    listening.join().unwrap();
    let heard = Event::Met(ServerId(1), Some(b"one".to_vec()));
    assert_eq!(today.guest.events(), [heard, Event::RefusedBy(ServerId(1), "no".into())]);
}
