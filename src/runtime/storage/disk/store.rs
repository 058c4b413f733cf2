//! The store of one server: its records and notes, in a log of batches.

use crate::runtime::std;

use std::format;
use std::path::{Path, PathBuf};
use std::vec::Vec;

use super::contents::Contents;
use super::files::Files;
use super::replay::Replay;
use super::segments::{self, Log};
use super::stored::{self, Written};
use crate::figure2::{Persistent, Record};
use crate::runtime::storage::{Notes, StorageError};

/// What is kept of the memory that a batch took, in bytes.
const KEPT: usize = 1024 * 1024;

/// The store of one server. What was not synced is lost with it.
pub(super) struct Store<F: Files> {
    files: F,
    log: Log<F>,
    directory: PathBuf,
    /// What is stored, and what is yet to be synced.
    contents: Contents,
    /// What is yet to be synced.
    records: Vec<u8>,
    checkpoint: Vec<u8>,
    /// What was found when it was opened, until somebody asks for it or writes.
    found: Option<Replay>,
    is_closed: bool,
}

/// How a store was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Closed, or new.
    Closed,
    /// Not closed; all that was synced is there.
    Cut,
    /// Not closed; a write that had not been synced was dropped.
    Dropped,
}

impl<F: Files> Store<F> {
    /// Makes the directory of a store that holds this, and closes it. The directory's own name has
    /// to be synced.
    pub(super) fn make(
        files: F,
        directory: &Path,
        persistent: &Persistent,
        notes: &Notes,
    ) -> Result<(), StorageError> {
        const BATCH: usize = 1024 * 1024;
        let log = Log::create(files.clone(), directory)?;
        let mut store = Store::on(files, log, directory, Contents::default());
        if persistent.current_term() > 0 {
            let (current_term, voted_for) = (persistent.current_term(), persistent.voted_for());
            store.append(&[Record::Ballot { current_term, voted_for }])?;
        }
        let log = persistent.log();
        if log.base().last_index > 0 {
            store.append(&[Record::Base(log.base())])?;
        }
        notes.iter().for_each(|(name, value)| store.note(name, value));
        // There is at least one batch.
        store.write()?;
        let mut next = log.first_index();
        while next <= log.last_index() {
            let entries = log.batch(next, BATCH);
            next += entries.len() as u64;
            store.append(&[Record::Append { entries }])?;
            store.sync()?;
        }
        store.close()?;
        store.log.sync_names()
    }

    /// Opens the store in this directory; how it was left.
    pub(super) fn open(files: F, directory: &Path) -> Result<(Self, Left), StorageError> {
        let mut replay = Replay::default();
        let (log, has_dropped) = Log::open(files.clone(), directory, &mut replay)?;
        let left = match (has_dropped, replay.is_closed) {
            (true, _) => Left::Dropped,
            (false, true) => Left::Closed,
            (false, false) => Left::Cut,
        };
        let contents = replay.contents.clone();
        let mut store = Store::on(files, log, directory, contents);
        store.found = Some(replay);
        Ok((store, left))
    }

    fn on(files: F, log: Log<F>, directory: &Path, contents: Contents) -> Self {
        Store {
            files,
            log,
            directory: directory.into(),
            contents,
            records: Vec::new(),
            checkpoint: Vec::new(),
            found: None,
            is_closed: false,
        }
    }

    /// What the records fold to that were synced.
    pub(super) fn load(&mut self) -> Result<Persistent, StorageError> {
        let mut replay = match self.found.take() {
            Some(found) => found,
            None => {
                let mut replay = Replay::default();
                segments::look(&self.files, &self.directory, &mut replay)?;
                replay
            }
        };
        replay.fold().map_err(|damage| damage.at(&self.directory))
    }

    pub(super) fn notes(&self) -> Notes {
        self.contents.notes.clone()
    }

    /// Takes up records, all or none of them.
    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        self.found = None;
        let before = (self.contents.extent.clone(), self.contents.ballot, self.records.len());
        let taken =
            records.iter().try_for_each(|record| self.contents.append(record, &mut self.records));
        taken.map_err(|what| {
            self.records.truncate(before.2);
            (self.contents.extent, self.contents.ballot) = (before.0, before.1);
            StorageError::other(format!("{}: {what}", self.directory.display()))
        })
    }

    pub(super) fn note(&mut self, name: &str, value: &[u8]) {
        self.found = None;
        self.contents.note(name, value, &mut self.records);
    }

    pub(super) fn sync(&mut self) -> Result<(), StorageError> {
        match self.records.is_empty() {
            true => Ok(()),
            false => self.write(),
        }
    }

    fn write(&mut self) -> Result<(), StorageError> {
        self.checkpoint.clear();
        if self.log.begins_segment(self.records.len()) {
            self.contents.checkpoint(&mut self.checkpoint);
        }
        let segment = self.log.write(&self.checkpoint, &self.records)?;
        self.records.clear();
        self.records.shrink_to(KEPT);
        let first = self.contents.landed(segment);
        self.log.begin_at(first)
    }

    /// Removes what is of no use but to be written again.
    pub(super) fn make_room(&mut self) -> Result<(), StorageError> {
        self.log.remove_spares()
    }

    /// Says that nothing follows, unless that would take a new segment.
    fn close(&mut self) -> Result<(), StorageError> {
        let mut closed = Vec::new();
        stored::write(Written::Closed, &mut closed);
        let is_due = !self.is_closed && self.log.is_sound();
        self.is_closed = true;
        match is_due && !self.log.begins_segment(closed.len()) {
            true => self.log.write(&[], &closed).map(|_| ()),
            false => Ok(()),
        }
    }
}

impl<F: Files> Drop for Store<F> {
    fn drop(&mut self) {
        // Without it, the next start says that this one was not closed.
        let _ = self.close();
    }
}
