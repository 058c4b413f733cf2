//! The follower's side of log replication: what AppendEntries does to a log and to
//! `commit_index`.

use super::Expected::Falls;
use super::places::{APPEND_ENTRIES, UNREDUCED, edit, search};
use super::{Edit, Mutant};
use veraft_models::properties::{
    ASSERTIONS, COMMIT_DURABILITY, LEADER_APPEND_ONLY, LOG_MATCHING, MATCH_INDEX_TRUE,
    MONOTONE_COMMIT, STATE_MACHINE_SAFETY, TERMS_IN_ORDER,
};

/// `commit_index` is bounded by the last entry held, not by the last that is known to agree.
pub const COMMITS_BEYOND: &[Edit] = &[edit(
    APPEND_ENTRIES,
    "Server::follow_commit",
    "leader_commit.min(match_index)",
    "leader_commit.min(self.log().last_index())",
)];

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "skip-prev-term",
        alias: Some("B2"),
        rule: "AE.2",
        about: "looks for an entry at prev_log_index, but not at its term",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::store_entries",
            "!self.log().term_at(prev_log_index).agrees_with(request.prev_log_term)",
            "self.log().term_at(prev_log_index) == super::TermAt::Absent",
        )],
        searches: &[search("replication", [3, 3, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: STATE_MACHINE_SAFETY, steps: 16 },
    },
    Mutant {
        name: "skip-check-of-heartbeats",
        alias: Some("B3"),
        rule: "AE.2",
        about: "lets a heartbeat pass the consistency check",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::store_entries",
            "if !self.log().term_at(prev_log_index).agrees_with(request.prev_log_term) {",
            "if !request.entries.is_empty()
            && !self.log().term_at(prev_log_index).agrees_with(request.prev_log_term)
        {",
        )],
        searches: &[search("replication", [3, 2, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: MATCH_INDEX_TRUE, steps: 10 },
    },
    Mutant {
        name: "truncate-always",
        alias: Some("B4"),
        rule: "AE.3",
        about: "truncates at every AppendEntries, conflict or not",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::store_missing",
            "        if held == entries.len() {
            return;
        }
",
            "",
        )],
        searches: &[search("replication", [3, 1, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: COMMIT_DURABILITY, steps: 7 },
    },
    Mutant {
        name: "truncate-never",
        alias: Some("B5"),
        rule: "AE.3",
        about: "never truncates: skips what it has, and acknowledges",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::store_missing",
            ".take_while(|&(index, entry)| log.term_at(index).agrees_with(entry.term))",
            ".take_while(|&(index, _)| index <= last_index)",
        )],
        searches: &[search("replication", [3, 2, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: STATE_MACHINE_SAFETY, steps: 12 },
    },
    Mutant {
        name: "append-what-is-held",
        alias: Some("B6"),
        rule: "AE.4",
        about: "appends every entry, held already or not",
        edits: &[
            edit(APPEND_ENTRIES, "Server::store_missing", "if held == entries.len() {", "if entries.is_empty() {"),
            edit(
                APPEND_ENTRIES,
                "Server::store_missing",
                "if agreed < last_index {",
                "if agreed < last_index && held < entries.len() {",
            ),
            edit(APPEND_ENTRIES, "Server::store_missing", "        let entries = entries.skip(held);\n", ""),
        ],
        searches: &[search("replication", [3, 1, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: LOG_MATCHING, steps: 7 },
    },
    Mutant {
        name: "obey-older-leaders",
        alias: Some("B7"),
        rule: "AE.1",
        about: "obeys a leader of an older term, and goes on to lead",
        edits: &[
            edit(
                APPEND_ENTRIES,
                "Server::receive_append_entries",
                "if request.term < self.current_term() {
            AppendOutcome::StaleTerm
        } else {",
                "if request.term < self.current_term() {
            self.store_entries(request, output)
        } else {",
            ),
        ],
        searches: &[
            search("replication", [3, 2, 2, 0], UNREDUCED),
            search("replication", [3, 2, 2, 0], &[]),
            search("replication", [3, 2, 2, 0], &["--audit"]),
        ],
        blind: &[],
        expected: Falls { property: LEADER_APPEND_ONLY, steps: 9 },
    },
    Mutant {
        name: "keep-behind-a-conflict",
        alias: Some("B8"),
        rule: "AE.3",
        about: "overwrites a conflicting entry, and keeps those behind it",
        edits: &[
            edit(
                APPEND_ENTRIES,
                "Server::store_missing",
                "        if agreed < last_index {",
                "        let end = prev_log_index + entries.len() as Index;
        let behind = log.range(end.min(last_index) + 1, last_index);
        if agreed < last_index {",
            ),
            edit(
                APPEND_ENTRIES,
                "Server::store_missing",
                "        self.write(Record::Append { entries }, output);",
                "        self.write(Record::Append { entries }, output);
        self.write(Record::Append { entries: behind }, output);",
            ),
        ],
        searches: &[search("replication", [3, 2, 3, 0], &[])],
        blind: &[],
        expected: Falls { property: TERMS_IN_ORDER, steps: 10 },
    },
    Mutant {
        name: "commit-without-bound",
        alias: Some("B9"),
        rule: "AE.5",
        about: "follows leader_commit without a bound",
        // Not equivalent with batches of any size either: heartbeats are empty and tell a peer
        // that lags of commits, which the core then asserts to hold.
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::follow_commit",
            "let commit_index = leader_commit.min(match_index);",
            "let commit_index = leader_commit;",
        )],
        searches: &[search("replication", [3, 1, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: ASSERTIONS, steps: 8 },
    },
    Mutant {
        name: "commit-beyond-what-is-new",
        alias: Some("B10"),
        rule: "AE.5",
        about: "bounds commit_index by its last entry, not by the last new one",
        edits: COMMITS_BEYOND,
        searches: &[search("replication", [3, 2, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: STATE_MACHINE_SAFETY, steps: 12 },
    },
    Mutant {
        name: "lower-commit-index",
        alias: Some("B11"),
        rule: "AE.5",
        about: "follows leader_commit down",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::follow_commit",
            "self.volatile.commit_index = self.volatile.commit_index.max(commit_index);",
            "self.volatile.commit_index = commit_index;",
        )],
        searches: &[search("replication", [3, 1, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: MONOTONE_COMMIT, steps: 9 },
    },
    Mutant {
        name: "append-behind-a-gap",
        alias: Some("B21"),
        rule: "AE.2",
        about: "takes entries that begin past the end of its log",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::store_entries",
            "if !self.log().term_at(prev_log_index).agrees_with(request.prev_log_term) {",
            "let term = self.log().term_at(prev_log_index).held();
        if term.is_some_and(|term| term != request.prev_log_term) {",
        )],
        searches: &[search("replication", [3, 2, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: MATCH_INDEX_TRUE, steps: 10 },
    },
    Mutant {
        name: "keep-the-conflicting-entry",
        alias: Some("B22"),
        rule: "AE.3",
        about: "keeps the first conflicting entry, and appends behind it",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::store_missing",
            "self.write(Record::Truncate { last_index: agreed }, output);",
            "self.write(Record::Truncate { last_index: agreed + 1 }, output);",
        )],
        searches: &[search("replication", [3, 2, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: MATCH_INDEX_TRUE, steps: 10 },
    },
    Mutant {
        name: "truncate-one-too-many",
        alias: Some("B23"),
        rule: "AE.3",
        about: "truncates one entry too early",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::store_missing",
            "self.write(Record::Truncate { last_index: agreed }, output);",
            "self.write(Record::Truncate { last_index: agreed.saturating_sub(1) }, output);",
        )],
        searches: &[search("replication", [3, 2, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: COMMIT_DURABILITY, steps: 12 },
    },
    Mutant {
        name: "acknowledge-the-whole-log",
        alias: Some("B24"),
        rule: "AE.4",
        about: "acknowledges its whole log, not only what the request covered",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::store_entries",
            "        AppendOutcome::Success { match_index }",
            "        AppendOutcome::Success { match_index: self.log().last_index() }",
        )],
        searches: &[search("replication", [3, 2, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: MATCH_INDEX_TRUE, steps: 10 },
    },
    Mutant {
        name: "commit-before-the-check",
        alias: Some("B25"),
        rule: "AE.5",
        about: "follows leader_commit before it has checked its log",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::store_entries",
            "        let prev_log_index = request.prev_log_index;\n",
            "        let prev_log_index = request.prev_log_index;
        self.follow_commit(request.leader_commit, self.log().last_index());\n",
        )],
        searches: &[search("replication", [3, 2, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: STATE_MACHINE_SAFETY, steps: 12 },
    },
    Mutant {
        name: "store-for-older-leaders",
        alias: Some("B26"),
        rule: "AE.1",
        about: "refuses a leader of an older term, but stores its entries",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::receive_append_entries",
            "            AppendOutcome::StaleTerm\n",
            "            let _ = self.store_entries(request, output);
            AppendOutcome::StaleTerm\n",
        )],
        searches: &[
            search("replication", [3, 2, 2, 0], UNREDUCED),
            search("replication", [3, 2, 2, 0], &[]),
            search("replication", [3, 2, 2, 0], &["--audit"]),
        ],
        blind: &[],
        expected: Falls { property: LEADER_APPEND_ONLY, steps: 9 },
    },
    Mutant {
        name: "write-held-entries-again",
        alias: Some("B27"),
        rule: "AE.4",
        about: "writes entries that it holds once more, after it has truncated them",
        edits: &[
            edit(APPEND_ENTRIES, "Server::store_missing", "if held == entries.len() {", "if entries.is_empty() {"),
            edit(
                APPEND_ENTRIES,
                "Server::store_missing",
                "let agreed = prev_log_index + held as Index;",
                "let agreed = if held == entries.len() { prev_log_index } else { prev_log_index + held as Index };
        let held = if held == entries.len() { 0 } else { held };",
            ),
        ],
        searches: &[search("replication", [3, 1, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: COMMIT_DURABILITY, steps: 9 },
    },
];
