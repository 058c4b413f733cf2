//! Compaction and InstallSnapshot. Aliases are those of the list of known bugs, with a C for
//! compaction behind the number.

use super::Expected::Falls;
use super::Mutant;
use super::TestSuite::{File, Unit};
use super::places::{
    APPEND_ENTRIES, INSTALL_SNAPSHOT, LOG, MOD, REQUEST_VOTE, RULES, edit, fails_test, search,
};
use veraft_models::properties::{
    ASSERTIONS, BASES_COMMITTED, COMMIT_DURABILITY, LEADER_COMPLETENESS, LEADERS_KNOWN,
    MATCH_INDEX_TRUE, MONOTONE_APPLIED, NO_BREACH, NO_GAP, SENT_WHEN_DUE, TERMS_IN_ORDER,
    TERMS_LEARNT, TIMERS_WHEN_DUE, TRUE_REPLIES,
};

const AWAITING: &str = "src/driver/awaiting.rs";

/// Where steps are counted: every state, one compaction.
const SNAPSHOTS: &str = "snap-log";

const fn falls(property: &'static str, steps: usize) -> super::Expected {
    Falls { property, steps }
}

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "compact-the-whole-log",
        alias: Some("S5C"),
        rule: "SN.1",
        about: "compacts its whole log, applied or not",
        edits: &[edit(
            INSTALL_SNAPSHOT,
            "Server::compact",
            "if last_index <= log.base().last_index {",
            "let last_index = log.last_index();
        if last_index <= log.base().last_index {",
        )],
        searches: &[search(SNAPSHOTS, [2, 1, 2, 0], &[])],
        blind: &[],
        expected: falls(ASSERTIONS, 8),
    },
    Mutant {
        name: "forget-the-term-of-a-mark",
        alias: Some("S10C"),
        rule: "SN.2",
        about: "records the index of a base, with term 0",
        edits: &[edit(
            INSTALL_SNAPSHOT,
            "Server::compact",
            "Record::Base(Base { last_index, last_term })",
            "Record::Base(Base { last_index, last_term: last_term.min(0) })",
        )],
        searches: &[search(SNAPSHOTS, [1, 1, 1, 0], &[])],
        blind: &[],
        expected: falls(BASES_COMMITTED, 3),
    },
    Mutant {
        name: "send-entries-past-a-gap",
        alias: None,
        rule: "SN.5",
        about: "sends what it still holds to a peer that needs more, and no snapshot",
        edits: &[edit(
            RULES,
            "Leading::replicate",
            "if first < log.first_index() {",
            "let first = first.max(log.first_index());
        if first < log.first_index() {",
        )],
        searches: &[search(SNAPSHOTS, [3, 1, 1, 0], &[])],
        blind: &[],
        expected: falls(SENT_WHEN_DUE, 8),
    },
    Mutant {
        name: "send-no-snapshot",
        alias: None,
        rule: "SN.5",
        about: "sends nothing to a peer whose entries are compacted",
        edits: &[edit(
            RULES,
            "Leading::replicate",
            "output.send.push((peer, Message::InstallSnapshot(request)));",
            "let _ = request;",
        )],
        searches: &[search(SNAPSHOTS, [3, 1, 1, 0], &[])],
        blind: &[],
        expected: falls(SENT_WHEN_DUE, 8),
    },
    Mutant {
        name: "follow-an-old-snapshot",
        alias: None,
        rule: "SN.6",
        about: "follows the leader of an older term that sends a snapshot",
        edits: &[edit(
            INSTALL_SNAPSHOT,
            "Server::receive_install_snapshot",
            "if term < self.current_term() {",
            "if term < self.current_term() && self.current_term() == 0 {",
        )],
        searches: &[search(SNAPSHOTS, [3, 2, 1, 0], &[])],
        blind: &[],
        expected: falls(LEADERS_KNOWN, 10),
    },
    Mutant {
        name: "stand-on-when-installing",
        alias: Some("S22C"),
        rule: "SN.6",
        about: "installs as a candidate, and stands on",
        edits: &[edit(
            INSTALL_SNAPSHOT,
            "Server::receive_install_snapshot",
            "self.volatile.role = Role::Follower { leader: Some(leader_id) };",
            "",
        )],
        searches: &[search(SNAPSHOTS, [3, 1, 1, 0], &[])],
        blind: &[],
        expected: falls(TERMS_LEARNT, 10),
    },
    Mutant {
        name: "hear-no-leader-in-images",
        alias: None,
        rule: "SN.6",
        about: "does not set its election timer when it hears a snapshot's leader",
        edits: &[edit(
            INSTALL_SNAPSHOT,
            "Server::receive_install_snapshot",
            "output.timers.push(TimerDuty::Set(Timer::Election));",
            "",
        )],
        searches: &[search(SNAPSHOTS, [3, 1, 1, 0], &[])],
        blind: &[],
        expected: falls(TIMERS_WHEN_DUE, 9),
    },
    Mutant {
        name: "install-an-old-snapshot",
        alias: Some("S2C"),
        rule: "SN.7",
        about: "installs what it has committed and applied already",
        edits: &[edit(
            INSTALL_SNAPSHOT,
            "Server::install",
            "if base.last_index <= self.volatile.commit_index {",
            "if base.last_index <= self.log().base().last_index {",
        )],
        searches: &[search(SNAPSHOTS, [3, 1, 2, 0], &[])],
        blind: &[],
        expected: falls(MONOTONE_APPLIED, 13),
    },
    Mutant {
        name: "drop-what-follows-a-mark",
        alias: Some("S1C"),
        rule: "SN.8",
        about: "drops the entries behind a snapshot whose own entry it holds",
        edits: &[edit(
            INSTALL_SNAPSHOT,
            "Server::install",
            "self.write(Record::Base(base), output);",
            "if self.log().last_index() > base.last_index {
            self.write(Record::Truncate { last_index: base.last_index }, output);
        }
        self.write(Record::Base(base), output);",
        )],
        searches: &[search(SNAPSHOTS, [3, 1, 2, 0], &[])],
        blind: &[],
        expected: falls(COMMIT_DURABILITY, 13),
    },
    Mutant {
        name: "keep-a-log-that-differs",
        alias: Some("S3C"),
        rule: "SN.9",
        about: "keeps the entries behind a snapshot whose own entry it holds in another term",
        edits: &[edit(
            LOG,
            "Log::begin_at",
            "self.term_at(base.last_index) == TermAt::Term(base.last_term)",
            "self.term_at(base.last_index) != TermAt::Absent",
        )],
        searches: &[search(SNAPSHOTS, [3, 2, 2, 0], &[])],
        blind: &[],
        expected: falls(TERMS_IN_ORDER, 14),
    },
    Mutant {
        name: "apply-what-images-have",
        alias: None,
        rule: "SN.11",
        about: "does not count as applied what an installed image has in it",
        edits: &[edit(
            INSTALL_SNAPSHOT,
            "Server::install",
            "self.volatile.last_applied = base.last_index;",
            "",
        )],
        searches: &[search(SNAPSHOTS, [3, 1, 1, 0], &[])],
        blind: &[],
        expected: falls(ASSERTIONS, 9),
    },
    Mutant {
        name: "start-to-apply-at-one",
        alias: Some("S19C"),
        rule: "SN.11",
        about: "begins to apply at 1 when it starts again, although its log begins later",
        edits: &[edit(
            MOD,
            "Server::start",
            "(base.last_index, base.last_index)",
            "(base.last_index, 0)",
        )],
        searches: &[search(SNAPSHOTS, [1, 1, 1, 1], &[])],
        blind: &[],
        expected: falls(ASSERTIONS, 4),
    },
    Mutant {
        name: "start-to-commit-at-one",
        alias: None,
        rule: "SN.11",
        about: "takes nothing for committed when it starts again, although its log begins later",
        edits: &[edit(
            MOD,
            "Server::start",
            "(base.last_index, base.last_index)",
            "(0, base.last_index)",
        )],
        searches: &[search(SNAPSHOTS, [1, 1, 1, 1], &[])],
        blind: &[],
        expected: falls(ASSERTIONS, 4),
    },
    Mutant {
        name: "install-in-memory-alone",
        alias: Some("S9C"),
        rule: "SN.12",
        about: "acknowledges a snapshot that it has not recorded",
        edits: &[edit(
            INSTALL_SNAPSHOT,
            "Server::install",
            "self.write(Record::Base(base), output);",
            "self.persistent.write(Record::Base(base));",
        )],
        searches: &[search(SNAPSHOTS, [3, 1, 1, 0], &[])],
        blind: &[],
        expected: falls(MATCH_INDEX_TRUE, 10),
    },
    Mutant {
        name: "acknowledge-its-own-end",
        alias: Some("S15C"),
        rule: "SN.12",
        about: "acknowledges its whole log behind a snapshot",
        edits: &[edit(
            INSTALL_SNAPSHOT,
            "Server::receive_install_snapshot",
            "AppendOutcome::Success { match_index: base.last_index }",
            "AppendOutcome::Success { match_index: self.log().last_index() }",
        )],
        searches: &[search(SNAPSHOTS, [3, 1, 2, 0], &[])],
        blind: &[],
        expected: falls(TRUE_REPLIES, 12),
    },
    Mutant {
        name: "refuse-what-is-compacted",
        alias: None,
        rule: "SN.13",
        about: "refuses entries that begin before its base",
        edits: &[edit(
            LOG,
            "TermAt::agrees_with",
            "TermAt::Compacted => true,",
            "TermAt::Compacted => false,",
        )],
        searches: &[search(SNAPSHOTS, [3, 1, 2, 0], &[])],
        blind: &[],
        expected: falls(TRUE_REPLIES, 10),
    },
    Mutant {
        name: "cut-what-is-compacted",
        alias: Some("S13C"),
        rule: "SN.13",
        about: "takes entries before its base for conflicting ones, and truncates",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::store_missing",
            "log.term_at(index).agrees_with(entry.term)",
            "log.term_at(index).held() == Some(entry.term)",
        )],
        searches: &[search(SNAPSHOTS, [3, 1, 2, 0], &[])],
        blind: &[],
        expected: falls(ASSERTIONS, 12),
    },
    Mutant {
        name: "hint-below-the-base",
        alias: None,
        rule: "SN.14",
        about: "hints at an index that is counted from its base",
        edits: &[edit(
            APPEND_ENTRIES,
            "Server::conflict",
            "Some(term) => log.first_index_from_term(term),",
            "Some(term) => log.first_index_from_term(term) - log.base().last_index,",
        )],
        // A search sees it too, with two million states: Replies are true, 3/3/2/0.
        searches: &[],
        blind: &[],
        expected: fails_test(File("figure2"), "install_snapshot::a_hint_lies_behind_the_base"),
    },
    Mutant {
        name: "send-without-a-prev-term",
        alias: Some("S23C"),
        rule: "SN.15",
        about: "sends a heartbeat behind a compacted entry, with term 0 as that of the entry",
        edits: &[
            edit(
                RULES,
                "Leading::send_heartbeats",
                "base.last_index.max(next_index - 1)",
                "base.last_index.min(0).max(next_index - 1)",
            ),
            edit(
                RULES,
                "Leading::send_append_entries",
                ".expect(\"a leader's log reaches from its base to every next_index - 1\")",
                ".unwrap_or_default()",
            ),
        ],
        searches: &[search(SNAPSHOTS, [3, 1, 2, 0], &[])],
        blind: &[],
        expected: falls(NO_BREACH, 13),
    },
    Mutant {
        name: "hand-without-a-voucher",
        alias: None,
        rule: "SN.17",
        about: "gives the server an image that its leader has not said to be committed",
        edits: &[edit(
            AWAITING,
            "Awaiting::with_image",
            "reaches && (vouched || is_its_own)",
            "reaches && (vouched || is_its_own || self.newest.is_some())",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "driver::awaiting::tests::a_later_image_is_given_once_the_leader_says_that_it_has_committed_all_of_it",
        ),
    },
    Mutant {
        name: "install-without-an-image",
        alias: None,
        rule: "SN.16",
        about: "installs a snapshot, and leaves the state machine as it was",
        edits: &[edit(INSTALL_SNAPSHOT, "Server::install", "output.restore = Some(base);", "")],
        searches: &[search(SNAPSHOTS, [3, 1, 1, 0], &[])],
        blind: &[],
        expected: falls(NO_GAP, 9),
    },
    Mutant {
        name: "start-without-an-image",
        alias: None,
        rule: "SN.16",
        about: "starts with an empty state machine, although its log begins later",
        edits: &[edit(
            MOD,
            "Server::start",
            "output.restore = (base != Base::default()).then_some(base);",
            "",
        )],
        searches: &[search(SNAPSHOTS, [1, 1, 1, 1], &[])],
        blind: &[],
        expected: falls(NO_GAP, 4),
    },
    Mutant {
        name: "vote-by-an-empty-log",
        alias: Some("S11C"),
        rule: "RV.2",
        about: "votes as if its log were empty when all of it is compacted",
        edits: &[edit(
            REQUEST_VOTE,
            "Server::is_up_to_date",
            "(log.last_term(), log.last_index())",
            "log.entries().iter().next_back().map_or((0, 0), |entry| (entry.term, log.last_index()))",
        )],
        searches: &[search(SNAPSHOTS, [3, 2, 1, 0], &[])],
        blind: &[],
        expected: falls(LEADER_COMPLETENESS, 10),
    },
];
