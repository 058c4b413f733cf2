//! What is committed and applied, and what of it survives a start.

use super::Expected::Falls;
use super::Mutant;
use super::places::{MOD, RULES, edit, search};
use veraft_models::properties::{COMMIT_DURABILITY, STATE_MACHINE_SAFETY};

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "apply-again-after-office",
        alias: Some("B20"),
        rule: "VS.2",
        about: "applies from the first entry again when it leaves its office",
        edits: &[edit(
            RULES,
            "Server::update_term",
            "            if self.is_leader() {",
            "            self.volatile.last_applied = 0;
            if self.is_leader() {",
        )],
        searches: &[search("replication", [3, 2, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: STATE_MACHINE_SAFETY, steps: 8 },
    },
    Mutant {
        name: "forget-an-applied-entry",
        alias: Some("B35"),
        rule: "VS.2",
        about: "forgets that it has applied an entry",
        edits: &[edit(
            RULES,
            "Server::apply_committed",
            "        self.volatile.last_applied = last;\n",
            "",
        )],
        searches: &[search("replication", [3, 1, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: STATE_MACHINE_SAFETY, steps: 7 },
    },
    Mutant {
        name: "apply-uncommitted",
        alias: Some("B36"),
        rule: "ALL.1",
        about: "applies entries before they are committed",
        edits: &[edit(
            RULES,
            "Server::apply_committed",
            "commit_index.min(stored).max(last_applied)",
            "self.log().last_index().max(commit_index.min(stored))",
        )],
        searches: &[search("replication", [3, 2, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: STATE_MACHINE_SAFETY, steps: 10 },
    },
    Mutant {
        name: "apply-only-the-last",
        alias: Some("B37"),
        rule: "ALL.1",
        about: "applies the last committed entry, and not those before it",
        edits: &[edit(
            RULES,
            "Server::apply_committed",
            "let entries = self.log().range(first, last);",
            "let first = first.max(last);
        let entries = self.log().range(first.max(1), last);",
        )],
        searches: &[search("replication", [3, 1, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: STATE_MACHINE_SAFETY, steps: 8 },
    },
    Mutant {
        name: "commit-all-at-start",
        alias: Some("B38"),
        rule: "VS.1",
        about: "takes its whole log for committed when it starts again",
        edits: &[edit(
            MOD,
            "Server::start",
            "(base.last_index, base.last_index)",
            "(persistent.log().last_index(), base.last_index)",
        )],
        searches: &[search("replication", [3, 1, 1, 1], &[])],
        blind: &[],
        expected: Falls { property: COMMIT_DURABILITY, steps: 5 },
    },
    Mutant {
        name: "count-all-applied-at-start",
        alias: Some("B39"),
        rule: "VS.2",
        about: "takes its whole log for applied when it starts again",
        edits: &[edit(
            MOD,
            "Server::start",
            "(base.last_index, base.last_index)",
            "(base.last_index, persistent.log().last_index())",
        )],
        searches: &[search("replication", [3, 1, 2, 1], &[])],
        blind: &[],
        expected: Falls { property: STATE_MACHINE_SAFETY, steps: 12 },
    },
];
