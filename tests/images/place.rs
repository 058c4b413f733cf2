//! A storage whose power can fail, and whose place for images can be full.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use veraft::figure2::{Persistent, Record};
use veraft::runtime::{
    ImageFile, ImageName, ImageStage, Images, MemoryStorage, Notes, Storage, StorageError,
    StoredImage, UnfinishedImage,
};

/// What happens to a storage. Clones are the same.
#[derive(Clone)]
pub struct Fate {
    /// How many operations are left before the power fails.
    left: Arc<AtomicI64>,
    full: Arc<AtomicBool>,
}

impl Fate {
    /// The power stays.
    pub fn kind() -> Fate {
        Fate::after(i64::MAX)
    }

    /// The power fails after so many operations.
    pub fn after(operations: i64) -> Fate {
        Fate { left: Arc::new(AtomicI64::new(operations)), full: Arc::default() }
    }

    pub fn fill_images(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    pub fn has_failed(&self) -> bool {
        self.left.load(Ordering::SeqCst) <= 0
    }

    fn operate(&self) -> Result<(), StorageError> {
        match self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            true => Ok(()),
            false => Err(StorageError::other("the power has failed")),
        }
    }

    fn write_image(&self) -> Result<(), StorageError> {
        self.operate()?;
        match self.full.load(Ordering::SeqCst) {
            true => Err(StorageError::Io {
                action: "write the image",
                path: PathBuf::from("images"),
                source: io::ErrorKind::StorageFull.into(),
            }),
            false => Ok(()),
        }
    }
}

/// A storage with this fate.
pub struct Fated {
    pub storage: MemoryStorage,
    pub fate: Fate,
}

impl Storage for Fated {
    fn load(&mut self) -> Result<Persistent, StorageError> {
        self.storage.load()
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        self.fate.operate()?;
        self.storage.append(records)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.fate.operate()?;
        self.storage.sync()
    }

    fn notes(&mut self) -> Result<Notes, StorageError> {
        self.storage.notes()
    }

    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), StorageError> {
        self.fate.operate()?;
        self.storage.note(name, value)
    }

    fn images(&self) -> Option<Arc<dyn Images>> {
        let place = self.storage.images()?;
        Some(Arc::new(FatedImages { place, fate: self.fate.clone() }))
    }
}

struct FatedImages {
    place: Arc<dyn Images>,
    fate: Fate,
}

impl Images for FatedImages {
    fn list(&self) -> Result<Vec<StoredImage>, StorageError> {
        self.place.list()
    }

    fn create(
        &self,
        name: ImageName,
        stage: ImageStage,
    ) -> Result<Box<dyn UnfinishedImage>, StorageError> {
        self.fate.write_image()?;
        let image = self.place.create(name, stage)?;
        Ok(Box::new(FatedImage { image, fate: self.fate.clone() }))
    }

    fn resume(&self, name: ImageName) -> Result<Box<dyn UnfinishedImage>, StorageError> {
        self.fate.write_image()?;
        let image = self.place.resume(name)?;
        Ok(Box::new(FatedImage { image, fate: self.fate.clone() }))
    }

    fn open(&self, name: ImageName) -> Result<Box<dyn ImageFile>, StorageError> {
        self.place.open(name)
    }

    fn remove(&self, name: ImageName, stage: ImageStage) -> Result<(), StorageError> {
        self.fate.operate()?;
        self.place.remove(name, stage)
    }
}

struct FatedImage {
    image: Box<dyn UnfinishedImage>,
    fate: Fate,
}

impl ImageFile for FatedImage {
    fn place(&self) -> PathBuf {
        self.image.place()
    }

    fn bytes(&self) -> u64 {
        self.image.bytes()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.image.read_at(offset, buffer)
    }
}

impl UnfinishedImage for FatedImage {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.fate.write_image()?;
        self.image.append(bytes)
    }

    fn truncate(&mut self, bytes: u64) -> Result<(), StorageError> {
        self.fate.write_image()?;
        self.image.truncate(bytes)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.fate.write_image()?;
        self.image.sync()
    }

    fn finish(self: Box<Self>) -> Result<(), StorageError> {
        self.fate.write_image()?;
        self.image.finish()
    }
}

/// A storage that keeps no images.
pub struct Plain(pub MemoryStorage);

impl Storage for Plain {
    fn load(&mut self) -> Result<Persistent, StorageError> {
        self.0.load()
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        self.0.append(records)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.0.sync()
    }

    fn notes(&mut self) -> Result<Notes, StorageError> {
        self.0.notes()
    }

    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), StorageError> {
        self.0.note(name, value)
    }
}
