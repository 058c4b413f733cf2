//! Engines: ways to search the states of a model, exhaustively.

pub mod stateright;

use std::time::Duration;

use ::stateright::{Model, Path};

/// What a search found.
pub struct Outcome<M: Model> {
    /// The model that was searched.
    pub model: std::sync::Arc<M>,
    /// Distinct states.
    pub unique_states: u64,
    /// States that were generated, equal ones counted each time.
    pub generated_states: u64,
    /// The length of the longest shortest path, in states.
    pub depth: u64,
    /// Whether every state within the bounds was looked at.
    pub exhausted: bool,
    /// How long it took.
    pub elapsed: Duration,
    /// The most memory that the process held at any moment, in bytes.
    pub peak_rss_bytes: u64,
    /// For each property that was violated, or found, a path to the state.
    pub discoveries: Vec<Discovery<M>>,
}

/// A property's name, and a path to the state that violates it or that was to be found.
pub type Discovery<M> = (&'static str, Path<<M as Model>::State, <M as Model>::Action>);
