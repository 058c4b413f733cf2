//! The gate of a node: the driver's, between the thread of the server and the writer.

use crate::runtime::std;

use std::mem;
use std::time::{Duration, Instant};

use super::mailbox::Taken;
use super::sync::{Condvar, Mutex, lock};
use super::waiting::{Patience, Wait};
use crate::driver::{self, Batch};

/// One thread enters, one takes.
pub(super) struct Gate<T> {
    state: Mutex<State<T>>,
    work: Condvar,
}

struct State<T> {
    gate: driver::Gate<T>,
    /// Since when the writer writes.
    writing_since: Option<Instant>,
    sleeping: bool,
    closed: bool,
    patience: Patience,
}

impl<T> Gate<T> {
    /// A gate at which nothing waits.
    pub(super) fn new() -> Self {
        let state = State {
            gate: driver::Gate::default(),
            writing_since: None,
            sleeping: false,
            closed: false,
            patience: Patience::default(),
        };
        Gate { state: Mutex::new(state), work: Condvar::new() }
    }

    /// Queues `item` for the writer; gives it back if it may leave at once, because there is
    /// nothing to write for it and nothing is ahead of it.
    ///
    /// A closed gate swallows it.
    pub(super) fn enter(&self, item: T, has_to_wait: bool) -> Option<T> {
        let mut state = lock(&self.state);
        if state.closed {
            return None;
        }
        let free = state.gate.enter(item, has_to_wait);
        let wake = free.is_none() && mem::take(&mut state.sleeping);
        drop(state);
        if wake {
            self.work.notify_one();
        }
        free
    }

    /// Takes everything that waits, as soon as anything does. Waits until `deadline`, or for ever
    /// without one. Whoever takes must have released what it took before.
    pub(super) fn take(
        &self,
        writes: impl Fn(&T) -> bool,
        deadline: Option<Instant>,
    ) -> Taken<Batch<T>> {
        let mut state = lock(&self.state);
        state.gate.written();
        let mut wait = Wait::new(&state.patience, deadline);
        loop {
            if state.closed {
                return Taken::Closed;
            }
            if let Some(batch) = state.gate.take(&writes) {
                state.patience.learn(wait);
                return Taken::All(batch);
            }
            let sleeps = |state: &mut State<T>| state.sleeping = true;
            state = match wait.go_on(&self.state, &self.work, state, sleeps) {
                Ok(state) => state,
                Err(mut state) => {
                    state.sleeping = false;
                    state.patience.learn(wait);
                    return Taken::TimedOut;
                }
            };
        }
    }

    /// Takes what waits, without waiting for more: for a node that writes on the thread that
    /// enters. Like [`take`](Self::take) otherwise.
    pub(super) fn take_now(&self, writes: impl Fn(&T) -> bool) -> Option<Batch<T>> {
        let mut state = lock(&self.state);
        state.gate.written();
        match state.closed {
            true => None,
            false => state.gate.take(writes),
        }
    }

    /// The writer begins to write.
    pub(super) fn write_begins(&self) {
        lock(&self.state).writing_since = Some(Instant::now());
    }

    /// What the writer took is durable.
    pub(super) fn write_ends(&self) {
        lock(&self.state).writing_since = None;
    }

    /// How long the write under way has lasted, if there is one.
    pub(super) fn writing(&self) -> Option<Duration> {
        let since = lock(&self.state).writing_since;
        since.map(|since| since.elapsed())
    }

    /// How many items wait for the writer.
    pub(super) fn depth(&self) -> usize {
        lock(&self.state).gate.len()
    }

    /// Ends the gate; what waits never leaves, as in a crash.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        let discarded = state.gate.discard();
        drop(state);
        self.work.notify_one();
        drop(discarded);
    }
}

#[cfg(all(test, not(veraft_shuttle)))]
mod tests {
    use super::*;
    use std::thread;
    use std::vec::Vec;

    #[test]
    fn a_write_is_under_way_from_its_beginning_to_its_end() {
        let gate = Gate::<u64>::new();
        assert_eq!(gate.writing(), None);
        gate.write_begins();
        let began = gate.writing().unwrap();
        while gate.writing().unwrap() == began {
            thread::yield_now();
        }
        gate.write_ends();
        assert_eq!(gate.writing(), None);
    }

    #[test]
    fn what_waits_is_taken_at_once_and_whoever_waits_for_it_is_woken() {
        let gate = Gate::new();
        let taken = |batch: Option<Batch<u64>>| batch.map(|Batch { free, writes }| (free, writes));
        let all = |batch| match batch {
            Taken::All(batch) => Some(batch),
            Taken::TimedOut | Taken::Closed => None,
        };
        thread::scope(|scope| {
            let takes = scope.spawn(|| taken(all(gate.take(|_| true, None))));
            while !lock(&gate.state).sleeping {
                thread::yield_now();
            }
            assert_eq!(gate.enter(1, true), None);
            assert_eq!(takes.join().unwrap(), Some((Vec::new(), Vec::from([1]))));
        });
        assert_eq!((gate.enter(2, false), gate.depth()), (None, 1), "not past the one under way");
        assert_eq!(taken(gate.take_now(|_| false)), Some((Vec::from([2]), Vec::new())));
        assert_eq!(taken(gate.take_now(|_| true)), None);
        let over = gate.take(|_| true, Some(Instant::now()));
        assert!(matches!(over, Taken::TimedOut) && !lock(&gate.state).sleeping);
        assert_eq!(gate.enter(3, false), Some(3));
    }

    #[test]
    fn a_closed_gate_swallows_what_comes_and_gives_nothing() {
        let gate = Gate::new();
        assert_eq!(gate.enter(1, true), None);
        gate.close();
        assert_eq!((gate.enter(2, false), gate.depth()), (None, 0));
        assert!(matches!(gate.take(|_| true, None), Taken::Closed));
        assert!(gate.take_now(|_| true).is_none());
    }
}
