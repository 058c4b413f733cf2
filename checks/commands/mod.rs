//! Commands of `check`, each with its arguments.

pub mod output;
pub mod pins;
pub mod search;
pub mod simulate;
