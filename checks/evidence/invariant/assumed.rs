//! Lemmas that a world is to satisfy, and what it takes to ask them again after a change.

use super::world::World;
use crate::evidence::proof::lemmas::Proof;
use crate::evidence::proof::ready::{READY_LEMMAS, ReadyLemma};
use crate::evidence::proof::symbols::{AbstractState, Symbol};

/// What is broken where a letter is under way of which nothing is told.
pub const UNTOLD: &str = "every letter was sent";

/// Some of the lemmas.
#[derive(Clone, Debug)]
pub struct Assumed {
    /// Each with what it speaks of, a bit for each function.
    lemmas: Vec<(u64, &'static ReadyLemma)>,
    left_out: Option<&'static str>,
}

impl Assumed {
    /// Those that are proved by induction: together they are the invariant.
    pub fn invariant() -> Assumed {
        Assumed::of(|lemma| lemma.lemma.proof == Proof::Induction)
    }

    /// The invariant, but for one of its lemmas.
    pub fn without(name: &'static str) -> Assumed {
        let mut others = Assumed::invariant();
        others.lemmas.retain(|(_, ready)| ready.lemma.name != name);
        Assumed { left_out: Some(name), ..others }
    }

    /// Those that follow from the invariant, in the same world.
    pub fn consequences() -> Assumed {
        Assumed::of(|ready| ready.lemma.proof != Proof::Induction)
    }

    fn of(which: impl Fn(&ReadyLemma) -> bool) -> Assumed {
        let lemmas = READY_LEMMAS.iter().filter(|ready| which(ready));
        let lemmas = lemmas.map(|ready| (speaks_of(ready), ready)).collect();
        Assumed { lemmas, left_out: None }
    }

    /// The lemma of the invariant that is left out, if one is.
    pub fn left_out(&self) -> Option<&'static str> {
        self.left_out
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lemmas.len()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.lemmas.iter().map(|(_, ready)| ready.lemma.name)
    }

    /// The name of the first that does not hold in `world`.
    pub fn broken(&self, world: &World) -> Option<&'static str> {
        self.first_broken(world, u64::MAX)
    }

    /// The name of the first that does not hold in `world`, which has become of `before`, where
    /// all hold.
    pub fn broken_since(&self, before: &World, world: &World) -> Option<&'static str> {
        let differs = |symbol: &Symbol| !before.tables().agree(world.tables(), *symbol);
        let changed = Symbol::ALL.iter().copied().filter(differs).map(bit);
        self.first_broken(world, changed.fold(0, |all, bit| all | bit))
    }

    fn first_broken(&self, world: &World, changed: u64) -> Option<&'static str> {
        if world.untold().is_some() {
            return Some(UNTOLD);
        }
        let asked = self.lemmas.iter().filter(|(speaks_of, _)| speaks_of & changed != 0);
        let broken = asked.map(|(_, ready)| ready).find(|ready| !ready.holds(world.tables()));
        broken.map(|ready| ready.lemma.name)
    }
}

fn bit(symbol: Symbol) -> u64 {
    1 << symbol as u32
}

fn speaks_of(ready: &ReadyLemma) -> u64 {
    let symbols = (ready.lemma.holds)(&AbstractState::default()).symbols();
    let mut all: u64 = symbols.iter().copied().map(bit).fold(0, |all, bit| all | bit);
    if symbols.contains(&Symbol::Choosable) {
        // What it is defined by.
        all |= bit(Symbol::Held) | bit(Symbol::CurrentTerm) | bit(Symbol::Member);
    }
    all
}

const _: () = assert!(Symbol::ALL.len() <= 64);
