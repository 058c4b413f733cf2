//! What must always hold, and what must be reachable for that to mean anything.

use stateright::Property;
use veraft::figure2::{Entry, Index, Leader, Log, Payload, Role, Server, Term};

use crate::cluster::{Bounds, Cluster, Environment};
use crate::history::Event;
use crate::modelled::Modelled;
use crate::node::Node;
use crate::orbit::Ref;
use crate::state::ClusterState;

/// At most one server leads a term, at the same moment or at different ones (§5.2).
pub const ELECTION_SAFETY: &str = "Election Safety";
/// A leader never overwrites or deletes entries of its log; it only appends (§5.3).
pub const LEADER_APPEND_ONLY: &str = "Leader Append-Only";
/// Two logs that hold an entry of the same index and term are identical up to it (§5.3).
pub const LOG_MATCHING: &str = "Log Matching";
/// An entry committed in a term is in the log of every leader of a later term (§5.4).
pub const LEADER_COMPLETENESS: &str = "Leader Completeness";
/// No two servers apply different entries at the same index (§5.4.3).
pub const STATE_MACHINE_SAFETY: &str = "State Machine Safety";
/// `currentTerm` never falls, not by a restart either (Figure 2).
pub const MONOTONE_TERM: &str = "Monotone currentTerm";
/// A server votes for at most one candidate in a term, restarts or not (§5.2).
pub const ONE_VOTE: &str = "One vote per term";
/// `commitIndex` falls only by a restart (Figure 2).
pub const MONOTONE_COMMIT: &str = "Monotone commitIndex";
/// Whatever is committed is durably stored by a majority (§5.3).
pub const COMMIT_DURABILITY: &str = "Commit durability";
/// No server that could still win an election lacks a committed entry (§5.4.1). It falls sooner
/// than Leader Completeness, which needs the election too.
pub const ELECTABLE: &str = "Electable servers are complete";
/// What a leader believes a peer to hold, the peer durably holds (§5.3).
pub const MATCH_INDEX_TRUE: &str = "matchIndex is true";
/// Terms never decrease along a log (§5.3).
pub const TERMS_IN_ORDER: &str = "Terms in order";

/// No assertion of the core fails.
pub const ASSERTIONS: &str = "Assertions";

/// No server takes a message of a peer for one that no correct peer sends.
pub const NO_BREACH: &str = "No breach";

/// In every term of the scope, one after the other, there is a leader.
pub const LEADERS_ELECTED: &str = "a leader is elected in every term";
/// A leader loses its office.
pub const LEADER_DEPOSED: &str = "a leader is deposed";
/// An entry is committed.
pub const ENTRY_COMMITTED: &str = "an entry is committed";
/// An entry is committed by a leader of a later term than its own.
pub const EARLIER_TERM_COMMITTED: &str = "an entry of an earlier term is committed";
/// The cluster still commits after a server has crashed.
pub const COMMITTED_AFTER_RESTART: &str = "an entry is committed after a restart";
/// A blank of a later term commits a client's entry.
pub const BLANK_COMMITS: &str = "a blank commits an entry of an earlier term";
/// A leader has brought all its entries to everybody.
pub const LOGS_AGREE: &str = "every log holds the leader's entries";

/// For a cluster whose logs differ from the beginning: [`LOGS_AGREE`].
pub fn logs_agree<P: Modelled>() -> Property<Cluster<P>> {
    Property::sometimes(LOGS_AGREE, |_, state| {
        let log = |server: &'static Server| server.log().entries();
        servers(state)
            .filter(|leader| leader.is_leader())
            .any(|leader| servers(state).all(|other| log(leader).is_prefix_of(log(other))))
    })
}

