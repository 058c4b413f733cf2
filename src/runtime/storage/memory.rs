//! Storage in memory, which forgets in a crash what was not synced.

use crate::runtime::std;

use std::borrow::ToOwned;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::vec::Vec;

use super::images::memory::{Kept, MemoryImages};
use super::{Images, Notes, Storage, StorageError};
use crate::figure2::{Persistent, Record};
use crate::runtime::machinery::sync::{Mutex, lock};

/// Where errors say that they are.
pub(super) const PLACE: &str = "this memory disk";

/// A disk made of memory. Clones are the same disk: keep one while nodes come and go.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    synced: Arc<Mutex<Synced>>,
    images: Arc<Mutex<Kept>>,
    open: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Synced {
    persistent: Persistent,
    notes: Notes,
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        MemoryDisk::default()
    }

    /// Opens the disk for one node. When that storage is dropped, what was not synced is lost,
    /// as in a crash.
    ///
    /// # Errors
    /// When an earlier storage on this disk still lives.
    pub fn open(&self) -> Result<MemoryStorage, StorageError> {
        if self.open.swap(true, Ordering::SeqCst) {
            return Err(StorageError::InUse { place: PathBuf::from(PLACE) });
        }
        Ok(MemoryStorage::on(self.clone()))
    }

    /// What a node that starts now would recover.
    pub fn persistent(&self) -> Persistent {
        lock(&self.synced).persistent.clone()
    }
}

/// The storage of one node on a [`MemoryDisk`].
#[derive(Debug)]
pub struct MemoryStorage {
    disk: MemoryDisk,
    images: MemoryImages,
    unsynced: Vec<Record>,
    unsynced_notes: Notes,
}

impl MemoryStorage {
    /// A storage on a disk of its own, for a node that never comes back.
    pub fn new() -> Self {
        MemoryStorage::on(MemoryDisk::new())
    }

    fn on(disk: MemoryDisk) -> Self {
        let images = MemoryImages { kept: disk.images.clone(), life: lock(&disk.images).turn() };
        MemoryStorage { disk, images, unsynced: Vec::new(), unsynced_notes: Notes::new() }
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        MemoryStorage::new()
    }
}

impl Storage for MemoryStorage {
    fn load(&mut self) -> Result<Persistent, StorageError> {
        Ok(self.disk.persistent())
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        self.unsynced.extend_from_slice(records);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        let mut synced = lock(&self.disk.synced);
        self.unsynced.drain(..).for_each(|record| synced.persistent.write(record));
        synced.notes.append(&mut self.unsynced_notes);
        synced.notes.retain(|_, value| !value.is_empty());
        Ok(())
    }

    fn notes(&mut self) -> Result<Notes, StorageError> {
        Ok(lock(&self.disk.synced).notes.clone())
    }

    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), StorageError> {
        self.unsynced_notes.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    fn images(&self) -> Option<Arc<dyn Images>> {
        Some(Arc::new(self.images.clone()))
    }

    fn may_block(&self) -> bool {
        false
    }
}

impl Drop for MemoryStorage {
    fn drop(&mut self) {
        lock(&self.disk.images).turn();
        self.disk.open.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ballot(current_term: u64) -> Record {
        Record::Ballot { current_term, voted_for: None }
    }

    #[test]
    fn what_was_not_synced_is_lost_with_the_storage() {
        let disk = MemoryDisk::new();
        let mut storage = disk.open().unwrap();
        storage.append(&[ballot(1)]).unwrap();
        storage.sync().unwrap();
        storage.append(&[ballot(2)]).unwrap();
        drop(storage);
        assert_eq!(disk.open().unwrap().load().unwrap().current_term(), 1);
    }

    #[test]
    fn a_second_opener_is_refused_until_the_first_is_gone() {
        let disk = MemoryDisk::new();
        let first = disk.open().unwrap();
        assert!(matches!(disk.open(), Err(StorageError::InUse { .. })));
        drop(first);
        assert!(disk.open().is_ok());
    }
}
