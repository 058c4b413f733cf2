//! A log that is written: one write and one sync for a batch.

use crate::runtime::std;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::vec;
use std::vec::Vec;

use super::laying::Place;
use super::sector::SECTOR;
use super::{Files, HEAD, LAYOUT, LENGTH, NEW, PIECE, StorageError, refused, segment, spare};

/// What is kept of the memory that a batch took, in bytes.
const KEPT: usize = 1024 * 1024;

/// The batches of one store.
pub(in super::super) struct Log<F: Files> {
    pub(super) files: F,
    pub(super) directory: PathBuf,
    /// The segments before the one that is written, the oldest first.
    pub(super) older: VecDeque<u32>,
    pub(super) spares: Vec<u32>,
    pub(super) file: F::File,
    /// How many bytes the file has.
    bytes: usize,
    pub(super) place: Place,
    /// The number of the next batch.
    pub(super) next: u64,
    sectors: Vec<u8>,
    /// A write failed: nothing is written any more.
    is_broken: bool,
}

impl<F: Files> Log<F> {
    /// A log that goes on at this place of a file of so many bytes.
    pub(super) fn on(
        files: F,
        directory: PathBuf,
        (file, bytes): (F::File, usize),
        place: Place,
    ) -> Self {
        Log {
            files,
            directory,
            older: VecDeque::new(),
            spares: Vec::new(),
            file,
            bytes,
            place,
            next: 1,
            sectors: Vec::new(),
            is_broken: false,
        }
    }

    /// A new log with an empty segment, in a new directory. It is there after a crash once a batch
    /// is written, and this directory and the one around it are synced.
    pub(in super::super) fn create(files: F, directory: &Path) -> Result<Self, StorageError> {
        files.make_directory(directory).map_err(refused("create the directory", directory))?;
        let place = Place::first(1);
        let file = begin(&files, directory, place.segment, SECTOR)?;
        Ok(Log::on(files, directory.into(), file, place))
    }

    /// The file that is written.
    pub(super) fn path(&self) -> PathBuf {
        segment(&self.directory, self.place.segment)
    }

    /// Whether a batch of so many bytes would begin a segment, and so needs a checkpoint.
    pub(in super::super) fn begins_segment(&self, bytes: usize) -> bool {
        self.place.position == 0 || !self.holds(LENGTH + bytes)
    }

    fn holds(&self, bytes: usize) -> bool {
        (self.place.sector_behind(bytes) + 2) * SECTOR <= F::SEGMENT.max(self.bytes)
    }

