//! The disk thread: makes records durable, then lets out what waits for them.

use crate::runtime::std;

use std::mem;
use std::string::String;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use std::vec::Vec;

use super::gate::Gate;
use super::identity::{FLOOR, STOPPED, floor_note};
use super::life::StopReason;
use super::metrics::Counters;
use super::outlets::{Gated, Note, Outlets};
use super::reception::Identities;
use super::recorder::Recorder;
use super::storage::{Storage, StorageError};
use crate::figure2::{Index, Record};

/// The disk thread of one node.
pub(super) struct Disk<S, R> {
    pub(super) storage: S,
    pub(super) gate: Arc<Gate<Gated<R>>>,
    pub(super) outlets: Arc<Outlets<R>>,
    pub(super) counters: Arc<Counters>,
    pub(super) recorder: Option<Recorder>,
    pub(super) identities: Arc<Identities>,
    /// The highest index that the store knows to have been given to the application.
    pub(super) floor: Index,
}

/// The node ends: a write failed, or the server must not go on. What waited must not leave, ever.
pub(super) struct Failure<R> {
    pub(super) reason: StopReason,
    pub(super) unreleased: Vec<Gated<R>>,
}

impl<S: Storage, R> Disk<S, R> {
    /// The life of the disk thread.
    ///
    /// # Errors
    /// When a write fails, or after a step that must be the last.
    pub(super) fn run(&mut self) -> Result<(), Failure<R>> {
        while let Some(batch) = self.gate.take() {
            self.serve(batch)?;
        }
        Ok(())
    }

    /// Serves what waits, and returns.
    ///
    /// # Errors
    /// When a write fails, or after a step that must be the last.
    pub(super) fn run_once(&mut self) -> Result<(), Failure<R>> {
        while let Some(batch) = self.gate.take_now() {
            self.serve(batch)?;
        }
        Ok(())
    }

    fn serve(&mut self, mut batch: Vec<Gated<R>>) -> Result<(), Failure<R>> {
        self.wait_for_recorder();
        let first = batch.iter().position(Gated::writes);
        let mut writes = batch.split_off(first.unwrap_or(batch.len()));
        self.release(batch);
        let last = writes.iter().position(|gated| gated.stop.is_some());
        let never = writes.split_off(last.unwrap_or(writes.len()));
        if let Err(error) = self.write(&mut writes) {
            writes.extend(never);
            return Err(Failure {
                reason: StopReason::Storage(Arc::new(error)),
                unreleased: writes,
            });
        }
        self.release(writes);
        match never.first().and_then(|gated| gated.stop.clone()) {
            Some(text) => Err(Failure { reason: self.mark(text), unreleased: never }),
            None => Ok(()),
        }
    }

    /// Group commit: everything that waits, with one sync.
    fn write(&mut self, batch: &mut [Gated<R>]) -> Result<(), StorageError> {
        let notes = batch.iter_mut().flat_map(|gated| mem::take(&mut gated.notes));
        let notes: Vec<Note> = notes.collect();
        let persist = batch.iter_mut().flat_map(|gated| mem::take(&mut gated.persist));
        let records: Vec<Record> = persist.collect();
        if records.is_empty() && notes.is_empty() {
            return Ok(());
        }
        let start = Instant::now();
        self.gate.write_begins();
        notes.iter().try_for_each(|(name, value)| self.storage.note(name, value))?;
        if !records.is_empty() {
            self.note_by_the_way()?;
            self.storage.append(&records)?;
        }
        self.storage.sync()?;
        self.gate.write_ends();
        if !records.is_empty() {
            self.counters.synced(records.len(), start.elapsed());
            self.show_term(&records);
        }
        if let (Some(recorder), Some(last)) = (&self.recorder, batch.last()) {
            recorder.durable(last.step);
            self.wait_for_recorder();
        }
        Ok(())
    }

    /// What is worth no sync of its own: what the application has been given, and the terms that
    /// peers have shown.
    fn note_by_the_way(&mut self) -> Result<(), StorageError> {
        let notes = self.identities.registry().unwritten(true);
        notes.iter().try_for_each(|(name, value)| self.storage.note(name, value))?;
        let given = self.outlets.given.load(Ordering::Acquire);
        if given > self.floor {
            self.storage.note(FLOOR, &floor_note(given))?;
            self.floor = given;
        }
        Ok(())
    }

    /// From here on a hello may state the new term.
    fn show_term(&self, records: &[Record]) {
        for record in records {
            match record {
                Record::Ballot { current_term, voted_for: _ } => {
                    self.identities.registry().reached(*current_term);
                }
                Record::Truncate { .. } | Record::Append { .. } => {}
            }
        }
    }

    /// Marks the store, so that no node starts on it again before somebody has looked.
    fn mark(&mut self, text: String) -> StopReason {
        let mark = self.storage.note(STOPPED, text.as_bytes());
        match mark.and_then(|()| self.storage.sync()) {
            Ok(()) => StopReason::Contradicted { text },
            Err(error) => {
                tracing::error!("{text}");
                StopReason::Storage(Arc::new(error))
            }
        }
    }

    /// Nothing reaches the disk, or leaves, before the recording says so.
    fn wait_for_recorder(&self) {
        if let Some(recorder) = &self.recorder {
            self.gate.write_begins();
            recorder.wait_until_written();
            self.gate.write_ends();
        }
    }

    fn release(&self, batch: Vec<Gated<R>>) {
        batch.into_iter().for_each(|gated| self.outlets.release(gated));
    }
}
