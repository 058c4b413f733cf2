//! The order of the runtime's threads: outside of what a search explores, so tests must see it.
//!
//! There is no row for a sender that matches a reply to a request of an earlier term: replies
//! say all they mean, and no thread remembers requests.

use super::Mutant;
use super::TestSuite::{File, Interleavings, Unit};
use super::places::{edit, fails_test};

const APPLICATION: &str = "src/runtime/machinery/application.rs";
const WRITER: &str = "src/runtime/machinery/writer.rs";
const MAILBOX: &str = "src/runtime/machinery/mailbox.rs";
const OUTBOX: &str = "src/runtime/machinery/outbox.rs";
const DRIVE: &str = "src/driver/drive.rs";
const TIMERS: &str = "src/driver/timers.rs";
const TRANSFERS: &str = "src/runtime/machinery/transfers/mod.rs";
const DIGESTS: &str = "src/driver/digests.rs";
const WAITERS: &str = "src/driver/waiters.rs";

const IN_ORDER: &str =
    "runtime::machinery::interleavings::messages_leave_in_order_once_their_records_are_durable";
const WOKEN: &str = "runtime::machinery::interleavings::threads_that_sleep_are_woken";
const FAILED: &str =
    "runtime::machinery::interleavings::what_waits_for_a_write_that_fails_never_leaves";
