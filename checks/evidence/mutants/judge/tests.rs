//! What counts as a kill: what a program says and how it ends must fit each other, and the row.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::evidence::mutants::TestSuite;
use crate::evidence::mutants::places::{RANDOM_WORLDS, fails_test, recover, whole};

/// A program that prints this and ends so.
fn program(printed: &str, end: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program");
    fs::write(&path, format!("#!/bin/sh\ncat <<'END'\n{printed}\nEND\n{end}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    (folder, path)
}

const ROW: Mutant = Mutant {
    name: "bend-nothing",
    alias: None,
    rule: "",
    about: "",
    edits: &[],
    searches: &[whole("single")],
    blind: &[],
    expected: Expected::Falls { property: "P", steps: 2 },
};

const UNREACHED: Expected = Expected::Unreached { property: "Q" };
const SURVIVES: Expected = Expected::Survives { states: 7, reason: "it is safe" };

fn json(exhausted: bool, properties: &str, more: &str) -> String {
    format!(
        r#"{{"unique_states":7,"exhausted":{exhausted},"seconds":0.5,
        "properties":[{properties}]{more}}}"#
    )
}

const HOLDS: &str = r#"{"name":"P","verdict":"holds","trace":null}"#;
const UNKNOWN: &str = r#"{"name":"P","verdict":"unknown","trace":null}"#;
const FALLS: &str = r#"{"name":"P","verdict":"violated","trace":[1,2]}"#;
const MISSING: &str = r#"{"name":"Q","verdict":"not_found","trace":null}"#;
const CHANGED: &str = r#","changed":["states"]"#;
const STOPPED: &str = r#","stopped":"interrupted""#;

/// The judge's words: what fell and what surprises, or why there is nothing to judge.
fn judged(expected: Expected, printed: &str, end: &str) -> Result<(String, Vec<String>), String> {
    let (_folder, path) = program(printed, end);
    let showing = judge(&Mutant { expected, ..ROW }, &path)?;
    Ok((showing.fell, showing.surprises))
}

#[test]
fn a_verdict_counts_only_with_the_exit_status_that_fits_it() {
    let verdicts = [
        (ROW.expected, json(false, FALLS, ""), 1),
        (UNREACHED, json(true, MISSING, ""), 1),
        (SURVIVES, json(true, HOLDS, ""), 0),
        // A count that changed is a failure of the run, if none of a property.
        (SURVIVES, json(true, HOLDS, CHANGED), 1),
        (ROW.expected, json(false, UNKNOWN, STOPPED), 3),
    ];
    for (expected, printed, fitting) in verdicts {
        for end in ["exit 0", "exit 1", "exit 2", "exit 3", "exit 101", "kill -ABRT $$"] {
            let outcome = judged(expected, &printed, end);
            if end == format!("exit {fitting}") {
                assert!(outcome.is_ok(), "{printed}, {end}: {outcome:?}");
            } else {
                let problem = outcome.expect_err(end);
                assert!(problem.contains("not that of its verdict"), "{problem}");
            }
        }
    }
    let problem = judged(ROW.expected, "thread panicked", "exit 101").unwrap_err();
    assert!(problem.contains("gave no verdict") && problem.contains("101"), "{problem}");
}

#[test]
fn a_sample_that_nothing_stopped_is_complete() {
    for (search, stopped, end) in [
        (recover("single", [1, 1, 0, 0]), "", "exit 0"),
        (recover("single", [1, 1, 0, 0]), STOPPED, "exit 3"),
        (RANDOM_WORLDS, "", "exit 0"),
    ] {
        let (_folder, path) = program(&json(false, UNKNOWN, stopped), end);
        assert!(explore(&search, None, &path).is_ok(), "{search:?} {stopped} {end}");
    }
    let (_folder, path) = program(&json(false, UNKNOWN, ""), "exit 0");
    assert!(explore(&whole("single"), None, &path).is_err(), "nothing is proved");
}

#[test]
fn what_differs_from_the_row_is_a_surprise() {
    let surprises = |expected, printed: &str, status: u8| {
        judged(expected, printed, &format!("exit {status}")).unwrap().1.join("; ")
    };
    assert_eq!(surprises(ROW.expected, &json(false, FALLS, ""), 1), "");
    let holds = json(true, HOLDS, "");
    assert!(surprises(ROW.expected, &holds, 0).contains("survived: P holds"));
    let longer = Expected::Falls { property: "P", steps: 3 };
    assert!(surprises(longer, &json(false, FALLS, ""), 1).contains("fell after 2 steps, not 3"));
    assert_eq!(surprises(UNREACHED, &json(true, MISSING, ""), 1), "");
    assert!(surprises(UNREACHED, &holds, 0).contains("survived: Q was found"));
    assert_eq!(surprises(SURVIVES, &holds, 0), "");
    let other = Expected::Survives { states: 8, reason: "it is safe" };
    assert!(surprises(other, &holds, 0).contains("has 7 states, not 8"));
    assert!(surprises(SURVIVES, &json(false, FALLS, ""), 1).contains("P: VIOLATED"));
    let unfinished = json(false, UNKNOWN, STOPPED);
    assert!(surprises(SURVIVES, &unfinished, 3).contains("was not exhausted"));
}

#[test]
fn a_test_is_failed_by_its_failure_and_not_by_a_crash() {
    let expected = fails_test(TestSuite::Unit, "a::b");
    let ran = |outcome: &str| format!("\nrunning 1 test\ntest a::b ... {outcome}");
    let failed = ran("FAILED\n\ntest result: FAILED. 0 passed; 1 failed; 0 ignored");
    let passed = ran("ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored");
    assert_eq!(judged(expected, &failed, "exit 101"), Ok(("the test".to_owned(), Vec::new())));
    let (fell, surprises) = judged(expected, &passed, "exit 0").unwrap();
    assert!(fell == "nothing" && surprises[0].contains("survived"), "{surprises:?}");
    for (printed, end) in [
        (&ran(""), "kill -ABRT $$"),
        (&ran(""), "exit 101"),
        (&failed, "exit 1"),
        (&failed, "kill -SEGV $$"),
    ] {
        let problem = judged(expected, printed, end).unwrap_err();
        assert!(problem.contains("neither passed nor failed"), "{end}: {problem}");
    }
    let none = "\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed";
    assert!(judged(expected, none, "exit 0").unwrap_err().contains("no test"));
}

#[test]
fn what_never_ends_is_ended() {
    let (_folder, path) = program("", "exec sleep 20");
    let error = run(&path, &[], Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}
