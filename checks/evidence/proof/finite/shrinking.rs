//! Takes away from a state whatever it need not have.

use super::super::evaluate::{Datum, Structure};
use super::super::symbols::{Subject, Symbol};
use super::super::tables::Tables;
use super::wanted::{Example, Wanted};

/// How many places of a state are looked at three at a time; with more, it would take too long.
const FEW: usize = 30;

/// A place of a state that is not 0, or not false.
type Place = (Symbol, Vec<Datum>);

/// The state as an example, in which no number can be lower, nor anything false or 0 in up to
/// three places at once; none if it is no example.
pub fn smaller<'a>(
    wanted: &Wanted<'a>,
    mut state: Tables,
    parameters: &[Datum],
) -> Option<Example<'a>> {
    let found = wanted.example(&state, parameters)?;
    // The lemma that falls is to stay the same.
    let falls = found.fallen.first().copied().into_iter().collect();
    let same = Wanted { falls, ..wanted.clone() };
    let still = |state: &Tables| same.example(state, parameters).is_some();
    while let Some(less) = lowered(&state, still).or_else(|| emptied(&state, still)) {
        state = less;
    }
    wanted.example(&state, parameters)
}

fn places(state: &Tables) -> Vec<Place> {
    let changes = |symbol: &&Symbol| {
        let fixed = matches!(symbol, Symbol::Member | Symbol::Shared);
        !fixed && symbol.kind() != Subject::Defined
    };
    let of = |&symbol: &Symbol| state.arguments(symbol).into_iter().map(move |args| (symbol, args));
    let all = Symbol::ALL.iter().filter(changes).flat_map(of);
    all.filter(|(symbol, args)| state.value(*symbol, args) != 0).collect()
}

/// The state with lower numbers, each place by itself; none if none can be lower.
fn lowered(state: &Tables, still: impl Fn(&Tables) -> bool) -> Option<Tables> {
    let mut lowest = state.clone();
    for (symbol, args) in places(state) {
        let lower = (0..state.value(symbol, &args)).map(|value| {
            let mut less = lowest.clone();
            less.set(symbol, &args, value);
            less
        });
        if let Some(less) = lower.into_iter().find(|less| still(less)) {
            lowest = less;
        }
    }
    (lowest != *state).then_some(lowest)
}

/// The state with 0 in two places, or three; none if that cannot be.
fn emptied(state: &Tables, still: impl Fn(&Tables) -> bool) -> Option<Tables> {
    let places = places(state);
    let without = |gone: &[usize]| {
        let mut less = state.clone();
        gone.iter().for_each(|&place| less.set(places[place].0, &places[place].1, 0));
        Some(less).filter(|less| still(less))
    };
    for first in 0..places.len() {
        for second in 0..first {
            let third = if places.len() <= FEW { second } else { 0 };
            let less = without(&[first, second]);
            if let Some(less) =
                less.or_else(|| (0..third).find_map(|third| without(&[first, second, third])))
            {
                return Some(less);
            }
        }
    }
    None
}
