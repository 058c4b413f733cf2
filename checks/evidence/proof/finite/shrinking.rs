//! Takes away from a state whatever it need not have.

use super::super::evaluate::{Datum, Structure};
use super::super::symbols::{Kind, Symbol};
use super::super::tables::Tables;
use super::wanted::{Example, Wanted};

/// The state as an example, with each number as low, and as little true, as can be done one by
/// one; none if it is no example.
pub fn smaller<'a>(
    wanted: &Wanted<'a>,
    mut state: Tables,
    parameters: &[Datum],
) -> Option<Example<'a>> {
    let found = wanted.example(&state, parameters)?;
    // The lemma that falls is to stay the same.
    let falls = found.fallen.first().copied().into_iter().collect();
    let same = Wanted { falls, ..wanted.clone() };
    let changes = |symbol: &&Symbol| {
        let fixed = matches!(symbol, Symbol::Member | Symbol::Shared);
        !fixed && symbol.kind() != Kind::Defined
    };
    let mut shrunk = true;
    while shrunk {
        shrunk = false;
        for &symbol in Symbol::ALL.iter().filter(changes) {
            for args in state.arguments(symbol) {
                let value = state.value(symbol, &args);
                for lower in 0..value {
                    let mut less = state.clone();
                    less.set(symbol, &args, lower);
                    if same.example(&less, parameters).is_some() {
                        (state, shrunk) = (less, true);
                        break;
                    }
                }
            }
        }
    }
    wanted.example(&state, parameters)
}
