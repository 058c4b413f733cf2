//! Which of the two roots in the file's header is the last one.
//!
//! A commit in two phases writes the root that does not count, syncs, turns the byte that says
//! which one counts, and syncs again. So a root that counts is whole, and damage to it or to its
//! pages is an error. What is left is damage to that byte, which has no checksum: then the root
//! before counts, and the last one looks as if the power had failed between the two syncs.
//!
//! Both are met in the same way: a newer root that does not count is taken if it is whole, all
//! its pages included, and dropped if not. A commit that is on the disk as a whole may survive
//! before it is acknowledged.

use crate::runtime::std;

use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};
use std::vec::Vec;

use redb::{BackendError, Database, DatabaseError, StorageBackend};

use super::trouble::Trouble;

/// How much of the file is kept in memory, in bytes: it is read once.
const CACHE: usize = 32 * 1024 * 1024;

/// How the node that had the file before has left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum End {
    /// Closed, or never used.
    Closed,
    /// Not closed; all that was synced is there, and nothing else was.
    Cut,
    /// Not closed; the last commit had been written whole, though not to its last byte.
    Completed,
    /// Not closed; a commit had been begun, and is dropped.
    Dropped,
    /// Not closed, and last written by a commit of one phase: by layout 1, or while the file was
    /// made smaller, which changes nothing of what it holds. Whether that one was cut off or
    /// damaged cannot be told.
    Unknown,
}

/// Where redb keeps what is read here; its file format is the third.
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";
const HEADER: usize = 320;
const GOD_BYTE: usize = 9;
const PRIMARY: u8 = 1;
const RECOVERY_REQUIRED: u8 = 2;
const TWO_PHASES: u8 = 4;
/// The number of the transaction that wrote each root.
const TRANSACTION: [usize; 2] = [168, 296];

/// Opens the store, with the root that counts being the last one that is whole, and finds how it
/// was left. The file stays as it is. `open` opens it; it is called more than once.
///
/// # Errors
/// When the file is in use, or the root that counts is damaged.
pub(super) fn open<B: StorageBackend>(
    open: &impl Fn() -> Result<B, Trouble>,
) -> Result<(End, Database), Trouble> {
    let seen = read_header(&open()?)?;
    let (end, turned) = seen.map_or((End::Closed, None), |header| left(&header));
    let flags = seen.map(|header| header[GOD_BYTE]);
    // The look was without a lock: a node that is about to close may have had the file since, and
    // its last commits change what is newer.
    let trial = match Trial::open(open()?, flags) {
        Err(error) if is_corrupted(&error) && read_header(&open()?)? != seen => {
            return self::open(open);
        }
        trial => trial?,
    };
    if read_header(&trial.backend.file)? != seen {
        drop(trial);
        return self::open(open);
    }
    // Which is newer is known now that the checksum of the one that counts is known to be right.
    let Some(turned) = turned else { return Ok((end, trial.store)) };
    drop(trial);
    let turned = match Trial::open(open()?, Some(turned)) {
        Err(error) if is_corrupted(&error) => None,
        trial => Some(trial?),
    };
    let (end, trial) = match turned {
        Some(trial) => (End::Completed, trial),
        None => (End::Dropped, Trial::open(open()?, flags)?),
    };
    match read_header(&trial.backend.file)? == seen {
        true => Ok((end, trial.store)),
        false => {
            drop(trial);
            self::open(open)
        }
    }
}

/// How the file was left, by its header; and the flags with which the other root counts, if that
/// is the newer one.
fn left(header: &[u8; HEADER]) -> (End, Option<u8>) {
    let flags = header[GOD_BYTE];
    let closed = flags & RECOVERY_REQUIRED == 0;
    if flags & TWO_PHASES == 0 {
        return (if closed { End::Closed } else { End::Unknown }, None);
    }
    let [first, second] = TRANSACTION.map(|at| number(header, at));
    let (counts, other) = match flags & PRIMARY == 0 {
        true => (first, second),
        false => (second, first),
    };
    match other <= counts {
        true => (if closed { End::Closed } else { End::Cut }, None),
        false => (End::Dropped, Some(flags ^ PRIMARY)),
    }
}

