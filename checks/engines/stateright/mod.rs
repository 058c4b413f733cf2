//! stateright's own breadth-first search.

mod compared;

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use stateright::{Checker, Expectation, HasDiscoveries, Model, Path, Property};

use super::covering::Covering;
use super::{Ended, Level, Outcome, Resources};
use crate::terminal::progress::{Progress, Reading};
use compared::{Compared, Rank};

/// Searches all states of `model` with `workers` threads. With one, counterexamples are
/// shortest; several do not wait for each other at the end of a level. Ends early at the first
/// violation, or once `interrupted` is set. For `orbit`, see [`Resources::orbit`].
pub fn search<M>(
    model: M,
    workers: usize,
    orbit: usize,
    progress: &mut Progress,
    interrupted: &Arc<AtomicBool>,
) -> Outcome<M>
where
    M: Covering + Send + Sync + 'static,
    M::State: Clone + PartialEq + std::hash::Hash + Send + Sync,
    M::Action: Clone + PartialEq + Send + Sync,
{
    let started = Instant::now();
    let model = Arc::new(model);
    let search = Search::new(Arc::clone(&model), workers == 1);
    let mut checker =
        search.checker().threads(workers).finish_when(HasDiscoveries::AnyFailures).spawn_bfs();
    let handles = checker.handles();
    let unique = |all: usize, expanded: &AtomicU64| match model.is_antichain() {
        true => expanded.load(Ordering::Relaxed),
        false => all as u64,
    };
    let depth = |max_depth: usize| (workers == 1).then_some(max_depth as u64);
    let mut pause = Duration::from_millis(1);
    while !handles.iter().all(|handle| handle.is_finished()) {
        checker.model().stop.fetch_or(interrupted.load(Ordering::Relaxed), Ordering::Relaxed);
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
        progress.show(Reading {
            unique_states: unique(checker.unique_state_count(), &checker.model().expanded),
            generated_states: checker.state_count() as u64,
            expanded_states: checker.model().expanded.load(Ordering::Relaxed),
            depth: depth(checker.max_depth()),
        });
    }
    // Before paths are rebuilt, for which states are expanded once more.
    let levels = checker.model().levels(started.elapsed());
    let unique_states = unique(checker.unique_state_count(), &checker.model().expanded);
    let generated_states = match model.is_antichain() {
        true => checker.model().generated.load(Ordering::Relaxed),
        false => checker.state_count() as u64,
    };
    let kins = checker.model().compared.kins();
    let died = handles.into_iter().any(|handle| handle.join().is_err());
    // From here on the model must show its successors again: paths are rebuilt by replay.
    let stopped = checker.model().stop.swap(false, Ordering::Relaxed);
    checker.model().replaying.store(true, Ordering::Relaxed);
    // A path names the same actions in the model that the search wraps.
    let in_model = |path: Path<Placed<M::State>, M::Action>| {
        let steps: Vec<_> = path.into_vec();
        let first = steps[0].0.state.clone();
        let actions: Vec<_> = steps.into_iter().filter_map(|(_, action)| action).collect();
        Path::from_actions(model.as_ref(), first, &actions)
    };
    let discoveries = checker.discoveries().into_iter();
    Outcome {
        unique_states,
        kins,
        generated_states,
        depth: depth(checker.max_depth()),
        levels,
        stopped: match (stopped, died) {
            (false, false) => None,
            (_, true) => Some(Ended::Died),
            (true, false) if interrupted.load(Ordering::Relaxed) => Some(Ended::Interrupted),
            (true, false) => Some(Ended::Violation),
        },
        elapsed: started.elapsed(),
        peak_rss_bytes: progress.peak_rss_bytes(),
        discoveries: discoveries.filter_map(|(name, path)| Some((name, in_model(path)?))).collect(),
        resources: Resources {
            workers,
            processes: 1,
            fingerprint_bits: u64::BITS,
            orbit,
            table_bytes: None,
            spilled_bytes: 0,
        },
        model,
    }
}

/// A model under search. stateright keeps the latest path to a violation, not the first, and
/// goes on behind it; this wrapper shows it each discovery once, and no state after a violation.
struct Search<M: Covering> {
    model: Arc<M>,
    compared: Compared<M>,
    /// Paths are rebuilt: covered states are shown, too.
    replaying: AtomicBool,
    properties: Vec<Property<M>>,
    discovered: Vec<AtomicBool>,
    stop: AtomicBool,
    expanded: AtomicU64,
    generated: AtomicU64,
    /// The deepest level that was begun.
    level: AtomicUsize,
    started: Instant,
    /// None where the search does not go by levels.
    levels: Option<Mutex<Vec<Reached>>>,
}

/// How many states of a level were expanded, and when the first was.
#[derive(Clone, Copy)]
struct Reached {
    expanded: u64,
    began: Duration,
}

/// A state and its place in the search, which is no part of it: equal states are the same
/// wherever they stand.
#[derive(Clone, Debug)]
struct Placed<S> {
    state: S,
    level: usize,
    rank: Rank,
}

impl<S: PartialEq> PartialEq for Placed<S> {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
    }
}

impl<S: Hash> Hash for Placed<S> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.state.hash(hasher);
    }
}

