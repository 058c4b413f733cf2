//! Steps on the way: what holds whenever an action can happen. Each is proved once, from few
//! lemmas; what needs it then takes it for granted. So no obligation leaves a solver to find by
//! luck what can be said.

use super::actions::{Transition, up_to_date};
use super::formula::{Expr, all, vars};
use super::lemmas::Layer;
use super::symbols::AbstractState;

/// Something that holds whenever an action can happen.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// The action.
    pub action: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
    /// The lowest layer that it is taken for granted in.
    pub layer: Layer,
    /// The lemmas, and earlier cuts, that it follows from.
    pub from: &'static [&'static str],
    /// The formula.
    pub holds: fn(&Transition) -> Expr,
}

/// Every cut, each after those that it needs.
pub const CUTS: &[Cut] = &[
    Cut {
        action: "win",
        name: "the quorum voted",
        says: "each server of the quorum cast its vote for the candidate",
        layer: Layer::Votes,
        from: &["vote_counted_was_cast"],
        holds: quorum_voted,
    },
    Cut {
        action: "win",
        name: "a voter of both",
        says: "a server of the quorum is also in the one that elected the term's leader",
        layer: Layer::Votes,
        from: &["the quorum voted"],
        holds: voter_of_both,
    },
    Cut {
        action: "win",
        name: "the term is new",
        says: "the term has not begun",
        layer: Layer::Votes,
        from: &[
            "a voter of both",
            "one_vote",
            "vote_counted_was_cast",
            "leader_elected",
            "candidate_has_not_led",
            "term_begun",
        ],
        holds: term_is_new,
    },
    Cut {
        action: "win",
        name: "a voter holds it",
        says: "of every quorum that may yet commit an entry of an earlier term, a server that \
               holds it is in the candidate's",
        layer: Layer::Commits,
        from: &["the quorum voted", "vote_remembered", "held_within_the_term"],
        holds: voter_holds_it,
    },
    Cut {
        action: "win",
        name: "the log is ahead",
        says: "the candidate's log is at least as up to date as what any quorum may yet commit in \
               an earlier term",
        layer: Layer::Commits,
        from: &["a voter holds it", "choosable_is_compared", "voter_was_asked"],
        holds: log_is_ahead,
    },
    Cut {
        action: "win",
        name: "the log has it",
        says: "so the candidate's log has that entry",
        layer: Layer::Commits,
        from: &[
            "the log is ahead",
            "the term is new",
            "a voter holds it",
            "numbers_from_zero",
            "term_entry_from_its_term",
            "entry_from_its_term",
            "entries_before_too",
            "term_order",
            "choosable_is_led",
        ],
        holds: log_has_it,
    },
    Cut {
        action: "keep",
        name: "the logs agree",
        says: "up to the end of the request, the log is that of the term",
        layer: Layer::Logs,
        from: AGREE,
        holds: kept_agrees,
    },
    Cut {
        action: "truncate",
        name: "the logs agree",
        says: "up to where they part, the log is that of the term",
        layer: Layer::Logs,
        from: AGREE,
        holds: written_agrees,
    },
    Cut {
        action: "truncate",
        name: "nothing held is lost",
        says: "the server holds no more of the term than up to where the logs part",
        layer: Layer::Commits,
        from: &["held_stands_in_the_log", "request_is_a_part"],
        holds: nothing_held_is_lost,
    },
    Cut {
        action: "truncate",
        name: "nothing choosable is dropped",
        says: "what the server holds of earlier terms, and a quorum may yet commit, lies before \
               where the logs part",
        layer: Layer::Commits,
        from: &[
            "choosable_is_held",
            "choosable_is_led",
            "held_within_the_term",
            "request_is_a_part",
            "entries_before_too",
            "term_entries_before_too",
        ],
        holds: nothing_choosable_is_dropped,
    },
    Cut {
        action: "write",
        name: "the logs agree",
        says: "up to where they part, the log is that of the term",
        layer: Layer::Logs,
        from: AGREE,
        holds: written_agrees,
    },
    Cut {
        action: "write",
        name: "nothing held is lost",
        says: "the server holds no more of the term than up to where the logs part",
        layer: Layer::Commits,
        from: &["held_stands_in_the_log", "request_is_a_part"],
        holds: nothing_held_is_lost,
    },
    Cut {
        action: "write",
        name: "nothing choosable is lost",
        says: "what the server holds of earlier terms, and a quorum may yet commit, lies within \
               the request or before where the logs part",
        layer: Layer::Commits,
        from: &[
            "choosable_is_held",
            "choosable_is_led",
            "held_within_the_term",
            "request_is_a_part",
            "entries_before_too",
            "term_entries_before_too",
        ],
        holds: nothing_choosable_is_lost,
    },
];

/// What the agreement of logs follows from.
const AGREE: &[&str] = &[
    "request_is_a_part",
    "entry_from_its_term",
    "entries_before_too",
    "term_entry_from_its_term",
    "term_entries_before_too",
    "no_log_before_a_leader",
];

