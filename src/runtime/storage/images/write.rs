//! A new image, from what a state machine writes: cut into chunks, synced by and by, finished.

use crate::runtime::std;

use std::boxed::Box;
use std::io::{self, Write};
use std::vec::Vec;

use super::format;
use super::{ImageName, ImageStage, Images, UnfinishedImage};
use crate::runtime::storage::StorageError;

/// How many bytes of data a chunk has, but for the last one.
const CHUNK: usize = 64 * 1024;

/// How much is written between two syncs, in bytes. The log is synced on the same disk meanwhile,
/// and waits for what the disk has been given: more makes an image faster, and commits slower.
const SYNC_EVERY: u64 = 1024 * 1024;

/// Why an image was not written.
#[derive(Debug)]
pub(in crate::runtime) enum Unwritten {
    /// The state machine says so.
    Machine(io::Error),
    /// The place does.
    Storage(StorageError),
    /// The node ends.
    Cancelled,
}

/// Writes an image of this name, with what `write` writes; returns how many bytes it has. It is
/// finished then. `cancelled` is asked from time to time.
///
/// # Errors
/// When it cannot be written; nothing is left of it then.
pub(in crate::runtime) fn write_image(
    images: &dyn Images,
    name: ImageName,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    cancelled: &dyn Fn() -> bool,
) -> Result<u64, Unwritten> {
    let remove = |error| {
        // What cannot be removed now goes when the place is opened the next time.
        let _ = images.remove(name, ImageStage::Written);
        error
    };
    let mut writer = ImageWriter::begin(images, name, cancelled).map_err(Unwritten::Storage)?;
    let written = write(&mut writer);
    let bytes = match (writer.trouble.take(), written) {
        // Whatever the state machine makes of it, the cause is this.
        (Some(trouble), _) => Err(trouble),
        (None, Err(error)) => Err(Unwritten::Machine(error)),
        (None, Ok(())) => writer.finish(),
    };
    bytes.map_err(remove)
}

/// What a state machine writes its image to.
struct ImageWriter<'a> {
    name: ImageName,
    file: Box<dyn UnfinishedImage>,
    /// What is not enough for a chunk yet.
    data: Vec<u8>,
    chunks: u64,
    bytes: u64,
    unsynced: u64,
    cancelled: &'a dyn Fn() -> bool,
    trouble: Option<Unwritten>,
}

impl<'a> ImageWriter<'a> {
    fn begin(
        images: &dyn Images,
        name: ImageName,
        cancelled: &'a dyn Fn() -> bool,
    ) -> Result<Self, StorageError> {
        let mut file = images.create(name, ImageStage::Written)?;
        file.append(&format::header(name))?;
        let data = Vec::with_capacity(CHUNK);
        let (chunks, bytes, unsynced, trouble) = (0, 0, 0, None);
        Ok(ImageWriter { name, file, data, chunks, bytes, unsynced, cancelled, trouble })
    }

    /// Writes what waits as one chunk.
    fn write_chunk(&mut self) -> Result<(), Unwritten> {
        if (self.cancelled)() {
            return Err(Unwritten::Cancelled);
        }
        let length = self.data.len() as u64;
        let header = format::chunk_header(self.name.number, self.chunks, &self.data);
        let written = self.file.append(&header).and_then(|()| self.file.append(&self.data));
        written.map_err(Unwritten::Storage)?;
        self.data.clear();
        self.chunks += 1;
        self.bytes += length;
        self.unsynced += length;
        if self.unsynced >= SYNC_EVERY {
            self.unsynced = 0;
            self.file.sync().map_err(Unwritten::Storage)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<u64, Unwritten> {
        if !self.data.is_empty() {
            self.write_chunk()?;
        }
        let end = format::end(self.name.number, self.chunks, self.bytes);
        self.file.append(&end).map_err(Unwritten::Storage)?;
        let bytes = self.file.bytes();
        self.file.finish().map_err(Unwritten::Storage)?;
        Ok(bytes)
    }
}

impl Write for ImageWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.trouble.is_some() {
            return Err(io::Error::other("the image could not be written before"));
        }
        let taken = bytes.len().min(CHUNK - self.data.len());
        self.data.extend_from_slice(&bytes[..taken]);
        if self.data.len() == CHUNK
            && let Err(trouble) = self.write_chunk()
        {
            self.trouble = Some(trouble);
            return Err(io::Error::other("the image cannot be written"));
        }
        Ok(taken)
    }

    /// What is not enough for a chunk waits for more.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryImages;
    use super::super::read::tests::read;
    use super::*;
    use crate::figure2::Base;
    use std::sync::Arc;

    const NAME: ImageName = ImageName { base: Base { last_index: 9, last_term: 2 }, number: 5 };

    fn place() -> Arc<dyn Images> {
        Arc::new(MemoryImages::default())
    }

    #[test]
    fn what_was_written_is_read_whatever_its_length() {
        let images = place();
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let data: Vec<u8> = (0..length).map(|at| (at * 7) as u8).collect();
            let write =
                |to: &mut dyn Write| data.chunks(1000).try_for_each(|part| to.write_all(part));
            let bytes = write_image(&*images, NAME, write, &|| false).unwrap();
            assert_eq!(bytes, images.open(NAME).unwrap().bytes());
            assert_eq!(read(&*images, NAME).unwrap(), data, "{length} bytes");
        }
    }

    #[test]
    fn of_what_the_machine_gives_up_nothing_is_left_and_its_reason_is_told() {
        let images = place();
        let write = |to: &mut dyn Write| {
            to.write_all(&[7; 2 * CHUNK])?;
            Err(io::Error::other("out of ink"))
        };
        match write_image(&*images, NAME, write, &|| false) {
            Err(Unwritten::Machine(error)) => assert_eq!(std::format!("{error}"), "out of ink"),
            other => panic!("{other:?}"),
        }
        assert_eq!(images.list().unwrap(), []);
    }

    /// Also if the state machine looks away.
    #[test]
    fn a_node_that_ends_does_not_wait_for_the_image() {
        let images = place();
        let write = |to: &mut dyn Write| {
            while to.write_all(&[7; CHUNK]).is_ok() {}
            Ok(())
        };
        let asked = std::cell::Cell::new(0);
        let cancelled = || asked.replace(asked.get() + 1) == 3;
        let written = write_image(&*images, NAME, write, &cancelled);
        assert!(matches!(written, Err(Unwritten::Cancelled)));
        assert_eq!((asked.get(), images.list().unwrap()), (4, Vec::new()));
    }
}
