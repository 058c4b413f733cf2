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

impl<S: Storage, R> Disk<S, R> {
    /// The life of the disk thread.
    ///
    /// # Errors
    /// When a write fails. Nothing that waited for it has left, or ever will.
    pub(super) fn run(mut self) -> Result<(), StorageError> {
        while let Some(mut batch) = self.gate.take() {
            let first = batch.iter().position(|gated| !gated.persist.is_empty());
            let writes = batch.split_off(first.unwrap_or(batch.len()));
            self.release(batch);
            let durable = self.write(writes)?;
            self.release(durable);
        }
        Ok(())
    }

    /// Group commit: everything that waits, with one sync.
    fn write(&mut self, mut batch: Vec<Gated<R>>) -> Result<Vec<Gated<R>>, StorageError> {
        let persist = batch.iter_mut().flat_map(|gated| mem::take(&mut gated.persist));
        let records: Vec<Record> = persist.collect();
        if records.is_empty() {
            return Ok(batch);
        }
        let start = Instant::now();
        self.gate.write_begins();
        self.storage.append(&records)?;
        self.storage.sync()?;
        self.gate.write_ends();
        self.counters.synced(records.len(), start.elapsed());
        if let (Some(recorder), Some(last)) = (&self.recorder, batch.last()) {
            recorder.durable(last.step);
        }
        Ok(batch)
    }

    fn release(&self, batch: Vec<Gated<R>>) {
        batch.into_iter().for_each(|gated| self.outlets.release(gated));
    }
}
