//! What quorums hold, and so what every later leader has.

use super::Layer::Commits;
use super::Proof::{Follows, Induction};
use super::{AbstractState, Lemma};
use crate::evidence::proof::actions::up_to_date;
use crate::evidence::proof::formula::{Expr, all, vars};

/// In the order in which they build on each other.
pub const LEMMAS: &[Lemma] = &[
    Lemma {
        name: "voter_was_asked",
        says: "a vote goes to a server that asked for it, and a candidate's log is the one that it \
               told of",
        reason: "what a voter compared with its log is what the leader begins with",
        layer: Commits,
        proof: Induction,
        holds: voter_was_asked,
    },
    Lemma {
        name: "held_within_the_term",
        says: "nobody holds more of a term than there is, or of a term that it has not reached",
        reason: "so nobody can hold anything of a term that is yet to begin",
        layer: Commits,
        proof: Induction,
        holds: held_within_the_term,
    },
    Lemma {
        name: "acknowledged_is_held",
        says: "an acknowledgement, and a leader's matchIndex, speak of what is held",
        reason: "what is counted is what was stored",
        layer: Commits,
        proof: Induction,
        holds: acknowledged_is_held,
    },
    Lemma {
        name: "next_index_is_within",
        says: "nextIndex lies between 1 and the last index + 1, above matchIndex",
        reason: "what a leader sends exists: an assertion of the code (rules.rs)",
        layer: Commits,
        proof: Induction,
        holds: next_index_is_within,
    },
    Lemma {
        name: "leader_holds_its_own",
        says: "a leader holds the entries of its own term",
        reason: "it counts itself without asking (LE.4)",
        layer: Commits,
        proof: Induction,
        holds: leader_holds_its_own,
    },
    Lemma {
        name: "held_stands_in_the_log",
        says: "what a server holds of its current term stands in its log",
        reason: "a delayed request truncates nothing that was acknowledged since (AE.3)",
        layer: Commits,
        proof: Induction,
        holds: held_stands_in_the_log,
    },
    Lemma {
        name: "choosable_is_held",
        says: "an entry that a quorum may yet commit stands in the log of each of it that ever \
               held it, whatever its term now is",
        reason: "no later leader can make a server of that quorum drop the entry",
        layer: Commits,
        proof: Induction,
        holds: choosable_is_held,
    },
    Lemma {
        name: "choosable_is_compared",
        says: "whoever got a vote of such a server in a later term told of a log that is at least \
               as up to date as that entry",
        reason: "the comparison of logs (§5.4.1) is made where it counts",
        layer: Commits,
        proof: Induction,
        holds: choosable_is_compared,
    },
    Lemma {
        name: "choosable_is_led",
        says: "what a quorum may yet commit is in the log of every later term that has begun",
        reason: "Leader Completeness, said so that it can be proved by induction: of what may be \
                 committed, not of what was",
        layer: Commits,
        proof: Induction,
        holds: choosable_is_led,
    },
    Lemma {
        name: "committed_in_its_term",
        says: "what was committed by counting is an entry of the log of the term, of that term \
               itself",
        reason: "entries of earlier terms are committed only with one of the leader's own \
                 (§5.4.2)",
        layer: Commits,
        proof: Induction,
        holds: committed_in_its_term,
    },
    Lemma {
        name: "committed_by_a_quorum",
        says: "and a quorum holds it",
        reason: "ties the count to what is stored",
        layer: Commits,
        proof: Induction,
        holds: committed_by_a_quorum,
    },
    Lemma {
        name: "committed_is_choosable",
        says: "what was committed may be committed",
        reason: "brings what may be committed to bear on what was",
        layer: Commits,
        proof: Follows(&["committed_by_a_quorum"]),
        holds: committed_is_choosable,
    },
    Lemma {
        name: "leader_completeness",
        says: "the log of every later term that has begun has the entry that was committed",
        reason: "Leader Completeness (§5.4.3)",
        layer: Commits,
        proof: Follows(&["choosable_is_led", "committed_in_its_term", "committed_is_choosable"]),
        holds: leader_completeness,
    },
    Lemma {
        name: "committed_before_too",
        says: "and all entries before it",
        reason: "commit indices cover all entries up to them",
        layer: Commits,
        proof: Follows(&[
            "leader_completeness",
            "committed_in_its_term",
            "term_entries_before_too",
            "term_entry_from_its_term",
        ]),
        holds: committed_before_too,
    },
    Lemma {
        name: "commits_agree",
        says: "two commits, of whatever terms, agree in every entry that both cover",
        reason: "from this State Machine Safety follows",
        layer: Commits,
        proof: Follows(&["committed_before_too", "committed_in_its_term"]),
        holds: commits_agree,
    },
];

fn voter_was_asked(at: &AbstractState) -> Expr {
    let [v, t, c] = vars(["v", "t", "c"]);
    let term = at.current_term(c);
    let told =
        at.asked_index(c, term).is(at.last_index(c)) & at.asked_term(c, term).is(at.last_term(c));
    all([v, t, c], at.vote(v, t, c).implies(at.asked(c, t)))
        & all([c], at.is_candidate(c).implies(told))
}

fn held_within_the_term(at: &AbstractState) -> Expr {
    let [s, t] = vars(["s", "t"]);
    let held = at.held(s, t);
    let reached = held.above(0).implies(t.at_most(at.current_term(s)));
    all([s, t], held.at_least(0) & held.at_most(at.term_last(t)) & reached)
}

