//! Several processes on one machine.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::check::{command, finish, verdict};

/// A list of hosts on free ports.
pub fn hosts(processes: usize) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let listen = |_| TcpListener::bind("127.0.0.1:0").unwrap();
    let listeners: Vec<TcpListener> = (0..processes).map(listen).collect();
    let line = |listener: &TcpListener| format!("{}\n", listener.local_addr().unwrap());
    let path = folder.path().join("hosts");
    fs::write(&path, listeners.iter().map(line).collect::<String>()).unwrap();
    (folder, path)
}

pub fn start(hosts: &Path, process: usize, args: &[&str]) -> Child {
    let (hosts, process) = (hosts.to_str().unwrap(), process.to_string());
    let common = ["--engine", "timely", "--json", "--hosts", hosts, "--process", &process];
    command(&[&["run"], args, &common].concat()).spawn().unwrap()
}

#[test]
fn processes_find_what_one_finds() {
    for (scope, workers, processes) in
        [("election", "1", 2), ("torn-log", "2", 2), ("pair", "1", 3)]
    {
        let alone = verdict(&[scope, "--engine", "timely"]);
        let (_folder, hosts) = hosts(processes);
        let args = [scope, "--workers", workers];
        let children: Vec<Child> =
            (0..processes).map(|process| start(&hosts, process, &args)).collect();
        for (process, child) in children.into_iter().enumerate() {
            let (status, json, stderr) = finish(child);
            assert_eq!(status, Some(0), "process {process}: {stderr}");
            if process > 0 {
                assert_eq!(json, "", "process 0 speaks for all");
                continue;
            }
            let outcome: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(outcome["processes"], processes);
            for field in ["unique_states", "generated_states", "depth", "exhausted"] {
                assert_eq!(outcome[field], alone[field], "{field} of {scope}");
            }
            assert_eq!(crate::verdicts(&outcome), crate::verdicts(&alone));
        }
    }
}

#[test]
fn a_lost_process_ends_the_search_without_a_verdict() {
    let (_folder, hosts) = hosts(2);
    // The space takes hours.
    let args = ["replication", "--terms", "5"];
    let first = start(&hosts, 0, &args);
    let mut second = start(&hosts, 1, &args);
    // Whether they have met by then or not, the first must not come to a conclusion.
    thread::sleep(Duration::from_secs(3));
    second.kill().unwrap();
    second.wait().unwrap();
    let (status, json, stderr) = finish(first);
    assert_eq!(status, Some(3), "{stderr}");
    assert_eq!(json, "");
    assert!(stderr.contains("lost process 1"), "{stderr}");
    assert!(stderr.contains("without a verdict"), "{stderr}");
}

#[test]
fn processes_that_search_different_scopes_do_not_begin() {
    let (_folder, hosts) = hosts(2);
    let first = start(&hosts, 0, &["election"]);
    let second = start(&hosts, 1, &["election", "--terms", "2"]);
    for child in [first, second] {
        let (status, json, stderr) = finish(child);
        assert_eq!(status, Some(3), "{stderr}");
        assert_eq!(json, "");
        assert!(stderr.contains("makes another search"), "{stderr}");
    }
}

/// Processes that share a folder, and one that has a folder of its own.
#[test]
fn a_checkpoint_that_does_not_fit_ends_all_processes_at_once() {
    let (_folder, hosts) = hosts(2);
    let [shared, foreign] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let path = |folder: &TempDir| folder.path().to_str().unwrap().to_owned();
    let run = |folders: [&TempDir; 2], more: &[&str]| {
        let start = |process: usize| {
            let folder = path(folders[process]);
            let checkpoint = ["election", "--checkpoint", &folder, "--checkpoint-every", "0"];
            start(&hosts, process, &[&checkpoint[..], more].concat())
        };
        [0, 1].map(start).map(finish)
    };
    run([&shared; 2], &["--max-depth", "9"]);
    run([&foreign; 2], &["--max-depth", "9", "--terms", "2"]);
    for worker in [0, 1] {
        let suffix = format!("-worker-{worker}-level-9");
        let mut files = fs::read_dir(&shared).unwrap().map(|file| file.unwrap().path());
        let file = files.find(|file| file.to_str().unwrap().ends_with(&suffix)).unwrap();
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        for (status, json, stderr) in run([&shared; 2], &["--resume"]) {
            assert_eq!((status, json.as_str()), (Some(3), ""), "{stderr}");
            assert!(stderr.contains(&format!("{} is damaged", file.display())), "{stderr}");
        }
        fs::write(&file, whole).unwrap();
    }
    for (status, _, stderr) in run([&shared, &foreign], &["--resume"]) {
        assert_eq!(status, Some(3), "{stderr}");
        assert!(stderr.contains(&format!("{} holds checkpoints of another", path(&foreign))));
    }
    let [(status, json, stderr), _] = run([&shared; 2], &["--resume"]);
    assert_eq!(status, Some(0), "{stderr}");
    let resumed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(resumed["unique_states"], verdict(&["election"])["unique_states"]);
}
