//! The cluster that hosts the servers: its witness, its restarts, what it believes of letters, and
//! what it renames.

use super::Evidence::Models;
use super::Mutant;
use super::TestSuite::FileOf;
use super::places::{edit, noticed};

const CLUSTER: &str = "models/cluster.rs";
const EFFECTS: &str = "models/effects.rs";
const HISTORY_FILE: &str = "models/history.rs";
const LETTERS: &str = "models/letters.rs";
const NETWORK: &str = "models/network.rs";
const NODE: &str = "models/node.rs";
const RENAME: &str = "models/figure2/rename.rs";
const STATE: &str = "models/state.rs";

const BACK: &str = "a_restart_goes_back_to_what_the_disk_has";
const DURABLE: &str = "a_vote_that_became_durable_is_seen_though_nobody_was_told";
const HISTORY: &str = "who_led_and_what_was_committed_is_remembered_and_whether_after_a_restart";
const LOST: &str = "a_restart_loses_whatever_is_volatile";
const OF_NODE: &str = "every_part_of_a_node_is_renamed";
const PORTABLE: &str = "every_state_is_read_as_it_was_written_here_and_elsewhere";
const TOLD: &str = "a_vote_that_was_told_is_seen_though_no_disk_has_it";
const TRIED: &str = "a_letter_that_is_said_to_mean_less_than_it_does_is_not_believed";

