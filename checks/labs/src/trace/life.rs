//! One life of a server: what it has taken, and what of it may have left.

use veraft::driver::{Batch, Gate};
use veraft::figure2::{Base, Entry, Index, Persistent, Record, Term};
use veraft_models::properties::applied_in_turn;

use super::cluster::{Facts, LetterDigest};
use super::{Discrepancy, FileLine};

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
    pub fn stepped(&mut self, owed: Waiting, cluster: &mut Facts) {
        let has_to_wait = writes(&owed);
        if let Some(free) = self.gate.enter(owed, has_to_wait) {
            self.leave(free, cluster);
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
    pub fn release(&mut self, cluster: &mut Facts) {
        let durable_step = self.durable_step;
        let is_free = |waiting: &Waiting| waiting.step <= durable_step || !writes(waiting);
        let Some(Batch { free, writes }) = self.gate.take_while(writes, is_free) else { return };
        self.gate.written();
        free.into_iter().chain(writes).for_each(|waiting| self.leave(waiting, cluster));
    }

    fn leave(&mut self, free: Waiting, cluster: &mut Facts) {
        let Waiting { step: _, at: _, records, letters } = free;
        records.into_iter().for_each(|record| self.durable.write(record));
        letters.into_iter().for_each(|letter| cluster.sent(letter));
    }

    /// The state machine becomes an image, if there is one, and entries are applied. Both happen
    /// as soon as they may: when exactly, a recording does not say.
    pub fn apply(
        &mut self,
        restore: Option<Base>,
        entries: Vec<(Index, Entry)>,
        at: &FileLine,
        cluster: &mut Facts,
    ) -> Result<(), Discrepancy> {
        if let Some(base) = restore {
            cluster.restores(base, at)?;
            self.applied = base.last_index;
        }
        for (index, entry) in entries {
            applied_in_turn(self.applied, [index])
                .map_err(|expected| Discrepancy::AppliedOutOfTurn { expected, found: index })?;
            self.applied = index;
            cluster.applies(index, &entry, at)?;
        }
        Ok(())
    }

    /// The server is told that its log is durable up to here.
    pub fn stored(&self, index: Index, term: Term) -> Result<(), Discrepancy> {
        match self.durable.log().term_at(index).agrees_with(term) {
            true => Ok(()),
            false => Err(Discrepancy::NotStored { index }),
        }
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