/// The properties of a cluster within `bounds`: every invariant, and what is reachable there.
pub fn of<P: Modelled>(bounds: &Bounds, environment: &Environment) -> Vec<Property<Cluster<P>>> {
    let mut properties = vec![
        Property::always(ELECTION_SAFETY, election_safety),
        Property::always(ONE_VOTE, one_vote),
        Property::always(MONOTONE_TERM, monotone_term),
        Property::always(LEADER_APPEND_ONLY, leader_append_only),
        Property::always(LOG_MATCHING, log_matching),
        Property::always(LEADER_COMPLETENESS, leader_completeness),
        Property::always(STATE_MACHINE_SAFETY, state_machine_safety),
        Property::always(MONOTONE_COMMIT, monotone_commit),
        Property::always(COMMIT_DURABILITY, commit_durability),
        Property::always(ELECTABLE, electable_are_complete),
        Property::always(MATCH_INDEX_TRUE, match_index_true),
        Property::always(TERMS_IN_ORDER, terms_in_order),
        Property::always(ASSERTIONS, assertions),
        Property::always(NO_BREACH, no_breach),
    ];
    // A server alone leads until it crashes, so each further term takes a restart.
    let alone = bounds.servers == 1;
    if !alone || bounds.terms <= Term::from(bounds.restarts) + 1 {
        properties.push(Property::sometimes(LEADERS_ELECTED, leaders_elected));
    }
    if !alone && bounds.terms > 1 {
        properties.push(Property::sometimes(LEADER_DEPOSED, leader_deposed));
    }
    if bounds.entries > 0 {
        properties.push(Property::sometimes(ENTRY_COMMITTED, entry_committed));
        // One entry of the earlier term, and one of the later that commits both. Alone, an
        // entry is committed at once, in its own term.
        if !alone && bounds.entries > 1 && bounds.terms > 1 {
            properties.push(Property::sometimes(EARLIER_TERM_COMMITTED, earlier_term_committed));
            if environment.blanks {
                properties.push(Property::sometimes(BLANK_COMMITS, blank_commits));
            }
        }
        if bounds.restarts > 0 {
            properties.push(Property::sometimes(COMMITTED_AFTER_RESTART, committed_after_restart));
        }
    }
    properties
}

fn servers<P: Modelled>(state: &ClusterState<P>) -> impl Iterator<Item = &'static Server> + Clone {
    state.nodes.iter().map(|node| node.value.server())
}

fn committed<P: Modelled>(
    state: &ClusterState<P>,
) -> impl Iterator<Item = (Index, &'static Entry, Term)> {
    state.committed.iter().filter_map(|event| match &event.value {
        Event::Committed { index, entry, term } => Some((*index, entry, *term)),
        Event::Led { .. } => None,
    })
}

fn led<P: Modelled>(
    state: &ClusterState<P>,
) -> impl Iterator<Item = (Term, veraft::figure2::ServerId)> + Clone {
    state.led.iter().filter_map(|event| match event.value {
        Event::Led { term, server } => Some((term, server)),
        Event::Committed { .. } => None,
    })
}

fn election_safety<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    let mut others = led(state);
    while let Some((term, _)) = others.next() {
        if others.clone().any(|(other, _)| other == term) {
            return false;
        }
    }
    true
}

fn one_vote<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    state.nodes.iter().all(|node| node.witness.votes.len() <= 1)
}

fn monotone_term<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    state.nodes.iter().all(|node| node.server().current_term() >= node.witness.term)
}

fn leader_append_only<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    state.nodes.iter().all(|node| match &node.witness.led {
        Some((_, seen)) => seen.is_prefix_of(node.server().log().entries()),
        None => true,
    })
}

fn log_matching<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    let mut others = servers(state);
    while let Some(one) = others.next() {
        if !others.clone().all(|other| match_up(one, other)) {
            return false;
        }
    }
    true
}

/// Up to the last index at which the terms are equal, so must be the entries.
fn match_up(one: &Server, other: &Server) -> bool {
    let (one, other) = (one.log(), other.log());
    let common = one.last_index().min(other.last_index());
    let same_term = |index: &Index| one.term_at(*index) == other.term_at(*index);
    let last_match = (1..=common).rev().find(same_term).unwrap_or(0) as usize;
    let mut pairs = one.entries().iter().zip(other.entries().iter()).take(last_match);
    pairs.all(|(a, b)| a == b)
}

