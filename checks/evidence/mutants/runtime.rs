//! The order of the runtime's threads: outside of what a search explores, so tests must see it.
//!
//! There is no row for a sender that matches a reply to a request of an earlier term: replies
//! say all they mean, and no thread remembers requests.

use super::Mutant;
use super::TestSuite::{File, Interleavings, Unit};
use super::places::{edit, fails_test};

const APPLICATION: &str = "src/runtime/machinery/application.rs";
const WRITER: &str = "src/runtime/machinery/writer.rs";
const GATE: &str = "src/runtime/machinery/gate.rs";
const MAILBOX: &str = "src/runtime/machinery/mailbox.rs";
const OUTBOX: &str = "src/runtime/machinery/outbox.rs";
const SERVER_LOOP: &str = "src/runtime/machinery/server_loop.rs";
const DRIVE: &str = "src/driver/drive.rs";
const DRIVER_GATE: &str = "src/driver/gate.rs";
const TIMERS: &str = "src/driver/timers.rs";
const WAITERS: &str = "src/driver/waiters.rs";

const GATE_IN_ORDER: &str =
    "driver::gate::tests::what_waits_for_nothing_leaves_at_once_and_all_else_in_order";
const IN_ORDER: &str =
    "runtime::machinery::interleavings::messages_leave_in_order_once_their_records_are_durable";
const WOKEN: &str = "runtime::machinery::interleavings::threads_that_sleep_are_woken";
const FAILED: &str =
    "runtime::machinery::interleavings::what_waits_for_a_write_that_fails_never_leaves";
