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
const DRIVE: &str = "src/driver/drive.rs";
const FLOW: &str = "src/driver/flow.rs";

const GATE_IN_ORDER: &str =
    "driver::gate::tests::what_waits_for_nothing_leaves_at_once_and_all_else_in_order";
const IN_ORDER: &str =
    "runtime::machinery::interleavings::messages_leave_in_order_once_their_records_are_durable";
const WOKEN: &str = "runtime::machinery::interleavings::threads_that_sleep_are_woken";

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
        about: "lets what a leader sends pass a write of any age",
        edits: &[edit(
            DRIVE,
            "Driver::passing",
            "writing().is_none_or(|age| age < patience)",
            "writing().is_none_or(|age| age + patience > age)",
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
        about: "lets nothing that a leader sends pass a write",
        edits: &[edit(
            DRIVE,
            "Driver::passing",
            "writing().is_none_or(|age| age < patience)",
            "writing().is_none_or(|age| age + patience < age)",
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
        name: "say-stored-before-it-is",
        alias: None,
        rule: "gate",
        about: "tells the server that its log is durable before it is",
        edits: &[edit(
            WRITER,
            "Writer::serve",
            "        if let Err(error) = self.write(&mut writes) {",
            "        let early = writes.iter().rev().find_map(|gated| gated.held.stored);
        self.arrived.put(|arrived| arrived.stored = early.or(arrived.stored));
        if let Err(error) = self.write(&mut writes) {",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "runtime::machinery::writer::tests::the_server_is_told_what_is_stored_once_it_is",
        ),
    },
    Mutant {
        name: "believe-what-was-cut-off",
        alias: None,
        rule: "gate",
        about: "tells the server that what it has cut off is durable",
        edits: &[edit(DRIVE, "Driver::stored", "step >= self.cut", "step <= self.stored")],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "driver::drive::tests::what_is_stored_is_told_unless_the_log_was_cut_since",
        ),
    },
    Mutant {
        name: "repeat-what-waits",
        alias: None,
        rule: "flow",
        about: "sends again what is still in the queue",
        edits: &[edit(
            FLOW,
            "Flow::due",
            "Outbound::Waiting => now + timeout,",
            "Outbound::Waiting => *look,",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "driver::flow::tests::the_timeout_runs_from_when_the_last_of_it_has_left",
        ),
    },
    Mutant {
        name: "learn-from-copies",
        alias: None,
        rule: "flow",
        about: "takes the answer to one of several copies for that to the first",
        edits: &[edit(FLOW, "Peer::acknowledged", "if !batch.copy {", "if batch.end > 0 {")],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "driver::flow::tests::it_doubles_with_each_copy_until_one_is_answered_that_had_none",
        ),
    },
    Mutant {
        name: "overfill-the-window",
        alias: None,
        rule: "flow",
        about: "sends one batch more ahead than the window has room for",
        edits: &[edit(FLOW, "Flow::ahead", "batches < self.window", "batches <= self.window")],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "driver::flow::tests::as_many_batches_are_under_way_as_the_window_has_room_for",
        ),
    },
    Mutant {
        name: "repeat-at-each-refusal",
        alias: Some("F7"),
        rule: "flow",
        about: "sends what was lost again for each refusal of what follows it",
        edits: &[edit(
            FLOW,
            "Flow::answered",
            "refuses && peer.refused != Some(next)",
            "refuses && next > 0",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "driver::flow::tests::one_batch_that_is_lost_is_sent_again_once_however_often_what_follows_is_refused",
        ),
    },
    Mutant {
        name: "wait-for-what-is-lost",
        alias: None,
        rule: "flow",
        about: "waits for the answer to what went down with its connection",
        edits: &[edit(FLOW, "Flow::due", "state != Outbound::Lost && now < *look", "now < *look")],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "driver::flow::tests::what_went_down_with_its_connection_is_sent_again_at_once_and_once",
        ),
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
