//! Each invariant of the model falls in a state that violates it, and where another is violated
//! stands; each kind of state that must be reachable is found where it is, and nowhere else.

mod images;

use std::collections::{BTreeMap, BTreeSet};

use veraft::figure2::{Breach, Entry, Leader, Payload, Role, Server, ServerId, Timer, Volatile};

use super::fixtures::{entry, server, stored};
use super::*;
use crate::history::{Event, History};

const A: ServerId = ServerId(0);
const B: ServerId = ServerId(1);
const C: ServerId = ServerId(2);

fn blank(term: u64) -> Entry {
    Entry { term, payload: Payload::Blank }
}

/// A state under construction.
struct State {
    cluster: Cluster,
    state: ClusterState,
}

impl State {
    fn new() -> State {
        let bounds = Bounds { servers: 3, terms: 3, entries: 3, restarts: 3, compactions: 0 };
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

    fn past(mut self, change: impl FnOnce(&mut History)) -> State {
        let mut history = self.state.visible.history.value.clone();
        change(&mut history);
        let histories = &self.cluster.histories;
        self.state.visible.history = histories.intern(history, &self.cluster.renamings);
        self
    }

    fn event(self, event: Event) -> State {
        let event = self.cluster.events.intern(event, &self.cluster.renamings);
        self.past(|past| past.remember(event))
    }

    fn led(self, term: u64, server: ServerId) -> State {
        self.event(Event::Led { term, server })
    }

    /// Entry 1:7 is committed in term 1, and durable on two servers.
    fn committed(self) -> State {
        let committed = Event::Committed { index: 1, entry: entry(1, 7), term: 1 };
        self.event(committed).disk(A, &[(1, 7)]).disk(B, &[(1, 7)])
    }

    /// A blank of term 2 is committed behind all else, in that term.
    fn blank_committed(self) -> State {
        let index = self.state.visible.history.committed.len() as Index + 1;
        self.event(Event::Committed { index, entry: blank(2), term: 2 })
    }

    fn violated(&self) -> Vec<&'static str> {
        let all = invariants().into_iter();
        all.filter(|p| !(p.condition)(&self.cluster, &self.state)).map(|p| p.name).collect()
    }

