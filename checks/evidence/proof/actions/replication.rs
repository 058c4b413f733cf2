//! Logs, and the requests that carry parts of them.

use super::{Transition, parameters};
use crate::evidence::proof::formula::{Expr, Sort, all, vars};
use crate::evidence::proof::symbols::{AbstractState, Symbol};

/// The leader's log, and so the log of its term, grows by an entry of that term.
pub fn propose() -> Transition {
    let ([l, x], parameters) = parameters([("l", Sort::Server), ("x", Sort::Payload)]);
    let now = AbstractState::default();
    let (t, last) = (now.current_term(l), now.last_index(l) + 1);
    let after = AbstractState::default()
        .set(Symbol::LastIndex, [l], last)
        .set(Symbol::LogTerm, [l, last], t)
        .set(Symbol::LogPayload, [l, last], x)
        .set(Symbol::TermLast, [t], last)
        .set(Symbol::TermTerm, [t, last], t)
        .set(Symbol::TermPayload, [t, last], x)
        .set(Symbol::Held, [l, t], last);
    Transition { parameters, guard: now.is_leader(l), after }
}

/// A request says what stands in the leader's log. The commit index may be an older one: a
/// heartbeat can overtake what the leader learnt meanwhile.
pub fn send() -> Transition {
    let ([l, m], parameters) = parameters([("l", Sort::Server), ("m", Sort::Request)]);
    let now = AbstractState::default();
    let (prev, end) = (now.prev_index(m), now.end_index(m));
    let [i] = vars(["i"]);
    let copied = all(
        [i],
        (prev.below(i) & i.at_most(end)).implies(
            now.entry_term(m, i).is(now.log_term(l, i))
                & now.entry_payload(m, i).is(now.log_payload(l, i)),
        ),
    );
    let guard = now.is_leader(l)
        & now.request_leader(m).is(l)
        & now.request_term(m).is(now.current_term(l))
        & prev.at_least(0)
        & prev.at_most(end)
        & end.at_most(now.last_index(l))
        & now.prev_term(m).is(now.term_before(l, prev))
        & now.leader_commit(m).at_most(now.commit_index(l))
        & !now.sent(m)
        & copied;
    let after = AbstractState::default()
        .add(Symbol::Sent, [m])
        .set(Symbol::ToldTerm, [m], now.commit_term(l))
        .set(Symbol::ToldUpTo, [m], now.commit_up_to(l));
    Transition { parameters, guard, after }
}

/// Request `m` is one of this server's term, of another server.
fn arrives(s: Expr, m: Expr) -> Expr {
    let now = AbstractState::default();
    now.sent(m) & now.request_term(m).is(now.current_term(s)) & now.request_leader(m).is_not(s)
}

/// The log of `s` has the entry that request `m` continues.
fn continues(s: Expr, m: Expr) -> Expr {
    let now = AbstractState::default();
    let prev = now.prev_index(m);
    prev.at_most(now.last_index(s)) & now.prev_term(m).is(now.term_before(s, prev))
}

/// The log of `s` has the entries of request `m` up to `end`.
fn holds_up_to(s: Expr, m: Expr, end: Expr) -> Expr {
    let now = AbstractState::default();
    let [i] = vars(["i"]);
    let part = now.prev_index(m).below(i) & i.at_most(end);
    all([i], part.implies(now.log_term(s, i).is(now.entry_term(m, i))))
}

/// Whoever hears the leader of its term follows it.
fn following(s: Expr) -> AbstractState {
    AbstractState::default()
        .set(Symbol::Candidate, [s], false)
        .put(Symbol::VotesGranted, |before, [a, b]| a.is_not(s) & before.votes_granted(a, b))
}

/// What comes of a request that continues the log: the server follows, acknowledges, and commits
/// what the leader has committed, up to the end of the request.
fn acknowledging(s: Expr, m: Expr) -> AbstractState {
    let now = AbstractState::default();
    let (t, end) = (now.current_term(s), now.end_index(m));
    let told = now.leader_commit(m);
    let commit = told.when(told.below(end), end);
    let rises = commit.above(now.commit_index(s));
    let held = now.held(s, t);
    following(s)
        .add(Symbol::Acknowledged, [s, t, end])
        .set(Symbol::Held, [s, t], end.when(end.above(held), held))
        .set(Symbol::CommitIndex, [s], commit.when(rises, now.commit_index(s)))
        .set(Symbol::CommitTerm, [s], now.told_term(m).when(rises, now.commit_term(s)))
        .set(Symbol::CommitUpTo, [s], now.told_up_to(m).when(rises, now.commit_up_to(s)))
}

