//! The simulated disk as a gate: what a step owes waits until its records are durable.

use std::mem;
use std::time::Duration;

use veraft::driver::{Batch, Gate, Held};
use veraft::figure2::{Command, Message, Persistent};

/// Who waits for a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The number of the proposal.
    pub ticket: u64,
    /// What was proposed.
    pub command: Command,
}

/// What waits for the disk.
type Waiting = Held<Message, Asked>;

/// One server's disk, behind the [gate](Gate) that ships.
///
/// One sync makes all the records of a batch durable; what waited for them leaves when it ends,
/// and what came meanwhile waits for the next.
#[derive(Default)]
pub struct Disk {
    /// What the durable records fold to: what a restart finds.
    durable: Persistent,
    gate: Gate<Waiting>,
    /// The sync that is under way, if any.
    syncing: Option<Sync>,
}

struct Sync {
    began: Duration,
    batch: Vec<Waiting>,
}

/// What a disk does next.
pub struct Taken {
    /// What leaves at once.
    pub free: Vec<Waiting>,
    /// Whether a sync has begun.
    pub syncs: bool,
}

fn writes(held: &Waiting) -> bool {
    !held.persist.is_empty()
}

impl Disk {
    /// What a restart finds.
    pub fn durable(&self) -> &Persistent {
        &self.durable
    }

    /// How long the sync under way has taken so far.
    pub fn busy(&self, now: Duration) -> Option<Duration> {
        self.syncing.as_ref().map(|sync| now - sync.began)
    }

    /// Takes over what a step owes; what may leave at once, it gives back.
    pub fn hold(&mut self, held: Waiting) -> Option<Waiting> {
        let has_to_wait = writes(&held);
        self.gate.enter(held, has_to_wait)
    }

    /// Takes everything that waits, unless a sync is under way.
    pub fn take(&mut self, now: Duration) -> Option<Taken> {
        if self.gate.is_under_way() {
            return None;
        }
        let Batch { free, writes } = self.gate.take(writes)?;
        let syncs = !writes.is_empty();
        match syncs {
            true => self.syncing = Some(Sync { began: now, batch: writes }),
            false => self.gate.written(),
        }
        Some(Taken { free, syncs })
    }

    /// The sync under way has ended: its records are durable, and what waited for them leaves.
    pub fn synced(&mut self) -> Vec<Waiting> {
        let mut batch = self.syncing.take().map_or_else(Vec::new, |sync| sync.batch);
        self.gate.written();
        let records = batch.iter_mut().flat_map(|held| mem::take(&mut held.persist));
        records.for_each(|record| self.durable.write(record));
        batch
    }

    /// How many records have been written and are not known to be durable: those of the sync
    /// under way.
    pub fn unsynced(&self) -> usize {
        let batch = self.syncing.iter().flat_map(|sync| &sync.batch);
        batch.map(|held| held.persist.len()).sum()
    }

    /// The server crashes. Of the records that the sync under way was writing, the first
    /// `kept` had reached the disk; all else is lost.
    pub fn crash(&mut self, kept: usize) {
        let batch = self.syncing.take().map_or_else(Vec::new, |sync| sync.batch);
        let records = batch.into_iter().flat_map(|held| held.persist);
        records.take(kept).for_each(|record| self.durable.write(record));
        self.gate = Gate::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use veraft::figure2::Record;

    /// A step that writes a ballot of this term.
    fn ballot(step: u64, current_term: u64) -> Waiting {
        let persist = vec![Record::Ballot { current_term, voted_for: None }];
        Held { step, persist, ..Held::default() }
    }

    fn nothing(step: u64) -> Waiting {
        Held { step, ..Held::default() }
    }

    fn steps(held: impl IntoIterator<Item = Waiting>) -> Vec<u64> {
        held.into_iter().map(|held| held.step).collect()
    }

    #[test]
    fn what_a_step_owes_leaves_in_order_and_never_before_its_records_are_durable() {
        let mut disk = Disk::default();
        assert_eq!(steps(disk.hold(nothing(0))), [0], "nothing to wait for");

        assert!(disk.hold(ballot(1, 1)).is_none());
        assert!(disk.take(Duration::ZERO).is_some_and(|taken| taken.syncs));
        assert!(disk.hold(nothing(2)).is_none(), "not before the one ahead of it");
        assert!(disk.hold(ballot(3, 2)).is_none());
        assert!(disk.take(Duration::ZERO).is_none(), "one sync at a time");

        assert_eq!(disk.durable().current_term(), 0);
        assert_eq!(steps(disk.synced()), [1]);
        assert_eq!(disk.durable().current_term(), 1);
        let taken = disk.take(Duration::ZERO).unwrap();
        assert_eq!(steps(taken.free), [2]);
        assert!(taken.syncs);
        assert_eq!(steps(disk.synced()), [3]);
        assert_eq!(disk.durable().current_term(), 2);
        assert!(disk.take(Duration::ZERO).is_none());
    }

    #[test]
    fn a_crash_keeps_a_first_part_of_what_was_being_written_and_nothing_that_waited() {
        for (kept, term) in [(0, 0), (1, 1), (2, 2)] {
            let mut disk = Disk::default();
            disk.hold(ballot(1, 1));
            disk.hold(ballot(2, 2));
            assert!(disk.take(Duration::ZERO).is_some_and(|taken| taken.syncs));
            disk.hold(ballot(3, 3));
            assert_eq!(disk.unsynced(), 2);
            disk.crash(kept);
            assert_eq!(disk.durable().current_term(), term);
            assert!(disk.synced().is_empty() && disk.take(Duration::ZERO).is_none());
        }
    }
}
