//! A command on its way: what the proposer holds, and the end that the node answers.

use crate::runtime::std;

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

pub use self::error::{InFlightLimit, ProposeError};
use super::machinery::life::Life;
use super::machinery::sync::{Condvar, Mutex, lock};
use super::machinery::waiting::{Patience, Wait};
use crate::figure2::{Index, Term};

mod error;

/// A command that was committed and applied on the node that proposed it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied<R> {
    /// The term of the command's entry.
    pub term: Term,
    /// The position of the command in the log.
    pub index: Index,
    /// What the state machine answered.
    pub response: R,
}

/// A command stands in a leader's log, on that leader's disk. It may yet be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// The term of the leader.
    pub term: Term,
    /// The position of the command, if it is committed in that term.
    pub index: Index,
}

/// The outcome of a proposal, not yet known. Also a [`Future`], for callers that are
/// asynchronous; it needs no particular executor.
///
/// The outcome is told once. Once a poll has handed it out, every way to ask for it says
/// [`ProposeError::Taken`] at once.
///
/// Dropping it changes nothing about the command.
#[must_use = "the command may fail: wait for its outcome"]
#[derive(Debug)]
pub struct PendingProposal<R> {
    slot: Arc<Slot<R>>,
}

impl<R> PendingProposal<R> {
    /// Waits until the command is applied on this node, or cannot be.
    ///
    /// Waits for as long as the cluster has no majority: give a time with
    /// [`wait_timeout`](Self::wait_timeout) where that matters.
    ///
    /// # Errors
    /// Every [`ProposeError`] but [`TimedOut`](ProposeError::TimedOut).
    pub fn wait(self) -> Result<Applied<R>, ProposeError> {
        self.slot.wait(None, |state| state.outcome.take())
    }

    /// Waits like [`wait`](Self::wait), for at most `timeout`; one that ends after all time that
    /// the clock can tell, such as [`Duration::MAX`], is none.
    ///
    /// # Errors
    /// Every [`ProposeError`].
    pub fn wait_timeout(self, timeout: Duration) -> Result<Applied<R>, ProposeError> {
        self.slot.wait(Some(timeout), |state| state.outcome.take())
    }

    /// Waits until the command stands in this node's log, durably, if this node leads; for at
    /// most `timeout`. [`wait`](Self::wait) then tells the outcome.
    ///
    /// # Errors
    /// Every [`ProposeError`].
    pub fn accepted(&self, timeout: Duration) -> Result<Accepted, ProposeError> {
        self.slot.wait(Some(timeout), |state| match (&state.outcome, state.accepted) {
            (_, Some(accepted)) => Some(Ok(accepted)),
            (Outcome::Known(Err(error)), None) => Some(Err(error.clone())),
            (Outcome::Known(Ok(_)), None) => unreachable!("applied before it was accepted"),
            (Outcome::Taken, None) => Some(Err(ProposeError::Taken)),
            (Outcome::Open, None) => {
                state.awaits_acceptance = true;
                None
            }
        })
    }

    /// Whether the outcome is known or was handed out, so that [`wait`](Self::wait) returns at
    /// once.
    pub fn is_done(&self) -> bool {
        lock(&self.slot.state).outcome.is_settled()
    }

    /// An outcome known from the start.
    pub(super) fn failed(error: ProposeError) -> Self {
        let (pending, _) = channel();
        pending.slot.set(|state| state.outcome = Outcome::Known(Err(error)));
        pending
    }
}

/// Polled again after it was ready, it is ready again, with [`ProposeError::Taken`].
impl<R> Future for PendingProposal<R> {
    type Output = Result<Applied<R>, ProposeError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = lock(&self.slot.state);
        match state.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// What is known of the end of a proposal.
#[derive(Debug)]
enum Outcome<R> {
    Open,
    Known(Result<Applied<R>, ProposeError>),
    /// Known, and handed out: a response need not be one that can be copied.
    Taken,
}

impl<R> Outcome<R> {
    fn is_settled(&self) -> bool {
        match self {
            Outcome::Open => false,
            Outcome::Known(_) | Outcome::Taken => true,
        }
    }

