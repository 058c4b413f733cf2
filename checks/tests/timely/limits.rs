//! Searches that end early, go on later, and use the disk.

use std::fs;
use std::path::{Path, PathBuf};
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
    let args = ["proposals", "--engine", "timely", "--frontier-memory", "0", "--spill-dir", path];
    let spilled = verdict(&args);
    assert_eq!(spilled["changed"].as_array().unwrap().len(), 0, "{spilled}");
    assert_eq!(spilled["exhausted"], true);
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

/// Nothing was searched, and one line says why and what to do.
fn assert_refused(run: (Option<i32>, String, String), said: [&str; 2]) {
    let (status, json, stderr) = run;
    assert_eq!((status, json.as_str()), (Some(3), ""), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("check: election: "), "{stderr}");
    assert!(said.iter().all(|part| stderr.contains(part)), "{stderr}");
}

/// The files of a folder, in order, and what is in them.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn a_folder_of_another_search_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let options = ["--checkpoint", path, "--checkpoint-every", "0", "--json"];
    let run = |more: &[&str]| check(&[&["run"], &TIMELY[..], &options, more].concat());
    assert_refused(run(&["--resume"]), ["no checkpoint", "search without --resume"]);
    run(&["--max-depth", "6"]);
    let before = files(folder.path());
    assert_eq!(before.len(), 2 * 2);
    let another = ["another search", "name another folder"];
    for deeper in [&["--terms", "2"][..], &["--terms", "2", "--max-depth", "3"]] {
        assert_refused(run(deeper), another);
        assert_refused(run(&[deeper, &["--resume"]].concat()), another);
    }
    assert_refused(run(&[]), ["this very search", "--resume"]);
    assert!(files(folder.path()) == before, "nothing was written or deleted");
    assert_eq!(run(&["--resume"]).0, Some(0));
}

#[test]
fn a_damaged_checkpoint_is_named_at_once_whose_ever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let options = ["--checkpoint", path, "--checkpoint-every", "0"];
    search(&[&options[..], &["--max-depth", "9"]].concat());
    for (file, whole) in files(folder.path()) {
        let name = file.to_str().unwrap();
        if !name.ends_with("-level-9") {
            continue;
        }
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        for damaged in [&changed[..], &[], &whole[..1], &whole[..whole.len() - 1]] {
            fs::write(&file, damaged).unwrap();
            let resume = [&["run"], &TIMELY[..], &options, &["--resume"]].concat();
            assert_refused(check(&resume), [name, "is damaged: delete it"]);
        }
        fs::write(&file, whole).unwrap();
    }
}