/// Nothing is written, nor truncated: the request may be older than what stands behind its
/// entries.
pub fn keep() -> Transition {
    let ([s, m], parameters) = parameters([("s", Sort::Server), ("m", Sort::Request)]);
    let now = AbstractState::default();
    let end = now.end_index(m);
    let guard =
        arrives(s, m) & continues(s, m) & end.at_most(now.last_index(s)) & holds_up_to(s, m, end);
    Transition { parameters, guard, after: acknowledging(s, m) }
}

/// The entries behind `k` are gone, for there the request conflicts with the log. To drop them and
/// to append others are two records, and a crash can fall between: so they are two actions.
pub fn truncate() -> Transition {
    let ([s, m, k], parameters) =
        parameters([("s", Sort::Server), ("m", Sort::Request), ("k", Sort::Index)]);
    let now = AbstractState::default();
    let guard = arrives(s, m)
        & continues(s, m)
        & now.prev_index(m).at_most(k)
        & k.below(now.end_index(m))
        & k.below(now.last_index(s))
        & holds_up_to(s, m, k)
        & now.log_term(s, k + 1).is_not(now.entry_term(m, k + 1));
    Transition { parameters, guard, after: following(s).set(Symbol::LastIndex, [s], k) }
}

/// The logs agree up to `k`, and no further: there the log ends, or holds an entry that conflicts.
pub fn write() -> Transition {
    let ([s, m, k], parameters) =
        parameters([("s", Sort::Server), ("m", Sort::Request), ("k", Sort::Index)]);
    let now = AbstractState::default();
    let end = now.end_index(m);
    let parts = k.is(now.last_index(s)) | now.log_term(s, k + 1).is_not(now.entry_term(m, k + 1));
    let guard = arrives(s, m)
        & continues(s, m)
        & now.prev_index(m).at_most(k)
        & k.below(end)
        & k.at_most(now.last_index(s))
        & holds_up_to(s, m, k)
        & parts;
    let after = acknowledging(s, m)
        .set(Symbol::LastIndex, [s], end)
        .put(Symbol::LogTerm, |before, [a, b]| {
            before.entry_term(m, b).when(a.is(s) & b.above(k), before.log_term(a, b))
        })
        .put(Symbol::LogPayload, |before, [a, b]| {
            before.entry_payload(m, b).when(a.is(s) & b.above(k), before.log_payload(a, b))
        });
    Transition { parameters, guard, after }
}

/// The server follows the leader all the same.
pub fn refuse() -> Transition {
    let ([s, m], parameters) = parameters([("s", Sort::Server), ("m", Sort::Request)]);
    let now = AbstractState::default();
    let prev = now.prev_index(m);
    let guard = arrives(s, m) & !continues(s, m) & prev.above(0);
    let after = following(s).add(Symbol::Refused, [s, now.current_term(s), prev]);
    Transition { parameters, guard, after }
}

/// An answer counts in the term of the request, and no index ever falls.
pub fn acknowledged() -> Transition {
    let ([l, s, i], parameters) =
        parameters([("l", Sort::Server), ("s", Sort::Server), ("i", Sort::Index)]);
    let now = AbstractState::default();
    let guard = now.is_leader(l)
        & s.is_not(l)
        & now.acknowledged(s, now.current_term(l), i)
        & i.above(now.match_index(l, s));
    let after = AbstractState::default().set(Symbol::MatchIndex, [l, s], i).set(
        Symbol::NextIndex,
        [l, s],
        i + 1,
    );
    Transition { parameters, guard, after }
}

/// The leader goes back to `k` with a peer that has refused a request behind `i`: how far is for
/// hints to say, and bears on no safety.
pub fn back_up() -> Transition {
    let ([l, s, i, k], parameters) = parameters([
        ("l", Sort::Server),
        ("s", Sort::Server),
        ("i", Sort::Index),
        ("k", Sort::Index),
    ]);
    let now = AbstractState::default();
    let guard = now.is_leader(l)
        & s.is_not(l)
        & now.refused(s, now.current_term(l), i)
        & now.match_index(l, s).below(k)
        & k.at_most(i);
    Transition {
        parameters,
        guard,
        after: AbstractState::default().set(Symbol::NextIndex, [l, s], k),
    }
}
