//! Sixteen of twenty that were drawn, not thought of: of the 2,161 lines that `cargo mutants --list`
//! (27.1.0) has for models/, checks/engines/ and checks/evidence/ at commit e17306e, sorted, the
//! first that compile of Python's `random.Random(13).sample(lines, 26)`, in that order.
//!
//! Four bent predicates of worlds whose place lemmas have taken, and have no row;
//! `draw-leaders-without-votes` bends what stands where the drawn line stood. One had no row from
//! the first, for it is equivalent: with `>=` for the `>` of what draws second votes, they are drawn
//! in the voter's own term, too. A world with one breaks `vote_remembered`, and whatever breaks what
//! is assumed is drawn again without them: no world that counts is another kind of world.

use super::Evidence::{Checks, Models};
use super::Mutant;
use super::TestSuite::{FileOf, UnitOf};
use super::places::{edit, noticed};

const CHECKPOINT: &str = "checks/engines/timely/checkpoint/mod.rs";
const CHOICE: &str = "checks/evidence/mutants/choice.rs";
const COMMITS: &str = "models/properties/commits.rs";
const DRAWING: &str = "checks/evidence/invariant/drawing.rs";
const JUDGE: &str = "checks/evidence/mutants/judge.rs";
const LETTERS: &str = "checks/evidence/invariant/letters.rs";
const LOST_FILE: &str = "checks/engines/timely/lost.rs";
const ORBIT: &str = "models/orbit.rs";
const PEERS: &str = "checks/engines/timely/peers.rs";
const PORTABLE: &str = "models/portable.rs";
const RESUME: &str = "checks/engines/timely/worker/resume.rs";
const STATERIGHT: &str = "checks/engines/stateright/mod.rs";
const SUITE: &str = "checks/evidence/mutants/suite.rs";
const WORKSHOP: &str = "checks/evidence/mutants/workshop.rs";

