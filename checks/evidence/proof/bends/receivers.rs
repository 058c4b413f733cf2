//! Bends of what a server does with an AppendEntries.

use super::{Bend, Transition};
use crate::evidence::proof::formula::{Expr, all, vars};
use crate::evidence::proof::symbols::{AbstractState, Symbol};

/// In the order of the rules.
pub const BENDS: &[Bend] = &[
    Bend {
        name: "store-for-older-leaders",
        rule: "AE.1",
        does: "stores the entries of a leader of an older term",
        action: "write",
        falls: "choosable_is_held",
        step: store_for_older_leaders,
    },
    Bend {
        name: "skip-prev",
        rule: "AE.2",
        does: "does not ask whether a request continues its log",
        action: "write",
        falls: "log_matching",
        step: |step| skip_prev_term(skip_prev_index(step)),
    },
    Bend {
        name: "skip-prev-term",
        rule: "AE.2",
        does: "asks for an entry at prevLogIndex, but not for its term",
        action: "write",
        falls: "log_matching",
        step: skip_prev_term,
    },
    Bend {
        name: "skip-check-of-heartbeats",
        rule: "AE.2",
        does: "lets a heartbeat pass whatever its log is",
        action: "keep",
        falls: "held_stands_in_the_log",
        step: |step| skip_prev_term(skip_prev_index(step)),
    },
    Bend {
        name: "truncate-always",
        rule: "AE.3",
        does: "drops what stands behind the entries of a request, conflict or not",
        action: "write",
        falls: "choosable_is_held",
        step: truncate_always,
    },
    Bend {
        name: "truncate-never",
        rule: "AE.3",
        does: "keeps entries that conflict, and acknowledges",
        action: "keep",
        falls: "held_stands_in_the_log",
        step: truncate_never,
    },
    Bend {
        name: "keep-behind-a-conflict",
        rule: "AE.3",
        does: "overwrites entries that conflict, and keeps those behind them",
        action: "write",
        falls: "log_matching",
        step: keep_behind_a_conflict,
    },
    Bend {
        name: "store-nothing",
        rule: "AE.4",
        does: "acknowledges entries that it does not hold, and stores none",
        action: "write",
        falls: "held_stands_in_the_log",
        step: store_nothing,
    },
    Bend {
        name: "acknowledge-the-whole-log",
        rule: "AE.4",
        does: "acknowledges its whole log, not only what the request covers",
        action: "keep",
        falls: "held_stands_in_the_log",
        step: acknowledge_the_whole_log,
    },
    Bend {
        name: "commit-without-bound",
        rule: "AE.5",
        does: "takes leaderCommit for its commitIndex, whatever it holds",
        action: "keep",
        falls: "commit_index_has_a_reason",
        step: commit_without_bound,
    },
    Bend {
        name: "commit-beyond-what-is-new",
        rule: "AE.5",
        does: "bounds commitIndex by its last entry, not by the last of the request",
        action: "keep",
        falls: "commit_index_has_a_reason",
        step: commit_beyond_what_is_new,
    },
];

/// Who acts, and the request, whatever else there is.
fn receiver(step: &Transition) -> [Expr; 2] {
    [step.parameters[0], step.parameters[1]].map(Expr::from)
}

fn store_for_older_leaders(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [s, m] = receiver(&step);
    let (term, own) = (now.request_term(m), now.current_term(s));
    step.without(term.is(own)).also(term.at_most(own))
}

fn skip_prev_index(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [s, m] = receiver(&step);
    step.without(now.prev_index(m).at_most(now.last_index(s)))
}

fn skip_prev_term(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [s, m] = receiver(&step);
    step.without(now.prev_term(m).is(now.term_before(s, now.prev_index(m))))
}

fn truncate_always(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [s, m, k] = step.values();
    let conflict = now.log_term(s, k + 1).is_not(now.entry_term(m, k + 1));
    step.without(k.is(now.last_index(s)) | conflict)
}

fn truncate_never(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [s, m] = step.values();
    let [i] = vars(["i"]);
    let part = now.prev_index(m).below(i) & i.at_most(now.end_index(m));
    step.without(all([i], part.implies(now.log_term(s, i).is(now.entry_term(m, i)))))
}

fn keep_behind_a_conflict(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [s, m, k] = step.values();
    let (end, last) = (now.end_index(m), now.last_index(s));
    let longest = end.when(end.above(last), last);
    let replaced = |a: Expr, i: Expr| a.is(s) & i.above(k) & i.at_most(end);
    step.putting(Symbol::LastIndex, |before, [a]| longest.when(a.is(s), before.last_index(a)))
        .putting(Symbol::LogTerm, |before, [a, i]| {
            before.entry_term(m, i).when(replaced(a, i), before.log_term(a, i))
        })
        .putting(Symbol::LogPayload, |before, [a, i]| {
            before.entry_payload(m, i).when(replaced(a, i), before.log_payload(a, i))
        })
}

fn store_nothing(step: Transition) -> Transition {
    step.leaving(Symbol::LastIndex).leaving(Symbol::LogTerm).leaving(Symbol::LogPayload)
}

fn acknowledge_the_whole_log(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [s, _] = step.values();
    let (t, last) = (now.current_term(s), now.last_index(s));
    let held = now.held(s, t);
    let higher = last.when(last.above(held), held);
    step.putting(Symbol::Acknowledged, |before, [a, b, i]| {
        (a.is(s) & b.is(t) & i.is(last)) | before.acknowledged(a, b, i)
    })
    .putting(Symbol::Held, |before, [a, b]| higher.when(a.is(s) & b.is(t), before.held(a, b)))
}

/// What `leaderCommit` is bounded by is `bound`, not the end of the request.
fn bounded(step: Transition, bound: impl Fn(Expr) -> Expr) -> Transition {
    let now = AbstractState::default();
    let [_, m] = receiver(&step);
    let (told, end) = (now.leader_commit(m), now.end_index(m));
    step.replacing(told.when(told.below(end), end), bound(told))
}

fn commit_without_bound(step: Transition) -> Transition {
    bounded(step, |told| told)
}

fn commit_beyond_what_is_new(step: Transition) -> Transition {
    let [s, _] = receiver(&step);
    let last = AbstractState::default().last_index(s);
    bounded(step, |told| told.when(told.below(last), last))
}
