//! What survives a crash, and what must wait for it.

use super::Expected::{Falls, Survives};
use super::Mutant;
use super::TestSuite::File;
use super::places::{MOD, RULES, edit, fails_test, search};
use veraft_models::properties::{
    APPLIED_DURABLE, COMMIT_DURABILITY, ELECTION_SAFETY, MATCH_INDEX_TRUE, MONOTONE_TERM, ONE_VOTE,
};

/// The one place where records are handed over.
const HAND_OVER: &str = "        self.write(record.clone());
        output.persist.push(record);";

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "vote-before-durable",
        alias: Some("C1"),
        rule: "PS.2",
        about: "lets a vote leave before it is durable",
        edits: &[edit(
            MOD,
            "Message::waits_for",
            "            Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::AppendEntriesReply(_)
            | Message::InstallSnapshot(_) => WaitsFor::Records,",
            "            Message::RequestVoteReply(_) => WaitsFor::Nothing,
            Message::RequestVote(_)
            | Message::AppendEntriesReply(_)
            | Message::InstallSnapshot(_) => WaitsFor::Records,",
        )],
        searches: &[search("torn", [3, 1, 0, 1], &[])],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 9 },
    },
    Mutant {
        name: "ask-before-durable",
        alias: Some("C1R"),
        rule: "PS.1",
        about: "asks for votes before its own is durable",
        edits: &[edit(
            MOD,
            "Message::waits_for",
            "            Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::AppendEntriesReply(_)
            | Message::InstallSnapshot(_) => WaitsFor::Records,",
            "            Message::RequestVote(_) => WaitsFor::Nothing,
            Message::RequestVoteReply(_)
            | Message::AppendEntriesReply(_)
            | Message::InstallSnapshot(_) => WaitsFor::Records,",
        )],
        searches: &[search("torn", [3, 1, 0, 1], &[])],
        blind: &[],
        expected: Falls { property: MONOTONE_TERM, steps: 2 },
    },
    Mutant {
        name: "acknowledge-before-durable",
        alias: Some("C2"),
        rule: "PS.3",
        about: "lets an acknowledgement leave before the entries are durable",
        edits: &[edit(
            MOD,
            "Message::waits_for",
            "            Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::AppendEntriesReply(_)
            | Message::InstallSnapshot(_) => WaitsFor::Records,",
            "            Message::AppendEntriesReply(_) => WaitsFor::Ballots,
            Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::InstallSnapshot(_) => WaitsFor::Records,",
        )],
        searches: &[search("torn-log", [3, 1, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: COMMIT_DURABILITY, steps: 10 },
    },
    Mutant {
        name: "count-own-before-durable",
        alias: Some("C3"),
        rule: "PD.2",
        about: "counts its own copy before that is durable",
        edits: &[edit(
            RULES,
            "Leading::advance_commit_index",
            "*match_index.get(&server).unwrap_or(&self.stored)",
            "match_index.get(&server).copied().unwrap_or(log.last_index())",
        )],
        searches: &[search("torn-log", [3, 1, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: COMMIT_DURABILITY, steps: 10 },
    },
    Mutant {
        name: "apply-before-durable",
        alias: Some("R15"),
        rule: "PD.3",
        about: "applies what is committed before its own disk has it",
        edits: &[edit(
            RULES,
            "Server::apply_committed",
            "commit_index.min(stored).max(last_applied)",
            "commit_index.max(stored).min(commit_index)",
        )],
        searches: &[search("torn-log", [3, 1, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: APPLIED_DURABLE, steps: 13 },
    },
    Mutant {
        name: "store-what-was-cut-off",
        alias: Some("F3"),
        rule: "PD.4",
        about: "takes what it has cut off for durable, once that is written",
        edits: &[edit(
            RULES,
            "Server::stored",
            "self.log().term_at(last_index) == TermAt::Term(last_term)",
            "self.log().last_index() >= last_index && last_term > 0",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(File("figure2"), "leaders::what_is_cut_off_was_stored_in_vain"),
    },
    Mutant {
        name: "send-before-the-ballot",
        alias: Some("F2"),
        rule: "PD.1",
        about: "lets the requests of a leader leave before its ballot is durable",
        edits: &[edit(
            MOD,
            "Message::waits_for",
            "Message::AppendEntries(_) => WaitsFor::Ballots,",
            "Message::AppendEntries(_) => WaitsFor::Nothing,",
        )],
        searches: &[search("torn-log", [3, 1, 1, 0], &[])],
        blind: &[],
        expected: Survives {
            states: 2_022,
            reason: "a leader has peers, and they voted because its request left, behind its ballot",
        },
    },
    Mutant {
        name: "record-no-truncation",
        alias: Some("C4"),
        rule: "PS.3",
        about: "does not record a truncation",
        // An entry is recorded without its index, so those that follow land behind the tail: no
        // restart is needed.
        edits: &[edit(
            MOD,
            "Persistent::record",
            "output.persist.push(record);",
            "if !matches!(record, Record::Truncate { .. }) {
            output.persist.push(record);
        }",
        )],
        searches: &[search("replication", [3, 2, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: MATCH_INDEX_TRUE, steps: 10 },
    },
    Mutant {
        name: "record-term-then-vote",
        alias: Some("C6"),
        rule: "PS.1",
        about: "records term and vote apart: the term without a vote, then the vote",
        edits: &[edit(
            MOD,
            "Persistent::record",
            "output.persist.push(record);",
            "if let Record::Ballot { current_term, voted_for: Some(_) } = record {
            output.persist.push(Record::Ballot { current_term, voted_for: None });
        }
        output.persist.push(record);",
        )],
        searches: &[search("torn", [3, 2, 0, 1], &[])],
        blind: &[],
        expected: Survives {
            states: 91_137,
            reason: "a crash between the two leaves a term in which no vote was heard of",
        },
    },
    Mutant {
        name: "record-vote-then-term",
        alias: Some("C6V"),
        rule: "PS.2",
        about: "records vote and term apart: the vote in the older term, then the term",
        edits: &[edit(
            MOD,
            "Persistent::record",
            HAND_OVER,
            "if let Record::Ballot { voted_for, .. } = record {
            let current_term = self.current_term();
            output.persist.push(Record::Ballot { current_term, voted_for });
        }
        self.write(record.clone());
        output.persist.push(record);",
        )],
        searches: &[search("torn", [3, 2, 0, 1], &[])],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 22 },
    },
    Mutant {
        name: "record-no-entries",
        alias: Some("C11"),
        rule: "PS.3",
        about: "leaves entries out of the records",
        edits: &[edit(
            MOD,
            "Persistent::record",
            "output.persist.push(record);",
            "if !matches!(record, Record::Append { .. }) {
            output.persist.push(record);
        }",
        )],
        searches: &[search("replication", [3, 1, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: COMMIT_DURABILITY, steps: 6 },
    },
    Mutant {
        name: "record-in-reverse",
        alias: Some("C12"),
        rule: "PS.3",
        about: "hands the records of a step over in reverse order",
        edits: &[edit(
            MOD,
            "Persistent::record",
            "output.persist.push(record);",
            "output.persist.insert(0, record);",
        )],
        searches: &[search("election", [3, 1, 0, 1], &[])],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 7 },
    },
    Mutant {
        name: "record-terms-with-votes",
        alias: Some("C13"),
        rule: "PS.1",
        about: "records a greater term only when it votes in it",
        edits: &[edit(
            RULES,
            "Server::update_term",
            "self.write(Record::Ballot { current_term: term, voted_for: None }, output);",
            "self.persistent.write(Record::Ballot { current_term: term, voted_for: None });",
        )],
        searches: &[search("election", [3, 1, 0, 1], &[])],
        blind: &[],
        expected: Falls { property: MONOTONE_TERM, steps: 5 },
    },
    Mutant {
        name: "record-no-vote-for-itself",
        alias: Some("C14"),
        rule: "PS.2",
        about: "records its vote, but not the one for itself",
        edits: &[edit(
            RULES,
            "Server::start_election",
            "self.write(Record::Ballot { current_term: term, voted_for: Some(id) }, output);",
            "let ballot = Record::Ballot { current_term: term, voted_for: Some(id) };
        self.persistent.write(ballot);
        output.persist.push(Record::Ballot { current_term: term, voted_for: None });",
        )],
        searches: &[search("election", [3, 1, 0, 1], &[])],
        blind: &[],
        expected: Falls { property: ONE_VOTE, steps: 4 },
    },
    Mutant {
        name: "start-without-its-vote",
        alias: Some("C15"),
        rule: "PS.2",
        about: "starts again with the term it had, but without its vote",
        edits: &[edit(
            MOD,
            "Server::start",
            "let stored = persistent.log().last_index();",
            "let mut persistent = persistent;
        let current_term = persistent.current_term();
        persistent.write(Record::Ballot { current_term, voted_for: None });
        let stored = persistent.log().last_index();",
        )],
        searches: &[search("election", [3, 1, 0, 1], &[])],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 7 },
    },
];