fn acknowledged_is_held(at: &AbstractState) -> Expr {
    let [l, s, t, i] = vars(["l", "s", "t", "i"]);
    let known = at.match_index(l, s).at_most(at.held(s, at.current_term(l)));
    all([s, t, i], at.acknowledged(s, t, i).implies(i.at_most(at.held(s, t))))
        & all([l, s], at.is_leader(l).implies(known))
}

fn next_index_is_within(at: &AbstractState) -> Expr {
    let [l, s] = vars(["l", "s"]);
    let (next, matched) = (at.next_index(l, s), at.match_index(l, s));
    let within = matched.at_least(0) & matched.below(next) & next.at_most(at.last_index(l) + 1);
    all([l, s], (at.is_leader(l) & s.is_not(l)).implies(within))
}

fn leader_holds_its_own(at: &AbstractState) -> Expr {
    let [l, i] = vars(["l", "i"]);
    let t = at.current_term(l);
    let own =
        at.is_leader(l) & i.at_least(1) & i.at_most(at.last_index(l)) & at.log_term(l, i).is(t);
    all([l, i], own.implies(i.at_most(at.held(l, t))))
}

fn held_stands_in_the_log(at: &AbstractState) -> Expr {
    let [s, i] = vars(["s", "i"]);
    let t = at.current_term(s);
    let stands = i.at_most(at.last_index(s)) & at.log_term(s, i).is(at.term_term(t, i));
    all([s, i], (i.at_least(1) & i.at_most(at.held(s, t))).implies(stands))
}

fn choosable_is_held(at: &AbstractState) -> Expr {
    let [q, s, t, i] = vars(["q", "s", "t", "i"]);
    let stands = i.at_most(at.last_index(s)) & at.log_term(s, i).is(t);
    all([q, s, t, i], held_choosable(at, q, s, t, i).implies(stands))
        .by([at.choosable(q, t, i), at.member(s, q)])
}

/// Server `s` holds the entry of term `t` at `i`, and is in quorum `q`, which may yet commit it.
fn held_choosable(at: &AbstractState, q: Expr, s: Expr, t: Expr, i: Expr) -> Expr {
    at.member(s, q)
        & i.at_least(1)
        & i.at_most(at.held(s, t))
        & at.term_term(t, i).is(t)
        & at.choosable(q, t, i)
}

fn choosable_is_compared(at: &AbstractState) -> Expr {
    let [q, s, t, i, u, c] = vars(["q", "s", "t", "i", "u", "c"]);
    let later = t.below(u) & at.vote(s, u, c);
    let compared = up_to_date(at.asked_term(c, u), at.asked_index(c, u), t, i);
    all([q, s, t, i, u, c], (held_choosable(at, q, s, t, i) & later).implies(compared)).by([
        at.choosable(q, t, i),
        at.member(s, q),
        at.vote(s, u, c),
    ])
}

fn choosable_is_led(at: &AbstractState) -> Expr {
    let [q, t, i, u] = vars(["q", "t", "i", "u"]);
    let there = i.at_most(at.term_last(u)) & at.term_term(u, i).is(t);
    let led = i.at_most(at.term_last(t)) & at.term_term(t, i).is(t).implies(there);
    let later = i.at_least(1) & at.begun(u) & t.below(u) & at.choosable(q, t, i);
    all([q, t, i, u], later.implies(led)).by([at.choosable(q, t, i), at.begun(u)])
}

fn committed_in_its_term(at: &AbstractState) -> Expr {
    let [t, i] = vars(["t", "i"]);
    let own = i.at_least(1) & i.at_most(at.term_last(t)) & at.term_term(t, i).is(t) & at.begun(t);
    all([t, i], at.committed(t, i).implies(own))
}

fn committed_by_a_quorum(at: &AbstractState) -> Expr {
    let [t, i, s] = vars(["t", "i", "s"]);
    let counted = at.committed(t, i) & at.member(s, at.holders(t, i));
    all([t, i, s], counted.implies(i.at_most(at.held(s, t))))
}

fn committed_is_choosable(at: &AbstractState) -> Expr {
    let [t, i] = vars(["t", "i"]);
    all([t, i], at.committed(t, i).implies(at.choosable(at.holders(t, i), t, i)))
}

fn leader_completeness(at: &AbstractState) -> Expr {
    let [t, i, u] = vars(["t", "i", "u"]);
    let there = i.at_most(at.term_last(u)) & at.term_term(u, i).is(t);
    all([t, i, u], (at.committed(t, i) & at.begun(u) & t.below(u)).implies(there))
        .by([at.committed(t, i), at.begun(u)])
}

fn committed_before_too(at: &AbstractState) -> Expr {
    let [t, i, u, j] = vars(["t", "i", "u", "j"]);
    let same = i.at_most(at.term_last(u))
        & at.term_term(u, j).is(at.term_term(t, j))
        & at.term_payload(u, j).is(at.term_payload(t, j));
    let covered = at.committed(t, i) & at.begun(u) & t.at_most(u) & j.at_least(1) & j.at_most(i);
    all([t, i, u, j], covered.implies(same)).by([
        at.committed(t, i),
        at.begun(u),
        at.term_term(t, j),
    ])
}

fn commits_agree(at: &AbstractState) -> Expr {
    let [t, i, u, k, j] = vars(["t", "i", "u", "k", "j"]);
    let both =
        at.committed(t, i) & at.committed(u, k) & j.at_least(1) & j.at_most(i) & j.at_most(k);
    let same =
        at.term_term(t, j).is(at.term_term(u, j)) & at.term_payload(t, j).is(at.term_payload(u, j));
    all([t, i, u, k, j], both.implies(same)).by([
        at.committed(t, i),
        at.committed(u, k),
        at.term_payload(t, j),
    ])
}
