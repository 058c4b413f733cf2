//! Engines: ways to search the states of a model, exhaustively.

mod antichain;
pub mod covering;
mod fingerprint;
pub mod stateright;
pub mod timely;
mod visited;

use std::fmt;
use std::time::Duration;

use ::stateright::{Model, Path};
use indicatif::HumanBytes;
use serde::{Deserialize, Serialize};

/// Which engine searches, and how.
#[derive(Clone, Debug)]
pub enum Engine {
    /// stateright's, with so many threads.
    Stateright {
        /// Threads.
        workers: usize,
    },
    /// The one on timely dataflow.
    Timely(Box<timely::TimelySettings>),
}

impl Engine {
    /// Whether every search of a scope goes strictly by levels.
    pub fn goes_by_levels(&self) -> bool {
        match self {
            Engine::Stateright { workers } => *workers == 1,
            Engine::Timely(_) => true,
        }
    }

    /// Whether the verdict is this process's to print.
    pub fn speaks(&self) -> bool {
        match self {
            Engine::Stateright { .. } => true,
            Engine::Timely(settings) => settings.hosts.as_ref().is_none_or(|h| h.process == 0),
        }
    }
}

/// How many threads this machine can run at once.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What a search found.
pub struct Outcome<M: Model> {
    /// The model that was searched.
    pub model: std::sync::Arc<M>,
    /// Distinct states that were looked at. Where a search looks at maximal ones alone, these are
    /// more or fewer by the order in which they are found.
    pub unique_states: u64,
    /// Distinct [kins](covering::Covering::kin), where states have one: the same whichever states
    /// stand for others, in whatever order they are found.
    pub kins: Option<u64>,
    /// States that were generated, equal ones counted each time.
    pub generated_states: u64,
    /// The length of the longest shortest path, in states; none where a search does not go
    /// strictly by levels, for the paths that it takes need not be shortest.
    pub depth: Option<u64>,
    /// The search level by level, from the initial states on: as many as `depth` if the search
    /// was exhausted; none where there is no depth.
    pub levels: Vec<Level>,
    /// Why not every state within the bounds was looked at; none if all were.
    pub stopped: Option<Ended>,
    /// How long it took.
    pub elapsed: Duration,
    /// The most memory that the process held at any moment, in bytes.
    pub peak_rss_bytes: u64,
    /// For each property that was violated, or found, a path to the state.
    pub discoveries: Vec<Discovery<M>>,
    /// What it took.
    pub resources: Resources,
}

/// Why a search ended before it was exhausted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// A property fell.
    Violation,
    /// The user wanted it.
    Interrupted,
    /// The process took more memory than this, in bytes.
    Memory(u64),
    /// The disk failed, or is full.
    Disk(String),
    /// What is stored does not fit the search, and what to do about it.
    Unfit(String),
    /// The search was to go no deeper.
    Depth,
    /// A thread of the search died.
    Died,
    /// Another worker stopped, and says why.
    Elsewhere,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Violation => write!(f, "a property fell"),
            Ended::Interrupted => write!(f, "interrupted"),
            Ended::Memory(limit) => {
                write!(f, "the memory limit of {} was reached", HumanBytes(*limit))
            }
            Ended::Disk(problem) => write!(f, "storage failed: {problem}"),
            Ended::Unfit(problem) => write!(f, "{problem}"),
            Ended::Depth => write!(f, "the depth limit was reached"),
            Ended::Died => write!(f, "a thread of the search died"),
            Ended::Elsewhere => write!(f, "another worker stopped"),
        }
    }
}

/// What a search took, beside time.
#[derive(Clone, Copy, Debug)]
pub struct Resources {
    /// Threads of each process.
    pub workers: usize,
    /// Processes.
    pub processes: usize,
    /// The bits of a fingerprint: 64 or 128.
    pub fingerprint_bits: u32,
    /// How many states one may stand for: a fingerprint is the smallest of so many numbers.
    pub orbit: usize,
    /// The bytes of the table of states, where the engine can tell.
    pub table_bytes: Option<u64>,
    /// The bytes of states that were spilled to disk.
    pub spilled_bytes: u64,
}

impl Resources {
    /// The chance that at least two of `states` states share a fingerprint, so that one of them
    /// was not looked at: at most the expected number of such pairs.
    ///
    /// The smallest of k numbers of b bits has the density k(1-x)^(k-1), so two such are equal
    /// with a probability of k²/(2k-1) · 2^-b.
    pub fn collision_probability(&self, states: u64) -> f64 {
        let (n, k) = (states as f64, self.orbit as f64);
        let pairs = n * (n - 1.0).max(0.0) / 2.0;
        (pairs * k * k / (2.0 * k - 1.0) * 0.5f64.powi(self.fingerprint_bits as i32)).min(1.0)
    }
}

/// A property's name, and a path to the state that violates it or that was to be found.
pub type Discovery<M> = (&'static str, Path<<M as Model>::State, <M as Model>::Action>);

/// The states at one distance from the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Level {
    /// How many distinct states were found there, and their successors generated.
    pub unique_states: u64,
    /// How long that took.
    pub seconds: f64,
}
