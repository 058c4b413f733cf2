//! Whether the history of one key is linearizable.
//!
//! The search of Wing and Gong, with the memory of Lowe: from the state of the key, take any
//! operation that began before the first one to end; if its answer fits, go on from there; what
//! was seen with the same operations taken and the same state is not searched again. An
//! operation whose outcome is unknown may be taken at any time after its call, or never.

use std::collections::HashSet;
use std::fmt;

/// What was asked of the key. Values are numbers, so that `Incr` fits every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    Get,
    Set(i64),
    SetIfAbsent(i64),
    SetIfPresent(i64),
    Del,
    Incr,
    Cas { expected: i64, new: i64 },
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    Ok,
    Nothing,
    Value(i64),
    Integer(i64),
}

/// An operation on the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    pub input: Input,
    /// When it was called, on a clock that all clients share.
    pub call: u64,
    /// When it returned, and with what; none if that is unknown.
    pub outcome: Option<(u64, Output)>,
}

/// What a key holds.
type State = Option<i64>;

impl Input {
    /// What the operation does to a key that holds `state`: written from the manual, not from
    /// the server.
    fn apply(self, state: State) -> (Output, State) {
        match (self, state) {
            (Input::Get, None) => (Output::Nothing, None),
            (Input::Get, Some(value)) => (Output::Value(value), state),
            (Input::Set(value), _)
            | (Input::SetIfAbsent(value), None)
            | (Input::SetIfPresent(value), Some(_)) => (Output::Ok, Some(value)),
            (Input::SetIfAbsent(_), Some(_)) | (Input::SetIfPresent(_), None) => {
                (Output::Nothing, state)
            }
            (Input::Del, _) => (Output::Integer(state.is_some().into()), None),
            (Input::Incr, _) => {
                let next = state.unwrap_or(0) + 1;
                (Output::Integer(next), Some(next))
            }
            (Input::Cas { expected, new }, Some(value)) if value == expected => {
                (Output::Integer(1), Some(new))
            }
            (Input::Cas { .. }, _) => (Output::Integer(0), state),
        }
    }
}

/// Why a history was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// No order explains the answers. As far as the best order goes, the key then holds
    /// `state`, and none of `stuck` fits, one of which is next.
    NotLinearizable { explained: usize, state: State, stuck: Vec<Operation> },
    /// The search was given up.
    Undecided { steps: usize },
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::NotLinearizable { explained, state, stuck } => {
                writeln!(f, "not linearizable: {explained} operations can be put in order; the")?;
                writeln!(f, "key then holds {state:?}, and none of these can be next:")?;
                stuck.iter().try_for_each(|operation| writeln!(f, "  {operation:?}"))
            }
            Rejected::Undecided { steps } => write!(f, "not decided after {steps} steps"),
        }
    }
}

/// How many steps a search takes at most.
const MAX_STEPS: usize = 20_000_000;

/// Which operations were taken.
type Taken = Vec<u64>;

/// A place in the search.
struct Place {
    state: State,
    /// The operations that may be next, the best last.
    next: Vec<usize>,
    /// The operation taken from here.
    chosen: usize,
}

/// Checks the history of one key, which is absent at first.
///
/// # Errors
/// When it is not linearizable, or hard to decide.
pub fn check(history: &[Operation]) -> Result<(), Rejected> {
    let mut operations = history.to_vec();
    operations.sort_by_key(|operation| operation.call);
    let mut search = Search::new(operations);
    let mut seen: HashSet<(Taken, State)> = HashSet::new();
    let mut best = Rejected::NotLinearizable { explained: 0, state: None, stuck: Vec::new() };
    let mut places: Vec<Place> = Vec::new();
    let mut state = None;
    for _ in 0..MAX_STEPS {
        let Some(mut next) = search.candidates(state) else { return Ok(()) };
        search.remember_best(&mut best, places.len(), state);
        // Take the best candidate that leads somewhere new; without one, go back.
        loop {
            let Some(chosen) = next.pop() else {
                let Some(place) = places.pop() else { return Err(best) };
                search.put_back(place.chosen);
                (state, next) = (place.state, place.next);
                continue;
            };
            let operation = search.operations[chosen];
            let (output, after) = operation.input.apply(state);
            let fits = operation.outcome.is_none_or(|(_, answered)| answered == output);
            if !fits {
                continue;
            }
            search.take(chosen);
            if seen.insert((search.taken.clone(), after)) {
                places.push(Place { state, next, chosen });
                state = after;
                break;
            }
            search.put_back(chosen);
        }
    }
    Err(Rejected::Undecided { steps: MAX_STEPS })
}

