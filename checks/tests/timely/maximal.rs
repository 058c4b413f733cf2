//! Searches of maximal states: what they count does not depend on who finds what, and when.

use std::process::Child;

use crate::check::{finish, verdict};
use crate::processes::{hosts, start};

const MAXIMAL: [&str; 4] = ["--saturation", "on", "--antichain", "on"];

#[test]
fn visible_states_are_those_of_the_full_search_whoever_searches() {
    for scope in ["election", "torn-log", "pair", "even", "entries"] {
        let full = verdict(&[scope, "--engine", "timely"]);
        assert!(full["visible_states"].as_u64() < full["unique_states"].as_u64());
        let engines: [&[&str]; 6] = [
            &["--engine", "stateright"],
            &["--engine", "stateright", "--workers", "2"],
            &["--engine", "timely"],
            &["--engine", "timely", "--workers", "3"],
            &["--engine", "timely", "--fingerprint-bits", "128"],
            &[],
        ];
        for engine in engines {
            let maximal = verdict(&[&[scope], &MAXIMAL[..], engine].concat());
            assert_eq!(maximal["unique_states"], full["visible_states"], "{scope} {engine:?}");
            assert_eq!(maximal["exhausted"], true, "{scope} {engine:?}");
            assert_eq!(maximal["changed"].as_array().unwrap().len(), 0, "{scope} {engine:?}");
            assert_eq!(crate::verdicts(&maximal), crate::verdicts(&full), "{scope} {engine:?}");
            let [looked_at, all] =
                [&maximal, &full].map(|v| v["expanded_states"].as_u64().unwrap());
            assert!(looked_at < all, "{scope} {engine:?}");
        }
    }
}

#[test]
fn processes_find_the_same_visible_states() {
    let alone = verdict(&["pair"]);
    let (_folder, hosts) = hosts(2);
    let args = ["pair", "--saturation", "on", "--antichain", "on", "--workers", "2"];
    let children: Vec<Child> = (0..2).map(|process| start(&hosts, process, &args)).collect();
    let ended: Vec<_> = children.into_iter().map(finish).collect();
    assert!(ended.iter().all(|(status, ..)| *status == Some(0)), "{ended:?}");
    let outcome: serde_json::Value = serde_json::from_str(&ended[0].1).unwrap();
    assert_eq!(outcome["unique_states"], alone["visible_states"]);
    assert_eq!(crate::verdicts(&outcome), crate::verdicts(&alone));
}

#[test]
fn a_search_goes_on_from_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let path = path.to_str().unwrap();
    let search = |more: &[&str]| {
        let timely = ["election", "--engine", "timely", "--workers", "2", "--checkpoint", path];
        verdict(&[&timely, &MAXIMAL[..], more].concat())
    };
    let first = search(&["--max-depth", "7"]);
    assert_eq!(first["exhausted"], false);
    let second = search(&["--resume"]);
    assert_eq!(second["exhausted"], true);
    let full = verdict(&["election"]);
    assert_eq!(second["unique_states"], full["visible_states"]);
    assert!(first["expanded_states"].as_u64() < second["expanded_states"].as_u64());
}
