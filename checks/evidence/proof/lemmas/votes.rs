//! Terms, votes and leaders.

use super::Layer::Votes;
use super::Proof::{Follows, Induction};
use super::{AbstractState, Lemma};
use crate::evidence::proof::formula::{Expr, all, and, vars};

/// In the order in which they build on each other.
pub const LEMMAS: &[Lemma] = &[
    Lemma {
        name: "one_vote",
        says: "no server casts two votes in a term",
        reason: "two quorums of a term share a voter, who voted once: so they elected the same \
                 server",
        layer: Votes,
        proof: Induction,
        holds: one_vote,
    },
    Lemma {
        name: "vote_remembered",
        says: "a vote is cast in a term that the voter has reached; while it is in that term, it \
               knows its vote",
        reason: "a voter that forgot would cast another (PS.1, PS.2)",
        layer: Votes,
        proof: Induction,
        holds: vote_remembered,
    },
    Lemma {
        name: "vote_held_was_cast",
        says: "the vote that a server knows of was cast, in its term",
        reason: "so whoever knows of a vote casts no other",
        layer: Votes,
        proof: Induction,
        holds: vote_held_was_cast,
    },
    Lemma {
        name: "vote_told_was_cast",
        says: "a vote that an answer grants was cast, and by another than the candidate",
        reason: "what is counted is what was told",
        layer: Votes,
        proof: Induction,
        holds: vote_told_was_cast,
    },
    Lemma {
        name: "vote_counted_was_cast",
        says: "a candidate voted for itself, and every vote in its count was cast for it",
        reason: "the count is of votes, not of letters",
        layer: Votes,
        proof: Induction,
        holds: vote_counted_was_cast,
    },
    Lemma {
        name: "asker_voted",
        says: "whoever asked for votes in a term voted for itself there",
        reason: "so nobody who stands in a term can have been asked for a vote by itself before",
        layer: Votes,
        proof: Induction,
        holds: asker_voted,
    },
    Lemma {
        name: "leader_elected",
        says: "whoever led a term voted for itself there, and so did a quorum for it",
        reason: "whoever would be elected after it shares a voter with its electors",
        layer: Votes,
        proof: Induction,
        holds: leader_elected,
    },
    Lemma {
        name: "leader_recorded",
        says: "a server that leads has led its term",
        reason: "ties the role to history",
        layer: Votes,
        proof: Induction,
        holds: leader_recorded,
    },
    Lemma {
        name: "candidate_has_not_led",
        says: "a candidate has not led the term that it stands in, and does not lead",
        reason: "a leader that was elected again in its term could put a second entry where it \
                 has put one",
        layer: Votes,
        proof: Induction,
        holds: candidate_has_not_led,
    },
    Lemma {
        name: "term_begun",
        says: "a term has begun if somebody has led it, and then its leader has",
        reason: "gives each term one leader to speak of",
        layer: Votes,
        proof: Induction,
        holds: term_begun,
    },
    Lemma {
        name: "numbers_from_zero",
        says: "no number is negative, and votes are cast and leaders elected in terms from 1",
        reason: "term 0 is that of no entry",
        layer: Votes,
        proof: Induction,
        holds: numbers_from_zero,
    },
    Lemma {
        name: "election_safety",
        says: "a term has one leader at most",
        reason: "Election Safety (§5.2)",
        layer: Votes,
        proof: Follows(&["term_begun"]),
        holds: election_safety,
    },
];

fn one_vote(at: &AbstractState) -> Expr {
    let [v, t, c, d] = vars(["v", "t", "c", "d"]);
    all([v, t, c, d], (at.vote(v, t, c) & at.vote(v, t, d)).implies(c.is(d)))
}

fn vote_remembered(at: &AbstractState) -> Expr {
    let [v, t, c] = vars(["v", "t", "c"]);
    let term = at.current_term(v);
    let known = t.is(term).implies(at.voted_for(v, c));
    all([v, t, c], at.vote(v, t, c).implies(t.at_most(term) & known))
}

fn vote_held_was_cast(at: &AbstractState) -> Expr {
    let [v, c] = vars(["v", "c"]);
    all([v, c], at.voted_for(v, c).implies(at.vote(v, at.current_term(v), c)))
}

fn vote_told_was_cast(at: &AbstractState) -> Expr {
    let [v, t, c] = vars(["v", "t", "c"]);
    all([v, t, c], at.granted(v, t, c).implies(at.vote(v, t, c) & v.is_not(c)))
}

fn vote_counted_was_cast(at: &AbstractState) -> Expr {
    let [c, v] = vars(["c", "v"]);
    let counted = v.is(c) | at.votes_granted(c, v);
    all([c, v], (at.is_candidate(c) & counted).implies(at.vote(v, at.current_term(c), c)))
}

fn asker_voted(at: &AbstractState) -> Expr {
    let [c, t] = vars(["c", "t"]);
    all([c, t], at.asked(c, t).implies(at.vote(c, t, c)))
}

fn leader_elected(at: &AbstractState) -> Expr {
    let [t, c, v] = vars(["t", "c", "v"]);
    let elector = at.member(v, at.electors(t));
    all([t, c], at.led(t, c).implies(at.vote(c, t, c)))
        & all([t, c, v], (at.led(t, c) & elector).implies(at.vote(v, t, c)))
}

fn leader_recorded(at: &AbstractState) -> Expr {
    let [l] = vars(["l"]);
    all([l], at.is_leader(l).implies(at.led(at.current_term(l), l)))
}

fn candidate_has_not_led(at: &AbstractState) -> Expr {
    let [c] = vars(["c"]);
    let led = at.led(at.current_term(c), c);
    all([c], at.is_candidate(c).implies(!led & !at.is_leader(c)))
}

fn term_begun(at: &AbstractState) -> Expr {
    let [t, c] = vars(["t", "c"]);
    let named = at.led(t, c).implies(at.begun(t) & at.leader_of(t).is(c));
    all([t, c], named) & all([t], at.begun(t).implies(at.led(t, at.leader_of(t))))
}

fn numbers_from_zero(at: &AbstractState) -> Expr {
    let [s, t, c, m] = vars(["s", "t", "c", "m"]);
    let numbers = [at.current_term(s), at.last_index(s), at.commit_index(s), at.last_applied(s)];
    all([s], and(numbers.map(|number| number.at_least(0))))
        & all([m], at.sent(m).implies(at.prev_index(m).at_least(0)))
        & all([s, t, c], at.vote(s, t, c).implies(t.at_least(1)))
        & all([t], at.begun(t).implies(t.at_least(1)))
}

fn election_safety(at: &AbstractState) -> Expr {
    let [t, c, d] = vars(["t", "c", "d"]);
    all([t, c, d], (at.led(t, c) & at.led(t, d)).implies(c.is(d)))
}