pub const MUTANTS: &[Mutant] = &[
    noticed(
        "patch-every-other-file",
        "judge",
        "makes the edits of one file in the others",
        &[edit(WORKSHOP, "patch", "edit.file == file", "edit.file != file")],
        UnitOf(Checks),
        "evidence::mutants::tests::a_row_that_does_not_fit_the_source_is_an_error_that_names_the_place",
    ),
    noticed(
        "complain-of-the-good",
        "judge",
        "is surprised by what is as stated",
        &[edit(JUDGE, "surprises", "if !good", "if good")],
        UnitOf(Checks),
        "evidence::mutants::judge::tests::what_differs_from_the_row_is_a_surprise",
    ),
    noticed(
        "count-the-untouched",
        "judge",
        "counts what a change touches where none is named",
        &[edit(
            CHOICE,
            "in_turn",
            "(!touching.is_empty()).then_some",
            "(touching.is_empty()).then_some",
        )],
        UnitOf(Checks),
        "evidence::mutants::choice::tests::what_is_touched_goes_around_beside_the_dozens",
    ),
    noticed(
        "draw-leaders-without-votes",
        "invariant",
        "draws leaders that lack a vote",
        &[edit(
            DRAWING,
            "Drawing::elect",
            "quorum.iter().all(cast)",
            "quorum.iter().skip(1).all(cast)",
        )],
        FileOf(Checks, "invariant"),
        "every_step_keeps_it",
    ),
    noticed(
        "expect-no-farewell",
        "engine",
        "takes a connection for lost while it has said no farewell",
        &[edit(
            LOST_FILE,
            "<Connection as Read>::read",
            "read == 0 && self.zeros < FAREWELL",
            "read == 0 || self.zeros < FAREWELL",
        )],
        UnitOf(Checks),
        "engines::timely::lost::tests::a_connection_may_end_behind_a_farewell_alone",
    ),
    noticed(
        "cut-behind-the-end",
        "invariant",
        "draws parts of logs that end behind them",
        &[edit(
            LETTERS,
            "ends",
            "usize::from(pick / 16) % (len - first + 1)",
            "usize::from(pick / 16) / (len - first + 1)",
        )],
        FileOf(Checks, "invariant"),
        "every_step_keeps_it",
    ),
    noticed(
        "admit-any-search",
        "engine",
        "begins in the folder of any search",
        &[edit(
            CHECKPOINT,
            "Checkpoints::admit",
            "let (own, folder) = (self.own(), self.folder.clone());",
            "if true { return Ok(()); } let (own, folder) = (self.own(), self.folder.clone());",
        )],
        UnitOf(Checks),
        "engines::timely::checkpoint::tests::a_folder_belongs_to_one_search",
    ),
    noticed(
        "rename-maps-to-none",
        "orbit",
        "leaves out what a leader knows of its peers",
        &[edit(
            ORBIT,
            "<BTreeMap as Rename>::rename",
            "self.iter().map(|(key, value)| (key.rename(renaming), value.rename(renaming))).collect()",
            "let _ = renaming; BTreeMap::new()",
        )],
        FileOf(Models, "renaming"),
        "every_part_of_a_node_is_renamed",
    ),
    noticed(
        "generate-no-beginning",
        "engine",
        "does not count the states in which a search begins",
        &[edit(RESUME, "Searcher::begin_anew", "self.generated += 1;", "self.generated *= 1;")],
        UnitOf(Checks),
        "engines::timely::tests::every_state_is_counted_once_whatever_the_number_of_workers",
    ),
    noticed(
        "expand-once-stopped",
        "engine",
        "expands states only once the search was stopped",
        &[edit(
            STATERIGHT,
            "<Search as Model>::actions",
            "!self.stop.load(Ordering::Relaxed)",
            "self.stop.load(Ordering::Relaxed)",
        )],
        UnitOf(Checks),
        "engines::stateright::tests::levels_add_up_to_the_states",
    ),
    noticed(
        "own-all-states-alone",
        "engine",
        "gives all states to one worker",
        &[edit(
            PEERS,
            "Peers::owner",
            "low_first * self.peers.len() as u128",
            "low_first / self.peers.len() as u128",
        )],
        UnitOf(Checks),
        "engines::timely::peers::tests::each_worker_owns_its_share",
    ),
    noticed(
        "lack-what-was-committed",
        "property",
        "lets a leader lack what was committed, wherever it is asked",
        &[edit(
            COMMITS,
            "leader_completeness",
            "view.servers().try_for_each(|server| leader_is_complete(server, view.committed()))",
            "let _ = view; Ok(())",
        )],
        UnitOf(Models),
        "properties::tests::each_invariant_falls_where_it_is_violated",
    ),
    noticed(
        "read-another-history",
        "engine",
        "reads the first history there was",
        &[edit(
            PORTABLE,
            "Cluster::read_state",
            "*history = named(&names.histories, bytes)?;",
            "named(&names.histories, bytes)?; *history = names.histories[0];",
        )],
        FileOf(Models, "portable"),
        "every_state_is_read_as_it_was_written_here_and_elsewhere",
    ),
    noticed(
        "list-no-mutant",
        "judge",
        "lists nothing, and says that all is well",
        &[edit(
            SUITE,
            "list",
            "let Chosen { rows, touched, left } = chosen(choice, shown)?;",
            "if true { return Ok(0); } let Chosen { rows, touched, left } = chosen(choice, shown)?;",
        )],
        UnitOf(Checks),
        "evidence::mutants::suite::tests::those_that_would_be_tried_are_listed",
    ),
    noticed(
        "wait-for-ever",
        "judge",
        "never ends a program that takes too long",
        &[edit(JUDGE, "run", "started.elapsed() > patience", "started.elapsed() == patience")],
        UnitOf(Checks),
        "evidence::mutants::judge::tests::what_never_ends_is_ended",
    ),
];
