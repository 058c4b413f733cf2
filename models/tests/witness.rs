//! The witness looks: at what leaves a server, at what becomes durable, at what it leads with. A
//! cluster whose witness sees nothing has the same states, and no property that speaks of it can
//! fall; so here a server does what no correct one does.

use std::collections::BTreeSet;

use stateright::Model;
use stateright::actor::{Actor, Out};
use veraft::figure2::{
    AppendEntries, Config, Entries, Entry, Leader, Message, Persistent, Record, RequestVote,
    RequestVoteReply, Role, Server, ServerId, Term, Timer, Volatile,
};
use veraft_models::actor::actor_id;
use veraft_models::{
    Action, Bounds, Cluster, ClusterState, Environment, Event, ModelNode, Proposes, Raft,
};

const A: ServerId = ServerId(0);
const B: ServerId = ServerId(1);
const C: ServerId = ServerId(2);

/// Server A of three, that was never up before.
fn node() -> ModelNode {
    let mut out = Out::new();
    let replica = Raft::cluster(3, usize::MAX).on_start(actor_id(A), &None, &mut out);
    ModelNode::new(replica, out)
}

fn ballot(term: Term, vote: Option<ServerId>) -> Persistent {
    [Record::Ballot { current_term: term, voted_for: vote }].into_iter().collect()
}

fn entries(count: u64) -> Entries {
    (1..=count).map(|number| Entry::command(1, Raft::command_to(A, number))).collect()
}

/// A, with this log, in this role, having committed so much.
fn server(log: Entries, role: Role, commit_index: u64) -> Server {
    let servers = Raft::cluster(3, usize::MAX).servers;
    let config = Config { id: A, servers, max_append_bytes: usize::MAX };
    let records =
        [Record::Ballot { current_term: 1, voted_for: Some(A) }, Record::Append { entries: log }];
    let last_applied = commit_index;
    let volatile = Volatile { role, commit_index, last_applied, ..Volatile::default() };
    Server::from_parts(config, records.into_iter().collect(), volatile)
}

/// What leaves a node, whatever is on its disk.
fn say(node: &mut ModelNode, to: ServerId, message: Message) {
    let mut out = Out::<Raft>::new();
    out.send(actor_id(to), message);
    assert_eq!(node.interpret(out, false, 0).len(), 1);
}

fn grant(term: Term) -> Message {
    Message::RequestVoteReply(RequestVoteReply { term, vote_granted: true })
}

#[test]
fn a_vote_that_was_told_is_seen_though_no_disk_has_it() {
    let mut node = node();
    say(&mut node, B, grant(2));
    assert_eq!((node.witness.term, &node.witness.votes), (2, &BTreeSet::from([B])));
    say(&mut node, C, grant(2));
    assert_eq!(node.witness.votes, BTreeSet::from([B, C]), "two votes in a term");
    say(&mut node, C, Message::RequestVoteReply(RequestVoteReply { term: 2, vote_granted: false }));
    say(&mut node, B, grant(1));
    assert_eq!(node.witness.votes, BTreeSet::from([B, C]), "of this term");
    let request = RequestVote { term: 3, candidate_id: A, last_log_index: 0, last_log_term: 0 };
    say(&mut node, C, Message::RequestVote(request));
    assert_eq!((node.witness.term, &node.witness.votes), (3, &BTreeSet::from([A])), "its own");
}

#[test]
fn a_term_that_was_told_in_any_message_is_seen() {
    let mut node = node();
    let heartbeat = AppendEntries {
        term: 4,
        leader_id: A,
        prev_log_index: 0,
        prev_log_term: 0,
        entries: Entries::default(),
        leader_commit: 0,
    };
    say(&mut node, B, Message::AppendEntries(heartbeat));
    assert_eq!((node.witness.term, node.witness.votes.len()), (4, 0));
}

#[test]
fn a_vote_that_became_durable_is_seen_though_nobody_was_told() {
    let mut node = node();
    let mut out = Out::<Raft>::new();
    out.save(ballot(2, Some(C)));
    let mut torn = node.clone();
    assert!(node.interpret(out, false, 0).is_empty());
    assert_eq!((node.witness.term, &node.witness.votes), (2, &BTreeSet::from([C])));

    let mut out = Out::<Raft>::new();
    out.save(ballot(2, Some(C)));
    out.send(actor_id(C), grant(2));
    assert!(torn.interpret(out, true, 0).is_empty());
    assert_eq!(torn.witness.term, 0, "neither durable nor told");
    assert_eq!(torn.carry_out().len(), 1);
    assert_eq!((torn.witness.term, &torn.witness.votes), (2, &BTreeSet::from([C])));
}

#[test]
fn the_longest_log_that_a_leader_had_in_its_term_is_seen() {
    let leads = |log| server(log, Role::Leader(Leader::default()), 0);
    let mut node = node();
    let look = |node: &mut ModelNode, server| {
        node.replica.server = server;
        assert!(node.interpret(Out::<Raft>::new(), false, 0).is_empty());
        node.witness.led.clone()
    };
    let seen = |count| Some((1, server(entries(count), Role::default(), 0).log().clone()));
    assert_eq!(look(&mut node, leads(entries(1))), seen(1));
    assert_eq!(look(&mut node, leads(entries(2))), seen(2));
    assert_eq!(look(&mut node, leads(entries(1))), seen(2), "what it lost");
    assert_eq!(look(&mut node, server(entries(1), Role::default(), 0)), None);
}

