//! Whatever names a server is renamed with it: what is built of server A and renamed is what is
//! built of server B.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use stateright::actor::{Actor, Out};
use veraft::figure2::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Breach, Config, Entry, Leader, Message,
    Persistent, Record, RequestVote, RequestVoteReply, Role, Server, ServerId, Volatile,
};
use veraft_models::actor::actor_id;
use veraft_models::orbit::{Rename, Renaming};
use veraft_models::{Event, Letter, ModelNode, Pending, Raft, Shared};

const A: ServerId = ServerId(0);
const B: ServerId = ServerId(1);
const C: ServerId = ServerId(2);

/// A and B change places.
fn swap() -> Renaming {
    let swaps = |renaming: &Renaming| [A, B, C].map(|id| id.rename(renaming)) == [B, A, C];
    Renaming::all(3).into_iter().find(swaps).expect("it is one of six")
}

fn assert_renamed<T: Rename + Debug + PartialEq>(what: &str, of: impl Fn(ServerId) -> T) {
    let (one, other) = (of(A), of(B));
    assert_ne!(one, other, "{what} names no server");
    assert_eq!(one.rename(&swap()), other, "{what}");
    let identity = Renaming::identity(3);
    assert_eq!(one.rename(&identity), one, "{what} is renamed to itself");
}

fn entry(of: ServerId) -> Entry {
    Entry::command(1, Raft::command_to(of, 1))
}

fn vote(of: ServerId) -> Persistent {
    [Record::Ballot { current_term: 1, voted_for: Some(of) }].into_iter().collect()
}

fn log(of: ServerId) -> Persistent {
    [Record::Append { entries: [entry(of)].into_iter().collect() }].into_iter().collect()
}

/// Server C.
fn server(persistent: Persistent, role: Role) -> Server {
    let servers = Raft::cluster(3, usize::MAX).servers;
    let config = Config { id: C, servers, max_append_bytes: usize::MAX };
    Server::from_parts(config, persistent, Volatile { role, ..Volatile::default() })
}

fn node(change: impl FnOnce(&mut ModelNode)) -> ModelNode {
    let mut out = Out::new();
    let replica = Raft::cluster(3, usize::MAX).on_start(actor_id(C), &None, &mut out);
    let mut node = ModelNode::new(replica, out);
    change(&mut node);
    node
}

#[test]
fn every_part_of_a_node_is_renamed() {
    let of_server = |server: Server| node(|node| node.replica.server = server);
    let nothing = Persistent::default;
    assert_renamed("the id", |of| {
        node(|node| {
            let servers = Raft::cluster(3, usize::MAX).servers;
            let config = Config { id: of, servers, max_append_bytes: usize::MAX };
            node.replica.server = Server::from_parts(config, nothing(), Volatile::default());
        })
    });
    assert_renamed("the vote", |of| of_server(server(vote(of), Role::default())));
    assert_renamed("the log", |of| of_server(server(log(of), Role::default())));
    assert_renamed("the leader", |of| {
        of_server(server(nothing(), Role::Follower { leader: Some(of) }))
    });
    assert_renamed("the votes counted", |of| {
        of_server(server(nothing(), Role::Candidate { votes_granted: [of].into() }))
    });
    let follows = |of| BTreeMap::from([(of, 3)]);
    assert_renamed("next_index", |of| {
        let leads = Leader { next_index: follows(of), ..Leader::default() };
        of_server(server(nothing(), Role::Leader(leads)))
    });
    assert_renamed("match_index", |of| {
        let leads = Leader { match_index: follows(of), ..Leader::default() };
        of_server(server(nothing(), Role::Leader(leads)))
    });
    assert_renamed("the records", |of| node(|node| node.replica.stored = vote(of)));
    assert_renamed("what is applied", |of| {
        node(|node| node.replica.applied = vec![(1, entry(of))])
    });
    assert_renamed("what an image has in it", |of| {
        node(|node| {
            node.replica.applied = vec![(1, entry(of))];
            node.capture(1);
            node.replica.applied.clear();
        })
    });
    assert_renamed("a breach of a name", |of| {
        node(|node| node.replica.breach = Some(Breach::Name { named: of }))
    });
    assert_renamed("a breach by a second leader", |of| {
        node(|node| node.replica.breach = Some(Breach::SecondLeader { leader: of }))
    });
    assert_renamed("the disk", |of| node(|node| node.disk = vote(of)));
    let waits = |pending: Pending| node(|node| node.pending = vec![pending].into());
    assert_renamed("a write that waits", |of| {
        waits(Pending { save: vote(of), handed: None, send: BTreeSet::new() })
    });
    let grant = Message::RequestVoteReply(RequestVoteReply { term: 1, vote_granted: true });
    assert_renamed("the receiver of what waits", |of| {
        waits(Pending { save: nothing(), handed: None, send: [(of, grant.clone())].into() })
    });
    assert_renamed("the votes seen", |of| node(|node| node.witness.votes = [of].into()));
    assert_renamed("the log seen", |of| {
        node(|node| node.witness.led = Some((1, log(of).log().clone())))
    });
}

#[test]
fn every_part_of_a_letter_is_renamed() {
    let request = |of| {
        Message::RequestVote(RequestVote {
            term: 1,
            candidate_id: of,
            last_log_index: 0,
            last_log_term: 0,
        })
    };
    let append = |leader_id, of| {
        Message::AppendEntries(AppendEntries {
            term: 1,
            leader_id,
            prev_log_index: 0,
            prev_log_term: 0,
            entries: [entry(of)].into_iter().collect(),
            leader_commit: 0,
        })
    };
    let stale = || {
        let outcome = AppendOutcome::StaleTerm;
        Message::AppendEntriesReply(AppendEntriesReply { term: 1, outcome })
    };
    assert_renamed("the sender", |of| Letter { from: of, to: C, message: stale(), image: None });
    assert_renamed("the receiver", |of| Letter { from: C, to: of, message: stale(), image: None });
    assert_renamed("the candidate", |of| Letter {
        from: C,
        to: C,
        message: request(of),
        image: None,
    });
    assert_renamed("the leader", |of| Letter {
        from: C,
        to: C,
        message: append(of, C),
        image: None,
    });
    assert_renamed("the entries", |of| Letter {
        from: C,
        to: C,
        message: append(C, of),
        image: None,
    });
    assert_renamed("whose request is stale", |of| Shared::Stale { from: of, to: C });
    assert_renamed("for whom it is stale", |of| Shared::Stale { from: C, to: of });
    assert_renamed("for whom it is news", |of| Shared::News { to: of, term: 1 });
}

#[test]
fn every_part_of_the_history_is_renamed() {
    assert_renamed("who led", |of| Event::Led { term: 1, server: of });
    assert_renamed("what was committed", |of| Event::Committed {
        index: 1,
        entry: entry(of),
        term: 1,
    });
}
