//! The evidence: exhaustive searches, broken variants of the source that they must catch, and
//! traces. The binary `check` is its command line.

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod actor_model;
pub mod bench;
pub mod cli;
pub mod commands;
pub mod engine_args;
pub mod engines;
pub mod explore;
pub mod invariant;
pub mod mermaid;
pub mod mutants;
pub mod pins;
pub mod printer;
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
pub mod table;
pub mod trace;
pub mod verdict;
pub mod walk;
