//! The engine on models whose shortest paths are known.

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

impl Covering for Counter {
    type Sets = ();
}

impl Covering for Many {
    type Sets = ();
}

fn run<M>(model: M, interrupted: bool) -> Outcome<M>
where
    M: Covering + Send + Sync + 'static,
    M::State: Clone + PartialEq + std::hash::Hash + Send + Sync,
    M::Action: Clone + PartialEq + Send + Sync,
{
    run_by(1, model, interrupted)
}

fn run_by<M>(workers: usize, model: M, interrupted: bool) -> Outcome<M>
where
    M: Covering + Send + Sync + 'static,
    M::State: Clone + PartialEq + std::hash::Hash + Send + Sync,
    M::Action: Clone + PartialEq + Send + Sync,
{
    search(model, workers, 1, &mut Progress::silent(), &Arc::new(AtomicBool::new(interrupted)))
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
fn levels_add_up_to_the_states() {
    let mut outcome = run(Counter, false);
    let counted = |outcome: &Outcome<Counter>| -> Vec<u64> {
        outcome.levels.iter().map(|level| level.unique_states).collect()
    };
    assert_eq!(counted(&outcome)[..3], [1, 2, 2], "0, then 1 and 2, then 3 and 4");
    outcome.levels.retain(|level| level.seconds.is_sign_negative());
    assert!(outcome.levels.is_empty(), "no level takes less than no time");
}

#[test]
fn several_workers_tell_no_depth() {
    let [alone, together] = [1, 2].map(|workers| run_by(workers, Many, false));
    assert_eq!((alone.depth, alone.levels.len()), (Some(200), 200));
    assert_eq!((together.depth, together.levels.len()), (None, 0));
    assert_eq!(alone.unique_states, together.unique_states);
}

#[test]
fn a_search_that_stopped_early_is_not_exhausted() {
    assert_eq!(run(Counter, false).stopped, Some(Ended::Violation));
}

/// Counts to 199, with two hundred properties, of which two are found.
struct Many;

impl Model for Many {
    type State = u8;
    type Action = ();
    fn init_states(&self) -> Vec<u8> {
        vec![0]
    }
    fn actions(&self, _: &u8, actions: &mut Vec<()>) {
        actions.push(());
    }
    fn next_state(&self, state: &u8, (): ()) -> Option<u8> {
        state.checked_add(1).filter(|next| *next < 200)
    }
    fn properties(&self) -> Vec<Property<Self>> {
        let name = |number: u8| -> &'static str { number.to_string().leak() };
        let mut properties: Vec<_> =
            (0..99).map(|n| Property::sometimes(name(n), |_, _| false)).collect();
        properties.push(Property::sometimes("99", |_, state| *state == 99));
        properties.extend((100..199).map(|n| Property::always(name(n), |_, _| true)));
        properties.push(Property::sometimes("199", |_, state| *state == 199));
        properties
    }
}

#[test]
fn hundreds_of_properties_are_told_apart() {
    let outcome = run(Many, false);
    let mut found: Vec<_> = outcome
        .discoveries
        .iter()
        .map(|(name, path)| (*name, path.clone().into_actions().len()))
        .collect();
    found.sort_unstable();
    assert_eq!(found, [("199", 199), ("99", 99)]);
}
