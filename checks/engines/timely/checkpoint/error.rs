//! Why a search cannot begin, and what to do then.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a search cannot begin with its folder.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The system does not show a file, or the folder.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file, or the folder.
        path: PathBuf,
        /// The system's complaint.
        error: io::Error,
    },
    /// A file is not what was saved.
    #[error(
        "{} is damaged: delete it, and --resume goes on from the checkpoint before it, if there \
         is one",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The folder belongs to another search.
    #[error(
        "{} holds checkpoints of another search, of other bounds, switches, workers or processes, \
         or of another build: name another folder, or delete this one",
        folder.display()
    )]
    OtherSearch {
        /// The folder.
        folder: PathBuf,
    },
    /// A new search would replace what an earlier one found.
    #[error(
        "{} holds checkpoints of this very search: go on from them with --resume, or delete them",
        folder.display()
    )]
    SameSearch {
        /// The folder.
        folder: PathBuf,
    },
    /// There is nothing to resume.
    #[error("{} has no checkpoint of worker {worker}: search without --resume", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// A worker that saved nothing.
        worker: usize,
    },
}
