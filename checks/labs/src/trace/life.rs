//! One life of a server: what it has taken, and what of it may have left.

use std::collections::VecDeque;

use veraft::figure2::{Entry, Index, Persistent, Record, Server};

use super::cluster::{Facts, LetterDigest};
use super::{Discrepancy, FileLine, Finding};

/// One life of a server.
pub struct Life {
    /// The server.
    pub server: Server,
    /// The number of the last step.
    pub steps: u64,
    /// Whether the life ended in order.
    pub stopped: bool,
    /// What durable records fold to.
    pub durable: Persistent,
    /// Steps that wait for records, their own or those of steps before, oldest first.
    pub waiting: VecDeque<Waiting>,
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
    /// Entries to apply.
    pub apply: Vec<(Index, Entry)>,
}

impl Life {
    /// A life that begins.
    pub fn new(server: Server, durable: Persistent) -> Life {
        Life {
            server,
            steps: 0,
            stopped: false,
            durable,
            waiting: VecDeque::new(),
            durable_step: 0,
            applied: 0,
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

    /// Lets out what waits for no record any more.
    pub fn release(&mut self, cluster: &mut Facts) -> Result<(), Finding> {
        while let Some(free) = self.next_free() {
            let Waiting { step: _, at, records, letters, apply } = free;
            records.into_iter().for_each(|record| self.durable.write(record));
            letters.into_iter().for_each(|letter| cluster.sent(letter));
            for (index, entry) in apply {
                let expected = self.applied + 1;
                if index != expected {
                    return Err(at.finds(Discrepancy::AppliedOutOfTurn { expected, found: index }));
                }
                self.applied = index;
                cluster.applies(index, &entry, &at).map_err(|problem| at.finds(problem))?;
            }
        }
        Ok(())
    }

    fn next_free(&mut self) -> Option<Waiting> {
        let first = self.waiting.front()?;
        let free = first.records.is_empty() || first.step <= self.durable_step;
        free.then(|| self.waiting.pop_front()).flatten()
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
