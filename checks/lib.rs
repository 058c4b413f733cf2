//! The evidence: exhaustive searches, broken variants of the source that they must catch, and
//! traces. The binary `check` is its command line.

#![forbid(unsafe_code)]

pub mod actor_model;
pub mod bench;
pub mod cli;
pub mod engine_args;
pub mod engines;
pub mod explore;
pub mod invariant;
pub mod mermaid;
pub mod mutants;
pub mod progress;
pub mod recovery;
pub mod regression;
pub mod replay;
pub mod report;
pub mod rules;
pub mod run;
pub mod saved;
pub mod scope_args;
pub mod scopes;
pub mod script;
pub mod story;
pub mod trace;
pub mod verdict;
pub mod walk;