pub const MUTANTS: &[Mutant] = &[
    noticed(
        "witness-no-step",
        "witness",
        "looks at nothing that a step does",
        &[edit(NODE, "ModelNode::interpret", "self.observe(&sent);", "")],
        FileOf(Models, "witness"),
        TOLD,
    ),
    noticed(
        "witness-no-message",
        "witness",
        "looks at disks alone, not at what is told",
        &[edit(
            NODE,
            "ModelNode::observe",
            "witness.see_ballot(message.term(), vote);",
            "let _ = vote;",
        )],
        FileOf(Models, "witness"),
        TOLD,
    ),
    noticed(
        "witness-no-disk",
        "witness",
        "looks at what is told alone, not at disks",
        &[edit(
            NODE,
            "ModelNode::observe",
            "witness.see_ballot(self.disk.current_term(), self.disk.voted_for());",
            "",
        )],
        FileOf(Models, "witness"),
        DURABLE,
    ),
    noticed(
        "witness-no-late-write",
        "witness",
        "does not look when a disk has finished a write",
        &[edit(NODE, "ModelNode::carry_out", "self.observe(&sent);", "")],
        FileOf(Models, "witness"),
        DURABLE,
    ),
    noticed(
        "witness-the-last-vote",
        "witness",
        "remembers one vote a term, the last",
        &[edit(
            NODE,
            "Witness::see_ballot",
            "self.votes.extend(vote);",
            "if vote.is_some() { self.votes = vote.into_iter().collect(); }",
        )],
        FileOf(Models, "witness"),
        TOLD,
    ),
    noticed(
        "witness-votes-of-old-terms",
        "witness",
        "keeps the votes of the term before",
        &[edit(NODE, "Witness::see_ballot", "self.votes.clear();", "")],
        FileOf(Models, "witness"),
        TOLD,
    ),
    noticed(
        "witness-the-last-log",
        "witness",
        "remembers a leader's log as it is, not as long as it was",
        &[edit(
            NODE,
            "ModelNode::observe",
            "leader_appends_only(&seen, log).is_err()",
            "leader_appends_only(&seen, log).is_ok()",
        )],
        FileOf(Models, "witness"),
        "the_longest_log_that_a_leader_had_in_its_term_is_seen",
    ),
    noticed(
        "witness-the-last-commit",
        "witness",
        "remembers the commit index as it is, not as high as it was",
        &[edit(
            NODE,
            "ModelNode::observe",
            "witness.commit_index.max(server.volatile().commit_index)",
            "server.volatile().commit_index",
        )],
        FileOf(Models, "witness"),
        "the_highest_commit_index_of_a_life_is_seen",
    ),
    noticed(
        "restart-with-timers",
        "restart",
        "keeps the timers across a restart",
        &[edit(NODE, "ModelNode::restart", "self.timers.clear();", "")],
        FileOf(Models, "witness"),
        LOST,
    ),
    noticed(
        "restart-with-late-writes",
        "restart",
        "keeps across a restart what the disk has not written",
        &[edit(NODE, "ModelNode::restart", "self.pending = Withheld::default();", "")],
        FileOf(Models, "witness"),
        LOST,
    ),
    noticed(
        "restart-a-commit-index",
        "restart",
        "lets no restart lower a commit index",
        &[edit(NODE, "ModelNode::restart", "self.witness.commit_index = 0;", "")],
        FileOf(Models, "witness"),
        LOST,
    ),
    noticed(
        "restart-from-memory",
        "restart",
        "starts again from what was handed to the disk",
        &[edit(
            EFFECTS,
            "Cluster::reaction",
            "&Some(node.disk.clone())",
            "&Some(node.replica.stored.clone())",
        )],
        FileOf(Models, "witness"),
        BACK,
    ),
    noticed(
        "restart-from-nothing",
        "restart",
        "starts again from an empty disk",
        &[edit(EFFECTS, "Cluster::reaction", "&Some(node.disk.clone())", "&None")],
        FileOf(Models, "witness"),
        BACK,
    ),
    noticed(
        "restart-for-free",
        "restart",
        "counts no restart",
        &[edit(CLUSTER, "Cluster::history", "history.restarts += u32::from(restarted);", "")],
        FileOf(Models, "witness"),
        BACK,
    ),
    noticed(
        "record-no-leader",
        "history",
        "remembers no leader",
        &[edit(
            CLUSTER,
            "Cluster::record",
            "if server.is_leader() {",
            "if server.is_leader() && term == 0 {",
        )],
        FileOf(Models, "witness"),
        HISTORY,
    ),
    noticed(
        "record-no-commit",
        "history",
        "remembers no commit but the first",
        &[edit(CLUSTER, "Cluster::record", "known + 1..=newly", "known + 1..=newly.min(1)")],
        FileOf(Models, "witness"),
        HISTORY,
    ),
    noticed(
        "record-restarts-of-later",
        "history",
        "takes every commit for one after a restart",
        &[edit(CLUSTER, "Cluster::record", "history.restarts > 0", "true")],
        FileOf(Models, "witness"),
        HISTORY,
    ),
    noticed(
        "believe-any-meaning",
        "reduction",
        "believes what a letter is said to mean without a trial",
        &[edit(
            NETWORK,
            "Cluster::proven_meaning",
            "if proven { claimed } else { Meaning::Itself }",
            "let _ = proven; claimed",
        )],
        FileOf(Models, "trial"),
        TRIED,
    ),
    noticed(
        "believe-in-nothing",
        "reduction",
        "lets a letter be dead that changes its receiver",
        &[edit(
            NETWORK,
            "Cluster::proven_meaning",
            "Meaning::Nothing => { trial().is_answer_only(|answer| answer_means(answer) == Meaning::Nothing) }",
            "Meaning::Nothing => true,",
        )],
        FileOf(Models, "trial"),
        TRIED,
    ),
    noticed(
        "believe-any-news",
        "reduction",
        "takes any letter of a greater term for news",
        &[edit(
            NETWORK,
            "Cluster::proven_meaning",
            "true => trial().makes_follower(term),",
            "true => true,",
        )],
        FileOf(Models, "trial"),
        TRIED,
    ),
    noticed(
        "leave-out-nodes",
        "orbit",
        "leaves all nodes but the first out of the fingerprint",
        &[edit(STATE, "Visible::lane", "sum(&self.nodes, place)", "sum(&self.nodes[..1], place)")],
        FileOf(Models, "portable"),
        PORTABLE,
    ),
    noticed(
        "leave-out-the-history",
        "orbit",
        "leaves what happened out of the fingerprint",
        &[edit(STATE, "Visible::lane", ".wrapping_add(self.history.lane(place))", "")],
        FileOf(Models, "reductions"),
        "elections",
    ),
    noticed(
        "rename-no-id",
        "orbit",
        "renames all of a server but its name",
        &[edit(RENAME, "<Server as Rename>::rename", "id: id.rename(renaming)", "id")],
        FileOf(Models, "renaming"),
        OF_NODE,
    ),
    noticed(
        "rename-no-vote",
        "orbit",
        "does not rename whom a server voted for",
        &[edit(
            RENAME,
            "<Persistent as Rename>::rename",
            "self.voted_for().rename(renaming)",
            "self.voted_for()",
        )],
        FileOf(Models, "renaming"),
        OF_NODE,
    ),
    noticed(
        "rename-no-entry",
        "orbit",
        "does not rename what a command names",
        &[edit(
            RENAME,
            "<Entry as Rename>::rename",
            "payload: payload.rename(renaming)",
            "payload: { let _ = renaming; payload.clone() }",
        )],
        FileOf(Models, "renaming"),
        OF_NODE,
    ),
    noticed(
        "rename-no-disk",
        "orbit",
        "does not rename what is on a disk",
        &[edit(
            NODE,
            "<ModelNode as Rename>::rename",
            "disk: disk.rename(renaming)",
            "disk: disk.clone()",
        )],
        FileOf(Models, "renaming"),
        OF_NODE,
    ),
    noticed(
        "rename-no-late-write",
        "orbit",
        "does not rename what waits for a disk",
        &[edit(
            NODE,
            "<ModelNode as Rename>::rename",
            "pending: pending.rename(renaming)",
            "pending: pending.clone()",
        )],
        FileOf(Models, "renaming"),
        OF_NODE,
    ),
    noticed(
        "rename-no-vote-seen",
        "orbit",
        "does not rename the votes that were seen",
        &[edit(
            NODE,
            "<Witness as Rename>::rename",
            "votes: votes.rename(renaming)",
            "votes: votes.clone()",
        )],
        FileOf(Models, "renaming"),
        OF_NODE,
    ),
    noticed(
        "rename-no-receiver",
        "orbit",
        "does not rename whom a letter is for",
        &[edit(LETTERS, "<Letter as Rename>::rename", "to: to.rename(renaming)", "to: *to")],
        FileOf(Models, "renaming"),
        "every_part_of_a_letter_is_renamed",
    ),
    noticed(
        "rename-no-leader-of-old",
        "orbit",
        "does not rename who led a term",
        &[edit(
            HISTORY_FILE,
            "<Event as Rename>::rename",
            "server: server.rename(renaming)",
            "server: *server",
        )],
        FileOf(Models, "renaming"),
        "every_part_of_the_history_is_renamed",
    ),
];
