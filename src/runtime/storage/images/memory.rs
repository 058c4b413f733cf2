//! Images on a disk made of memory, which forgets in a crash what was neither finished nor synced.

use crate::runtime::std;

use std::boxed::Box;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::vec::Vec;

use super::{ImageFile, ImageName, ImageStage, Images, StoredImage, UnfinishedImage};
use crate::runtime::machinery::sync::{Mutex, lock};
use crate::runtime::storage::StorageError;
use crate::runtime::storage::memory::PLACE;

/// The images of a disk, as a crash leaves them.
#[derive(Debug, Default)]
pub(in crate::runtime::storage) struct Kept {
    finished: BTreeMap<ImageName, Arc<Vec<u8>>>,
    /// As of the last sync of each.
    received: BTreeMap<ImageName, Vec<u8>>,
    /// How often the disk was opened or left: nobody writes to it from an earlier life.
    life: u64,
}

impl Kept {
    /// A node begins or ends on this disk. Returns the number of the life that begins.
    pub(in crate::runtime::storage) fn turn(&mut self) -> u64 {
        self.life += 1;
        self.life
    }
}

/// The place of one life of a disk.
#[derive(Clone, Debug, Default)]
pub(in crate::runtime) struct MemoryImages {
    pub(in crate::runtime::storage) kept: Arc<Mutex<Kept>>,
    pub(in crate::runtime::storage) life: u64,
}

impl MemoryImages {
    /// Does something on the disk, if the node still lives.
    fn on_disk<T>(
        &self,
        act: impl FnOnce(&mut Kept) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut kept = lock(&self.kept);
        match kept.life == self.life {
            true => act(&mut kept),
            false => Err(StorageError::other("the node on this memory disk is gone")),
        }
    }

    fn missing(name: ImageName) -> StorageError {
        StorageError::other(std::format!("{PLACE} has no image {name}"))
    }
}

impl Images for MemoryImages {
    fn list(&self) -> Result<Vec<StoredImage>, StorageError> {
        self.on_disk(|kept| {
            let finished = kept.finished.iter().map(|(&name, bytes)| StoredImage {
                name,
                stage: ImageStage::Finished,
                bytes: bytes.len() as u64,
            });
            let received = kept.received.iter().map(|(&name, bytes)| StoredImage {
                name,
                stage: ImageStage::Received,
                bytes: bytes.len() as u64,
            });
            let mut all: Vec<StoredImage> = received.chain(finished).collect();
            all.sort();
            Ok(all)
        })
    }

    fn create(
        &self,
        name: ImageName,
        stage: ImageStage,
    ) -> Result<Box<dyn UnfinishedImage>, StorageError> {
        if stage == ImageStage::Finished {
            return Err(StorageError::other("an image is finished once it was begun"));
        }
        self.remove(name, stage)?;
        Ok(Box::new(MemoryImage { name, stage, bytes: Vec::new(), place: self.clone() }))
    }

    fn resume(&self, name: ImageName) -> Result<Box<dyn UnfinishedImage>, StorageError> {
        let found = self.on_disk(|kept| Ok(kept.received.get(&name).cloned()))?;
        let bytes = found.ok_or_else(|| MemoryImages::missing(name))?;
        Ok(Box::new(MemoryImage { name, stage: ImageStage::Received, bytes, place: self.clone() }))
    }

    fn open(&self, name: ImageName) -> Result<Box<dyn ImageFile>, StorageError> {
        let found = self.on_disk(|kept| Ok(kept.finished.get(&name).cloned()))?;
        Ok(Box::new(found.ok_or_else(|| MemoryImages::missing(name))?))
    }

    fn remove(&self, name: ImageName, stage: ImageStage) -> Result<(), StorageError> {
        self.on_disk(|kept| {
            match stage {
                ImageStage::Written => {}
                ImageStage::Received => drop(kept.received.remove(&name)),
                ImageStage::Finished => drop(kept.finished.remove(&name)),
            }
            Ok(())
        })
    }
}

/// One that is not finished.
struct MemoryImage {
    name: ImageName,
    stage: ImageStage,
    bytes: Vec<u8>,
    place: MemoryImages,
}

fn read_at(bytes: &[u8], offset: u64, buffer: &mut [u8]) -> usize {
    let rest = bytes.get(offset as usize..).unwrap_or_default();
    let count = rest.len().min(buffer.len());
    buffer[..count].copy_from_slice(&rest[..count]);
    count
}

impl ImageFile for Arc<Vec<u8>> {
    fn place(&self) -> PathBuf {
        PathBuf::from(PLACE)
    }

    fn bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        Ok(read_at(self, offset, buffer))
    }
}

impl ImageFile for MemoryImage {
    fn place(&self) -> PathBuf {
        PathBuf::from(PLACE)
    }

    fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        Ok(read_at(&self.bytes, offset, buffer))
    }
}

impl UnfinishedImage for MemoryImage {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn truncate(&mut self, bytes: u64) -> Result<(), StorageError> {
        self.bytes.truncate(bytes as usize);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        let MemoryImage { name, stage, bytes, place } = self;
        place.on_disk(|kept| {
            match stage {
                ImageStage::Received => {
                    let synced = kept.received.entry(*name).or_default();
                    synced.truncate(bytes.len());
                    let held = synced.len();
                    synced.extend_from_slice(&bytes[held..]);
                }
                ImageStage::Written | ImageStage::Finished => {}
            }
            Ok(())
        })
    }

    fn finish(self: Box<Self>) -> Result<(), StorageError> {
        let MemoryImage { name, stage: _, bytes, place } = *self;
        place.on_disk(|kept| {
            kept.received.remove(&name);
            kept.finished.insert(name, Arc::new(bytes));
            Ok(())
        })
    }
}
