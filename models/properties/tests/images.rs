//! The invariants of images, each where it is violated, and what must be reachable of snapshots.

use veraft::figure2::{Base, Persistent, Record};

use super::super::images::bases_are_committed;
use super::*;
use crate::images::ImageOrigin;

/// A log whose first entry is compacted, behind its base of this term.
fn behind(last_term: u64, log: &[(u64, u64)]) -> Persistent {
    let mut persistent = stored(2, log);
    persistent.write(Record::Base(Base { last_index: 1, last_term }));
    persistent
}

/// Server `id` has applied entry 1:7, and compacted it.
fn compacted(state: State, id: ServerId) -> State {
    applied(state, id, behind(1, &[(1, 7)])).node(id, |node| node.capture(1))
}

/// The log and the disk of server `id` are these, and entry 1:7 is applied.
fn applied(state: State, id: ServerId, persistent: Persistent) -> State {
    state.node(id, |node| {
        let config = node.server().config().clone();
        let stored = persistent.log().last_index();
        let volatile = Volatile { commit_index: 1, last_applied: 1, stored, ..Volatile::default() };
        node.disk = persistent.clone();
        node.replica.server = Server::from_parts(config, persistent, volatile);
        node.replica.applied = vec![(1, entry(1, 7))];
    })
}

fn violated(state: &State) -> Vec<&'static str> {
    let all = invariants().into_iter().chain(invariants_of_images());
    all.filter(|p| !(p.condition)(&state.cluster, &state.state)).map(|p| p.name).collect()
}

#[test]
fn who_compacts_what_was_committed_violates_nothing() {
    let alone = compacted(State::new().committed(), A);
    assert_eq!(violated(&alone), [""; 0]);
    assert_eq!(violated(&compacted(alone, B)), [""; 0]);
}

#[test]
fn each_invariant_of_images_falls_where_it_is_violated() {
    let start = || State::new().committed();
    let other = || applied(start(), A, behind(1, &[(1, 7)]));
    let violations = [
        (IMAGES_COMMITTED, compacted(State::new(), A)),
        (
            IMAGES_COMMITTED,
            other().node(A, |node| {
                let applied = std::mem::replace(&mut node.replica.applied, vec![(1, entry(1, 8))]);
                node.capture(1);
                node.replica.applied = applied;
            }),
        ),
        (BASES_COMMITTED, compacted(State::new(), B)),
        (
            BASES_COMMITTED,
            applied(start(), A, behind(2, &[(2, 7)])).node(A, |node| node.capture(1)),
        ),
        (
            BASES_COMMITTED,
            start().node(C, |node| {
                node.disk = behind(2, &[(2, 7)]);
                node.capture(1);
            }),
        ),
        (MONOTONE_APPLIED, start().node(C, |node| node.witness.last_applied = 1)),
        (NO_GAP, applied(start(), A, behind(1, &[(1, 7)]))),
        (NO_GAP, compacted(start(), A).node(A, |node| node.replica.applied.clear())),
        (NO_GAP, start().node(C, |node| node.disk = behind(1, &[(1, 7)]))),
        (NO_GAP, start().node(C, |node| node.pending.write(behind(1, &[(1, 7)]), Some(1)))),
    ];
    for (name, state) in &violations {
        let violated = violated(state);
        assert!(violated.contains(name), "{name} holds in {:?}", state.state);
        // What was never committed can be no prefix of it.
        let alike = [IMAGES_COMMITTED, BASES_COMMITTED];
        let others = violated.iter().filter(|other| *other != name && !alike.contains(other));
        let of_images = invariants_of_images::<Server>();
        let others = others.filter(|other| of_images.iter().any(|p| p.name == **other));
        assert_eq!(others.count(), 0, "{violated:?} where {name} is violated");
    }
    for property in invariants_of_images::<Server>() {
        let name = property.name;
        assert!(violations.iter().any(|row| row.0 == name), "nothing violates {name}");
    }
    assert!(bases_are_committed(&start().state.visible).is_ok());
}

/// Behind bases, logs are compared as far as both reach, and with the term of the later base.
#[test]
fn logs_are_read_through_their_bases() {
    let servers = |one: Persistent, other: Persistent| {
        violated(
            &State::new().committed().server(A, server_of(A, one)).server(B, server_of(B, other)),
        )
    };
    let falls = |one, other| servers(one, other).contains(&LOG_MATCHING);
    assert!(!falls(behind(1, &[(1, 7), (2, 8)]), stored(2, &[(1, 7), (2, 8)])));
    assert!(!falls(behind(1, &[(1, 7)]), stored(2, &[(2, 9)])), "one that lags");
    assert!(falls(behind(1, &[(1, 7), (2, 8)]), stored(2, &[(1, 7), (2, 9)])), "behind the base");
    assert!(falls(behind(1, &[(1, 7), (2, 8)]), stored(2, &[(2, 7), (2, 8)])), "at the base");
}

