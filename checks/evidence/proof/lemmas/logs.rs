//! Logs, and requests as parts of them. Whatever stands in a log is a part of the log of some
//! term: the one that its leader had, as long as it got while it led.

use super::Layer::Logs;
use super::Proof::{Follows, Induction};
use super::{AbstractState, Lemma};
use crate::evidence::proof::formula::{Expr, all, vars};

/// In the order in which they build on each other.
pub const LEMMAS: &[Lemma] = &[
    Lemma {
        name: "no_log_before_a_leader",
        says: "a term without a leader has an empty log",
        reason: "a server newly elected finds no entry of its term anywhere",
        layer: Logs,
        proof: Induction,
        holds: no_log_before_a_leader,
    },
    Lemma {
        name: "leader_has_the_log",
        says: "the log of a server that leads is that of its term",
        reason: "so what it appends next is at an index that no entry of its term has",
        layer: Logs,
        proof: Induction,
        holds: leader_has_the_log,
    },
    Lemma {
        name: "entry_from_its_term",
        says: "an entry in a log stands at its index in the log of its term, which the server has \
               reached",
        reason: "entries come from leaders alone",
        layer: Logs,
        proof: Induction,
        holds: entry_from_its_term,
    },
    Lemma {
        name: "entries_before_too",
        says: "and so do the entries before it",
        reason: "one comparison, at prevLogIndex, stands for the whole log before it (AE.2)",
        layer: Logs,
        proof: Induction,
        holds: entries_before_too,
    },
    Lemma {
        name: "term_entry_from_its_term",
        says: "an entry in the log of a term stands at its index in the log of its own term, which \
               is no later",
        reason: "the same of the logs of terms, from which servers have theirs",
        layer: Logs,
        proof: Induction,
        holds: term_entry_from_its_term,
    },
    Lemma {
        name: "term_entries_before_too",
        says: "and so do the entries before it",
        reason: "as above",
        layer: Logs,
        proof: Induction,
        holds: term_entries_before_too,
    },
    Lemma {
        name: "terms_in_order",
        says: "terms never fall along a log",
        reason: "a log that ends in a later term has nothing later before (§5.4.1)",
        layer: Logs,
        proof: Follows(&["term_order", "entry_from_its_term", "entries_before_too"]),
        holds: terms_in_order,
    },
    Lemma {
        name: "term_order",
        says: "terms never fall along the log of a term",
        reason: "as above",
        layer: Logs,
        proof: Induction,
        holds: term_order,
    },
    Lemma {
        name: "request_is_a_part",
        says: "a request was sent by the leader of its term, and is a part of the log of that term",
        reason: "leaders append only, so what they sent stays true",
        layer: Logs,
        proof: Induction,
        holds: request_is_a_part,
    },
    Lemma {
        name: "refusal_is_within",
        says: "a refusal is of a request that some leader sent, behind its first entry",
        reason: "the index that a leader goes back from is one that it has",
        layer: Logs,
        proof: Induction,
        holds: refusal_is_within,
    },
    Lemma {
        name: "log_matching",
        says: "two logs that hold an entry of the same index and term hold the same entries up to \
               there",
        reason: "Log Matching (§5.3)",
        layer: Logs,
        proof: Follows(&["entries_before_too"]),
        holds: log_matching,
    },
    Lemma {
        name: "leader_hears_no_other",
        says: "nobody else sends a request in the term that a server leads",
        reason: "an assertion of the code (append_entries.rs)",
        layer: Logs,
        proof: Follows(&["request_is_a_part", "leader_recorded", "election_safety"]),
        holds: leader_hears_no_other,
    },
];

fn no_log_before_a_leader(at: &AbstractState) -> Expr {
    let [t] = vars(["t"]);
    let empty = (!at.begun(t)).implies(at.term_last(t).is(0));
    all([t], at.term_last(t).at_least(0) & empty)
}

fn leader_has_the_log(at: &AbstractState) -> Expr {
    let [l, i] = vars(["l", "i"]);
    let t = at.current_term(l);
    let same =
        at.term_term(t, i).is(at.log_term(l, i)) & at.term_payload(t, i).is(at.log_payload(l, i));
    all([l], at.is_leader(l).implies(at.term_last(t).is(at.last_index(l))))
        & all([l, i], (at.is_leader(l) & in_log(at, l, i)).implies(same))
}

/// Index `i` is in the log of `s`.
fn in_log(at: &AbstractState, s: Expr, i: Expr) -> Expr {
    i.at_least(1) & i.at_most(at.last_index(s))
}