fn leader_completeness<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    servers(state).filter(|server| server.is_leader()).all(|leader| {
        committed(state)
            .filter(|&(_, _, term)| term < leader.current_term())
            .all(|(index, entry, _)| leader.log().get(index) == Some(entry))
    })
}

fn state_machine_safety<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    state.nodes.iter().all(|node| {
        let expected = committed(state).map(|(index, entry, _)| (index, entry));
        let applied = &node.replica.applied;
        let in_order = (1..).zip(applied).all(|(place, (index, _))| place == *index);
        in_order && applied.iter().zip(expected).all(|((_, a), (_, b))| a == b)
    })
}

fn monotone_commit<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    state
        .nodes
        .iter()
        .all(|node| node.server().volatile().commit_index >= node.witness.commit_index)
}

fn commit_durability<P: Modelled>(cluster: &Cluster<P>, state: &ClusterState<P>) -> bool {
    committed(state).all(|(index, entry, _)| {
        let holders = state.nodes.iter().filter(|node| node.disk.log().get(index) == Some(entry));
        holders.count() >= cluster.majority()
    })
}

/// A server could win if its durable log is as up to date as those of a majority, its own
/// included.
fn electable_are_complete<P: Modelled>(cluster: &Cluster<P>, state: &ClusterState<P>) -> bool {
    if state.committed.is_empty() {
        return true;
    }
    let rank = |node: &Ref<Node<P>>| (node.disk.log().last_term(), node.disk.log().last_index());
    let could_win = |node: &&Ref<Node<P>>| {
        let voters = state.nodes.iter().filter(|voter| rank(voter) <= rank(node));
        voters.count() >= cluster.majority()
    };
    state.nodes.iter().filter(could_win).all(|node| {
        committed(state).all(|(index, entry, _)| node.disk.log().get(index) == Some(entry))
    })
}

/// Only of peers that the leader's term has not ended for: a later leader may replace what was
/// not committed.
fn match_index_true<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    servers(state).all(|leader| match &leader.volatile().role {
        Role::Leader(Leader { match_index, .. }) => match_index.iter().all(|(&peer, &matched)| {
            let disk = &state.node(peer).disk;
            let held = disk.log().entries().iter();
            let agreed = held.zip(leader.log().entries().iter()).take_while(|(a, b)| a == b);
            disk.current_term() > leader.current_term() || agreed.count() as Index >= matched
        }),
        Role::Follower { .. } | Role::Candidate { .. } => true,
    })
}

fn terms_in_order<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    state.nodes.iter().all(|node| {
        let in_order = |log: &Log| log.entries().iter().is_sorted_by_key(|entry| entry.term);
        in_order(node.disk.log()) && in_order(node.server().log())
    })
}

fn assertions<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    state.nodes.iter().all(|node| node.failed.is_none())
}

fn no_breach<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    state.nodes.iter().all(|node| node.replica.breach.is_none())
}

fn leaders_elected<P: Modelled>(cluster: &Cluster<P>, state: &ClusterState<P>) -> bool {
    (1..=cluster.bounds.terms).all(|term| led(state).any(|(led, _)| led == term))
}

fn leader_deposed<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    led(state).any(|(term, leader)| {
        let node = state.node(leader);
        node.server().current_term() > term && state.restarts == 0
    })
}

fn entry_committed<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    !state.committed.is_empty()
}

fn earlier_term_committed<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    committed(state).any(|(_, entry, term)| entry.term < term)
}

fn blank_commits<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    let mut events = committed(state).skip_while(|(_, entry, term)| entry.term == *term);
    let earlier = events.next().is_some_and(|(_, entry, _)| entry.payload != Payload::Blank);
    earlier && events.any(|(_, entry, term)| entry.term == term && entry.payload == Payload::Blank)
}

fn committed_after_restart<P: Modelled>(_: &Cluster<P>, state: &ClusterState<P>) -> bool {
    state.committed_after_restart
}