/// A leader is wrong about a peer that holds another entry where the leader begins.
#[test]
fn what_a_leader_has_compacted_the_peer_holds_too() {
    let believes = |persistent: Persistent| {
        let leads = Leader { match_index: BTreeMap::from([(C, 1)]), ..Leader::default() };
        let volatile = Volatile {
            role: Role::Leader(leads),
            commit_index: 1,
            last_applied: 1,
            ..Volatile::default()
        };
        let leader = Server::from_parts(
            server_of(A, behind(1, &[(1, 7)])).config().clone(),
            behind(1, &[(1, 7)]),
            volatile,
        );
        let state = State::new().committed().server(A, leader);
        violated(&state.node(C, |node| node.disk = persistent)).contains(&MATCH_INDEX_TRUE)
    };
    assert!(!believes(stored(2, &[(1, 7)])) && !believes(behind(1, &[(1, 7)])));
    assert!(believes(stored(2, &[(2, 7)])) && believes(stored(2, &[])));
}

/// A server that has applied what its log begins behind.
fn server_of(id: ServerId, persistent: Persistent) -> Server {
    let config = server(id, false, stored(2, &[])).config().clone();
    let (commit_index, last_applied) = match persistent.log().base().last_index {
        0 => (0, 0),
        _ => (1, 1),
    };
    let volatile = Volatile { commit_index, last_applied, ..Volatile::default() };
    Server::from_parts(config, persistent, volatile)
}

#[test]
fn what_comes_of_snapshots_is_found_where_it_is_and_nowhere_else() {
    let bounds = Bounds { servers: 3, terms: 2, entries: 2, restarts: 0, compactions: 1 };
    let found = |state: &State| -> Vec<&'static str> {
        let all = reachable::of(&bounds, &Environment::default()).into_iter();
        let all = all.filter(|p| {
            [BROUGHT_UP, SUFFIX_KEPT, COMMITTED_BEHIND, INSTALLED_LEADS].contains(&p.name)
        });
        all.filter(|p| (p.condition)(&state.cluster, &state.state)).map(|p| p.name).collect()
    };
    let of = |origin: Option<ImageOrigin>, log: &[(u64, u64)], commit_index, leads| {
        applied(State::new().committed(), A, behind(1, log)).node(A, |node| {
            if origin.is_none() {
                node.capture(1);
            } else {
                node.images.receive(1, vec![(1, entry(1, 7))]);
            }
            if origin == Some(ImageOrigin::LeaderBeforeEntries) {
                node.images.stands_before_entries(1);
            }
            let role = if leads { Role::Leader(Leader::default()) } else { Role::default() };
            let volatile = Volatile { role, commit_index, last_applied: 1, ..Volatile::default() };
            let (config, log) = (node.server().config().clone(), node.disk.clone());
            node.replica.server = Server::from_parts(config, log, volatile);
        })
    };
    let two = [(1, 7), (1, 8)];
    let (received, kept) = (Some(ImageOrigin::Leader), Some(ImageOrigin::LeaderBeforeEntries));
    assert_eq!(found(&State::new()), [""; 0]);
    assert_eq!(found(&of(None, &two, 2, true)), [""; 0], "its own image");
    assert_eq!(found(&of(received, &two, 1, false)), [BROUGHT_UP]);
    assert_eq!(found(&of(kept, &two, 1, false)), [BROUGHT_UP, SUFFIX_KEPT]);
    assert_eq!(found(&of(received, &two, 2, false)), [BROUGHT_UP, COMMITTED_BEHIND]);
    assert_eq!(found(&of(received, &two, 1, true)), [BROUGHT_UP, INSTALLED_LEADS]);
}

#[test]
fn snapshots_are_looked_for_where_they_can_be() {
    let looked_for = |servers, terms, entries, compactions| {
        let bounds = Bounds { servers, terms, entries, restarts: 0, compactions };
        let all = of::<Server>(&bounds, &Environment::default()).into_iter().map(|p| p.name);
        let ours = [NO_GAP, BROUGHT_UP, SUFFIX_KEPT, COMMITTED_BEHIND, INSTALLED_LEADS];
        all.filter(|name| ours.contains(name)).collect::<Vec<_>>()
    };
    assert_eq!(looked_for(3, 2, 2, 0), [""; 0]);
    assert_eq!(looked_for(2, 2, 2, 1), [NO_GAP]);
    assert_eq!(looked_for(3, 2, 0, 1), [NO_GAP]);
    assert_eq!(looked_for(3, 1, 1, 1), [NO_GAP, BROUGHT_UP]);
    assert_eq!(looked_for(3, 2, 1, 1), [NO_GAP, BROUGHT_UP, INSTALLED_LEADS]);
    let all = [NO_GAP, BROUGHT_UP, SUFFIX_KEPT, COMMITTED_BEHIND, INSTALLED_LEADS];
    assert_eq!(looked_for(3, 2, 2, 1), all);
}
