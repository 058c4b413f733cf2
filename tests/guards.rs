//! What a node does when a peer lost what it had promised: it stops for good before it destroys
//! an applied entry, and a leader notices a peer that refuses what it acknowledged.

#![cfg(feature = "runtime")]

mod common;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{Cluster, Journal, JournalNode, LONG, timing, wait_until};
use veraft::figure2::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Command, Entries, Entry, Index, Message,
    RequestVoteReply, ServerId, Term,
};
use veraft::runtime::{
    Conditions, Inbox, Link, MemoryDisk, NodeBuilder, ProposeError, StartError, StopReason,
    Transport, TransportError, UnfitStore,
};

const S1: ServerId = ServerId(1);
const S2: ServerId = ServerId(2);

fn servers() -> BTreeSet<ServerId> {
    [1, 2, 3].map(ServerId).into()
}

/// The other servers, played by a test: what the node sends, and a way in.
#[derive(Clone, Default)]
struct Peers(Arc<Mutex<Played>>);

#[derive(Default)]
struct Played {
    inbox: Option<Inbox>,
    sent: Vec<(ServerId, Message)>,
    disconnected: Vec<ServerId>,
}

impl Peers {
    fn says(&self, from: ServerId, message: Message) {
        let inbox = self.0.lock().unwrap().inbox.clone().unwrap();
        // A node that has stopped hears nothing.
        let _ = inbox.deliver(from, message, 0);
    }

    fn sent(&self) -> Vec<(ServerId, Message)> {
        std::mem::take(&mut self.0.lock().unwrap().sent)
    }

    /// Entries of a leader.
    fn append(&self, from: ServerId, term: Term, prev: (Index, Term), entries: Entries) {
        let (prev_log_index, prev_log_term) = prev;
        let leader_commit = prev_log_index + entries.len() as Index;
        self.says(
            from,
            Message::AppendEntries(AppendEntries {
                term,
                leader_id: from,
                prev_log_index,
                prev_log_term,
                entries,
                leader_commit,
            }),
        );
    }
}

impl Transport for Peers {
    fn start(&self, inbox: Inbox) -> Result<(), TransportError> {
        self.0.lock().unwrap().inbox = Some(inbox);
        Ok(())
    }

    fn link(&self, peer: ServerId) -> Box<dyn Link> {
        Box::new(Way(peer, self.clone()))
    }

    fn disconnect(&self, peer: ServerId) {
        self.0.lock().unwrap().disconnected.push(peer);
    }

    fn close(&self) {
        self.0.lock().unwrap().inbox = None;
    }

    fn join(&self) {}
}

struct Way(ServerId, Peers);

impl Link for Way {
    fn send(&mut self, messages: Vec<Message>) -> u64 {
        let mut played = self.1.0.lock().unwrap();
        played.sent.extend(messages.into_iter().map(|message| (self.0, message)));
        0
    }
}

/// A node that never stands for election by itself soon.
fn start(disk: &MemoryDisk, peers: &Peers, journal: &Journal) -> Result<JournalNode, StartError> {
    let patient = veraft::runtime::Timing::new(LONG..=LONG * 2, Duration::from_millis(50)).unwrap();
    let builder = NodeBuilder::new(S1, servers()).timing(patient);
    builder.start(disk.open().unwrap(), peers.clone(), journal.clone())
}

fn entry(term: Term, text: &str) -> Entry {
    Entry::command(term, Command::from(text.as_bytes()))
}

