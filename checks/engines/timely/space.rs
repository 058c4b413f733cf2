//! What the engine needs of a model beside stateright's `Model`.

use std::hash::Hash;

use thiserror::Error;

use crate::engines::covering::Covering;

/// Bytes that are no state of this model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("these bytes are no state of this model")]
pub struct UnreadableState;

/// A model whose states can be fingerprinted, written down, and told to another process.
pub trait Space:
    Covering<State: Clone + PartialEq + Hash + Send + Sync, Action: Clone + PartialEq + Send + Sync>
    + Send
    + Sync
    + 'static
{
    /// What one thread remembers between states.
    type Memo: Default;
    /// What another process's numbers stand for.
    type Names: Default + Send;
    /// What another process was told.
    type Told: Default + Send;

    /// The state's name; equal for states that stand for each other.
    fn fingerprint(&self, state: &Self::State) -> u64;

    /// The same with 128 bits.
    fn wide_fingerprint(&self, state: &Self::State) -> u128;

    /// How many states a state may stand for, itself included; at least 1.
    fn orbit(&self) -> usize;

    /// Shows each successor within the bounds to `visit`.
    fn successors(
        &self,
        memo: &mut Self::Memo,
        state: &Self::State,
        visit: impl FnMut(&Self::State),
    );

    /// Appends a state, as this process reads it.
    fn write(&self, state: &Self::State, out: &mut Vec<u8>);

    /// Reads a state of this process off the front of `bytes`, in the place of another.
    fn read(
        &self,
        memo: &mut Self::Memo,
        bytes: &mut &[u8],
        state: &mut Self::State,
    ) -> Result<(), UnreadableState>;

    /// What another process has to learn to read all that this one wrote so far.
    fn tell(&self, memo: &mut Self::Memo, told: &mut Self::Told) -> Vec<u8>;

    /// Learns what another process told.
    fn learn(&self, names: &mut Self::Names, told: &[u8]) -> Result<(), UnreadableState>;

    /// Reads a state that another process wrote.
    fn read_foreign(
        &self,
        names: &Self::Names,
        bytes: &mut &[u8],
        state: &mut Self::State,
    ) -> Result<(), UnreadableState>;
}
