//! Users are told nothing before it is durable: not of the server, not of the node's own store,
//! not as an answer. The server's thread and the disk's take turns here, so nothing is left to
//! chance.

use crate::runtime::std;

use std::sync::mpsc::{self, TryRecvError};
use std::time::Instant;
use std::vec::Vec;

use super::errands::Errand;
use super::fixtures::{OWN, PEER, Parts, asked, started};
use super::identity::{Adoption, Asked, Registry};
use super::reception::Lost;
use super::server_loop::ServerLoop;
use super::writer::Writer;
use crate::driver::{RoleName, Standing};
use crate::figure2::{
    AppendEntries, Command, Entry, Input, Message, Payload, Persistent, RequestVoteReply, Server,
    ServerId, Term, Timer,
};
use crate::runtime::machinery::life::{InFlight, Life};
use crate::runtime::proposal::{Place, Waiter};
use crate::runtime::readmit::{Readmission, ReadmitError};
use crate::runtime::status::Status;
use crate::runtime::storage::{MemoryDisk, MemoryStorage, Notes, Storage};

/// A node whose disk writes when it is told to.
struct Node {
    parts: Parts<u64>,
    server_loop: ServerLoop<u64>,
    writer: Writer<MemoryStorage, u64>,
}

fn node(servers: impl IntoIterator<Item = ServerId>) -> Node {
    let parts = Parts::on(&Notes::new());
    let server_loop = parts.server_loop(started(servers));
    let writer = parts.writer(MemoryDisk::new().open().unwrap());
    Node { parts, server_loop, writer }
}

impl Node {
    fn server(&self) -> &Server {
        self.server_loop.server()
    }

    fn step(&mut self, input: Input) {
        assert_eq!(self.server_loop.step(input, Vec::new()), None);
    }

    fn write(&mut self) {
        assert!(self.writer.run_once().is_ok());
    }

    fn standing(&self) -> Standing {
        self.parts.outlets.noticeboard.read()
    }

    /// Term, role and leader that are told.
    fn told(&self) -> (Term, RoleName, Option<ServerId>) {
        let Standing { term, role, leader, .. } = self.standing();
        (term, role, leader)
    }

    fn status(&self) -> Status {
        Status::new(self.standing(), 0, self.parts.identities.concerns())
    }

    /// Elections stood in, and won.
    fn elections(&self) -> [u64; 2] {
        use std::sync::atomic::Ordering::Relaxed;
        let counters = &self.parts.counters;
        [&counters.elections_started, &counters.elections_won].map(|count| count.load(Relaxed))
    }

    /// Leads the first term in a cluster of two, durably.
    fn elected() -> Node {
        let mut node = node([OWN, PEER]);
        node.step(Input::Timeout(Timer::Election));
        let vote = RequestVoteReply { term: 1, vote_granted: true };
        node.step(Input::Receive { from: PEER, message: Message::RequestVoteReply(vote) });
        node.write();
        node
    }
}

/// The leader of `term` sends an entry of it, which is committed.
fn entry_of(term: Term) -> Input {
    let message = Message::AppendEntries(AppendEntries {
        term,
        leader_id: PEER,
        prev_log_index: 0,
        prev_log_term: 0,
        entries: [Entry::command(term, &b"x"[..])].into_iter().collect(),
        leader_commit: 1,
    });
    Input::Receive { from: PEER, message }
}

const NOBODY: (Term, RoleName, Option<ServerId>) = (0, RoleName::Follower, None);

#[test]
fn a_server_that_elects_itself_leads_once_its_ballot_is_durable() {
    let mut node = node([OWN]);
    node.step(Input::Timeout(Timer::Election));
    assert!(node.server().is_leader());
    assert_eq!((node.told(), node.elections()), (NOBODY, [0, 0]));
    node.write();
    assert_eq!(node.told(), (1, RoleName::Leader, Some(OWN)));
    assert_eq!(node.elections(), [1, 1]);
}

#[test]
fn a_follower_names_its_leader_and_its_entries_once_they_are_durable() {
    let mut node = node([OWN, PEER]);
    node.step(entry_of(7));
    assert_eq!(node.server().volatile().commit_index, 1);
    let indices = |node: &Node| (node.standing().last_log_index, node.standing().commit_index);
    assert_eq!((node.told(), indices(&node)), (NOBODY, (0, 0)));
    node.write();
    assert_eq!(node.told(), (7, RoleName::Follower, Some(PEER)));
    assert_eq!((indices(&node), node.elections()), ((1, 1), [0, 0]));
}

/// Also a change without a record of its own keeps its place behind those that have one.
#[test]
fn each_standing_is_told_in_its_turn() {
    let mut node = node([OWN, PEER]);
    node.step(Input::Timeout(Timer::Election));
    let vote = RequestVoteReply { term: 1, vote_granted: true };
    node.step(Input::Receive { from: PEER, message: Message::RequestVoteReply(vote) });
    assert_eq!((node.told(), node.elections()), (NOBODY, [0, 0]));
    node.write();
    assert_eq!(node.told(), (1, RoleName::Leader, Some(OWN)));
    node.step(entry_of(2));
    assert_eq!(node.told(), (1, RoleName::Leader, Some(OWN)));
    node.write();
    assert_eq!(node.told(), (2, RoleName::Follower, Some(PEER)));
    assert_eq!(node.elections(), [1, 1]);
}

