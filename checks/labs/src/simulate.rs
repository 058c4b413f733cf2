//! Lab tests over many seeds: what `check simulate` runs.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use veraft::figure2::Server;

use crate::failure::Failure;
use crate::harness::Harness;
use crate::simulator::{ClusterOptions, JournalLine, Process, Simulator};
use crate::suites::{LabTest, Suite, TESTS};

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// The tests.
    pub tests: Vec<&'static LabTest>,
    /// The first seed.
    pub seed: u64,
    /// How many seeds, counted up from the first.
    pub seeds: u64,
    /// How many threads share the work.
    pub workers: NonZero<usize>,
    /// What the simulated clusters are like.
    pub options: ClusterOptions,
}

impl Simulation {
    /// Simulates the clusters of the labs, on every core of this machine.
    pub fn new(tests: Vec<&'static LabTest>, seed: u64, seeds: u64) -> Simulation {
        let workers = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        Simulation { tests, seed, seeds, workers, options: ClusterOptions::default() }
    }
}

/// One run of one test.
#[derive(Clone, Debug)]
pub struct LabRun {
    /// How it ended.
    pub outcome: Result<(), Failure>,
    /// How long it took on the cluster's clock.
    pub virtual_time: Duration,
    /// How many things happened in it.
    pub happenings: u64,
    /// What the cluster achieved.
    pub achieved: Achieved,
    /// A digest of all that happened: two runs of one build are the same if it is.
    pub digest: u64,
    /// The last things that happened, oldest first.
    pub log: Vec<JournalLine>,
}

/// What a cluster achieved: without any of it, a test that passes has shown nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Achieved {
    /// How many terms had a leader.
    pub led_terms: u64,
    /// How many entries were applied, each counted once.
    pub entries: u64,
    /// How many images of other servers were restored.
    pub installed: u64,
}

/// What became of one test.
#[derive(Clone, Debug)]
pub struct TestReport {
    /// The test.
    pub test: &'static LabTest,
    /// How many seeds it ran with.
    pub runs: u64,
    /// The time its runs took on the clusters' clocks.
    pub virtual_time: Duration,
    /// How many things happened in them.
    pub happenings: u64,
    /// The least that any of them achieved, in each respect.
    pub least: Option<Achieved>,
    /// The time they took on a thread of this machine.
    pub time: Duration,
    /// The smallest seed that fails, and its run. Seeds behind it may not have run.
    pub failure: Option<(u64, LabRun)>,
}

/// The tests that a name stands for: `all`, a suite (`2A`, `2B`, `2C`, `2D`, `extra`) or one test. None if
/// there is nothing of that name.
pub fn select(name: &str) -> Option<Vec<&'static LabTest>> {
    let named = |suite: &Suite| suite.name().eq_ignore_ascii_case(name);
    match Suite::ALL.into_iter().find(named) {
        _ if name == "all" => Some(TESTS.iter().collect()),
        Some(suite) => Some(suite.tests().collect()),
        None => LabTest::find(name).map(|test| vec![test]),
    }
}

/// Runs one test with one seed, on servers that run `P`: the core, unless a test of the tests
/// says otherwise.
pub fn run<P: Process>(test: &LabTest, seed: u64, options: &ClusterOptions) -> LabRun {
    let mut cluster = Simulator::<P>::new(test.servers, seed, for_test(test, options));
    let outcome = test.run(&mut cluster);
    LabRun::of(&cluster, outcome)
}

/// The cluster that a test asks for.
fn for_test(test: &LabTest, options: &ClusterOptions) -> ClusterOptions {
    ClusterOptions { compaction: test.compaction().or(options.compaction), ..options.clone() }
}

/// [`run`], with recordings of what every server did, as `S0.jsonl`, `S1.jsonl` and so on in
/// `directory`, for [`trace`](crate::trace).
///
/// # Errors
/// When a recording cannot be written.
pub fn record<P: Process>(
    test: &LabTest,
    seed: u64,
    options: &ClusterOptions,
    directory: &Path,
) -> io::Result<(LabRun, Vec<PathBuf>)> {
    let options = ClusterOptions { record: true, ..for_test(test, options) };
    let mut cluster = Simulator::<P>::new(test.servers, seed, options);
    let outcome = test.run(&mut cluster);
    let mut files = Vec::new();
    for server in 0..test.servers {
        let path = directory.join(format!("S{server}.jsonl"));
        let mut file = BufWriter::new(File::create(&path)?);
        for line in cluster.recording(server) {
            serde_json::to_writer(&mut file, line)?;
            file.write_all(b"\n")?;
        }
        file.flush()?;
        files.push(path);
    }
    Ok((LabRun::of(&cluster, outcome), files))
}

