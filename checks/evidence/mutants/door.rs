//! The guards at the server's door. No search can see them fail, for the peers of a search are
//! correct: a test sends what is not.

use super::TestSuite::File;
use super::places::{BREACH, MOD, edit, fails_test};
use super::{Edit, Mutant};

const fn unguarded(
    name: &'static str,
    rule: &'static str,
    about: &'static str,
    edits: &'static [Edit],
    test: &'static str,
) -> Mutant {
    let expected = fails_test(File("breaches"), test);
    Mutant { name, alias: None, rule, about, edits, searches: &[], blind: &[], expected }
}

pub const MUTANTS: &[Mutant] = &[
    unguarded(
        "carry-out-breaches",
        "BR.1",
        "names a breach, and carries the message out",
        &[edit(
            MOD,
            "Server::receive",
            "            output.breach = Some(breach);
            return;",
            "            output.breach = Some(breach);",
        )],
        "no_message_panics_a_server_and_a_breach_changes_nothing",
    ),
    unguarded(
        "hear-strangers",
        "BR.1",
        "hears servers outside of its cluster, and itself",
        &[edit(
            BREACH,
            "Server::examine_sender",
            "        must(is_peer, Breach::Sender)?;\n",
            "        let _ = is_peer;\n",
        )],
        "only_peers_are_heard_and_only_in_their_own_name",
    ),
    unguarded(
        "believe-names",
        "BR.1",
        "believes a message that names another server",
        &[edit(
            BREACH,
            "Server::examine_sender",
            "must(named == from, Breach::Name { named })",
            "must(named == named, Breach::Name { named })",
        )],
        "only_peers_are_heard_and_only_in_their_own_name",
    ),
    unguarded(
        "leap-terms",
        "BR.2",
        "follows a term however far above its own",
        &[edit(BREACH, "Server::examine_term", "LIMIT.min(self.current_term() + LEAP)", "LIMIT")],
        "numbers_leave_room_to_count_on",
    ),
    unguarded(
        "count-without-end",
        "BR.2",
        "takes indices of any size",
        &[edit(
            BREACH,
            "in_range",
            "must(number <= LIMIT, Breach::Range { number })",
            "must(number < u64::MAX, Breach::Range { number })",
        )],
        "numbers_leave_room_to_count_on",
    ),
    unguarded(
        "vote-for-the-future",
        "BR.3",
        "lets a candidate hold entries of the term that it stands in",
        &[edit(
            BREACH,
            "examine_candidate",
            "position(last_log_index, last_log_term, term - 1)",
            "position(last_log_index, last_log_term, term)",
        )],
        "a_candidate_cannot_hold_entries_of_its_own_term",
    ),
    unguarded(
        "take-terms-that-fall",
        "BR.4",
        "takes entries whose terms fall, or pass the leader's",
        &[edit(
            BREACH,
            "examine_entries",
            "        must(in_order, Breach::Log { index, term: entry.term })?;\n",
            "        let _ = (index, in_order);\n",
        )],
        "terms_never_fall_along_a_log_nor_pass_the_leaders",
    ),
    unguarded(
        "follow-two-leaders",
        "BR.5",
        "follows a second leader of its term",
        &[edit(
            BREACH,
            "Server::examine_leader",
            "known.filter(|&leader| leader != leader_id)",
            "known.filter(|&leader| leader == self.config.id && leader != leader_id)",
        )],
        "a_term_has_one_leader",
    ),
    unguarded(
        "destroy-commits",
        "BR.6",
        "lets a leader overwrite what was committed",
        &[edit(
            BREACH,
            "Server::examine_committed",
            "if request.term < self.current_term() || prev > committed {",
            "if request.term < self.current_term() || prev <= committed {",
        )],
        "what_was_committed_or_applied_is_never_destroyed",
    ),
    unguarded(
        "forget-the-floor",
        "BR.6",
        "forgets at a restart what it has applied",
        &[edit(
            BREACH,
            "Server::committed",
            "self.volatile.commit_index.max(self.volatile.floor)",
            "self.volatile.commit_index",
        )],
        "what_was_applied_before_a_restart_is_guarded_by_the_floor",
    ),
    unguarded(
        "believe-acknowledgements",
        "BR.7",
        "believes that a peer holds more than it was sent",
        &[edit(
            BREACH,
            "Server::examine_outcome",
            "AppendOutcome::Success { match_index } => held(match_index),",
            "AppendOutcome::Success { match_index: _ } => Ok(()),",
        )],
        "a_leader_is_answered_what_it_asked",
    ),
    unguarded(
        "believe-hints",
        "BR.7",
        "believes any hint of where logs part",
        &[edit(
            BREACH,
            "Server::examine_outcome",
            "                must(hint, Breach::NeverSent { index: conflict_index })?;\n",
            "                let _ = hint;\n",
        )],
        "a_leader_is_answered_what_it_asked",
    ),
    unguarded(
        "believe-conflicts",
        "BR.7",
        "believes that its own entries conflict",
        &[edit(
            BREACH,
            "Server::examine_outcome",
            "0 < other && other < term && log.term_at(prev_log_index) != TermAt::Term(other)",
            "0 < other",
        )],
        "a_leader_is_answered_what_it_asked",
    ),
    unguarded(
        "install-any-mark",
        "BR.8",
        "installs a snapshot whose mark is that of no entry that its leader can hold",
        &[edit(BREACH, "Server::examine", "                examine_base(request)?;\n", "")],
        "a_snapshot_is_of_an_entry_that_the_leader_can_hold",
    ),
    unguarded(
        "judge-when-deposed",
        "BR.7",
        "judges the answers to a leader that it is no longer",
        &[edit(
            BREACH,
            "Server::examine_outcome",
            "if term != self.current_term() || !self.is_leader() {",
            "if term != self.current_term() {",
        )],
        "who_does_not_lead_judges_no_answer",
    ),
];