    /// Hands it out; none while it is open.
    fn take(&mut self) -> Option<Result<Applied<R>, ProposeError>> {
        if !self.is_settled() {
            return None;
        }
        match mem::replace(self, Outcome::Taken) {
            Outcome::Open => None,
            Outcome::Known(outcome) => Some(outcome),
            Outcome::Taken => Some(Err(ProposeError::Taken)),
        }
    }
}

#[derive(Debug)]
struct Slot<R> {
    state: Mutex<State<R>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<R> {
    accepted: Option<Accepted>,
    outcome: Outcome<R>,
    /// Whether a thread sleeps: only then does an answer cost a system call.
    sleeping: bool,
    /// Whether one sleeps until the command is accepted.
    awaits_acceptance: bool,
    waker: Option<Waker>,
}

impl<R> Slot<R> {
    /// Tells the outcome. The proposal stops to count among those of its node before its
    /// proposer can hear of it.
    fn settle(&self, place: &Place, outcome: Result<Applied<R>, ProposeError>) {
        place.life.answered(place.bytes);
        self.set(|state| state.outcome = Outcome::Known(outcome));
    }

    fn set(&self, change: impl FnOnce(&mut State<R>)) {
        let mut state = lock(&self.state);
        change(&mut state);
        let settled = state.outcome.is_settled();
        let wake = state.sleeping && (settled || state.awaits_acceptance);
        let waker = if settled { state.waker.take() } else { None };
        drop(state);
        if wake {
            self.changed.notify_all();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wait<T>(
        &self,
        timeout: Option<Duration>,
        mut ready: impl FnMut(&mut State<R>) -> Option<Result<T, ProposeError>>,
    ) -> Result<T, ProposeError> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut wait = Wait::new(&Patience::default(), deadline);
        let mut state = lock(&self.state);
        loop {
            if let Some(result) = ready(&mut state) {
                return result;
            }
            let sleeps = |state: &mut State<R>| state.sleeping = true;
            let waited = wait.go_on(&self.state, &self.changed, state, sleeps);
            state = waited.map_err(|_| ProposeError::TimedOut)?;
        }
    }
}

fn channel<R>() -> (PendingProposal<R>, Arc<Slot<R>>) {
    let state = State {
        accepted: None,
        outcome: Outcome::Open,
        sleeping: false,
        awaits_acceptance: false,
        waker: None,
    };
    let slot = Arc::new(Slot { state: Mutex::new(state), changed: Condvar::new() });
    (PendingProposal { slot: slot.clone() }, slot)
}

/// The end of a proposal that the node answers, once. Dropped without an answer, it says that
/// the node stopped.
pub(super) struct Waiter<R> {
    asked: Asked<R>,
    place: Place,
    /// Whether it is worth the last room in the store.
    small: bool,
    /// Whether the command may stand in a log.
    entered: bool,
    answered: bool,
}

/// What a proposal counts among those of its node.
pub(super) struct Place {
    life: Arc<Life>,
    bytes: usize,
}

impl Place {
    /// The place that [`Life::admit`] gave to a proposal of so many bytes.
    pub(super) fn new(life: Arc<Life>, bytes: usize) -> Place {
        Place { life, bytes }
    }
}

/// What the entry of a proposal is for.
enum Asked<R> {
    /// A command: the state machine answers.
    Command(Arc<Slot<R>>),
    /// A barrier: a blank, which never reaches the state machine.
    Barrier(Arc<Slot<()>>),
}

impl<R> Waiter<R> {
    /// Both ends of a command.
    pub(super) fn command(place: Place) -> (PendingProposal<R>, Waiter<R>) {
        let (pending, slot) = channel();
        (pending, Waiter::new(Asked::Command(slot), place, false))
    }

    /// The same for a small command.
    pub(super) fn small(place: Place) -> (PendingProposal<R>, Waiter<R>) {
        let (pending, slot) = channel();
        (pending, Waiter::new(Asked::Command(slot), place, true))
    }

    /// The same for a barrier.
    pub(super) fn barrier(place: Place) -> (PendingProposal<()>, Waiter<R>) {
        let (pending, slot) = channel();
        (pending, Waiter::new(Asked::Barrier(slot), place, true))
    }

    fn new(asked: Asked<R>, place: Place, small: bool) -> Waiter<R> {
        Waiter { asked, place, small, entered: false, answered: false }
    }

    pub(super) fn is_small(&self) -> bool {
        self.small
    }

    /// From here on, the command may be applied.
    pub(super) fn enter(&mut self) {
        self.entered = true;
    }

    pub(super) fn accept(&self, accepted: Accepted) {
        match &self.asked {
            Asked::Command(slot) => slot.set(|state| state.accepted = Some(accepted)),
            Asked::Barrier(slot) => slot.set(|state| state.accepted = Some(accepted)),
        }
    }

