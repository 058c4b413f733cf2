//! Saturation and the antichain against the search that takes every step and looks at every
//! state: the same visible parts are reachable, the same servers, and the same is found.

use std::collections::{BTreeSet, HashMap, HashSet};

use stateright::{Expectation, Model};
use veraft::figure2::{ServerId, Timer};
use veraft_models::{Bounds, Cluster, ClusterState, Environment, LetterSets, Memo, Move};

/// What a search finds, and how many states it looks at.
#[derive(PartialEq, Eq)]
struct Findings {
    visible: HashSet<u128>,
    servers: HashSet<u64>,
    discoveries: BTreeSet<&'static str>,
}

/// The states of one kin that none covers, by their sets.
type Maximal = HashMap<u128, Vec<Vec<u32>>>;

fn explore(cluster: &Cluster) -> (Findings, usize) {
    let (mut visible, mut servers) = (HashSet::new(), HashSet::new());
    let mut discoveries = BTreeSet::new();
    let (mut memo, mut known) = (Memo::default(), LetterSets::default());
    let (mut seen, mut maximal) = (HashSet::new(), Maximal::new());
    let mut queue: Vec<ClusterState> = Vec::new();
    let mut looked_at = 0;
    let mut found = cluster.init_states();
    loop {
        for state in found.drain(..) {
            let is_new = match cluster.environment.antichain {
                true => is_maximal(cluster, &mut known, &mut maximal, &state),
                false => seen.insert(state.fingerprint()),
            };
            if is_new {
                queue.push(state);
            }
        }
        let Some(state) = queue.pop() else { break };
        looked_at += 1;
        visible.insert(state.visible_fingerprint().0);
        servers.insert(state.servers_fingerprint());
        for property in cluster.properties() {
            let holds = (property.condition)(cluster, &state);
            let sought = property.expectation == Expectation::Sometimes;
            assert!(holds || sought, "{} is violated in {state:?}", property.name);
            if holds && sought {
                discoveries.insert(property.name);
            }
        }
        cluster.successors(&mut memo, &state, |next| found.push(next.clone()));
    }
    (Findings { visible, servers, discoveries }, looked_at)
}

fn is_maximal(
    cluster: &Cluster,
    known: &mut LetterSets,
    maximal: &mut Maximal,
    state: &ClusterState,
) -> bool {
    let mut sets = Vec::new();
    cluster.letter_sets(known, state, &mut sets);
    let mut covers = |all: &[u32], part: &[u32]| {
        all.iter().zip(part).all(|(&all, &part)| cluster.set_contains(known, all, part))
    };
    let others = maximal.entry(state.visible_fingerprint().0).or_default();
    let is_new = !others.iter().any(|other| covers(other, &sets));
    if is_new {
        others.retain(|other| !covers(&sets, other));
        others.push(sets);
    }
    is_new
}

fn reductions(full: Environment) -> [Environment; 3] {
    [
        Environment { saturation: true, ..full },
        Environment { antichain: true, ..full },
        Environment { saturation: true, antichain: true, ..full },
    ]
}

fn compare(servers: usize, terms: u64, entries: u64, restarts: u32, full: Environment) {
    compare_after(&[], Bounds { servers, terms, entries, restarts, compactions: 0 }, full);
}

fn compare_after(prefix: &[Move], bounds: Bounds, full: Environment) {
    let begin = |environment| Cluster::new(bounds, environment).after(prefix).unwrap();
    let (all, states) = explore(&begin(full));
    for reduced in reductions(full) {
        let cluster = begin(reduced);
        let (found, looked_at) = explore(&cluster);
        println!("{looked_at} of {states} states for {bounds:?} {reduced:?}");
        assert_eq!(found.discoveries, all.discoveries, "{bounds:?} {reduced:?}");
        let visible = found.visible.symmetric_difference(&all.visible).count();
        assert_eq!(visible, 0, "visible parts of {}: {bounds:?} {reduced:?}", all.visible.len());
        assert!(found.servers == all.servers, "{bounds:?} {reduced:?}");
    }
}

const REDUCED: Environment = Environment::REDUCED;
const TORN: Environment = Environment { torn: true, ..REDUCED };
const BLANKS: Environment = Environment { blanks: true, ..REDUCED };
const PROPOSALS: Environment = Environment { proposals: true, ..REDUCED };
const VOUCHED: Environment = Environment { vouched: true, ..REDUCED };
const SINGLE: Environment = Environment { batch: Some(1), ..REDUCED };
const APART: Environment = Environment { symmetry: false, ..REDUCED };
const PLAIN: Environment = Environment { keep_dead_letters: true, ..APART };
const AUDITED: Environment = Environment { audit: true, ..REDUCED };

#[test]
fn elections() {
    compare(1, 3, 0, 2, REDUCED);
    compare(2, 3, 0, 2, REDUCED);
    compare(3, 1, 0, 2, REDUCED);
    compare(3, 2, 0, 1, REDUCED);
    compare(4, 1, 0, 1, REDUCED);
    compare(4, 2, 0, 0, REDUCED);
}

#[test]
fn replication() {
    compare(2, 2, 2, 1, REDUCED);
    compare(2, 1, 3, 1, REDUCED);
    compare(3, 1, 1, 1, REDUCED);
    compare(3, 1, 2, 0, REDUCED);
    compare(2, 2, 2, 1, SINGLE);
    compare(3, 2, 1, 0, REDUCED);
}

