//! Bends of what ties the proof to the code: each lets a step pass that is none of its actions.

use super::Evidence::{Checks, Models};
use super::TestSuite::UnitOf;
use super::places::{edit, noticed};
use super::{Mutant, TestSuite};

const VERIFY: &str = "checks/evidence/proof/refinement/verify.rs";
const PLACES: &str = "checks/evidence/proof/refinement/places.rs";
const LETTERS: &str = "checks/evidence/proof/refinement/letters.rs";
const DURABLE: &str = "checks/evidence/proof/refinement/durable.rs";
const PLAN: &str = "checks/evidence/proof/refinement/plan.rs";
const REFINES: &str = "checks/evidence/proof/refinement/mod.rs";
const JUDGE: &str = "checks/evidence/proof/refinement/judge.rs";
const EFFECTS: &str = "models/effects.rs";
const ACTOR: &str = "models/actor.rs";

const TESTS: TestSuite = UnitOf(Checks);
const JUDGED: TestSuite = TestSuite::FileOf(Models, "judged");

macro_rules! refused {
    ($name:literal) => {
        concat!("evidence::proof::refinement::tests::refused::", $name)
    };
}

macro_rules! durable {
    ($name:literal) => {
        concat!("evidence::proof::refinement::tests::durable::", $name)
    };
}

pub const MUTANTS: &[Mutant] = &[
    noticed(
        "pass-any-guard",
        "refinement",
        "asks of no action whether it can happen",
        &[edit(
            VERIFY,
            "play",
            "if !action.can_happen(places, &parameters) {",
            "if false && !action.can_happen(places, &parameters) {",
        )],
        TESTS,
        refused!("a_second_vote_in_a_term"),
    ),
    noticed(
        "take-any-quorum",
        "refinement",
        "takes any servers for a majority",
        &[edit(PLACES, "Places::is_majority", "2 * servers.len()", "4 * servers.len()")],
        TESTS,
        refused!("an_election_without_a_majority"),
    ),
    noticed(
        "compare-no-votes",
        "refinement",
        "does not compare the vote behind a step with what the actions make of it",
        &[edit(
            VERIFY,
            "same",
            "_ => place.symbol.kind() == Subject::Server,",
            "_ => place.symbol.kind() == Subject::Server && place.symbol != Symbol::VotedFor,",
        )],
        TESTS,
        refused!("a_vote_that_is_told_and_not_kept"),
    ),
    noticed(
        "accept-greater-numbers",
        "refinement",
        "takes any greater number for the one that the actions make",
        &[edit(VERIFY, "same", "if is != *made {", "if is < *made {")],
        TESTS,
        "evidence::proof::refinement::tests::in_a_long_log_every_change_is_seen",
    ),
    noticed(
        "send-what-nobody-sent",
        "refinement",
        "lets a letter leave that no action sends",
        &[edit(VERIFY, "told", "if made != *owed {", "if made > *owed {")],
        TESTS,
        refused!("an_acknowledgement_of_more_than_was_sent"),
    ),
    noticed(
        "hand-over-anything",
        "refinement",
        "does not compare what is handed over with the log",
        &[edit(
            VERIFY,
            "handed",
            "*index == next && held == Some(entry)",
            "*index == next && held.is_some()",
        )],
        TESTS,
        refused!("a_commit_beyond_the_request_or_what_it_tells"),
    ),
    noticed(
        "miss-records",
        "refinement",
        "does not ask whether the records say all that changed",
        &[edit(
            VERIFY,
            "Records::end",
            "self.left.is_empty() && is_held(places, &self.stored)",
            "self.left.is_empty()",
        )],
        TESTS,
        refused!("records_that_are_missing_or_in_another_order"),
    ),
    noticed(
        "crash-between-no-records",
        "refinement",
        "looks at the vote on the disk behind no record",
        &[edit(
            VERIFY,
            "is_held",
            "Symbol::CurrentTerm | Symbol::VotedFor | Symbol::LastIndex",
            "Symbol::CurrentTerm | Symbol::LastIndex",
        )],
        TESTS,
        refused!("a_vote_that_is_recorded_before_its_term"),
    ),
    noticed(
        "believe-any-name",
        "refinement",
        "takes a request in the name of another server for that server's",
        &[edit(
            LETTERS,
            "Heard::of",
            "match peer && is_in_its_own_name(*from, message) {",
            "match peer {",
        )],
        TESTS,
        refused!("a_vote_for_whoever_did_not_ask"),
    ),
    noticed(
        "overlook-payloads",
        "refinement",
        "looks in a long log for entries of another term, and for no others",
        &[edit(
            PLACES,
            "Places::indices",
            "!std::ptr::eq(a, b) && a != b",
            "!std::ptr::eq(a, b) && a.term != b.term",
        )],
        TESTS,
        "evidence::proof::refinement::tests::in_a_long_log_every_change_is_seen",
    ),
    noticed(
        "propose-what-was-stored",
        "refinement",
        "counts no proposals, so that what is stored twice was proposed twice",
        &[edit(
            PLAN,
            "Guess::proposal",
            "for payload in payloads {",
            "let stored = after.log().last_index() - before.log().last_index();
            for payload in payloads.iter().cycle().take(stored as usize) {",
        )],
        TESTS,
        refused!("an_entry_that_nobody_proposed_or_no_leader_appends"),
    ),
    noticed(
        "restart-from-anything",
        "refinement",
        "takes the state behind a restart for that on the disk",
        &[edit(
            REFINES,
            "restart",
            "persistent: disk,",
            "persistent: if true { after.persistent() } else { disk },",
        )],
        TESTS,
        refused!("a_restart_that_forgets_or_invents"),
    ),
    noticed(
        "tell-votes-early",
        "refinement",
        "lets a vote leave once its term is on the disk",
        &[edit(
            DURABLE,
            "is_true",
            "disk.current_term() == term && disk.voted_for() == Some(candidate)",
            "disk.current_term() == term && disk.voted_for() <= Some(candidate)",
        )],
        TESTS,
        durable!("a_vote_leaves_when_it_is_on_the_disk"),
    ),
    noticed(
        "tell-of-entries-early",
        "refinement",
        "lets an acknowledgement leave once the disk's log is as long",
        &[edit(DURABLE, "holds", "as_here && disk", "(as_here || index > 0) && disk")],
        TESTS,
        durable!("what_a_log_holds_is_said_when_the_disk_holds_it"),
    ),
    noticed(
        "judge-no-restarts",
        "refinement",
        "objects to no restart",
        &[edit(
            JUDGE,
            "<Refinement as Judge>::restart",
            "self.count(restart(disk, after))",
            "self.count(restart(disk, after)).filter(String::is_empty)",
        )],
        TESTS,
        durable!("the_judge_counts_what_it_lets_pass_and_tells_what_it_does_not"),
    ),
    noticed(
        "forget-what-the-judge-said",
        "refinement",
        "does not mark the node that sent what the judge objects to",
        &[edit(
            EFFECTS,
            "Cluster::reaction",
            "next.replica.objection = self.objection(stimulus, node, &next, &sent);",
            "let _ = self.objection(stimulus, node, &next, &sent);",
        )],
        JUDGED,
        "a_judge_sees_letters_when_they_leave",
    ),
    noticed(
        "ask-no-judge",
        "refinement",
        "does not ask the judge about steps",
        &[edit(
            ACTOR,
            "Raft::step",
            "judge.filter(|judge| self.knows(*judge, before, &input, &next.server))",
            "judge.filter(|_| false)",
        )],
        JUDGED,
        "what_a_judge_objects_to_is_a_violation_where_it_happens",
    ),
];
