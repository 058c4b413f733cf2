//! Nodes of protocol versions 1 and 2, played from what they have once said, and of later
//! versions, against a node of today.

#![cfg(feature = "tcp")]

mod common;
#[path = "common/guest.rs"]
mod guest;
#[path = "common/log.rs"]
mod log;
#[path = "common/raw.rs"]
mod raw;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use common::wait_until;
use guest::{Event, Guest};
use log::log;
use raw::{accepted, attack, closes, frame, hello, hello_for, read_frame, recorded, whole};
use veraft::figure2::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Base, Entry, InstallSnapshot, Message,
    Payload, RequestVote, RequestVoteReply, ServerId,
};
use veraft::runtime::{Link, TcpTransport, Transport, Undelivered};

const CLUSTER: &str = "wire 2";

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
    let blank = Entry { term: 300, payload: Payload::Blank };
    let entries =
        vec![entry(299, b""), blank, entry(300, b"a command"), entry(300, &[0, 255, 128])];
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
        ("message-append-entries-in-pieces", append(vec![entry(300, &[b'x'; 100_000])])),
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
fn a_node_of_version_1_is_refused_and_both_logs_say_why() {
    let log = log();
    let today = Today::start(CLUSTER, 1, None);
    let hello_1 = recorded(1, "hello");
    assert!(closes(&mut attack(today.transport.address(), &hello_1)));
    let refused = "it speaks protocol version 1, this node versions 2 and 3: upgrade the older one";
    wait_until("the listener says so", || !log.warnings(refused).is_empty());

    // A listener of version 1 closes whatever does not begin as its own hello.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dialer = Today::start(CLUSTER, 2, Some(listener.local_addr().unwrap()));
    let listening = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = [0; 7];
        stream.read_exact(&mut first).unwrap();
        assert_ne!(first, hello_1[..7]);
    });
    assert_eq!(dialer.link().send(vec![messages().remove(0).1]), 0);
    listening.join().unwrap();
    let unanswered = "protocol versions 2 to 3: if it speaks an older one, upgrade it";
    assert!(!log.warnings(unanswered).is_empty());
    assert!([&today, &dialer].iter().all(|one| one.guest.events().is_empty()));
}

#[test]
fn a_dialer_of_version_2_is_understood() {
    let today = Today::start(CLUSTER, 1, None);
    let mut stream = attack(today.transport.address(), &recorded(2, "hello"));
    let (version, welcome) = read_frame(&mut stream).unwrap();
    assert_eq!((version, &welcome[..2]), (2, &[0, 2][..]), "welcome, in version 2");
    stream.write_all(&recorded(2, "accepted")).unwrap();
    for (name, _) in messages() {
        stream.write_all(&recorded(2, name)).unwrap();
    }
    let delivered = |(_, message)| Event::Delivered(ServerId(2), message);
    let mut expected = vec![Event::Met(ServerId(2), Some(b"of version 2".to_vec()))];
    expected.extend(messages().into_iter().map(delivered));
    wait_until("all is there", || today.guest.events().len() >= expected.len());
    assert_eq!(today.guest.events(), expected);
}

#[test]
fn a_dialer_of_version_2_hears_refusals_in_its_own_words_and_is_heard() {
    let today = Today::start(CLUSTER, 1, None);
    today.guest.refuse(2, "who are you?");
    let mut stream = attack(today.transport.address(), &recorded(2, "hello"));
    let (version, refused) = read_frame(&mut stream).unwrap();
    let expected = recorded(2, "refused");
    let why = expected.len() - "of version 2".len() - 1;
    assert_eq!(version, 2);
    assert_eq!(refused, [&expected[9..why], b"\x08of today"].concat());
    today.guest.accept(2);
    let mut stream = attack(today.transport.address(), &recorded(2, "hello"));
    read_frame(&mut stream).unwrap();
    stream.write_all(&recorded(2, "not-accepted")).unwrap();
    today.guest.expect(&Event::RefusedBy(ServerId(2), "who are you?".into()));
}

/// The first words of a connection from a node of today.
fn first_words(stream: &mut TcpStream) -> (Vec<u8>, Vec<u8>) {
    let mut magic = vec![0; 6];
    stream.read_exact(&mut magic).unwrap();
    (magic, read_frame(stream).unwrap().1)
}

