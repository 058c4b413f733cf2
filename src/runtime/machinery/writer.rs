//! The disk thread: makes records durable, then lets out what waits for them.

use crate::runtime::std;

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use std::vec::Vec;

use super::arrived::Arrived;
use super::gate::Gate;
use super::identity::{FLOOR, STOPPED, floor_note};
use super::log;
use super::mailbox::{Mailbox, Taken};
use super::outlets::{Gated, Note, Outlets};
use super::reception::Identities;
use super::room::{Looks, RoomWatch};
use crate::driver::Batch;
use crate::figure2::{Index, Record};
use crate::runtime::metrics::Counters;
use crate::runtime::recorder::Recorder;
use crate::runtime::stopped::StopReason;
use crate::runtime::storage::{Storage, StorageError};

/// How far peers have come is written beside one in so many batches: it grows with each, and what
/// of it a crash of this node loses, the peers' own counters of starts make up for.
const PROGRESS: u64 = 64;

/// What the disk thread of one node works with.
pub(super) struct Writer<S, R> {
    pub(super) storage: S,
    pub(super) gate: Arc<Gate<Gated<R>>>,
    /// Where the server hears of what is durable.
    pub(super) arrived: Arc<Mailbox<Arrived<R>>>,
    pub(super) outlets: Arc<Outlets<R>>,
    pub(super) counters: Arc<Counters>,
    pub(super) recorder: Option<Recorder>,
    pub(super) identities: Arc<Identities>,
    /// The highest index that the store knows to have been given to the application.
    pub(super) floor: Index,
    /// How many batches were written.
    pub(super) batches: u64,
    pub(super) room: Arc<RoomWatch>,
    pub(super) looks: Looks,
}

/// The node ends: a write failed, or the server must not go on. What waited must not leave, ever.
pub(super) struct Failure<R> {
    pub(super) reason: StopReason,
    pub(super) unreleased: Vec<Gated<R>>,
}

impl<S: Storage, R> Writer<S, R> {
    /// The life of the disk thread.
    ///
    /// # Errors
    /// When a write fails, or after a step that must be the last.
    pub(super) fn run(&mut self) -> Result<(), Failure<R>> {
        loop {
            match self.gate.take(Gated::writes, self.looks.next()) {
                Taken::All(batch) => self.serve(batch)?,
                Taken::TimedOut => self.look()?,
                Taken::Closed => return Ok(()),
            }
        }
    }

    /// Serves what waits, and returns.
    ///
    /// # Errors
    /// When a write fails, or after a step that must be the last.
    pub(super) fn run_once(&mut self) -> Result<(), Failure<R>> {
        while let Some(batch) = self.gate.take_now(Gated::writes) {
            self.serve(batch)?;
        }
        Ok(())
    }

    fn serve(&mut self, batch: Batch<Gated<R>>) -> Result<(), Failure<R>> {
        self.wait_for_recorder();
        let Batch { free, mut writes } = batch;
        self.release(free);
        let last = writes.iter().position(|gated| gated.stop.is_some());
        let never = writes.split_off(last.unwrap_or(writes.len()));
        if let Err(error) = self.write(&mut writes) {
            writes.extend(never);
            return Err(Failure {
                reason: StopReason::Storage(Arc::new(error)),
                unreleased: writes,
            });
        }
        let stored = writes.iter().rev().find_map(|gated| gated.held.stored);
        self.release(writes);
        if let Some(stored) = stored {
            self.arrived.put(|arrived| arrived.stored = Some(stored));
        }
        match never.first().and_then(|gated| gated.stop.clone()) {
            Some(reason) => Err(Failure { reason: self.mark(reason), unreleased: never }),
            None if self.looks.is_due() => self.look(),
            None => Ok(()),
        }
    }

    /// Group commit: everything that waits, with one sync.
    fn write(&mut self, batch: &mut [Gated<R>]) -> Result<(), StorageError> {
        let notes = batch.iter_mut().flat_map(|gated| mem::take(&mut gated.notes));
        let notes: Vec<Note> = notes.collect();
        let persist = batch.iter_mut().flat_map(|gated| mem::take(&mut gated.held.persist));
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
        if records.is_empty() {
            return Ok(());
        }
        self.counters.synced(records.len(), start.elapsed());
        self.looks.wrote(&records);
        self.show_term(&records);
        if let (Some(recorder), Some(last)) = (&self.recorder, batch.last()) {
            recorder.durable(last.held.step);
            self.wait_for_recorder();
        }
        Ok(())
    }

