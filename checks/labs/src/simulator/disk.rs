//! The simulated disk as a gate: what a step owes waits until its records are durable.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

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

/// One server's disk.
///
/// Outputs queue in order. One sync makes all the records that wait durable; what waited for
/// them leaves when it ends, and what came meanwhile waits for the next.
#[derive(Default)]
pub struct Disk {
    /// What the durable records fold to: what a restart finds.
    durable: Persistent,
    /// In the sync that is under way, if any.
    syncing: Option<Sync>,
    waiting: VecDeque<Held>,
}

struct Sync {
    began: Duration,
    batch: Vec<Held>,
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

    /// Takes over what a step owes.
    pub fn hold(&mut self, records: Vec<Record>, duties: Duties) {
        self.waiting.push_back(Held { records, duties });
    }

    /// What leaves now because nothing before it waits for a record.
    pub fn release(&mut self) -> Option<Duties> {
        let free = self.syncing.is_none() && self.waiting.front()?.records.is_empty();
        free.then(|| self.waiting.pop_front())?.map(|held| held.duties)
    }

    /// Starts a sync of everything that waits; false if nothing does, or one is under way.
    pub fn start_sync(&mut self, now: Duration) -> bool {
        if self.syncing.is_some() || self.waiting.is_empty() {
            return false;
        }
        let batch = mem::take(&mut self.waiting).into();
        self.syncing = Some(Sync { began: now, batch });
        true
    }

    /// The sync under way has ended: its records are durable, and what waited for them leaves.
    pub fn synced(&mut self) -> Vec<Duties> {
        let batch = self.syncing.take().map_or_else(Vec::new, |sync| sync.batch);
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
        self.waiting.clear();
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
        disk.hold(Vec::new(), answer(0));
        assert_eq!(tickets(disk.release()), [0], "nothing to wait for");

        disk.hold(ballot(1), answer(1));
        assert!(disk.release().is_none());
        assert!(disk.start_sync(Duration::ZERO));
        disk.hold(Vec::new(), answer(2));
        assert!(disk.release().is_none(), "not before the one ahead of it");
        disk.hold(ballot(2), answer(3));
        assert!(!disk.start_sync(Duration::ZERO), "one sync at a time");

        assert_eq!(disk.durable().current_term(), 0);
        assert_eq!(tickets(disk.synced()), [1]);
        assert_eq!(disk.durable().current_term(), 1);
        assert_eq!(tickets(disk.release()), [2]);
        assert!(disk.release().is_none());
        assert!(disk.start_sync(Duration::ZERO));
        assert_eq!(tickets(disk.synced()), [3]);
        assert_eq!(disk.durable().current_term(), 2);
    }

    #[test]
    fn a_crash_keeps_a_first_part_of_what_was_being_written_and_nothing_that_waited() {
        for (kept, term) in [(0, 0), (1, 1), (2, 2)] {
            let mut disk = Disk::default();
            disk.hold(ballot(1), answer(1));
            disk.hold(ballot(2), answer(2));
            assert!(disk.start_sync(Duration::ZERO));
            disk.hold(ballot(3), answer(3));
            assert_eq!(disk.unsynced(), 2);
            disk.crash(kept);
            assert_eq!(disk.durable().current_term(), term);
            assert!(disk.synced().is_empty() && disk.release().is_none());
            assert!(!disk.start_sync(Duration::ZERO));
        }
    }
}