const ANSWERED: &str = "runtime::machinery::interleavings::every_proposal_is_answered_also_when_the_node_stops_meanwhile";

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "release-at-first-record",
        alias: Some("C7"),
        rule: "gate",
        about: "releases a batch once the first of its records is durable",
        edits: &[edit(
            WRITER,
            "Writer::write",
            "            self.storage.append(&records)?;
        }
        self.storage.sync()?;",
            "            self.storage.append(&records[..1])?;
        }
        self.storage.sync()?;
        self.storage.append(records.get(1..).unwrap_or_default())?;",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Interleavings, IN_ORDER),
    },
    Mutant {
        name: "apply-in-two-threads",
        alias: Some("C8"),
        rule: "apply",
        about: "lets two threads apply",
        edits: &[edit(
            APPLICATION,
            "run",
            "        for (index, entry) in committed {
            let response = match &entry.payload {
                Payload::Command(command) => Some(machine.apply(index, command)),
                Payload::Blank => None,
            };
            counters.applied_index.store(index, Ordering::Release);
            answer(&mut waiting, index, entry.term, response);
        }",
            "        let (odd, even): (Vec<_>, Vec<_>) =
            committed.into_iter().partition(|(index, _)| index % 2 == 1);
        let shared = std::sync::Mutex::new((&mut machine, &mut waiting));
        std::thread::scope(|scope| {
            for half in [odd, even] {
                let shared = &shared;
                scope.spawn(move || {
                    for (index, entry) in half {
                        let mut parts = shared.lock().unwrap();
                        let response = entry.payload.command().map(|command| parts.0.apply(index, command));
                        counters.applied_index.store(index, Ordering::Release);
                        answer(&mut *parts.1, index, entry.term, response);
                    }
                });
            }
        });",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("handle"),
            "a_command_is_answered_by_the_state_machine_and_applied_everywhere_in_order",
        ),
    },
    Mutant {
        name: "pass-an-idle-disk",
        alias: Some("R1"),
        rule: "gate",
        about: "lets what has records leave at once while the disk is idle",
        edits: &[edit(
            DRIVER_GATE,
            "Gate::enter",
            "if !has_to_wait && !self.under_way",
            "if !(has_to_wait && self.under_way)",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, GATE_IN_ORDER),
    },
    Mutant {
        name: "overtake-a-write-under-way",
        alias: Some("R2"),
        rule: "gate",
        about: "lets what has no records overtake a write under way",
        edits: &[edit(DRIVER_GATE, "Gate::enter", "!has_to_wait && !self.under_way && ", "!has_to_wait && ")],
        searches: &[],
        blind: &[],
        expected: fails_test(Interleavings, IN_ORDER),
    },
    Mutant {
        name: "overtake-what-waits",
        alias: Some("R3"),
        rule: "gate",
        about: "lets what has no records overtake what waits",
        edits: &[edit(DRIVER_GATE, "Gate::enter", "!self.under_way && self.waiting.is_empty()", "!self.under_way")],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, GATE_IN_ORDER),
    },
    Mutant {
        name: "close-without-waking",
        alias: Some("R4"),
        rule: "gate",
        about: "does not wake the disk thread when it closes",
        edits: &[edit(
            GATE,
            "Gate::close",
            "        drop(state);
        self.work.notify_one();
        drop(discarded);",
            "        drop(state);
        drop(discarded);",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Interleavings, WOKEN),
    },
    Mutant {
        name: "sleep-unnoted-at-the-disk",
        alias: Some("R5"),
        rule: "gate",
        about: "does not note that the disk thread sleeps",
        edits: &[edit(GATE, "Gate::take", "            state.sleeping = true;\n", "")],
        searches: &[],
        blind: &[],
        expected: fails_test(Interleavings, WOKEN),
    },
    Mutant {
        name: "pass-writes-of-any-age",
        alias: Some("R6"),
        rule: "gate",
        about: "lets a heartbeat pass a write of any age",
        edits: &[edit(
            DRIVER_GATE,
            "lets_heartbeats_pass",
            "age.is_some_and(|age| patience.contains(&age))",
            "age.is_some_and(|age| age >= patience.start)",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("misbehaviour"),
            "a_leader_whose_disk_stalls_for_long_loses_to_a_healthy_node",
        ),
    },
    Mutant {
        name: "pass-no-write",
        alias: Some("R7"),
        rule: "gate",
        about: "lets no heartbeat pass a write",
        edits: &[edit(
            DRIVER_GATE,
            "lets_heartbeats_pass",
            "age.is_some_and(|age| patience.contains(&age))",
            "age.is_some_and(|age| age < patience.start && age > patience.end)",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(File("misbehaviour"), "disks_that_stall_at_random_lose_no_leader"),
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
                "run",
                "        accepted.into_iter().for_each(|run| waiting.add(run));\n",
                "",
            ),
            edit(
                APPLICATION,
                "run",
                "            answer(&mut waiting, index, entry.term, response);
        }",
                "            answer(&mut waiting, index, entry.term, response);
        }
        accepted.into_iter().for_each(|run| waiting.add(run));",
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
        edits: &[edit(
            MAILBOX,
            "Mailbox::take",
            "            state.sleeping = true;
            state = match deadline {",
            "            state = match deadline {",
        )],
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
            "Outbox::queue",
            "outgoing.messages.drain(..excess)",
            "outgoing.messages.drain(outgoing.messages.len() - excess..)",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, "runtime::machinery::outbox::tests::a_full_outbox_drops_the_oldest"),
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
        name: "release-a-write-early",
        alias: None,
        rule: "gate",
        about: "counts the first write of a batch among what waits for none",
        edits: &[edit(
            DRIVER_GATE,
            "Gate::take_while",
            "position(writes).unwrap_or(free.len())",
            "position(writes).map_or(free.len(), |first| first + 1)",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, GATE_IN_ORDER),
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
        name: "apply-before-durable",
        alias: Some("R15"),
        rule: "gate",
        about: "applies what is committed before the records of the step are durable",
        edits: &[edit(
            SERVER_LOOP,
            "ServerLoop::carry_out",
            "self.enter(Gated::of(held));",
            "let mut held = held;
            let mut early = Gated::behind(held.step);
            early.held.apply = core::mem::take(&mut held.apply);
            self.outlets.release(early);
            self.enter(Gated::of(held));",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Interleavings, ANSWERED),
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
];
