//! Bends of how a leader replicates its log.

use super::{Bend, Transition};
use crate::evidence::proof::formula::{Sort, all, vars};
use crate::evidence::proof::symbols::{AbstractState, Symbol};

/// In the order of the rules.
pub const BENDS: &[Bend] = &[
    Bend {
        name: "send-past-the-end",
        rule: "LS.1",
        does: "begins to send one entry past what it has",
        action: "win",
        falls: "next_index_is_within",
        step: send_past_the_end,
    },
    Bend {
        name: "believe-peers-hold-all",
        rule: "LS.2",
        does: "believes after its election that every peer holds its log",
        action: "win",
        falls: "acknowledged_is_held",
        step: believe_peers_hold_all,
    },
    Bend {
        name: "propose-without-office",
        rule: "LE.2",
        does: "appends an entry although it does not lead",
        action: "propose",
        falls: "log_matching",
        step: propose_without_office,
    },
    Bend {
        name: "overwrite-the-last-entry",
        rule: "LE.2",
        does: "writes an entry over the last of its log",
        action: "propose",
        falls: "log_matching",
        step: overwrite_the_last_entry,
    },
    Bend {
        name: "send-other-entries",
        rule: "LE.3",
        does: "sends entries that are not those of its log",
        action: "send",
        falls: "request_is_a_part",
        step: send_other_entries,
    },
    Bend {
        name: "send-what-it-lacks",
        rule: "LE.3",
        does: "sends entries past the end of its log",
        action: "send",
        falls: "request_is_a_part",
        step: send_what_it_lacks,
    },
    Bend {
        name: "send-another-prev-term",
        rule: "LE.3",
        does: "sends a prevLogTerm that is not that of its log",
        action: "send",
        falls: "request_is_a_part",
        step: send_another_prev_term,
    },
    Bend {
        name: "tell-of-more-commits",
        rule: "LE.3",
        does: "tells of a leaderCommit above its commitIndex",
        action: "send",
        falls: "leader_commit_has_a_reason",
        step: tell_of_more_commits,
    },
    Bend {
        name: "count-older-acknowledgements",
        rule: "LE.3a",
        does: "counts acknowledgements of older terms",
        action: "acknowledged",
        falls: "acknowledged_is_held",
        step: count_older_acknowledgements,
    },
    Bend {
        name: "back-up-too-far",
        rule: "LE.3b",
        does: "goes back to entries that it knows the peer to hold",
        action: "back up",
        falls: "next_index_is_within",
        step: back_up_too_far,
    },
];

fn send_past_the_end(step: Transition) -> Transition {
    let [c, _] = step.values();
    let next = AbstractState::default().last_index(c) + 1;
    step.replacing(next, next + 1)
}

fn believe_peers_hold_all(step: Transition) -> Transition {
    let [c, _] = step.values();
    let last = AbstractState::default().last_index(c);
    step.putting(Symbol::MatchIndex, |before, [a, b]| last.when(a.is(c), before.match_index(a, b)))
}

fn propose_without_office(step: Transition) -> Transition {
    let [l, _] = step.values();
    step.without(AbstractState::default().is_leader(l))
}

fn overwrite_the_last_entry(step: Transition) -> Transition {
    let [l, _] = step.values();
    let last = AbstractState::default().last_index(l);
    step.replacing(last + 1, last).also(last.at_least(1))
}

fn send_other_entries(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [l, m] = step.values();
    let [i] = vars(["i"]);
    let part = now.prev_index(m).below(i) & i.at_most(now.end_index(m));
    let same = now.entry_term(m, i).is(now.log_term(l, i))
        & now.entry_payload(m, i).is(now.log_payload(l, i));
    step.without(all([i], part.implies(same)))
}

fn send_what_it_lacks(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [l, m] = step.values();
    step.without(now.end_index(m).at_most(now.last_index(l)))
}

fn send_another_prev_term(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [l, m] = step.values();
    step.without(now.prev_term(m).is(now.term_before(l, now.prev_index(m))))
}

fn tell_of_more_commits(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [l, m] = step.values();
    step.without(now.leader_commit(m).at_most(now.commit_index(l)))
}

fn count_older_acknowledgements(step: Transition) -> Transition {
    let now = AbstractState::default();
    let [l, s, i] = step.values();
    let (step, t) = step.parameter("t", Sort::Term);
    step.without(now.acknowledged(s, now.current_term(l), i)).also(now.acknowledged(s, t, i))
}

fn back_up_too_far(step: Transition) -> Transition {
    let [l, s, _, k] = step.values();
    step.without(AbstractState::default().match_index(l, s).below(k))
}