const ANSWERED: &str = "runtime::machinery::interleavings::every_proposal_is_answered_also_when_the_node_stops_meanwhile";

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "apply-in-two-threads",
        alias: Some("C8"),
        rule: "apply",
        about: "lets two threads apply",
        edits: &[edit(
            APPLICATION,
            "Application::run",
            "                None => committed.into_iter().for_each(|(index, entry)| self.apply(index, &entry)),\n",
            "                None => {
                    let (odd, even): (Vec<_>, Vec<_>) =
                        committed.into_iter().partition(|(index, _)| index % 2 == 1);
                    let shared = std::sync::Mutex::new(&mut *self);
                    std::thread::scope(|scope| {
                        for half in [odd, even] {
                            let shared = &shared;
                            scope.spawn(move || {
                                for (index, entry) in half {
                                    shared.lock().unwrap().apply(index, &entry);
                                }
                            });
                        }
                    });
                }\n",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("handle"),
            "a_command_is_answered_by_the_state_machine_and_applied_everywhere_in_order",
        ),
    },
    Mutant {
        name: "skip-the-sync",
        alias: Some("R8"),
        rule: "disk",
        about: "does not sync",
        edits: &[edit(WRITER, "Writer::write", "        self.storage.sync()?;\n", "")],
        searches: &[],
        blind: &[],
        expected: fails_test(Interleavings, IN_ORDER),
    },
    Mutant {
        name: "retry-a-failed-sync",
        alias: Some("R9"),
        rule: "disk",
        about: "tries a failed sync again",
        edits: &[edit(
            WRITER,
            "Writer::write",
            "        self.storage.sync()?;\n",
            "        if self.storage.sync().is_err() {
            self.storage.sync()?;
        }\n",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(File("handle"), "a_failed_sync_stops_the_node_and_is_not_tried_again"),
    },
    Mutant {
        name: "release-after-failed-write",
        alias: Some("R10"),
        rule: "disk",
        about: "lets out what waited for a write that failed",
        edits: &[edit(
            WRITER,
            "Writer::serve",
            "            writes.extend(never);
            return Err(Failure {
                reason: StopReason::Storage(Arc::new(error)),
                unreleased: writes,
            });",
            "            writes.iter_mut().for_each(|gated| gated.held.persist.clear());
            self.release(writes);
            return Err(Failure {
                reason: StopReason::Storage(Arc::new(error)),
                unreleased: never,
            });",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Interleavings, FAILED),
    },
    Mutant {
        name: "see-proposals-too-late",
        alias: Some("R11"),
        rule: "apply",
        about: "looks at new proposals after it has applied what was committed with them",
        edits: &[
            edit(
                APPLICATION,
                "Application::run",
                "            accepted.into_iter().for_each(|run| self.waiting.add(run));\n",
                "",
            ),
            edit(
                APPLICATION,
                "Application::run",
                "                None => committed.into_iter().for_each(|(index, entry)| self.apply(index, &entry)),\n",
                "                None => {
                    committed.into_iter().for_each(|(index, entry)| self.apply(index, &entry));
                    accepted.into_iter().for_each(|run| self.waiting.add(run));
                }\n",
            ),
        ],
        searches: &[],
        blind: &[],
        expected: fails_test(Interleavings, ANSWERED),
    },
    Mutant {
        name: "sleep-unnoted-as-taker",
        alias: Some("R12"),
        rule: "queue",
        about: "does not note that the taker sleeps",
        edits: &[edit(MAILBOX, "Mailbox::take", "            state.sleeping = true;\n", "")],
        searches: &[],
        blind: &[],
        expected: fails_test(Interleavings, WOKEN),
    },
    Mutant {
        name: "drop-the-newest-message",
        alias: Some("R13"),
        rule: "queue",
        about: "drops the newest message when an outbox is full",
        edits: &[edit(
            OUTBOX,
            "Outgoing::take_excess",
            "self.messages.pop_front()",
            "self.messages.pop_back()",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "runtime::machinery::outbox::tests::a_full_outbox_drops_the_oldest",
        ),
    },
    Mutant {
        name: "shorten-all-timers",
        alias: Some("R14"),
        rule: "timer",
        about: "gives every election timer the shortest length",
        edits: &[edit(
            TIMERS,
            "Timers::obey",
            "let length = draw(self.timing.election().clone());",
            "let _ = draw(self.timing.election().clone());
                let length = *self.timing.election().start();",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "driver::timers::tests::timers_fire_on_the_grid_at_or_after_their_time",
        ),
    },
    Mutant {
        name: "lose-a-reset",
        alias: None,
        rule: "timer",
        about: "lets an election timer run on that is set anew",
        edits: &[edit(
            TIMERS,
            "Timers::obey",
            "                self.election = Some(self.on_grid(now + length));",
            "                let at = self.on_grid(now + length);
                self.election = Some(self.election.unwrap_or(at));",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "driver::timers::tests::a_timer_is_due_when_its_time_has_come_and_not_when_cancelled_or_fired",
        ),
    },
    Mutant {
        name: "answer-for-another",
        alias: None,
        rule: "apply",
        about: "answers a proposal for the entry of a later term that took its place",
        edits: &[edit(
            WAITERS,
            "Waiters::applied",
            "let own = run.term == term && at == index;",
            "let own = run.term <= term && at == index;",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "runtime::machinery::application::tests::the_same_index_in_two_terms_is_told_apart",
        ),
    },
    Mutant {
        name: "fire-before-listening",
        alias: None,
        rule: "timer",
        about: "fires an election timer that fell due while messages waited",
        edits: &[edit(
            DRIVE,
            "Driver::due",
            "self.overdue && self.timers.fires",
            "self.timers.fires",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "driver::drive::tests::an_election_timer_gives_way_once_to_what_arrived",
        ),
    },
    Mutant {
        name: "keep-digests-to-itself",
        alias: None,
        rule: "apply",
        about: "tells no peer the digest of its state machine",
        edits: &[edit(
            TRANSFERS,
            "Transfers::digest",
            "            let _ = peer.put(|outgoing| outgoing.digest(index, digest));\n",
            "            let _ = (peer, digest);\n",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(File("digests"), "of_two_that_differ_both_say_so_and_go_on"),
    },
    Mutant {
        name: "believe-one-digest",
        alias: None,
        rule: "apply",
        about: "stops as soon as one other state machine differs",
        edits: &[edit(
            DIGESTS,
            "Digests::told",
            "            same > self.servers / 2\n",
            "            same > self.servers / 2 || (same > 0 && Some(*one) != own && own.is_some())\n",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, "driver::digests::tests::two_of_five_convict_nobody"),
    },
];
