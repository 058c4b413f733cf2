//! A finished image, for a state machine that is restored: nothing of a chunk is handed out
//! before all of it is known to be sound.

use crate::runtime::std;

use std::boxed::Box;
use std::io::{self, Read};
use std::ops::Range;
use std::vec::Vec;

use super::format::{Damage, Parser};
use super::{ImageFile, ImageName, ImageStage, Images, StoredImage};
use crate::figure2::Base;
use crate::runtime::storage::StorageError;

/// The finished images of this mark.
///
/// # Errors
/// When the place cannot be read.
pub(in crate::runtime) fn find(
    images: &dyn Images,
    base: Base,
) -> Result<Vec<StoredImage>, StorageError> {
    let mut found = images.list()?;
    found.retain(|image| image.stage == ImageStage::Finished && image.name.base == base);
    Ok(found)
}

/// Reads what a state machine wrote. Once it has failed, it fails always.
pub(in crate::runtime) struct ImageReader {
    file: Box<dyn ImageFile>,
    parser: Parser,
    /// Where to read next in the file.
    offset: u64,
    /// The piece that was read last, at its front.
    piece: Vec<u8>,
    /// What of it is the data of a sound chunk, and was not handed out yet.
    data: Range<usize>,
    trouble: Option<StorageError>,
}

impl ImageReader {
    /// Opens the image.
    ///
    /// # Errors
    /// When it is not there, or cannot be opened.
    pub(in crate::runtime) fn open(
        images: &dyn Images,
        name: ImageName,
    ) -> Result<ImageReader, StorageError> {
        let file = images.open(name)?;
        let (parser, piece) = (Parser::new(name), Vec::new());
        Ok(ImageReader { file, parser, offset: 0, piece, data: 0..0, trouble: None })
    }

    /// Reads the rest, so that all of the image is known to be sound. Returns how many bytes of
    /// its data nobody has read.
    ///
    /// # Errors
    /// When it is not, or was not before.
    pub(in crate::runtime) fn finish(mut self) -> Result<u64, StorageError> {
        if let Some(trouble) = self.trouble {
            return Err(trouble);
        }
        let mut unread = self.data.len() as u64;
        while self.next_chunk()? {
            unread += self.data.len() as u64;
        }
        Ok(unread)
    }

    /// Reads the next chunk; whether there is one.
    fn next_chunk(&mut self) -> Result<bool, StorageError> {
        loop {
            let missing = self.parser.missing();
            if missing == 0 {
                let rest = self.file.bytes().saturating_sub(self.offset);
                self.parser.at_the_end(rest).map_err(|damage| self.located(damage))?;
                return Ok(false);
            }
            if self.piece.len() < missing {
                self.piece.resize(missing, 0);
            }
            let piece = &mut self.piece[..missing];
            let count = self.file.read_at(self.offset, piece)?;
            self.offset += count as u64;
            let taken = match count == missing {
                true => self.parser.take_whole(piece),
                // The file ends in the middle of a piece.
                false => self.parser.at_the_end(0).map(|()| false),
            };
            if taken.map_err(|damage| self.located(damage))? {
                self.data = 0..missing;
                return Ok(true);
            }
        }
    }

    fn located(&self, Damage { position, what }: Damage) -> StorageError {
        StorageError::DamagedImage { file: self.file.place(), position, what }
    }
}

impl Read for ImageReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.trouble.is_some() {
            return Err(io::Error::other("the image could not be read before"));
        }
        if self.data.is_empty() && !buffer.is_empty() {
            match self.next_chunk() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(trouble) => {
                    let text = std::format!("{trouble}");
                    self.trouble = Some(trouble);
                    return Err(io::Error::other(text));
                }
            }
        }
        let data = &self.piece[self.data.clone()];
        let count = buffer.len().min(data.len());
        buffer[..count].copy_from_slice(&data[..count]);
        self.data.start += count;
        Ok(count)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::memory::MemoryImages;
    use super::super::write_image;
    use super::*;
    use std::string::ToString;
    use std::sync::Arc;
    use std::vec;

    const BASE: Base = Base { last_index: 9, last_term: 2 };
    const NAME: ImageName = ImageName { base: BASE, number: 5 };

    /// All that is in an image.
    pub(in super::super) fn read(
        images: &dyn Images,
        name: ImageName,
    ) -> Result<Vec<u8>, StorageError> {
        let mut reader = ImageReader::open(images, name)?;
        let mut data = Vec::new();
        let result = reader.read_to_end(&mut data);
        assert_eq!(reader.finish().map(|unread| assert_eq!(unread, 0)).is_ok(), result.is_ok());
        result.map(|_| data).map_err(StorageError::other)
    }

    /// A place with an image of two chunks, of which `change` has changed the bytes.
    fn with(change: impl FnOnce(&mut Vec<u8>)) -> Arc<dyn Images> {
        let images: Arc<dyn Images> = Arc::new(MemoryImages::default());
        let data = [1; 100_000];
        let bytes = write_image(&*images, NAME, |to| to.write_all(&data), &|| false).unwrap();
        let mut image = vec![0; bytes as usize];
        assert_eq!(images.open(NAME).unwrap().read_at(0, &mut image).unwrap(), image.len());
        change(&mut image);
        let mut file = images.create(NAME, ImageStage::Written).unwrap();
        file.append(&image).unwrap();
        file.finish().unwrap();
        images
    }

    #[test]
    fn nothing_of_a_damaged_chunk_is_handed_out_and_the_error_says_where_it_is() {
        let images = with(|image| image[70_000] ^= 1);
        let mut reader = ImageReader::open(&*images, NAME).unwrap();
        let mut data = Vec::new();
        let error = reader.read_to_end(&mut data).unwrap_err();
        assert_eq!(data.len(), 65_536, "the first chunk");
        let text = error.to_string();
        assert!(text.contains("damaged at byte 65584") && text.contains("checksum"), "{text}");
        assert!(reader.read(&mut [0]).is_err(), "and it stays an error");
        let error = reader.finish().unwrap_err();
        assert!(matches!(error, StorageError::DamagedImage { position: 65_584, .. }), "{error}");
    }

    /// What a state machine does not read is looked at all the same.
    #[test]
    fn a_file_that_is_cut_off_or_goes_on_is_damaged_also_where_nobody_reads() {
        let cut: fn(&mut Vec<u8>) = |image| image.truncate(image.len() - 1);
        let longer: fn(&mut Vec<u8>) = |image| image.push(0);
        for (change, what) in [(cut, "cut off"), (longer, "follow the end mark")] {
            let images = with(change);
            let mut reader = ImageReader::open(&*images, NAME).unwrap();
            reader.read_exact(&mut [0; 10]).unwrap();
            let error = reader.finish().unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        }
        let mut reader = ImageReader::open(&*with(|_| ()), NAME).unwrap();
        reader.read_exact(&mut [0; 10]).unwrap();
        assert_eq!(reader.finish().unwrap(), 99_990);
    }

    #[test]
    fn an_image_is_found_by_its_mark_once_it_is_finished() {
        let images = with(|_| ());
        let other = ImageName { base: Base { last_term: 3, ..BASE }, number: 5 };
        let mut file =
            images.create(ImageName { number: 6, ..NAME }, ImageStage::Received).unwrap();
        file.append(b"x").unwrap();
        file.sync().unwrap();
        let names = |base| find(&*images, base).unwrap().into_iter().map(|image| image.name);
        assert!(names(BASE).eq([NAME]));
        assert!(names(other.base).eq([]));
        assert_eq!(images.list().unwrap().len(), 2);
    }
}
