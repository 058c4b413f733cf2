//! The simulated disk as a gate: what a step owes waits until its records are durable.

use std::time::Duration;

use veraft::driver::{Batch, Gate};
use veraft::figure2::{Entry, Index, Message, Persistent, Proposal, Record, ServerId};

/// What leaves a server once the disk lets it.
#[derive(Debug, Default)]
pub struct Duties {
    /// The number of the step in the server's life.
    pub step: u64,
    /// Messages to send.
    pub send: Vec<(ServerId, Message)>,
    /// Entries to apply.
    pub apply: Vec<(Index, Entry)>,
    /// The answer to the proposal with this number.
    pub answer: Option<(u64, Proposal)>,
}

/// Records, and what waits for them.
struct Held {
    records: Vec<Record>,
    duties: Duties,
}

/// One server's disk, behind the [gate](Gate) that ships.
///
/// One sync makes all the records of a batch durable; what waited for them leaves when it ends,
/// and what came meanwhile waits for the next.
#[derive(Default)]
pub struct Disk {
    /// What the durable records fold to: what a restart finds.
    durable: Persistent,
    gate: Gate<Held>,
    /// The sync that is under way, if any.
    syncing: Option<Sync>,
}

struct Sync {
    began: Duration,
    batch: Vec<Held>,
}

/// What a disk does next.
pub struct Taken {
    /// What leaves at once.
    pub free: Vec<Duties>,
    /// Whether a sync has begun.
    pub syncs: bool,
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
    pub fn hold(&mut self, records: Vec<Record>, duties: Duties) -> Option<Duties> {
        let writes = !records.is_empty();
        self.gate.enter(Held { records, duties }, writes).map(|held| held.duties)
    }

    /// Takes everything that waits, unless a sync is under way.
    pub fn take(&mut self, now: Duration) -> Option<Taken> {
        if self.gate.is_under_way() {
            return None;
        }
        let Batch { free, writes } = self.gate.take(|held| !held.records.is_empty())?;
        let free = free.into_iter().map(|held| held.duties).collect();
        let syncs = !writes.is_empty();
        match syncs {
            true => self.syncing = Some(Sync { began: now, batch: writes }),
            false => self.gate.written(),
        }
        Some(Taken { free, syncs })
    }

    /// The sync under way has ended: its records are durable, and what waited for them leaves.
    pub fn synced(&mut self) -> Vec<Duties> {
        let batch = self.syncing.take().map_or_else(Vec::new, |sync| sync.batch);
        self.gate.written();
        let mut released = Vec::with_capacity(batch.len());
        for Held { records, duties } in batch {
            records.into_iter().for_each(|record| self.durable.write(record));
            released.push(duties);
        }
        released
    }

    /// How many records have been written and are not known to be durable: those of the sync
    /// under way.
    pub fn unsynced(&self) -> usize {
        let batch = self.syncing.iter().flat_map(|sync| &sync.batch);
        batch.map(|held| held.records.len()).sum()
    }

    /// The server crashes. Of the records that the sync under way was writing, the first
    /// `kept` had reached the disk; all else is lost.
    pub fn crash(&mut self, kept: usize) {
        let batch = self.syncing.take().map_or_else(Vec::new, |sync| sync.batch);
        let records = batch.into_iter().flat_map(|held| held.records);
        records.take(kept).for_each(|record| self.durable.write(record));
        self.gate = Gate::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ballot(current_term: u64) -> Vec<Record> {
        vec![Record::Ballot { current_term, voted_for: None }]
    }

    fn answer(ticket: u64) -> Duties {
        let proposal = Proposal::NotLeader { term: 0, leader: None };
        Duties { answer: Some((ticket, proposal)), ..Duties::default() }
    }

    fn tickets(duties: impl IntoIterator<Item = Duties>) -> Vec<u64> {
        duties.into_iter().filter_map(|duties| Some(duties.answer?.0)).collect()
    }

    #[test]
    fn what_a_step_owes_leaves_in_order_and_never_before_its_records_are_durable() {
        let mut disk = Disk::default();
        assert_eq!(tickets(disk.hold(Vec::new(), answer(0))), [0], "nothing to wait for");

        assert!(disk.hold(ballot(1), answer(1)).is_none());
        assert!(disk.take(Duration::ZERO).is_some_and(|taken| taken.syncs));
        assert!(disk.hold(Vec::new(), answer(2)).is_none(), "not before the one ahead of it");
        assert!(disk.hold(ballot(2), answer(3)).is_none());
        assert!(disk.take(Duration::ZERO).is_none(), "one sync at a time");

        assert_eq!(disk.durable().current_term(), 0);
        assert_eq!(tickets(disk.synced()), [1]);
        assert_eq!(disk.durable().current_term(), 1);
        let taken = disk.take(Duration::ZERO).unwrap();
        assert_eq!(tickets(taken.free), [2]);
        assert!(taken.syncs);
        assert_eq!(tickets(disk.synced()), [3]);
        assert_eq!(disk.durable().current_term(), 2);
        assert!(disk.take(Duration::ZERO).is_none());
    }

    #[test]
    fn a_crash_keeps_a_first_part_of_what_was_being_written_and_nothing_that_waited() {
        for (kept, term) in [(0, 0), (1, 1), (2, 2)] {
            let mut disk = Disk::default();
            disk.hold(ballot(1), answer(1));
            disk.hold(ballot(2), answer(2));
            assert!(disk.take(Duration::ZERO).is_some_and(|taken| taken.syncs));
            disk.hold(ballot(3), answer(3));
            assert_eq!(disk.unsynced(), 2);
            disk.crash(kept);
            assert_eq!(disk.durable().current_term(), term);
            assert!(disk.synced().is_empty() && disk.take(Duration::ZERO).is_none());
        }
    }
}
