//! What servers take for committed, and what their state machines were given.

use super::Layer::Machines;
use super::Proof::{Follows, Induction};
use super::{AbstractState, Lemma};
use crate::evidence::proof::formula::{Expr, all, vars};

/// In the order in which they build on each other.
pub const LEMMAS: &[Lemma] = &[
    Lemma {
        name: "commit_index_has_a_reason",
        says: "what a server takes for committed is in its log, and was committed: some commit \
               covers it, of a term that the server has reached",
        reason: "commitIndex is never a guess (AE.5, LE.4)",
        layer: Machines,
        proof: Induction,
        holds: commit_index_has_a_reason,
    },
    Lemma {
        name: "leader_commit_has_a_reason",
        says: "so is what a request tells of",
        reason: "it is the leader's commitIndex, which a follower takes over",
        layer: Machines,
        proof: Induction,
        holds: leader_commit_has_a_reason,
    },
    Lemma {
        name: "applied_within_commit",
        says: "a server has applied no more than is committed",
        reason: "nothing is applied that may yet be lost (ALL.1)",
        layer: Machines,
        proof: Induction,
        holds: applied_within_commit,
    },
    Lemma {
        name: "applied_has_a_reason",
        says: "what any state machine was ever given was committed: some commit covers it",
        reason: "what was applied stays true after restarts, and where the log is gone",
        layer: Machines,
        proof: Induction,
        holds: applied_has_a_reason,
    },
    Lemma {
        name: "state_machine_safety",
        says: "no two state machines were ever given different entries at an index",
        reason: "State Machine Safety (§5.4.3)",
        layer: Machines,
        proof: Follows(&["applied_has_a_reason", "commits_agree"]),
        holds: state_machine_safety,
    },
    Lemma {
        name: "nothing_committed_is_contradicted",
        says: "a request of a server's term says of what the server takes for committed what its \
               log says",
        reason: "the guard against contradictions (BR.6) refuses no correct peer",
        layer: Machines,
        proof: Follows(&["commit_index_has_a_reason", "committed_before_too", "request_is_a_part"]),
        holds: nothing_committed_is_contradicted,
    },
];

/// A commit of term `t` covers everything up to `i`, for somebody in term `now`.
fn covered(at: &AbstractState, i: Expr, t: Expr, up_to: Expr, now: Expr) -> Expr {
    at.committed(t, up_to) & i.at_most(up_to) & t.at_most(now)
}

fn commit_index_has_a_reason(at: &AbstractState) -> Expr {
    let [s, j] = vars(["s", "j"]);
    let (commit, t) = (at.commit_index(s), at.commit_term(s));
    let reason = covered(at, commit, t, at.commit_up_to(s), at.current_term(s));
    let same =
        at.log_term(s, j).is(at.term_term(t, j)) & at.log_payload(s, j).is(at.term_payload(t, j));
    all(
        [s],
        commit.at_least(0) & commit.at_most(at.last_index(s)) & commit.above(0).implies(reason),
    ) & all([s, j], (j.at_least(1) & j.at_most(commit)).implies(same))
}

fn leader_commit_has_a_reason(at: &AbstractState) -> Expr {
    let [m] = vars(["m"]);
    let told = at.leader_commit(m);
    let reason = covered(at, told, at.told_term(m), at.told_up_to(m), at.request_term(m));
    all([m], (at.sent(m) & told.above(0)).implies(reason))
}

fn applied_within_commit(at: &AbstractState) -> Expr {
    let [s] = vars(["s"]);
    let applied = at.last_applied(s);
    all([s], applied.at_least(0) & applied.at_most(at.commit_index(s)))
}

fn applied_has_a_reason(at: &AbstractState) -> Expr {
    let [i, x] = vars(["i", "x"]);
    let (t, up_to) = (at.applied_term(i, x), at.applied_up_to(i, x));
    let reason =
        i.at_least(1) & at.committed(t, up_to) & i.at_most(up_to) & at.term_payload(t, i).is(x);
    all([i, x], at.applied(i, x).implies(reason))
}

fn state_machine_safety(at: &AbstractState) -> Expr {
    let [i, x, y] = vars(["i", "x", "y"]);
    all([i, x, y], (at.applied(i, x) & at.applied(i, y)).implies(x.is(y)))
}

fn nothing_committed_is_contradicted(at: &AbstractState) -> Expr {
    let [m, s, i] = vars(["m", "s", "i"]);
    let here = at.sent(m)
        & at.request_term(m).at_least(at.current_term(s))
        & i.at_least(1)
        & i.at_most(at.commit_index(s));
    let carried = at.prev_index(m).below(i) & i.at_most(at.end_index(m));
    let entry = carried.implies(at.entry_term(m, i).is(at.log_term(s, i)));
    let before = at.prev_index(m).is(i).implies(at.prev_term(m).is(at.log_term(s, i)));
    all([m, s, i], here.implies(entry & before))
}
