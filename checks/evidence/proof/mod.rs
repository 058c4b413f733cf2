//! Safety proved for any number of servers, terms and entries: an abstract Raft, an invariant of
//! it, and solvers that prove each step; and the tie to the code, which is that every step of
//! [`Server::step`] is a sequence of actions of that very system.
//!
//! ```text
//!   actions ─┬─► obligations ─► solver      any number of everything, in SMT-LIB
//!   lemmas ──┘
//!   actions ─┬─► evaluate ────► refinement   concrete servers, letters and logs
//!   lemmas ──┘
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `formula.rs` | formulas as trees |
//! | `symbols.rs` | what the system consists of |
//! | `actions/` | what can happen: guards and updates |
//! | `lemmas/` | the invariant, layer by layer |
//! | `cuts.rs` | steps on the way |
//! | `obligations.rs` | what has to be proved |
//! | `solver.rs`, `proving.rs` | who proves it |
//! | `page.rs`, `page/` | `docs/proof.md` |
//! | `evaluate.rs` | the same formulas on concrete data |
//! | `ready.rs` | actions and lemmas, ready for that |
//! | `tables.rs` | a small state of the system |
//! | `bends/` | actions with a rule left out or turned into another |
//! | `finite/` | small states that show what is claimed of actions, bends and lemmas |
//! | `words.rs` | formulas and states in words |
//! | `refinement/` | each step of the code as a sequence of actions |
//!
//! [`Server::step`]: veraft::figure2::Server::step

pub mod actions;
pub mod bends;
pub mod cuts;
pub mod evaluate;
pub mod finite;
pub mod formula;
pub mod lemmas;
pub mod obligations;
pub mod page;
pub mod proving;
pub mod ready;
pub mod refinement;
pub mod solver;
pub mod symbols;
pub mod tables;
pub mod words;
