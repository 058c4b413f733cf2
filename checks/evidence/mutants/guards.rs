//! What the runtime guards of that which the model takes for granted: members, disks, peers,
//! limits. A test breaks each.

use super::TestSuite::{self, File, Unit};
use super::places::{edit, fails_test};
use super::{Edit, Mutant};

const ASSEMBLY: &str = "src/runtime/machinery/assembly.rs";
const WRITER: &str = "src/runtime/machinery/writer.rs";
const LIMITS: &str = "src/runtime/limits.rs";
const MEET: &str = "src/runtime/machinery/identity/meet.rs";
const SERVER_LOOP: &str = "src/runtime/machinery/server_loop.rs";
const WATCH: &str = "src/runtime/machinery/watch.rs";

const fn unguarded(
    name: &'static str,
    rule: &'static str,
    about: &'static str,
    edits: &'static [Edit],
    (suite, test): (TestSuite, &'static str),
) -> Mutant {
    Mutant {
        name,
        alias: None,
        rule,
        about,
        edits,
        searches: &[],
        blind: &[],
        expected: fails_test(suite, test),
    }
}

pub const MUTANTS: &[Mutant] = &[
    unguarded(
        "meet-other-lists",
        "members",
        "talks to a peer with another list of servers",
        &[edit(
            MEET,
            "Registry::is_of_this_cluster",
            "if theirs.genesis != ours.genesis {",
            "if theirs.genesis.is_empty() {",
        )],
        (File("identity"), "lists_of_servers_that_differ_elect_no_second_leader"),
    ),
    unguarded(
        "meet-emptied-stores",
        "disks",
        // The node of the emptied store would still refuse: this one must not rely on it.
        "talks to a peer whose store was emptied",
        &[edit(
            MEET,
            "Registry::is_the_one_known",
            "Store::Seen(seen) if *store != seen.number => {",
            "Store::Seen(seen) if *store != seen.number && *starts == u64::MAX => {",
        )],
        (Unit, "runtime::machinery::identity::tests::an_emptied_store_is_refused_and_learns_why"),
    ),
    unguarded(
        "start-on-a-mark",
        "disks",
        "marks no store on which it had to stop for good",
        &[edit(
            WRITER,
            "Writer::mark",
            "let mark = self.storage.note(STOPPED, reason.mark().as_bytes());",
            "let mark = self.storage.note(STOPPED, &[]);",
        )],
        (File("guards"), "a_node_stops_for_good_before_it_overwrites_what_it_applied"),
    ),
    unguarded(
        "forget-what-was-applied",
        "disks",
        "tells the server at its start of nothing that was applied",
        &[edit(
            ASSEMBLY,
            "start",
            "start(config, persistent, floor, timing)",
            "start(config, persistent, floor.min(0), timing)",
        )],
        (File("guards"), "a_node_stops_for_good_before_it_overwrites_what_it_applied"),
    ),
    unguarded(
        "overlook-lost-logs",
        "peers",
        "takes a peer that refuses what it acknowledged for a slow one",
        &[edit(
            WATCH,
            "Seen::refused",
            "let told = before.told || long;",
            "let told = before.told || (long && count == 0);",
        )],
        (File("guards"), "a_peer_that_lost_its_log_under_the_same_leader_is_noticed"),
    ),
    unguarded(
        "accept-what-cannot-be-sent",
        "limits",
        "starts with limits above what the transport carries",
        &[edit(
            LIMITS,
            "Limits::check",
            "if bytes > carries {",
            "if bytes > carries && carries == 0 {",
        )],
        (File("identity"), "what_contradicts_itself_does_not_start"),
    ),
    unguarded(
        "append-no-blank",
        "blanks",
        "leaves it to clients to commit what stands before its term",
        &[edit(
            SERVER_LOOP,
            "ServerLoop::step",
            "follow_up(self.blanks &&",
            "follow_up(!self.blanks &&",
        )],
        (File("blanks"), "after_a_restart_of_all_the_state_machines_fill_without_a_client"),
    ),
];
