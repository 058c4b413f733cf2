//! The actions of the abstract system: when each can happen, and what it changes. Each is a part
//! of what a server does in one step; what a step of the code consists of is checked by
//! `refinement`.
//!
//! A guard speaks of one server and of letters that were sent. It never asks about history, and
//! nothing that a server keeps or sends is made from history: tests hold both.

mod commits;
mod elections;
mod replication;

use super::formula::{Expr, Origin, Sort, Var};
use super::symbols::{AbstractState, Symbol};

pub use commits::{advance, apply};
pub use elections::{adopt, count, grant, restart, stand, win};
pub use replication::{acknowledged, back_up, keep, propose, refuse, send, truncate, write};

/// Something that can happen.
#[derive(Clone, Copy, Debug)]
pub struct AbstractAction {
    /// Its name.
    pub name: &'static str,
    /// What it is in Figure 2.
    pub about: &'static str,
    /// The rules of Figure 2 that it stands for.
    pub rules: &'static [&'static str],
    /// When it can happen, and what then is.
    pub step: fn() -> Transition,
}

/// An action, told in terms of the state before it.
#[derive(Clone, Debug)]
pub struct Transition {
    /// Who it happens to, and with what: the acting server first.
    pub parameters: Vec<Var>,
    /// When it can happen.
    pub guard: Expr,
    /// What then is.
    pub after: AbstractState,
}

/// Every action.
pub const ACTIONS: &[AbstractAction] = &[
    AbstractAction {
        name: "adopt",
        about: "a server learns of a greater term, and follows in it",
        rules: &["ALL.2"],
        step: adopt,
    },
    AbstractAction {
        name: "stand",
        about: "a server that does not lead stands in the next term, and asks for votes",
        rules: &["FO.2", "CA.1a", "CA.1b", "CA.1d", "CA.4"],
        step: stand,
    },
    AbstractAction {
        name: "grant",
        about: "a server gives a candidate its vote, and says so",
        rules: &["RV.1", "RV.2", "FO.1"],
        step: grant,
    },
    AbstractAction {
        name: "count",
        about: "a candidate counts a vote",
        rules: &["CA.2"],
        step: count,
    },
    AbstractAction {
        name: "win",
        about: "a candidate that has counted the votes of a quorum leads",
        rules: &["CA.2"],
        step: win,
    },
    AbstractAction {
        name: "propose",
        about: "a leader appends an entry to its log",
        rules: &["LE.2"],
        step: propose,
    },
    AbstractAction {
        name: "send",
        about: "a leader sends a part of its log, or a heartbeat",
        rules: &["LE.1a", "LE.1b", "LE.3"],
        step: send,
    },
    AbstractAction {
        name: "keep",
        about: "a server acknowledges a request whose entries it holds",
        rules: &["AE.1", "AE.2", "AE.5", "CA.3"],
        step: keep,
    },
    AbstractAction {
        name: "truncate",
        about: "a server drops the entries of its log from the first that conflicts with a request",
        rules: &["AE.3"],
        step: truncate,
    },
    AbstractAction {
        name: "write",
        about: "a server stores the entries of a request that it does not hold, in the place of \
                those that conflict with them, and acknowledges it",
        rules: &["AE.1", "AE.2", "AE.3", "AE.4", "AE.5", "CA.3"],
        step: write,
    },
    AbstractAction {
        name: "refuse",
        about: "a server refuses a request that does not continue its log",
        rules: &["AE.2", "CA.3"],
        step: refuse,
    },
    AbstractAction {
        name: "acknowledged",
        about: "a leader learns how far a peer holds its log",
        rules: &["LE.3a"],
        step: acknowledged,
    },
    AbstractAction {
        name: "back up",
        about: "a leader goes back with a peer that has refused",
        rules: &["LE.3b"],
        step: back_up,
    },
    AbstractAction {
        name: "advance",
        about: "a leader commits an entry of its own term that a quorum holds",
        rules: &["LE.4"],
        step: advance,
    },
    AbstractAction {
        name: "apply",
        about: "a server hands the next committed entry to its state machine",
        rules: &["ALL.1"],
        step: apply,
    },
    AbstractAction {
        name: "restart",
        about: "a server crashes, and starts again from its disk",
        rules: &["PS.1", "PS.2", "PS.3"],
        step: restart,
    },
];

/// Who or what an action happens with. Names as in [`vars`](super::formula::vars).
fn parameters<const N: usize>(names: [(&'static str, Sort); N]) -> ([Expr; N], Vec<Var>) {
    let vars = names.map(|(name, sort)| Var { name, sort, origin: Origin::Parameter });
    (vars.map(Expr::from), vars.to_vec())
}

impl AbstractState {
    /// The term of the last entry of the log of `s`; 0 if there is none.
    pub fn last_term(&self, s: Expr) -> Expr {
        self.term_before(s, self.last_index(s))
    }

    /// The term of the entry at `i` in the log of `s`; 0 before the first.
    pub fn term_before(&self, s: Expr, i: Expr) -> Expr {
        Expr::from(0).when(i.is(0), self.log_term(s, i))
    }

    /// The state in which `s` has lost what only candidates and leaders have.
    fn without_role(self, s: Expr) -> AbstractState {
        self.set(Symbol::Candidate, [s], false).set(Symbol::Leader, [s], false).without_counts(s)
    }

    fn without_counts(self, s: Expr) -> AbstractState {
        self.put(Symbol::VotesGranted, |before, [a, b]| a.is_not(s) & before.votes_granted(a, b))
            .put(Symbol::NextIndex, |before, [a, b]| {
                Expr::from(0).when(a.is(s), before.next_index(a, b))
            })
            .put(Symbol::MatchIndex, |before, [a, b]| {
                Expr::from(0).when(a.is(s), before.match_index(a, b))
            })
    }
}

/// Whether a log that ends in term `t` at `i` is at least as up to date as one that ends in `u`
/// at `j` (§5.4.1).
pub fn up_to_date(t: Expr, i: Expr, u: Expr, j: Expr) -> Expr {
    t.above(u) | (t.is(u) & i.at_least(j))
}
