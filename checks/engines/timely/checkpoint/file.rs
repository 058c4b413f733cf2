//! One file: what one worker knows at the end of a level, and a checksum behind it.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use crc32fast::Hasher;
use serde::{Deserialize, Serialize};

use super::{CheckpointError, Checkpoints};
use crate::engines::fingerprint::Fingerprint;
use crate::engines::timely::frontier::Frontier;
use crate::engines::timely::seen::{Seen, Sets};
use crate::engines::timely::space::Space;

/// What a worker knows at the end of a level, beside its states.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// How many levels were expanded.
    pub depth: u64,
    /// How many states this worker generated.
    pub generated: u64,
    /// How many it looked at.
    pub expanded: u64,
    /// The properties discovered, by number, and where.
    pub discoveries: Vec<(usize, Vec<u8>)>,
}

/// What a worker saves.
pub struct Contents<'c, S: Space, F> {
    /// The rest.
    pub header: Header,
    /// What the numbers of the process stand for.
    pub told: Vec<u8>,
    /// Its states.
    pub seen: &'c Seen<F>,
    /// What knows their sets.
    pub sets: &'c mut Sets<S>,
    /// Those not expanded yet.
    pub states: &'c mut Frontier,
}

/// What a worker loads.
pub struct Part<S: Space, F> {
    /// The rest.
    pub header: Header,
    /// Its states.
    pub seen: Seen<F>,
    /// What the numbers in `states` stand for.
    pub names: S::Names,
    /// The states not expanded yet.
    pub states: Vec<u8>,
}

const MAGIC: &[u8; 16] = b"veraft check\x00\x00\x002";

impl Checkpoints {
    /// Saves what a worker knows.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save<S: Space, F: Fingerprint>(
        &self,
        space: &S,
        worker: usize,
        contents: Contents<'_, S, F>,
    ) -> io::Result<()> {
        let Contents { header, told, seen, sets, states } = contents;
        let depth = header.depth;
        fs::create_dir_all(&self.folder)?;
        let unfinished = self.folder.join(format!("{}worker-{worker}-unfinished", self.own()));
        let mut file = Summed::new(BufWriter::new(File::create(&unfinished)?));
        file.write_all(MAGIC)?;
        file.write_all(&self.digest.to_le_bytes())?;
        let header = postcard::to_allocvec(&header).map_err(io::Error::other)?;
        for part in [&header, &told] {
            file.write_all(&(part.len() as u64).to_le_bytes())?;
            file.write_all(part)?;
        }
        seen.write(space, sets, &mut file)?;
        let mut length = 0;
        states.each(|block| {
            length += block.len() as u64;
            Ok(())
        })?;
        file.write_all(&length.to_le_bytes())?;
        states.each(|block| file.write_all(block))?;
        let sum = file.sum.clone().finalize();
        file.write_all(&sum.to_le_bytes())?;
        file.inner.flush()?;
        file.inner.get_ref().sync_all()?;
        fs::rename(&unfinished, self.file(worker, depth))?;
        let levels = self.levels(worker).map_err(io::Error::other)?;
        for old in levels.iter().rev().skip(2) {
            fs::remove_file(self.file(worker, *old))?;
        }
        Ok(())
    }

    /// Loads what a worker saved.
    ///
    /// # Errors
    /// When the file cannot be read, or is not what was saved.
    pub fn load<S: Space, F: Fingerprint>(
        &self,
        space: &S,
        worker: usize,
        depth: u64,
    ) -> Result<Part<S, F>, CheckpointError> {
        let path = self.file(worker, depth);
        let is_damage = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
        };
        self.read(space, &path).map_err(|error| match is_damage(&error) {
            true => CheckpointError::Damaged { path },
            false => CheckpointError::Unreadable { path, error },
        })
    }

    fn read<S: Space, F: Fingerprint>(&self, space: &S, path: &Path) -> io::Result<Part<S, F>> {
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let mut file = Summed::new(BufReader::new(File::open(path)?));
        if file.array()? != *MAGIC || u64::from_le_bytes(file.array()?) != self.digest {
            return Err(damaged());
        }
        let header = file.part()?;
        let told = file.part()?;
        let seen = Seen::read(space, &mut file)?;
        let states = file.part()?;
        let sum = file.sum.clone().finalize();
        if u32::from_le_bytes(file.array()?) != sum || file.inner.read(&mut [0])? > 0 {
            return Err(damaged());
        }
        let header = postcard::from_bytes(&header).map_err(|_| damaged())?;
        let mut names = S::Names::default();
        space.learn(&mut names, &told).map_err(|_| damaged())?;
        Ok(Part { header, seen, names, states })
    }
}

/// A file with the checksum of what went through it.
struct Summed<I> {
    inner: I,
    sum: Hasher,
}

impl<I> Summed<I> {
    fn new(inner: I) -> Summed<I> {
        Summed { inner, sum: Hasher::new() }
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.sum.update(&bytes[..read]);
        Ok(read)
    }
}

impl<R: Read> Summed<R> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Bytes behind their number.
    fn part(&mut self) -> io::Result<Vec<u8>> {
        let length = u64::from_le_bytes(self.array()?);
        let mut bytes = Vec::new();
        // Not all at once: a damaged number must not take all memory.
        let read = self.by_ref().take(length).read_to_end(&mut bytes)?;
        if read as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }
}