#[test]
fn a_proposal_is_accepted_and_counted_once_it_is_durable() {
    let mut node = Node::elected();
    let life = std::sync::Arc::new(Life::default());
    assert_eq!(life.admit(InFlight::NO_LIMIT, 1), Ok(()));
    let (pending, waiter) = Waiter::command(Place::new(life, 1));
    let payloads = Vec::from([Payload::Command(Command::from(&b"x"[..]))]);
    node.server_loop.step(Input::Propose { payloads }, Vec::from([waiter]));
    let batches = |node: &Node| node.parts.counters.proposal_batch.snapshot().sum;
    let accepted = || pending.accepted(std::time::Duration::ZERO).ok().map(|one| one.index);
    assert_eq!((batches(&node), node.standing().last_log_index, accepted()), (0, 0, None));
    node.write();
    assert_eq!((batches(&node), node.standing().last_log_index, accepted()), (1, 1, Some(1)));
}

#[test]
fn whoever_may_not_readmit_names_a_leader_once_its_term_is_durable() {
    let mut node = node([OWN, PEER]);
    node.step(entry_of(7));
    let (answer, answered) = mpsc::channel();
    let readmission = Readmission { server: PEER, deadline: Instant::now(), answer };
    node.server_loop.run_errand(Errand::Readmit(readmission));
    assert_eq!(answered.try_recv().err(), Some(TryRecvError::Empty));
    node.write();
    let refused = answered.try_recv().unwrap();
    assert!(matches!(refused, Err(ReadmitError::NotLeader { leader: Some(PEER) })), "{refused:?}");
}

#[test]
fn whoever_has_readmitted_says_so_once_it_is_durable() {
    let mut node = Node::elected();
    for already in [false, true] {
        let (answer, answered) = mpsc::channel();
        let readmission = Readmission { server: PEER, deadline: Instant::now(), answer };
        node.server_loop.run_errand(Errand::Readmit(readmission));
        // Nobody else has to hold anything.
        node.server_loop.look_at_readmissions();
        assert_eq!(answered.try_recv().err(), Some(TryRecvError::Empty));
        node.write();
        let told = answered.try_recv().unwrap();
        let refused = matches!(told, Err(ReadmitError::Already { server: PEER, term: 1 }));
        assert_eq!((told.is_ok(), refused), (!already, already), "{told:?}");
        // Its new store comes.
        let mut registry = node.parts.identities.registry();
        let (mut own, known) = (newcomer(), registry.known(PEER).unwrap());
        let (generation, term) = (known.generation, known.progress.term);
        own.adopt(Adoption { generation, term, incarnation: 0 });
        own.reached(known.progress.term);
        registry.meet(PEER, Some(&own.hello())).verdict.unwrap();
    }
}

/// The registry of the peer on an empty store.
fn newcomer() -> Registry {
    let asked = Asked { server: PEER, ..asked() };
    Registry::open(&Notes::new(), &Persistent::default(), asked, || 2).unwrap()
}

#[test]
fn a_store_that_is_disowned_says_so_once_that_is_durable() {
    let mut node = node([OWN, PEER]);
    // The peer has met another store of this server.
    let mut peer = newcomer();
    let other = Registry::open(&Notes::new(), &Persistent::default(), asked(), || 3).unwrap();
    peer.meet(OWN, Some(&other.hello())).verdict.unwrap();
    let meeting = node.parts.identities.registry().meet(PEER, Some(&peer.hello()));
    assert!(meeting.changed && meeting.verdict.is_err());
    node.server_loop.run_errand(Errand::Remember);
    assert_eq!(node.status().disowned, None);
    node.write();
    assert!(node.status().disowned.unwrap().contains("S1"));
    // And from then on at each start.
    let again = Parts::<u64>::on(&node.writer.storage.notes().unwrap());
    assert!(again.identities.concerns().disowned.is_some());
}

/// A leader of a later term knows nothing yet of what its peers hold.
#[test]
fn what_a_peer_lost_is_told_while_this_server_leads_the_term_in_which_it_did() {
    let mut node = Node::elected();
    let lost = Lost { to: 1, peers: [PEER].into() };
    node.parts.identities.lost(lost);
    assert_eq!(node.status().lost, [PEER].into());
    node.step(entry_of(2));
    node.write();
    assert_eq!(node.status().lost, [].into());
    node.step(Input::Timeout(Timer::Election));
    let vote = RequestVoteReply { term: 3, vote_granted: true };
    node.step(Input::Receive { from: PEER, message: Message::RequestVoteReply(vote) });
    node.write();
    assert_eq!((node.told().1, node.status().lost), (RoleName::Leader, [].into()));
}