    /// Writes a batch and syncs it; the segment in which it is. There is a `checkpoint` if the
    /// batch begins a segment.
    ///
    /// # Errors
    /// When the system refuses. Whether the batch is there is not known then, and nothing can be
    /// written any more.
    pub(in super::super) fn write(
        &mut self,
        checkpoint: &[u8],
        records: &[u8],
    ) -> Result<u32, StorageError> {
        if self.is_broken {
            return Err(StorageError::other("an earlier write to this store has failed"));
        }
        self.is_broken = true;
        let length = checkpoint.len() + records.len();
        let stated = u32::try_from(length).map_err(StorageError::other)?.to_le_bytes();
        if self.place.position > 0 && !self.holds(LENGTH + length) {
            self.begin_segment(HEAD + LENGTH + length)?;
        }
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&LAYOUT.to_le_bytes());
        head[4..].copy_from_slice(&self.next.to_le_bytes());
        let head = if self.place.position == 0 { &head[..] } else { &[] };
        let parts = [head, &stated, checkpoint, records];
        let stream: usize = parts.iter().map(|part| part.len()).sum();
        self.grow((self.place.sector_behind(stream) + 2) * SECTOR)?;
        let at = self.place.sector() * SECTOR;
        self.place.lay(self.next, &parts, &mut self.sectors);
        self.fill_piece(at);
        let path = self.path();
        self.files
            .write(&mut self.file, at as u64, &self.sectors)
            .map_err(refused("write", &path))?;
        self.files.sync(&mut self.file).map_err(refused("sync", &path))?;
        self.next += 1;
        self.is_broken = false;
        self.sectors.clear();
        self.sectors.shrink_to(KEPT);
        Ok(self.place.segment)
    }

    /// Fills the piece of the file with zeros in which the sectors end that are written at `at`, if
    /// it is a new one: the system need not read it first.
    fn fill_piece(&mut self, at: usize) {
        let end = at + self.sectors.len();
        if at.is_multiple_of(PIECE) || at / PIECE != (end - 1) / PIECE {
            self.sectors.resize(end.next_multiple_of(PIECE).min(self.bytes) - at, 0);
        }
    }

    /// Makes the file one of at least so many bytes.
    fn grow(&mut self, needed: usize) -> Result<(), StorageError> {
        if needed <= self.bytes {
            return Ok(());
        }
        let ahead = self.bytes + self.bytes.clamp(F::GROWTH[0], F::GROWTH[1]);
        let bytes = needed.max(ahead.min(F::SEGMENT)).next_multiple_of(PIECE);
        let path = self.path();
        fill(&self.files, &mut self.file, self.bytes, bytes).map_err(refused("enlarge", &path))?;
        self.bytes = bytes;
        Ok(())
    }

    /// Begins the next segment, for a stream of so many bytes.
    fn begin_segment(&mut self, stream: usize) -> Result<(), StorageError> {
        let place = Place::first(self.place.segment + 1);
        let path = segment(&self.directory, place.segment);
        let (file, bytes) = match self.spares.pop() {
            Some(old) => {
                let from = spare(&self.directory, old);
                self.files.rename(&from, &path).map_err(refused("rename", &from))?;
                let mut file = self.files.open(&path).map_err(refused("open", &path))?;
                let bytes = self.files.length(&mut file).map_err(refused("open", &path))?;
                (file, bytes as usize / SECTOR * SECTOR)
            }
            None => {
                let sectors = place.sector_behind(stream) + 2;
                begin(&self.files, &self.directory, place.segment, sectors * SECTOR)?
            }
        };
        let synced = self.files.sync_directory(&self.directory);
        synced.map_err(refused("sync the directory", &self.directory))?;
        self.older.push_back(self.place.segment);
        (self.file, self.bytes, self.place) = (file, bytes, place);
        Ok(())
    }

    /// Gives up the segments before `first`, which become spares.
    pub(in super::super) fn begin_at(&mut self, first: u32) -> Result<(), StorageError> {
        while let Some(number) = self.older.pop_front_if(|number| *number < first) {
            let (from, to) = (segment(&self.directory, number), spare(&self.directory, number));
            self.files.rename(&from, &to).map_err(refused("rename", &from))?;
            self.spares.push(number);
        }
        Ok(())
    }

    /// Removes the spares.
    pub(in super::super) fn remove_spares(&mut self) -> Result<(), StorageError> {
        for number in self.spares.drain(..) {
            let path = spare(&self.directory, number);
            self.files.remove(&path).map_err(refused("remove", &path))?;
        }
        Ok(())
    }

    /// Makes the names of the segments durable.
    pub(in super::super) fn sync_names(&self) -> Result<(), StorageError> {
        let synced = self.files.sync_directory(&self.directory);
        synced.map_err(refused("sync the directory", &self.directory))
    }

    /// Whether no write has failed.
    pub(in super::super) fn is_sound(&self) -> bool {
        !self.is_broken
    }
}

/// A new segment of zeros, of at least so many bytes, and how many it has. Its name is there
/// after a crash once the directory is synced; its bytes are then, too.
fn begin<F: Files>(
    files: &F,
    directory: &Path,
    number: u32,
    bytes: usize,
) -> Result<(F::File, usize), StorageError> {
    let (new, path) = (directory.join(NEW), segment(directory, number));
    let bytes = bytes.max(F::GROWTH[0]).next_multiple_of(PIECE);
    let mut file = files.create(&new).map_err(refused("create", &new))?;
    fill(files, &mut file, 0, bytes).map_err(refused("enlarge", &new))?;
    files.rename(&new, &path).map_err(refused("rename", &new))?;
    Ok((file, bytes))
}

/// Writes zeros, and syncs them.
fn fill<F: Files>(files: &F, file: &mut F::File, from: usize, to: usize) -> io::Result<()> {
    let zeros = vec![0; PIECE];
    let mut at = from;
    while at < to {
        let piece = &zeros[..PIECE.min(to - at)];
        files.write(file, at as u64, piece)?;
        at += piece.len();
    }
    files.sync(file)
}
