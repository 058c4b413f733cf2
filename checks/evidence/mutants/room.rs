//! What a node does before its store is full, and with a disk that is.

use super::Mutant;
use super::TestSuite::{File, Unit};
use super::places::{edit, fails_test};

const ROOM: &str = "src/runtime/machinery/room.rs";
const RESERVE: &str = "src/runtime/storage/disk/reserve.rs";
const STORE: &str = "src/runtime/storage/disk/store.rs";

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "accept-without-room",
        alias: None,
        rule: "room",
        about: "takes commands into the log of a leader whose store is full",
        edits: &[edit(
            ROOM,
            "ServerLoop::refuse_without_room",
            "        if !self.server().is_leader() {",
            "        if self.server().is_leader() {",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("images"),
            "room::commands_are_refused_below_a_limit_and_taken_again_a_quarter_above",
        ),
    },
    Mutant {
        name: "follow-into-a-full-disk",
        alias: None,
        rule: "room",
        about: "takes entries of a leader where nothing is left but what a compaction takes",
        edits: &[edit(
            ROOM,
            "ServerLoop::has_no_room",
            "Admits::Nothing { .. }",
            "Admits::Nothing { free: u64::MAX }",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("images"),
            "room::a_follower_without_room_takes_no_entries_and_catches_up_once_there_is",
        ),
    },
    Mutant {
        name: "keep-what-is-dead",
        alias: None,
        rule: "room",
        about: "gives back no file as room is scarce",
        edits: &[edit(
            STORE,
            "Store::make_room",
            "        self.log.remove_spares()",
            "        Ok(())",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("storage"),
            "growth::where_room_is_made_no_segment_is_left_that_nobody_needs",
        ),
    },
    Mutant {
        name: "die-beside-the-reserve",
        alias: None,
        rule: "room",
        about: "does not write again once the reserve was given up",
        edits: &[edit(
            RESERVE,
            "Reserve::sparing",
            "self.give_up(before) => write(),",
            "self.give_up(before) => Err(error),",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "runtime::storage::disk::reserve::tests::what_finds_the_disk_full_is_done_again_in_the_room_of_the_reserve",
        ),
    },
];
