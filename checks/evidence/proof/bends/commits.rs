//! Bends of what is committed, and of what state machines are given.

use super::{Bend, Transition};
use crate::evidence::proof::formula::{all, vars};
use crate::evidence::proof::symbols::{AbstractState, Symbol};

/// In the order of the rules.
pub const BENDS: &[Bend] = &[
    Bend {
        name: "commit-all-at-start",
        rule: "VS.1",
        does: "takes its whole log for committed when it starts again",
        action: "restart",
        falls: "commit_index_has_a_reason",
        step: commit_all_at_start,
    },
    Bend {
        name: "count-all-applied-at-start",
        rule: "VS.2",
        does: "takes its whole log for applied when it starts again",
        action: "restart",
        falls: "applied_within_commit",
        step: count_all_applied_at_start,
    },
    Bend {
        name: "apply-the-uncommitted",
        rule: "ALL.1",
        does: "applies whatever is in its log, committed or not",
        action: "apply",
        falls: "state_machine_safety",
        step: apply_the_uncommitted,
    },
    Bend {
        name: "skip-an-entry",
        rule: "ALL.1",
        does: "applies the entry behind the next in the next one's place",
        action: "apply",
        falls: "state_machine_safety",
        step: skip_an_entry,
    },
    Bend {
        name: "count-older-entries",
        rule: "LE.4",
        does: "commits an entry of an earlier term by counting",
        action: "advance",
        falls: "leader_completeness",
        step: count_older_entries,
    },
    Bend {
        name: "commit-without-a-quorum",
        rule: "LE.4",
        does: "commits an entry that no quorum holds",
        action: "advance",
        falls: "committed_by_a_quorum",
        step: commit_without_a_quorum,
    },
];

fn commit_all_at_start(step: Transition) -> Transition {
    let [s] = step.values();
    step.putting(Symbol::CommitIndex, |before, [a]| {
        before.last_index(a).when(a.is(s), before.commit_index(a))
    })
}

fn count_all_applied_at_start(step: Transition) -> Transition {
    let [s] = step.values();
    step.putting(Symbol::LastApplied, |before, [a]| {
        before.last_index(a).when(a.is(s), before.last_applied(a))
    })
}

fn apply_the_uncommitted(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [s] = step.values();
    let applied = now.last_applied(s);
    step.without(applied.below(now.commit_index(s))).also(applied.below(now.last_index(s)))
}

fn skip_an_entry(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [s] = step.values();
    let next = now.last_applied(s) + 1;
    step.replacing(now.log_payload(s, next), now.log_payload(s, next + 1))
}

fn count_older_entries(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [l, _, i] = step.values();
    step.without(now.log_term(l, i).is(now.current_term(l)))
}

fn commit_without_a_quorum(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [l, q, i] = step.values();
    let [s] = vars(["s"]);
    let known = s.is(l) | now.match_index(l, s).at_least(i);
    step.without(all([s], now.member(s, q).implies(known)))
}
