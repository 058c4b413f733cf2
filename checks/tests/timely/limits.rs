//! Searches that end early, go on later, and use the disk.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::check::{check, command, finish, verdict};

const TIMELY: [&str; 5] = ["election", "--engine", "timely", "--workers", "2"];

fn search(more: &[&str]) -> serde_json::Value {
    verdict(&[&TIMELY, more].concat())
}

#[test]
fn a_frontier_on_disk_makes_no_difference_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let spilled = search(&["--frontier-memory", "0", "--spill-dir", path]);
    assert_eq!(spilled["unique_states"], 31_335);
    assert_eq!(spilled["depth"], 17);
    assert!(spilled["spilled_bytes"].as_u64().unwrap() > 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// No property may be said to hold.
fn assert_not_exhausted(status: Option<i32>, json: &str, reason: &str) {
    let outcome: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(status, Some(3), "{outcome}");
    assert_eq!(outcome["exhausted"], false);
    assert!(outcome["stopped"].as_str().unwrap().contains(reason), "{}", outcome["stopped"]);
    let mut verdicts = outcome["properties"].as_array().unwrap().iter().map(|p| &p["verdict"]);
    assert!(verdicts.all(|verdict| *verdict == "unknown" || *verdict == "found"), "{outcome}");
}

#[test]
fn limits_end_a_search_without_a_verdict() {
    for (more, reason) in [(["--max-memory", "1M"], "memory"), (["--max-depth", "5"], "depth")] {
        let frontier = ["--json", "--frontier-memory", "0"];
        let (status, json, _) = check(&[&["run"], &TIMELY[..], &more, &frontier].concat());
        assert_not_exhausted(status, &json, reason);
    }
}

#[test]
fn an_interrupted_search_says_how_far_it_came() {
    let args = ["run", "replication", "--engine", "timely", "--terms", "5", "--json"];
    let child = command(&args).spawn().unwrap();
    // Any moment will do: the space takes hours.
    thread::sleep(Duration::from_secs(2));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let (status, json, _) = finish(child);
    assert_not_exhausted(status, &json, "interrupted");
}

#[test]
fn a_search_resumed_at_a_level_counts_what_an_uninterrupted_one_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let path = path.to_str().unwrap();
    let whole = search(&[]);
    let first = search(&["--checkpoint", path, "--max-depth", "6"]);
    assert!(first["unique_states"].as_u64() < whole["unique_states"].as_u64());
    let second = search(&["--checkpoint", path, "--resume", "--max-depth", "9"]);
    assert_eq!(second["exhausted"], false);
    let third = search(&["--checkpoint", path, "--checkpoint-every", "0", "--resume"]);
    for field in ["unique_states", "generated_states", "depth", "exhausted", "properties"] {
        if field != "properties" {
            assert_eq!(third[field], whole[field], "{field}");
        }
    }
    assert_eq!(crate::verdicts(&third), crate::verdicts(&whole));
    assert!(fs::read_dir(path).unwrap().count() <= 2 * 2, "two levels for each worker");
}

#[test]
fn a_checkpoint_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let resume = ["--checkpoint", path, "--resume", "--json"];
    let run = |more: &[&str]| check(&[&["run"], &TIMELY[..], &resume, more].concat());
    let (status, json, _) = run(&[]);
    assert_not_exhausted(status, &json, "no checkpoint");
    search(&["--checkpoint", path, "--max-depth", "6"]);
    let (status, json, _) = run(&["--terms", "2"]);
    assert_not_exhausted(status, &json, "another search");
    for file in fs::read_dir(path).unwrap() {
        let file = file.unwrap().path();
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).unwrap();
    }
    let (status, json, _) = run(&[]);
    assert_not_exhausted(status, &json, "damaged");
}
