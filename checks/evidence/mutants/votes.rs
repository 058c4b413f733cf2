//! Votes: to whom they are given.

use super::Expected::{Falls, Survives, Unreached};
use super::places::{
    APPEND_ENTRIES, RECOVERY, REQUEST_VOTE, RULES, UNREDUCED, edit, recover, search,
};
use super::{Edit, Mutant};
use veraft_models::properties::{ELECTION_SAFETY, LEADER_COMPLETENESS, LEADERS_ELECTED, NO_BREACH};

/// A vote is granted although one was given in this term.
pub const SECOND_VOTE: Edit = edit(
    REQUEST_VOTE,
    "Server::grants_vote",
    "voted_for.is_none_or(|candidate| candidate == request.candidate_id)",
    "voted_for.is_none_or(|_| true)",
);

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "vote-twice",
        alias: Some("A1"),
        rule: "RV.2",
        about: "grants a vote although one was given in this term",
        edits: &[SECOND_VOTE],
        searches: &[search("election", [3, 1, 0, 0], &[])],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 6 },
    },
    Mutant {
        name: "unvote-at-each-append",
        alias: Some("A5"),
        rule: "RV.2",
        about: "clears voted_for at every AppendEntries of its term",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::receive_append_entries",
            "self.volatile.role = Role::Follower { leader: Some(leader) };",
            "let current_term = self.current_term();
            self.write(Record::Ballot { current_term, voted_for: None }, output);
            self.volatile.role = Role::Follower { leader: Some(leader) };",
        )],
        searches: &[
            search("election", [3, 1, 0, 0], UNREDUCED),
            search("election", [3, 1, 0, 0], &[]),
            search("election", [3, 1, 0, 0], &["--audit"]),
        ],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 7 },
    },
    Mutant {
        name: "vote-for-logs-unseen",
        alias: Some("A12"),
        rule: "RV.2",
        about: "votes without a look at the candidate's log",
        edits: &[edit(
            REQUEST_VOTE,
            "Server::grants_vote",
            "            && self.is_up_to_date(request)\n",
            "            && (self.is_up_to_date(request) || true)\n",
        )],
        searches: &[search("replication", [3, 2, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: LEADER_COMPLETENESS, steps: 9 },
    },
    Mutant {
        name: "grant-stale-requests",
        alias: Some("A13"),
        rule: "RV.1",
        about: "grants a stale request, and replies in the request's term",
        edits: &[
            edit(
                REQUEST_VOTE,
                "Server::grants_vote",
                "request.term >= self.current_term()\n            && voted_for.is_none_or(|candidate| candidate == request.candidate_id)",
                "(request.term < self.current_term()
                || voted_for.is_none_or(|candidate| candidate == request.candidate_id))",
            ),
            edit(
                REQUEST_VOTE,
                "Server::receive_request_vote",
                "let reply = RequestVoteReply { term: self.current_term(), vote_granted };",
                "let reply = RequestVoteReply { term: request.term, vote_granted };",
            ),
            edit(
                REQUEST_VOTE,
                "Server::receive_request_vote",
                "self.vote_for(request.candidate_id, output);",
                "if request.term == self.current_term() {
                self.vote_for(request.candidate_id, output);
            }",
            ),
        ],
        searches: &[
            search("election", [3, 2, 0, 0], UNREDUCED),
            search("election", [3, 2, 0, 0], &[]),
            search("election", [3, 2, 0, 0], &["--audit"]),
        ],
        blind: &[],
        expected: Falls { property: ELECTION_SAFETY, steps: 7 },
    },
    Mutant {
        name: "compare-logs-by-length",
        alias: Some("A14"),
        rule: "RV.2",
        about: "compares logs by their length alone",
        edits: &[edit(
            REQUEST_VOTE,
            "Server::is_up_to_date",
            "(request.last_log_term, request.last_log_index) >= (log.last_term(), log.last_index())",
            "request.last_log_index >= log.last_index()",
        )],
        searches: &[search("replication", [3, 3, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: LEADER_COMPLETENESS, steps: 14 },
    },
    Mutant {
        name: "compare-logs-by-term",
        alias: Some("A15"),
        rule: "RV.2",
        about: "compares logs by their last term alone",
        edits: &[edit(
            REQUEST_VOTE,
            "Server::is_up_to_date",
            "(request.last_log_term, request.last_log_index) >= (log.last_term(), log.last_index())",
            "request.last_log_term >= log.last_term()",
        )],
        searches: &[search("replication", [3, 2, 2, 0], &[])],
        blind: &[],
        expected: Falls { property: LEADER_COMPLETENESS, steps: 12 },
    },
    Mutant {
        name: "demand-longer-logs-too",
        alias: Some("A16"),
        rule: "RV.2",
        about: "demands that the candidate's log be ahead in term and in length",
        edits: &[edit(
            REQUEST_VOTE,
            "Server::is_up_to_date",
            "(request.last_log_term, request.last_log_index) >= (log.last_term(), log.last_index())",
            "request.last_log_term >= log.last_term()
            && request.last_log_index >= log.last_index()",
        )],
        searches: &[search("replication", [3, 2, 2, 0], &[]), recover("replication", [3, 2, 2, 0])],
        // Live too while every server is up: those that voted for the leader of the latest term
        // hold no more than it does, in term and in length, until it tells them, so that it can
        // be elected again. With some of them down for good, nobody might be.
        blind: &[],
        expected: Survives {
            states: 106_065,
            reason: "fewer votes are given, and none that was refused; the last leader can win",
        },
    },
    Mutant {
        name: "refuse-and-reset-the-timer",
        alias: Some("A21"),
        rule: "FO.2",
        about: "resets its election timer when it refuses a vote",
        edits: &[edit(
            REQUEST_VOTE,
            "Server::receive_request_vote",
            "            output.timers.push(TimerDuty::Set(Timer::Election));
        }",
            "        }
        output.timers.push(TimerDuty::Set(Timer::Election));",
        )],
        searches: &[recover("replication", [3, 2, 1, 0])],
        blind: &[],
        expected: Falls { property: RECOVERY, steps: 19 },
    },
    Mutant {
        name: "vote-for-older-terms",
        alias: Some("A25"),
        rule: "RV.1",
        about: "votes for a candidate of an older term",
        edits: &[edit(
            REQUEST_VOTE,
            "Server::grants_vote",
            "request.term >= self.current_term()
            && voted_for",
            "voted_for",
        )],
        searches: &[
            search("replication", [3, 2, 1, 0], &[]),
            search("election", [3, 2, 0, 0], UNREDUCED),
            recover("replication", [3, 2, 1, 0]),
        ],
        blind: &[],
        expected: Survives {
            states: 3_452,
            reason: "the vote is one of the current term, for a log that has only gained since; \
                     what counts it in the older one is grant-stale-requests",
        },
    },
    Mutant {
        name: "vote-only-for-logs-ahead",
        alias: Some("A26"),
        rule: "RV.2",
        about: "votes only for a candidate whose log is ahead of its own",
        edits: &[edit(
            REQUEST_VOTE,
            "Server::is_up_to_date",
            "(request.last_log_term, request.last_log_index) >= (log.last_term(), log.last_index())",
            "(request.last_log_term, request.last_log_index) > (log.last_term(), log.last_index())",
        )],
        searches: &[search("election", [3, 1, 0, 0], &[])],
        blind: &[],
        expected: Unreached { property: LEADERS_ELECTED },
    },
    Mutant {
        name: "overstate-its-last-term",
        alias: Some("A27"),
        rule: "CA.1d",
        about: "claims its new term as that of its last entry",
        edits: &[edit(
            RULES,
            "Server::start_election",
            "last_log_term: self.log().last_term(),",
            "last_log_term: term,",
        )],
        searches: &[search("replication", [3, 2, 1, 0], &[])],
        blind: &[],
        expected: Falls { property: NO_BREACH, steps: 2 },
    },
];
