//! Storage on disk, in an embedded store that syncs and checks.
//!
//! [redb](https://docs.rs/redb) keeps one file of pages, each under a checksum, and never writes
//! over a page in use: a commit writes new pages and a new root, then syncs. A crash in between
//! leaves the state before. Here, a commit is one sync of the node, in two phases (`roots.rs`
//! says why). What stands in the file is in `layout.rs`.

use crate::runtime::std;

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, StorageBackend, WriteTransaction};

use self::images::DiskImages;
use self::records::Extent;
use self::reserve::{Reserve, Sparing};
use self::roots::End;
use self::trouble::Trouble;
use super::{Images, Notes, Room, STOPPED, Storage, StorageError};
use crate::figure2::{Persistent, Record};
use crate::runtime::machinery::log;

mod images;
mod layout;
mod records;
mod reserve;
mod roots;
mod stored;
mod trouble;

/// The file in the directory of a node.
const FILE: &str = "raft.redb";

/// How much of the file is kept in memory, in bytes. The node holds the log itself, so the file
/// is read once.
const CACHE: usize = 32 * 1024 * 1024;

/// Storage in a directory of its own on disk.
///
/// Records are durable when [`sync`](Storage::sync) returns. Opening checks every page of the
/// file. What a crash left behind half written is dropped, with a warning in the log; other
/// damage is an error, and nothing is changed. A file that an earlier version wrote becomes one
/// of this version, whole or not at all; the earlier version then refuses it.
pub struct DiskStorage {
    /// The open transaction. Declared, and so dropped, before the store.
    transaction: Option<WriteTransaction>,
    store: Database,
    file: PathBuf,
    /// How the entries stand in the file, those of the open transaction included.
    extent: Extent,
    images: Option<Arc<DiskImages>>,
    reserve: Option<Arc<Reserve>>,
}

impl fmt::Debug for DiskStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskStorage").field("file", &self.file).finish_non_exhaustive()
    }
}

impl DiskStorage {
    /// Opens the storage in `directory`, which is created if it does not exist.
    ///
    /// # Errors
    /// When another node has it open, when it is damaged, when a later version wrote it, or
    /// when the system refuses.
    pub fn open(directory: impl AsRef<Path>) -> Result<DiskStorage, StorageError> {
        let directory = directory.as_ref();
        let io = |action| {
            let path = directory.to_path_buf();
            move |source: io::Error| StorageError::refused(action, path, source)
        };
        fs::create_dir_all(directory).map_err(io("create the directory"))?;
        let (file, reserve) = (directory.join(FILE), Arc::new(Reserve::open(directory)));
        let open = || open_file(&file, true, &reserve);
        let mut storage = DiskStorage::with(file.clone(), open)?;
        storage.images = Some(Arc::new(DiskImages::open(directory, reserve.clone())?));
        storage.reserve = Some(reserve);
        // A new file survives a crash once its directory does.
        let sync = |path: &Path| File::open(path).and_then(|directory| directory.sync_all());
        sync(directory).map_err(io("sync the directory"))?;
        if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync(parent).map_err(io("sync the parent of"))?;
        }
        Ok(storage)
    }

    /// How many bytes of the disk are kept beside those of the last image (8 MiB otherwise), for
    /// when nothing else is left: with them a node compacts its log, and starts, on a disk that is
    /// full. They are taken when a node runs, as soon as they are there; 0 is none at all.
    #[must_use]
    pub fn reserve(self, bytes: u64) -> DiskStorage {
        if let Some(reserve) = &self.reserve {
            reserve.is_to_have(bytes);
        }
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
        let (file, reserve) = (directory.join(FILE), Arc::new(Reserve::open(directory)));
        let open = || open_file(&file, false, &reserve);
        let mut storage = DiskStorage::with(file.clone(), open)?;
        let reason = match storage.notes()?.get(STOPPED) {
            Some(reason) => String::from_utf8_lossy(reason).to_string(),
            None => return Ok(None),
        };
        storage.note(STOPPED, &[])?;
        storage.sync()?;
        Ok(Some(reason))
    }

    /// Opens a file that `open` opens, each time it is called.
    fn with<B: StorageBackend>(
        file: PathBuf,
        open: impl Fn() -> Result<B, Trouble>,
    ) -> Result<DiskStorage, StorageError> {
        let opened = || -> Result<(Database, End, bool), Trouble> {
            let end = roots::settle(&open)?;
            let store = Database::builder()
                .set_cache_size(CACHE)
                .set_check_integrity_on_open(true)
                .create_with_backend(open()?)?;
            let migrated = layout::prepare(&store)?;
            Ok((store, end, migrated))
        };
        let (store, end, migrated) = opened().map_err(|trouble| trouble.at("open", &file))?;
        tell(&file, end);
        if migrated {
            log::info!(file = %file.display(), "brought to the layout of this version");
        }
        Ok(DiskStorage {
            transaction: None,
            store,
            file,
            extent: Extent::default(),
            images: None,
            reserve: None,
        })
    }

    /// Does something in the open transaction, which is begun if there is none. After an error
    /// there is none, so nothing of it can be synced.
    fn within(
        &mut self,
        act: impl FnOnce(&WriteTransaction, Extent) -> Result<Extent, Trouble>,
    ) -> Result<(), Trouble> {
        let transaction = match self.transaction.take() {
            Some(transaction) => transaction,
            None => layout::begin(&self.store)?,
        };
        self.extent = act(&transaction, self.extent)?;
        self.transaction = Some(transaction);
        Ok(())
    }

    /// Removes all dead runs, and moves what is live to the front of the file, which is cut
    /// behind it: an image cannot use the free pages of the store, and a disk that is full has no
    /// others.
    fn bury_and_shrink(&mut self) -> Result<(), Trouble> {
        while self.extent.has_dead {
            self.within(records::bury)?;
            if let Some(transaction) = self.transaction.take() {
                transaction.commit()?;
            }
        }
        self.store.compact()?;
        Ok(())
    }

    fn read(&self) -> Result<(Persistent, Extent), Trouble> {
        layout::read(&self.store.begin_read()?)
    }
}

