//! Actions and lemmas, ready to be evaluated.

use std::sync::LazyLock;

use super::actions::{ACTIONS, AbstractAction, Transition};
use super::evaluate::{Datum, Ready, Structure};
use super::lemmas::{self, Lemma};
use super::symbols::{AbstractState, Symbol};

/// An action, ready to be evaluated.
#[derive(Clone, Debug)]
pub struct ReadyAction {
    /// The action.
    pub action: &'static AbstractAction,
    /// As formulas.
    pub step: Transition,
    guard: Ready,
    /// Each is given the places that are asked for, and behind them the parameters.
    updates: Vec<(Symbol, Ready)>,
}

impl ReadyAction {
    /// Makes an action ready.
    pub fn new(action: &'static AbstractAction) -> ReadyAction {
        ReadyAction::with(action, (action.step)())
    }

    /// The same, with another step in the place of its own.
    pub fn with(action: &'static AbstractAction, step: Transition) -> ReadyAction {
        let guard = Ready::new(step.guard, &step.parameters);
        let update = |(&symbol, update): (&Symbol, &super::symbols::Update)| {
            let given = [update.places.clone(), step.parameters.clone()].concat();
            (symbol, Ready::new(update.value, &given))
        };
        let updates = step.after.updates().iter().map(update).collect();
        ReadyAction { action, step, guard, updates }
    }

    /// Whether it can happen in `structure`, with these values of its parameters.
    pub fn can_happen(&self, structure: &impl Structure, parameters: &[Datum]) -> bool {
        self.guard.holds(structure, parameters)
    }

    /// The functions that it changes.
    pub fn changes(&self) -> impl Iterator<Item = Symbol> {
        self.updates.iter().map(|(symbol, _)| *symbol)
    }

    /// What `symbol` is at `args` after it.
    pub fn after(
        &self,
        structure: &impl Structure,
        parameters: &[Datum],
        symbol: Symbol,
        args: &[Datum],
    ) -> Datum {
        match self.updates.iter().find(|(other, _)| *other == symbol) {
            Some((_, update)) => {
                // Three places and four parameters are the most that there are.
                let mut given = [0; 8];
                let all = args.len() + parameters.len();
                given[..args.len()].copy_from_slice(args);
                given[args.len()..all].copy_from_slice(parameters);
                update.value(structure, &given[..all])
            }
            None => structure.value(symbol, args),
        }
    }
}

/// A lemma, ready to be evaluated.
#[derive(Clone, Debug)]
pub struct ReadyLemma {
    /// The lemma.
    pub lemma: &'static Lemma,
    holds: Ready,
}

impl ReadyLemma {
    /// Makes a lemma ready.
    pub fn new(lemma: &'static Lemma) -> ReadyLemma {
        ReadyLemma { lemma, holds: Ready::new((lemma.holds)(&AbstractState::default()), &[]) }
    }

    /// Whether it holds of `structure`.
    pub fn holds(&self, structure: &impl Structure) -> bool {
        self.holds.holds(structure, &[])
    }
}

/// Every action, in the order of [`ACTIONS`].
pub static READY_ACTIONS: LazyLock<Vec<ReadyAction>> =
    LazyLock::new(|| ACTIONS.iter().map(ReadyAction::new).collect());

/// Every lemma, in the order of [`lemmas::all`].
pub static READY_LEMMAS: LazyLock<Vec<ReadyLemma>> =
    LazyLock::new(|| lemmas::all().map(ReadyLemma::new).collect());

/// The action called `name`.
///
/// # Panics
/// When there is none.
pub fn ready(name: &str) -> &'static ReadyAction {
    let found = READY_ACTIONS.iter().find(|ready| ready.action.name == name);
    found.unwrap_or_else(|| panic!("there is no action {name}"))
}
