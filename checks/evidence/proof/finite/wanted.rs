//! What is looked for: a state of which some lemmas hold, an action that can happen in it, and
//! lemmas of which one does not hold then.

use super::super::evaluate::Datum;
use super::super::lemmas::{self, Lemma};
use super::super::ready::{READY_LEMMAS, ReadyAction, ReadyLemma};
use super::super::tables::Tables;

/// How many numbers beyond those of a state are looked at before it is believed. A lemma speaks of
/// three terms and three indices at most, and of what comes right behind one; so what holds with so
/// many that are like each other holds with any number of them.
const BEYOND: u64 = 6;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// What holds.
    pub given: Vec<&'static Lemma>,
    /// What happens, if anything does.
    pub action: Option<&'a ReadyAction>,
    /// That of which something does not hold then; if this is empty, nothing need fail.
    pub falls: Vec<&'static Lemma>,
}

/// A state that was looked for, found, and seen to be one.
#[derive(Clone, Debug)]
pub struct Example<'a> {
    /// The state.
    pub before: Tables,
    /// What happens in it, if anything does.
    pub action: Option<&'a ReadyAction>,
    /// Who it happens to, and with what.
    pub parameters: Vec<Datum>,
    /// What it becomes.
    pub after: Tables,
    /// The lemmas that do not hold then, of those that were to hold.
    pub fallen: Vec<&'static Lemma>,
}

impl<'a> Wanted<'a> {
    /// The state as an example of what is looked for, if it is one. What is asked is the formulas
    /// themselves, whoever found the state.
    pub fn example(&self, state: &Tables, parameters: &[Datum]) -> Option<Example<'a>> {
        let before = state.widened(BEYOND);
        let holds = |of: &Tables, lemma: &&'static Lemma| ready(lemma).holds(of);
        let happens = self.action.is_none_or(|action| action.can_happen(&before, parameters));
        if !happens || !self.given.iter().all(|lemma| holds(&before, lemma)) {
            return None;
        }
        let after = match self.action {
            Some(action) => before.after(action, parameters),
            None => before.clone(),
        };
        let fallen = |lemma: &&&'static Lemma| !holds(&after, lemma);
        let fallen: Vec<_> = self.falls.iter().filter(fallen).copied().collect();
        let found = self.falls.is_empty() || !fallen.is_empty();
        let (action, parameters) = (self.action, parameters.to_vec());
        found.then_some(Example { before, action, parameters, after, fallen })
    }
}

fn ready(lemma: &Lemma) -> &'static ReadyLemma {
    let place = lemmas::all().position(|other| other.name == lemma.name);
    let ready = place.and_then(|place| READY_LEMMAS.get(place));
    ready.unwrap_or_else(|| panic!("{} is none of the lemmas", lemma.name))
}
