//! What a claim rests on: exhaustive searches, games of recovery, random walks and worlds, mutants
//! that a search must catch, and the rules that all of them are about.

pub mod invariant;
pub mod mutants;
pub mod proof;
pub mod recovery;
pub mod rules;
pub mod saved;
pub mod search;
mod shortest;
pub mod verdict;
pub mod walk;
