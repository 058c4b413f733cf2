//! The leader's side of log replication, and commitment.

use super::Expected::Falls;
use super::Mutant;
use super::places::{RECOVERY, RULES, UNREDUCED, edit, recover, search, whole};
use veraft_models::properties::{
    ASSERTIONS, COMMIT_DURABILITY, ELECTABLE, LEADER_APPEND_ONLY, LEADER_COMPLETENESS,
    LOG_MATCHING, MATCH_INDEX_TRUE, NEXT_INDEX_FOLLOWS,
};

pub const COUNTS_EARLIER_TERMS: &[super::Edit] = &[edit(
    RULES,
    "Leading::advance_commit_index",
    "
                && log.term_at(index) == TermAt::Term(self.persistent.current_term())",
    "",
)];

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "commit-earlier-terms",
        alias: Some("B1"),
        rule: "LE.4",
        about: "commits entries of earlier terms by counting (Figure 8)",
        edits: COUNTS_EARLIER_TERMS,
        searches: &[whole("figure-8")],
        blind: &[],
        expected: Falls { property: LEADER_COMPLETENESS, steps: 8 },
    },
    Mutant {
        name: "commit-earlier-from-boot",
        alias: Some("B1E"),
        rule: "LE.4",
        about: "the same, found from the first boot",
        // Leader Completeness takes the election too: 17 million states.
        edits: COUNTS_EARLIER_TERMS,
        searches: &[search("replication", [3, 3, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: ELECTABLE, steps: 16 },
    },
    Mutant {
        name: "commit-what-one-peer-has",
        alias: Some("B12"),
        rule: "LE.4",
        about: "commits what any single peer has acknowledged",
        edits: &[edit(
            RULES,
            "Leading::advance_commit_index",
            "self.config.is_quorum(|server| replicated(server, index))",
            "match_index.values().any(|&matched| matched >= index)",
        )],
        searches: &[search("five", [5, 2, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: LEADER_COMPLETENESS, steps: 13 },
    },
    Mutant {
        name: "backdate-entries",
        alias: Some("B13"),
        rule: "LE.2",
        about: "gives new entries the term of the last entry",
        edits: &[edit(
            RULES,
            "Leading::append",
            "map(|payload| Entry { term, payload }).collect();",
            "map(|payload| {
            let last_term = self.persistent.log().last_term();
            Entry { term: if last_term > 0 { last_term } else { term }, payload }
        }).collect();",
        )],
        searches: &[search("replication", [3, 2, 3, 0], &[])],
        blind: &[],
        expected: Falls { property: LOG_MATCHING, steps: 10 },
    },
    Mutant {
        name: "take-any-success-for-all",
        alias: Some("B14"),
        rule: "LE.3a",
        about: "takes any success for one of its whole log",
        edits: &[edit(
            RULES,
            "Leading::acknowledged",
            "        self.leader.match_index.insert(peer, match_index);",
            "        let match_index = self.persistent.log().last_index();
        self.leader.match_index.insert(peer, match_index);",
        )],
        searches: &[search("replication", [3, 1, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: COMMIT_DURABILITY, steps: 7 },
    },
    Mutant {
        name: "count-itself-twice",
        alias: Some("B15"),
        rule: "LE.4",
        about: "counts itself twice",
        edits: &[edit(
            RULES,
            "Leading::advance_commit_index",
            "self.config.is_quorum(|server| replicated(server, index))",
            "self.config.servers.iter().filter(|&&server| replicated(server, index)).count()
                    + 1 > self.config.servers.len() / 2",
        )],
        searches: &[search("replication", [3, 1, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: COMMIT_DURABILITY, steps: 4 },
    },
    Mutant {
        name: "truncate-when-refused",
        alias: Some("B16"),
        rule: "LE.3b",
        about: "drops its own entries when a follower refuses",
        edits: &[edit(
            RULES,
            "Leading::back_up",
            "        self.leader.next_index.insert(peer, next.max(match_index + 1));",
            "        let next = next.max(match_index + 1);
        self.leader.next_index.insert(peer, next);
        self.persistent.record(Record::Truncate { last_index: next - 1 }, output);",
        )],
        searches: &[search("replication", [3, 2, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: LEADER_APPEND_ONLY, steps: 10 },
    },
    Mutant {
        name: "never-step-back",
        alias: Some("B17"),
        rule: "LE.3b",
        about: "never moves next_index back after a refusal",
        edits: &[edit(
            RULES,
            "Leading::back_up",
            "self.leader.next_index.insert(peer, next.max(match_index + 1));",
            "let _ = next;",
        )],
        searches: &[recover("replication", [3, 2, 1, 0])],
        blind: &[],
        expected: Falls { property: RECOVERY, steps: 30 },
    },
    Mutant {
        name: "lower-match-index",
        alias: Some("B18"),
        rule: "LE.3a",
        about: "lets an older acknowledgement move match_index back",
        edits: &[edit(
            RULES,
            "Leading::acknowledged",
            "        if match_index <= self.leader.match_index[&peer] {",
            "        if match_index == self.leader.match_index[&peer] {",
        )],
        searches: &[
            search("replication", [3, 1, 1, 0], UNREDUCED),
            search("replication", [3, 2, 1, 0], &[]),
        ],
        blind: &[],
        expected: Falls { property: NEXT_INDEX_FOLLOWS, steps: 8 },
    },
    Mutant {
        name: "step-back-too-far",
        alias: Some("B19"),
        rule: "LE.3b",
        about: "moves next_index one entry further back than the refusal asks",
        edits: &[edit(
            RULES,
            "Leading::back_up",
            "self.leader.next_index.insert(peer, next.max(match_index + 1));",
            "self.leader.next_index.insert(peer, next.saturating_sub(1).max(match_index + 1));",
        )],
        searches: &[search("replication", [3, 2, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: NEXT_INDEX_FOLLOWS, steps: 13 },
    },
    Mutant {
        name: "step-back-too-little",
        alias: Some("B19F"),
        rule: "LE.3b",
        about: "moves next_index one entry less far back than the refusal asks",
        edits: &[edit(
            RULES,
            "Leading::back_up",
            "self.leader.next_index.insert(peer, next.max(match_index + 1));",
            "self.leader.next_index.insert(peer, (next + 1).max(match_index + 1));",
        )],
        searches: &[recover("replication", [3, 2, 1, 0])],
        blind: &[],
        expected: Falls { property: RECOVERY, steps: 30 },
    },
    Mutant {
        name: "skip-an-entry",
        alias: Some("B28"),
        rule: "LE.3",
        about: "skips an entry: sends those behind next_index",
        edits: &[edit(
            RULES,
            "Leading::replicate_behind",
            "let entries = log.batch(after + 1, self.config.max_append_bytes);",
            "let entries = log.batch(after + 2, self.config.max_append_bytes);",
        )],
        searches: &[search("replication", [3, 1, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: LOG_MATCHING, steps: 7 },
    },
    Mutant {
        name: "count-old-acknowledgements",
        alias: Some("B29"),
        rule: "LE.3a",
        about: "counts acknowledgements of an older term",
        edits: &[edit(
            RULES,
            "Server::receive_append_entries_reply",
            "        if reply.term != self.current_term() {
            return;
        }
",
            "",
        )],
        // The acknowledged entry must be lost again: to a leader that never had it, as in Figure 8.
        searches: &[search("figure-8", [3, 5, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: MATCH_INDEX_TRUE, steps: 14 },
    },
    Mutant {
        name: "commit-what-half-has",
        alias: Some("B30"),
        rule: "LE.4",
        about: "commits what half of the cluster has",
        edits: &[edit(
            RULES,
            "Leading::advance_commit_index",
            "self.config.is_quorum(|server| replicated(server, index))",
            "self.config.servers.iter().filter(|&&server| replicated(server, index)).count()
                    * 2 >= self.config.servers.len()",
        )],
        searches: &[search("even", [4, 1, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: COMMIT_DURABILITY, steps: 8 },
    },
    Mutant {
        name: "commit-all-when-elected",
        alias: Some("B31"),
        rule: "LE.4",
        about: "commits all it has when it is elected",
        edits: &[edit(
            RULES,
            "Server::become_leader",
            "        output.timers.push(TimerDuty::Cancel(Timer::Election));
        self.heartbeat_timeout",
            "        output.timers.push(TimerDuty::Cancel(Timer::Election));
        self.volatile.commit_index = self.log().last_index();
        self.heartbeat_timeout",
        )],
        searches: &[search("replication", [3, 2, 1, 1], &[])],
        blind: &[],
        expected: Falls { property: COMMIT_DURABILITY, steps: 8 },
    },
    Mutant {
        name: "believe-peers-hold-all",
        alias: Some("B32"),
        rule: "LS.2",
        about: "believes after its election that every peer holds its log",
        edits: &[edit(
            RULES,
            "Server::become_leader",
            "match_index: self.config.peers().map(|peer| (peer, 0)).collect(),",
            "match_index: self.config.peers().map(|peer| (peer, next_index - 1)).collect(),",
        )],
        searches: &[search("replication", [3, 2, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: MATCH_INDEX_TRUE, steps: 8 },
    },
    Mutant {
        name: "send-past-the-end",
        alias: Some("B33"),
        rule: "LS.1",
        about: "begins to send one entry past what it has",
        edits: &[edit(
            RULES,
            "Server::become_leader",
            "let next_index = self.log().last_index() + 1;",
            "let next_index = self.log().last_index() + 2;",
        )],
        searches: &[search("replication", [3, 1, 0, 0], &[])],
        blind: &[],
        expected: Falls { property: ASSERTIONS, steps: 3 },
    },
    Mutant {
        name: "send-from-the-first",
        alias: Some("B34"),
        rule: "LS.1",
        about: "begins to send with the first entry",
        edits: &[edit(
            RULES,
            "Server::become_leader",
            "let next_index = self.log().last_index() + 1;",
            "let next_index = 1;",
        )],
        searches: &[search("replication", [3, 2, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: NEXT_INDEX_FOLLOWS, steps: 8 },
    },
];
