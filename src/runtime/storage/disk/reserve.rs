//! A part of the disk that is kept for when nothing else is left: a file of real blocks beside
//! the store, which is cut to nothing the moment that a write finds the disk full.
//!
//! What it is for: to compact the log, which takes an image about as large as the last one and a
//! record in the store; and to start, where the store counts the start. So it has the bytes of the
//! largest image, and [`ROOM`] more, for the store may have to begin a segment.

use crate::runtime::std;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use fs4::FileExt;

use crate::runtime::machinery::log;
use crate::runtime::machinery::sync::{Mutex, lock};
use crate::runtime::storage::{Room, is_full};

/// How many bytes the reserve has beside those of an image, unless somebody says otherwise.
pub(super) const ROOM: u64 = 8 * 1024 * 1024;

/// How many bytes are left when the reserve is taken, so that the next write does not need it.
const MARGIN: u64 = 1024 * 1024;

/// The file, in the directory of a node.
const FILE: &str = "reserve";

/// The reserve of one node, for all who write to its directory.
#[derive(Debug)]
pub(super) struct Reserve {
    directory: PathBuf,
    /// How many bytes it is to have beside those of an image; 0 is no reserve.
    beside_image: AtomicU64,
    /// The bytes of the largest image.
    image: AtomicU64,
    /// How often it was given up.
    given_up: AtomicU64,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    file: Option<File>,
    bytes: u64,
    /// Whether it was said that it cannot be had here.
    impossible: bool,
}

impl Reserve {
    /// The reserve in the directory of a node, as it is: nothing is made or changed.
    pub(super) fn open(directory: &Path) -> Reserve {
        let file = OpenOptions::new().write(true).open(directory.join(FILE)).ok();
        let bytes = file.as_ref().and_then(|file| file.allocated_size().ok()).unwrap_or(0);
        Reserve {
            directory: directory.to_path_buf(),
            beside_image: AtomicU64::new(ROOM),
            image: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            held: Mutex::new(Held { file, bytes, impossible: false }),
        }
    }

    /// How many bytes it is to have beside those of an image.
    pub(super) fn is_to_have(&self, bytes: u64) {
        self.beside_image.store(bytes, Ordering::Relaxed);
    }

    /// There is an image of so many bytes.
    pub(super) fn image_has(&self, bytes: u64) {
        self.image.store(bytes, Ordering::Relaxed);
    }

    /// Writes, and once more if the disk is full and the reserve can be given up. `write` must
    /// begin anew.
    pub(super) fn sparing<T>(&self, mut write: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let before = self.given_up.load(Ordering::Acquire);
        match write() {
            Err(error) if is_full(&error) && self.give_up(before) => write(),
            written => written,
        }
    }

    /// Whether it was given up since, or is now.
    fn give_up(&self, before: u64) -> bool {
        let mut held = lock(&self.held);
        if self.given_up.load(Ordering::Acquire) != before {
            return true;
        }
        let Some(file) = held.file.as_ref().filter(|_| held.bytes > 0) else { return false };
        // Some file systems give blocks back only with the next sync.
        if let Err(error) = file.set_len(0).and_then(|()| file.sync_all()) {
            log::error!(%error, "the reserve of the store cannot be given up");
            return false;
        }
        let bytes = held.bytes;
        held.bytes = 0;
        self.given_up.fetch_add(1, Ordering::Release);
        log::error!(
            directory = %self.directory.display(),
            bytes,
            "the disk is full: the reserve of the store is given up. Make room"
        );
        true
    }

    /// How much room there is. The reserve is taken, or taken again, once there is room for it.
    pub(super) fn look(&self) -> Option<Room> {
        let mut held = lock(&self.held);
        let available = fs4::available_space(&self.directory).ok()?;
        let wanted = match self.beside_image.load(Ordering::Relaxed) {
            0 => 0,
            _ if held.impossible => 0,
            bytes => bytes.saturating_add(self.image.load(Ordering::Relaxed)),
        };
        let all = available.saturating_add(held.bytes);
        if held.bytes > wanted || (held.bytes < wanted && all >= wanted.saturating_add(MARGIN)) {
            self.resize(&mut held, wanted);
        }
        let reserve = if held.impossible { 0 } else { all.min(wanted) };
        Some(Room { free: all - reserve, reserve })
    }

