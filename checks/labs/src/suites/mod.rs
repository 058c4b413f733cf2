//! The lab tests, each written once, as a script over a [`Lab`].

mod catch_up;
mod election;
mod late_votes;
mod persistence;
mod replication;
mod snapshots;
mod storm;

use std::fmt;

use veraft::runtime::Compaction;

use crate::failure::Failure;
use crate::harness::Harness;
use crate::lab::Lab;

/// A part of the labs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Suite {
    /// Leader election.
    Election2A,
    /// The log.
    Log2B,
    /// Persistence.
    Persistence2C,
    /// Snapshots.
    Snapshots2D,
    /// Ours: what the labs leave out.
    Extra,
}

impl Suite {
    /// All suites.
    pub const ALL: [Suite; 5] =
        [Suite::Election2A, Suite::Log2B, Suite::Persistence2C, Suite::Snapshots2D, Suite::Extra];

    /// The short name of the suite: `2A`, `2B`, `2C`, `2D` or `extra`.
    pub fn name(self) -> &'static str {
        match self {
            Suite::Election2A => "2A",
            Suite::Log2B => "2B",
            Suite::Persistence2C => "2C",
            Suite::Snapshots2D => "2D",
            Suite::Extra => "extra",
        }
    }

    /// The tests of the suite.
    pub fn tests(self) -> impl Iterator<Item = &'static LabTest> {
        TESTS.iter().filter(move |test| test.suite == self)
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One lab test.
#[derive(Debug)]
pub struct LabTest {
    /// The suite it belongs to.
    pub suite: Suite,
    /// Its name, unique among all tests: lower case, with dashes.
    pub name: &'static str,
    /// How many servers its cluster has.
    pub servers: usize,
    /// Behind how many entries each state machine makes an image of itself; never, if none.
    pub snapshots: Option<u64>,
    script: fn(&mut Lab<'_>) -> Result<(), Failure>,
}

impl LabTest {
    /// Runs the script on a fresh cluster of [`servers`](LabTest::servers).
    ///
    /// # Panics
    /// When the cluster has another number of servers.
    pub fn run(&self, harness: &mut dyn Harness) -> Result<(), Failure> {
        assert_eq!(harness.servers(), self.servers, "{} needs {} servers", self.name, self.servers);
        (self.script)(&mut Lab::new(harness))?;
        harness.violation().map_or(Ok(()), |violation| Err(violation.into()))
    }

    /// When logs are compacted: at about as many entries as the test says, and no entry is kept.
    pub fn compaction(&self) -> Option<Compaction> {
        self.snapshots.map(every)
    }

    /// The test called `name`.
    pub fn find(name: &str) -> Option<&'static LabTest> {
        TESTS.iter().find(|test| test.name == name)
    }
}

/// To compact at about so many entries, with none of them kept.
pub fn every(entries: u64) -> Compaction {
    /// What an entry of the labs counts for, about: its command has up to 20 digits.
    const ENTRY_BYTES: u64 = 36;
    Compaction::default().factor(0).at_least(entries * ENTRY_BYTES).kept(0)
}

const fn test(
    suite: Suite,
    name: &'static str,
    servers: usize,
    script: fn(&mut Lab<'_>) -> Result<(), Failure>,
) -> LabTest {
    LabTest { suite, name, servers, snapshots: None, script }
}

const fn snapshots(name: &'static str, script: fn(&mut Lab<'_>) -> Result<(), Failure>) -> LabTest {
    LabTest {
        suite: Suite::Snapshots2D,
        name,
        servers: 3,
        snapshots: Some(snapshots::INTERVAL),
        script,
    }
}

/// All tests, in the order of the labs.
pub const TESTS: &[LabTest] = &[
    test(Suite::Election2A, "initial-election", 3, election::initial_election),
    test(Suite::Election2A, "re-election", 3, election::re_election),
    test(Suite::Election2A, "many-elections", 7, election::many_elections),
    test(Suite::Log2B, "basic-agree-3", 3, replication::basic_agree),
    test(Suite::Log2B, "basic-agree-5", 5, replication::basic_agree),
    test(Suite::Log2B, "fail-agree", 3, replication::fail_agree),
    test(Suite::Log2B, "fail-no-agree", 5, replication::fail_no_agree),
    test(Suite::Log2B, "concurrent-starts", 3, replication::concurrent_starts),
    test(Suite::Log2B, "rejoin", 3, replication::rejoin),
    test(Suite::Log2B, "backup", 5, replication::backup),
    test(Suite::Log2B, "count", 3, replication::count),
    test(Suite::Persistence2C, "persist-1", 3, persistence::persist_1),
    test(Suite::Persistence2C, "persist-2", 5, persistence::persist_2),
    test(Suite::Persistence2C, "persist-3", 3, persistence::persist_3),
    test(Suite::Persistence2C, "figure-8", 5, persistence::figure_8),
    test(Suite::Persistence2C, "unreliable-agree", 5, persistence::unreliable_agree),
    snapshots("snapshot-basic", snapshots::basic),
    snapshots("install", snapshots::install),
    snapshots("install-lossy", snapshots::install_unreliable),
    snapshots("install-crash", snapshots::install_crash),
    snapshots("install-lossy-crash", snapshots::install_unreliable_crash),
    snapshots("snapshot-all-crash", snapshots::all_crash),
    snapshots("snapshot-init", snapshots::init),
    test(Suite::Extra, "storm-3", 3, storm::storm),
    test(Suite::Extra, "storm-4", 4, storm::storm),
    test(Suite::Extra, "storm-5", 5, storm::storm),
    test(Suite::Extra, "late-votes", 3, late_votes::late_votes),
    test(Suite::Extra, "catch-up", 5, catch_up::catch_up),
];
