//! Where a node keeps the images of its state machine, and how it writes and reads them.
//!
//! An [`Images`] is a place for files, and knows nothing of what is in them: that is the
//! library's, one format for every place and for the way between two nodes.
//!
//! | file | what it is |
//! |---|---|
//! | `format.rs` | the bytes of an image, and what is checked in them, piece by piece |
//! | `write.rs` | a new image, from what a state machine writes |
//! | `read.rs` | a finished one, for a state machine that is restored |
//! | `receive.rs` | one that a peer sends, in parts |
//! | `pass.rs` | one that passes by, to a backup or from it |
//! | `memory.rs` | a place in memory |

mod format;
pub(in crate::runtime) mod memory;
mod pass;
mod read;
mod receive;
mod write;

use crate::runtime::std;

use std::boxed::Box;
use std::path::PathBuf;
use std::vec::Vec;

pub(in crate::runtime) use self::format::Damage;
pub(in crate::runtime) use self::pass::pass_image;
pub(in crate::runtime) use self::read::{ImageReader, find};
pub(in crate::runtime) use self::receive::Receiving;
pub(in crate::runtime) use self::write::{Unwritten, write_image};
use super::StorageError;
pub use crate::driver::ImageName;

/// How far a stored image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ImageStage {
    /// This node writes it. Of no use after a crash.
    Written,
    /// A peer sends it. What has arrived is of use after a crash.
    Received,
    /// It is whole, and survives a crash.
    Finished,
}

/// An image in a place, whole or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredImage {
    /// Its name.
    pub name: ImageName,
    /// How far it is.
    pub stage: ImageStage,
    /// How many bytes it has.
    pub bytes: u64,
}

/// A place for the images of one node, which belongs to its [`Storage`](super::Storage).
///
/// An image is begun aside, grows at its end, and is finished; then it never changes. Any number
/// of threads call, also while the storage is written to, and all calls may block. What is in an
/// image is opaque to the place.
pub trait Images: Send + Sync + 'static {
    /// Every image, in the order of their names. Of those that were being written here when an
    /// earlier node on this place ended there is none.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn list(&self) -> Result<Vec<StoredImage>, StorageError>;

    /// A new image of this name, aside and empty. One of the same name and stage goes.
    ///
    /// # Errors
    /// When it cannot be begun, or `stage` is [`Finished`](ImageStage::Finished).
    fn create(
        &self,
        name: ImageName,
        stage: ImageStage,
    ) -> Result<Box<dyn UnfinishedImage>, StorageError>;

    /// An image that was [received](ImageStage::Received) in part: at least what was synced of
    /// it, and of the rest whatever has survived, damaged perhaps.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    fn resume(&self, name: ImageName) -> Result<Box<dyn UnfinishedImage>, StorageError>;

    /// A finished image. It can be read to its end even if it is removed meanwhile.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    fn open(&self, name: ImageName) -> Result<Box<dyn ImageFile>, StorageError>;

    /// Removes an image, if it is there. Nobody may write to it any more.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn remove(&self, name: ImageName, stage: ImageStage) -> Result<(), StorageError>;
}

/// The bytes of an image.
pub trait ImageFile: Send {
    /// Where it is, for errors.
    fn place(&self) -> PathBuf;

    /// How many bytes there are.
    fn bytes(&self) -> u64;

    /// Reads into `buffer` what stands at `offset`, as much as there is; returns how much, which
    /// is less than asked for at the end alone.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError>;
}

/// An image that is written or received. Dropped before it is finished, it stays as it is.
pub trait UnfinishedImage: ImageFile {
    /// Adds bytes at the end.
    ///
    /// # Errors
    /// When they cannot be written.
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError>;

    /// Keeps the first `bytes` and drops the rest.
    ///
    /// # Errors
    /// When that cannot be done.
    fn truncate(&mut self, bytes: u64) -> Result<(), StorageError>;

    /// Returns once what was added survives a crash, as far as an image at this stage does.
    ///
    /// # Errors
    /// When that cannot be promised.
    fn sync(&mut self) -> Result<(), StorageError>;

    /// Returns once the image is [finished](ImageStage::Finished), and survives a crash as such.
    /// Whatever was finished under this name goes.
    ///
    /// # Errors
    /// When that cannot be promised.
    fn finish(self: Box<Self>) -> Result<(), StorageError>;
}
