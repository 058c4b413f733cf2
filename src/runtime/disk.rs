//! The disk thread: makes records durable, then lets out what waits for them.

use crate::runtime::std;

use std::mem;
use std::sync::Arc;
use std::time::Instant;
use std::vec::Vec;

use super::gate::Gate;
use super::metrics::Counters;
use super::outlets::{Gated, Outlets};
use super::recorder::Recorder;
use super::storage::{Storage, StorageError};
use crate::figure2::Record;

/// The disk thread of one node.
pub(super) struct Disk<S, R> {
    pub(super) storage: S,
    pub(super) gate: Arc<Gate<Gated<R>>>,
    pub(super) outlets: Arc<Outlets<R>>,
    pub(super) counters: Arc<Counters>,
    pub(super) recorder: Option<Recorder>,
}

/// A write failed. What waited for it must not leave, ever.
pub(super) struct Failure<R> {
    pub(super) error: StorageError,
    pub(super) unreleased: Vec<Gated<R>>,
}

impl<S: Storage, R> Disk<S, R> {
    /// The life of the disk thread.
    ///
    /// # Errors
    /// When a write fails.
    pub(super) fn run(&mut self) -> Result<(), Failure<R>> {
        while let Some(batch) = self.gate.take() {
            self.serve(batch)?;
        }
        Ok(())
    }

    /// Serves what waits, and returns.
    ///
    /// # Errors
    /// When a write fails.
    pub(super) fn run_once(&mut self) -> Result<(), Failure<R>> {
        while let Some(batch) = self.gate.take_now() {
            self.serve(batch)?;
        }
        Ok(())
    }

    fn serve(&mut self, mut batch: Vec<Gated<R>>) -> Result<(), Failure<R>> {
        self.wait_for_recorder();
        let first = batch.iter().position(|gated| !gated.persist.is_empty());
        let mut writes = batch.split_off(first.unwrap_or(batch.len()));
        self.release(batch);
        if let Err(error) = self.write(&mut writes) {
            return Err(Failure { error, unreleased: writes });
        }
        self.release(writes);
        Ok(())
    }

    /// Group commit: everything that waits, with one sync.
    fn write(&mut self, batch: &mut [Gated<R>]) -> Result<(), StorageError> {
        let persist = batch.iter_mut().flat_map(|gated| mem::take(&mut gated.persist));
        let records: Vec<Record> = persist.collect();
        if records.is_empty() {
            return Ok(());
        }
        let start = Instant::now();
        self.gate.write_begins();
        self.storage.append(&records)?;
        self.storage.sync()?;
        self.gate.write_ends();
        self.counters.synced(records.len(), start.elapsed());
        if let (Some(recorder), Some(last)) = (&self.recorder, batch.last()) {
            recorder.durable(last.step);
            self.wait_for_recorder();
        }
        Ok(())
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