impl Transition {
    /// Who it happens to, and with what.
    ///
    /// # Panics
    /// When there are not so many parameters.
    pub fn values<const N: usize>(&self) -> [Expr; N] {
        let values: Vec<Expr> = self.parameters.iter().map(|&var| var.into()).collect();
        values.try_into().unwrap_or_else(|_| panic!("{N} of {:?}", self.parameters))
    }
}

fn quorum_voted(step: &Transition) -> Expr {
    let now = AbstractState::default();
    let [c, q] = step.values();
    let [v] = vars(["v"]);
    all([v], now.member(v, q).implies(now.vote(v, now.current_term(c), c)))
}

fn voter_of_both(step: &Transition) -> Expr {
    let now = AbstractState::default();
    let [c, q] = step.values();
    let t = now.current_term(c);
    let voter = now.shared(q, now.electors(t));
    now.member(voter, q) & now.member(voter, now.electors(t)) & now.vote(voter, t, c)
}

fn term_is_new(step: &Transition) -> Expr {
    let now = AbstractState::default();
    let [c, _] = step.values();
    !now.begun(now.current_term(c))
}

/// An index that a quorum may yet commit in a term before that of `c`.
fn choosable_before(c: Expr) -> ([Expr; 3], Expr) {
    let now = AbstractState::default();
    let [q, t, i] = vars(["q", "t", "i"]);
    ([q, t, i], now.choosable(q, t, i) & i.at_least(1) & t.below(now.current_term(c)))
}

fn voter_holds_it(step: &Transition) -> Expr {
    let now = AbstractState::default();
    let [c, of_votes] = step.values();
    let ([q, t, i], choosable) = choosable_before(c);
    let voter = now.shared(of_votes, q);
    let holds = now.member(voter, q)
        & now.vote(voter, now.current_term(c), c)
        & i.at_most(now.held(voter, t))
        & i.at_most(now.term_last(t));
    all([q, t, i], choosable.implies(holds)).by([now.choosable(q, t, i)])
}

fn log_is_ahead(step: &Transition) -> Expr {
    let now = AbstractState::default();
    let [c, _] = step.values();
    let ([q, t, i], choosable) = choosable_before(c);
    let ahead = up_to_date(now.last_term(c), now.last_index(c), t, i);
    all([q, t, i], (choosable & now.term_term(t, i).is(t)).implies(ahead))
        .by([now.choosable(q, t, i)])
}

fn log_has_it(step: &Transition) -> Expr {
    let now = AbstractState::default();
    let [c, _] = step.values();
    let ([q, t, i], choosable) = choosable_before(c);
    let there = i.at_most(now.last_index(c)) & now.log_term(c, i).is(t);
    all([q, t, i], (choosable & now.term_term(t, i).is(t)).implies(there))
        .by([now.choosable(q, t, i)])
}

/// The log of `s` is that of its term up to `end`.
fn agrees(s: Expr, end: Expr) -> Expr {
    let now = AbstractState::default();
    let t = now.current_term(s);
    let [i] = vars(["i"]);
    let same = i.at_most(now.last_index(s))
        & now.log_term(s, i).is(now.term_term(t, i))
        & now.log_payload(s, i).is(now.term_payload(t, i));
    all([i], (i.at_least(1) & i.at_most(end)).implies(same))
}

fn kept_agrees(step: &Transition) -> Expr {
    let [s, m] = step.values();
    agrees(s, AbstractState::default().end_index(m))
}

fn written_agrees(step: &Transition) -> Expr {
    let [s, _, k] = step.values();
    agrees(s, k)
}

fn nothing_held_is_lost(step: &Transition) -> Expr {
    let now = AbstractState::default();
    let [s, _, k] = step.values();
    now.held(s, now.current_term(s)).at_most(k)
}

fn nothing_choosable_is_dropped(step: &Transition) -> Expr {
    let now = AbstractState::default();
    let [s, _, k] = step.values();
    let [q, t, i] = vars(["q", "t", "i"]);
    let held = now.member(s, q)
        & i.at_least(1)
        & i.at_most(now.held(s, t))
        & now.term_term(t, i).is(t)
        & now.choosable(q, t, i)
        & t.is_not(now.current_term(s));
    all([q, t, i], held.implies(i.at_most(k) & now.log_term(s, i).is(t)))
}

fn nothing_choosable_is_lost(step: &Transition) -> Expr {
    let now = AbstractState::default();
    let [s, m, k] = step.values();
    let [q, t, i] = vars(["q", "t", "i"]);
    let held = now.member(s, q)
        & i.at_least(1)
        & i.at_most(now.held(s, t))
        & now.term_term(t, i).is(t)
        & now.choosable(q, t, i)
        & t.is_not(now.current_term(s));
    let kept = (i.at_most(k) & now.log_term(s, i).is(t))
        | (k.below(i) & i.at_most(now.end_index(m)) & now.entry_term(m, i).is(t));
    all([q, t, i], held.implies(kept))
}
