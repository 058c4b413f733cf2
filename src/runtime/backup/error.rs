//! Why there is no backup, and why one is of no use.

use crate::runtime::std;

use std::io;
use std::string::String;

use thiserror::Error;

use crate::runtime::compact::CompactError;
use crate::runtime::storage::StorageError;

/// Why there is no backup. What was written of it is of no use.
#[derive(Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The node writes no image of its state machine.
    #[error(transparent)]
    Compact(#[from] CompactError),
    /// Nothing was ever applied.
    #[error("nothing was applied yet on this node, so there is nothing to back up")]
    Nothing,
    /// The image cannot be read, or is damaged.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The backup cannot be written.
    #[error("the backup cannot be written: give it a place that takes it, and make another")]
    Write(#[source] io::Error),
}

/// Why a backup is of no use, or of none here.
#[derive(Error)]
#[non_exhaustive]
pub enum UnusableBackup {
    /// It cannot be read.
    #[error("the backup cannot be read")]
    Read(#[source] io::Error),
    /// It is something else.
    #[error("this is no backup of veraft: it does not begin like one")]
    Other,
    /// A later version of veraft wrote it.
    #[error(
        "the backup has version {found}, and this version of veraft reads version {newest}: use \
         the version that wrote it, or a later one"
    )]
    Version {
        /// Its version.
        found: u32,
        /// The newest version that is read.
        newest: u32,
    },
    /// It is not what was written.
    #[error("the backup is damaged at byte {position}: {what}. Take another one")]
    Damaged {
        /// Where the piece of it begins that is wrong, in bytes.
        position: u64,
        /// What is wrong there.
        what: String,
    },
    /// The store has something in it.
    #[error(
        "the store is not empty, and a backup is never restored over anything: give each server \
         of the new cluster an empty directory"
    )]
    NotEmpty,
    /// The storage has no place for images.
    #[error(
        "the storage keeps no images, so nothing can be restored there: implement Storage::images"
    )]
    NoPlace,
    /// The store cannot be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
