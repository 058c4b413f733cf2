//! Room for what clients make the node hold.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// So many bytes may be held; whoever wants to hold more waits.
pub struct Budget {
    limit: usize,
    held: Mutex<usize>,
    freed: Condvar,
}

/// Bytes held, until it is dropped.
pub struct Held<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl Budget {
    pub fn new(limit: usize) -> Budget {
        Budget { limit, held: Mutex::new(0), freed: Condvar::new() }
    }

    /// Waits until there is room for so many bytes, or nobody holds any; none after the deadline.
    pub fn hold(&self, bytes: usize, deadline: Instant) -> Option<Held<'_>> {
        let mut held = self.lock();
        while bytes > 0 && *held > 0 && *held + bytes > self.limit {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.freed.wait_timeout(held, left);
            held = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *held += bytes;
        Some(Held { budget: self, bytes })
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        // A number.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held<'_> {
    /// It is so many bytes now; nobody waits.
    pub fn set(&mut self, bytes: usize) {
        let mut held = self.budget.lock();
        *held = *held - self.bytes + bytes;
        self.bytes = bytes;
        drop(held);
        self.budget.freed.notify_all();
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.set(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    #[test]
    fn who_finds_no_room_waits_until_there_is_some() {
        let budget = Budget::new(10);
        let mut first = budget.hold(6, soon()).unwrap();
        assert!(budget.hold(5, soon()).is_none());
        assert!(budget.hold(0, soon()).is_some());
        let late = Instant::now() + Duration::from_secs(60);
        thread::scope(|scope| {
            let waits = scope.spawn(|| budget.hold(5, late).is_some());
            first.set(5);
            assert!(waits.join().unwrap());
        });
        drop(first);
        // More than all of it is held alone.
        let all = budget.hold(99, soon()).unwrap();
        assert!(budget.hold(1, soon()).is_none());
        drop(all);
        assert_eq!(*budget.lock(), 0);
    }
}