    /// What is worth no sync of its own: what the application has been given, and how far peers
    /// have come.
    fn note_by_the_way(&mut self) -> Result<(), StorageError> {
        let notes = self.identities.registry().unwritten(self.batches.is_multiple_of(PROGRESS));
        self.batches += 1;
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
                Record::Truncate { .. } | Record::Append { .. } | Record::Base(_) => {}
            }
        }
    }

    /// Marks the store, so that no node starts on it again before somebody has looked.
    fn mark(&mut self, reason: StopReason) -> StopReason {
        let mark = self.storage.note(STOPPED, reason.mark().as_bytes());
        match mark.and_then(|()| self.storage.sync()) {
            Ok(()) => reason,
            Err(error) => {
                log::error!("{reason}");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Held, Stored};
    use crate::figure2::{Command, Entry, Message, RequestVoteReply};
    use crate::runtime::machinery::fixtures::{PEER, Parts, asked};
    use crate::runtime::machinery::identity::{IDENTITY, PEERS, Registry, UnfitStore};
    use crate::runtime::storage::{MemoryDisk, MemoryStorage, Notes};
    use std::boxed::Box;
    use std::string::ToString;
    use std::sync::mpsc;

    fn disk(platter: &MemoryDisk) -> Writer<MemoryStorage, u64> {
        let mut storage = platter.open().unwrap();
        let notes = storage.notes().unwrap();
        Parts::on(&notes).writer(storage)
    }

    /// A step that writes a ballot of this term, and sends.
    fn step(term: u64) -> Gated<u64> {
        let reply = RequestVoteReply { term, vote_granted: false };
        Gated::of(Held {
            persist: Vec::from([Record::Ballot { current_term: term, voted_for: None }]),
            send: Vec::from([(PEER, Message::RequestVoteReply(reply))]),
            stored: Some(Stored { step: term, last_index: term, last_term: term }),
            ..Held::default()
        })
    }

    fn synced(platter: &MemoryDisk) -> Notes {
        platter.open().unwrap().notes().unwrap()
    }

    #[test]
    fn a_step_that_must_be_the_last_marks_the_store_and_nothing_of_it_leaves() {
        let platter = MemoryDisk::new();
        let mut disk = disk(&platter);
        let text = "S2 contradicts entry 1".into();
        let fatal = Gated { stop: Some(StopReason::Contradicted { text }), ..step(2) };
        for gated in [step(1), fatal, step(3)] {
            assert!(disk.gate.enter(gated, true).is_none());
        }
        let Failure { reason, unreleased } = disk.run_once().unwrap_err();
        assert!(matches!(&reason, StopReason::Contradicted { text } if text.contains("entry 1")));
        assert_eq!(unreleased.len(), 2);
        assert_eq!(disk.outlets.outboxes[&PEER].depth(), 1, "only what came before has left");
        assert_eq!(disk.arrived.look(|arrived| arrived.stored.map(|stored| stored.step)), Some(1));
        drop(disk);
        assert_eq!(platter.persistent().current_term(), 1);
        let refused = Registry::open(&synced(&platter), &platter.persistent(), asked(), || 1);
        let text = "S2 contradicts entry 1".to_string();
        assert_eq!(refused.unwrap_err(), UnfitStore::Stopped { text });
    }

    #[test]
    fn what_follows_a_note_happens_once_it_is_durable() {
        let platter = MemoryDisk::new();
        let mut disk = disk(&platter);
        let (sender, done) = mpsc::channel();
        let look = platter.clone();
        // The disk is open: what is durable is seen through the term that is written with it.
        let then = move || sender.send(look.persistent().current_term()).unwrap();
        let notes = Vec::from([(PEERS, Vec::from(*b"x"))]);
        disk.gate.enter(Gated { notes, then: Some(Box::new(then)), ..step(4) }, true);
        assert!(done.try_recv().is_err());
        disk.run_once().ok().unwrap();
        assert_eq!(done.try_recv(), Ok(4));
        assert_eq!(disk.gate.writing(), None, "the write has ended");
        drop(disk);
        assert_eq!(synced(&platter)[PEERS], b"x");
    }

    #[test]
    fn the_floor_and_what_has_changed_are_written_beside_records_and_never_alone() {
        let platter = MemoryDisk::new();
        let mut disk = disk(&platter);
        let outlets = disk.outlets.clone();
        let mut serve = |gated| {
            disk.gate.enter(gated, true);
            disk.run_once().ok().unwrap();
        };
        serve(step(1));
        outlets.apply(Vec::from([(2, Entry::command(1, Command::from(&b"x"[..])))]));
        let notes = |disk: &mut Writer<MemoryStorage, u64>| disk.storage.notes().unwrap();
        assert_eq!(notes(&mut disk).get(FLOOR), None, "nothing was given before the last write");
        assert!(notes(&mut disk).contains_key(IDENTITY));
        disk.gate.enter(step(3), true);
        disk.run_once().ok().unwrap();
        assert_eq!(notes(&mut disk)[FLOOR], floor_note(2));
    }

    /// A disk that writes nothing.
    struct Broken;

    impl Storage for Broken {
        fn load(&mut self) -> Result<crate::figure2::Persistent, StorageError> {
            Ok(crate::figure2::Persistent::default())
        }

        fn append(&mut self, _: &[Record]) -> Result<(), StorageError> {
            Ok(())
        }

        fn sync(&mut self) -> Result<(), StorageError> {
            Err(StorageError::other("broken"))
        }

        fn notes(&mut self) -> Result<Notes, StorageError> {
            Ok(Notes::new())
        }

        fn note(&mut self, _: &str, _: &[u8]) -> Result<(), StorageError> {
            Ok(())
        }
    }

    #[test]
    fn the_server_is_told_what_is_stored_once_it_is() {
        let mut writer = disk(&MemoryDisk::new());
        let told = |arrived: &Mailbox<Arrived<u64>>| arrived.look(|arrived| arrived.stored);
        writer.gate.enter(step(1), true);
        writer.run_once().ok().unwrap();
        assert_eq!(told(&writer.arrived), step(1).held.stored);
        let mut writer = Parts::on(&synced(&MemoryDisk::new())).writer(Broken);
        writer.gate.enter(step(1), true);
        assert!(writer.run_once().is_err());
        assert_eq!(told(&writer.arrived), None);
    }

    #[test]
    fn a_hello_states_a_term_only_once_it_is_durable() {
        let platter = MemoryDisk::new();
        let mut disk = disk(&platter);
        let states = |disk: &Writer<MemoryStorage, u64>, term: &str| {
            let hello = disk.identities.registry().hello();
            std::string::String::from_utf8(hello).unwrap().contains(term)
        };
        disk.gate.enter(step(12345), true);
        assert!(!states(&disk, "\"term\":12345"));
        disk.run_once().ok().unwrap();
        assert!(states(&disk, "\"term\":12345"));
    }
}
