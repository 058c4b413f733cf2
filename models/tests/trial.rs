//! A letter that is said to mean less than it does is not believed: the cluster tries it first.

mod liar;

use std::collections::{HashSet, VecDeque};

use liar::{Claim, Liar};
use stateright::Model;
use veraft_models::orbit::hash_of;
use veraft_models::{Bounds, Cluster, Environment, Modelled};

/// What the servers come to, and how many states that takes. There are no restarts: a trial
/// shows what a letter does, and a restart could let it do more.
fn reached<P: Modelled>(keep_dead_letters: bool) -> (HashSet<String>, usize) {
    let bounds = Bounds { servers: 2, terms: 2, entries: 1, restarts: 0, compactions: 0 };
    let full = Environment { symmetry: false, keep_dead_letters, ..Environment::default() };
    let cluster = Cluster::<P>::of(bounds, full);
    let servers = |state: &veraft_models::ClusterState<P>| {
        let each = state.visible.nodes.iter().map(|node| format!("{:?}", node.value.server()));
        each.collect::<String>()
    };
    let mut queue: VecDeque<_> = cluster.init_states().into();
    let mut seen: HashSet<u64> = queue.iter().map(hash_of).collect();
    let mut reached: HashSet<String> = queue.iter().map(servers).collect();
    while let Some(state) = queue.pop_front() {
        for next in cluster.next_states(&state) {
            if seen.insert(hash_of(&next)) {
                reached.insert(servers(&next));
                queue.push_back(next);
            }
        }
    }
    (reached, seen.len())
}

#[test]
fn a_letter_that_is_said_to_mean_less_than_it_does_is_not_believed() {
    let (all, states) = reached::<Liar<{ Claim::NOTHING }>>(true);
    assert!(all.len() > 50, "{}", all.len());
    let lies = [
        reached::<Liar<{ Claim::NOTHING }>>(false),
        reached::<Liar<{ Claim::STALE }>>(false),
        reached::<Liar<{ Claim::NEWS }>>(false),
    ];
    for (found, fewer) in lies {
        println!("{fewer} of {states} states, {} of {} servers", found.len(), all.len());
        assert!(fewer <= states);
        assert_eq!(found, all);
    }
}
