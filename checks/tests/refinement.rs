//! `check prove --refinement`, and what the judge says where it looks.

use std::process::{Command, Output};

use serde_json::Value;

fn check(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_check")).args(arguments).output().unwrap()
}

#[test]
fn how_often_each_action_occurred_is_told() {
    let output = check(&["prove", "--refinement", "single", "pair", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let tally: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(tally["scopes"], serde_json::json!(["single", "pair"]));
    let actions = tally["actions"].as_array().unwrap();
    let of = |name: &str, what: &str| {
        let found = actions.iter().find(|action| action["action"] == name).unwrap();
        found[what].as_u64().unwrap()
    };
    // A server alone grants no votes, and nobody answers it.
    for (name, scopes) in [("stand", 2), ("win", 2), ("apply", 2), ("grant", 1), ("write", 1)] {
        assert_eq!(of(name, "scopes"), scopes, "{name}");
        assert!(of(name, "effects") > 0 && of(name, "steps") > 0, "{name}");
        assert!(of(name, "effects") < tally["effects"].as_u64().unwrap(), "{name}");
    }
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("effects in 2 scopes"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

/// Of scopes that are named, not every action need occur.
#[test]
fn an_action_that_does_not_occur_is_named() {
    let output = check(&["prove", "--refinement", "single"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\ngrant did not occur in any scope\n"), "{text}");
}