/// Opens the file, which may have to be there.
fn open_file(
    path: &Path,
    create: bool,
    reserve: &Arc<Reserve>,
) -> Result<Sparing<FileBackend>, Trouble> {
    let open = || OpenOptions::new().read(true).write(true).create(create).open(path);
    let file = reserve.sparing(open).map_err(redb::StorageError::from)?;
    Ok(Sparing { backend: FileBackend::new(file)?, reserve: reserve.clone() })
}

/// Says how the file was left, if not in order.
fn tell(file: &Path, end: End) {
    let file = file.display();
    match end {
        End::Closed => {}
        End::Cut => {
            log::info!(%file, "not closed in order; nothing that was synced is missing");
        }
        End::Completed => {
            log::warn!(%file, "not closed in order; the last write was whole and is kept");
        }
        End::Dropped => {
            log::warn!(
                %file,
                "not closed in order; a write that had not been synced is dropped"
            );
        }
        End::Unknown => {
            log::warn!(
                %file,
                "not closed in order by an earlier version, or while the file was made smaller: if \
                 its last write was cut off or damaged, which cannot be told apart, it is dropped"
            );
        }
    }
}

impl Storage for DiskStorage {
    fn load(&mut self) -> Result<Persistent, StorageError> {
        let (persistent, extent) = self.read().map_err(|trouble| trouble.at("read", &self.file))?;
        self.extent = extent;
        Ok(persistent)
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        self.within(|transaction, extent| {
            let mut records = records.iter();
            let extent = records
                .try_fold(extent, |extent, record| records::write(transaction, extent, record))?;
            records::bury(transaction, extent)
        })
        .map_err(|trouble| trouble.at("write", &self.file))
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        match self.transaction.take() {
            Some(transaction) => {
                transaction.commit().map_err(|error| Trouble::from(error).at("sync", &self.file))
            }
            None => Ok(()),
        }
    }

    fn notes(&mut self) -> Result<Notes, StorageError> {
        let read = || layout::read_notes(&self.store.begin_read()?);
        read().map_err(|trouble: Trouble| trouble.at("read", &self.file))
    }

    fn images(&self) -> Option<Arc<dyn Images>> {
        self.images.clone().map(|images| images as Arc<dyn Images>)
    }

    fn room(&mut self) -> Option<Room> {
        self.reserve.as_ref()?.look()
    }

    fn make_room(&mut self) -> Result<(), StorageError> {
        self.bury_and_shrink().map_err(|trouble| trouble.at("shrink", &self.file))
    }

    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), StorageError> {
        self.within(|transaction, extent| {
            layout::write_note(transaction, name, value)?;
            Ok(extent)
        })
        .map_err(|trouble| trouble.at("write", &self.file))
    }
}

#[cfg(test)]
mod damage;
#[cfg(test)]
mod migration;
#[cfg(test)]
mod platter;
#[cfg(test)]
mod power_loss;
