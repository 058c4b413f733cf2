//! A command on its way: what the proposer holds, and the end that the node answers.

use crate::runtime::std;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use thiserror::Error;

use super::life::{Life, Stopped};
use super::sync::{Condvar, Mutex, lock, wait};
use crate::figure2::{Index, ServerId, Term};

/// A command that was committed and applied on the node that proposed it.
#[derive(Clone, Debug, PartialEq, Eq)]
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
pub struct Accepted {
    /// The term of the leader.
    pub term: Term,
    /// The position of the command, if it is committed in that term.
    pub index: Index,
}

/// Why a command was not, or not provably, applied.
#[derive(Clone, Debug, Error)]
pub enum ProposeError {
    /// This node does not lead. The command is in no log.
    #[error("not the leader of term {term}; {}", advice(leader))]
    NotLeader {
        /// The term of this node.
        term: Term,
        /// The server to try next, if this node has heard from a leader in that term.
        leader: Option<ServerId>,
    },
    /// Another command took the place of this one in the log: it will never be applied, and it
    /// is safe to propose it again.
    #[error("superseded: its place (index {index}, term {term}) went to another command; retry")]
    Superseded {
        /// The term in which the command was accepted.
        term: Term,
        /// The index at which it stood.
        index: Index,
    },
    /// Nothing is known yet within the time given. The command may still be applied, once.
    #[error("no answer within the time given; the command may still be applied")]
    TimedOut,
    /// The node stopped after it had taken the command into its log. The command may still be
    /// applied, once.
    #[error("no answer, but the command may still be applied: {0}")]
    Lost(Stopped),
    /// The node stopped before it looked at the command, which is in no log.
    #[error("not proposed: {0}")]
    Stopped(Stopped),
    /// As many proposals as the node takes at once wait for their answers. The command is in no
    /// log.
    #[error("not proposed: {limit} proposals wait for their answers already; try later")]
    Busy {
        /// The limit.
        limit: usize,
    },
    /// The command is larger than the node takes. It is in no log.
    #[error("not proposed: a command of {bytes} bytes, where {limit} are allowed")]
    TooLarge {
        /// The size of the command.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

fn advice(leader: &Option<ServerId>) -> std::string::String {
    match leader {
        Some(leader) => std::format!("try {leader}"),
        None => "no leader is known, try again later".into(),
    }
}

impl ProposeError {
    /// Whether the command may be applied in spite of the error. If not, proposing it again
    /// cannot apply it twice.
    pub fn may_still_commit(&self) -> bool {
        match self {
            ProposeError::TimedOut | ProposeError::Lost(_) => true,
            ProposeError::NotLeader { .. }
            | ProposeError::Superseded { .. }
            | ProposeError::Stopped(_)
            | ProposeError::Busy { .. }
            | ProposeError::TooLarge { .. } => false,
        }
    }
}

/// The outcome of a proposal, not yet known. Also a [`Future`], for callers that are
/// asynchronous; it needs no particular executor.
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

    /// Waits like [`wait`](Self::wait), for at most `timeout`.
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
            (Some(Err(error)), None) => Some(Err(error.clone())),
            (Some(Ok(_)), None) => unreachable!("applied before it was accepted"),
            (None, None) => {
                state.awaits_acceptance = true;
                None
            }
        })
    }

    /// Whether the outcome is known, so that [`wait`](Self::wait) returns at once.
    pub fn is_done(&self) -> bool {
        lock(&self.slot.state).outcome.is_some()
    }

    /// An outcome known from the start.
    pub(super) fn failed(error: ProposeError) -> Self {
        let (pending, _) = channel();
        pending.slot.set(|state| state.outcome = Some(Err(error)));
        pending
    }
}

/// # Panics
/// When polled again after it was ready.
impl<R> Future for PendingProposal<R> {
    type Output = Result<Applied<R>, ProposeError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = lock(&self.slot.state);
        assert!(!state.taken, "polled after it was ready");
        match state.outcome.take() {
            Some(outcome) => {
                state.taken = true;
                Poll::Ready(outcome)
            }
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
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
    outcome: Option<Result<Applied<R>, ProposeError>>,
    taken: bool,
    /// Whether a thread sleeps: only then does an answer cost a system call.
    sleeping: bool,
    /// Whether one sleeps until the command is accepted.
    awaits_acceptance: bool,
    waker: Option<Waker>,
}

impl<R> Slot<R> {
    fn set(&self, change: impl FnOnce(&mut State<R>)) {
        let mut state = lock(&self.state);
        change(&mut state);
        let wake = state.sleeping && (state.outcome.is_some() || state.awaits_acceptance);
        let waker = if state.outcome.is_some() { state.waker.take() } else { None };
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
        let mut state = lock(&self.state);
        loop {
            if let Some(result) = ready(&mut state) {
                return result;
            }
            state.sleeping = true;
            state = match deadline {
                None => wait(&self.changed, state),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(ProposeError::TimedOut);
                    }
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

fn channel<R>() -> (PendingProposal<R>, Arc<Slot<R>>) {
    let state = State {
        accepted: None,
        outcome: None,
        taken: false,
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
    slot: Arc<Slot<R>>,
    life: Arc<Life>,
    /// Whether the command may stand in a log.
    entered: bool,
    answered: bool,
}

impl<R> Waiter<R> {
    /// Both ends of a proposal that [`Life::admit`] let in.
    pub(super) fn new(life: Arc<Life>) -> (PendingProposal<R>, Waiter<R>) {
        let (pending, slot) = channel();
        (pending, Waiter { slot, life, entered: false, answered: false })
    }

    /// From here on, the command may be applied.
    pub(super) fn enter(&mut self) {
        self.entered = true;
    }

    pub(super) fn accept(&self, accepted: Accepted) {
        self.slot.set(|state| state.accepted = Some(accepted));
    }

    pub(super) fn answer(mut self, outcome: Result<Applied<R>, ProposeError>) {
        self.settle(outcome);
    }

    fn settle(&mut self, outcome: Result<Applied<R>, ProposeError>) {
        self.answered = true;
        self.life.answered();
        self.slot.set(|state| state.outcome = Some(outcome));
    }
}

impl<R> Drop for Waiter<R> {
    fn drop(&mut self) {
        if !self.answered {
            let stopped = self.life.stopped();
            let error = match self.entered {
                true => ProposeError::Lost(stopped),
                false => ProposeError::Stopped(stopped),
            };
            self.settle(Err(error));
        }
    }
}
