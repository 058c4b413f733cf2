//! Whether a node runs, and how many proposals it owes an answer.

use crate::runtime::std;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::runtime::proposal::InFlightLimit;
use crate::runtime::stopped::{StopReason, Stopped};

/// Proposals that wait for their answers, or how many may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) struct InFlight {
    pub(in crate::runtime) proposals: usize,
    /// The bytes of their commands.
    pub(in crate::runtime) bytes: usize,
}

#[cfg(test)]
impl InFlight {
    pub(in crate::runtime) const NO_LIMIT: InFlight =
        InFlight { proposals: usize::MAX, bytes: usize::MAX };
}

/// What the handle, the proposals and the threads of one node know of its life.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Life {
    stopped: OnceLock<Stopped>,
    proposals: AtomicUsize,
    bytes: AtomicUsize,
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

    /// Counts one more proposal, of a command of `bytes` bytes, unless too many are unanswered. One
    /// that is larger than all may be together enters alone.
    ///
    /// # Errors
    /// What there is too much of. Nothing is counted then.
    pub(in crate::runtime) fn admit(
        &self,
        most: InFlight,
        bytes: usize,
    ) -> Result<(), InFlightLimit> {
        let proposals = self.proposals.fetch_add(1, Ordering::Relaxed);
        let others = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let refused = if proposals >= most.proposals {
            InFlightLimit::Proposals(most.proposals)
        } else if others > 0 && bytes > most.bytes.saturating_sub(others) {
            InFlightLimit::Bytes(most.bytes)
        } else {
            return Ok(());
        };
        self.answered(bytes);
        Err(refused)
    }

    /// A proposal that was admitted with so many bytes is answered.
    pub(in crate::runtime) fn answered(&self, bytes: usize) {
        self.proposals.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// What waits for an answer.
    pub(in crate::runtime) fn in_flight(&self) -> InFlight {
        InFlight {
            proposals: self.proposals.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

#[cfg(all(test, not(veraft_shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn proposals_are_admitted_up_to_a_number_and_to_bytes() {
        let life = Life::default();
        let most = InFlight { proposals: 3, bytes: 10 };
        assert_eq!(life.admit(most, 6), Ok(()));
        assert_eq!(life.admit(most, 5), Err(InFlightLimit::Bytes(10)));
        assert_eq!(life.admit(most, 4), Ok(()));
        assert_eq!(life.admit(most, 1), Err(InFlightLimit::Bytes(10)));
        assert_eq!(life.admit(most, 0), Ok(()), "a barrier has no bytes");
        assert_eq!(life.admit(most, 0), Err(InFlightLimit::Proposals(3)));
        assert_eq!(life.in_flight(), InFlight { proposals: 3, bytes: 10 });
        [6, 4].into_iter().for_each(|bytes| life.answered(bytes));
        assert_eq!(life.admit(most, 11), Ok(()), "alone but for the barrier");
        assert_eq!(life.admit(most, 1), Err(InFlightLimit::Bytes(10)));
        [11, 0].into_iter().for_each(|bytes| life.answered(bytes));
        assert_eq!(life.in_flight(), InFlight { proposals: 0, bytes: 0 });
    }
}
