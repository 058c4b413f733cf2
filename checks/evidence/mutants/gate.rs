//! What leaves the gate of a node, and when: outside of what a search explores, so tests must see
//! it.

use super::Mutant;
use super::TestSuite::{File, Interleavings, Unit};
use super::places::{edit, fails_test};

const WRITER: &str = "src/runtime/machinery/writer.rs";
const GATE: &str = "src/runtime/machinery/gate.rs";
const ERRANDS: &str = "src/runtime/machinery/errands.rs";
const SERVER_LOOP: &str = "src/runtime/machinery/server_loop.rs";
const DRIVER_GATE: &str = "src/driver/gate.rs";

const GATE_IN_ORDER: &str =
    "driver::gate::tests::what_waits_for_nothing_leaves_at_once_and_all_else_in_order";
const IN_ORDER: &str =
    "runtime::machinery::interleavings::messages_leave_in_order_once_their_records_are_durable";
const WOKEN: &str = "runtime::machinery::interleavings::threads_that_sleep_are_woken";
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
        edits: &[edit(
            DRIVER_GATE,
            "Gate::enter",
            "!has_to_wait && !self.under_way && ",
            "!has_to_wait && ",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Interleavings, IN_ORDER),
    },
    Mutant {
        name: "overtake-what-waits",
        alias: Some("R3"),
        rule: "gate",
        about: "lets what has no records overtake what waits",
        edits: &[edit(
            DRIVER_GATE,
            "Gate::enter",
            "!self.under_way && self.waiting.is_empty()",
            "!self.under_way",
        )],
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
        name: "tell-before-durable",
        alias: None,
        rule: "gate",
        about: "tells users where the server stands before the records of the step are durable",
        edits: &[edit(
            SERVER_LOOP,
            "ServerLoop::carry_out",
            "self.enter(Gated::of(held));",
            "let mut held = held;
            let mut early = Gated::behind(held.step);
            early.held.standing = held.standing.take();
            self.outlets.release(early);
            self.enter(Gated::of(held));",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("leadership"),
            "a_server_says_that_it_leads_once_its_own_ballot_is_durable",
        ),
    },
    Mutant {
        name: "answer-before-durable",
        alias: None,
        rule: "gate",
        about: "answers who asks for a readmission before what the answer names is durable",
        edits: &[edit(
            ERRANDS,
            "ServerLoop::once_durable",
            "let then: Option<Then> = Some(Box::new(then));",
            "then();
            let then: Option<Then> = None;",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "runtime::machinery::told::whoever_may_not_readmit_names_a_leader_once_its_term_is_durable",
        ),
    },
];
