//! The lab suites on the simulator, 200 seeds of each test. Each step of each server is one of the
//! abstract system that is proved to be safe, or the test fails.

use veraft_checks::evidence::proof::refinement::REFINEMENT;
use veraft_labs::simulate::{Achieved, Simulation, TestReport, select, simulate};
use veraft_labs::simulator::{ClusterOptions, Weather};
use veraft_labs::suites::every;

fn assert_all_pass(name: &str, seeds: u64, options: ClusterOptions) {
    let tests = select(name).expect("the name of a suite or a test");
    let expected = tests.len();
    let options = ClusterOptions { judge: Some(&REFINEMENT), ..options };
    let simulation = Simulation { options, ..Simulation::new(tests, 1, seeds) };
    let reports = simulate(&simulation, &|_, _| {});
    assert_eq!(reports.len(), expected);
    for report in &reports {
        eprintln!("{report}");
    }
    let failed: Vec<&TestReport> = reports.iter().filter(|r| r.failure.is_some()).collect();
    assert!(failed.is_empty(), "{} of {} tests fail", failed.len(), reports.len());
    for TestReport { test, runs, least, .. } in reports {
        let name = test.name;
        assert_eq!(runs, seeds, "{name}");
        let Achieved { led_terms, entries, installed } = least.expect("it ran");
        assert!(installed > 0 || !INSTALLS.contains(&name), "{name}: nobody needed an image");
        assert!(led_terms >= 1, "{name}: a cluster without a leader");
        // The tests of elections propose nothing.
        let proposes = !ELECTIONS.contains(&name);
        assert_eq!(entries >= 1, proposes, "{name}: {entries} entries");
    }
}

const INSTALLS: [&str; 4] = ["install", "install-lossy", "install-crash", "install-lossy-crash"];

const ELECTIONS: [&str; 3] = ["initial-election", "re-election", "many-elections"];

#[test]
fn the_2a_suite_passes_on_200_seeds() {
    assert_all_pass("2A", 200, ClusterOptions::default());
}

#[test]
fn the_2b_suite_passes_on_200_seeds() {
    assert_all_pass("2B", 200, ClusterOptions::default());
}

#[test]
fn the_2c_suite_passes_on_200_seeds() {
    assert_all_pass("2C", 200, ClusterOptions::default());
}

#[test]
fn the_2d_suite_passes_on_200_seeds() {
    assert_all_pass("2D", 200, ClusterOptions::default());
}

/// Every other test, too, with images made all the time.
#[test]
fn compaction_changes_nothing_of_the_other_suites() {
    for name in ["2B", "2C", "extra"] {
        let compaction = Some(every(7));
        let options = ClusterOptions { compaction, ..ClusterOptions::default() };
        assert_all_pass(name, 60, options);
    }
}

#[test]
fn the_extra_suite_passes_on_200_seeds() {
    assert_all_pass("extra", 200, ClusterOptions::default());
}

/// All but `count`: what arrives twice is counted twice.
#[test]
fn duplicated_messages_change_nothing() {
    let options = ClusterOptions {
        reliable: Weather { duplication: 0.3, ..Weather::RELIABLE },
        unreliable: Weather { duplication: 0.3, ..Weather::UNRELIABLE },
        ..ClusterOptions::default()
    };
    for name in ["2A", "rejoin", "backup", "2C", "storm-3", "storm-5"] {
        assert_all_pass(name, 20, options.clone());
    }
}

/// One sync in fifty takes up to 3 seconds: long enough to lose leadership over it, and to hold
/// back votes and acknowledgements until nobody waits for them.
#[test]
fn disks_that_stall_keep_every_promise() {
    let options = ClusterOptions { stalls: (0.02, 3_000_000), ..ClusterOptions::default() };
    for name in ["figure-8", "storm-3", "storm-5"] {
        assert_all_pass(name, 50, options.clone());
    }
}

/// A sync of up to 100 ms never keeps a leader from its heartbeats: the test fails when a
/// term rises without reason.
#[test]
fn a_slow_disk_loses_no_leader() {
    let options = ClusterOptions { sync: 0..=100_000, ..ClusterOptions::default() };
    assert_all_pass("initial-election", 100, options);
}
