//! An image that a peer sends, in parts: each byte goes to the disk as it comes, and each piece
//! is checked once it is whole. What has come survives a restart.

use crate::runtime::std;

use std::boxed::Box;
use std::path::PathBuf;
use std::vec;

use super::format::{Damage, Parser};
use super::{ImageName, ImageStage, Images, UnfinishedImage};
use crate::runtime::storage::StorageError;

/// How much of a file is read at once when it is looked at again, in bytes.
const PART: usize = 64 * 1024;

/// How much is written between two syncs, in bytes: so the last sync of a large image does not keep
/// others waiting for the disk. How fast parts come, their sender limits.
const SYNC_EVERY: u64 = 8 * 1024 * 1024;

/// An image that arrives.
pub(in crate::runtime) struct Receiving {
    name: ImageName,
    file: Box<dyn UnfinishedImage>,
    parser: Parser,
    unsynced: u64,
}

impl Receiving {
    /// Begins to receive the image of this name.
    ///
    /// # Errors
    /// When it cannot be begun.
    pub(in crate::runtime) fn begin(
        images: &dyn Images,
        name: ImageName,
    ) -> Result<Receiving, StorageError> {
        let file = images.create(name, ImageStage::Received)?;
        Ok(Receiving { name, file, parser: Parser::new(name), unsynced: 0 })
    }

    /// Goes on with one that has arrived in part. What a crash has left of it is looked at, and
    /// kept up to the last piece that is sound.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub(in crate::runtime) fn resume(
        images: &dyn Images,
        name: ImageName,
    ) -> Result<Receiving, StorageError> {
        let mut file = images.resume(name)?;
        let (mut parser, mut buffer, mut offset) = (Parser::new(name), vec![0; PART], 0);
        'file: loop {
            let count = file.read_at(offset, &mut buffer)?;
            offset += count as u64;
            let mut input = &buffer[..count];
            while !input.is_empty() && !parser.is_done() {
                if parser.take(&mut input).is_err() {
                    break 'file;
                }
            }
            if count < buffer.len() {
                break;
            }
        }
        // Of the piece behind those that are whole, nothing is kept.
        file.truncate(parser.sound())?;
        let parser = parser.at_the_last_piece();
        Ok(Receiving { name, file, parser, unsynced: 0 })
    }

    /// The image.
    pub(in crate::runtime) fn name(&self) -> ImageName {
        self.name
    }

    /// Where the next part has to begin: how many bytes have come.
    pub(in crate::runtime) fn offset(&self) -> u64 {
        self.file.bytes()
    }

    /// Whether all of it has come.
    pub(in crate::runtime) fn is_whole(&self) -> bool {
        self.parser.is_done()
    }

    /// Adds the part that begins at the [offset](Self::offset).
    ///
    /// # Errors
    /// When it cannot be written, or is damaged: then this image is of no use any more, and
    /// should be [removed](Images::remove).
    pub(in crate::runtime) fn append(&mut self, part: &[u8]) -> Result<(), StorageError> {
        let mut input = part;
        while !input.is_empty() && !self.parser.is_done() {
            self.parser.take(&mut input).map_err(|damage| located(self.file.place(), damage))?;
        }
        if !input.is_empty() {
            let followed = self.parser.at_the_end(input.len() as u64);
            followed.map_err(|damage| located(self.file.place(), damage))?;
        }
        self.file.append(part)?;
        self.unsynced += part.len() as u64;
        if self.unsynced >= SYNC_EVERY {
            self.unsynced = 0;
            self.file.sync()?;
        }
        Ok(())
    }

    /// Ends it: from here on it is an image like those that were written here.
    ///
    /// # Errors
    /// When it is not whole, or cannot be finished.
    pub(in crate::runtime) fn finish(self) -> Result<u64, StorageError> {
        let Receiving { name: _, file, parser, unsynced: _ } = self;
        parser.at_the_end(0).map_err(|damage| located(file.place(), damage))?;
        let bytes = file.bytes();
        file.finish()?;
        Ok(bytes)
    }
}

