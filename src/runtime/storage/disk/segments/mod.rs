//! A log of batches in segments, each a file: one write and one sync for a batch.
//!
//! # The files
//! `0000000007.log` is segment 7. A batch lies in one segment as a whole. When the next one does
//! not fit, it begins a segment, and with it goes a checkpoint of all that older segments said,
//! but for entries. So older segments can go once no entry is needed that is in them: they become
//! `0000000007.spare`, and the next segment takes such a file over. A segment grows by zeros that
//! are synced before anything is written in their place, so that the sync of a batch has nothing
//! to write but its sectors; at least one sector is always free.
//!
//! # The bytes
//! A segment consists of sectors of 512 bytes ([`sector`] has their form), each with a checksum
//! that its segment's number and its place in there go into. The rest of the sectors, one behind
//! the other, is the *stream*: a head (the layout, 4 bytes, and the number of the first batch, 8),
//! then the batches, each behind its length (4 bytes). Batches have consecutive numbers, over all
//! segments. A sector says which batch wrote in it last.
//!
//! # What is promised
//! A disk writes a sector whole or not at all, and of what was not synced it may have any sectors,
//! in any order. A batch is written once the one before it is synced. So a crash leaves all
//! batches that were synced, and of one more batch any sectors; the others are as they were
//! before: zeros, of an earlier segment, or without what that batch adds behind others. Each of
//! these has a form of its own, and hence
//!
//! * a batch of which a sector is as it was before has not been synced, and is dropped, *unless*
//!   a sector says that a later batch was begun: that is damage;
//! * a sector which is neither is damage. So a bit that turned, or any 32 in a row, is never taken
//!   for a write that was cut off, not even in the last batch.
//!
//! A sector behind the end is held to the same: if it is neither, it may be the last batch in the
//! wrong place. In a segment that others follow nobody looks behind the end, for the next segment
//! says which batch comes next.
//!
//! What was found at the end may not be on the disk yet, if the process was killed and not the
//! machine. So opening writes the last batch again as it is found, zeros over what is dropped, and
//! syncs, before anybody hears of it. Cut off anywhere, that changes nothing of what is found.
//!
//! What nobody can see is a *whole* sector that reads as it did before, where the log ends: the
//! batches that begin there are missed. Nor that the last segments are gone. That takes a disk
//! which says that it has synced, and has not, or somebody who removes files; see the one rule of
//! docs/operations.md.

use crate::runtime::std;

use std::format;
use std::io;
use std::path::{Path, PathBuf};
use std::string::String;

pub(super) use self::log::Log;
pub(super) use self::opening::look;
use super::files::Files;
use crate::runtime::storage::StorageError;

mod laying;
mod log;
mod opening;
mod recovery;
mod sector;

#[cfg(test)]
mod garbage;

/// The layout of the store, which is the newest: those before it were files of redb.
pub(super) const LAYOUT: u32 = 4;

/// The head of a segment's stream, in bytes: the layout, and the number of the first batch.
const HEAD: usize = 12;

/// What stands before each batch, in bytes: its length.
const LENGTH: usize = 4;

/// Zeros are written in pieces of this many bytes. Larger ones would stand in larger pieces in
/// the system's cache, which looks at the whole of a piece where a sector of it changes.
const PIECE: usize = 4096;

/// What is done with the batches that are found.
pub(super) trait Reading {
    /// Takes the next batch, which is in this segment; what is wrong with it, if something is.
    fn batch(&mut self, segment: u32, batch: &[u8]) -> Result<(), String>;

    /// There was none behind the last one. An error if that cannot be.
    fn end(&mut self) -> Result<(), Damage>;
}

/// What is wrong with what is stored, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) position: String,
    pub(super) what: String,
}

impl Damage {
    pub(super) fn at(self, file: &Path) -> StorageError {
        let Damage { position, what } = self;
        StorageError::Damaged { file: file.into(), position, what }
    }
}

/// The name of a segment that is being made.
const NEW: &str = "new";

fn segment(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!("{number:010}.log"))
}

fn spare(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!("{number:010}.spare"))
}

fn refused<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> StorageError + 'a {
    move |source| StorageError::refused(action, path.into(), source)
}
