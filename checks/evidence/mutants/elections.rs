//! Terms and elections.

use super::Expected::{Falls, Survives, Unreached};
use super::places::{
    APPEND_ENTRIES, MOD, RECOVERY, REQUEST_VOTE, RULES, STATE, UNREDUCED, edit, recover, search,
    whole,
};
use super::{Mutant, Search};
use veraft_models::properties::{ELECTION_SAFETY, LEADERS_ELECTED, MONOTONE_TERM, ONE_VOTE};

/// One term, no entries, no restarts.
const ONE_TERM: Search = search("election", [3, 1, 0, 0], &[]);

/// The same, with dropped letters kept beside the state.
const AUDITED: Search = search("election", [3, 1, 0, 0], &["--audit"]);

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "record-no-vote",
        alias: Some("A2"),
        rule: "PS.2",
        about: "leaves voted_for out of the records",
        edits: &[edit(
            MOD,
            "Persistent::record",
            "output.persist.push(record);",
            "let record = match record {
                Record::Ballot { current_term, .. } => {
                    Record::Ballot { current_term, voted_for: None }
                }
                other => other,
            };
            output.persist.push(record);",
        )],
        searches: &[search("election", [3, 1, 0, 1], &[])],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 7 },
    },
    Mutant {
        name: "record-no-term",
        alias: Some("A3"),
        rule: "PS.1",
        about: "leaves current_term out of the records",
        edits: &[edit(
            MOD,
            "Persistent::record",
            "output.persist.push(record);",
            "let record = match record {
                Record::Ballot { voted_for, .. } => Record::Ballot { current_term: 0, voted_for },
                other => other,
            };
            output.persist.push(record);",
        )],
        searches: &[search("election", [3, 1, 0, 1], &[])],
        blind: &[],
        expected: Falls { property: MONOTONE_TERM, steps: 2 },
    },
    Mutant {
        name: "unvote-when-stepping-down",
        alias: Some("A4"),
        rule: "CA.3",
        about: "clears voted_for when a candidate steps down in its own term",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::receive_append_entries",
            "self.volatile.role = Role::Follower { leader: Some(leader) };",
            "if let Role::Candidate { .. } = self.volatile.role {
                let current_term = self.current_term();
                self.write(Record::Ballot { current_term, voted_for: None }, output);
            }
            self.volatile.role = Role::Follower { leader: Some(leader) };",
        )],
        searches: &[search("election", [3, 1, 0, 0], UNREDUCED), AUDITED],
        // The request for the second vote is dead while the first stands.
        blind: &[ONE_TERM],
        expected: Falls { property: ONE_VOTE, steps: 6 },
    },
    Mutant {
        name: "count-votes-of-older-terms",
        alias: Some("A6"),
        rule: "CA.2",
        about: "counts votes given to it in an older term",
        edits: &[edit(
            RULES,
            "Server::receive_request_vote_reply",
            "reply.term == self.current_term() && reply.vote_granted",
            "reply.vote_granted",
        )],
        searches: &[
            search("election", [3, 2, 0, 0], UNREDUCED),
            search("election", [3, 2, 0, 0], &[]),
            search("election", [3, 2, 0, 0], &["--audit"]),
        ],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 7 },
    },
    Mutant {
        name: "count-a-vote-twice",
        alias: Some("A7"),
        rule: "CA.2",
        about: "counts a vote that arrives twice as two",
        edits: &[edit(
            RULES,
            "Server::collect_vote",
            "votes_granted.insert(voter);",
            "if !votes_granted.insert(voter) {
                let all = self.config.servers.iter().copied();
                let other = all.into_iter().find(|server| !votes_granted.contains(server));
                votes_granted.extend(other);
            }",
        )],
        searches: &[
            search("election", [4, 1, 0, 0], UNREDUCED),
            search("election", [4, 1, 0, 0], &[]),
            search("election", [4, 1, 0, 0], &["--audit"]),
        ],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 8 },
    },
    Mutant {
        name: "lead-with-half",
        alias: Some("A8"),
        rule: "CA.2",
        about: "leads with the votes of half the cluster",
        edits: &[edit(
            STATE,
            "Config::is_quorum",
            "holding > self.servers.len() / 2",
            "holding * 2 >= self.servers.len()",
        )],
        searches: &[search("even", [4, 1, 0, 0], &[]), search("even", [2, 1, 0, 0], &[])],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 6 },
    },
    Mutant {
        name: "count-refusals-as-votes",
        alias: Some("A9"),
        rule: "CA.2",
        about: "counts a refusal as a vote",
        edits: &[edit(
            RULES,
            "Server::receive_request_vote_reply",
            "reply.term == self.current_term() && reply.vote_granted",
            "reply.term == self.current_term()",
        )],
        searches: &[ONE_TERM],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 6 },
    },
    Mutant {
        name: "count-a-vote-not-cast",
        alias: Some("A10"),
        rule: "CA.1b",
        about: "counts itself as a candidate, but does not vote for itself",
        edits: &[edit(
            RULES,
            "Server::start_election",
            "Record::Ballot { current_term: term, voted_for: Some(id) }",
            "Record::Ballot { current_term: term, voted_for: None }",
        )],
        searches: &[ONE_TERM],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 6 },
    },
    Mutant {
        name: "stand-in-the-same-term",
        alias: Some("A11"),
        rule: "CA.1a",
        about: "stands for election in the term that it is in",
        edits: &[edit(
            RULES,
            "Server::start_election",
            "let term = self.current_term() + 1;",
            "let term = self.current_term().max(1);",
        )],
        searches: &[search("election", [3, 2, 0, 0], &[])],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 6 },
    },
    Mutant {
        name: "unvote-but-keep-the-term",
        alias: Some("A17"),
        rule: "ALL.2",
        about: "clears its vote at a greater term, but does not adopt it",
        edits: &[edit(
            RULES,
            "Server::update_term",
            "Record::Ballot { current_term: term, voted_for: None }",
            "Record::Ballot { current_term: self.current_term(), voted_for: None }",
        )],
        searches: &[search("election", [3, 1, 0, 0], &[])],
        blind: &[],
        expected: Unreached { property: LEADERS_ELECTED },
    },
    Mutant {
        name: "keep-the-vote-of-old-terms",
        alias: Some("A18"),
        rule: "ALL.2",
        about: "adopts a greater term and keeps its vote of the older one",
        edits: &[edit(
            RULES,
            "Server::update_term",
            "Record::Ballot { current_term: term, voted_for: None }",
            "Record::Ballot { current_term: term, voted_for: self.persistent.voted_for() }",
        )],
        searches: &[recover("election", [3, 1, 0, 0])],
        // Fewer votes are given, and none that was refused.
        blind: &[whole("election")],
        expected: Falls { property: RECOVERY, steps: 21 },
    },
    Mutant {
        name: "keep-the-role-of-old-terms",
        alias: Some("A19"),
        rule: "ALL.2",
        about: "adopts the greater term of a reply, and keeps its role",
        edits: &[edit(
            MOD,
            "Server::receive",
            "self.update_term(message.term(), output);",
            "match &message {
            Message::RequestVoteReply(RequestVoteReply { term, .. })
            | Message::AppendEntriesReply(AppendEntriesReply { term, .. }) => {
                if *term > self.current_term() {
                    self.write(Record::Ballot { current_term: *term, voted_for: None }, output);
                }
            }
            Message::RequestVote(_) | Message::AppendEntries(_) | Message::InstallSnapshot(_) => {
                self.update_term(message.term(), output);
            }
        }",
        )],
        searches: &[search("election", [3, 2, 0, 0], &[])],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 8 },
    },
    Mutant {
        name: "ignore-leader-as-candidate",
        alias: Some("A20"),
        rule: "CA.3",
        about: "ignores AppendEntries of its term while it is a candidate",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::receive_append_entries",
            "let leader = request.leader_id;",
            "if request.term == self.current_term()
            && matches!(self.volatile.role, Role::Candidate { .. })
        {
            return;
        }
        let leader = request.leader_id;",
        )],
        searches: &[recover("election", [3, 1, 0, 0])],
        blind: &[],
        expected: Falls { property: RECOVERY, steps: 8 },
    },
    Mutant {
        name: "lead-alone",
        alias: Some("A22"),
        rule: "CA.2",
        about: "needs no vote but its own to lead",
        edits: &[edit(
            STATE,
            "Config::is_quorum",
            "holding > self.servers.len() / 2",
            "holding > 0",
        )],
        searches: &[search("pair", [2, 1, 0, 0], &[]), search("five", [5, 1, 0, 0], &[])],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 2 },
    },
    Mutant {
        name: "unvote-and-only-answer",
        alias: Some("A23"),
        rule: "ALL.2",
        about: "clears its vote at a greater term, but only answers in it",
        edits: &[
            edit(
                RULES,
                "Server::update_term",
                "Record::Ballot { current_term: term, voted_for: None }",
                "Record::Ballot { current_term: self.current_term(), voted_for: None }",
            ),
            edit(
                REQUEST_VOTE,
                "Server::receive_request_vote",
                "let reply = RequestVoteReply { term: self.current_term(), vote_granted };",
                "let reply = RequestVoteReply { term: request.term, vote_granted };",
            ),
        ],
        searches: &[search("election", [3, 1, 0, 0], &[])],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 6 },
    },
    Mutant {
        name: "adopt-its-own-term-again",
        alias: Some("A24"),
        rule: "ALL.2",
        about: "adopts its own term again, and forgets its vote",
        edits: &[edit(
            RULES,
            "Server::update_term",
            "if term > self.current_term() {",
            "if term >= self.current_term() {",
        )],
        searches: &[search("election", [3, 1, 0, 0], UNREDUCED)],
        blind: &[],
        expected: Falls { property: ONE_VOTE, steps: 3 },
    },
    Mutant {
        name: "obey-and-stay-candidate",
        alias: Some("A28"),
        rule: "CA.3",
        about: "obeys the leader of its term, but stays a candidate",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::receive_append_entries",
            "self.volatile.role = Role::Follower { leader: Some(leader) };",
            "if !matches!(self.volatile.role, Role::Candidate { .. }) {
                self.volatile.role = Role::Follower { leader: Some(leader) };
            }",
        )],
        searches: &[recover("replication", [3, 2, 1, 0])],
        blind: &[],
        expected: Falls { property: RECOVERY, steps: 17 },
    },
    Mutant {
        name: "stand-as-leader",
        alias: Some("A29"),
        rule: "FO.2",
        about: "stands for election as a leader too",
        edits: &[edit(
            RULES,
            "Server::election_timeout",
            "Role::Follower { .. } | Role::Candidate { .. } => self.start_election(output),
            Role::Leader(_) => {}",
            "Role::Follower { .. } | Role::Candidate { .. } | Role::Leader(_) => {
                self.start_election(output);
            }",
        )],
        searches: &[whole("election")],
        blind: &[],
        expected: Survives { states: 31_335, reason: "the election timer of a leader never runs" },
    },
];
