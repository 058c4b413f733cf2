//! How a thread waits for another: it looks a few times, and lets others run in between; then it
//! sleeps. What one waits for often comes within microseconds, and to sleep and be woken takes
//! longer than that.

use crate::runtime::std;

use std::time::Instant;

use super::sync::{Condvar, Mutex, MutexGuard, lock, wait_until, yield_now};

/// How often a thread looks before it sleeps, at least and at most. The most is worth it between
/// threads that hand a commit to each other, and wasted on a wait for a disk; the least finds out
/// whether it would be worth it again.
#[cfg(not(all(test, veraft_shuttle)))]
const LOOKS: (u32, u32) = (8, 32);
/// A scheduler that tries interleavings need not try so many that are alike.
#[cfg(all(test, veraft_shuttle))]
const LOOKS: (u32, u32) = (1, 1);

/// How often it pays to look before one sleeps: as often as it was worth it lately.
#[derive(Debug)]
pub(in crate::runtime) struct Patience(u32);

impl Default for Patience {
    fn default() -> Self {
        Patience(LOOKS.1)
    }
}

impl Patience {
    /// A wait is over.
    pub(in crate::runtime) fn learn(&mut self, wait: Wait) {
        self.0 = match wait.stage {
            Stage::Begins => return,
            Stage::Looks => (self.0 * 2).min(LOOKS.1),
            Stage::Sleeps => (self.0 / 2).max(LOOKS.0),
        };
    }
}

/// A wait until something is there.
pub(in crate::runtime) struct Wait {
    looks: u32,
    deadline: Option<Instant>,
    stage: Stage,
}

enum Stage {
    Begins,
    Looks,
    Sleeps,
}

impl Wait {
    /// A wait until `deadline` at most, or for ever without one.
    pub(in crate::runtime) fn new(patience: &Patience, deadline: Option<Instant>) -> Self {
        Wait { looks: patience.0, deadline, stage: Stage::Begins }
    }

    /// Waits a little, or sleeps until it is notified; before it sleeps, `sleeps` takes note of
    /// that. The lock is an error once the deadline has passed.
    pub(in crate::runtime) fn go_on<'a, T>(
        &mut self,
        mutex: &'a Mutex<T>,
        condvar: &Condvar,
        mut guard: MutexGuard<'a, T>,
        sleeps: impl FnOnce(&mut T),
    ) -> Result<MutexGuard<'a, T>, MutexGuard<'a, T>> {
        if self.looks > 0 {
            self.looks -= 1;
            self.stage = Stage::Looks;
            drop(guard);
            yield_now();
            return Ok(lock(mutex));
        }
        self.stage = Stage::Sleeps;
        sleeps(&mut guard);
        wait_until(condvar, guard, self.deadline)
    }
}

#[cfg(all(test, not(veraft_shuttle)))]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Waits for so many looks at most, and tells how often it looked.
    fn looks(patience: &mut Patience, most: u32) -> u32 {
        let (mutex, condvar) = (Mutex::new(0_u32), Condvar::new());
        let mut wait = Wait::new(patience, Some(Instant::now() + Duration::from_millis(1)));
        let mut state = lock(&mutex);
        let mut slept = false;
        while *state < most && !slept {
            state = match wait.go_on(&mutex, &condvar, state, |_| slept = true) {
                Ok(state) | Err(state) => state,
            };
            *state += u32::from(!slept);
        }
        patience.learn(wait);
        *state
    }

    #[test]
    fn one_looks_as_often_as_it_was_worth_it_lately() {
        let mut patience = Patience::default();
        assert_eq!([(); 4].map(|()| looks(&mut patience, u32::MAX)), [32, 16, 8, 8]);
        assert_eq!(looks(&mut patience, 0), 0, "nothing to learn from");
        assert_eq!(looks(&mut patience, 3), 3);
        assert_eq!(looks(&mut patience, u32::MAX), 16);
        assert_eq!([(); 4].map(|()| looks(&mut patience, 1)), [1; 4]);
        assert_eq!(looks(&mut patience, u32::MAX), 32, "no more than the most");
    }
}
