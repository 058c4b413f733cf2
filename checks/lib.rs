//! The evidence: exhaustive searches, broken variants of the source that they must catch, and
//! traces. The binary `check` is its command line.
//!
//! Each folder may use those above it in this list, and itself; a test checks it
//! (`tests/rooms.rs`).
//!
//! 1. [`terminal`]: what is printed, and how far a search has come
//! 2. [`engines`]: ways to search a model, whatever it is a model of
//! 3. [`scopes`]: what is searched, and what can be told of a path through it
//! 4. [`evidence`]: searches and their verdicts, recovery, the invariant, mutants, rules
//! 5. [`telling`]: what was shown, as text, table, page, diagram and test
//! 6. [`commands`]: a file for each command
//! 7. [`cli`]: the command line

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod cli;
pub mod commands;
pub mod engines;
pub mod evidence;
pub mod scopes;
pub mod telling;
pub mod terminal;

// Tests that `check replay --format test` wrote name it so.
pub use telling::regression;
