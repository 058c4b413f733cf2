//! What each worker says at the end of a level, and what it adds up to.

use serde::{Deserialize, Serialize};

use crate::engines::Ended;

/// A worker's account of the search so far; sums over the workers are those of the search.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// States of the next level.
    pub next: u64,
    /// Distinct states.
    pub unique: u64,
    /// States that were looked at since the search began or was resumed.
    pub expanded: u64,
    /// Distinct kins of states.
    pub kins: u64,
    /// States generated, equal ones counted each time.
    pub generated: u64,
    /// The bytes of the table of states.
    pub table_bytes: u64,
    /// The bytes that were spilled to disk, counted by one worker of each process.
    pub spilled_bytes: u64,
    /// The memory of the process, in bytes, counted likewise.
    pub memory: u64,
    /// For the properties by number, the smallest fingerprint of a state of this level that
    /// violates it or was to be found.
    pub discoveries: Vec<Option<Vec<u8>>>,
    /// Whether it is time for a checkpoint.
    pub checkpoint_due: bool,
    /// Why the worker broke off, if it did.
    pub stopped: Option<Ended>,
}

impl Report {
    /// The account of two workers.
    pub fn and(mut self, other: &Report) -> Report {
        self.next += other.next;
        self.unique += other.unique;
        self.expanded += other.expanded;
        self.kins += other.kins;
        self.generated += other.generated;
        self.table_bytes += other.table_bytes;
        self.spilled_bytes += other.spilled_bytes;
        self.memory += other.memory;
        self.checkpoint_due |= other.checkpoint_due;
        self.discoveries.resize(self.discoveries.len().max(other.discoveries.len()), None);
        for (mine, theirs) in self.discoveries.iter_mut().zip(&other.discoveries) {
            // The smallest, whoever found it, so that all workers agree.
            *mine = match (mine.take(), theirs) {
                (Some(mine), Some(theirs)) => Some(mine.min(theirs.clone())),
                (mine, theirs) => mine.or_else(|| theirs.clone()),
            };
        }
        // A reason of its own tells more than that another worker stopped.
        self.stopped = match (self.stopped.take(), &other.stopped) {
            (None | Some(Ended::Elsewhere), Some(theirs)) => Some(theirs.clone()),
            (mine, _) => mine,
        };
        self
    }
}