struct Search {
    /// In the order of their calls.
    operations: Vec<Operation>,
    /// Those of unknown outcome.
    open: Vec<usize>,
    taken: Taken,
    /// All before this one are taken or of unknown outcome.
    first: usize,
}

impl Search {
    fn new(operations: Vec<Operation>) -> Search {
        let is_open = |at: &usize| operations[*at].outcome.is_none();
        let open = (0..operations.len()).filter(is_open).collect();
        Search { taken: vec![0; operations.len().div_ceil(64)], first: 0, open, operations }
    }

    fn is_taken(&self, at: usize) -> bool {
        self.taken[at / 64] >> (at % 64) & 1 == 1
    }

    fn take(&mut self, at: usize) {
        self.taken[at / 64] |= 1 << (at % 64);
    }

    fn put_back(&mut self, at: usize) {
        self.taken[at / 64] &= !(1 << (at % 64));
        self.first = self.first.min(at);
    }

    /// The operations that may be next; none once every answer is explained.
    fn candidates(&mut self, state: State) -> Option<Vec<usize>> {
        let is_open = |operation: &Operation| operation.outcome.is_none();
        while self.first < self.operations.len()
            && (self.is_taken(self.first) || is_open(&self.operations[self.first]))
        {
            self.first += 1;
        }
        // No operation comes after one that had returned before it was called.
        let mut bound = u64::MAX;
        let mut answered = Vec::new();
        for at in self.first..self.operations.len() {
            let operation = self.operations[at];
            if operation.call > bound {
                break;
            }
            if let (Some((returned, _)), false) = (operation.outcome, self.is_taken(at)) {
                bound = bound.min(returned);
                answered.push((returned, at));
            }
        }
        if answered.is_empty() {
            return None;
        }
        answered.retain(|&(_, at)| self.operations[at].call < bound);
        answered.sort_unstable_by(|one, other| other.cmp(one));
        let mut candidates = self.open_candidates(state, bound);
        candidates.extend(answered.into_iter().map(|(_, at)| at));
        Some(candidates)
    }

    /// Those of unknown outcome come last, and only where they change something. Of equal ones,
    /// the first called can do all that the others can.
    fn open_candidates(&self, state: State, bound: u64) -> Vec<usize> {
        let mut inputs = Vec::new();
        let may_be_next = |at: &usize| {
            let Operation { input, call, .. } = self.operations[*at];
            let new = call < bound
                && !self.is_taken(*at)
                && input.apply(state).1 != state
                && !inputs.contains(&input);
            if new {
                inputs.push(input);
            }
            new
        };
        self.open.iter().copied().filter(may_be_next).collect()
    }