#[test]
fn half_of_the_states_are_looked_at() {
    let bounds = Bounds { servers: 3, terms: 2, entries: 1, restarts: 0, compactions: 0 };
    let looked_at = |environment| explore(&Cluster::new(bounds, environment)).1;
    let all = looked_at(REDUCED);
    let [saturated, maximal, both] = reductions(REDUCED).map(looked_at);
    println!("{all}: {saturated} saturated, {maximal} maximal, {both} both");
    assert!(2 * both < all && both < saturated && both < maximal);
    assert!(saturated < all && maximal < all);
}

#[test]
fn compactions() {
    let within = |servers, terms, entries, restarts, compactions| Bounds {
        servers,
        terms,
        entries,
        restarts,
        compactions,
    };
    compare_after(&[], within(1, 2, 2, 1, 2), REDUCED);
    compare_after(&[], within(1, 2, 2, 1, 2), TORN);
    compare_after(&[], within(2, 2, 2, 1, 2), REDUCED);
    compare_after(&[], within(2, 2, 1, 1, 1), TORN);
    compare_after(&[], within(3, 1, 1, 1, 1), REDUCED);
    compare_after(&[], within(3, 1, 2, 0, 1), REDUCED);
    compare_after(&[], within(3, 2, 1, 0, 1), REDUCED);
    compare_after(&[], within(3, 1, 1, 0, 1), APART);
    compare_after(&[], within(3, 1, 1, 0, 1), AUDITED);
    compare_after(&[], within(2, 2, 2, 1, 1), VOUCHED);
    compare_after(&[], within(3, 1, 2, 0, 1), VOUCHED);
}

#[test]
fn torn_steps() {
    compare(2, 2, 1, 1, TORN);
    compare(3, 1, 0, 1, TORN);
    compare(3, 1, 1, 0, TORN);
}

#[test]
fn other_environments() {
    compare(2, 2, 2, 0, BLANKS);
    compare(3, 1, 2, 0, BLANKS);
    compare(2, 2, 2, 1, PROPOSALS);
    compare(3, 1, 1, 0, PROPOSALS);
    compare(3, 1, 1, 0, APART);
    compare(2, 2, 1, 1, PLAIN);
    compare(3, 1, 0, 0, PLAIN);
    compare(2, 2, 1, 1, AUDITED);
}

/// One of three leads, and has an entry that it has told nobody of.
#[test]
fn behind_a_script() {
    let [one, two] = [ServerId(0), ServerId(1)];
    let boot = Cluster::new(
        Bounds { servers: 3, terms: 1, entries: 1, restarts: 0, compactions: 0 },
        PLAIN,
    );
    let mut prefix = vec![Move::Timeout { server: one, timer: Timer::Election }];
    let mut state = boot.init_states().remove(0);
    state = boot.follow(&state, &prefix[0]).unwrap().state;
    for to in [two, one] {
        let letter = state.letters().find(|letter| letter.to == to).unwrap();
        prefix.push(Move::Deliver(letter.value.clone()));
        state = boot.follow(&state, prefix.last().unwrap()).unwrap().state;
    }
    prefix.push(Move::Propose { server: one });
    prefix.push(Move::LoseAll);
    for environment in [REDUCED, APART, BLANKS] {
        let bounds = Bounds { servers: 3, terms: 2, entries: 1, restarts: 0, compactions: 0 };
        compare_after(&prefix, bounds, environment);
    }
}

/// What a search found can really happen, and leads to the same servers.
#[test]
fn paths_unfold_into_real_steps() {
    for environment in [REDUCED, TORN, BLANKS, PROPOSALS] {
        let bounds = Bounds { servers: 3, terms: 2, entries: 1, restarts: 1, compactions: 0 };
        let reduced = Environment { saturation: true, ..environment };
        let saturated = Cluster::new(bounds, reduced);
        let plain = Cluster::new(
            bounds,
            Environment { symmetry: false, keep_dead_letters: true, ..environment },
        );
        let mut silent = 0;
        for seed in 0..60_usize {
            let (mut state, mut path) = (saturated.init_states().remove(0), Vec::new());
            for step in 0..25 {
                let mut actions = Vec::new();
                saturated.actions(&state, &mut actions);
                if actions.is_empty() {
                    break;
                }
                let start = (seed * 7919 + step * 104_729) % actions.len();
                let next = actions[start..]
                    .iter()
                    .chain(&actions[..start])
                    .find_map(|action| Some((*action, saturated.next_state(&state, *action)?)));
                let Some((action, next)) = next else { break };
                path.push(action);
                state = next;
            }
            let unfolded = saturated.unfold(&path);
            silent += unfolded.silent;
            assert_eq!(unfolded.actions.len(), path.len() + unfolded.silent);
            let mut real = plain.init_states().remove(0);
            for action in unfolded.actions {
                real = plain.follow(&real, &Move::from(action)).unwrap().state;
            }
            let nodes = |state: &ClusterState| -> Vec<String> {
                state.visible.nodes.iter().map(|node| format!("{:?}", node.value)).collect()
            };
            assert_eq!(nodes(&real), nodes(&state));
        }
        assert!(silent > 0, "no path needed a silent step");
    }
}