/// And how far that life has applied.
#[test]
fn the_highest_commit_index_of_a_life_is_seen() {
    let mut node = node();
    for commit_index in [2, 1] {
        node.replica.server = server(entries(2), Role::default(), commit_index);
        assert!(node.interpret(Out::<Raft>::new(), false, 0).is_empty());
        assert_eq!((node.witness.commit_index, node.witness.last_applied), (2, 2));
    }
}

/// All but the disk and what the world has seen.
#[test]
fn a_restart_loses_whatever_is_volatile() {
    let mut node = node();
    let start = || {
        let mut out = Out::new();
        let replica =
            Raft::cluster(3, usize::MAX).on_start(actor_id(A), &Some(ballot(1, Some(A))), &mut out);
        (replica, out)
    };
    node.replica.server = server(entries(2), Role::Leader(Leader::default()), 2);
    let mut out = Out::<Raft>::new();
    out.save(ballot(1, Some(A)));
    node.interpret(out, false, 0);
    let mut out = Out::<Raft>::new();
    out.save(ballot(2, None));
    out.send(actor_id(B), grant(2));
    out.set_timer(Timer::Heartbeat, stateright::actor::model_timeout());
    node.interpret(out, true, 0);
    assert!(!node.pending.is_empty() && node.timers.contains(&Timer::Heartbeat));
    assert_eq!(node.witness.commit_index, 2);

    let (replica, out) = start();
    assert!(node.restart(replica.clone(), out).is_empty());
    assert_eq!(node.replica, replica);
    assert_eq!(node.timers, BTreeSet::from([Timer::Election]));
    assert!(node.pending.is_empty());
    assert_eq!(node.disk, ballot(1, Some(A)));
    assert_eq!((node.witness.term, &node.witness.votes), (1, &BTreeSet::from([A])));
    assert_eq!((node.witness.led.clone(), node.witness.commit_index), (None, 0));
    assert_eq!(node.witness.last_applied, 0);
}

fn cluster(torn: bool) -> (Cluster, ClusterState) {
    let bounds = Bounds { servers: 2, terms: 2, entries: 2, restarts: 2, compactions: 0 };
    let full = Environment { symmetry: false, keep_dead_letters: true, ..Environment::default() };
    let cluster = Cluster::new(bounds, Environment { torn, ..full });
    let state = cluster.init_states().remove(0);
    (cluster, state)
}

fn after(cluster: &Cluster, state: &ClusterState, action: Action) -> ClusterState {
    cluster.next_state(state, action).expect("it does something")
}

/// Every letter that is under way arrives at `to`, in the order of the network.
fn all_arrive(cluster: &Cluster, state: ClusterState, to: ServerId) -> ClusterState {
    let letters: Vec<_> = state.letters().filter(|letter| letter.to == to).collect();
    letters.into_iter().fold(state, |state, letter| {
        cluster.next_state(&state, Action::Deliver(letter)).unwrap_or(state)
    })
}

#[test]
fn a_restart_goes_back_to_what_the_disk_has() {
    let (cluster, state) = cluster(true);
    let state = after(&cluster, &state, Action::Timeout(A, Timer::Election));
    assert_eq!(state.node(A).value.replica.server.current_term(), 1);
    let stored = after(&cluster, &state, Action::CarryOut(A));
    assert!(stored.letters().next().is_some());
    for (state, term) in [(state, 0), (stored, 1)] {
        let state = after(&cluster, &state, Action::Restart(A));
        let node = &state.node(A).value;
        assert_eq!(node.replica.server.current_term(), term);
        assert_eq!(node.replica.stored, node.disk);
        assert_eq!((node.pending.is_empty(), state.visible.history.restarts), (true, 1));
    }
}

#[test]
fn who_led_and_what_was_committed_is_remembered_and_whether_after_a_restart() {
    let (cluster, mut state) = cluster(false);
    let to_the_end = |mut state: ClusterState| {
        for to in [B, A, B, A] {
            state = all_arrive(&cluster, state, to);
        }
        state
    };
    state = to_the_end(after(&cluster, &state, Action::Timeout(A, Timer::Election)));
    let led: Vec<_> = state.visible.history.led.iter().map(|event| event.value.clone()).collect();
    assert_eq!(led, [Event::Led { term: 1, server: A }]);
    state = to_the_end(after(&cluster, &state, Action::Propose(A, Proposes::Command)));
    let committed = |state: &ClusterState| {
        state.visible.history.committed.iter().map(|event| event.value.clone()).collect::<Vec<_>>()
    };
    let [one, two] = [1, 2].map(|index| {
        let entry = Entry::command(1, Raft::command_to(A, index));
        Event::Committed { index, entry, term: 1 }
    });
    assert_eq!(committed(&state), std::slice::from_ref(&one));
    assert!(!state.visible.history.committed_after_restart);
    state = after(&cluster, &state, Action::Restart(B));
    assert!(!state.visible.history.committed_after_restart, "before it");
    state = to_the_end(after(&cluster, &state, Action::Propose(A, Proposes::Command)));
    assert_eq!(committed(&state), [one, two]);
    assert!(state.visible.history.committed_after_restart);
    assert_eq!(state.visible.history.led.len(), 1, "once");
}
