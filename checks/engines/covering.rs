//! Models in which a state can stand for others: those that it covers.

use stateright::Model;

/// What an engine needs to know of a model to look at maximal states alone. A model of which
/// nothing is said here has no states that cover others.
///
/// What a state can do, one that covers it can do too, and ends in a state that covers what
/// follows; and all properties see in both the same. Covering is a partial order.
pub trait Covering: Model {
    /// What one thread remembers of the sets of states.
    type Sets: Default + Send;

    /// Whether a search is to look at maximal states alone, those that no other covers.
    fn is_antichain(&self) -> bool {
        false
    }

    /// Whether a state that waits for its turn is looked at even if one that lies deeper covers it
    /// meanwhile. Then paths are shortest, and which states are looked at is the same in whatever
    /// order those of a level are found; else fewer have to be.
    fn keeps_depth(&self) -> bool {
        false
    }

    /// The name of what properties see of a state, which it shares with all that it covers; none
    /// where no state covers another.
    fn kin(&self, _: &Self::State) -> Option<u128> {
        None
    }

    /// Appends the numbers of the sets that make a state the one of its kin that it is, always as
    /// many: one that covers it has sets that [contain](Covering::contains) these, one by one.
    fn sets(&self, _: &mut Self::Sets, _: &Self::State, _: &mut Vec<u32>) {}

    /// Whether the set of one number contains that of another.
    fn contains(&self, _: &mut Self::Sets, all: u32, part: u32) -> bool {
        all == part
    }

    /// What another process has to learn to know all sets that this one named so far.
    fn tell_sets(&self, _: &mut Self::Sets) -> Vec<u8> {
        Vec::new()
    }

    /// The numbers here of the sets that another process told, in its order; none if the bytes
    /// are not what a process of this model tells.
    fn learn_sets(&self, _: &[u8]) -> Option<Vec<u32>> {
        Some(Vec::new())
    }
}
