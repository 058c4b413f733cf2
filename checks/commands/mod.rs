//! A file for each command of `check`, with its arguments; and what several commands share: the
//! arguments of engine and output, and the search itself.

pub mod bench;
pub mod claims;
pub mod engine;
pub mod explore;
pub mod invariant;
pub mod list;
pub mod mutants;
pub mod output;
pub mod pins;
pub mod prove;
pub mod recover;
mod refinement;
pub mod replay;
pub mod rules;
pub mod run;
pub mod search;
pub mod simulate;
pub mod trace;