#[test]
fn a_node_stops_for_good_before_it_overwrites_what_it_applied() {
    let (disk, journal) = (MemoryDisk::new(), Journal::default());
    let peers = Peers::default();
    let node = start(&disk, &peers, &journal).unwrap();
    peers.append(S2, 1, (0, 0), [entry(1, "acknowledged")].into_iter().collect());
    wait_until("it is applied", || journal.len() == 1);
    // The record after it carries the floor.
    peers.append(S2, 1, (1, 1), [entry(1, "second")].into_iter().collect());
    wait_until("it is applied", || journal.len() == 2);
    drop(node);
    // A supervisor starts it again and again, and the leader whose disk is old is always there.
    let mut texts = Vec::new();
    for life in 0..3 {
        let peers = Peers::default();
        match start(&disk, &peers, &Journal::default()) {
            Ok(node) => {
                assert_eq!(life, 0, "it started again");
                let pending = node.propose(&b"waits"[..]);
                peers.append(ServerId(3), 9, (0, 0), [entry(9, "other")].into_iter().collect());
                wait_until("it stops", || node.status().is_err());
                let reason = node.status().unwrap_err().reason;
                let StopReason::Contradicted { text } = reason else { panic!("{reason:?}") };
                texts.push(text);
                // What waits is answered, and nothing of the step has left.
                assert!(matches!(
                    pending.wait_timeout(LONG),
                    Err(ProposeError::NotLeader { .. } | ProposeError::Stopped(_))
                ));
                assert_eq!(peers.sent(), []);
            }
            Err(StartError::Unfit(UnfitStore::Stopped { text })) => texts.push(text),
            Err(other) => panic!("{other}"),
        }
        let persistent = disk.persistent();
        assert_eq!(persistent.log().term_at(1).held(), Some(1));
        assert_eq!((persistent.log().last_index(), persistent.current_term()), (2, 1));
    }
    assert!(texts[0].contains("a request of S3 contradicts this store"), "{}", texts[0]);
    assert!(texts.iter().all(|text| *text == texts[0]) && texts.len() == 3);
}

/// Makes the node lead, with an entry that S2 has acknowledged; returns the term.
fn lead(node: &JournalNode, peers: &Peers) -> Term {
    let vote = |peers: &Peers| {
        for (to, message) in peers.sent() {
            if let Message::RequestVote(request) = message {
                let reply = RequestVoteReply { term: request.term, vote_granted: true };
                peers.says(to, Message::RequestVoteReply(reply));
            }
        }
    };
    wait_until("it leads", || {
        vote(peers);
        node.status().unwrap().is_leader()
    });
    node.status().unwrap().term
}

fn answer(peers: &Peers, from: ServerId, term: Term, outcome: AppendOutcome) {
    let reply = AppendEntriesReply { term, outcome };
    peers.says(from, Message::AppendEntriesReply(reply));
}

fn quick(peers: &Peers) -> JournalNode {
    let builder = NodeBuilder::new(S1, servers()).timing(timing()).blanks(false);
    let storage = MemoryDisk::new().open().unwrap();
    builder.start(storage, peers.clone(), Journal::default()).unwrap()
}

#[test]
fn a_peer_that_lost_its_log_under_the_same_leader_is_noticed() {
    let peers = Peers::default();
    let node = quick(&peers);
    let term = lead(&node, &peers);
    let pending = node.propose(&b"x"[..]);
    wait_until("it is sent", || node.status().unwrap().last_log_index == 1);
    answer(&peers, S2, term, AppendOutcome::Success { match_index: 1 });
    pending.wait_timeout(LONG).unwrap();
    // From now on it refuses each heartbeat, for its log is empty.
    let refuse = || {
        for (to, message) in peers.sent() {
            if let (S2, Message::AppendEntries(request)) = (to, message) {
                let prev_log_index = request.prev_log_index;
                let (conflict_term, conflict_index) = (None, 1);
                let outcome =
                    AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index };
                answer(&peers, S2, term, outcome);
            }
        }
    };
    let losses = || node.metrics().unwrap().peers[&S2].losses;
    assert_eq!((losses(), node.status().unwrap().lost), (0, BTreeSet::new()));
    wait_until("it is noticed", || {
        refuse();
        node.status().unwrap().lost == [S2].into()
    });
    assert_eq!(losses(), 1);
    answer(&peers, S2, term, AppendOutcome::Success { match_index: 1 });
    wait_until("it is back", || node.status().unwrap().lost.is_empty());
    assert_eq!(losses(), 1);
}

