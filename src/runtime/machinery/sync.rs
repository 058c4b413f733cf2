//! The primitives on which the hand-over between threads rests, in one place, so that a test
//! can put a scheduler under them that explores the interleavings (see `interleavings.rs`).
//! Under unit tests alone: the dev-dependency of this crate on itself is built without one.

use crate::runtime::std;

#[cfg(not(all(test, veraft_shuttle)))]
pub(in crate::runtime) use std::{
    sync::{Condvar, Mutex, MutexGuard},
    thread::yield_now,
};

#[cfg(all(test, veraft_shuttle))]
pub(in crate::runtime) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard},
    thread::yield_now,
};

use std::sync::PoisonError;
use std::time::Instant;

/// Locks, also after a panic elsewhere: nothing in the runtime calls foreign code under a lock,
/// so what a lock guards is whole at every point where a thread can die.
pub(in crate::runtime) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a notification, like [`lock`] across a panic elsewhere.
pub(in crate::runtime) fn wait<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// Like [`wait`], but until `deadline` at most, if there is one: the lock is an error once that has
/// passed.
pub(in crate::runtime) fn wait_until<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> Result<MutexGuard<'a, T>, MutexGuard<'a, T>> {
    let Some(deadline) = deadline else { return Ok(wait(condvar, guard)) };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(guard);
    }
    Ok(condvar.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0)
}