/// Index `i` is in the log of term `t`.
fn in_term(at: &AbstractState, t: Expr, i: Expr) -> Expr {
    i.at_least(1) & i.at_most(at.term_last(t))
}

/// The entry at `i` of the log of term `w` is of that term itself.
fn made_there(at: &AbstractState, w: Expr, i: Expr) -> Expr {
    at.begun(w) & i.at_most(at.term_last(w)) & at.term_term(w, i).is(w) & w.at_least(1)
}

fn entry_from_its_term(at: &AbstractState) -> Expr {
    let [s, i] = vars(["s", "i"]);
    let w = at.log_term(s, i);
    all([s, i], in_log(at, s, i).implies(made_there(at, w, i) & w.at_most(at.current_term(s))))
}

fn entries_before_too(at: &AbstractState) -> Expr {
    let [s, i, j] = vars(["s", "i", "j"]);
    let w = at.log_term(s, i);
    let before = j.at_least(1) & j.at_most(i) & i.at_most(at.last_index(s));
    let same =
        at.term_term(w, j).is(at.log_term(s, j)) & at.term_payload(w, j).is(at.log_payload(s, j));
    all([s, i, j], before.implies(same)).by([at.log_term(s, i), at.log_term(s, j)])
}

fn term_entry_from_its_term(at: &AbstractState) -> Expr {
    let [u, i] = vars(["u", "i"]);
    let w = at.term_term(u, i);
    all([u, i], in_term(at, u, i).implies(made_there(at, w, i) & w.at_most(u)))
}

fn term_entries_before_too(at: &AbstractState) -> Expr {
    let [u, i, j] = vars(["u", "i", "j"]);
    let w = at.term_term(u, i);
    let before = j.at_least(1) & j.at_most(i) & i.at_most(at.term_last(u));
    let same =
        at.term_term(w, j).is(at.term_term(u, j)) & at.term_payload(w, j).is(at.term_payload(u, j));
    all([u, i, j], before.implies(same)).by([at.term_term(u, i), at.term_term(u, j)])
}

fn terms_in_order(at: &AbstractState) -> Expr {
    let [s, i, j] = vars(["s", "i", "j"]);
    let before = j.at_least(1) & j.at_most(i) & i.at_most(at.last_index(s));
    all([s, i, j], before.implies(at.log_term(s, j).at_most(at.log_term(s, i))))
}

fn term_order(at: &AbstractState) -> Expr {
    let [u, i, j] = vars(["u", "i", "j"]);
    let before = j.at_least(1) & j.at_most(i) & i.at_most(at.term_last(u));
    all([u, i, j], before.implies(at.term_term(u, j).at_most(at.term_term(u, i))))
        .by([at.term_term(u, i), at.term_term(u, j)])
}

fn request_is_a_part(at: &AbstractState) -> Expr {
    let [m, i] = vars(["m", "i"]);
    let (t, prev, end) = (at.request_term(m), at.prev_index(m), at.end_index(m));
    let before = Expr::from(0).when(prev.is(0), at.term_term(t, prev));
    let placed = at.led(t, at.request_leader(m))
        & at.begun(t)
        & prev.at_least(0)
        & prev.at_most(end)
        & end.at_most(at.term_last(t))
        & at.prev_term(m).is(before);
    let same = at.entry_term(m, i).is(at.term_term(t, i))
        & at.entry_payload(m, i).is(at.term_payload(t, i));
    let carried = prev.below(i) & i.at_most(end);
    all([m], at.sent(m).implies(placed)) & all([m, i], (at.sent(m) & carried).implies(same))
}

fn refusal_is_within(at: &AbstractState) -> Expr {
    let [s, t, i] = vars(["s", "t", "i"]);
    all([s, t, i], at.refused(s, t, i).implies(in_term(at, t, i)))
}

fn log_matching(at: &AbstractState) -> Expr {
    let [s, r, i, j] = vars(["s", "r", "i", "j"]);
    let both =
        j.at_least(1) & j.at_most(i) & i.at_most(at.last_index(s)) & i.at_most(at.last_index(r));
    let same =
        at.log_term(s, j).is(at.log_term(r, j)) & at.log_payload(s, j).is(at.log_payload(r, j));
    all([s, r, i, j], (both & at.log_term(s, i).is(at.log_term(r, i))).implies(same))
}

fn leader_hears_no_other(at: &AbstractState) -> Expr {
    let [m, l] = vars(["m", "l"]);
    let here = at.sent(m) & at.is_leader(l) & at.request_term(m).is(at.current_term(l));
    all([m, l], here.implies(at.request_leader(m).is(l)))
}
