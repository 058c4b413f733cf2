//! Validates what the nodes of one cluster recorded: what `check trace` runs.
//!
//! ```text
//!   S0.jsonl ──► replay through the core ──┐  who led which term, what stands where in which
//!   S1.jsonl ──► replay through the core ──┼─►  log, what was applied, sent and received
//!   S2.jsonl ──► replay through the core ──┘            must fit together
//! ```
//!
//! Each file alone: every step must give the output and the state that were recorded, steps
//! are numbered without a gap, and each life starts with what the one before left durable.
//! All files together: Election Safety, Log Matching, State Machine Safety; every message that
//! was received was sent, and none left before the records it had to wait for were durable.
//!
//! So a line that was changed or lost is found, unless it says nothing that matters: which of
//! several `durable` lines came first, or that the last life ended in order.

mod cluster;
mod compare;
mod formats;
mod life;
mod replay;

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use veraft::figure2::{Index, ServerId, Term};
use veraft_models::Judge;

use cluster::Facts;

/// How the lives in the files ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endings {
    /// Every line reached its file before anything that it tells of left the node, heartbeats
    /// excepted: so it is in the simulator, for nodes that were shut down, and for processes
    /// that were killed.
    Whole,
    /// The last lines of a life without `stop` may be missing: the machine lost its power.
    MayBeLost,
}

/// What was validated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validated {
    /// How many servers recorded.
    pub servers: usize,
    /// How many lives they had.
    pub lives: u64,
    /// How many steps were replayed.
    pub steps: u64,
    /// How many terms had a leader.
    pub led_terms: usize,
    /// How many entries were applied by one server at least.
    pub applied: usize,
    /// How many of those steps, and of the starts, the judge has nothing against.
    pub judged: u64,
    /// How many messages were received and found to have been sent.
    pub received: u64,
    /// Lines that a crash cut off in the middle.
    pub cut_off: Vec<FileLine>,
    /// Lives that start with a past that was not recorded.
    pub unrecorded_past: Vec<FileLine>,
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileLine {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 for the file as a whole.
    pub line: u64,
}

impl fmt::Display for FileLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.file.display()),
            line => write!(f, "{}:{line}", self.file.display()),
        }
    }
}

impl FileLine {
    fn finds(&self, problem: Discrepancy) -> Finding {
        Finding { at: self.clone(), problem }
    }
}

/// Something wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{at}: {problem}")]
pub struct Finding {
    /// The line at which it shows.
    pub at: FileLine,
    /// What it is.
    pub problem: Discrepancy,
}

/// What can be wrong with recordings.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Discrepancy {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The file holds no line.
    #[error("holds no recording")]
    Empty,
    /// The line is none that a recorder writes.
    #[error("no line of a recording: {0}")]
    Malformed(String),
    /// The recording is in another version of the format.
    #[error("format {found}, where this program reads up to format {expected}")]
    Format {
        /// The version of the recording.
        found: u32,
        /// The version that is read.
        expected: u32,
    },
    /// A line stands outside a life: the `start` before it is missing.
    #[error("outside a life: the `start` before it is missing")]
    OutsideALife,
    /// Another server than before, or another cluster.
    #[error(
        "{id} of the cluster {servers:?} does not belong with the lines before, or the other files"
    )]
    AnotherServer {
        /// The server.
        id: ServerId,
        /// Its cluster.
        servers: Vec<ServerId>,
    },
    /// Two files record the same server.
    #[error("{id} is recorded in {other} too")]
    SameServer {
        /// The server.
        id: ServerId,
        /// The other file.
        other: FileLine,
    },
    /// Steps are missing, or doubled.
    #[error("number {found} where {expected} is next: lines are missing or changed")]
    Numbering {
        /// The number that is next.
        expected: u64,
        /// The number in the line.
        found: u64,
    },
    /// A life starts with what its past does not lead to.
    #[error(
        "starts with a state that the lines before do not lead to: lines are missing or changed"
    )]
    PastDiffers,
    /// The core does something else than was recorded.
    #[error("the core returns another output than was recorded: {differs}")]
    OutputDiffers {
        /// The field that differs.
        differs: &'static str,
    },
    /// The core is in another state than was recorded.
    #[error("the core is in another state than was recorded: {differs}")]
    StateDiffers {
        /// The field that differs.
        differs: &'static str,
    },
    /// The core refuses the step.
    #[error("the core stops at an assertion: {0}")]
    Assertion(String),
    /// The judge objects to the step, or to the start.
    #[error("{0}")]
    Objection(String),
    /// `durable` names a step that was not taken, or goes back.
    #[error("durable up to step {found}, after step {last} and durable up to {before}")]
    Durable {
        /// The step that is named.
        found: u64,
        /// The last step taken.
        last: u64,
        /// The step named before.
        before: u64,
    },
    /// The server was told that entries are durable which were not.
    #[error("told that the log is durable up to {index}, before it was")]
    NotStored {
        /// The index that it was told.
        index: Index,
    },
    /// Election Safety does not hold.
    #[error("{leader} leads term {term}, which {other} led: {at}")]
    TwoLeaders {
        /// The leader here.
        leader: ServerId,
        /// The term.
        term: Term,
        /// The other leader.
        other: ServerId,
        /// Where it led.
        at: FileLine,
    },
    /// Log Matching does not hold.
    #[error(
        "the entry at index {index} of term {term} is not, or does not follow, the one in {at}"
    )]
    LogsDiffer {
        /// The index.
        index: Index,
        /// The term.
        term: Term,
        /// Where the other log got its entry.
        at: FileLine,
    },
    /// State Machine Safety does not hold.
    #[error("another entry is applied at index {index} than in {at}")]
    AppliedDiffers {
        /// The index.
        index: Index,
        /// Where the other entry was applied.
        at: FileLine,
    },
    /// An entry was applied out of turn.
    #[error("applies index {found} where {expected} is next")]
    AppliedOutOfTurn {
        /// The index that is next.
        expected: Index,
        /// The index that was applied.
        found: Index,
    },
    /// A message came out of nowhere.
    #[error(
        "no step that {from} recorded sends this message: lines are missing or changed here or there"
    )]
    NeverSent {
        /// The alleged sender.
        from: ServerId,
    },
    /// A message left before its records were durable.
    #[error("this message left {from} before the records it waits for were durable: {at}")]
    LeftEarly {
        /// The sender.
        from: ServerId,
        /// The step that sent it.
        at: FileLine,
    },
}

/// Validates the recordings of the servers of one cluster, one file each.
///
/// # Errors
/// Everything found to be wrong. A file is not read past its first fault.
pub fn validate(files: &[impl AsRef<Path>], endings: Endings) -> Result<Validated, Vec<Finding>> {
    validate_judged(files, endings, None)
}

/// [`validate`], with somebody who looks at each step and each start.
///
/// # Errors
/// As there; and what the judge objects to.
pub fn validate_judged(
    files: &[impl AsRef<Path>],
    endings: Endings,
    judge: Option<&'static dyn Judge>,
) -> Result<Validated, Vec<Finding>> {
    let mut cluster = Facts::new(endings, judge);
    for file in files {
        cluster.add(file.as_ref());
    }
    cluster.finish()
}
