//! Commands of `check`, each with its arguments.

pub mod bench;
pub mod engine;
pub mod explore;
pub mod invariant;
pub mod output;
pub mod pins;
pub mod recover;
pub mod replay;
pub mod search;
pub mod simulate;
pub mod trace;
