//! One timely dataflow that carries parcels from worker to worker, in rounds: the timestamp is
//! the number of the round, and a round is over when the probe says that nothing of it is under
//! way any more.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::{Input, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

use super::report::Report;

/// Something for one worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Parcel {
    /// The worker that it is for.
    pub to: usize,
    /// The worker that it is from.
    pub from: usize,
    /// The round in which it was sent.
    pub round: u64,
    /// What is in it.
    pub content: Content,
}

/// What workers tell each other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Content {
    /// States of the next level that belong to the receiver.
    States {
        /// What the receiver has to learn first, if it is in another process.
        #[serde(with = "serde_bytes")]
        told: Vec<u8>,
        /// For each state: its fingerprint, its kin's, its parent's, the length of its encoding (4 bytes,
        /// the lowest first), and that.
        #[serde(with = "serde_bytes")]
        states: Vec<u8>,
    },
    /// The sender breaks the level off, and so should everyone.
    Stop,
    /// What became of a level.
    Report(Box<Report>),
    /// The bytes of the parent of the last state of the path with this number.
    Parent(usize, Vec<u8>),
    /// The depth of the sender's latest checkpoint; none where there is none.
    Checkpoint(Option<u64>),
}

/// A worker is gone, and the search with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// A worker's end of the dataflow.
pub struct Net<'w> {
    worker: &'w mut Worker,
    input: InputHandle<u64, timely::container::CapacityContainerBuilder<Vec<Parcel>>>,
    probe: ProbeHandle<u64>,
    inbox: Rc<RefCell<Vec<Parcel>>>,
    /// Parcels of the next round: a worker that has seen this one end may already be in it.
    early: Vec<Parcel>,
    gone: Arc<AtomicBool>,
}

impl<'w> Net<'w> {
    /// Builds the dataflow. `gone` says that a worker of this process died.
    pub fn new(worker: &'w mut Worker, gone: Arc<AtomicBool>) -> Net<'w> {
        let mut input = InputHandle::new();
        let probe = ProbeHandle::new();
        let inbox = Rc::new(RefCell::new(Vec::new()));
        let arrived = Rc::clone(&inbox);
        worker.dataflow::<u64, _, _>(|scope| {
            scope
                .input_from(&mut input)
                .container::<Vec<_>>()
                .unary::<timely::container::CapacityContainerBuilder<Vec<()>>, _, _, _>(
                    Exchange::new(|parcel: &Parcel| parcel.to as u64),
                    "inbox",
                    move |_, _| {
                        move |input, _| {
                            input.for_each(|_, parcels| arrived.borrow_mut().append(parcels));
                        }
                    },
                )
                .probe_with(&probe);
        });
        Net { worker, input, probe, inbox, early: Vec::new(), gone }
    }

    /// This worker's number.
    pub fn index(&self) -> usize {
        self.worker.index()
    }

    /// How many workers there are, in all processes.
    pub fn peers(&self) -> usize {
        self.worker.peers()
    }

    /// Sends a parcel in this round.
    pub fn send(&mut self, to: usize, content: Content) {
        let (from, round) = (self.index(), *self.input.time());
        self.input.send(Parcel { to, from, round, content });
        self.input.flush();
    }

    /// Sends every worker the same, this one included.
    pub fn broadcast(&mut self, content: &Content) {
        (0..self.peers()).for_each(|to| self.send(to, content.clone()));
    }

    /// What of this round has arrived by now.
    pub fn poll(&mut self) -> Vec<Parcel> {
        self.worker.step();
        let round = *self.input.time();
        self.arrived(round)
    }

    fn arrived(&mut self, round: u64) -> Vec<Parcel> {
        self.early.append(&mut self.inbox.borrow_mut());
        let (now, early) = self.early.drain(..).partition(|parcel| parcel.round == round);
        self.early = early;
        now
    }

    /// Ends the round: shows `receive` whatever else arrives in it.
    ///
    /// # Errors
    /// When a worker of this process died.
    pub fn end_round(&mut self, mut receive: impl FnMut(Parcel)) -> Result<(), Gone> {
        let round = *self.input.time();
        let next = round + 1;
        self.input.advance_to(next);
        while self.probe.less_than(&next) {
            if self.gone.load(Ordering::Relaxed) {
                return Err(Gone);
            }
            // Woken by whatever arrives; the limit is for the flag alone.
            self.worker.step_or_park(Some(Duration::from_millis(50)));
            self.arrived(round).into_iter().for_each(&mut receive);
        }
        self.arrived(round).into_iter().for_each(receive);
        Ok(())
    }

    /// Takes the dataflow down although it is not finished.
    pub fn abandon(self) {
        for dataflow in self.worker.installed_dataflows() {
            self.worker.drop_dataflow(dataflow);
        }
    }
}
