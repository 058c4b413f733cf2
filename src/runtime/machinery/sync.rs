//! The primitives on which the hand-over between threads rests, in one place, so that a test
//! can put a scheduler under them that explores the interleavings (see `interleavings.rs`).
//! Under unit tests alone: the dev-dependency of this crate on itself is built without one.

use crate::runtime::std;

#[cfg(not(all(test, veraft_shuttle)))]
pub(in crate::runtime) use std::sync::{Condvar, Mutex, MutexGuard};

#[cfg(all(test, veraft_shuttle))]
pub(in crate::runtime) use shuttle::sync::{Condvar, Mutex, MutexGuard};

use std::sync::PoisonError;

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
