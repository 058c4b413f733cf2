//! Whether a node runs, and how many proposals it owes an answer.

use crate::runtime::std;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::runtime::stopped::{StopReason, Stopped};

/// What the handle, the proposals and the threads of one node know of its life.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Life {
    stopped: OnceLock<Stopped>,
    in_flight: AtomicUsize,
}

impl Life {
    /// Ends the life of the node; whether this call was the one that did.
    pub(in crate::runtime) fn end(&self, reason: StopReason) -> bool {
        self.stopped.set(Stopped { reason }).is_ok()
    }

    pub(in crate::runtime) fn check(&self) -> Result<(), Stopped> {
        self.stopped.get().map_or(Ok(()), |stopped| Err(stopped.clone()))
    }

    /// The end of the node, for a proposal that nobody can answer any more. A thread that
    /// panics drops its proposals before the node hears of it.
    pub(in crate::runtime) fn stopped(&self) -> Stopped {
        let now = || match thread::panicking() {
            true => StopReason::Panicked {
                thread: thread::current().name().unwrap_or("unnamed").into(),
            },
            false => StopReason::Shutdown,
        };
        self.stopped.get().cloned().unwrap_or_else(|| Stopped { reason: now() })
    }

    /// Counts one more proposal, unless `limit` of them are unanswered.
    pub(in crate::runtime) fn admit(&self, limit: usize) -> bool {
        let admitted = self.in_flight.fetch_add(1, Ordering::Relaxed) < limit;
        if !admitted {
            self.answered();
        }
        admitted
    }

    pub(in crate::runtime) fn answered(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many proposals wait for their answer.
    pub(in crate::runtime) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}