/// What a listener of version 2 does with a connection.
fn version_2_accepts(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    let (magic, hello) = first_words(&mut stream);
    assert_eq!((&magic[..], hello[0]), (&b"veraft"[..], 2), "the oldest version of today's node");
    stream.write_all(&recorded(2, "welcome")).unwrap();
    let expected = recorded(2, "accepted");
    let mut accepted = vec![0; expected.len()];
    stream.read_exact(&mut accepted).unwrap();
    assert_eq!(accepted, expected);
    stream
}

#[test]
fn a_listener_of_version_2_is_spoken_to_in_its_own_words() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let today = Today::start(CLUSTER, 2, Some(listener.local_addr().unwrap()));
    let listening = thread::spawn(move || {
        let mut stream = version_2_accepts(&listener);
        for (name, _) in messages() {
            let mut bytes = recorded(2, name);
            stream.read_exact(&mut bytes).unwrap();
            assert_eq!(bytes, recorded(2, name), "{name}");
        }
    });
    let mut link = today.link();
    for (_, message) in messages() {
        assert!(link.send(vec![message]) > 0);
    }
    listening.join().unwrap();
    let met = Event::Met(ServerId(1), Some(b"of version 2".to_vec()));
    assert_eq!(today.guest.events(), [met]);
}

#[test]
fn the_refusal_of_a_listener_of_version_2_reaches_the_node() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let today = Today::start(CLUSTER, 2, Some(listener.local_addr().unwrap()));
    let listening = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        first_words(&mut stream);
        stream.write_all(&recorded(2, "refused")).unwrap();
        assert!(closes(&mut stream));
    });
    assert_eq!(today.link().send(vec![messages().remove(0).1]), 0);
    listening.join().unwrap();
    let met = Event::Met(ServerId(1), Some(b"of version 2".to_vec()));
    let refused = Event::RefusedBy(ServerId(1), "who are you?".into());
    assert_eq!(today.guest.events(), [met, refused]);
}

/// It would take whoever dials it for parcels for a stranger.
#[test]
fn a_peer_of_version_2_gets_no_image_and_one_line_for_each_channel_says_so() {
    let log = log();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let today = Today::start(CLUSTER, 2, Some(listener.local_addr().unwrap()));
    let mut parcels = today.transport.parcels(ServerId(1)).unwrap();
    assert_eq!(parcels.send(b"a part"), Err(Undelivered::NoConnection), "nobody knows its version");
    let listening = thread::spawn(move || {
        let stream = version_2_accepts(&listener);
        (listener, stream)
    });
    let mut link = today.link();
    assert!(link.send(vec![messages().remove(0).1]) > 0);
    let (listener, mut stream) = listening.join().unwrap();
    let base = Base { last_index: 9, last_term: 1 };
    let install = InstallSnapshot { term: 300, leader_id: ServerId(2), base };
    for _ in 0..10 {
        link.send(vec![Message::InstallSnapshot(install.clone()), messages().remove(1).1]);
    }
    for name in ["message-request-vote"].into_iter().chain(["message-vote-granted"; 10]) {
        let mut bytes = recorded(2, name);
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, recorded(2, name), "the others pass");
    }
    let lines = log.lines("ERROR", "protocol version 2 has no InstallSnapshot");
    assert_eq!(lines.len(), 1, "{lines:?}");
    for _ in 0..10 {
        assert_eq!(parcels.send(b"a part"), Err(Undelivered::TooOld));
    }
    let lines = log.warnings("protocol version 2 has no images");
    assert_eq!(lines.len(), 1, "{lines:?}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "it was dialed");
}