fn is_corrupted(error: &DatabaseError) -> bool {
    matches!(error, DatabaseError::Storage(redb::StorageError::Corrupted(_)))
}

/// The header; none of a file that has none.
fn read_header(backend: &impl StorageBackend) -> Result<Option<[u8; HEADER]>, Trouble> {
    let mut header = [0; HEADER];
    if backend.len().map_err(redb::StorageError::from)? < HEADER as u64 {
        return Ok(None);
    }
    backend.read(0, &mut header).map_err(redb::StorageError::from)?;
    Ok(header.starts_with(MAGIC).then_some(header))
}

fn number(header: &[u8; HEADER], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&header[at..at + 8]);
    u64::from_le_bytes(bytes)
}

/// A file that is open to see whether it is whole. Holds its lock.
struct Trial<B: StorageBackend> {
    backend: Arc<Overlay<B>>,
    store: Database,
}

impl<B: StorageBackend> Trial<B> {
    /// Opens the file, as if its flags were these if there are any, which checks every page.
    fn open(file: B, flags: Option<u8>) -> Result<Trial<B>, DatabaseError> {
        let backend = Arc::new(Overlay { file, over: Mutex::default() });
        let turned = flags.map(|flags| (GOD_BYTE as u64, Vec::from([flags])));
        lock(&backend.over).writes.extend(turned);
        let store = Database::builder()
            .set_cache_size(CACHE)
            .set_check_integrity_on_open(true)
            .create_with_backend(Shared(backend.clone()))?;
        Ok(Trial { backend, store })
    }
}

/// A file with what is written to it kept beside it, so that it stays as it is.
#[derive(Debug)]
struct Overlay<B> {
    file: B,
    over: Mutex<Over>,
}

#[derive(Debug, Default)]
struct Over {
    length: Option<u64>,
    /// Where, and what, in this order. Few: what a store writes when it opens and closes.
    writes: Vec<(u64, Vec<u8>)>,
}

fn lock(over: &Mutex<Over>) -> std::sync::MutexGuard<'_, Over> {
    over.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Shared<B>(Arc<Overlay<B>>);

impl<B: StorageBackend> StorageBackend for Shared<B> {
    fn len(&self) -> io::Result<u64> {
        match lock(&self.0.over).length {
            Some(length) => Ok(length),
            None => self.0.file.len(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = lock(&self.0.over);
        let end = offset + out.len() as u64;
        let held = self.0.file.len()?.clamp(offset, end) - offset;
        let (in_file, beyond) = out.split_at_mut(held as usize);
        self.0.file.read(offset, in_file)?;
        beyond.fill(0);
        for (at, bytes) in &over.writes {
            let (from, to) = (offset.max(*at), end.min(at + bytes.len() as u64));
            if from < to {
                out[(from - offset) as usize..(to - offset) as usize]
                    .copy_from_slice(&bytes[(from - at) as usize..(to - at) as usize]);
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        lock(&self.0.over).length = Some(length);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        lock(&self.0.over).writes.push((offset, data.to_vec()));
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.0.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.file.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.file.unlock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use redb::backends::InMemoryBackend;

    use super::*;

    #[test]
    fn what_a_trial_writes_is_seen_there_and_the_file_stays_as_it_is() {
        let file = InMemoryBackend::new();
        file.set_len(4).unwrap();
        file.write(0, &[1, 2, 3, 4]).unwrap();
        let overlay = Shared(Arc::new(Overlay { file, over: Mutex::default() }));
        let read = |from: u64, length: usize| {
            let mut bytes = vec![9; length];
            overlay.read(from, &mut bytes).unwrap();
            bytes
        };
        assert_eq!((overlay.len().unwrap(), read(1, 3)), (4, vec![2, 3, 4]));
        overlay.set_len(8).unwrap();
        overlay.write(3, &[7, 7, 7]).unwrap();
        assert_eq!((overlay.len().unwrap(), read(2, 6)), (8, vec![3, 7, 7, 7, 0, 0]));
        overlay.set_len(2).unwrap();
        assert_eq!(overlay.len().unwrap(), 2);
        let mut held = [0; 4];
        let file = &overlay.0.file;
        file.read(0, &mut held).unwrap();
        assert_eq!((file.len().unwrap(), held), (4, [1, 2, 3, 4]));
    }
}
