//! The antichain: a state whose letters are a part of another's need not be looked at.
//!
//! Of two states with the same [visible part](crate::Visible), the one with more letters *covers*
//! the other, and a search of maximal states alone keeps only those that none covers. That leaves
//! out no visible part, by the argument of `saturation.rs`: letters only give abilities, so
//! whatever follows the state that is left out follows, letter for letter and more, the one that
//! covers it. Nor does it make any path longer: the one that covers lies as deep at most, or is
//! found in the same level. What it needs is what saturation needs; it needs no saturation, but
//! without it few states cover others.
//!
//! Under symmetry, letters are compared as the renaming shows them that names the visible part:
//! see [`ClusterState::visible_fingerprint`]. So it depends on two orbits alone which covers
//! which, and the maximal states are the same in whatever order a level is searched.

use std::hash::{Hash, Hasher};

use veraft::figure2::ServerId;

use crate::cluster::Cluster;
use crate::modelled::Modelled;
use crate::orbit::{Component, Ref, Rename, Renaming};
use crate::portable::Malformed;
use crate::state::ClusterState;

/// The letters under way to one server, as sets of them are compared: what each means, by its
/// hash under one renaming.
#[derive(Clone, Debug)]
pub(crate) struct LetterSet {
    /// In order.
    meanings: Box<[u64]>,
    /// A bit for each, the same in every set.
    signature: u64,
}

impl LetterSet {
    fn new(mut meanings: Vec<u64>) -> LetterSet {
        meanings.sort_unstable();
        let bit = |meaning: &u64| 1 << (meaning >> (u64::BITS - 6));
        let signature = meanings.iter().fold(0, |bits: u64, meaning| bits | bit(meaning));
        LetterSet { meanings: meanings.into(), signature }
    }

    fn contains(&self, part: &LetterSet) -> bool {
        if part.signature & !self.signature != 0 || part.meanings.len() > self.meanings.len() {
            return false;
        }
        let mut all = self.meanings.iter();
        part.meanings
            .iter()
            .all(|meaning| all.by_ref().find(|there| *there >= meaning) == Some(meaning))
    }
}

impl PartialEq for LetterSet {
    fn eq(&self, other: &Self) -> bool {
        self.meanings == other.meanings
    }
}

impl Eq for LetterSet {}

impl Hash for LetterSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.meanings.hash(state);
    }
}

/// It is part of no state.
impl Component for LetterSet {
    fn lanes(&self, _: &[Renaming]) -> Box<[u64]> {
        Box::default()
    }
}

/// The sets of letters that one thread has met.
#[derive(Debug, Default)]
pub struct LetterSets {
    /// By mail and renaming; 0 where it is not known, else one more than the number of the set.
    of_mail: Vec<u32>,
    by_number: Vec<Ref<LetterSet>>,
}

impl<P: Modelled> Cluster<P> {
    /// Appends the numbers of the sets of letters under way, in the order of the servers that
    /// they are for, as the renaming shows them that names the visible part: numbers of this
    /// process.
    pub fn letter_sets(&self, sets: &mut LetterSets, state: &ClusterState<P>, out: &mut Vec<u32>) {
        let (_, place) = state.visible_fingerprint();
        let (first, renamings) = (out.len(), state.renamings);
        out.resize(first + state.mail.len(), 0);
        for (&to, mail) in self.actor.servers.iter().zip(&state.mail) {
            let ServerId(renamed) = to.rename(&self.renamings[place]);
            let known = mail.number() as usize * renamings + place;
            if known >= sets.of_mail.len() {
                sets.of_mail.resize((known + 1).next_power_of_two(), 0);
            }
            if sets.of_mail[known] == 0 {
                let meanings = mail.posts().iter().map(|post| post.lane(place)).collect();
                let set = self.sets.intern(LetterSet::new(meanings), &[]);
                sets.of_mail[known] = set.number() + 1;
            }
            out[first + renamed as usize] = sets.of_mail[known] - 1;
        }
    }

    /// Whether one set of letters contains another; by the numbers of this process.
    pub fn set_contains(&self, sets: &mut LetterSets, all: u32, part: u32) -> bool {
        if all == part {
            return true;
        }
        let sets = &mut sets.by_number;
        if sets.len() <= all.max(part) as usize {
            self.sets.mirror(sets);
        }
        sets[all as usize].contains(sets[part as usize])
    }

    /// All sets of letters so far, for another process.
    pub fn tell_sets(&self, sets: &mut LetterSets) -> Vec<u8> {
        let sets = &mut sets.by_number;
        self.sets.mirror(sets);
        let meanings: Vec<&[u64]> = sets.iter().map(|set| &*set.meanings).collect();
        postcard::to_allocvec(&meanings).expect("numbers in lists of known length")
    }

    /// The numbers in this process of the sets that another told.
    ///
    /// # Errors
    /// When the bytes are not what a process tells.
    pub fn learn_sets(&self, told: &[u8]) -> Result<Vec<u32>, Malformed> {
        let told: Vec<Vec<u64>> = postcard::from_bytes(told).map_err(|_| Malformed)?;
        let set = |meanings| self.sets.intern(LetterSet::new(meanings), &[]).number();
        Ok(told.into_iter().map(set).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_contains_its_parts_and_no_more() {
        let set = |meanings: &[u64]| LetterSet::new(meanings.to_vec());
        let all = set(&[9, 1 << 60, 5, 7]);
        for part in [&[][..], &[5], &[7, 5], &[9, 5, 1 << 60], &[5, 7, 9, 1 << 60]] {
            assert!(all.contains(&set(part)), "{part:?}");
        }
        for other in [&[6][..], &[5, 6], &[4, 5], &[5, 10], &[1 << 61], &[5, 7, 8, 9, 1 << 60]] {
            assert!(!all.contains(&set(other)), "{other:?}");
        }
        assert!(!set(&[]).contains(&all));
    }
}
