//! Bent actions: in each, one rule of Figure 2 is left out or turned into another, and so one step
//! leads from a state that fulfils the whole invariant to one that does not. A bend is to the
//! abstract system what a mutant is to the code.

mod commits;
mod elections;
mod receivers;
mod replication;

use std::sync::LazyLock;

use super::actions::{ACTIONS, AbstractAction, Transition};
use super::formula::{Expr, Sort, Var, and};
use super::lemmas::Lemma;
use super::ready::ReadyAction;
use super::symbols::{AbstractState, Symbol};

/// A bent action.
#[derive(Clone, Copy, Debug)]
pub struct Bend {
    /// Its name: the deed.
    pub name: &'static str,
    /// The rule of Figure 2 that it breaks.
    pub rule: &'static str,
    /// What a server does in it.
    pub does: &'static str,
    /// The action that it stands in the place of.
    pub action: &'static str,
    /// The lemma that falls.
    pub falls: &'static str,
    /// What becomes of the action's own step.
    pub step: fn(Transition) -> Transition,
}

/// Every bend, in the order of the rules.
pub fn all() -> impl Iterator<Item = &'static Bend> + Clone {
    [elections::BENDS, receivers::BENDS, replication::BENDS, commits::BENDS].into_iter().flatten()
}

/// Every bent action, ready to be evaluated, in the order of [`all`].
pub static READY_BENDS: LazyLock<Vec<ReadyAction>> =
    LazyLock::new(|| all().map(Bend::ready).collect());

/// The rules of Figure 2 that no bend breaks, each with the reason why safety needs none.
pub const UNBENT: &[(&str, &str)] = &[
    ("FO.1", "an answer that is not given is one that was lost"),
    ("FO.2", "whoever does not stand disturbs nobody"),
    ("CA.1c", "when a timer fires is left to chance"),
    ("CA.4", "as FO.2"),
    ("LE.1a", "a heartbeat that is not sent is one that was lost"),
    ("LE.1b", "as LE.1a"),
    ("BR.1", "no correct peer does what is refused"),
    ("BR.2", "as BR.1"),
    ("BR.3", "as BR.1"),
    ("BR.4", "as BR.1"),
    ("BR.5", "as BR.1: lemma leader_hears_no_other"),
    ("BR.6", "as BR.1: lemma nothing_committed_is_contradicted"),
    ("BR.7", "as BR.1"),
    ("BR.8", "as BR.1"),
];

impl Bend {
    /// The action that it stands in the place of.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn bent(&self) -> &'static AbstractAction {
        let found = ACTIONS.iter().find(|action| action.name == self.action);
        found.unwrap_or_else(|| panic!("{}: there is no action {}", self.name, self.action))
    }

    /// The bent step.
    pub fn bent_step(&self) -> Transition {
        (self.step)((self.bent().step)())
    }

    /// The bent action, ready to be evaluated.
    pub fn ready(&self) -> ReadyAction {
        ReadyAction::with(self.bent(), self.bent_step())
    }

    /// The lemma that falls.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn fallen(&self) -> &'static Lemma {
        super::lemmas::lemma(self.falls)
    }

    /// The actions of the system in which it stands in the place of its action.
    pub fn system(&self) -> Vec<(&'static AbstractAction, Transition)> {
        let step = |action: &'static AbstractAction| match action.name == self.action {
            true => (action, self.bent_step()),
            false => (action, (action.step)()),
        };
        ACTIONS.iter().map(step).collect()
    }
}

impl Transition {
    /// The step that can happen without this part of its guard.
    ///
    /// # Panics
    /// When its guard has no such part.
    fn without(self, part: Expr) -> Transition {
        let parts = self.guard.conjuncts();
        assert!(parts.contains(&part), "{part:?} is no part of {parts:?}");
        let guard = and(parts.into_iter().filter(|&other| other != part));
        Transition { guard, ..self }
    }

    /// The step that needs this as well.
    fn also(self, part: Expr) -> Transition {
        Transition { guard: self.guard & part, ..self }
    }

    /// The step that leaves a function as it is.
    fn leaving(self, symbol: Symbol) -> Transition {
        Transition { after: self.after.leave(symbol), ..self }
    }

    /// The step with another value of a function that it changes.
    fn putting<const N: usize>(
        self,
        symbol: Symbol,
        value: impl Fn(&AbstractState, [Expr; N]) -> Expr,
    ) -> Transition {
        let after = self.after.leave(symbol).put(symbol, value);
        Transition { after, ..self }
    }

    /// The step that has `other` wherever its updates have `part`.
    ///
    /// # Panics
    /// When they nowhere do.
    fn replacing(self, part: Expr, other: Expr) -> Transition {
        let after = self.after.map(&|expr| (expr == part).then_some(other));
        assert_ne!(after.updates(), self.after.updates(), "{part:?} is nowhere");
        Transition { after, ..self }
    }

    /// A further parameter.
    fn parameter(mut self, name: &'static str, sort: Sort) -> (Transition, Expr) {
        let var = Var { name, sort, origin: super::formula::Origin::Parameter };
        self.parameters.push(var);
        (self, var.into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::evidence::proof::lemmas::lemma;
    use crate::evidence::proof::obligations::{obligations, obligations_of};
    use crate::evidence::rules;

    #[test]
    fn each_rule_is_bent_or_said_to_bear_on_no_safety() {
        // Those of snapshots are no actions of their own: the logs of the proof are whole.
        let known: BTreeSet<&str> =
            rules::FIGURE_2.iter().flat_map(|section| section.rules).map(|rule| rule.id).collect();
        let bent: BTreeSet<&str> = all().map(|bend| bend.rule).collect();
        let unbent: BTreeSet<&str> = UNBENT.iter().map(|(rule, _)| *rule).collect();
        assert!(bent.is_disjoint(&unbent), "{bent:?} {unbent:?}");
        assert_eq!(bent.union(&unbent).copied().collect::<BTreeSet<_>>(), known);
    }

    #[test]
    fn each_bend_has_a_name_of_its_own_and_changes_the_action_of_its_rule() {
        let names: BTreeSet<&str> = all().map(|bend| bend.name).collect();
        assert_eq!(names.len(), all().count());
        for bend in all() {
            let (own, bent) = ((bend.bent().step)(), bend.bent_step());
            let same = own.guard == bent.guard && own.after.updates() == bent.after.updates();
            assert!(!same, "{} changes nothing", bend.name);
            assert_eq!(own.parameters[..], bent.parameters[..own.parameters.len()]);
            assert_eq!(lemma(bend.falls).name, bend.falls);
        }
    }

    #[test]
    fn what_has_to_be_proved_of_a_bent_system_differs_in_the_bent_action_alone() {
        let shipped: Vec<String> = obligations().iter().map(|one| format!("{one:?}")).collect();
        for bend in all() {
            let bent = obligations_of(&bend.system());
            let new = bent.iter().filter(|one| !shipped.contains(&format!("{one:?}")));
            let new: Vec<&str> = new.map(|one| one.name.as_str()).collect();
            assert!(!new.is_empty(), "{}", bend.name);
            let of_the_action = |name: &&str| name.starts_with(&format!("{}/", bend.action));
            assert!(new.iter().all(of_the_action), "{}: {new:?}", bend.name);
        }
    }
}
