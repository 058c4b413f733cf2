//! Terms, votes and roles.

use super::{Transition, parameters, up_to_date};
use crate::evidence::proof::formula::{Expr, Sort, all, vars};
use crate::evidence::proof::symbols::{AbstractState, Symbol};

/// The term rises; the vote and the role of the term before are gone.
pub fn adopt() -> Transition {
    let ([s, t], parameters) = parameters([("s", Sort::Server), ("t", Sort::Term)]);
    let now = AbstractState::default();
    let after = AbstractState::default()
        .set(Symbol::CurrentTerm, [s], t)
        .put(Symbol::VotedFor, |before, [a, b]| a.is_not(s) & before.voted_for(a, b))
        .without_role(s);
    Transition { parameters, guard: t.above(now.current_term(s)), after }
}

/// The term rises by one, the candidate votes for itself, counts that, and asks all others.
pub fn stand() -> Transition {
    let ([s], parameters) = parameters([("s", Sort::Server)]);
    let now = AbstractState::default();
    let term = now.current_term(s) + 1;
    let after = AbstractState::default()
        .set(Symbol::CurrentTerm, [s], term)
        .put(Symbol::VotedFor, |before, [a, b]| b.is(s).when(a.is(s), before.voted_for(a, b)))
        .set(Symbol::Candidate, [s], true)
        .put(Symbol::VotesGranted, |before, [a, b]| {
            b.is(s).when(a.is(s), before.votes_granted(a, b))
        })
        .add(Symbol::Asked, [s, term])
        .set(Symbol::AskedIndex, [s, term], now.last_index(s))
        .set(Symbol::AskedTerm, [s, term], now.last_term(s))
        .add(Symbol::Vote, [s, term, s]);
    Transition { parameters, guard: !now.is_leader(s), after }
}

/// A vote goes to one candidate of the server's own term, whose log is up to date.
pub fn grant() -> Transition {
    let ([s, c], parameters) = parameters([("s", Sort::Server), ("c", Sort::Server)]);
    let now = AbstractState::default();
    let t = now.current_term(s);
    let [d] = vars(["d"]);
    let unbound = all([d], now.voted_for(s, d).implies(d.is(c)));
    let ahead = up_to_date(
        now.asked_term(c, t),
        now.asked_index(c, t),
        now.last_term(s),
        now.last_index(s),
    );
    let after = AbstractState::default()
        .add(Symbol::VotedFor, [s, c])
        .add(Symbol::Granted, [s, t, c])
        .add(Symbol::Vote, [s, t, c]);
    Transition { parameters, guard: now.asked(c, t) & s.is_not(c) & unbound & ahead, after }
}

/// A vote counts in the term that it was given in.
pub fn count() -> Transition {
    let ([c, v], parameters) = parameters([("c", Sort::Server), ("v", Sort::Server)]);
    let now = AbstractState::default();
    let guard = now.is_candidate(c) & now.granted(v, now.current_term(c), c);
    Transition {
        parameters,
        guard,
        after: AbstractState::default().add(Symbol::VotesGranted, [c, v]),
    }
}

/// The log of a term begins as that of the server that is elected.
pub fn win() -> Transition {
    let ([c, q], parameters) = parameters([("c", Sort::Server), ("q", Sort::Quorum)]);
    let now = AbstractState::default();
    let t = now.current_term(c);
    let [v] = vars(["v"]);
    let elected = all([v], now.member(v, q).implies(now.votes_granted(c, v)));
    let next = now.last_index(c) + 1;
    let after = AbstractState::default()
        .set(Symbol::Candidate, [c], false)
        .set(Symbol::Leader, [c], true)
        .put(Symbol::VotesGranted, |before, [a, b]| a.is_not(c) & before.votes_granted(a, b))
        .put(Symbol::NextIndex, |before, [a, b]| {
            next.when(a.is(c) & b.is_not(c), before.next_index(a, b))
        })
        .put(Symbol::MatchIndex, |before, [a, b]| {
            Expr::from(0).when(a.is(c), before.match_index(a, b))
        })
        .add(Symbol::Led, [t, c])
        .add(Symbol::Begun, [t])
        .set(Symbol::LeaderOf, [t], c)
        .set(Symbol::Electors, [t], q)
        .set(Symbol::TermLast, [t], now.last_index(c))
        .put(Symbol::TermTerm, |before, [a, b]| {
            before.log_term(c, b).when(a.is(t), before.term_term(a, b))
        })
        .put(Symbol::TermPayload, |before, [a, b]| {
            before.log_payload(c, b).when(a.is(t), before.term_payload(a, b))
        });
    Transition { parameters, guard: now.is_candidate(c) & elected, after }
}

/// Term, vote and log are on the disk; all else is lost. What a crash takes back, because its
/// record was not yet durable, nobody has heard of: see `docs/proof.md`.
pub fn restart() -> Transition {
    let ([s], parameters) = parameters([("s", Sort::Server)]);
    let after = AbstractState::default().without_role(s).set(Symbol::CommitIndex, [s], 0).set(
        Symbol::LastApplied,
        [s],
        0,
    );
    Transition { parameters, guard: true.into(), after }
}
