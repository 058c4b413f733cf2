//! The order of the runtime's threads: outside of what a search explores, so tests must see it.
//!
//! There is no row for a sender that matches a reply to a request of an earlier term: replies
//! say all they mean, and no thread remembers requests.

use super::Mutant;
use super::Suite::{File, Interleavings, Unit};
use super::places::{edit, fails_test};

const APPLICATION: &str = "src/runtime/machinery/application.rs";
const WRITER: &str = "src/runtime/machinery/writer.rs";
const GATE: &str = "src/runtime/machinery/gate.rs";
const MAILBOX: &str = "src/runtime/machinery/mailbox.rs";
const OUTBOX: &str = "src/runtime/machinery/outbox.rs";
const SERVER_LOOP: &str = "src/runtime/machinery/server_loop.rs";
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
        name: "C7",
        rule: "gate",
        about: "releases a batch once the first of its records is durable",
        edits: &[edit(
            WRITER,
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
        name: "C8",
        rule: "apply",
        about: "lets two threads apply",
        edits: &[edit(
            APPLICATION,
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
        name: "R1",
        rule: "gate",
        about: "lets what has records leave at once while the disk is idle",
        edits: &[edit(
            DRIVER_GATE,
            "if !has_to_wait && !self.under_way",
            "if !(has_to_wait && self.under_way)",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, GATE_IN_ORDER),
    },
    Mutant {
        name: "R2",
        rule: "gate",
        about: "lets what has no records overtake a write under way",
        edits: &[edit(DRIVER_GATE, "!has_to_wait && !self.under_way && ", "!has_to_wait && ")],
        searches: &[],
        blind: &[],
        expected: fails_test(Interleavings, IN_ORDER),
    },
    Mutant {
        name: "R3",
        rule: "gate",
        about: "lets what has no records overtake what waits",
        edits: &[edit(DRIVER_GATE, "!self.under_way && self.waiting.is_empty()", "!self.under_way")],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, GATE_IN_ORDER),
    },
    Mutant {
        name: "R4",
        rule: "gate",
        about: "does not wake the disk thread when it closes",
        edits: &[edit(
            GATE,
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
        name: "R5",
        rule: "gate",
        about: "does not note that the disk thread sleeps",
        edits: &[edit(GATE, "            state.sleeping = true;\n", "")],
        searches: &[],
        blind: &[],
        expected: fails_test(Interleavings, WOKEN),
    },
    Mutant {
        name: "R6",
        rule: "gate",
        about: "lets a heartbeat pass a write of any age",
        edits: &[edit(
            DRIVER_GATE,
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
        name: "R7",
        rule: "gate",
        about: "lets no heartbeat pass a write",
        edits: &[edit(
            DRIVER_GATE,
            "age.is_some_and(|age| patience.contains(&age))",
            "age.is_some_and(|age| age < patience.start && age > patience.end)",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(File("misbehaviour"), "disks_that_stall_at_random_lose_no_leader"),
    },
    Mutant {
        name: "R8",
        rule: "disk",
        about: "does not sync",
        edits: &[edit(WRITER, "        self.storage.sync()?;\n", "")],
        searches: &[],
        blind: &[],
        expected: fails_test(Interleavings, IN_ORDER),
    },
    Mutant {
        name: "R9",
        rule: "disk",
        about: "tries a failed sync again",
        edits: &[edit(
            WRITER,
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
        name: "R10",
        rule: "disk",
        about: "lets out what waited for a write that failed",
        edits: &[edit(
            WRITER,
            "            writes.extend(never);
            return Err(Failure {
                reason: StopReason::Storage(Arc::new(error)),
                unreleased: writes,
            });",
            "            writes.iter_mut().for_each(|gated| gated.persist.clear());
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
        name: "R11",
        rule: "apply",
        about: "looks at new proposals after it has applied what was committed with them",
        edits: &[
            edit(
                APPLICATION,
                "        accepted.into_iter().for_each(|run| waiting.add(run));\n",
                "",
            ),
            edit(
                APPLICATION,
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
        name: "R12",
        rule: "queue",
        about: "does not note that the taker sleeps",
        edits: &[edit(
            MAILBOX,
            "            state.sleeping = true;
            state = match deadline {",
            "            state = match deadline {",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Interleavings, WOKEN),
    },
    Mutant {
        name: "R13",
        rule: "queue",
        about: "drops the newest message when an outbox is full",
        edits: &[edit(
            OUTBOX,
            "outgoing.messages.drain(..excess)",
            "outgoing.messages.drain(outgoing.messages.len() - excess..)",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, "runtime::machinery::outbox::tests::a_full_outbox_drops_the_oldest"),
    },
    Mutant {
        name: "R14",
        rule: "timer",
        about: "gives every election timer the shortest length",
        edits: &[edit(
            TIMERS,
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
        rule: "timer",
        about: "lets an election timer run on that is set anew",
        edits: &[edit(
            TIMERS,
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
        rule: "gate",
        about: "counts the first write of a batch among what waits for none",
        edits: &[edit(
            DRIVER_GATE,
            "position(writes).unwrap_or(free.len())",
            "position(writes).map_or(free.len(), |first| first + 1)",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, GATE_IN_ORDER),
    },
    Mutant {
        name: "answer-for-another",
        rule: "apply",
        about: "answers a proposal for the entry of a later term that took its place",
        edits: &[edit(
            WAITERS,
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
        name: "R15",
        rule: "gate",
        about: "applies what is committed before the records of the step are durable",
        edits: &[edit(
            SERVER_LOOP,
            "        self.enter(Gated { step, persist, send, apply, proposal, ..Gated::default() });",
            "        self.outlets.release(Gated { step, apply, ..Gated::default() });
        self.enter(Gated { step, persist, send, proposal, ..Gated::default() });",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Interleavings, ANSWERED),
    },
];
