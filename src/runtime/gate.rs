//! The gate between the server and everything that may see what it did.
//!
//! ```text
//!   server loop ──enter──►  waiting  ──take──►  disk thread: append all, sync once, release
//!        │                                                                     │
//!        └── nothing waits, nothing to write ──────────────────────────────────┴──► leaves
//! ```
//!
//! Outputs leave in the order in which they entered, each once its records and all earlier ones
//! are durable. Heartbeats alone may pass: see [`Gate::lets_heartbeats_pass`].

use crate::runtime::std;

use std::mem;
use std::ops::Range;
use std::time::{Duration, Instant};
use std::vec::Vec;

use super::sync::{Condvar, Mutex, lock, wait};

/// One thread enters, one takes.
pub(super) struct Gate<T> {
    state: Mutex<State<T>>,
    work: Condvar,
    /// How long a write lasts when heartbeats pass it.
    patience: Range<Duration>,
}

struct State<T> {
    waiting: Vec<T>,
    /// Whether the disk thread has taken items and not yet released them all.
    busy: bool,
    /// Since when the disk thread writes.
    writing_since: Option<Instant>,
    sleeping: bool,
    closed: bool,
}

impl<T> Gate<T> {
    /// A gate that lets heartbeats pass while a write is younger than `patience.end` and older
    /// than `patience.start`.
    pub(super) fn new(patience: Range<Duration>) -> Self {
        let state = State {
            waiting: Vec::new(),
            busy: false,
            writing_since: None,
            sleeping: false,
            closed: false,
        };
        Gate { state: Mutex::new(state), work: Condvar::new(), patience }
    }

    /// Queues `item` for the disk thread; gives it back if it may leave at once, because there is
    /// nothing to write for it and nothing is ahead of it.
    ///
    /// A closed gate swallows it.
    pub(super) fn enter(&self, item: T, has_to_wait: bool) -> Option<T> {
        let mut state = lock(&self.state);
        if state.closed {
            return None;
        }
        if !has_to_wait && !state.busy && state.waiting.is_empty() {
            return Some(item);
        }
        state.waiting.push(item);
        let wake = mem::take(&mut state.sleeping);
        drop(state);
        if wake {
            self.work.notify_one();
        }
        None
    }

    /// Takes everything that waits, as soon as anything does. Whoever takes must have released
    /// what it took before. `None` once the gate is closed.
    pub(super) fn take(&self) -> Option<Vec<T>> {
        let mut state = lock(&self.state);
        state.busy = false;
        loop {
            if state.closed {
                return None;
            }
            if !state.waiting.is_empty() {
                state.busy = true;
                return Some(mem::take(&mut state.waiting));
            }
            state.sleeping = true;
            state = wait(&self.work, state);
        }
    }

    /// Takes what waits, without waiting for more: for a node that writes on the thread that
    /// enters. Like [`take`](Self::take) otherwise.
    pub(super) fn take_now(&self) -> Option<Vec<T>> {
        let mut state = lock(&self.state);
        state.busy = !state.closed && !state.waiting.is_empty();
        state.busy.then(|| mem::take(&mut state.waiting))
    }

    /// The disk thread begins to write.
    pub(super) fn write_begins(&self) {
        lock(&self.state).writing_since = Some(Instant::now());
    }

    /// What the disk thread took is durable.
    pub(super) fn write_ends(&self) {
        lock(&self.state).writing_since = None;
    }

    /// Whether a heartbeat may overtake what waits: a write is under way and neither young nor
    /// old.
    ///
    /// Not young: on a disk that is well, a heartbeat that overtakes the entries before it is
    /// refused, and they are sent twice. Not old: a leader that cannot write must not keep
    /// others from leading.
    pub(super) fn lets_heartbeats_pass(&self) -> bool {
        let since = lock(&self.state).writing_since;
        since.is_some_and(|since| self.patience.contains(&since.elapsed()))
    }

    /// How many items wait for the disk thread.
    pub(super) fn depth(&self) -> usize {
        lock(&self.state).waiting.len()
    }

    /// Ends the gate; what waits never leaves, as in a crash.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        let discarded = mem::take(&mut state.waiting);
        drop(state);
        self.work.notify_one();
        drop(discarded);
    }
}
