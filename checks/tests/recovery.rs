//! Recovery: what is tried, and that the check can fail.

#[path = "../../models/tests/enveloped/mod.rs"]
mod enveloped;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use enveloped::Enveloped;
use stateright::{Checker, Model};
use veraft::figure2::{Server, ServerId};
use veraft_checks::evidence::recovery::failure::Unrecovered;
use veraft_checks::evidence::recovery::game::Game;
use veraft_checks::evidence::recovery::{self, RECOVERY, ROUNDS, Recovering, Settings, Tried};
use veraft_checks::evidence::saved::Saved;
use veraft_checks::evidence::verdict::{Verdict, Word};
use veraft_checks::scopes::script::Script;
use veraft_checks::scopes::story::Setting;
use veraft_checks::scopes::{self, Scope};
use veraft_checks::telling;
use veraft_checks::telling::regression;
use veraft_checks::terminal::progress::Progress;
use veraft_models::{Bounds, Cluster, Environment, Modelled, Move};

const ALL: Settings = Settings { rounds: ROUNDS, one_in: 1, seed: 0 };

fn check(scope: Scope, settings: Settings) -> (Verdict, Tried) {
    let interrupted = Arc::new(AtomicBool::new(false));
    let verdict = recovery::check(&scope, settings, &mut Progress::silent(), &interrupted);
    let tried = verdict.recovery.clone().expect("recovery was tried");
    (verdict, tried)
}

fn scope(name: &str, [servers, terms, entries, restarts]: [u32; 4]) -> Scope {
    let named = scopes::find(name).expect("it exists");
    let (terms, entries) = (terms.into(), entries.into());
    let compactions = named.bounds.compactions;
    let bounds = Bounds { servers: servers as usize, terms, entries, restarts, compactions };
    Scope { bounds, pinned: None, ..named }
}

fn binary(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_check")).args(arguments).output().unwrap()
}

/// Starts, positions and most rounds are pinned: a search that looks at less shows here. Positions
/// are those of the first renaming of each start that a search meets, so a few come or go when
/// fingerprints change.
#[test]
fn clusters_recover_from_every_state() {
    let pinned = [
        ("single", [1, 3, 2, 2], [29, 40, 2]),
        ("pair", [2, 3, 2, 1], [1_344, 3_198, 4]),
        ("election", [3, 1, 0, 1], [37, 94, 2]),
        ("replication", [3, 2, 1, 0], [994, 951, 2]),
        ("replication", [3, 1, 1, 1], [219, 309, 2]),
        ("torn", [3, 1, 1, 1], [243, 435, 2]),
        ("even", [4, 1, 1, 0], [202, 125, 2]),
        ("snap-log", [3, 1, 1, 1], [522, 621, 2]),
        ("snap-log", [3, 2, 1, 0], [2_467, 2_021, 2]),
        ("snap-alone", [1, 3, 3, 2], [146, 164, 2]),
    ];
    let counted = pinned.map(|(name, bounds, _)| {
        let (verdict, tried) = check(scope(name, bounds), ALL);
        assert_eq!(verdict.properties[0].verdict, Word::Holds, "{name} {bounds:?}");
        assert_eq!(verdict.exit_status(), 0);
        assert_eq!(tried.played, tried.starts);
        (name, bounds, [tried.starts, tried.positions, tried.most_rounds.into()])
    });
    assert_eq!(counted, pinned);
}

/// Without orbits there are more starts, and each is as good as its renaming.
#[test]
fn renamed_servers_need_as_many_rounds() {
    let symmetric = scope("election", [3, 2, 0, 0]);
    let plain = scope("plain", [3, 1, 1, 0]);
    let (_, with) = check(scope("replication", [3, 1, 1, 0]), ALL);
    let (_, without) = check(plain, ALL);
    assert!(without.starts > 3 * with.starts, "{} and {}", without.starts, with.starts);
    assert_eq!(without.most_rounds, with.most_rounds);
    assert!(check(symmetric, ALL).1.most_rounds > 0);
}

#[test]
fn a_sample_says_nothing_of_the_rest() {
    let pair = scopes::find("pair").expect("it exists");
    let sample = |seed| check(pair, Settings { one_in: 20, seed, ..ALL });
    let (verdict, tried) = sample(1);
    assert_eq!(verdict.properties[0].verdict, Word::Unknown);
    assert!(!verdict.exhausted);
    assert_eq!(verdict.exit_status(), 0);
    assert_eq!(tried.starts, 1_344);
    assert!((20..200).contains(&tried.played), "{}", tried.played);
    let mut told = Vec::new();
    telling::recovery::summarise(&verdict, &tried, &mut told).unwrap();
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("sampled states (--sample 20 --seed 1)"), "{told}");
    assert!(!told.contains("every state (") && !told.contains("not exhausted"), "{told}");
    assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
    assert_eq!(sample(1).1, tried);
    assert_ne!(sample(2).1.played, tried.played);
}

/// Among five servers letters arrive in one order alone, and whoever reads the result is told.
#[test]
fn an_order_that_was_not_tried_is_not_passed_over() {
    for (name, bounds, every_order) in [("even", [4, 1, 0, 0], true), ("five", [5, 1, 0, 0], false)]
    {
        let (verdict, tried) = check(scope(name, bounds), ALL);
        assert_eq!((verdict.exit_status(), tried.every_order), (0, every_order), "{name}");
        let mut told = Vec::new();
        telling::recovery::summarise(&verdict, &tried, &mut told).unwrap();
        let told = String::from_utf8(told).unwrap();
        assert_eq!(told.contains("no other was tried"), !every_order, "{told}");
        assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
        let page = telling::report::page(&[verdict]).unwrap();
        assert_eq!(page.contains("no other was tried"), !every_order, "{name}");
    }
}