fn located(file: PathBuf, Damage { position, what }: Damage) -> StorageError {
    StorageError::DamagedImage { file, position, what }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryImages;
    use super::super::read::tests::read;
    use super::super::write_image;
    use super::*;
    use crate::figure2::Base;
    use std::sync::Arc;
    use std::vec::Vec;

    const NAME: ImageName = ImageName { base: Base { last_index: 9, last_term: 2 }, number: 5 };

    /// The bytes of an image of three chunks, and a place to receive it.
    fn sent() -> (Vec<u8>, Arc<dyn Images>) {
        let place = || Arc::new(MemoryImages::default()) as Arc<dyn Images>;
        let from = place();
        let data: Vec<u8> = (0..180_000_u32).map(|at| (at / 7) as u8).collect();
        let bytes = write_image(&*from, NAME, |to| to.write_all(&data), &|| false).unwrap();
        let mut image = vec![0; bytes as usize];
        assert_eq!(from.open(NAME).unwrap().read_at(0, &mut image).unwrap(), image.len());
        (image, place())
    }

    #[test]
    fn an_image_arrives_in_parts_and_with_interruptions() {
        for part in [1000, 4096, 70_000, 200_000] {
            let (image, images) = sent();
            let mut receiving = Receiving::begin(&*images, NAME).unwrap();
            let mut since = 0;
            while !receiving.is_whole() {
                let offset = receiving.offset() as usize;
                let end = (offset + part).min(image.len());
                receiving.append(&image[offset..end]).unwrap();
                since += end - offset;
                if since > 100_000 {
                    since = 0;
                    receiving.file.sync().unwrap();
                    drop(receiving);
                    receiving = Receiving::resume(&*images, NAME).unwrap();
                    let kept = receiving.offset() as usize;
                    assert!(kept <= end && kept + 8 + 65_536 > end, "{kept} of {end}");
                }
            }
            assert_eq!(receiving.finish().unwrap(), image.len() as u64);
            assert_eq!(read(&*images, NAME).unwrap().len(), 180_000);
        }
    }

    #[test]
    fn a_damaged_part_is_refused() {
        let (mut image, images) = sent();
        image[100_000] ^= 4;
        let mut receiving = Receiving::begin(&*images, NAME).unwrap();
        receiving.append(&image[..90_000]).unwrap();
        let error = receiving.append(&image[90_000..]).unwrap_err();
        assert!(matches!(error, StorageError::DamagedImage { position: 65_584, .. }), "{error}");
    }

    #[test]
    fn what_a_crash_has_damaged_is_asked_for_again() {
        let (image, images) = sent();
        let mut torn = image[..150_000].to_vec();
        torn[140_000] ^= 1;
        let mut file = images.create(NAME, ImageStage::Received).unwrap();
        file.append(&torn).unwrap();
        file.sync().unwrap();
        drop(file);
        let mut receiving = Receiving::resume(&*images, NAME).unwrap();
        assert_eq!(receiving.offset(), 40 + 2 * (8 + 65_536), "two chunks are sound");
        assert_eq!(receiving.name(), NAME);
        receiving.append(&image[receiving.offset() as usize..]).unwrap();
        receiving.finish().unwrap();
        assert_eq!(read(&*images, NAME).unwrap().len(), 180_000);
    }

    #[test]
    fn what_is_not_whole_or_goes_on_is_never_finished() {
        let (image, images) = sent();
        let mut receiving = Receiving::begin(&*images, NAME).unwrap();
        receiving.append(&image[..image.len() - 1]).unwrap();
        receiving.file.sync().unwrap();
        assert!(!receiving.is_whole() && receiving.finish().is_err());
        let mut receiving = Receiving::resume(&*images, NAME).unwrap();
        let end = &image[receiving.offset() as usize..];
        assert!(receiving.append(&[end, b"x"].concat()).is_err());
        assert!(super::super::find(&*images, NAME.base).unwrap().is_empty());
    }
}
