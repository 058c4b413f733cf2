//! Each invariant of the model falls in a state that violates it, and where another is violated
//! stands.

use std::collections::{BTreeMap, BTreeSet};

use veraft::figure2::{Breach, Leader, Role, Server, ServerId, Timer, Volatile};

use super::fixtures::{entries, entry, server, stored};
use super::*;
use crate::history::Event;

const A: ServerId = ServerId(0);
const B: ServerId = ServerId(1);
const C: ServerId = ServerId(2);

/// A state under construction.
struct State {
    cluster: Cluster,
    state: ClusterState,
}

impl State {
    fn new() -> State {
        let bounds = Bounds { servers: 3, terms: 3, entries: 3, restarts: 3 };
        let cluster = Cluster::new(bounds, Environment::default());
        let state = cluster.boot();
        State { cluster, state }
    }

    fn node(mut self, id: ServerId, change: impl FnOnce(&mut ModelNode)) -> State {
        let mut node = self.state.node(id).value.clone();
        change(&mut node);
        self.state.replace(self.cluster.nodes.intern(node, &self.cluster.renamings));
        self
    }

    fn server(self, id: ServerId, server: Server) -> State {
        self.node(id, |node| {
            let fits = if server.is_leader() { Timer::Heartbeat } else { Timer::Election };
            node.timers = [fits].into();
            node.replica.server = server;
        })
    }

    fn disk(self, id: ServerId, log: &[(u64, u64)]) -> State {
        self.node(id, |node| node.disk = stored(2, log))
    }

    fn event(mut self, event: Event) -> State {
        self.state.remember(self.cluster.events.intern(event, &self.cluster.renamings));
        self
    }

    fn led(self, term: u64, server: ServerId) -> State {
        self.event(Event::Led { term, server })
    }

    /// Entry 1:7 is committed in term 1, and durable on two servers.
    fn committed(self) -> State {
        let committed = Event::Committed { index: 1, entry: entry(1, 7), term: 1 };
        self.event(committed).disk(A, &[(1, 7)]).disk(B, &[(1, 7)])
    }

    fn violated(&self) -> Vec<&'static str> {
        let all = invariants().into_iter();
        all.filter(|p| !(p.condition)(&self.cluster, &self.state)).map(|p| p.name).collect()
    }
}

fn leader_that_believes(matched: u64) -> Server {
    leader(Leader { match_index: BTreeMap::from([(C, matched)]), ..Leader::default() })
}

fn leader_that_sends(next: u64) -> Server {
    leader(Leader { next_index: BTreeMap::from([(C, next)]), ..Leader::default() })
}

fn leader(leads: Leader) -> Server {
    let one = server(A, true, stored(2, &[(1, 7)]));
    let role = Role::Leader(leads);
    let volatile = Volatile { role, ..Volatile::default() };
    Server::from_parts(one.config().clone(), one.persistent().clone(), volatile)
}

#[test]
fn what_is_sound_violates_nothing() {
    let leader = server(A, true, stored(2, &[(1, 7)]));
    let sound = State::new().led(1, B).led(2, A).committed().server(A, leader);
    let sound = sound.node(C, |node| node.replica.applied = vec![(1, entry(1, 7))]);
    let sound = sound.node(B, |node| node.witness.votes = [B].into());
    assert_eq!(sound.violated(), [""; 0]);
}

#[test]
fn each_invariant_falls_where_it_is_violated() {
    let start = State::new;
    let follower = |id, log: &[_]| server(id, false, stored(2, log));
    let misstep =
        |misstep| start().node(A, |node| node.replica.missteps = BTreeSet::from([misstep]));
    let follows = |leader| {
        let server = follower(A, &[]);
        let volatile =
            Volatile { role: Role::Follower { leader: Some(leader) }, ..Volatile::default() };
        Server::from_parts(server.config().clone(), server.persistent().clone(), volatile)
    };
    let violations = [
        (TERMS_LEARNT, misstep(Misstep::Term)),
        (TERMS_LEARNT, misstep(Misstep::Role)),
        (TIMERS_WHEN_DUE, misstep(Misstep::ElectionTimer)),
        (TIMERS_WHEN_DUE, misstep(Misstep::HeartbeatTimer)),
        (TRUE_REPLIES, misstep(Misstep::Reply)),
        (TRUE_REPLIES, misstep(Misstep::Hint)),
        (SENT_WHEN_DUE, misstep(Misstep::Sends)),
        (NEXT_INDEX_FOLLOWS, misstep(Misstep::NextIndex)),
        (TIMERS_FIT, start().node(A, |node| node.timers = [].into())),
        (LEADERS_KNOWN, misstep(Misstep::Leader)),
        (LEADERS_KNOWN, start().led(1, B).server(A, follows(B))),
        (NEXT_INDEX_RANGE, start().server(A, leader_that_sends(3))),
        (ELECTION_SAFETY, start().led(1, A).led(1, B)),
        (ONE_VOTE, start().node(A, |node| node.witness.votes = [A, B].into())),
        (MONOTONE_TERM, start().node(A, |node| node.witness.term = 1)),
        (
            LEADER_APPEND_ONLY,
            start().node(A, |node| node.witness.led = Some((1, entries(&[(1, 7)])))),
        ),
        (LOG_MATCHING, start().server(A, follower(A, &[(1, 7)])).server(B, follower(B, &[(1, 8)]))),
        (LEADER_COMPLETENESS, start().committed().server(C, server(C, true, stored(2, &[])))),
        (
            STATE_MACHINE_SAFETY,
            start().committed().node(C, |node| node.replica.applied = vec![(1, entry(1, 8))]),
        ),
        (
            STATE_MACHINE_SAFETY,
            start().committed().node(C, |node| node.replica.applied = vec![(2, entry(1, 7))]),
        ),
        (MONOTONE_COMMIT, start().node(A, |node| node.witness.commit_index = 1)),
        (COMMIT_DURABILITY, start().committed().disk(B, &[]).disk(C, &[])),
        (ELECTABLE, start().committed().disk(C, &[(2, 9)])),
        (MATCH_INDEX_TRUE, start().server(A, leader_that_believes(1))),
        (TERMS_IN_ORDER, start().disk(A, &[(2, 7), (1, 8)])),
        (TERMS_IN_ORDER, start().server(A, follower(A, &[(2, 7), (1, 8)]))),
        (ASSERTIONS, start().node(A, |node| node.failed = Some("so it is".to_owned()))),
        (
            TRUE_ANSWERS,
            start().node(A, |node| node.replica.untrue_answer = Some(UntrueAnswer::Changed)),
        ),
        (NO_BREACH, start().node(A, |node| node.replica.breach = Some(Breach::Sender))),
    ];
    for (name, state) in &violations {
        assert!(state.violated().contains(name), "{name} holds in {:?}", state.state);
    }
    for property in invariants::<Server>() {
        let name = property.name;
        assert!(violations.iter().any(|row| row.0 == name), "nothing violates {name}");
        let falls = violations.iter().filter(|(_, state)| state.violated().contains(&name));
        // What is not durable, a server that could win may lack.
        let elsewhere = falls.filter(|row| row.0 != name && row.0 != COMMIT_DURABILITY);
        assert_eq!(elsewhere.count(), 0, "{name} falls where another is violated");
    }
}
