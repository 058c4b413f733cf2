//! The kins of the states of a search, and which states are maximal.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHasher;

use crate::engines::antichain::Antichain;
use crate::engines::covering::Covering;
use crate::engines::fingerprint::Fingerprint;

/// The states of a search as they compare with others of their kin.
pub enum Compared<M: Covering> {
    /// All are looked at: the kins alone.
    All(Mutex<HashSet<u64, BuildHasherDefault<FxHasher>>>),
    /// Only the maximal ones are.
    Maximal(Mutex<Maximal<M>>),
}

/// The maximal states, and what knows their sets.
pub struct Maximal<M: Covering> {
    found: Antichain<u64>,
    known: M::Sets,
    sets: Vec<u32>,
}

/// What a search knows of a state when it finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// It has to be looked at.
    Open,
    /// The same, unless another covers it meanwhile: the one of this number.
    Maximal(u32),
    /// Another covers it.
    Covered,
}

impl<M: Covering> Compared<M> {
    /// Nothing yet of `model`.
    pub fn new(model: &M) -> Compared<M> {
        let any = model.init_states().into_iter().next();
        let Some(any) = any.filter(|_| model.is_antichain()) else {
            return Compared::All(Mutex::default());
        };
        let (mut known, mut sets) = (M::Sets::default(), Vec::new());
        model.sets(&mut known, &any, &mut sets);
        let found = Antichain::new(sets.len());
        Compared::Maximal(Mutex::new(Maximal { found, known, sets }))
    }

    /// A state is found.
    pub fn find(&self, model: &M, state: &M::State) -> Rank {
        let Compared::Maximal(maximal) = self else { return Rank::Open };
        let Some(kin) = model.kin(state) else { return Rank::Open };
        let Maximal { found, known, sets } = &mut *lock(maximal);
        sets.clear();
        model.sets(known, state, sets);
        let contains = |all, part| model.contains(known, all, part);
        // stateright knows names and parents itself.
        let number = found.insert(u64::of_kin(kin), sets, 1, 1, contains);
        number.map_or(Rank::Covered, Rank::Maximal)
    }

    /// All states found so far lie less deep than those to come.
    pub fn begin_level(&self) {
        if let Compared::Maximal(maximal) = self {
            lock(maximal).found.begin_level();
        }
    }

    /// It is a state's turn: whether it still has to be looked at.
    pub fn is_open(&self, model: &M, state: &M::State, rank: Rank) -> bool {
        match (self, rank) {
            (_, Rank::Covered) => false,
            (Compared::Maximal(maximal), Rank::Maximal(number)) => {
                !lock(maximal).found.is_covered(number)
            }
            (Compared::Maximal(_), Rank::Open) => true,
            (Compared::All(kins), Rank::Open | Rank::Maximal(_)) => {
                if let Some(kin) = model.kin(state) {
                    lock(kins).insert(u64::of_kin(kin));
                }
                true
            }
        }
    }

    /// How many kins there are, where states have one.
    pub fn kins(&self) -> Option<u64> {
        let kins = match self {
            Compared::All(kins) => lock(kins).len() as u64,
            Compared::Maximal(maximal) => lock(maximal).found.kins(),
        };
        (kins > 0).then_some(kins)
    }
}

/// Nothing panics between two writes of what these locks guard.
fn lock<T>(guarded: &Mutex<T>) -> MutexGuard<'_, T> {
    guarded.lock().unwrap_or_else(PoisonError::into_inner)
}
