//! Rules without which a step leads out of the inductive invariant: the trials of
//! `check invariant` can fail.

use super::Expected::Falls;
use super::Mutant;
use super::places::{APPEND_ENTRIES, INDUCTIVE, RANDOM_WORLDS, RULES, edit};
use super::votes::SECOND_VOTE;

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
            "self.persistent.log().term_at(prev_log_index) != Some(request.prev_log_term)",
            "self.persistent.log().term_at(prev_log_index).is_none()",
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
];
