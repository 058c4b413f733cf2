//! Servers that do too little: timers that do not run, requests without an answer, messages
//! that nobody repeats. Nothing false comes of it; the question is whether anything does.

use super::Expected::{Falls, Survives, Unreached};
use super::Mutant;
use super::places::{APPEND_ENTRIES, MOD, RECOVERY, REQUEST_VOTE, RULES, edit, recover, search};
use veraft_models::properties::{ENTRY_COMMITTED, LEADERS_ELECTED};

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "answer-no-candidate",
        alias: Some("L1"),
        rule: "FO.1",
        about: "does not answer a candidate",
        edits: &[edit(
            REQUEST_VOTE, "Server::receive_request_vote",
            "        output.send.push((request.candidate_id, Message::RequestVoteReply(reply)));",
            "        let _ = Message::RequestVoteReply(reply);",
        )],
        searches: &[search("election", [3, 1, 0, 0], &[])],
        blind: &[],
        expected: Unreached { property: LEADERS_ELECTED },
    },
    Mutant {
        name: "answer-no-leader",
        alias: Some("L2"),
        rule: "FO.1",
        about: "does not answer a leader",
        edits: &[edit(
            APPEND_ENTRIES, "Server::receive_append_entries",
            "        output.send.push((leader, Message::AppendEntriesReply(reply)));",
            "        let _ = Message::AppendEntriesReply(reply);",
        )],
        searches: &[search("replication", [3, 1, 1, 0], &[])],
        blind: &[],
        expected: Unreached { property: ENTRY_COMMITTED },
    },
    Mutant {
        name: "never-stand",
        alias: Some("L3"),
        rule: "FO.2",
        about: "never stands for election as a follower",
        edits: &[edit(
            RULES, "Server::election_timeout",
            "Role::Follower { .. } | Role::Candidate { .. } => self.start_election(output),
            Role::Leader(_) => {}",
            "Role::Candidate { .. } => self.start_election(output),
            Role::Follower { .. } | Role::Leader(_) => {}",
        )],
        searches: &[search("election", [3, 1, 0, 0], &[])],
        blind: &[],
        expected: Unreached { property: LEADERS_ELECTED },
    },
    Mutant {
        name: "start-without-timer",
        alias: Some("L4"),
        rule: "FO.2",
        about: "does not set the election timer when it starts",
        edits: &[edit(
            MOD, "Server::start",
            "        output.timers.push(TimerDuty::Set(Timer::Election));\n",
            "",
        )],
        searches: &[search("election", [3, 1, 0, 0], &[])],
        blind: &[],
        expected: Unreached { property: LEADERS_ELECTED },
    },
    Mutant {
        name: "stand-without-timer",
        alias: Some("L5"),
        rule: "CA.1c",
        about: "does not set its election timer again when it becomes a candidate",
        edits: &[edit(
            RULES, "Server::start_election",
            "        output.timers.push(TimerDuty::Set(Timer::Election));
        let request",
            "        let request",
        )],
        searches: &[recover("election", [3, 2, 0, 0])],
        blind: &[search("election", [3, 2, 0, 0], &[])],
        expected: Falls { property: RECOVERY, steps: 6 },
    },
    Mutant {
        name: "ask-one-peer",
        alias: Some("L6"),
        rule: "CA.1d",
        about: "asks one peer alone for its vote",
        edits: &[edit(
            RULES, "Server::start_election",
            "self.config.peers().map(|peer| (peer, request.clone()))",
            "self.config.peers().take(1).map(|peer| (peer, request.clone()))",
        )],
        searches: &[search("five", [5, 1, 0, 0], &[])],
        blind: &[search("election", [3, 2, 0, 0], &[])],
        expected: Unreached { property: LEADERS_ELECTED },
    },
    Mutant {
        name: "stand-once",
        alias: Some("L7"),
        rule: "CA.4",
        about: "stands once: a candidate whose time is up does nothing",
        edits: &[edit(
            RULES, "Server::election_timeout",
            "Role::Follower { .. } | Role::Candidate { .. } => self.start_election(output),
            Role::Leader(_) => {}",
            "Role::Follower { .. } => self.start_election(output),
            Role::Candidate { .. } | Role::Leader(_) => {}",
        )],
        searches: &[recover("election", [3, 2, 0, 0])],
        blind: &[search("election", [3, 2, 0, 0], &[])],
        expected: Falls { property: RECOVERY, steps: 9 },
    },
    Mutant {
        name: "lead-in-silence",
        alias: Some("L8"),
        rule: "LE.1a",
        about: "does not show itself when it is elected, and sets no heartbeat timer",
        edits: &[edit(
            RULES, "Server::become_leader",
            "        output.timers.push(TimerDuty::Cancel(Timer::Election));
        self.heartbeat_timeout(output);",
            "        output.timers.push(TimerDuty::Cancel(Timer::Election));",
        )],
        searches: &[recover("election", [3, 2, 0, 0])],
        blind: &[search("election", [3, 2, 0, 0], &[])],
        expected: Falls { property: RECOVERY, steps: 9 },
    },
    Mutant {
        name: "show-itself-late",
        alias: Some("L9"),
        rule: "LE.1a",
        about: "waits with its first heartbeat until the timer fires",
        edits: &[edit(
            RULES, "Server::become_leader",
            "        output.timers.push(TimerDuty::Cancel(Timer::Election));
        self.heartbeat_timeout(output);",
            "        output.timers.push(TimerDuty::Cancel(Timer::Election));
        output.timers.push(TimerDuty::Set(Timer::Heartbeat));",
        )],
        searches: &[search("replication", [3, 2, 1, 0], &[]), recover("replication", [3, 2, 1, 0])],
        blind: &[],
        expected: Survives {
            states: 5_013,
            reason: "it looks as if the first heartbeat were lost: it costs elections",
        },
    },
    Mutant {
        name: "send-one-heartbeat",
        alias: Some("L10"),
        rule: "LE.1b",
        about: "does not set the heartbeat timer again",
        edits: &[edit(
            RULES, "Server::heartbeat_timeout",
            "            leading.send_heartbeats(output);",
            // What is set beside a change of role stays: the first heartbeat's timer.
            "            let elected = !output.timers.is_empty();
            leading.send_heartbeats(output);
            output.timers.retain(|duty| elected || *duty != TimerDuty::Set(Timer::Heartbeat));",
        )],
        searches: &[recover("replication", [3, 2, 1, 0])],
        blind: &[search("replication", [3, 2, 1, 0], &[])],
        expected: Falls { property: RECOVERY, steps: 15 },
    },
    Mutant {
        name: "never-repeat-entries",
        alias: Some("L11"),
        rule: "LE.1b",
        about: "does not repeat entries that a peer has not acknowledged",
        edits: &[edit(
            RULES, "Leading::send_heartbeats",
            "            self.send_append_entries(peer, next_index - 1, Entries::default(), output);
            self.replicate(peer, output);",
            "            self.send_append_entries(peer, next_index - 1, Entries::default(), output);",
        )],
        searches: &[recover("replication", [3, 1, 1, 0])],
        blind: &[search("replication", [3, 2, 1, 0], &[])],
        expected: Falls { property: RECOVERY, steps: 15 },
    },
    Mutant {
        name: "step-down-without-timer",
        alias: Some("L12"),
        rule: "ALL.2",
        about: "does not set the election timer of a leader that follows again",
        edits: &[edit(
            RULES, "Server::update_term",
            "                output.timers.push(TimerDuty::Cancel(Timer::Heartbeat));
                output.timers.push(TimerDuty::Set(Timer::Election));",
            "                output.timers.push(TimerDuty::Cancel(Timer::Heartbeat));",
        )],
        searches: &[recover("pair", [2, 2, 1, 0])],
        blind: &[search("pair", [2, 2, 1, 0], &[])],
        expected: Falls { property: RECOVERY, steps: 14 },
    },
    Mutant {
        name: "apply-nothing",
        alias: Some("L13"),
        rule: "ALL.1",
        about: "never applies anything",
        edits: &[edit(
            RULES, "Server::apply_committed",
            "(self.volatile.last_applied + 1, self.volatile.commit_index)",
            "(self.volatile.last_applied + 1, self.volatile.last_applied)",
        )],
        searches: &[recover("replication", [3, 1, 1, 0])],
        blind: &[search("replication", [3, 1, 1, 0], &[])],
        expected: Falls { property: RECOVERY, steps: 21 },
    },
    Mutant {
        name: "ignore-acknowledgements",
        alias: Some("L14"),
        rule: "LE.3a",
        about: "takes no notice of acknowledgements",
        edits: &[edit(RULES, "Leading::acknowledged", "        self.leader.match_index.insert(peer, match_index);\n", "")],
        searches: &[search("replication", [3, 1, 1, 0], &[])],
        blind: &[],
        expected: Unreached { property: ENTRY_COMMITTED },
    },
    Mutant {
        name: "never-step-forward",
        alias: Some("L15"),
        rule: "LE.3a",
        about: "never moves next_index forward",
        edits: &[edit(RULES, "Leading::acknowledged", "        self.leader.next_index.insert(peer, match_index + 1);\n", "")],
        searches: &[search("replication", [3, 2, 2, 0], &[]), recover("replication", [3, 2, 1, 0])],
        blind: &[],
        expected: Survives {
            states: 55_771,
            reason: "each heartbeat repeats what is acknowledged already: it costs messages",
        },
    },
    Mutant {
        name: "learn-no-commits",
        alias: Some("L16"),
        rule: "AE.5",
        about: "never learns what is committed",
        edits: &[edit(
            APPEND_ENTRIES, "Server::store_entries",
            "        self.follow_commit(request.leader_commit, match_index);\n",
            "",
        )],
        searches: &[recover("replication", [3, 1, 1, 0])],
        blind: &[search("replication", [3, 1, 1, 0], &[])],
        expected: Falls { property: RECOVERY, steps: 21 },
    },
    Mutant {
        name: "tell-no-commits",
        alias: Some("L17"),
        rule: "VS.1",
        about: "tells nobody what is committed",
        edits: &[edit(RULES, "Leading::send_append_entries", "leader_commit: *self.commit_index,", "leader_commit: 0,")],
        searches: &[recover("replication", [3, 1, 1, 0])],
        blind: &[search("replication", [3, 1, 1, 0], &[])],
        expected: Falls { property: RECOVERY, steps: 21 },
    },
    Mutant {
        name: "overstate-prev-log-term",
        alias: Some("L18"),
        rule: "LE.3",
        about: "sends entries with its own term as that of the entry before them",
        edits: &[edit(
            RULES, "Leading::send_append_entries",
            "prev_log_term: prev_log_term.expect(\"a leader's log reaches to every next_index - 1\"),",
            "prev_log_term: prev_log_term.map_or(0, |_| self.persistent.current_term()),",
        )],
        searches: &[search("replication", [3, 1, 1, 0], &[])],
        blind: &[],
        expected: Unreached { property: ENTRY_COMMITTED },
    },
    Mutant {
        name: "send-entries-late",
        alias: Some("L19"),
        rule: "LE.2",
        about: "sends new entries with the next heartbeat",
        edits: &[edit(
            RULES, "Leading::append",
            "        for (&peer, &next_index) in &self.leader.next_index {
            if next_index == first_index {
                self.replicate(peer, output);
            }
        }
",
            "",
        )],
        searches: &[search("replication", [3, 2, 1, 0], &[]), recover("replication", [3, 2, 1, 0])],
        blind: &[],
        expected: Survives { states: 3_182, reason: "it looks as if the first copies were lost" },
    },
    Mutant {
        name: "keep-the-timer-when-led",
        alias: Some("L20"),
        rule: "FO.2",
        about: "does not reset its election timer when it hears from the leader",
        edits: &[edit(
            APPEND_ENTRIES, "Server::receive_append_entries",
            "            output.timers.push(TimerDuty::Set(Timer::Election));\n",
            "",
        )],
        searches: &[recover("election", [3, 2, 0, 0])],
        blind: &[search("election", [3, 2, 0, 0], &[])],
        expected: Falls { property: RECOVERY, steps: 22 },
    },
    Mutant {
        name: "hold-back-earlier-terms",
        alias: Some("L21"),
        rule: "LE.4",
        about: "never commits while entries of earlier terms wait",
        edits: &[edit(
            RULES, "Leading::advance_commit_index",
            "log.term_at(index) == Some(self.persistent.current_term())",
            "log.term_at(*self.commit_index + 1) == Some(self.persistent.current_term())",
        )],
        searches: &[recover("replication", [3, 2, 1, 0])],
        blind: &[search("replication", [3, 2, 1, 0], &[])],
        expected: Falls { property: RECOVERY, steps: 36 },
    },
];
