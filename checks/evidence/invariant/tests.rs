//! Each part of each lemma falls in a state of its own.

use std::collections::BTreeSet;

use proptest::prelude::any;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::assumed::Assumed;
use super::config;
use super::nudge;
use super::sketch::{Picks, sketch};
use super::wild::WILD;
use crate::evidence::proof::evaluate::{Ready, Structure};
use crate::evidence::proof::formula::{Expr, Shape, Sort, and};
use crate::evidence::proof::lemmas::{self, Lemma, Proof};
use crate::evidence::proof::symbols::{AbstractState, Subject, Symbol};
use crate::evidence::proof::tables::Tables;

/// The parts of a lemma: what it says of all, each conclusion on its own. That a number is not
/// negative is none: here none can be.
fn parts(lemma: &Lemma) -> Vec<Expr> {
    let whole = (lemma.holds)(&AbstractState::default());
    let natural = |expr: &Expr| {
        let Shape::AtMost(zero, _) = expr.node() else { return false };
        matches!(zero.node(), Shape::Number(0))
    };
    let mut all = Vec::new();
    for part in whole.conjuncts() {
        let Shape::All(vars, body, _) = part.node() else {
            all.push(part);
            continue;
        };
        let (given, then) = body.condition();
        for conclusion in then.conjuncts().into_iter().filter(|part| !natural(part)) {
            let (more, then) = conclusion.condition();
            for conclusion in then.conjuncts() {
                let given = given.iter().chain(&more).copied();
                let body = and(given).implies(conclusion);
                all.push(Shape::All(vars.clone(), body, Vec::new()).into());
            }
        }
    }
    all
}

/// Changes one thing, whatever it is.
fn change(tables: &mut Tables, chance: &mut Xoshiro256PlusPlus) {
    let may_change = |symbol: &Symbol| {
        symbol.kind() != Subject::Defined && ![Symbol::Member, Symbol::Shared].contains(symbol)
    };
    let symbols: Vec<Symbol> = Symbol::ALL.iter().copied().filter(may_change).collect();
    let symbol = symbols[chance.random_range(0..symbols.len())];
    let mut member = |sort: Sort| match tables.size(sort) {
        0 => None,
        size => Some(chance.random_range(0..size)),
    };
    let args: Option<Vec<u64>> = symbol.args().iter().map(|&sort| member(sort)).collect();
    if let (Some(args), Some(value)) = (args, member(symbol.result())) {
        tables.set(symbol, &args, value);
    }
}

/// What no change or two at random are likely to make of `tables`.
fn aimed(tables: &Tables) -> Vec<Tables> {
    let with = |changes: &[(Symbol, &[u64], u64)]| {
        let mut changed = tables.clone();
        changes.iter().for_each(|&(symbol, args, value)| changed.set(symbol, args, value));
        changed
    };
    // A vote in the term before the first.
    let vote = [(Symbol::Vote, &[0, 0, 0][..], 1), (Symbol::Asked, &[0, 0], 1)];
    let mut all = vec![with(&vote)];
    for term in 1..tables.size(Sort::Term) {
        // An entry that the leader of the term has not.
        let next = tables.value(Symbol::TermLast, &[term]) + 1;
        let longer =
            [(Symbol::TermLast, &[term][..], next), (Symbol::TermTerm, &[term, next], term)];
        all.push(with(&longer));
        // Another first entry in the log of the term alone.
        let other = u64::from(tables.value(Symbol::TermPayload, &[term, 1]) == 0);
        all.push(with(&[(Symbol::TermPayload, &[term, 1], other)]));
    }
    all
}

/// States in which something is wrong, most of them in one respect: worlds with a change or two,
/// and wild worlds.
fn states() -> impl Iterator<Item = Tables> {
    let mut runner = TestRunner::new(config(1, 1));
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(1);
    let assumed = Assumed::invariant();
    (0..2_000).flat_map(move |number| {
        let sketch = sketch(None).new_tree(&mut runner).unwrap().current();
        let world = sketch.world(&assumed);
        let (wild, _) = WILD[number % WILD.len()];
        let mut states = vec![sketch.drawn(Some(wild)).tables().clone()];
        states.extend(aimed(world.tables()));
        for _ in 0..40 {
            let mut tables = world.tables().clone();
            for _ in 0..chance.random_range(1..=2) {
                change(&mut tables, &mut chance);
            }
            states.push(tables);
        }
        states
    })
}

/// Whatever breaks this lemma breaks another of the invariant: an entry of a later term before one of
/// an earlier would stand in the log of the earlier (`term_entries_before_too`), which has none of
/// later terms (`term_entry_from_its_term`).
const FOLLOWS: [&str; 1] = ["term_order"];

#[test]
fn each_part_of_each_lemma_falls_and_each_lemma_alone() {
    let ready = |lemma: &'static Lemma| {
        let ready = parts(lemma).into_iter().map(|part| Ready::new(part, &[]));
        (lemma, ready.collect::<Vec<_>>())
    };
    let all: Vec<(&Lemma, Vec<Ready>)> = lemmas::all().map(ready).collect();
    let mut fallen: BTreeSet<(&str, usize)> = BTreeSet::new();
    let mut alone: BTreeSet<&str> = BTreeSet::new();
    for state in states() {
        let mut broken = BTreeSet::new();
        for (lemma, parts) in &all {
            let falls = (0..).zip(parts).filter(|(_, part)| !part.holds(&state, &[]));
            for (part, _) in falls {
                fallen.insert((lemma.name, part));
                if lemma.proof == Proof::Induction {
                    broken.insert(lemma.name);
                }
            }
        }
        if broken.len() == 1 {
            alone.extend(broken);
        }
    }
    let every = all.iter().flat_map(|(lemma, parts)| (0..parts.len()).map(|n| (lemma.name, n)));
    assert_eq!(every.filter(|part| !fallen.contains(part)).collect::<Vec<_>>(), []);
    let invariant = all.iter().filter(|(lemma, _)| lemma.proof == Proof::Induction);
    let never = invariant.map(|(lemma, _)| lemma.name).filter(|name| !alone.contains(name));
    assert_eq!(never.collect::<Vec<_>>(), FOLLOWS);
}

/// Behind a change only those lemmas are asked that speak of what changed.
#[test]
fn a_change_is_judged_like_the_whole_world() {
    let mut runner = TestRunner::new(config(1, 1));
    let assumed = Assumed::invariant();
    let mut seen = [0; 2];
    for _ in 0..300 {
        let world = sketch(None).new_tree(&mut runner).unwrap().current().world(&assumed);
        for number in 0..20 {
            let picks = any::<Picks>().new_tree(&mut runner).unwrap().current();
            let Some(changed) = nudge::change(&world, picks) else { continue };
            let broken = assumed.broken(&changed).is_some();
            let since = assumed.broken_since(&world, &changed).is_some();
            assert_eq!(since, broken, "change {number} of\n{world}to\n{changed}");
            seen[usize::from(broken)] += 1;
        }
    }
    assert!(seen.iter().all(|&count| count > 500), "{seen:?}");
}
