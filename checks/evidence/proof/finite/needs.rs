//! What each lemma is needed for: without it, another would not be kept, or a promise would not
//! follow.

use super::super::lemmas::{self, Lemma, Proof};

/// What a lemma is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Without it, this action would not keep this lemma.
    Kept(&'static str, &'static str),
    /// Without it, this lemma would not follow.
    Follows(&'static str),
    /// No other needs it, as far as was looked; why it is there.
    Nothing(&'static str),
}

use Need::{Follows, Kept, Nothing};

/// What each lemma that is proved by induction is needed for. The others are consequences.
pub const NEEDS: &[(&str, Need)] = &[
    ("one_vote", Kept("win", "term_begun")),
    ("vote_remembered", Kept("grant", "one_vote")),
    (
        "vote_held_was_cast",
        Nothing("says what votedFor means; one that was never cast would only bind its server"),
    ),
    ("vote_told_was_cast", Kept("count", "vote_counted_was_cast")),
    ("vote_counted_was_cast", Kept("win", "leader_elected")),
    ("asker_voted", Kept("stand", "choosable_is_compared")),
    ("leader_elected", Kept("win", "term_begun")),
    ("leader_recorded", Kept("propose", "leader_has_the_log")),
    ("candidate_has_not_led", Kept("win", "entry_from_its_term")),
    ("term_begun", Kept("win", "entry_from_its_term")),
    ("numbers_from_zero", Kept("propose", "entry_from_its_term")),
    ("no_log_before_a_leader", Kept("win", "refusal_is_within")),
    ("leader_has_the_log", Kept("send", "request_is_a_part")),
    ("entry_from_its_term", Kept("propose", "entries_before_too")),
    ("entries_before_too", Follows("log_matching")),
    ("term_entry_from_its_term", Kept("write", "entry_from_its_term")),
    ("term_entries_before_too", Kept("write", "entries_before_too")),
    (
        "term_order",
        Nothing("a consequence of term_entry_from_its_term and term_entries_before_too"),
    ),
    ("request_is_a_part", Kept("write", "entry_from_its_term")),
    ("refusal_is_within", Kept("back up", "next_index_is_within")),
    ("voter_was_asked", Kept("win", "choosable_is_led")),
    ("held_within_the_term", Kept("win", "choosable_is_led")),
    ("acknowledged_is_held", Kept("advance", "committed_by_a_quorum")),
    ("next_index_is_within", Nothing("an end in itself: an assertion of the code")),
    ("leader_holds_its_own", Kept("advance", "committed_by_a_quorum")),
    (
        "held_stands_in_the_log",
        Nothing("a convenience: the cut `nothing held is lost` says with it what `write` keeps"),
    ),
    ("choosable_is_held", Kept("grant", "choosable_is_compared")),
    ("choosable_is_compared", Kept("win", "choosable_is_led")),
    ("choosable_is_led", Follows("leader_completeness")),
    ("committed_in_its_term", Follows("leader_completeness")),
    ("committed_by_a_quorum", Follows("leader_completeness")),
    ("commit_index_has_a_reason", Kept("apply", "applied_has_a_reason")),
    ("leader_commit_has_a_reason", Kept("keep", "commit_index_has_a_reason")),
    ("applied_within_commit", Nothing("an end in itself: nothing is applied that may yet be lost")),
    ("applied_has_a_reason", Follows("state_machine_safety")),
];

/// The lemmas that are proved by induction, but for the one called `left_out`.
pub fn induction(left_out: &str) -> Vec<&'static Lemma> {
    let inside = |lemma: &&Lemma| lemma.proof == Proof::Induction && lemma.name != left_out;
    lemmas::all().filter(inside).collect()
}

/// The lemmas that follow from others.
pub fn consequences() -> Vec<&'static Lemma> {
    lemmas::all().filter(|lemma| lemma.proof != Proof::Induction).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lemma_proved_by_induction_is_said_to_be_needed_for_something_or_nothing() {
        let said: Vec<&str> = NEEDS.iter().map(|(name, _)| *name).collect();
        let proved: Vec<&str> = induction("").iter().map(|lemma| lemma.name).collect();
        assert_eq!(said, proved);
    }

    #[test]
    fn a_promise_that_rests_on_it_follows_from_others() {
        for (name, need) in NEEDS {
            let rests = match need {
                Kept(_, other) => induction(name).iter().any(|lemma| lemma.name == *other),
                Follows(other) => consequences().iter().any(|lemma| lemma.name == *other),
                Nothing(why) => !why.is_empty(),
            };
            assert!(rests, "{name}: {need:?}");
        }
    }
}