/// Runs every test with every seed. `progress` hears of each run that is done: how many, of
/// how many.
pub fn simulate(simulation: &Simulation, progress: &(dyn Fn(u64, u64) + Sync)) -> Vec<TestReport> {
    simulate_on::<Server>(simulation, progress)
}

/// [`simulate`] on servers that run `P`.
pub fn simulate_on<P: Process>(
    simulation: &Simulation,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Vec<TestReport> {
    let Simulation { tests, seed: first, seeds, workers, options } = simulation;
    let total = tests.len() as u64 * seeds;
    let (taken, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let failing: Vec<AtomicU64> = tests.iter().map(|_| AtomicU64::new(u64::MAX)).collect();
    let reports: Mutex<BTreeMap<usize, TestReport>> = Mutex::default();

    let work = || loop {
        let number = taken.fetch_add(1, Ordering::Relaxed);
        if number >= total {
            break;
        }
        let (place, offset) = ((number / seeds) as usize, number % seeds);
        if offset < failing[place].load(Ordering::Relaxed) {
            let began = Instant::now();
            let run = run::<P>(tests[place], first.wrapping_add(offset), options);
            if run.outcome.is_err() {
                failing[place].fetch_min(offset, Ordering::Relaxed);
            }
            // A thread that panicked has not left a report half changed.
            let mut reports = reports.lock().unwrap_or_else(PoisonError::into_inner);
            let report = reports.entry(place).or_insert_with(|| TestReport::new(tests[place]));
            report.add(first.wrapping_add(offset), run, began.elapsed());
        }
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
    };
    thread::scope(|scope| {
        for _ in 0..workers.get() {
            scope.spawn(work);
        }
    });
    reports.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

impl LabRun {
    fn of<P: Process>(cluster: &Simulator<P>, outcome: Result<(), Failure>) -> LabRun {
        let journal = cluster.journal();
        LabRun {
            outcome,
            virtual_time: cluster.now(),
            happenings: journal.count(),
            achieved: cluster.achieved(),
            digest: journal.digest(),
            log: journal.lines().cloned().collect(),
        }
    }
}

impl TestReport {
    fn new(test: &'static LabTest) -> TestReport {
        TestReport {
            test,
            runs: 0,
            virtual_time: Duration::ZERO,
            happenings: 0,
            least: None,
            time: Duration::ZERO,
            failure: None,
        }
    }

    fn add(&mut self, seed: u64, run: LabRun, time: Duration) {
        self.runs += 1;
        self.virtual_time += run.virtual_time;
        self.happenings += run.happenings;
        let least = self.least.unwrap_or(run.achieved);
        self.least = Some(Achieved {
            led_terms: least.led_terms.min(run.achieved.led_terms),
            entries: least.entries.min(run.achieved.entries),
            installed: least.installed.min(run.achieved.installed),
        });
        self.time += time;
        let first = self.failure.as_ref().is_none_or(|&(failed, _)| seed < failed);
        if run.outcome.is_err() && first {
            self.failure = Some((seed, run));
        }
    }
}

/// The reason, the last events, and how to run it again.
impl fmt::Display for TestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TestReport { test, runs, virtual_time, happenings, least: _, time, failure } = self;
        let (suite, name) = (test.suite, test.name);
        let Some((seed, LabRun { outcome: Err(reason), log, .. })) = failure else {
            let hours = virtual_time.as_secs_f64() / 3600.0;
            write!(f, "{suite} {name:<19} {runs:>5} seeds  {hours:>8.2} h simulated  ")?;
            return write!(f, "{happenings:>11} events  {:>7.2} s", time.as_secs_f64());
        };
        writeln!(f, "{suite} {name} fails with seed {seed}: {reason}")?;
        writeln!(f, "  the last events (seconds, server, event):")?;
        for line in log {
            writeln!(f, "  {line}")?;
        }
        write!(f, "  again: check simulate {name} --seed {seed}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_selected_by_their_name_or_that_of_their_suite() {
        let names = |name| -> Option<Vec<&str>> {
            Some(select(name)?.into_iter().map(|test| test.name).collect())
        };
        assert_eq!(names("count"), Some(vec!["count"]));
        assert_eq!(names("2a"), Some(vec!["initial-election", "re-election", "many-elections"]));
        assert_eq!(names("all").map(|all| all.len()), Some(TESTS.len()));
        assert_eq!(names("2E"), None);
    }
}