    /// What of all that should be reachable is so here.
    fn found(&self) -> Vec<&'static str> {
        let blanks = Environment { blanks: true, ..Environment::default() };
        let all = reachable::of(&self.cluster.bounds, &blanks).into_iter().chain([logs_agree()]);
        all.filter(|p| (p.condition)(&self.cluster, &self.state)).map(|p| p.name).collect()
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
    let with = |id, log: &[_], volatile| {
        let server = follower(id, log);
        Server::from_parts(server.config().clone(), server.persistent().clone(), volatile)
    };
    let storing = |id, log: &[_]| {
        with(id, log, Volatile { stored: log.len() as Index, ..Volatile::default() })
    };
    let applying = |id, log: &[_]| {
        with(id, log, Volatile { commit_index: 1, last_applied: 1, ..Volatile::default() })
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
            start()
                .node(A, |node| node.witness.led = Some((1, stored(1, &[(1, 7)]).log().clone()))),
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
        (APPLIED_DURABLE, start().disk(A, &[]).server(A, storing(A, &[(1, 7)]))),
        (APPLIED_DURABLE, start().disk(A, &[(2, 9)]).server(A, storing(A, &[(1, 7)]))),
        (APPLIED_DURABLE, start().disk(A, &[(1, 7)]).server(A, applying(A, &[(1, 7)]))),
        (TERMS_IN_ORDER, start().disk(A, &[(2, 7), (1, 8)])),
        (TERMS_IN_ORDER, start().server(A, follower(A, &[(2, 7), (1, 8)]))),
        (ASSERTIONS, start().node(A, |node| node.failed = Some("so it is".to_owned()))),
        (
            TRUE_ANSWERS,
            start().node(A, |node| node.replica.untrue_answer = Some(UntrueAnswer::Changed)),
        ),
        (NO_BREACH, start().node(A, |node| node.replica.breach = Some(Breach::Sender))),
        (REFINEMENT, start().node(A, |node| node.replica.objection = Some("so it is".to_owned()))),
    ];
    // Whoever it is that violates it.
    let elsewhere = [B, C].into_iter().flat_map(|id| {
        let log = follower(id, &[(2, 7), (1, 8)]);
        [
            (ONE_VOTE, start().node(id, |node| node.witness.votes = [A, B].into())),
            (MONOTONE_TERM, start().node(id, |node| node.witness.term = 1)),
            (MONOTONE_COMMIT, start().node(id, |node| node.witness.commit_index = 1)),
            (TERMS_IN_ORDER, start().server(id, log)),
            (ASSERTIONS, start().node(id, |node| node.failed = Some("so it is".to_owned()))),
            (NO_BREACH, start().node(id, |node| node.replica.breach = Some(Breach::Sender))),
        ]
    });
    let violations: Vec<_> = violations.into_iter().chain(elsewhere).collect();
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

#[test]
fn what_must_be_reachable_is_found_where_it_is_and_nowhere_else() {
    let start = State::new;
    let at_term = |id, term| server(id, false, stored(term, &[]));
    let led_by = |log: &[_]| start().server(A, server(A, true, stored(2, log)));
    let holds = |id, log: &[_]| server(id, false, stored(2, log));
    let in_its_term = Event::Committed { index: 1, entry: entry(2, 7), term: 2 };
    let in_a_later_term = Event::Committed { index: 1, entry: entry(1, 7), term: 2 };
    let later = || start().event(in_a_later_term.clone());
    let after_restart = start().committed().past(|past| past.committed_after_restart = true);
    let restarted = start().led(1, A).server(A, at_term(A, 2)).past(|past| past.restarts = 1);
    let of_blank = Event::Committed { index: 1, entry: blank(1), term: 2 };
    let cases: Vec<(&str, State, &[&str])> = vec![
        ("nothing happened", start(), &[]),
        ("two of three terms were led", start().led(1, A).led(2, A), &[]),
        ("all were, by anybody", start().led(3, C).led(1, A).led(2, A), &[LEADERS_ELECTED]),
        ("its term is over", start().led(1, A).server(A, at_term(A, 2)), &[LEADER_DEPOSED]),
        ("its term goes on", start().led(2, A).server(A, at_term(A, 2)), &[]),
        ("another's term is over", start().led(1, A).server(B, at_term(B, 2)), &[]),
        ("a crash deposed it", restarted, &[]),
        ("committed in its own term", start().event(in_its_term.clone()), &[ENTRY_COMMITTED]),
        ("committed in a later term", later(), &[ENTRY_COMMITTED, EARLIER_TERM_COMMITTED]),
        (
            "a blank of the later term behind it",
            later().blank_committed(),
            &[ENTRY_COMMITTED, EARLIER_TERM_COMMITTED, BLANK_COMMITS],
        ),
        (
            "a command of the later term behind it",
            later().event(Event::Committed { index: 2, entry: entry(2, 8), term: 2 }),
            &[ENTRY_COMMITTED, EARLIER_TERM_COMMITTED],
        ),
        (
            "behind a blank alone",
            start().event(of_blank).blank_committed(),
            &[ENTRY_COMMITTED, EARLIER_TERM_COMMITTED],
        ),
        (
            "a blank behind its own term's entry",
            start().event(in_its_term).blank_committed(),
            &[ENTRY_COMMITTED],
        ),
        ("after a restart", after_restart, &[ENTRY_COMMITTED, COMMITTED_AFTER_RESTART]),
        ("a leader of empty logs", led_by(&[]), &[LOGS_AGREE]),
        ("others lack its entry", led_by(&[(1, 7)]).server(B, holds(B, &[(1, 7)])), &[]),
        (
            "all hold its entry, one more",
            led_by(&[(1, 7)]).server(B, holds(B, &[(1, 7)])).server(C, holds(C, &[(1, 7), (1, 8)])),
            &[LOGS_AGREE],
        ),
    ];
    for (what, state, found) in &cases {
        assert_eq!(&state.found(), found, "{what}");
    }
    for property in reachable::of::<Server>(
        &State::new().cluster.bounds,
        &Environment { blanks: true, ..Environment::default() },
    ) {
        let name = property.name;
        assert!(cases.iter().any(|(_, _, found)| found.contains(&name)), "{name} is never found");
    }
}

/// What cannot be is not looked for, and nothing else is left out.
#[test]
fn what_is_looked_for_depends_on_the_bounds() {
    let looked_for = |[servers, terms, entries, restarts]: [u64; 4], blanks| {
        let (servers, restarts) = (servers as usize, restarts as u32);
        let bounds = Bounds { servers, terms, entries, restarts, compactions: 0 };
        let environment = Environment { blanks, ..Environment::default() };
        let all = of::<Server>(&bounds, &environment).into_iter();
        let all = all.map(|p| p.name).skip(invariants::<Server>().len());
        all.collect::<Vec<_>>()
    };
    const LED: &str = LEADERS_ELECTED;
    const EARLIER: &str = EARLIER_TERM_COMMITTED;
    let cases: &[([u64; 4], &[&str])] = &[
        ([3, 1, 0, 0], &[LED]),
        ([3, 2, 0, 0], &[LED, LEADER_DEPOSED]),
        ([3, 1, 1, 0], &[LED, ENTRY_COMMITTED]),
        ([3, 1, 2, 1], &[LED, ENTRY_COMMITTED, COMMITTED_AFTER_RESTART]),
        ([3, 2, 1, 0], &[LED, LEADER_DEPOSED, ENTRY_COMMITTED]),
        ([3, 2, 2, 0], &[LED, LEADER_DEPOSED, ENTRY_COMMITTED, EARLIER]),
        ([3, 2, 2, 1], &[LED, LEADER_DEPOSED, ENTRY_COMMITTED, EARLIER, COMMITTED_AFTER_RESTART]),
        ([1, 1, 0, 0], &[LED]),
        ([1, 2, 0, 0], &[]),
        ([1, 2, 0, 1], &[LED]),
        ([1, 3, 0, 1], &[]),
        ([1, 2, 2, 1], &[LED, ENTRY_COMMITTED, COMMITTED_AFTER_RESTART]),
    ];
    for (bounds, names) in cases {
        assert_eq!(&looked_for(*bounds, false), names, "{bounds:?}");
    }
    for (bounds, names) in cases {
        let mut with_blanks = names.to_vec();
        if let Some(place) = names.iter().position(|name| *name == EARLIER) {
            with_blanks.insert(place + 1, BLANK_COMMITS);
        }
        assert_eq!(looked_for(*bounds, true), with_blanks, "{bounds:?} with blanks");
    }
}
