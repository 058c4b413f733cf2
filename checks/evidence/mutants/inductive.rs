//! Rules without which a step leads out of the inductive invariant: the trials of
//! `check invariant` can fail. And bends of those trials, which tests notice.

use super::Evidence::Checks;
use super::Expected::Falls;
use super::Mutant;
use super::TestSuite::{FileOf, UnitOf};
use super::leaders::COUNTS_EARLIER_TERMS;
use super::log::COMMITS_BEYOND;
use super::places::{APPEND_ENTRIES, INDUCTIVE, RANDOM_WORLDS, RULES, edit, noticed};
use super::votes::SECOND_VOTE;

const ASSUMED: &str = "checks/evidence/invariant/assumed.rs";
const EVALUATE: &str = "checks/evidence/proof/evaluate.rs";
const EVENTS: &str = "checks/evidence/invariant/events.rs";
const LEMMAS_OF_COMMITS: &str = "checks/evidence/proof/lemmas/commits.rs";

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "vote-twice-anywhere",
        alias: Some("I1"),
        rule: "RV.2",
        about: "grants a vote although one was given in this term",
        edits: &[SECOND_VOTE],
        searches: &[RANDOM_WORLDS],
        blind: &[],
        expected: Falls { property: INDUCTIVE, steps: 1 },
    },
    Mutant {
        name: "skip-prev-term-anywhere",
        alias: Some("I2"),
        rule: "AE.2",
        about: "does not compare prev_log_term, only whether the entry is there",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::store_entries",
            "!self.log().term_at(prev_log_index).agrees_with(request.prev_log_term)",
            "self.log().term_at(prev_log_index) == super::TermAt::Absent",
        )],
        searches: &[RANDOM_WORLDS],
        blind: &[],
        expected: Falls { property: INDUCTIVE, steps: 1 },
    },
    Mutant {
        name: "backdate-entries-anywhere",
        alias: Some("I3"),
        rule: "LE.2",
        about: "gives new entries the term of the last entry",
        edits: &[edit(
            RULES,
            "Leading::append",
            "let entries = payloads.into_iter().map(|payload| Entry { term, payload }).collect();",
            "let term = self.persistent.log().last_term().max(1);
        let entries = payloads.into_iter().map(|payload| Entry { term, payload }).collect();",
        )],
        searches: &[RANDOM_WORLDS],
        blind: &[],
        expected: Falls { property: INDUCTIVE, steps: 1 },
    },
    Mutant {
        name: "count-older-terms-anywhere",
        alias: Some("I4"),
        rule: "LE.4",
        about: "commits entries of earlier terms by counting",
        edits: COUNTS_EARLIER_TERMS,
        searches: &[RANDOM_WORLDS],
        blind: &[],
        expected: Falls { property: INDUCTIVE, steps: 1 },
    },
    Mutant {
        name: "commit-unbounded-anywhere",
        alias: Some("I5"),
        rule: "AE.5",
        about: "bounds commit_index by its last entry, not by the last new one",
        edits: COMMITS_BEYOND,
        searches: &[RANDOM_WORLDS],
        blind: &[],
        expected: Falls { property: INDUCTIVE, steps: 1 },
    },
    noticed(
        "tell-no-history",
        "invariant",
        "makes steps of which history tells nothing",
        &[edit(EVENTS, "World::take", "self.update(action, &with);", "let _ = (action, with);")],
        FileOf(Checks, "invariant"),
        "every_step_keeps_it",
    ),
    noticed(
        "ask-what-did-not-change",
        "invariant",
        "asks after a step of the lemmas that speak of nothing it changed",
        &[edit(
            ASSUMED,
            "Assumed::first_broken",
            "speaks_of & changed != 0",
            "speaks_of & changed == 0",
        )],
        UnitOf(Checks),
        "evidence::invariant::tests::a_change_is_judged_like_the_whole_world",
    ),
    noticed(
        "begin-behind-the-first",
        "invariant",
        "leaves the first member out of what a quantifier looks at",
        &[edit(
            EVALUATE,
            "Range::all",
            "for member in from..end {",
            "for member in from + 1..end {",
        )],
        UnitOf(Checks),
        "evidence::proof::evaluate::tests::lemmas_and_guards_are_what_they_say",
    ),
    noticed(
        "expect-nothing-of-holders",
        "invariant",
        "takes what few hold for committed",
        &[edit(
            LEMMAS_OF_COMMITS,
            "committed_by_a_quorum",
            "counted.implies(i.at_most(at.held(s, t)))",
            "counted.implies(i.at_most(at.held(s, t) + 9))",
        )],
        UnitOf(Checks),
        "evidence::invariant::tests::each_part_of_each_lemma_falls_and_each_lemma_alone",
    ),
];