    fn resize(&self, held: &mut Held, bytes: u64) {
        let resized = match &held.file {
            Some(file) => resize(file, held.bytes, bytes),
            None => {
                let path = self.directory.join(FILE);
                let made = OpenOptions::new().write(true).create(true).truncate(true).open(path);
                made.and_then(|file| {
                    let file = held.file.insert(file);
                    resize(file, 0, bytes)
                })
            }
        };
        match resized {
            Ok(()) => held.bytes = bytes,
            Err(error) => {
                // A part of it is of use, too; and without one, all else goes on.
                let part = held.file.as_ref().and_then(|file| file.allocated_size().ok());
                held.bytes = part.unwrap_or(0);
                if !is_full(&error) {
                    held.impossible = true;
                    log::warn!(
                        %error,
                        "no reserve can be kept beside the store: a start on a full disk may fail"
                    );
                }
            }
        }
    }
}

/// Makes the file one of so many bytes, with real blocks.
fn resize(file: &File, from: u64, to: u64) -> io::Result<()> {
    if to < from {
        file.set_len(to)?;
    } else {
        file.allocate(to)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    /// A reserve of one mebibyte, and what its file has on the disk.
    fn reserve(directory: &Path) -> (Reserve, impl Fn() -> u64) {
        let reserve = Reserve::open(directory);
        reserve.is_to_have(MIB);
        let file = directory.join(FILE);
        (reserve, move || File::open(&file).map_or(0, |file| file.allocated_size().unwrap()))
    }

    #[test]
    fn what_finds_the_disk_full_is_done_again_in_the_room_of_the_reserve() {
        let directory = tempfile::tempdir().unwrap();
        let (reserve, on_disk) = reserve(directory.path());
        let mut tried = 0;
        let mut write = |reserve: &Reserve| {
            tried = 0;
            reserve.sparing(|| {
                tried += 1;
                if on_disk() > 0 || tried > 2 {
                    Err(io::ErrorKind::StorageFull.into())
                } else {
                    Ok(tried)
                }
            })
        };
        assert_eq!(write(&reserve).unwrap(), 1, "there is none yet, nor is one needed");
        let before = reserve.look().unwrap();
        assert!(before.reserve == MIB && on_disk() >= MIB, "real blocks");
        assert_eq!(write(&reserve).unwrap(), 2);
        assert_eq!(on_disk(), 0);
        // It is there again once somebody looks, and in the next life.
        assert_eq!(reserve.look().unwrap().reserve, MIB);
        let again = Reserve::open(directory.path());
        assert_eq!(write(&again).unwrap(), 2);
        assert_eq!(on_disk(), 0);
    }

    #[test]
    fn without_a_reserve_and_for_other_errors_nothing_is_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        let (reserve, on_disk) = reserve(directory.path());
        let mut tried = 0;
        let mut fail = |kind: io::ErrorKind| {
            reserve.sparing(|| {
                tried += 1;
                Err::<(), _>(kind.into())
            })
        };
        assert!(is_full(&fail(io::ErrorKind::StorageFull).unwrap_err()));
        reserve.look().unwrap();
        assert!(fail(io::ErrorKind::PermissionDenied).is_err());
        assert!(on_disk() >= MIB);
        // The reserve is not enough.
        assert!(is_full(&fail(io::ErrorKind::QuotaExceeded).unwrap_err()));
        assert_eq!((tried, on_disk()), (1 + 1 + 2, 0));
    }

    #[test]
    fn the_reserve_grows_with_the_image_and_is_given_back_where_none_is_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let (reserve, on_disk) = reserve(directory.path());
        reserve.image_has(3 * MIB);
        let with = reserve.look().unwrap();
        assert!(with.reserve == 4 * MIB && on_disk() >= 4 * MIB);
        reserve.image_has(MIB);
        assert_eq!((reserve.look().unwrap().reserve, on_disk() < 3 * MIB), (2 * MIB, true));
        reserve.is_to_have(0);
        assert_eq!((reserve.look().unwrap().reserve, on_disk()), (0, 0));
        // More than there is on any disk: what there is, is kept for it, and nothing is taken.
        reserve.is_to_have(1 << 60);
        let all = reserve.look().unwrap();
        assert_eq!((all.free, on_disk()), (0, 0));
        assert!(all.reserve > 0);
    }
}
