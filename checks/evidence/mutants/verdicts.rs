//! What becomes of a search: verdicts, pins, the judge of mutants, and what engines keep and tell.

use super::Evidence::Checks;
use super::Mutant;
use super::TestSuite::{FileOf, UnitOf};
use super::places::{edit, noticed};

const CHECKPOINT: &str = "checks/engines/timely/checkpoint/mod.rs";
const CHECKPOINT_FILE: &str = "checks/engines/timely/checkpoint/file.rs";
const JUDGE: &str = "checks/evidence/mutants/judge.rs";
const PINS: &str = "checks/scopes/pins.rs";
const SCOPES: &str = "checks/scopes/mod.rs";
const STATERIGHT: &str = "checks/engines/stateright/mod.rs";
const SUMMARY: &str = "checks/telling/summary.rs";
const VERDICT: &str = "checks/evidence/verdict.rs";

const CHANGED: &str = "a_changed_pin_is_told_with_both_numbers_and_is_no_failure_of_a_property";
const CRASHED: &str =
    "evidence::mutants::judge::tests::a_test_is_failed_by_its_failure_and_not_by_a_crash";
const FITS: &str =
    "evidence::mutants::judge::tests::a_verdict_counts_only_with_the_exit_status_that_fits_it";
const OWNED: &str = "engines::timely::checkpoint::tests::a_folder_belongs_to_one_search";
const PINNED: &str = "small_scopes_count_what_is_pinned";
const UNREACHED: &str = "what_should_be_reachable_and_is_not_fails_the_run";

