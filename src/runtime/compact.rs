//! To compact a log by hand, and why it was not.

use crate::runtime::std;

use std::io;
use std::sync::{Arc, mpsc};

use thiserror::Error;

use super::stopped::Stopped;
use super::storage::StorageError;
use crate::figure2::Index;

/// Why a log was not compacted. It is as it was then.
#[derive(Clone, Error)]
#[non_exhaustive]
pub enum CompactError {
    /// The storage has no place for images.
    #[error("the storage keeps no images, so the log is kept whole: implement Storage::images")]
    NoPlace,
    /// The state machine cannot be captured.
    #[error(
        "the state machine cannot be captured, so the log is kept whole: implement \
         StateMachine::capture and restore"
    )]
    Unsupported,
    /// The state machine did not write its image.
    #[error("the state machine did not write its image; the log is kept")]
    Machine(#[source] Arc<io::Error>),
    /// The image was not stored.
    #[error("the image was not stored, and the log is kept; see to the disk, then try again")]
    Storage(#[source] Arc<StorageError>),
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Where the answer goes to whoever asked: the index behind which the log begins.
pub(super) type CompactAnswer = mpsc::Sender<Result<Index, CompactError>>;
