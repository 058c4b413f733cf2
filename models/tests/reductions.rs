//! Every reduction against the full exploration: the same servers' states are reachable, up to
//! renaming, every invariant holds, and the same is found.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use stateright::{Expectation, Model};
use veraft_models::orbit::{Ref, Rename, Renaming, hash_of};
use veraft_models::{
    Bounds, Cluster, ClusterState, Environment, Event, ModelNode, Pending, Post, Visible,
};

/// A state without its fingerprint.
type Exact = (Vec<Ref<ModelNode>>, BTreeSet<(Option<u64>, u64)>, BTreeSet<Event>, (u32, u32, bool));

/// What two states must differ in to be told apart. Letters under way are told by their own
/// fingerprints, which are 64 bits of a few hundred values.
fn exact(state: &ClusterState) -> Exact {
    let post = |post: &Post| match post.shared {
        Some(shared) => (Some(shared.fingerprint()), 0),
        None => (None, post.letter.fingerprint()),
    };
    let Visible { nodes, history } = &state.visible;
    (
        nodes.clone(),
        state.posts().map(|letter| post(&letter)).collect(),
        history.events().map(|event| event.value.clone()).collect(),
        (history.restarts, history.compactions, history.committed_after_restart),
    )
}

/// What a search finds: the orbits of the servers' states, how many states there are in all, and
/// what is reachable of that which should be.
struct Findings {
    servers: HashSet<u64>,
    states: usize,
    discoveries: BTreeSet<&'static str>,
}

fn explore(bounds: Bounds, environment: Environment) -> Findings {
    let cluster = Cluster::new(bounds, environment);
    let renamings = Renaming::all(bounds.servers);
    let mut lanes: HashMap<_, Vec<u64>> = HashMap::new();
    let mut found = Findings { servers: HashSet::new(), states: 0, discoveries: BTreeSet::new() };
    let mut queue: VecDeque<_> = cluster.init_states().into();
    let mut seen: HashSet<u64> = queue.iter().map(|state| state.fingerprint()).collect();
    let mut exact_states: HashSet<Exact> = queue.iter().map(exact).collect();
    let mut actions = Vec::new();
    while let Some(state) = queue.pop_front() {
        let mut sums = vec![0u64; renamings.len()];
        for &node in &state.visible.nodes {
            let lanes = lanes.entry(node).or_insert_with(|| {
                let mut server = node.value.clone();
                // Not the messages that wait for the disk: they belong to the network.
                let saves = server.pending.iter().map(|pending| pending.save.clone());
                let bare = |save| Pending { save, handed: None, send: BTreeSet::new() };
                server.pending = saves.map(bare).collect::<Vec<_>>().into();
                renamings.iter().map(|r| hash_of(&server.rename(r))).collect()
            });
            sums.iter_mut().zip(lanes).for_each(|(sum, lane)| *sum = sum.wrapping_add(*lane));
        }
        found.servers.extend(sums.into_iter().min());
        for property in cluster.properties() {
            let holds = (property.condition)(&cluster, &state);
            let sought = property.expectation == Expectation::Sometimes;
            assert!(holds || sought, "{} is violated in {state:?}", property.name);
            if holds && sought {
                found.discoveries.insert(property.name);
            }
        }
        cluster.actions(&state, &mut actions);
        for action in actions.drain(..) {
            let Some(next) = cluster.next_state(&state, action) else { continue };
            if !environment.symmetry {
                exact_states.insert(exact(&next));
            }
            if seen.insert(next.fingerprint()) {
                queue.push_back(next);
            }
        }
    }
    found.states = seen.len();
    if !environment.symmetry {
        assert_eq!(seen.len(), exact_states.len(), "fingerprints of {bounds:?} {environment:?}");
    }
    found
}

fn compare(servers: usize, terms: u64, entries: u64, restarts: u32, torn: bool) {
    compare_within(Bounds { servers, terms, entries, restarts, compactions: 0 }, torn);
}

fn compare_within(bounds: Bounds, torn: bool) {
    let full =
        Environment { symmetry: false, keep_dead_letters: true, torn, ..Environment::default() };
    let reductions = [
        Environment { symmetry: true, ..full },
        Environment { keep_dead_letters: false, ..full },
        Environment { symmetry: true, keep_dead_letters: false, ..full },
        Environment { symmetry: true, keep_dead_letters: false, audit: true, ..full },
    ];
    let all = explore(bounds, full);
    for reduced in reductions {
        let fewer = explore(bounds, reduced);
        println!("{} of {} states for {bounds:?} {reduced:?}", fewer.states, all.states);
        assert_eq!(fewer.discoveries, all.discoveries, "{bounds:?} {reduced:?}");
        let differ = fewer.servers.symmetric_difference(&all.servers).count();
        assert_eq!(differ, 0, "states of the servers, {bounds:?} {reduced:?}");
    }
}

#[test]
fn elections() {
    compare(3, 1, 0, 0, false);
    compare(3, 1, 0, 2, false);
    compare(2, 3, 0, 2, false);
}

#[test]
fn replication() {
    compare(3, 1, 1, 0, false);
    compare(2, 2, 2, 1, false);
}

#[test]
#[ignore = "long: .ci/long.sh runs it"]
fn replication_in_three_terms() {
    compare(2, 3, 1, 1, false);
}

#[test]
fn compactions() {
    let within = |[servers, terms, entries, restarts, compactions]: [u64; 5], torn| {
        let (servers, restarts) = (servers as usize, restarts as u32);
        let compactions = compactions as u32;
        compare_within(Bounds { servers, terms, entries, restarts, compactions }, torn);
    };
    within([1, 3, 2, 2, 2], false);
    within([1, 2, 2, 1, 2], true);
    within([2, 2, 2, 1, 2], false);
    within([2, 2, 1, 1, 1], true);
    within([3, 1, 1, 0, 1], false);
    within([3, 1, 1, 1, 1], false);
}

#[test]
fn torn_steps() {
    compare(3, 1, 0, 1, true);
    compare(2, 2, 1, 1, true);
}

#[test]
fn torn_steps_of_three_with_an_entry() {
    compare(3, 1, 1, 1, true);
}

/// What is sent again at any moment, to one peer, leads nowhere else than what is sent again to all
/// with each heartbeat.
#[test]
fn repeats_with_heartbeats_are_enough() {
    for (servers, terms, entries, torn) in [(2, 2, 2, false), (2, 2, 1, true), (3, 1, 1, false)] {
        let bounds = Bounds { servers, terms, entries, restarts: 0, compactions: 0 };
        let with_heartbeats = Environment { torn, ..Environment::default() };
        let all = explore(bounds, Environment { repeats: true, ..with_heartbeats });
        let fewer = explore(bounds, with_heartbeats);
        println!("{} of {} states for {bounds:?}", fewer.states, all.states);
        assert_eq!(fewer.discoveries, all.discoveries, "{bounds:?}");
        assert_eq!(fewer.servers, all.servers, "states of the servers, {bounds:?}");
    }
}
