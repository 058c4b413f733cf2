//! The kins of the states of a search, and which states are maximal.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHasher;

use crate::engines::antichain::Antichain;
use crate::engines::covering::Covering;
use crate::engines::fingerprint::Fingerprint;

/// The states of a search as they compare with others of their kin.
pub struct Compared<M: Covering>(Mutex<Known<M>>);

enum Known<M: Covering> {
    /// All are looked at: the kins alone.
    All(HashSet<u64, BuildHasherDefault<FxHasher>>),
    /// Only the maximal ones are.
    Maximal { found: Antichain<u64>, known: M::Sets, sets: Vec<u32> },
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
        Compared(Mutex::new(match any.filter(|_| model.is_antichain()) {
            None => Known::All(HashSet::default()),
            Some(any) => {
                let (mut known, mut sets) = (M::Sets::default(), Vec::new());
                model.sets(&mut known, &any, &mut sets);
                Known::Maximal { found: Antichain::new(sets.len()), known, sets }
            }
        }))
    }

    /// Nothing panics between two writes of what the lock guards.
    fn known(&self) -> MutexGuard<'_, Known<M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A state is found.
    pub fn find(&self, model: &M, state: &M::State) -> Rank {
        let Some(kin) = model.kin(state) else { return Rank::Open };
        match &mut *self.known() {
            Known::All(_) => Rank::Open,
            Known::Maximal { found, known, sets } => {
                sets.clear();
                model.sets(known, state, sets);
                let contains = |all, part| model.contains(known, all, part);
                // stateright knows names and parents itself.
                let number = found.insert(u64::of_kin(kin), sets, 1, 1, contains);
                number.map_or(Rank::Covered, Rank::Maximal)
            }
        }
    }

    /// All states found so far lie less deep than those to come.
    pub fn begin_level(&self) {
        match &mut *self.known() {
            Known::All(_) => {}
            Known::Maximal { found, .. } => found.begin_level(),
        }
    }

    /// It is a state's turn: whether it still has to be looked at.
    pub fn is_open(&self, model: &M, state: &M::State, found: Rank) -> bool {
        match (&mut *self.known(), found) {
            (_, Rank::Covered) => false,
            (Known::Maximal { found, .. }, Rank::Maximal(number)) => !found.is_covered(number),
            (Known::Maximal { .. }, Rank::Open) => true,
            (Known::All(kins), Rank::Open | Rank::Maximal(_)) => {
                kins.extend(model.kin(state).map(u64::of_kin));
                true
            }
        }
    }

    /// How many kins there are, where states have one.
    pub fn kins(&self) -> Option<u64> {
        let kins = match &*self.known() {
            Known::All(kins) => kins.len() as u64,
            Known::Maximal { found, .. } => found.kins(),
        };
        (kins > 0).then_some(kins)
    }
}
