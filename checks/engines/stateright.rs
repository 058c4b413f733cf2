//! stateright's own breadth-first search.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stateright::{Checker, Expectation, HasDiscoveries, Model, Path, Property};

use super::Outcome;
use crate::progress::{Progress, Reading};

/// Searches all states of `model` with `workers` threads. With one, counterexamples are
/// shortest. Ends early at the first violation, or once `interrupted` is set.
pub fn search<M>(
    model: M,
    workers: usize,
    progress: &mut Progress,
    interrupted: &Arc<AtomicBool>,
) -> Outcome<M>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + PartialEq + std::hash::Hash + Send + Sync,
    M::Action: Clone + PartialEq + Send + Sync,
{
    let started = Instant::now();
    let model = Arc::new(model);
    let search = Search::new(Arc::clone(&model));
    let mut checker =
        search.checker().threads(workers).finish_when(HasDiscoveries::AnyFailures).spawn_bfs();
    let handles = checker.handles();
    let mut pause = Duration::from_millis(1);
    while !handles.iter().all(|handle| handle.is_finished()) {
        checker.model().stop.fetch_or(interrupted.load(Ordering::Relaxed), Ordering::Relaxed);
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
        progress.show(Reading {
            unique_states: checker.unique_state_count() as u64,
            generated_states: checker.state_count() as u64,
            expanded_states: checker.model().expanded.load(Ordering::Relaxed),
            depth: checker.max_depth() as u64,
        });
    }
    let died = handles.into_iter().any(|handle| handle.join().is_err());
    // From here on the model must show its successors again: paths are rebuilt by replay.
    let stopped = checker.model().stop.swap(false, Ordering::Relaxed);
    // A path names the same actions in the model that the search wraps.
    let in_model = |path: Path<M::State, M::Action>| {
        let steps: Vec<_> = path.into_vec();
        let first = steps[0].0.clone();
        let actions: Vec<_> = steps.into_iter().filter_map(|(_, action)| action).collect();
        Path::from_actions(model.as_ref(), first, &actions)
    };
    let discoveries = checker.discoveries().into_iter();
    Outcome {
        unique_states: checker.unique_state_count() as u64,
        generated_states: checker.state_count() as u64,
        depth: checker.max_depth() as u64,
        exhausted: !died && !stopped,
        elapsed: started.elapsed(),
        peak_rss_bytes: progress.peak_rss_bytes(),
        discoveries: discoveries.filter_map(|(name, path)| Some((name, in_model(path)?))).collect(),
        model,
    }
}

/// A model under search. stateright keeps the latest path to a violation, not the first, and
/// goes on behind it; this wrapper shows it each discovery once, and no state after a violation.
struct Search<M: Model> {
    model: Arc<M>,
    properties: Vec<Property<M>>,
    discovered: Vec<AtomicBool>,
    stop: AtomicBool,
    expanded: AtomicU64,
}

impl<M: Model> Search<M> {
    fn new(model: Arc<M>) -> Self {
        let properties = model.properties();
        let names: BTreeSet<_> = properties.iter().map(|property| property.name).collect();
        assert_eq!(names.len(), properties.len(), "properties are told apart by their names");
        Search {
            discovered: properties.iter().map(|_| AtomicBool::new(false)).collect(),
            properties,
            model,
            stop: AtomicBool::new(false),
            expanded: AtomicU64::new(0),
        }
    }

    /// The condition of property `I`, until it is discovered.
    fn condition<const I: usize>(&self, state: &M::State) -> bool {
        let property = &self.properties[I];
        let nothing_new = property.expectation != Expectation::Sometimes;
        if self.discovered[I].load(Ordering::Relaxed) {
            return nothing_new;
        }
        let holds = (property.condition)(&self.model, state);
        if holds == nothing_new || self.discovered[I].swap(true, Ordering::Relaxed) {
            return nothing_new;
        }
        if property.expectation.discovery_is_failure() {
            self.stop.store(true, Ordering::Relaxed);
        }
        holds
    }
}

/// A property's condition is a plain function, which cannot know its number but by its type.
macro_rules! conditions {
    ($($number:literal)*) => { [$(|search, state| search.condition::<$number>(state)),*] };
}

impl<M: Model> Model for Search<M> {
    type State = M::State;
    type Action = M::Action;

    fn init_states(&self) -> Vec<M::State> {
        self.model.init_states()
    }

    fn actions(&self, state: &M::State, actions: &mut Vec<M::Action>) {
        self.expanded.fetch_add(1, Ordering::Relaxed);
        if !self.stop.load(Ordering::Relaxed) {
            self.model.actions(state, actions);
        }
    }

    fn next_state(&self, state: &M::State, action: M::Action) -> Option<M::State> {
        self.model.next_state(state, action)
    }

    fn within_boundary(&self, state: &M::State) -> bool {
        self.model.within_boundary(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let conditions: [fn(&Self, &M::State) -> bool; 24] =
            conditions!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23);
        assert!(self.properties.len() <= conditions.len(), "a model has at most 24 properties");
        let wrap = |(property, condition): (&Property<M>, _)| Property {
            expectation: property.expectation.clone(),
            name: property.name,
            condition,
        };
        self.properties.iter().zip(conditions).map(wrap).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts from 0 by one or by two, to 20.
    struct Counter;

    impl Model for Counter {
        type State = u8;
        type Action = u8;
        fn init_states(&self) -> Vec<u8> {
            vec![0]
        }
        fn actions(&self, state: &u8, actions: &mut Vec<u8>) {
            if *state < 19 {
                actions.extend([1, 2]);
            }
        }
        fn next_state(&self, state: &u8, action: u8) -> Option<u8> {
            Some(state + action)
        }
        fn properties(&self) -> Vec<Property<Self>> {
            vec![
                Property::always("below 7", |_, state| *state < 7),
                Property::sometimes("4", |_, state| *state == 4),
            ]
        }
    }

    fn run<M>(model: M, interrupted: bool) -> Outcome<M>
    where
        M: Model + Send + Sync + 'static,
        M::State: Clone + PartialEq + std::hash::Hash + Send + Sync,
        M::Action: Clone + PartialEq + Send + Sync,
    {
        search(model, 1, &mut Progress::silent(), &Arc::new(AtomicBool::new(interrupted)))
    }

    #[test]
    fn the_first_and_so_the_shortest_path_is_kept() {
        let outcome = run(Counter, false);
        let length = |wanted| {
            let path = outcome.discoveries.iter().find(|(name, _)| *name == wanted);
            path.map(|(_, path)| path.clone().into_actions().len())
        };
        assert_eq!(length("below 7"), Some(4));
        assert_eq!(length("4"), Some(2));
    }

    #[test]
    fn a_search_that_stopped_early_is_not_exhausted() {
        assert!(!run(Counter, false).exhausted, "stopped at a violation");
    }
}
