//! What is committed, and what state machines are given.

use super::{Transition, parameters};
use crate::evidence::proof::formula::{Sort, all, vars};
use crate::evidence::proof::symbols::{AbstractState, Symbol};

/// The entry at `i` is of the leader's own term, and each server of a quorum is known to hold it.
pub fn advance() -> Transition {
    let ([l, q, i], parameters) =
        parameters([("l", Sort::Server), ("q", Sort::Quorum), ("i", Sort::Index)]);
    let now = AbstractState::default();
    let t = now.current_term(l);
    let [s] = vars(["s"]);
    let known = all([s], now.member(s, q).implies(s.is(l) | now.match_index(l, s).at_least(i)));
    let guard = now.is_leader(l)
        & i.above(now.commit_index(l))
        & i.at_most(now.last_index(l))
        & now.log_term(l, i).is(t)
        & known;
    let after = AbstractState::default()
        .set(Symbol::CommitIndex, [l], i)
        .add(Symbol::Committed, [t, i])
        .set(Symbol::Holders, [t, i], q)
        .set(Symbol::CommitTerm, [l], t)
        .set(Symbol::CommitUpTo, [l], i);
    Transition { parameters, guard, after }
}

/// The state machine is given the entry behind the last that it was given.
pub fn apply() -> Transition {
    let ([s], parameters) = parameters([("s", Sort::Server)]);
    let now = AbstractState::default();
    let next = now.last_applied(s) + 1;
    let given = now.log_payload(s, next);
    let after = AbstractState::default()
        .set(Symbol::LastApplied, [s], next)
        .add(Symbol::Applied, [next, given])
        .set(Symbol::AppliedTerm, [next, given], now.commit_term(s))
        .set(Symbol::AppliedUpTo, [next, given], now.commit_up_to(s));
    Transition { parameters, guard: now.last_applied(s).below(now.commit_index(s)), after }
}
