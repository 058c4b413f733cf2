//! What is in the directory of a log, and how its end is settled.

use crate::runtime::std;

use std::collections::VecDeque;
use std::format;
use std::io;
use std::path::{Path, PathBuf};
use std::vec::Vec;

use super::laying::Place;
use super::log::Log;
use super::recovery::{End, Reader, Unreadable};
use super::sector::{self, PAYLOAD, SECTOR};
use super::{Damage, Files, LAYOUT, NEW, Reading, StorageError, refused, segment};

/// The files in the directory of a log.
struct Names {
    /// The segments from the last one back, as far as none is missing.
    segments: VecDeque<u32>,
    /// Segments before those: of a removal that a crash has left half done.
    left: Vec<u32>,
    spares: Vec<u32>,
}

fn names<F: Files>(files: &F, directory: &Path) -> Result<Names, StorageError> {
    let found = files.names(directory).map_err(refused("list the files in", directory))?;
    let (mut left, mut spares) = (Vec::new(), Vec::new());
    for name in found.unwrap_or_default() {
        let Some((number, kind)) = name.split_once('.') else { continue };
        let Ok(number) = number.parse() else { continue };
        match kind {
            "log" => left.push(number),
            "spare" => spares.push(number),
            _ => {}
        }
    }
    left.sort_unstable();
    let gap = left.windows(2).rposition(|pair| pair[0] + 1 != pair[1]);
    let segments = left.split_off(gap.map_or(0, |gap| gap + 1));
    Ok(Names { segments: segments.into(), left, spares })
}

fn unreadable(path: PathBuf) -> impl FnOnce(Unreadable) -> StorageError {
    |unreadable| match unreadable {
        Unreadable::Layout { found } => StorageError::Layout { file: path, found, newest: LAYOUT },
        Unreadable::Damaged { at, what } => {
            Damage { position: format!("byte {at}"), what }.at(&path)
        }
    }
}

/// How the last segment ends, its bytes, and the number of the next batch.
struct Found {
    end: End,
    bytes: Vec<u8>,
    next: u64,
}

/// Reads all batches.
fn read<F: Files>(
    files: &F,
    directory: &Path,
    segments: &VecDeque<u32>,
    reading: &mut dyn Reading,
) -> Result<Found, StorageError> {
    let mut reader = Reader::default();
    let mut last = None;
    for (place, &number) in segments.iter().enumerate() {
        let path = segment(directory, number);
        let bytes = files.read(&path).map_err(refused("read", &path))?;
        let is_last = place + 1 == segments.len();
        let end = reader
            .read(&bytes, number, is_last, &mut |batch| reading.batch(number, batch))
            .map_err(unreadable(path))?;
        last = Some((end, bytes));
    }
    reading.end().map_err(|damage| damage.at(directory))?;
    match (last, reader.next) {
        (Some((end, bytes)), Some(next)) => Ok(Found { end, bytes, next }),
        _ => {
            let what = "there is no segment in it".into();
            Err(Damage { position: "its files".into(), what }.at(directory))
        }
    }
}

/// Reads the log in this directory, and changes nothing.
pub(in super::super) fn look<F: Files>(
    files: &F,
    directory: &Path,
    reading: &mut dyn Reading,
) -> Result<(), StorageError> {
    let Names { segments, .. } = names(files, directory)?;
    read(files, directory, &segments, reading).map(|_| ())
}

impl<F: Files> Log<F> {
    /// Opens the log in this directory and reads it; whether a write was dropped that had not been
    /// synced. Nothing is changed before all of it is known to be sound.
    pub(in super::super) fn open(
        files: F,
        directory: &Path,
        reading: &mut dyn Reading,
    ) -> Result<(Self, bool), StorageError> {
        let Names { segments: mut older, left, spares } = names(&files, directory)?;
        let Found { end, bytes, next } = read(&files, directory, &older, reading)?;
        // It was read, so it is there.
        let number = older.pop_back().unwrap_or_default();
        let path = segment(directory, number);
        let file = files.open(&path).map_err(refused("open", &path))?;
        let place = Place { position: end.position, ..Place::first(number) };
        let (directory, length) = (directory.into(), bytes.len() / SECTOR * SECTOR);
        let mut log = Log::on(files, directory, (file, length), place);
        (log.older, log.spares, log.next) = (older, spares, next);
        log.settle(&end, &bytes)?;
        let new = log.directory.join(NEW);
        for path in left.iter().map(|&number| segment(&log.directory, number)).chain([new]) {
            match log.files.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(refused("remove", &path)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok((log, end.dropped.is_some()))
    }

    /// Writes the last batch again as it was found, and zeros over what is dropped.
    fn settle(&mut self, end: &End, found: &[u8]) -> Result<(), StorageError> {
        let (first, last) = (end.last / PAYLOAD, self.place.sector());
        let used = end.position % PAYLOAD;
        let mut sectors = found[first * SECTOR..last * SECTOR].to_vec();
        if used > 0 {
            sector::begin(&mut sectors);
            let from = last * SECTOR + (SECTOR - PAYLOAD);
            self.place.begun = found[from..from + used].to_vec();
            sectors.extend_from_slice(&self.place.begun);
            sectors.resize(sectors.len().next_multiple_of(SECTOR), 0);
            let at = sectors.len() - SECTOR;
            sector::seal(&mut sectors[at..], self.place.segment, last, self.next - 1);
        }
        let dropped = end.dropped.map_or(0, |behind| (behind - first) * SECTOR);
        sectors.resize(sectors.len().max(dropped), 0);
        let path = self.path();
        self.files
            .write(&mut self.file, (first * SECTOR) as u64, &sectors)
            .map_err(refused("write", &path))?;
        self.files.sync(&mut self.file).map_err(refused("sync", &path))
    }
}