impl<M: Covering> Search<M> {
    fn new(model: Arc<M>, goes_by_levels: bool) -> Self {
        let properties = model.properties();
        let names: BTreeSet<_> = properties.iter().map(|property| property.name).collect();
        assert_eq!(names.len(), properties.len(), "properties are told apart by their names");
        let most = MOST_PROPERTIES;
        assert!(properties.len() <= most, "a model has at most {most} properties");
        Search {
            discovered: properties.iter().map(|_| AtomicBool::new(false)).collect(),
            properties,
            compared: Compared::new(&model),
            replaying: AtomicBool::new(false),
            generated: AtomicU64::new(model.init_states().len() as u64),
            model,
            stop: AtomicBool::new(false),
            expanded: AtomicU64::new(0),
            level: AtomicUsize::new(0),
            started: Instant::now(),
            levels: goes_by_levels.then(Mutex::default),
        }
    }

    /// What is known of a state when it is found.
    fn find(&self, state: &M::State) -> Rank {
        match self.replaying.load(Ordering::Relaxed) {
            true => Rank::Open,
            false => self.compared.find(&self.model, state),
        }
    }

    /// Counts a state that is about to be expanded.
    fn count(&self, level: usize) {
        let Some(levels) = &self.levels else { return };
        // Nothing panics while it holds the lock, and counts are always fit to read.
        let mut levels = levels.lock().unwrap_or_else(PoisonError::into_inner);
        if level >= levels.len() {
            let began = self.started.elapsed();
            levels.resize(level + 1, Reached { expanded: 0, began });
        }
        levels[level].expanded += 1;
    }

    /// The levels, each as long as it took until the next began.
    fn levels(&self, ended: Duration) -> Vec<Level> {
        let Some(levels) = &self.levels else { return Vec::new() };
        let levels = levels.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = levels.iter().skip(1).map(|next| next.began).chain([ended]);
        let level = |(reached, end): (&Reached, Duration)| Level {
            unique_states: reached.expanded,
            seconds: end.saturating_sub(reached.began).as_secs_f64(),
        };
        levels.iter().zip(ends).map(level).collect()
    }

    /// The condition of property `number`, until it is discovered.
    fn condition(&self, number: usize, state: &M::State) -> bool {
        let property = &self.properties[number];
        let nothing_new = property.expectation != Expectation::Sometimes;
        if self.discovered[number].load(Ordering::Relaxed) {
            return nothing_new;
        }
        let holds = (property.condition)(&self.model, state);
        if holds == nothing_new || self.discovered[number].swap(true, Ordering::Relaxed) {
            return nothing_new;
        }
        if property.expectation.discovery_is_failure() {
            self.stop.store(true, Ordering::Relaxed);
        }
        holds
    }
}

type Condition<M> = fn(&Search<M>, &Placed<<M as Model>::State>) -> bool;

/// How many properties a model can have.
const MOST_PROPERTIES: usize = 256;

/// A property's condition is a plain function, which cannot know its number but by its type.
fn condition<M: Covering, const SIXTEENS: usize, const ONES: usize>(
    search: &Search<M>,
    placed: &Placed<M::State>,
) -> bool {
    search.condition(16 * SIXTEENS + ONES, &placed.state)
}

/// The conditions of sixteen properties.
macro_rules! sixteen {
    ($sixteens:literal) => { sixteen!($sixteens: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15) };
    ($sixteens:literal: $($ones:literal)*) => {
        [$(condition::<M, $sixteens, $ones> as Condition<M>),*]
    };
}

/// One for each property there can be, in order.
fn conditions<M: Covering>() -> impl Iterator<Item = Condition<M>> {
    let all = [
        [sixteen!(0), sixteen!(1), sixteen!(2), sixteen!(3)],
        [sixteen!(4), sixteen!(5), sixteen!(6), sixteen!(7)],
        [sixteen!(8), sixteen!(9), sixteen!(10), sixteen!(11)],
        [sixteen!(12), sixteen!(13), sixteen!(14), sixteen!(15)],
    ];
    let all = all.as_flattened().as_flattened().to_vec();
    assert_eq!(all.len(), MOST_PROPERTIES);
    all.into_iter()
}

impl<M: Covering> Model for Search<M> {
    type State = Placed<M::State>;
    type Action = M::Action;

    fn init_states(&self) -> Vec<Self::State> {
        let first = |state| {
            let found = self.find(&state);
            Placed { state, level: 0, rank: found }
        };
        self.model.init_states().into_iter().map(first).collect()
    }

    fn actions(&self, placed: &Self::State, actions: &mut Vec<M::Action>) {
        let replaying = self.replaying.load(Ordering::Relaxed);
        let deepest = self.level.fetch_max(placed.level, Ordering::Relaxed);
        if placed.level > deepest && self.model.keeps_depth() {
            self.compared.begin_level();
        }
        if !replaying && !self.compared.is_open(&self.model, &placed.state, placed.rank) {
            return;
        }
        self.expanded.fetch_add(1, Ordering::Relaxed);
        if !self.stop.load(Ordering::Relaxed) {
            self.count(placed.level);
            self.model.actions(&placed.state, actions);
        }
    }

    fn next_state(&self, placed: &Self::State, action: M::Action) -> Option<Self::State> {
        let state = self.model.next_state(&placed.state, action)?;
        if !self.model.within_boundary(&state) {
            return None;
        }
        self.generated.fetch_add(1, Ordering::Relaxed);
        let found = self.find(&state);
        (found != Rank::Covered).then(|| Placed { state, level: placed.level + 1, rank: found })
    }

    fn within_boundary(&self, placed: &Self::State) -> bool {
        self.model.within_boundary(&placed.state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let wrap = |(property, condition): (&Property<M>, _)| Property {
            expectation: property.expectation.clone(),
            name: property.name,
            condition,
        };
        self.properties.iter().zip(conditions()).map(wrap).collect()
    }
}

#[cfg(test)]
mod tests;
