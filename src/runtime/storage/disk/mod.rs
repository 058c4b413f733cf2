//! Storage on disk: a log of segments ([`segments`] has its form), in which a batch is one sync of
//! the node.
//!
//! | in the directory of a node | what |
//! |---|---|
//! | `log/` | the store |
//! | `lock` | an empty file, which a node that runs has locked |
//! | `images/` | images of the state machine |
//! | `reserve` | room that is given up when there is no other |
//! | `raft.redb` | the store, up to layout 3; since then a text for earlier versions ([`start`]) |

use crate::runtime::std;

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::sync::Arc;

use self::files::SystemFiles;
use self::images::DiskImages;
use self::reserve::Reserve;
use self::store::Store;
use super::{Images, Notes, Room, STOPPED, Storage, StorageError};
use crate::figure2::{Persistent, Record};

mod contents;
mod files;
mod images;
mod older;
mod replay;
mod reserve;
mod segments;
mod start;
mod store;
mod stored;

/// The file in the directory of a node that is locked.
const LOCK: &str = "lock";

/// Storage in a directory of its own on disk.
///
/// Records are durable when [`sync`](Storage::sync) returns. Opening reads all of them, and checks
/// every sector that holds one. What a crash left behind half written is dropped, with a warning in
/// the log; other damage is an error, and nothing is changed. A store that an earlier version wrote
/// becomes one of this version, whole or not at all; the earlier version then refuses it.
pub struct DiskStorage {
    store: Store<SystemFiles>,
    images: Arc<DiskImages>,
    reserve: Arc<Reserve>,
    /// Declared, and so given back, after the store.
    _lock: File,
    directory: PathBuf,
}

impl fmt::Debug for DiskStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskStorage").field("directory", &self.directory).finish_non_exhaustive()
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StorageError {
    let path = path.to_path_buf();
    move |source| StorageError::refused(action, path, source)
}

impl DiskStorage {
    /// Opens the storage in `directory`, which is created if it does not exist.
    ///
    /// # Errors
    /// When another node has it open, when it is damaged, when a later version wrote it, or
    /// when the system refuses.
    pub fn open(directory: impl AsRef<Path>) -> Result<DiskStorage, StorageError> {
        let directory = directory.as_ref();
        fs::create_dir_all(directory).map_err(io("create the directory", directory))?;
        // A new directory survives a crash once the one around it is synced.
        if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            let synced = File::open(parent).and_then(|parent| parent.sync_all());
            synced.map_err(io("sync the parent of", directory))?;
        }
        let reserve = Arc::new(Reserve::open(directory));
        let lock = lock(directory, &reserve)?;
        let store = start::open(&SystemFiles { reserve: reserve.clone() }, directory)?;
        let images = Arc::new(DiskImages::open(directory, reserve.clone())?);
        Ok(DiskStorage { store, images, reserve, _lock: lock, directory: directory.into() })
    }

    /// How many bytes of the disk are kept beside those of the last image (8 MiB otherwise), for
    /// when nothing else is left: with them a node compacts its log, and starts, on a disk that is
    /// full. They are taken when a node runs, as soon as they are there; 0 is none at all.
    #[must_use]
    pub fn reserve(self, bytes: u64) -> DiskStorage {
        self.reserve.is_to_have(bytes);
        self
    }

    /// Removes the mark of a node that had stopped for good, and returns the reason that it
    /// gave; none if there was no mark. The node starts from this directory again then: do this
    /// only once the cause is understood and gone.
    ///
    /// # Errors
    /// When there is no store in `directory`, when a node has it open, when it is damaged, or
    /// when the system refuses.
    pub fn clear_stopped(directory: impl AsRef<Path>) -> Result<Option<String>, StorageError> {
        let directory = directory.as_ref();
        let reserve = Arc::new(Reserve::open(directory));
        let files = SystemFiles { reserve };
        if !start::has_store(&files, directory)? {
            let source = io::ErrorKind::NotFound.into();
            return Err(StorageError::refused("find a store in", directory.into(), source));
        }
        let _lock = lock(directory, &files.reserve)?;
        let mut store = start::open(&files, directory)?;
        let reason = match store.notes().get(STOPPED) {
            Some(reason) => String::from_utf8_lossy(reason).to_string(),
            None => return Ok(None),
        };
        store.note(STOPPED, &[]);
        store.sync()?;
        Ok(Some(reason))
    }
}

/// Locks the directory of a node, until the file is dropped.
fn lock(directory: &Path, reserve: &Reserve) -> Result<File, StorageError> {
    let path = directory.join(LOCK);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = reserve.sparing(|| options.open(&path)).map_err(io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StorageError::InUse { place: directory.into() }),
        Err(TryLockError::Error(error)) => Err(io("lock", &path)(error)),
    }
}

impl Storage for DiskStorage {
    fn load(&mut self) -> Result<Persistent, StorageError> {
        self.store.load()
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        self.store.append(records)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.store.sync()
    }

    fn notes(&mut self) -> Result<Notes, StorageError> {
        Ok(self.store.notes())
    }

    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), StorageError> {
        self.store.note(name, value);
        Ok(())
    }

    fn images(&self) -> Option<Arc<dyn Images>> {
        Some(self.images.clone())
    }

    fn room(&mut self) -> Option<Room> {
        self.reserve.look()
    }

    fn make_room(&mut self) -> Result<(), StorageError> {
        self.store.make_room()
    }
}

#[cfg(test)]
mod beginnings;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod platter;
#[cfg(test)]
mod power_loss;
#[cfg(test)]
mod tearing;
