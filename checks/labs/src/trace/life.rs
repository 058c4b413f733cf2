//! One life of a server: what it has taken, and what of it may have left.

use veraft::driver::{Batch, Gate};
use veraft::figure2::{Base, Entry, Index, Persistent, Record};
use veraft_models::properties::applied_in_turn;

use super::cluster::{Facts, LetterDigest};
use super::{Discrepancy, FileLine, Finding};

/// One life of a server.
pub struct Life<P> {
    /// The server.
    pub server: P,
    /// The number of the last step.
    pub steps: u64,
    /// Whether the life ended in order.
    pub stopped: bool,
    /// What durable records fold to.
    pub durable: Persistent,
    /// Steps that wait for records, their own or those of steps before.
    gate: Gate<Waiting>,
    /// The step up to which all records are durable.
    durable_step: u64,
    /// The index of the last entry that reached the state machine.
    applied: Index,
}

/// What a step owes.
pub struct Waiting {
    /// The number of the step.
    pub step: u64,
    /// Its line.
    pub at: FileLine,
    /// Its records.
    pub records: Vec<Record>,
    /// Messages that wait for the records.
    pub letters: Vec<LetterDigest>,
    /// What the state machine is to become first.
    pub restore: Option<Base>,
    /// Entries to apply.
    pub apply: Vec<(Index, Entry)>,
}

fn writes(waiting: &Waiting) -> bool {
    !waiting.records.is_empty()
}

impl<P> Life<P> {
    /// A life that begins.
    pub fn new(server: P, durable: Persistent) -> Life<P> {
        let applied = durable.log().base().last_index;
        Life {
            server,
            steps: 0,
            stopped: false,
            durable,
            gate: Gate::default(),
            durable_step: 0,
            applied,
        }
    }

    /// A step was taken: what it owes goes to the gate; what need not wait there leaves at once.
    pub fn stepped(&mut self, owed: Waiting, cluster: &mut Facts) -> Result<(), Discrepancy> {
        let has_to_wait = writes(&owed);
        match self.gate.enter(owed, has_to_wait) {
            Some(free) => self.leave(free, cluster).map_err(|finding| finding.problem),
            None => Ok(()),
        }
    }

    /// The records of all steps up to `step` are durable.
    pub fn durable(&mut self, step: u64) -> Result<(), Discrepancy> {
        if step <= self.durable_step || step > self.steps {
            let (last, before) = (self.steps, self.durable_step);
            return Err(Discrepancy::Durable { found: step, last, before });
        }
        self.durable_step = step;
        Ok(())
    }

    /// The life ends in order.
    pub fn stop(&mut self, step: u64) -> Result<(), Discrepancy> {
        self.stopped = true;
        match step == self.steps {
            true => Ok(()),
            false => Err(Discrepancy::Numbering { expected: self.steps, found: step }),
        }
    }

    /// Lets out what waits for no record any more. Where batches ended is not recorded, only which
    /// steps are durable.
    pub fn release(&mut self, cluster: &mut Facts) -> Result<(), Finding> {
        let durable_step = self.durable_step;
        let is_free = |waiting: &Waiting| waiting.step <= durable_step || !writes(waiting);
        let Some(Batch { free, writes }) = self.gate.take_while(writes, is_free) else {
            return Ok(());
        };
        self.gate.written();
        free.into_iter().chain(writes).try_for_each(|waiting| self.leave(waiting, cluster))
    }

    fn leave(&mut self, free: Waiting, cluster: &mut Facts) -> Result<(), Finding> {
        let Waiting { step: _, at, records, letters, restore, apply } = free;
        records.into_iter().for_each(|record| self.durable.write(record));
        letters.into_iter().for_each(|letter| cluster.sent(letter));
        if let Some(base) = restore {
            cluster.restores(base, &at).map_err(|problem| at.finds(problem))?;
            self.applied = base.last_index;
        }
        for (index, entry) in apply {
            applied_in_turn(self.applied, [index]).map_err(|expected| {
                at.finds(Discrepancy::AppliedOutOfTurn { expected, found: index })
            })?;
            self.applied = index;
            cluster.applies(index, &entry, &at).map_err(|problem| at.finds(problem))?;
        }
        Ok(())
    }

    /// The life is over: what still waits never left.
    pub fn end(&mut self) -> Vec<Waiting> {
        self.gate.discard()
    }
}

/// What a life leaves to the next.
#[derive(Default)]
pub struct Past {
    /// What was durable for certain.
    pub durable: Persistent,
    /// Records that may have become durable, a first part of them.
    pub unsure: Vec<Record>,
    /// Whether more may have happened than was recorded.
    pub lossy: bool,
}

impl Past {
    /// Whether a life may start with `persistent` after this.
    pub fn leads_to(self, persistent: &Persistent) -> bool {
        let Past { mut durable, unsure, lossy } = self;
        if lossy || durable == *persistent {
            return true;
        }
        unsure.into_iter().any(|record| {
            durable.write(record);
            durable == *persistent
        })
    }
}
