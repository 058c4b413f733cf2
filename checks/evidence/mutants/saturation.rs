//! Saturation, the antichain, and the paths that come of them.

use super::Evidence::{Checks, Models};
use super::Mutant;
use super::TestSuite::{FileOf, UnitOf};
use super::places::{edit, noticed};

const ANTICHAIN: &str = "checks/engines/antichain.rs";
const COVERS: &str = "models/covers.rs";
const SATURATION: &str = "models/saturation.rs";
const SUCCESSORS: &str = "models/successors.rs";
const UNFOLD: &str = "models/unfold.rs";

const ELECTIONS: &str = "elections";
const REPLICATION: &str = "replication";
const UNFOLDED: &str = "paths_unfold_into_real_steps";

pub const MUTANTS: &[Mutant] = &[
    noticed(
        "restart-silently",
        "reduction",
        "takes a restart that changes no node for a silent step",
        &[edit(
            SUCCESSORS,
            "Cluster::successors",
            "let effect = self.effect(Some(met), node, Stimulus::Restart);",
            "let effect = self.effect(Some(met), node, Stimulus::Restart);
             if self.environment.saturation && effect.node == node { continue; }",
        )],
        FileOf(Models, "silent"),
        ELECTIONS,
    ),
    noticed(
        "sleep-through-a-step",
        "reduction",
        "lets the first of several steps of a server wait for the others",
        &[edit(
            SUCCESSORS,
            "Cluster::successors",
            "in steps {",
            "in steps.iter().skip(usize::from(self.environment.saturation && steps.len() > 1)) {",
        )],
        FileOf(Models, "silent"),
        ELECTIONS,
    ),
    noticed(
        "answer-once",
        "reduction",
        "takes the silent steps of one server alone",
        &[edit(SATURATION, "Cluster::saturate", "while let Some(id)", "if let Some(id)")],
        UnitOf(Models),
        "saturation::tests::nothing_silent_is_left",
    ),
    noticed(
        "take-any-step-for-silent",
        "reduction",
        "lets no step change its node",
        &[edit(
            SATURATION,
            "Cluster::react_to",
            "effect.node != node || !self.environment.saturation",
            "(effect.node != node && !effect.sent().is_empty()) || !self.environment.saturation",
        )],
        FileOf(Models, "silent"),
        REPLICATION,
    ),
    noticed(
        "contain-by-number",
        "reduction",
        "takes a set for a part of any that is larger",
        &[edit(
            COVERS,
            "LetterSet::contains",
            "part.meanings.iter().all(",
            "true || part.meanings.iter().all(",
        )],
        UnitOf(Models),
        "covers::tests::a_set_contains_its_parts_and_no_more",
    ),
    noticed(
        "keep-what-is-covered",
        "reduction",
        "looks at states that others cover",
        &[edit(ANTICHAIN, "Antichain::insert", "return None;", "break;")],
        UnitOf(Checks),
        "engines::antichain::tests::what_is_left_are_the_maximal_states_of_each_kin",
    ),
    noticed(
        "stand-for-less-deep",
        "reduction",
        "lets a state stand for one that lies less deep, where paths are to be shortest",
        &[edit(ANTICHAIN, "Antichain::begin_level", "self.names.len() as u32", "0")],
        UnitOf(Checks),
        "engines::antichain::tests::a_state_waits_for_its_turn_whatever_covers_it_deeper",
    ),
    noticed(
        "unfold-nothing",
        "trace",
        "leaves out the silent steps that a path needs",
        &[edit(UNFOLD, "Unfolding::needed", "is_needed[trigger] = true;", "let _ = trigger;")],
        FileOf(Models, "silent"),
        UNFOLDED,
    ),
];
