//! The lab suites on real nodes: threads and real time.
//!
//! Most of a lab test is waiting, so the tests of a suite run at once, each on a cluster of
//! its own.

use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use veraft_labs::failure::Failure;
use veraft_labs::real::RealCluster;
use veraft_labs::suites::{LabTest, Suite};
use veraft_labs::trace::{Endings, validate};

/// Runs a test, then validates what the nodes recorded meanwhile.
fn run(test: &LabTest) -> Result<Duration, String> {
    let began = Instant::now();
    let directory = TempDir::new().expect("a directory");
    let run = || -> Result<(), Failure> {
        let mut cluster = RealCluster::start(test, 1, Some(directory.path()))?;
        test.run(&mut cluster)
    };
    run().map_err(|failure| failure.to_string())?;
    let took = began.elapsed();
    let servers = 0..test.servers;
    let files: Vec<_> = servers.map(|s| RealCluster::recording(directory.path(), s)).collect();
    let validated = validate(&files, Endings::Whole).map_err(|found| {
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        format!("the recordings are at fault: {found:#?}")
    })?;
    assert!(validated.servers == test.servers && validated.received > 0);
    Ok(took)
}

fn assert_all_pass(suite: Suite) {
    let mut failed = Vec::new();
    thread::scope(|scope| {
        let start = |test| (test, scope.spawn(move || run(test)));
        let running: Vec<(&LabTest, _)> = suite.tests().map(start).collect();
        for (test, thread) in running {
            match thread.join().expect("a lab test does not panic") {
                Ok(took) => eprintln!("{suite} {} passed in {took:.1?}", test.name),
                Err(failure) => failed.push(format!("{}: {failure}", test.name)),
            }
        }
    });
    assert!(failed.is_empty(), "{suite}: {failed:#?}");
}

#[test]
fn the_2a_suite_passes_in_real_time() {
    assert_all_pass(Suite::Election2A);
}

#[test]
fn the_2b_suite_passes_in_real_time() {
    assert_all_pass(Suite::Log2B);
}

#[test]
fn the_2c_suite_passes_in_real_time() {
    assert_all_pass(Suite::Persistence2C);
}

#[test]
fn the_2d_suite_passes_in_real_time() {
    assert_all_pass(Suite::Snapshots2D);
}

#[test]
fn the_extra_suite_passes_in_real_time() {
    assert_all_pass(Suite::Extra);
}