/// A server alone stands for election once its timer fires: after two rounds at the latest, and
/// not after one at the latest.
#[test]
fn too_few_rounds_are_too_few() {
    let single = scopes::find("single").expect("it exists");
    let settings = |rounds| Settings { rounds, ..ALL };
    assert_eq!(check(single, settings(2)).0.exit_status(), 0);
    let (verdict, tried) = check(single, settings(1));
    assert_eq!(verdict.exit_status(), 1);
    let why = "round 1 is over, and no leader is heard by everybody";
    assert_eq!(tried.lost.expect("it is lost").why, why);
}

#[test]
fn a_counterexample_is_told_saved_and_replayed() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recovery");
    let page = folder.join("report.html");
    std::fs::create_dir_all(&folder).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let output = binary(
        &[
            &["recover", "pair", "--rounds", "3", "--json"][..],
            &["--save", &path(&folder), "--report", &path(&page)],
        ]
        .concat(),
    );
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["engine"], &json["scope"]), (&"recovery".into(), &"pair".into()));
    assert_eq!(json["properties"][0]["name"], RECOVERY);
    assert_eq!(json["properties"][0]["verdict"], "violated");
    let told = String::from_utf8(output.stderr).unwrap();
    let end = "in the end\n  round 3 is over, and no leader is heard by everybody\n";
    assert!(told.contains("every message under way is lost"), "{told}");
    assert!(told.contains(end), "{told}");
    // The trace says how the state was reached, and everything since, step by step.
    let (saved, story) = Saved::read(&folder.join("pair-recovery.json")).unwrap();
    let trace = json["properties"][0]["trace"].as_array().unwrap();
    assert_eq!(saved.steps.len(), trace.len());
    let before = json["recovery"]["lost"]["steps"].as_u64().unwrap() as usize;
    assert_eq!(saved.steps[before], Move::LoseAll);
    assert!(story.violations().next().is_none());
    assert!(std::fs::read_to_string(&page).unwrap().contains(RECOVERY));
    // With a round more, the same start is none to be lost from.
    let replayed = binary(&["replay", &path(&folder.join("pair-recovery.json"))]);
    assert_eq!(replayed.status.code(), Some(0));
    let told = String::from_utf8(replayed.stdout).unwrap();
    assert!(told.ends_with("the cluster recovers within 4 rounds after faults stop\n"), "{told}");
    let test = regression::test(&saved);
    assert!(test.contains("regression::assert_recovers(script)"), "{test}");
    regression::assert_recovers(test.split('"').nth(1).unwrap());
}

/// Two pasts in one cluster: S0 is what the first script makes of it, S1 what the second does,
/// S2 has just started.
fn mixture(of_s0: &str, of_s1: &str) -> Unrecovered {
    let after = |cluster: Cluster, script: &str| {
        let moves = Script::parse(&format!("servers 3\n{script}")).unwrap().moves().unwrap();
        let cluster = cluster.after(&moves).unwrap();
        let state = cluster.init_states().remove(0);
        (cluster, state)
    };
    let setting = Setting {
        servers: 3,
        torn: false,
        max_append_bytes: usize::MAX,
        compactions: false,
        vouched: false,
        judge: None,
    };
    let (cluster, mut state) = after(setting.cluster(), "");
    let (cluster, first) = after(cluster, of_s0);
    let (cluster, second) = after(cluster, of_s1);
    state.visible.nodes[0] = first.visible.nodes[0];
    state.visible.nodes[1] = second.visible.nodes[1];
    Game::default().play(&cluster, &state, ROUNDS).expect_err("it is lost").failure
}

/// As if a server had stored what its leader never sent: terms and lengths of all logs agree.
#[test]
fn a_log_with_another_entry_is_no_agreement() {
    let stored = "S1 election timeout\nS1 <-> S2\npropose to S1\nS1 restarts";
    let leads = "S0 election timeout\nS0 <-> S2\npropose to S0";
    assert_eq!(mixture(leads, stored), Unrecovered::Disagreement(ServerId(0)));
    // And so it is if nobody leads at first.
    let follows = format!("{leads}\nS0 restarts");
    assert!(matches!(mixture(&follows, stored), Unrecovered::Disagreement(_)));
}

#[test]
fn a_breach_is_no_recovery() {
    let leads = |id| format!("{id} election timeout\n{id} <-> S2");
    assert!(matches!(mixture(&leads("S0"), &leads("S1")), Unrecovered::Breach(_)));
}

/// What is tried of a cluster of any protocol, without reductions.
fn tried<P: Modelled>(torn: bool) -> Tried {
    let bounds = Bounds { servers: 2, terms: 2, entries: 1, restarts: 1, compactions: 0 };
    let environment =
        Environment { symmetry: false, keep_dead_letters: true, torn, ..Environment::default() };
    let model = Recovering::of(Cluster::<P>::of(bounds, environment), Vec::new(), ALL);
    let found = model.checker().spawn_bfs().join();
    found.assert_properties();
    found.model().tried()
}

#[test]
fn figure_2_in_an_envelope_recovers_like_figure_2() {
    for torn in [false, true] {
        let bare = tried::<Server>(torn);
        assert!(bare.played > 100, "{bare:?}");
        assert_eq!(tried::<Enveloped>(torn), bare);
    }
}

#[test]
fn bad_usage_exits_with_2() {
    for arguments in [
        &["recover", "actor-model"][..],
        &["recover", "nowhere"],
        &["recover", "single", "--sample", "0"],
        &["recover", "figure-8", "--servers", "4"],
    ] {
        assert_eq!(binary(arguments).status.code(), Some(2), "{arguments:?}");
    }
}
