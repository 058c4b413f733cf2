//! Bends of what survives a crash, of terms, and of elections.

use super::{Bend, Transition};
use crate::evidence::proof::actions::up_to_date;
use crate::evidence::proof::formula::{Expr, Sort, all, vars};
use crate::evidence::proof::symbols::{AbstractState, Symbol};

/// In the order of the rules.
pub const BENDS: &[Bend] = &[
    Bend {
        name: "forget-the-term",
        rule: "PS.1",
        does: "starts again in term 0",
        action: "restart",
        falls: "vote_remembered",
        step: forget_the_term,
    },
    Bend {
        name: "forget-the-vote",
        rule: "PS.2",
        does: "starts again in its term, without its vote",
        action: "restart",
        falls: "vote_remembered",
        step: forget_the_vote,
    },
    Bend {
        name: "lose-the-log",
        rule: "PS.3",
        does: "starts again with an empty log",
        action: "restart",
        falls: "choosable_is_held",
        step: lose_the_log,
    },
    Bend {
        name: "grant-stale-requests",
        rule: "RV.1",
        does: "votes for a candidate of an older term, in that term",
        action: "grant",
        falls: "one_vote",
        step: grant_stale_requests,
    },
    Bend {
        name: "vote-twice",
        rule: "RV.2",
        does: "grants a vote although one was given in this term",
        action: "grant",
        falls: "one_vote",
        step: vote_twice,
    },
    Bend {
        name: "vote-for-logs-unseen",
        rule: "RV.2",
        does: "votes without a look at the candidate's log",
        action: "grant",
        falls: "choosable_is_compared",
        step: vote_for_logs_unseen,
    },
    Bend {
        name: "compare-logs-by-length",
        rule: "RV.2",
        does: "compares logs by their length alone",
        action: "grant",
        falls: "choosable_is_compared",
        step: compare_logs_by_length,
    },
    Bend {
        name: "compare-logs-by-term",
        rule: "RV.2",
        does: "compares logs by their last term alone",
        action: "grant",
        falls: "choosable_is_compared",
        step: compare_logs_by_term,
    },
    Bend {
        name: "adopt-older-terms",
        rule: "ALL.2",
        does: "adopts any other term, greater or not",
        action: "adopt",
        falls: "vote_remembered",
        step: adopt_older_terms,
    },
    Bend {
        name: "keep-the-vote",
        rule: "ALL.2",
        does: "takes its vote along into a greater term",
        action: "adopt",
        falls: "vote_held_was_cast",
        step: |step| step.leaving(Symbol::VotedFor),
    },
    Bend {
        name: "lead-on",
        rule: "ALL.2",
        does: "goes on to lead when it learns of a greater term",
        action: "adopt",
        falls: "leader_recorded",
        step: |step| step.leaving(Symbol::Leader),
    },
    Bend {
        name: "stand-in-the-same-term",
        rule: "CA.1a",
        does: "stands in the term in which it is",
        action: "stand",
        falls: "one_vote",
        step: stand_in_the_same_term,
    },
    Bend {
        name: "stand-without-a-vote",
        rule: "CA.1b",
        does: "counts itself, but keeps its vote for another",
        action: "stand",
        falls: "vote_remembered",
        step: stand_without_a_vote,
    },
    Bend {
        name: "tell-of-a-longer-log",
        rule: "CA.1d",
        does: "asks for votes with a log that is one entry longer than its own",
        action: "stand",
        falls: "voter_was_asked",
        step: tell_of_a_longer_log,
    },
    Bend {
        name: "count-older-votes",
        rule: "CA.2",
        does: "counts votes of its older terms",
        action: "count",
        falls: "vote_counted_was_cast",
        step: count_older_votes,
    },
    Bend {
        name: "win-without-a-quorum",
        rule: "CA.2",
        does: "leads without the votes of a quorum",
        action: "win",
        falls: "election_safety",
        step: win_without_a_quorum,
    },
    Bend {
        name: "stand-on",
        rule: "CA.3",
        does: "stores entries of its term's leader, and goes on to stand",
        action: "write",
        falls: "voter_was_asked",
        step: |step| step.leaving(Symbol::Candidate).leaving(Symbol::VotesGranted),
    },
];

