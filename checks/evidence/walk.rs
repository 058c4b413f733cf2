//! Random walks: far deeper than a search goes, over the same model, from a seed.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use stateright::{Expectation, Model, Path};
use veraft_models::{Action, Bounds, Cluster};

use crate::evidence::proof::refinement::REFINEMENT;
use crate::scopes::Scope;
use crate::scopes::trace::{Narrate, Step};

/// Where a walk ended.
pub struct Walk {
    /// How many steps were taken.
    pub steps: u64,
    /// How many terms had a leader.
    pub led_terms: usize,
    /// How many entries were committed.
    pub committed: usize,
    /// The property that was violated after the last step, if one was, and the way there.
    pub violation: Option<(&'static str, Vec<Step>)>,
}

/// How often a walk elects, proposes and restarts when it could deliver a message instead: one
/// step in so many. Left to chance, a cluster of many messages would never do anything else.
const OTHER_THAN_DELIVERY: u32 = 6;

/// Walks `steps` steps through a cluster that begins as that of `scope` does and whose terms,
/// entries and restarts know no bound. One seed is one walk.
pub fn walk(scope: &Scope, seed: u64, steps: u64) -> Walk {
    let endless = u32::MAX;
    let bounds = Bounds {
        servers: scope.bounds.servers,
        terms: u64::from(endless),
        entries: if scope.bounds.entries > 0 { u64::from(endless) } else { 0 },
        restarts: if scope.bounds.restarts > 0 { endless } else { 0 },
        compactions: if scope.bounds.compactions > 0 { endless } else { 0 },
    };
    let cluster = Cluster::new(bounds, scope.environment()).judged_by(&REFINEMENT);
    let cluster = scope.begin(cluster);
    let properties = cluster.properties();
    let mut random = StdRng::seed_from_u64(seed);
    let first = cluster.init_states().remove(0);
    let mut state = first.clone();
    let mut taken = Vec::new();
    let mut actions = Vec::new();
    let mut violation = None;
    for _ in 0..steps {
        actions.clear();
        cluster.actions(&state, &mut actions);
        let rarely = random.random_ratio(1, OTHER_THAN_DELIVERY);
        let is_delivery = |action: &&Action| matches!(action, Action::Deliver(_));
        let (deliveries, others): (Vec<&Action>, Vec<&Action>) =
            actions.iter().partition(is_delivery);
        let from = if rarely || deliveries.is_empty() { others } else { deliveries };
        let Some(&&action) = from.choose(&mut random) else { continue };
        let Some(next) = cluster.next_state(&state, action) else { continue };
        state = next;
        taken.push(action);
        let violated = properties.iter().find(|property| {
            property.expectation == Expectation::Always && !(property.condition)(&cluster, &state)
        });
        if let Some(property) = violated {
            let path = Path::from_actions(&cluster, first, &taken);
            violation = Some((property.name, path.map(|p| cluster.narrate(p)).unwrap_or_default()));
            break;
        }
    }
    Walk {
        steps: taken.len() as u64,
        led_terms: state.visible.history.led.len(),
        committed: state.visible.history.committed.len(),
        violation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scopes;

    #[test]
    fn a_walk_gets_somewhere_and_a_seed_is_one_walk() {
        let scope = scopes::find("replication").expect("it exists");
        let ends = [1, 1, 2].map(|seed| {
            let Walk { steps, led_terms, committed, violation } = walk(&scope, seed, 6_000);
            assert!(violation.is_none());
            (steps, led_terms, committed)
        });
        assert_eq!(ends[0], ends[1]);
        assert_ne!(ends[0], ends[2]);
        assert!(ends[0].1 > 2 && ends[0].2 > 2, "{ends:?}");
    }

    #[test]
    fn a_walk_begins_where_its_scope_does() {
        let scope = scopes::find("figure-8").expect("it exists");
        assert!(walk(&scope, 1, 0).led_terms > 0);
    }
}