#[test]
fn a_breach_is_counted_and_its_connection_broken_and_changes_nothing() {
    let peers = Peers::default();
    let node = quick(&peers);
    let term = lead(&node, &peers);
    for _ in 0..3 {
        answer(&peers, S2, term, AppendOutcome::Success { match_index: 9 });
    }
    wait_until("all are counted", || node.metrics().unwrap().peers[&S2].breaches == 3);
    wait_until("its connections are broken", || {
        peers.0.lock().unwrap().disconnected.iter().filter(|&&peer| peer == S2).count() == 3
    });
    let status = node.status().unwrap();
    assert_eq!((status.term, status.commit_index, status.is_leader()), (term, 0, true));
    assert_eq!(node.metrics().unwrap().peers[&ServerId(3)].breaches, 0);
}

#[test]
fn healthy_peers_on_a_bad_network_are_never_suspected() {
    let cluster = Cluster::start(3);
    cluster.commit("first");
    cluster.network.set_conditions(Conditions {
        delay: Duration::ZERO..=*timing().election().start() / 3,
        loss: 0.05,
        duplication: 0.5,
    });
    // Leaders that are cut off grow logs that part from the others', and come back.
    for round in 0..6 {
        let old = cluster.leader();
        cluster.network.disconnect(old);
        (0..5).for_each(|_| drop(cluster.node(old).propose(&b"never"[..])));
        let others = || cluster.running().filter(|node| node.id() != old);
        common::commit(others, &format!("round {round}"));
        cluster.network.connect(old);
        for _ in 0..10 {
            cluster.commit("more");
        }
        thread::sleep(*timing().election().end());
    }
    for node in cluster.running() {
        let (status, metrics) = (node.status().unwrap(), node.metrics().unwrap());
        assert_eq!((status.lost, status.refused), Default::default());
        for peer in metrics.peers.values() {
            assert_eq!((peer.losses, peer.breaches, peer.hellos_refused), (0, 0, 0));
        }
    }
}

/// What a leader says that has readmitted S1 in term 7, after what `peer` says of itself.
fn readmits_s1(peer: &Peers) -> Vec<u8> {
    let inbox = peer.0.lock().unwrap().inbox.clone().unwrap();
    let text = String::from_utf8(inbox.hello()).unwrap();
    let known =
        r#""known":{"1":{"generation":7,"store":"Awaited","progress":{"term":8,"index":0}}}"#;
    let hello = text.replace(r#""known":{}"#, known);
    assert_ne!(hello, text);
    hello.into_bytes()
}

#[test]
fn a_blank_store_says_that_it_was_readmitted_once_the_term_above_is_durable() {
    let (disk, peers, other) = (MemoryDisk::new(), Peers::default(), Peers::default());
    let node = start(&disk, &peers, &Journal::default()).unwrap();
    let builder = NodeBuilder::new(S2, servers()).timing(timing());
    let leader = MemoryDisk::new().open().unwrap();
    let leader = builder.start(leader, other.clone(), Journal::default()).unwrap();
    let inbox = peers.0.lock().unwrap().inbox.clone().unwrap();
    let refused = inbox.meet(S2, Some(&readmits_s1(&other))).unwrap_err().to_string();
    assert!(refused.contains("S1 adopts the generation"), "{refused}");
    wait_until("its hello says so", || {
        let says = String::from_utf8(inbox.hello()).unwrap().contains(r#""generation":7"#);
        assert!(!says || disk.persistent().current_term() >= 8, "before the term was durable");
        says
    });
    // With no vote given in that term, and it stays so.
    assert_eq!((disk.persistent().current_term(), disk.persistent().voted_for()), (8, None));
    inbox.meet(S2, Some(&readmits_s1(&other))).unwrap();
    drop((node, leader));
    let node = start(&disk, &peers, &Journal::default()).unwrap();
    let inbox = peers.0.lock().unwrap().inbox.clone().unwrap();
    assert!(String::from_utf8(inbox.hello()).unwrap().contains(r#""generation":7"#));
    drop(node);
}
