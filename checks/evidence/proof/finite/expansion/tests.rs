//! What formulas become without quantifiers, beside what they are on states.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::evidence::proof::bends::READY_BENDS;
use crate::evidence::proof::lemmas;
use crate::evidence::proof::ready::{READY_ACTIONS, READY_LEMMAS, ReadyAction};

const SIZES: [Sizes; 3] = [
    Sizes { servers: 2, requests: 1, payloads: 1, terms: 1, indices: 1 },
    Sizes { servers: 3, requests: 1, payloads: 2, terms: 1, indices: 1 },
    Sizes { servers: 2, requests: 2, payloads: 2, terms: 2, indices: 2 },
];

/// Draws every truth of which nothing is known: it holds in so many of a thousand.
fn drawn(expansion: &Expansion, seed: u64, per_mille: u64) -> BTreeSet<Bit> {
    let mut state = seed | 1;
    let mut chance = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % 1000 < per_mille
    };
    let steps = expansion.unknown.iter().map(|(_, _, steps)| steps);
    let mut holding = BTreeSet::new();
    for steps in steps.chain(&expansion.parameters) {
        // A number that is not at least 1 is not at least 2.
        holding.extend(steps.iter().copied().take_while(|_| chance()));
    }
    holding
}

/// Compares the two on one state: the guard and, after the action, every function and lemma. Says
/// of which lemmas each truth was met.
fn compare(
    action: &ReadyAction,
    sizes: Sizes,
    seed: u64,
    per_mille: u64,
    met: &mut BTreeSet<(&'static str, bool)>,
) -> Result<(), TestCaseError> {
    let (mut expansion, mut before) = Expansion::new(sizes);
    let parameters = expansion.parameters(&action.step.parameters);
    let guard = expansion.holds(action.step.guard, &mut before, &parameters);
    let mut after = expansion.after(&mut before, &action.step, &parameters);
    let now = AbstractState::default();
    let mut holds = |of: &mut Functions| -> Vec<Bit> {
        lemmas::all().map(|lemma| expansion.holds((lemma.holds)(&now), of, &Vec::new())).collect()
    };
    let (first, last) = (holds(&mut before), holds(&mut after));
    let holding = drawn(&expansion, seed, per_mille);
    let values = expansion.circuit.values(|bit| holding.contains(&bit));
    let (state, drawn) = expansion.read(|bit| holding.contains(&bit));
    prop_assert!(expansion.always().iter().all(|&bit| values.of(bit)));
    prop_assert_eq!(values.of(guard), action.can_happen(&state, &drawn));
    let next = state.after(action, &drawn);
    for (bits, state) in [(first, &state), (last, &next)] {
        for (ready, bit) in READY_LEMMAS.iter().zip(bits) {
            let name = ready.lemma.name;
            prop_assert_eq!(values.of(bit), ready.holds(state), "{}", name);
            met.insert((name, values.of(bit)));
        }
    }
    Ok(())
}

#[test]
fn formulas_say_without_quantifiers_what_they_say_of_a_state() {
    let all: Vec<&ReadyAction> = READY_ACTIONS.iter().chain(READY_BENDS.iter()).collect();
    let met = std::cell::RefCell::new(BTreeSet::new());
    let mut runner = TestRunner::new(Config { cases: 400, ..Config::default() });
    let cases = (0..all.len(), 0..SIZES.len(), any::<u64>(), 10_u64..700);
    let result = runner.run(&cases, |(action, sizes, seed, per_mille)| {
        compare(all[action], SIZES[sizes], seed, per_mille, &mut met.borrow_mut())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    let met = met.into_inner();
    let one_sided: Vec<_> = lemmas::all()
        .filter(|lemma| [false, true].iter().any(|truth| !met.contains(&(lemma.name, *truth))))
        .map(|lemma| lemma.name)
        .collect();
    assert!(one_sided.is_empty(), "never both true and false: {one_sided:?}");
}
