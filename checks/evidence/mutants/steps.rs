//! What costs no safety and is wrong all the same: timers, hints, terms that are not learnt,
//! messages that come late or for nothing. Each shows in the step that does it.

use super::Expected::Falls;
use super::places::{APPEND_ENTRIES, MOD, REQUEST_VOTE, RULES, edit, search, whole};
use super::{Edit, Mutant, Search};
use veraft_models::properties::{
    LEADERS_KNOWN, NEXT_INDEX_FOLLOWS, NEXT_INDEX_RANGE, SENT_WHEN_DUE, TERMS_LEARNT, TIMERS_FIT,
    TIMERS_WHEN_DUE, TRUE_REPLIES,
};

const ELECTIONS: &[Search] = &[search("election", [3, 2, 0, 0], &[])];
const AHEAD: &[Search] = &[search("pipeline", [3, 1, 3, 0], &[])];
const LOGS: &[Search] = &[search("replication", [3, 2, 2, 0], &[])];

/// What a row shows: the property that falls, and after how many steps.
type Shown = (&'static str, usize);

const fn row(
    name: &'static str,
    rule: &'static str,
    about: &'static str,
    edits: &'static [Edit],
    searches: &'static [Search],
    (property, steps): Shown,
) -> Mutant {
    let expected = Falls { property, steps };
    Mutant { name, alias: None, rule, about, edits, searches, blind: &[], expected }
}

pub const MUTANTS: &[Mutant] = &[
    row(
        "vote-and-keep-the-timer",
        "FO.2",
        "does not reset its election timer when it gives a vote",
        &[edit(
            REQUEST_VOTE,
            "Server::receive_request_vote",
            "            output.timers.push(TimerDuty::Set(Timer::Election));\n",
            "",
        )],
        ELECTIONS,
        (TIMERS_WHEN_DUE, 2),
    ),
    row(
        "wait-for-older-leaders",
        "FO.2",
        "resets its election timer when it hears a leader of an older term",
        &[edit(
            APPEND_ENTRIES,
            "Server::receive_append_entries",
            "            AppendOutcome::StaleTerm\n",
            "            output.timers.push(TimerDuty::Set(Timer::Election));
            AppendOutcome::StaleTerm\n",
        )],
        ELECTIONS,
        (TIMERS_WHEN_DUE, 5),
    ),
    row(
        "stand-where-logs-part",
        "FO.2",
        "does not reset its election timer when it refuses its leader's entries",
        &[edit(
            APPEND_ENTRIES,
            "Server::receive_append_entries",
            "            output.timers.push(TimerDuty::Set(Timer::Election));
            self.store_entries(request, output)",
            "            let outcome = self.store_entries(request, output);
            if let AppendOutcome::Success { .. } = outcome {
                output.timers.push(TimerDuty::Set(Timer::Election));
            }
            outcome",
        )],
        LOGS,
        (TIMERS_WHEN_DUE, 9),
    ),
    row(
        "wait-with-each-term",
        "ALL.2",
        "resets its election timer whenever it hears of a greater term",
        &[edit(
            RULES,
            "Server::update_term",
            "                output.timers.push(TimerDuty::Set(Timer::Election));
            }",
            "            }
            output.timers.push(TimerDuty::Set(Timer::Election));",
        )],
        ELECTIONS,
        (TIMERS_WHEN_DUE, 5),
    ),
    row(
        "lead-and-wait-to-stand",
        "FO.2",
        "lets its election timer run while it leads",
        &[edit(
            RULES,
            "Server::become_leader",
            "        output.timers.push(TimerDuty::Cancel(Timer::Election));\n",
            "",
        )],
        ELECTIONS,
        (TIMERS_FIT, 3),
    ),
    row(
        "step-down-for-good",
        "ALL.2",
        "stops its election timer as a candidate that hears of a greater term",
        &[edit(
            RULES,
            "Server::update_term",
            "            self.volatile.role = Role::Follower { leader: None };",
            "            if let Role::Candidate { .. } = self.volatile.role {
                output.timers.push(TimerDuty::Cancel(Timer::Election));
            }
            self.volatile.role = Role::Follower { leader: None };",
        )],
        ELECTIONS,
        (TIMERS_FIT, 5),
    ),
    row(
        "beat-when-deposed",
        "LE.1b",
        "lets its heartbeat timer run when it leads no longer",
        &[edit(
            RULES,
            "Server::update_term",
            "                output.timers.push(TimerDuty::Cancel(Timer::Heartbeat));\n",
            "",
        )],
        ELECTIONS,
        (TIMERS_FIT, 5),
    ),
    row(
        "beat-while-a-peer-lags",
        "LE.1b",
        "sets its heartbeat timer only while a peer lacks something",
        &[edit(
            RULES,
            "Leading::send_heartbeats",
            "        output.timers.push(TimerDuty::Set(Timer::Heartbeat));\n",
            "        let last_index = self.persistent.log().last_index();
        if self.leader.next_index.values().any(|&next| next <= last_index) {
            output.timers.push(TimerDuty::Set(Timer::Heartbeat));
        }\n",
        )],
        ELECTIONS,
        (TIMERS_FIT, 3),
    ),
    row(
        "put-off-heartbeats",
        "LE.1b",
        "sets its heartbeat timer anew with each proposal",
        &[edit(
            RULES,
            "Leading::append",
            "        }
        accepted",
            "        }
        output.timers.push(TimerDuty::Set(Timer::Heartbeat));
        accepted",
        )],
        LOGS,
        (TIMERS_WHEN_DUE, 4),
    ),
    row(
        "rest-when-acknowledged",
        "LE.1b",
        "sets its heartbeat timer anew with each acknowledgement",
        &[edit(
            RULES,
            "Leading::acknowledged",
            "        self.advance_commit_index();\n",
            "        self.advance_commit_index();
        output.timers.push(TimerDuty::Set(Timer::Heartbeat));\n",
        )],
        LOGS,
        (TIMERS_WHEN_DUE, 6),
    ),
    row(
        "keep-the-leader-of-before",
        "ALL.2",
        "takes the leader of the term before for that of a greater one",
        &[edit(
            RULES,
            "Server::update_term",
            "self.volatile.role = Role::Follower { leader: None };",
            "self.volatile.role = Role::Follower { leader: self.leader() };",
        )],
        ELECTIONS,
        (LEADERS_KNOWN, 5),
    ),
    row(
        "follow-a-candidate",
        "FO.1",
        "takes the candidate that gets its vote for the leader",
        &[edit(
            REQUEST_VOTE,
            "Server::receive_request_vote",
            "            self.vote_for(request.candidate_id, output);\n",
            "            self.vote_for(request.candidate_id, output);
            let leader = Some(request.candidate_id);
            self.volatile.role = super::Role::Follower { leader };\n",
        )],
        ELECTIONS,
        (LEADERS_KNOWN, 2),
    ),
    row(
        "forget-who-leads",
        "CA.3",
        "obeys its leader, and does not keep its name",
        &[edit(
            APPEND_ENTRIES,
            "Server::receive_append_entries",
            "Role::Follower { leader: Some(leader) }",
            "Role::Follower { leader: None }",
        )],
        ELECTIONS,
        (LEADERS_KNOWN, 4),
    ),
    row(
        "hint-at-the-refused",
        "AE.2",
        "hints at the refused index, not at the first of the conflicting term",
        &[edit(
            APPEND_ENTRIES,
            "Server::conflict",
            "            None => log.last_index() + 1,
        };",
            "            None => log.last_index() + 1,
        };
        let conflict_index = conflict_index.max(prev_log_index);",
        )],
        LOGS,
        (TRUE_REPLIES, 11),
    ),
    row(
        "hint-at-the-first-entry",
        "AE.2",
        "asks for the whole log when it refuses",
        &[edit(
            APPEND_ENTRIES,
            "Server::conflict",
            "        AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index }",
            "        let _ = (conflict_term, conflict_index);
        AppendOutcome::Conflict { prev_log_index, conflict_term: None, conflict_index: 1 }",
        )],
        LOGS,
        (TRUE_REPLIES, 12),
    ),
    row(
        "learn-nothing-from-replies",
        "ALL.2",
        "does not learn a greater term from a reply",
        &[edit(
            MOD,
            "Server::receive",
            "        self.update_term(message.term(), output);\n",
            "        match &message {
            Message::RequestVoteReply(_) | Message::AppendEntriesReply(_) => {}
            Message::RequestVote(_) | Message::AppendEntries(_) | Message::InstallSnapshot(_) => {
                self.update_term(message.term(), output);
            }
        }\n",
        )],
        ELECTIONS,
        (TERMS_LEARNT, 5),
    ),
    row(
        "learn-from-votes-alone",
        "ALL.2",
        "does not learn a greater term from the answer to a leader",
        &[edit(
            MOD,
            "Server::receive",
            "        self.update_term(message.term(), output);\n",
            "        if !matches!(message, Message::AppendEntriesReply(_)) {
            self.update_term(message.term(), output);
        }\n",
        )],
        ELECTIONS,
        (TERMS_LEARNT, 6),
    ),
    row(
        "refuse-in-the-old-term",
        "RV.1",
        "answers a candidate in the candidate's term",
        &[edit(
            REQUEST_VOTE,
            "Server::receive_request_vote",
            "RequestVoteReply { term: self.current_term(), vote_granted }",
            "RequestVoteReply { term: request.term, vote_granted }",
        )],
        ELECTIONS,
        (TRUE_REPLIES, 4),
    ),
    row(
        "obey-in-the-old-term",
        "AE.1",
        "answers a leader of an older term in that term",
        &[
            edit(
                APPEND_ENTRIES,
                "Server::receive_append_entries",
                "        let leader = request.leader_id;\n",
                "        let (leader, term) = (request.leader_id, request.term);\n",
            ),
            edit(
                APPEND_ENTRIES,
                "Server::receive_append_entries",
                "AppendEntriesReply { term: self.current_term(), outcome }",
                "AppendEntriesReply { term, outcome }",
            ),
        ],
        ELECTIONS,
        (TRUE_REPLIES, 5),
    ),
    row(
        "believe-what-was-not-said",
        "LE.3a",
        "takes an acknowledgement for one of all that it has sent or will",
        &[edit(
            RULES,
            "Leading::acknowledged",
            "self.leader.next_index.insert(peer, match_index + 1);",
            "self.leader.next_index.insert(peer, self.persistent.log().last_index() + 1);",
        )],
        LOGS,
        (NEXT_INDEX_FOLLOWS, 7),
    ),
    row(
        "take-sent-for-stored",
        "LE.3",
        "moves next_index forward when it sends",
        &[edit(
            RULES,
            "Leading::append",
            "        }
        accepted",
            "        }
        let behind = self.persistent.log().last_index() + 1;
        self.leader.next_index.values_mut().for_each(|next| *next = behind);
        accepted",
        )],
        LOGS,
        (NEXT_INDEX_FOLLOWS, 4),
    ),
    row(
        "begin-an-entry-early",
        "LS.1",
        "begins to send with its last entry",
        &[edit(
            RULES,
            "Server::become_leader",
            "let next_index = self.log().last_index() + 1;",
            "let next_index = self.log().last_index().max(1);",
        )],
        LOGS,
        (NEXT_INDEX_FOLLOWS, 8),
    ),
    row(
        "pass-over-its-own-entries",
        "LE.3b",
        "moves next_index before the conflicting term, also where it has entries of it",
        &[edit(
            RULES,
            "Leading::back_up",
            ".filter(|&last| last < prev_log_index)",
            ".filter(|_| false)",
        )],
        &[whole("figure-7")],
        (NEXT_INDEX_FOLLOWS, 4),
    ),
    row(
        "step-back-past-the-match",
        "LE.3b",
        "moves next_index back to what the peer is known to hold, for it was refused before",
        &[edit(
            RULES,
            "Leading::back_up",
            "self.leader.next_index.insert(peer, next.max(match_index + 1));",
            "self.leader.next_index.insert(peer, next);",
        )],
        // One entry a message: else what the peer acknowledged has overtaken the refusal.
        &[search("replication", [3, 2, 2, 0], &["--batch", "1"])],
        (NEXT_INDEX_RANGE, 16),
    ),
    row(
        "retry-what-was-overtaken",
        "LE.3b",
        "sends again what a peer refused before it acknowledged more",
        &[edit(
            RULES,
            "Leading::back_up",
            "        if prev_log_index <= match_index {
            return;
        }\n",
            "",
        )],
        LOGS,
        (SENT_WHEN_DUE, 14),
    ),
    row(
        "step-back-and-wait",
        "LE.3b",
        "waits for its heartbeat timer before it tries again",
        &[edit(
            RULES,
            "Leading::back_up",
            "        self.replicate(peer, output);\n",
            "        let _ = output;\n",
        )],
        LOGS,
        (SENT_WHEN_DUE, 10),
    ),
    row(
        "send-the-next-batch-late",
        "LE.3a",
        "waits for its heartbeat timer before it sends the next batch",
        &[edit(
            RULES,
            "Leading::acknowledged",
            "        self.replicate(peer, output);\n",
            "        let _ = output;\n",
        )],
        LOGS,
        (SENT_WHEN_DUE, 7),
    ),
    row(
        "beat-with-entries-alone",
        "LE.1b",
        "sends no heartbeat to a peer that lacks nothing",
        &[edit(
            RULES,
            "Leading::send_heartbeats",
            "            self.send_append_entries(peer, prev_log_index, Entries::default(), output);",
            "            if next_index <= self.persistent.log().last_index() {
                self.send_append_entries(peer, prev_log_index, Entries::default(), output);
            }",
        )],
        ELECTIONS,
        (SENT_WHEN_DUE, 3),
    ),
    row(
        "repeat-with-heartbeats",
        "FC.1",
        "sends with each heartbeat again what is not acknowledged",
        &[edit(
            RULES,
            "Leading::send_heartbeats",
            "            self.send_append_entries(peer, prev_log_index, Entries::default(), output);",
            "            self.send_append_entries(peer, prev_log_index, Entries::default(), output);
            self.replicate(peer, output);",
        )],
        LOGS,
        (SENT_WHEN_DUE, 5),
    ),
    row(
        "skip-an-entry-ahead",
        "FC.3",
        "leaves out the first of what it sends ahead",
        &[edit(
            RULES,
            "Server::pipeline",
            "leading.replicate_behind(peer, after, output);",
            "leading.replicate_behind(peer, after + 1, output);",
        )],
        AHEAD,
        (SENT_WHEN_DUE, 6),
    ),
];
