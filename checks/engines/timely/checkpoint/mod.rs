//! Searches that go on where another left off. At the end of a level each worker can save what
//! it knows, in a file of its own that it keeps until it has saved two later ones: wherever the
//! process dies, all workers still have a level in common.
//!
//! A folder belongs to one search, whose digest is in the name of each file: no search can take
//! another's file for its own, let alone delete it.

mod error;
mod file;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use error::CheckpointError;
pub use file::{Contents, Header, Part};

/// Where checkpoints are, and when one is due.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    /// The folder.
    pub folder: PathBuf,
    /// The time between two.
    pub interval: Duration,
    /// Whether the search begins with the latest one.
    pub resume: bool,
    /// Names the search: the scope, the program, the number of workers.
    pub digest: u64,
}

impl Checkpoints {
    /// Whether the search begins with a checkpoint.
    pub fn resumes(&self) -> bool {
        self.resume
    }

    /// Whether the last one is old enough.
    pub fn is_due(&self, last: Instant) -> bool {
        last.elapsed() >= self.interval
    }

    /// What the names of this search's files begin with.
    fn own(&self) -> String {
        format!("search-{:016x}-", self.digest)
    }

    fn file(&self, worker: usize, depth: u64) -> PathBuf {
        self.folder.join(format!("{}worker-{worker}-level-{depth}", self.own()))
    }

    /// The names of all files in the folder; none if there is no folder.
    fn names(&self) -> Result<Vec<String>, CheckpointError> {
        let unreadable = |error| CheckpointError::Unreadable { path: self.folder.clone(), error };
        let files = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            files => files.map_err(unreadable)?,
        };
        let name = |file: io::Result<fs::DirEntry>| {
            Ok(file.map_err(unreadable)?.file_name().to_string_lossy().into_owned())
        };
        files.map(name).collect()
    }

    /// Whether a search may begin here, before it has written anything.
    ///
    /// # Errors
    /// When the folder belongs to another search, or holds what this one is not to resume.
    pub fn admit(&self) -> Result<(), CheckpointError> {
        let (own, folder) = (self.own(), self.folder.clone());
        // Whatever an earlier version called its own, too.
        let is_checkpoint = |name: &&String| name.contains("worker-") && name.contains("-level-");
        let names = self.names()?;
        let (ours, others): (Vec<_>, Vec<_>) =
            names.iter().filter(is_checkpoint).partition(|name| name.starts_with(&own));
        match (&others[..], &ours[..]) {
            ([_, ..], _) => Err(CheckpointError::OtherSearch { folder }),
            ([], [_, ..]) if !self.resume => Err(CheckpointError::SameSearch { folder }),
            ([], _) => Ok(()),
        }
    }

    /// The levels that this worker has saved, in order.
    fn levels(&self, worker: usize) -> Result<Vec<u64>, CheckpointError> {
        let prefix = format!("{}worker-{worker}-level-", self.own());
        let level = |name: &String| name.strip_prefix(&prefix)?.parse().ok();
        let mut levels: Vec<u64> = self.names()?.iter().filter_map(level).collect();
        levels.sort_unstable();
        Ok(levels)
    }

    /// The last level that this worker has saved.
    ///
    /// # Errors
    /// When it has saved none, or the folder cannot be read.
    pub fn latest(&self, worker: usize) -> Result<u64, CheckpointError> {
        let missing = || CheckpointError::Missing { folder: self.folder.clone(), worker };
        self.levels(worker)?.last().copied().ok_or_else(missing)
    }

    /// Deletes what this worker saved behind the level at which all go on: the last two are to
    /// be levels that all have.
    ///
    /// # Errors
    /// When a file cannot be deleted.
    pub fn forget_behind(&self, worker: usize, depth: u64) -> io::Result<()> {
        let levels = self.levels(worker).map_err(io::Error::other)?;
        let mut behind = levels.into_iter().filter(|level| *level > depth);
        behind.try_for_each(|level| fs::remove_file(self.file(worker, level)))
    }
}

#[cfg(test)]
mod tests;