    /// The entry at `accepted` has taken effect; the state machine's response, unless it is a
    /// blank.
    pub(super) fn applied(mut self, accepted: Accepted, response: Option<R>) {
        let Accepted { term, index } = accepted;
        match (&self.asked, response) {
            (Asked::Command(slot), Some(response)) => {
                slot.settle(&self.place, Ok(Applied { term, index, response }));
            }
            (Asked::Barrier(slot), None) => {
                slot.settle(&self.place, Ok(Applied { term, index, response: () }));
            }
            (Asked::Command(_), None) | (Asked::Barrier(_), Some(_)) => {
                return self.fail(ProposeError::Superseded { term, index });
            }
        }
        self.answered = true;
    }

    pub(super) fn fail(mut self, error: ProposeError) {
        self.settle(error);
    }

    fn settle(&mut self, error: ProposeError) {
        self.answered = true;
        match &self.asked {
            Asked::Command(slot) => slot.settle(&self.place, Err(error)),
            Asked::Barrier(slot) => slot.settle(&self.place, Err(error)),
        }
    }
}

impl<R> Drop for Waiter<R> {
    fn drop(&mut self) {
        if !self.answered {
            let stopped = self.place.life.stopped();
            let error = match self.entered {
                true => ProposeError::Lost(stopped),
                false => ProposeError::Stopped(stopped),
            };
            self.settle(error);
        }
    }
}

#[cfg(all(test, not(veraft_shuttle)))]
mod tests {
    use super::*;
    use crate::runtime::machinery::life::InFlight;
    use std::thread;

    type Pending = PendingProposal<u8>;

    fn proposal() -> (Pending, Waiter<u8>) {
        let life = Arc::new(Life::default());
        assert_eq!(life.admit(InFlight::NO_LIMIT, 1), Ok(()));
        Waiter::command(Place::new(life, 1))
    }

    fn poll(pending: &mut Pending) -> Poll<Result<Applied<u8>, ProposeError>> {
        Pin::new(pending).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn is_taken(result: Result<Applied<u8>, ProposeError>) -> bool {
        matches!(result, Err(ProposeError::Taken))
    }

    /// One whose outcome a poll has handed out.
    fn taken() -> Pending {
        let (mut pending, waiter) = proposal();
        assert!(poll(&mut pending).is_pending());
        waiter.accept(Accepted { term: 1, index: 2 });
        waiter.applied(Accepted { term: 1, index: 2 }, Some(3));
        assert!(matches!(poll(&mut pending), Poll::Ready(Ok(Applied { response: 3, .. }))));
        pending
    }

    #[test]
    fn an_outcome_that_was_handed_out_is_told_as_such_at_once() {
        assert!(is_taken(taken().wait_timeout(Duration::ZERO)));
        assert!(is_taken(taken().wait_timeout(Duration::MAX)));
        assert!(is_taken(taken().wait()));
        let mut pending = taken();
        for _ in 0..2 {
            assert!(matches!(poll(&mut pending), Poll::Ready(Err(ProposeError::Taken))));
        }
        assert!(pending.is_done());
        assert_eq!(pending.accepted(Duration::MAX).unwrap(), Accepted { term: 1, index: 2 });
        assert!(ProposeError::Taken.may_still_commit());
    }

    #[test]
    fn an_error_that_was_handed_out_is_told_as_such_at_once() {
        let refused = || {
            let mut pending =
                Pending::failed(ProposeError::Busy { limit: InFlightLimit::Proposals(7) });
            assert!(matches!(poll(&mut pending), Poll::Ready(Err(ProposeError::Busy { .. }))));
            pending
        };
        assert!(is_taken(refused().wait_timeout(Duration::ZERO)));
        assert!(matches!(refused().accepted(Duration::ZERO), Err(ProposeError::Taken)));
        assert!(matches!(poll(&mut refused()), Poll::Ready(Err(ProposeError::Taken))));
    }

    /// Whoever waits sleeps when the answer comes, or comes later: both must get it.
    #[test]
    fn the_longest_of_times_is_waited_for() {
        for timeout in [Duration::MAX, Duration::from_secs(u64::MAX / 4)] {
            let (pending, waiter) = proposal();
            let slot = pending.slot.clone();
            let waits = thread::spawn(move || pending.wait_timeout(timeout));
            while !lock(&slot.state).sleeping {
                thread::yield_now();
            }
            waiter.applied(Accepted { term: 1, index: 2 }, Some(3));
            assert_eq!(waits.join().unwrap().unwrap().response, 3, "{timeout:?}");
        }
    }

    #[test]
    fn a_time_that_is_over_is_told() {
        let (pending, _waiter) = proposal();
        assert!(matches!(pending.accepted(Duration::ZERO), Err(ProposeError::TimedOut)));
        assert!(matches!(pending.wait_timeout(Duration::ZERO), Err(ProposeError::TimedOut)));
    }
}