#[test]
fn a_peer_that_is_upgraded_is_spoken_to_in_the_newer_version() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let today = Today::start(CLUSTER, 2, Some(listener.local_addr().unwrap()));
    let listening = thread::spawn(move || {
        let stream = version_2_accepts(&listener);
        (listener, stream)
    });
    let mut link = today.link();
    let message = || vec![messages().remove(1).1];
    assert!(link.send(message()) > 0);
    let (listener, old) = listening.join().unwrap();

    // It connects in version 3, while the connection in version 2 is still open.
    let listening = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        first_words(&mut stream);
        stream.write_all(&frame(2, b"\x00\x03\x63\x03one")).unwrap();
        assert_eq!(read_frame(&mut stream).unwrap(), (2, vec![0]), "accepted");
        let (version, _) = read_frame(&mut stream).unwrap();
        (listener, version)
    });
    let mut upgraded = attack(today.transport.address(), &hello((2, 3), CLUSTER, 1, 2, 99));
    read_frame(&mut upgraded).unwrap();
    upgraded.write_all(&accepted()).unwrap();
    today.guest.expect(&Event::Met(ServerId(1), Some(b"opaque".to_vec())));
    wait_until("it connects anew", || {
        link.send(message());
        listening.is_finished()
    });
    let (listener, version) = listening.join().unwrap();
    assert_eq!(version, 3);
    drop(old);

    // And it gets parcels.
    let listening = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (magic, hello) = first_words(&mut stream);
        assert_eq!((&magic[..], hello[0]), (&b"parcel"[..], 3), "no older version has them");
        stream.write_all(&frame(2, b"\x00\x03\x63\x03one")).unwrap();
        assert_eq!(read_frame(&mut stream).unwrap(), (2, vec![0]), "accepted");
        assert_eq!(read_frame(&mut stream).unwrap(), (3, b"a part".to_vec()));
    });
    let mut parcels = today.transport.parcels(ServerId(1)).unwrap();
    assert!(parcels.send(b"a part").unwrap() > 6);
    listening.join().unwrap();
}

#[test]
fn a_dialer_for_parcels_of_a_later_version_is_understood() {
    let today = Today::start(CLUSTER, 1, None);
    let mut stream =
        attack(today.transport.address(), &hello_for(b"parcel", (3, 4), CLUSTER, 2, 1, 7));
    let (version, answer) = read_frame(&mut stream).unwrap();
    assert_eq!((version, &answer[..2]), (2, &[0, 3][..]), "welcome, in version 3");
    stream.write_all(&accepted()).unwrap();
    stream.write_all(&frame(3, b"a part")).unwrap();
    let expected = [(ServerId(2), b"a part".to_vec())];
    wait_until("the parcel arrives", || today.guest.parcels() == expected);
}

#[test]
fn a_later_version_that_still_speaks_this_one_is_understood() {
    let today = Today::start(CLUSTER, 1, None);
    let mut stream = attack(today.transport.address(), &hello((3, 4), CLUSTER, 2, 1, 7));
    let (version, answer) = read_frame(&mut stream).unwrap();
    assert_eq!((version, &answer[..2]), (2, &[0, 3][..]), "welcome, in version 3");
    assert!(answer.ends_with(b"\x08of today"));
    assert!(today.guest.delivered().is_empty());
    stream.write_all(&accepted()).unwrap();
    let (_, message) = messages().remove(1);
    stream.write_all(&whole(3, &message)).unwrap();
    today.guest.expect(&Event::Delivered(ServerId(2), message));
}

#[test]
fn a_version_too_new_is_told_both() {
    let today = Today::start(CLUSTER, 1, None);
    let mut stream = attack(today.transport.address(), &hello((4, 5), CLUSTER, 2, 1, 7));
    let (version, answer) = read_frame(&mut stream).unwrap();
    assert_eq!((version, answer[0]), (2, 1), "refused, in a frame that every version reads");
    let answer = String::from_utf8_lossy(&answer[1..]).into_owned();
    assert!(answer.contains("versions 2 and 3, not 4 to 5"), "{answer}");
    assert!(closes(&mut stream));
    assert!(today.guest.events().is_empty());
}

/// A message counts as an acceptance no more than silence does.
#[test]
fn nothing_is_delivered_before_the_dialer_has_accepted() {
    let today = Today::start(CLUSTER, 1, None);
    let mut stream = attack(today.transport.address(), &hello((2, 3), CLUSTER, 2, 1, 7));
    read_frame(&mut stream).unwrap();
    stream.write_all(&whole(3, &messages().remove(1).1)).unwrap();
    assert!(closes(&mut stream));
    assert!(today.guest.delivered().is_empty());
    let mut stream = attack(today.transport.address(), &hello((2, 3), CLUSTER, 2, 1, 7));
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