pub const MUTANTS: &[Mutant] = &[
    noticed(
        "pass-the-unreached",
        "verdict",
        "takes for found what is not",
        &[edit(
            VERDICT,
            "Verdict::new",
            "(false, true, true) => Word::NotFound",
            "(false, true, true) => Word::Found",
        )],
        FileOf(Checks, "pins"),
        UNREACHED,
    ),
    noticed(
        "pardon-the-unreached",
        "verdict",
        "lets a run pass that did not find what it should",
        &[edit(
            VERDICT,
            "Verdict::is_violated",
            "matches!(word, Word::Violated | Word::NotFound)",
            "matches!(word, Word::Violated)",
        )],
        FileOf(Checks, "pins"),
        UNREACHED,
    ),
    noticed(
        "praise-the-unseen",
        "verdict",
        "says \"holds\" of a space that was not exhausted",
        &[edit(
            VERDICT,
            "Verdict::new",
            "(false, _, false) => Word::Unknown,",
            "(false, true, false) => Word::Unknown, (false, false, false) => Word::Holds,",
        )],
        FileOf(Checks, "pins"),
        UNREACHED,
    ),
    noticed(
        "pardon-a-violation",
        "verdict",
        "takes a violation for something found",
        &[edit(
            VERDICT,
            "Verdict::new",
            "(true, false, _) => Word::Violated",
            "(true, false, _) => Word::Found",
        )],
        FileOf(Checks, "pins"),
        "a_violation_fails_the_run_whatever_else_is_unknown",
    ),
    noticed(
        "compare-no-states",
        "pin",
        "does not compare the number of states",
        &[edit(
            VERDICT,
            "Verdict::compare",
            "Some(self.unique_states), Some(pinned.unique_states)",
            "Some(pinned.unique_states), Some(pinned.unique_states)",
        )],
        FileOf(Checks, "pins"),
        CHANGED,
    ),
    noticed(
        "compare-no-depth",
        "pin",
        "does not compare depths",
        &[edit(
            VERDICT,
            "Verdict::compare",
            "(\"depth\", self.depth, pinned.depth)",
            "(\"depth\", self.depth, self.depth)",
        )],
        FileOf(Checks, "pins"),
        CHANGED,
    ),
    noticed(
        "pardon-a-changed-pin",
        "pin",
        "lets a run pass whose counts changed",
        &[edit(
            VERDICT,
            "Verdict::is_failure",
            "!self.changed.is_empty() || self.is_violated()",
            "self.is_violated()",
        )],
        FileOf(Checks, "pins"),
        CHANGED,
    ),
    noticed(
        "pin-other-states",
        "pin",
        "pins another number of states",
        &[edit(PINS, "PINS", "(\"single\", 50, 50, 8)", "(\"single\", 51, 50, 8)")],
        FileOf(Checks, "pins"),
        PINNED,
    ),
    noticed(
        "pin-another-depth",
        "pin",
        "pins another depth",
        &[edit(PINS, "PINS", "(\"single\", 50, 50, 8)", "(\"single\", 50, 50, 9)")],
        FileOf(Checks, "pins"),
        PINNED,
    ),
    noticed(
        "pin-nothing",
        "pin",
        "finds no pin of any scope",
        &[edit(SCOPES, "pinned", "while place < PINS.len()", "while place > PINS.len()")],
        FileOf(Checks, "pins"),
        PINNED,
    ),
    noticed(
        "end-with-the-last-scope",
        "verdict",
        "ends well where the last scope did",
        &[edit(SUMMARY, "exit_status", "statuses.contains(&1)", "statuses.last() == Some(&1)")],
        FileOf(Checks, "pins"),
        "a_run_ends_with_its_gravest_failure",
    ),
    noticed(
        "pass-what-was-not-begun",
        "verdict",
        "ends well where a scope was not searched",
        &[edit(SUMMARY, "exit_status", "|| statuses.len() < asked", "")],
        FileOf(Checks, "pins"),
        "a_run_ends_with_its_gravest_failure",
    ),
    noticed(
        "believe-any-exit-status",
        "judge",
        "believes a verdict however its program ended",
        &[edit(
            JUDGE,
            "explore",
            "status.code() == Some(seen.exit_status(search.command))",
            "status.code() == Some(seen.exit_status(search.command)) || true",
        )],
        UnitOf(Checks),
        FITS,
    ),
    noticed(
        "expect-no-changed-count",
        "judge",
        "takes a changed count for a crash",
        &[edit(JUDGE, "Seen::exit_status", "|| !self.changed.is_empty()", "")],
        UnitOf(Checks),
        FITS,
    ),
    noticed(
        "take-crashes-for-kills",
        "judge",
        "takes a test that crashed for one that failed",
        &[edit(
            JUDGE,
            "try_test",
            "Some(TEST_FAILED) if failed => (\"the test\", Vec::new()),",
            "Some(TEST_FAILED) if failed => (\"the test\", Vec::new()), None => (\"the test\", Vec::new()),",
        )],
        UnitOf(Checks),
        CRASHED,
    ),
    noticed(
        "take-panics-for-failures",
        "judge",
        "takes a program that panicked for a test that failed",
        &[edit(
            JUDGE,
            "try_test",
            "Some(TEST_FAILED) if failed",
            "Some(TEST_FAILED) if failed || true",
        )],
        UnitOf(Checks),
        CRASHED,
    ),
    noticed(
        "count-depths-unordered",
        "engine",
        "tells a depth where levels were not waited for",
        &[edit(
            STATERIGHT,
            "search",
            "(workers == 1).then_some(max_depth as u64)",
            "Some(max_depth as u64)",
        )],
        UnitOf(Checks),
        "engines::stateright::tests::several_workers_tell_no_depth",
    ),
    noticed(
        "delete-what-others-saved",
        "engine",
        "takes the checkpoints of any search for its own",
        &[edit(
            CHECKPOINT,
            "Checkpoints::own",
            "format!(\"search-{:016x}-\", self.digest)",
            "format!(\"search-{:016x}-\", self.digest * 0)",
        )],
        UnitOf(Checks),
        OWNED,
    ),
    noticed(
        "forget-no-later-checkpoint",
        "engine",
        "keeps checkpoints behind the level at which all go on",
        &[edit(CHECKPOINT, "Checkpoints::forget_behind", "*level > depth", "*level > depth + 1")],
        UnitOf(Checks),
        "engines::timely::checkpoint::tests::a_worker_that_was_ahead_keeps_the_level_at_which_all_go_on",
    ),
    noticed(
        "load-without-checksum",
        "engine",
        "loads a checkpoint whatever its checksum",
        &[edit(
            CHECKPOINT_FILE,
            "Checkpoints::read",
            "u32::from_le_bytes(file.array()?) != sum",
            "u32::from_le_bytes(file.array()?) == !sum",
        )],
        UnitOf(Checks),
        "engines::timely::checkpoint::tests::wherever_a_file_is_cut_or_changed_it_is_named",
    ),
];
