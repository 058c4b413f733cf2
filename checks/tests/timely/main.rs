//! The timely engine, as the command line runs it.

mod check;
mod limits;
mod maximal;
mod processes;

use check::{check, verdict};

/// Counts and verdicts of both engines.
fn compare(args: &[&str]) {
    let other = verdict(&[args, &["--engine", "stateright"]].concat());
    for workers in ["1", "2", "3"] {
        let timely = verdict(&[args, &["--engine", "timely", "--workers", workers]].concat());
        // An audit keeps letters outside the fingerprint, so how often equal states are met
        // depends on which of two twins came first.
        let generated = if args.contains(&"--audit") { None } else { Some("generated_states") };
        for field in ["unique_states", "depth", "exhausted", "changed"].into_iter().chain(generated)
        {
            assert_eq!(timely[field], other[field], "{field} of {args:?} with {workers} workers");
        }
        assert_eq!(verdicts(&timely), verdicts(&other), "{args:?} with {workers} workers");
    }
}

fn verdicts(outcome: &serde_json::Value) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let properties = outcome["properties"].as_array().unwrap();
    properties.iter().map(|p| (text(&p["name"]), text(&p["verdict"]))).collect()
}

/// Every scope that both engines exhaust in seconds; the others below.
#[test]
fn both_engines_count_the_same() {
    for scope in ["election", "torn", "torn-log", "single", "pair", "even", "plain-log"] {
        compare(&[scope]);
    }
}

#[test]
fn both_engines_count_the_same_without_reductions_and_with_an_audit() {
    compare(&["election", "--terms", "2", "--restarts", "0", "--no-symmetry"]);
    compare(&["election", "--terms", "1", "--keep-dead-letters"]);
    compare(&["pair", "--terms", "2", "--audit"]);
    compare(&["replication", "--terms", "1", "--batch", "1"]);
}

/// The pinned counts are those of stateright's engine.
#[test]
#[ignore = "long: .ci/long.sh runs it"]
fn large_scopes_count_what_is_pinned() {
    let maximal = ["replication", "--saturation", "on", "--antichain", "on"];
    let named: [&[&str]; 5] = [&["replication"], &["plain"], &["five"], &["actor-model"], &maximal];
    for scope in named {
        let args = [&["run"], scope, &["--engine", "timely", "--json"]].concat();
        let (status, json, stderr) = check(&args);
        assert_eq!(status, Some(0), "{scope:?}: {stderr}");
        let outcome: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(outcome["exhausted"], true, "{scope:?}");
        assert_eq!(outcome["changed"].as_array().unwrap().len(), 0, "{scope:?}: {outcome}");
    }
}

#[test]
fn wide_fingerprints_count_the_same() {
    let args = ["election", "--engine", "timely", "--workers", "2"];
    let narrow = verdict(&args);
    let wide = verdict(&[&args[..], &["--fingerprint-bits", "128"]].concat());
    assert_eq!(wide["unique_states"], narrow["unique_states"]);
    assert_eq!(wide["fingerprint_bits"], 128);
    let chance = |outcome: &serde_json::Value| outcome["collision_probability"].as_f64().unwrap();
    assert!(chance(&wide) > 0.0 && chance(&wide) * 1e18 < chance(&narrow));
}

#[test]
fn options_of_one_engine_are_refused_by_the_other() {
    let (status, _, stderr) = check(&["run", "single", "--max-memory", "1G"]);
    assert_eq!(status, Some(2), "{stderr}");
    assert!(stderr.contains("--engine timely"), "{stderr}");
}
