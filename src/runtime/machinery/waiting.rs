//! How a thread waits for another: it looks a few times, and lets others run in between; then it
//! sleeps. What one waits for often comes within microseconds, and to sleep and be woken takes
//! longer than that.

use crate::runtime::std;

use std::time::{Duration, Instant};

use super::sync::{Condvar, Mutex, MutexGuard, lock, wait_until, yield_now};

/// How often a thread looks before it sleeps, at least and at most. The most is worth it between
/// threads that hand a commit to each other, and the least while a disk syncs in the meantime: it
/// also finds out whether more would be worth it again.
#[cfg(not(all(test, veraft_shuttle)))]
const LOOKS: (u32, u32) = (8, 32);
/// A scheduler that tries interleavings need not try so many that are alike.
#[cfg(all(test, veraft_shuttle))]
const LOOKS: (u32, u32) = (1, 1);

/// How long it looks. Where there are more threads than processors, those others may take
/// milliseconds between two looks, and a timer may be due.
const LONGEST: Duration = Duration::from_millis(1);

/// Who waited for longer than this looked in vain, however soon it had slept.
const LONG: Duration = Duration::from_micros(800);

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
            Stage::Begins => self.0,
            Stage::Looks { since: _ } => (self.0 * 2).min(LOOKS.1),
            Stage::Sleeps { since } => self.after_sleep(since.elapsed()),
        };
    }

    /// How often to look after a wait of this length, in which looking was in vain.
    fn after_sleep(&self, waited: Duration) -> u32 {
        (self.0 / 2).max(if waited > LONG { 1 } else { LOOKS.0 })
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
    Looks { since: Instant },
    Sleeps { since: Instant },
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
        let now = Instant::now();
        let since = match self.stage {
            Stage::Begins => now,
            Stage::Looks { since } | Stage::Sleeps { since } => since,
        };
        if self.looks > 0 && now - since < LONGEST {
            self.looks -= 1;
            self.stage = Stage::Looks { since };
            drop(guard);
            yield_now();
            return Ok(lock(mutex));
        }
        self.looks = 0;
        self.stage = Stage::Sleeps { since };
        sleeps(&mut guard);
        wait_until(condvar, guard, self.deadline)
    }
}

#[cfg(all(test, not(veraft_shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn one_looks_as_often_as_it_was_worth_it_lately() {
        let (mut patience, since) = (Patience::default(), Instant::now());
        let short = |patience: &Patience| patience.after_sleep(Duration::from_micros(200));
        let mut learn = |stage| {
            patience.learn(Wait { looks: 0, deadline: None, stage });
            patience.0
        };
        assert_eq!(learn(Stage::Looks { since }), LOOKS.1, "no more than the most");
        assert_eq!(learn(Stage::Begins), LOOKS.1, "nothing to learn from");
        assert_eq!([32, 16, 8, 1].map(|looks| short(&Patience(looks))), [16, 8, 8, 8]);
        std::thread::sleep(LONG * 2);
        let learnt = [(); 6].map(|()| learn(Stage::Sleeps { since }));
        assert_eq!(learnt, [16, 8, 4, 2, 1, 1], "once in a while it might be worth it again");
        assert_eq!([(); 3].map(|()| learn(Stage::Looks { since })), [2, 4, 8]);
    }

    #[test]
    fn one_looks_for_a_short_while_and_sleeps_until_the_deadline() {
        let (mutex, condvar) = (Mutex::new(0_u32), Condvar::new());
        let deadline = Instant::now() + Duration::from_millis(20);
        let mut wait = Wait::new(&Patience(3), Some(deadline));
        let mut state = lock(&mutex);
        let mut slept = false;
        loop {
            state = match wait.go_on(&mutex, &condvar, state, |_| slept = true) {
                Ok(mut state) => {
                    *state += u32::from(!slept);
                    state
                }
                Err(state) => {
                    assert!((1..=3).contains(&*state), "{state} looks");
                    break;
                }
            }
        }
        assert!(slept && Instant::now() >= deadline);
        assert!(matches!(wait.stage, Stage::Sleeps { .. }));
    }

    /// A busy machine: each look costs a slice of somebody else.
    #[test]
    fn one_does_not_look_for_long() {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        let mut wait = Wait::new(&Patience(32), Some(Instant::now()));
        let first = wait.go_on(&mutex, &condvar, lock(&mutex), |()| unreachable!("it looks"));
        std::thread::sleep(LONGEST);
        let mut slept = false;
        let (Ok(guard) | Err(guard)) = first;
        assert!(wait.go_on(&mutex, &condvar, guard, |()| slept = true).is_err());
        assert!(slept);
    }
}