fn forget_the_term(step: Transition) -> Transition {
    let [s] = step.values();
    let after = step.after.set(Symbol::CurrentTerm, [s], 0);
    Transition { after, ..step }
}

fn forget_the_vote(step: Transition) -> Transition {
    let [s] = step.values();
    let after =
        step.after.put(Symbol::VotedFor, |before, [a, b]| a.is_not(s) & before.voted_for(a, b));
    Transition { after, ..step }
}

fn lose_the_log(step: Transition) -> Transition {
    let [s] = step.values();
    let after = step.after.set(Symbol::LastIndex, [s], 0);
    Transition { after, ..step }
}

fn grant_stale_requests(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [s, c] = step.values();
    let (step, t) = step.parameter("t", Sort::Term);
    let term = now.current_term(s);
    let guard = step.guard.map(&|expr| (expr == term).then_some(t));
    Transition { guard, ..step }.replacing(term, t).also(t.at_most(term) & c.is_not(s))
}

/// Whether `s` has voted for nobody else than `c`.
fn unbound(s: Expr, c: Expr) -> Expr {
    let [d] = vars(["d"]);
    all([d], AbstractState::default().voted_for(s, d).implies(d.is(c)))
}

fn vote_twice(step: Transition) -> Transition {
    let [s, c] = step.values();
    step.without(unbound(s, c))
}

/// What voter `s` asks of the log of `c`, which it compares by the numbers that `compare` is
/// given: last term and index of the candidate's log, and of its own.
fn compared(step: Transition, compare: impl Fn([Expr; 4]) -> Expr) -> Transition {
    let now = AbstractState::default();
    let [s, c] = step.values();
    let t = now.current_term(s);
    let logs = [now.asked_term(c, t), now.asked_index(c, t), now.last_term(s), now.last_index(s)];
    let [term, index, own_term, own_index] = logs;
    step.without(up_to_date(term, index, own_term, own_index)).also(compare(logs))
}

fn vote_for_logs_unseen(step: Transition) -> Transition {
    compared(step, |_| true.into())
}

fn compare_logs_by_length(step: Transition) -> Transition {
    compared(step, |[_, index, _, own_index]| index.at_least(own_index))
}

fn compare_logs_by_term(step: Transition) -> Transition {
    compared(step, |[term, _, own_term, _]| term.at_least(own_term))
}

fn adopt_older_terms(step: Transition) -> Transition {
    let [s, t] = step.values();
    let term = AbstractState::default().current_term(s);
    step.without(t.above(term)).also(t.is_not(term))
}

fn stand_in_the_same_term(step: Transition) -> Transition {
    let [s] = step.values();
    let term = AbstractState::default().current_term(s);
    step.replacing(term + 1, term)
}

fn stand_without_a_vote(step: Transition) -> Transition {
    step.leaving(Symbol::VotedFor)
}

fn tell_of_a_longer_log(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [s] = step.values();
    let term = now.current_term(s) + 1;
    let longer = now.last_index(s) + 1;
    step.putting(Symbol::AskedIndex, |before, [a, b]| {
        longer.when(a.is(s) & b.is(term), before.asked_index(a, b))
    })
}

fn count_older_votes(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [c, v] = step.values();
    let (step, t) = step.parameter("t", Sort::Term);
    step.without(now.granted(v, now.current_term(c), c)).also(now.granted(v, t, c))
}

fn win_without_a_quorum(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [c, q] = step.values();
    let [v] = vars(["v"]);
    step.without(all([v], now.member(v, q).implies(now.votes_granted(c, v))))
}
