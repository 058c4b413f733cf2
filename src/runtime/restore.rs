//! Why a state machine did not become the one of an image.

use crate::runtime::std;

use std::io;

use thiserror::Error;

use super::storage::StorageError;
use crate::figure2::Index;

/// Why a state machine was not restored.
#[derive(Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// It cannot be.
    #[error(
        "the log begins behind index {last_index}, and this state machine cannot be restored from \
         an image as of there: implement StateMachine::restore"
    )]
    Unsupported {
        /// The index of the last entry in the image.
        last_index: Index,
    },
    /// The storage keeps no images.
    #[error(
        "the log begins behind index {last_index}, and this storage keeps no image as of there: \
         implement Storage::images, and keep the images with the records"
    )]
    NoPlace {
        /// The index of the last entry in the image.
        last_index: Index,
    },
    /// It says that the image, which is as it was written, is none of its own.
    #[error(
        "the state machine cannot be restored from its image as of index {last_index}: start the \
         version of the application that wrote it, or one that reads it"
    )]
    Machine {
        /// The index of the last entry in the image.
        last_index: Index,
        /// What the state machine says.
        source: io::Error,
    },
    /// The image is damaged, missing, or cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
