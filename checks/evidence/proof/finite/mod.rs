//! Finite states of the abstract system: those in which an action can happen, or in which a bent
//! one breaks a lemma. A solver finds them; whether they are what they are said to be is asked of
//! the formulas themselves.
//!
//! ```text
//!   wanted ─► expansion ─► circuit ─► a solver ─► a state ─► shrinking ─► example, told
//!     └──────────────────── evaluated on it ─────────┘
//! ```

pub mod circuit;
pub mod claims;
pub mod deeds;
pub mod expansion;
pub mod guarded;
pub mod lines;
pub mod needs;
pub mod search;
pub mod shrinking;
pub mod sizes;
pub mod telling;

pub mod wanted;
