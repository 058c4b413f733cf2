//! Where a node keeps what must survive a crash.

#[cfg(feature = "disk")]
mod disk;
pub(in crate::runtime) mod images;
mod memory;

use crate::runtime::std;

use std::boxed::Box;
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;

use thiserror::Error;

#[cfg(feature = "disk")]
pub use disk::DiskStorage;
pub use images::{ImageFile, ImageName, ImageStage, Images, StoredImage, UnfinishedImage};
pub use memory::{MemoryDisk, MemoryStorage};

use crate::figure2::{Base, Persistent, Record};

/// Stable storage for the records of one server.
///
/// The node calls [`load`](Storage::load) once, then [`append`](Storage::append) and
/// [`sync`](Storage::sync) from a thread of its own, so all of them may block. After an error
/// the node calls nothing any more and stops.
pub trait Storage: Send + 'static {
    /// What the stored records fold to: at least all that were synced, and of those appended
    /// later a prefix.
    ///
    /// # Errors
    /// When the storage cannot be read, is damaged other than at its unsynced end, or holds a
    /// record that no server writes.
    fn load(&mut self) -> Result<Persistent, StorageError>;

    /// Adds `records` at the end, in this order. They need not survive a crash before
    /// [`sync`](Storage::sync) returns.
    ///
    /// # Errors
    /// When they cannot be written.
    fn append(&mut self, records: &[Record]) -> Result<(), StorageError>;

    /// Returns once everything appended survives a crash.
    ///
    /// # Errors
    /// When that cannot be promised.
    fn sync(&mut self) -> Result<(), StorageError>;

    /// The node's own notes, each under its name: as of the last [`sync`](Storage::sync), or
    /// later ones. Called once, after [`load`](Storage::load).
    ///
    /// # Errors
    /// When the storage cannot be read, or is damaged.
    fn notes(&mut self) -> Result<Notes, StorageError>;

    /// Writes a note, in the place of one of the same name; an empty `value` removes the note.
    /// It need not survive a crash before [`sync`](Storage::sync) returns; if it does, so does
    /// everything appended before it.
    ///
    /// # Errors
    /// When it cannot be written.
    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), StorageError>;

    /// Where images of the state machine are kept, which belongs to this storage. Without one, the
    /// log is kept whole. Called once, after [`load`](Storage::load).
    fn images(&self) -> Option<Arc<dyn Images>> {
        None
    }

    /// How much room is left; none if the storage cannot tell, or cannot fill up. Asked before the
    /// first [`append`](Storage::append), and then some times a second, so it should be quick.
    fn room(&mut self) -> Option<Room> {
        None
    }

    /// Gives back what is held and not needed any more, as room is scarce: entries before the
    /// base, for one. May take a while. Called when nothing is appended that is not synced.
    ///
    /// # Errors
    /// When the storage cannot be written.
    fn make_room(&mut self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Whether [`append`](Storage::append) and [`sync`](Storage::sync) can keep their caller
    /// waiting, as every disk does. If not, the node calls them on the thread that runs the
    /// server, which saves two changes of threads for each command.
    fn may_block(&self) -> bool {
        true
    }
}

/// How much can still be written to a storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// How many bytes, the reserve left alone.
    pub free: u64,
    /// How many bytes are kept for when nothing else is left: to compact the log, and to start.
    pub reserve: u64,
}

/// What a node keeps beside the records of its server, by name: who it is, whom it has met.
/// Opaque to the storage, and never empty.
pub type Notes = BTreeMap<String, Vec<u8>>;

/// The note of a node that has stopped for good: why, as text.
pub(super) const STOPPED: &str = "stopped";

impl<S: Storage + ?Sized> Storage for Box<S> {
    fn load(&mut self) -> Result<Persistent, StorageError> {
        (**self).load()
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        (**self).append(records)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        (**self).sync()
    }

    fn notes(&mut self) -> Result<Notes, StorageError> {
        (**self).notes()
    }

    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), StorageError> {
        (**self).note(name, value)
    }

    fn images(&self) -> Option<Arc<dyn Images>> {
        (**self).images()
    }

    fn room(&mut self) -> Option<Room> {
        (**self).room()
    }

    fn make_room(&mut self) -> Result<(), StorageError> {
        (**self).make_room()
    }

    fn may_block(&self) -> bool {
        (**self).may_block()
    }
}

/// What went wrong in a storage. The text leaves out what [`source`](Error::source) says.
#[derive(Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Another process, or another node in this one, has it open.
    #[error("{} is in use by another node: stop that one, or choose another directory", place.display())]
    InUse {
        /// The directory, or its file.
        place: PathBuf,
    },
    /// What is stored is not what was written, in a place that a crash cannot explain.
    #[error(
        "{} is damaged at {position}: {what}. Nothing was changed. Keep it for inspection, and \
         never start this server from a part of its records or from an older copy: either loses \
         what it has acknowledged. Replace the server: start it with an empty directory, and \
         readmit it on the leader (Node::readmit; docs/operations.md)",
        file.display()
    )]
    Damaged {
        /// The file, or the directory if the store does not say which of its files.
        file: PathBuf,
        /// Where in it.
        position: String,
        /// What is wrong there.
        what: String,
    },
    /// An image of the state machine is not what was written.
    #[error(
        "the image {} is damaged at byte {position}: {what}. Nothing was changed. What it held \
         stands nowhere else on this server: if its log begins there, replace the server: start \
         it with an empty directory, and readmit it on the leader (Node::readmit; \
         docs/operations.md)",
        file.display()
    )]
    DamagedImage {
        /// The file.
        file: PathBuf,
        /// Where the piece of it begins that is wrong, in bytes.
        position: u64,
        /// What is wrong there.
        what: String,
    },
    /// The log begins behind an image that is not there.
    #[error(
        "the log of this server begins behind index {}, and the image of its state machine as of \
         there is missing. Nothing was changed. If it was moved, put it back; otherwise replace \
         the server: start it with an empty directory, and readmit it on the leader \
         (Node::readmit; docs/operations.md)",
        base.last_index
    )]
    MissingImage {
        /// The mark of the image.
        base: Base,
    },
    /// A later version of veraft wrote it.
    #[error(
        "{} has layout {found}, and this version of veraft reads layouts 1 to {newest}. Nothing \
         was changed. Start the version that wrote it, or a later one",
        file.display()
    )]
    Layout {
        /// The file.
        file: PathBuf,
        /// Its layout.
        found: u32,
        /// The newest layout that this version reads.
        newest: u32,
    },
    /// The disk is full, and the reserve of the store, if it had one, is used up.
    #[error(
        "cannot {action} {}: the disk is full. Nothing that was acknowledged is lost. Make room \
         where the store is, a few times the last image of its state machine, then start the \
         node again (docs/operations.md)",
        path.display()
    )]
    Full {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// The operating system, or the store underneath, refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// A storage of another kind reported something else.
    #[error(transparent)]
    Other(Box<dyn Error + Send + Sync>),
}

impl StorageError {
    /// What the operating system refused.
    #[cfg(feature = "disk")]
    fn refused(action: &'static str, path: PathBuf, source: io::Error) -> Self {
        match is_full(&source) {
            true => StorageError::Full { action, path, source },
            false => StorageError::Io { action, path, source },
        }
    }

    /// An error that is none of the others.
    pub fn other(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        StorageError::Other(error.into())
    }
}

/// Whether there was no place for what was to be written.
#[cfg(feature = "disk")]
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
