//! The hand-over between two threads: what one side puts, the other takes all at once.

use crate::runtime::std;

use std::mem;
use std::time::Instant;
use std::vec::Vec;

use super::sync::{Condvar, Mutex, lock};
use super::waiting::{Patience, Wait};

/// What a mailbox can hold.
pub(in crate::runtime) trait Queue: Default {
    /// Whether there is nothing that the taker should be woken for.
    fn is_empty(&self) -> bool;
}

impl<T> Queue for Vec<T> {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

/// A queue between threads. Any number of threads put, one takes.
pub(in crate::runtime) struct Mailbox<Q> {
    state: Mutex<State<Q>>,
    arrived: Condvar,
}

struct State<Q> {
    queue: Q,
    /// Whether the taker sleeps: only then does a put cost a system call.
    sleeping: bool,
    closed: bool,
    patience: Patience,
}

/// What [`Mailbox::take`] returns.
pub(in crate::runtime) enum Taken<Q> {
    /// Everything that was there.
    All(Q),
    /// Nothing came before the deadline.
    TimedOut,
    /// The mailbox is closed, and what may still be taken has been.
    Closed,
}

impl<Q: Queue> Mailbox<Q> {
    pub(in crate::runtime) fn new(queue: Q) -> Self {
        Mailbox {
            state: Mutex::new(State {
                queue,
                sleeping: false,
                closed: false,
                patience: Patience::default(),
            }),
            arrived: Condvar::new(),
        }
    }

    /// Changes the queue, and wakes the taker if there is something for it now; `None`, without
    /// a change, when the mailbox is closed.
    pub(in crate::runtime) fn put<R>(&self, change: impl FnOnce(&mut Q) -> R) -> Option<R> {
        let mut state = lock(&self.state);
        if state.closed {
            return None;
        }
        let result = change(&mut state.queue);
        let wake = state.sleeping && !state.queue.is_empty();
        state.sleeping &= !wake;
        drop(state);
        if wake {
            self.arrived.notify_one();
        }
        Some(result)
    }

    /// Takes everything, as soon as there is anything. Waits until `deadline`, or for ever
    /// without one.
    pub(in crate::runtime) fn take(&self, deadline: Option<Instant>) -> Taken<Q> {
        let mut state = lock(&self.state);
        let mut wait = Wait::new(&state.patience, deadline);
        loop {
            if !state.queue.is_empty() {
                state.patience.learn(wait);
                return Taken::All(mem::take(&mut state.queue));
            }
            if state.closed {
                return Taken::Closed;
            }
            let sleeps = |state: &mut State<Q>| state.sleeping = true;
            state = match wait.go_on(&self.state, &self.arrived, state, sleeps) {
                Ok(state) => state,
                Err(mut state) => {
                    state.sleeping = false;
                    state.patience.learn(wait);
                    return Taken::TimedOut;
                }
            };
        }
    }

    /// Reads the queue.
    pub(in crate::runtime) fn look<R>(&self, read: impl FnOnce(&Q) -> R) -> R {
        read(&lock(&self.state).queue)
    }

    /// Ends the mailbox and throws away what is in it.
    pub(in crate::runtime) fn close(&self) {
        let discarded = mem::take(&mut self.end().queue);
        drop(discarded);
    }

    /// Ends the mailbox; what is in it can still be taken.
    pub(in crate::runtime) fn finish(&self) {
        drop(self.end());
    }

    fn end(&self) -> super::sync::MutexGuard<'_, State<Q>> {
        let mut state = lock(&self.state);
        state.closed = true;
        state.sleeping = false;
        self.arrived.notify_one();
        state
    }
}

#[cfg(all(test, not(veraft_shuttle)))]
mod tests {
    use super::*;

    /// Numbers, of which only the even ones are worth to be woken for.
    #[derive(Default)]
    struct Even(Vec<u64>);

    impl Queue for Even {
        fn is_empty(&self) -> bool {
            self.0.iter().all(|number| number % 2 == 1)
        }
    }

    fn taken(mailbox: &Mailbox<Even>) -> Option<Vec<u64>> {
        match mailbox.take(Some(Instant::now())) {
            Taken::All(Even(numbers)) => Some(numbers),
            Taken::TimedOut | Taken::Closed => None,
        }
    }

    #[test]
    fn the_taker_is_woken_once_and_only_for_what_it_waits_for() {
        let mailbox = Mailbox::new(Even::default());
        let sleeps = || lock(&mailbox.state).sleeping;
        lock(&mailbox.state).sleeping = true;
        mailbox.put(|queue| queue.0.push(1));
        assert!(sleeps(), "woken for nothing");
        mailbox.put(|queue| queue.0.push(2));
        assert!(!sleeps());
        assert_eq!(taken(&mailbox), Some([1, 2].into()));
        assert_eq!((taken(&mailbox), sleeps()), (None, false), "the time is over");
    }

    #[test]
    fn what_is_in_a_mailbox_that_ends_can_be_taken_unless_it_is_closed() {
        for closes in [false, true] {
            let mailbox = Mailbox::new(Even(Vec::from([2])));
            if closes {
                mailbox.close()
            } else {
                mailbox.finish()
            }
            assert!(mailbox.put(|queue| queue.0.push(4)).is_none());
            assert_eq!(taken(&mailbox), (!closes).then(|| [2].into()));
            assert!(matches!(mailbox.take(None), Taken::Closed));
        }
    }
}