    fn remember_best(&self, best: &mut Rejected, explained: usize, state: State) {
        let deeper = match best {
            Rejected::NotLinearizable { explained: 0, .. } => true,
            Rejected::NotLinearizable { explained: before, .. } => *before < explained,
            Rejected::Undecided { .. } => false,
        };
        if deeper {
            let waits = |at: &usize| !self.is_taken(*at) && self.operations[*at].outcome.is_some();
            let rest = (self.first..self.operations.len()).filter(waits);
            let stuck = rest.take(8).map(|at| self.operations[at]).collect();
            *best = Rejected::NotLinearizable { explained, state, stuck };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::seq::SliceRandom;
    use rand::{Rng, RngExt, SeedableRng};

    fn done(input: Input, call: u64, returned: u64, output: Output) -> Operation {
        Operation { input, call, outcome: Some((returned, output)) }
    }

    fn open(input: Input, call: u64) -> Operation {
        Operation { input, call, outcome: None }
    }

    #[test]
    fn a_stale_read_is_rejected() {
        let mut history = vec![
            done(Input::Set(1), 0, 1, Output::Ok),
            done(Input::Set(2), 2, 3, Output::Ok),
            done(Input::Get, 4, 5, Output::Value(1)),
        ];
        assert!(matches!(check(&history), Err(Rejected::NotLinearizable { explained: 2, .. })));
        // The same read is right while the second write is under way.
        history[2] = done(Input::Get, 2, 5, Output::Value(1));
        assert_eq!(check(&history), Ok(()));
    }

    #[test]
    fn an_open_write_may_take_effect_late_or_never_but_not_twice() {
        let read = |at, value| done(Input::Get, at, at + 1, Output::Value(value));
        let mut history =
            vec![open(Input::Set(2), 0), done(Input::Set(1), 1, 2, Output::Ok), read(3, 1)];
        assert_eq!(check(&history), Ok(()));
        history.push(read(10, 2));
        assert_eq!(check(&history), Ok(()));
        history.push(done(Input::Set(3), 12, 13, Output::Ok));
        history.push(read(14, 2));
        assert!(check(&history).is_err());
    }

    #[test]
    fn an_open_write_takes_no_effect_before_its_call() {
        let read = done(Input::Get, 0, 1, Output::Value(2));
        assert!(check(&[read, open(Input::Set(2), 2)]).is_err());
    }

    /// A history that some order of its operations explains.
    fn legal(random: &mut impl Rng, operations: usize, width: u64, open: f64) -> Vec<Operation> {
        let mut state = None;
        let mut history = Vec::new();
        for at in 0..operations as u64 {
            let input = input(random);
            // What is open may have no effect; then it is as if it came at the very end.
            let lost = random.random_bool(open);
            let (call, returned) = (
                (at * 10).saturating_sub(random.random_range(0..width)),
                at * 10 + random.random_range(1..=width),
            );
            if lost && random.random_bool(0.5) {
                history.push(super::Operation { input, call, outcome: None });
                continue;
            }
            let (output, after) = input.apply(state);
            state = after;
            let outcome = (!lost).then_some((returned, output));
            history.push(super::Operation { input, call, outcome });
        }
        history
    }

    fn input(random: &mut impl Rng) -> Input {
        let mut value = || random.random_range(0..4);
        let (one, other) = (value(), value());
        match random.random_range(0..9) {
            0..3 => Input::Get,
            3 | 4 => Input::Set(one),
            5 => [Input::SetIfAbsent(one), Input::SetIfPresent(one)][other as usize % 2],
            6 => Input::Del,
            7 => Input::Incr,
            _ => Input::Cas { expected: one, new: other },
        }
    }

    #[test]
    fn long_histories_with_open_operations_are_decided() {
        let mut random = StdRng::seed_from_u64(1);
        for _ in 0..20 {
            let history = legal(&mut random, 400, 60, 0.02);
            assert_eq!(check(&history), Ok(()));
        }
    }

    /// Every order that agrees with the clock, tried one by one.
    fn by_brute_force(rest: &[Operation], state: State) -> bool {
        let bound = rest.iter().filter_map(|one| one.outcome.map(|(returned, _)| returned)).min();
        let Some(bound) = bound else { return true };
        (0..rest.len()).any(|at| {
            let operation = rest[at];
            let (output, after) = operation.input.apply(state);
            let fits = operation.outcome.is_none_or(|(_, answered)| answered == output);
            let mut others = rest.to_vec();
            others.remove(at);
            operation.call < bound && fits && by_brute_force(&others, after)
        })
    }

    #[test]
    fn short_histories_get_the_verdict_of_brute_force() {
        let mut random = StdRng::seed_from_u64(2);
        let mut verdicts = [0, 0];
        for _ in 0..3000 {
            let mut history = legal(&mut random, 7, 30, 0.2);
            if random.random_bool(0.7) {
                // Answers change places, so that many a history is wrong.
                let mut outputs: Vec<Output> = history
                    .iter()
                    .filter_map(|one| one.outcome.map(|(_, output)| output))
                    .collect();
                outputs.shuffle(&mut random);
                for operation in &mut history {
                    if let Some((_, output)) = &mut operation.outcome {
                        *output = outputs.pop().unwrap();
                    }
                }
            }
            let expected = by_brute_force(&history, None);
            assert_eq!(check(&history).is_ok(), expected, "{history:?}");
            verdicts[usize::from(expected)] += 1;
        }
        assert!(verdicts.iter().all(|&count| count > 300), "{verdicts:?}");
    }
}
