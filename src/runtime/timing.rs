//! How long timers run.

use crate::runtime::std;

use std::ops::{Range, RangeInclusive};
use std::time::{Duration, Instant};

use rand::{Rng, RngExt};
use thiserror::Error;

use crate::figure2::{Timer, TimerDuty};

/// How long the timers of a node run.
///
/// Every node of a cluster should have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    election: RangeInclusive<Duration>,
    heartbeat: Duration,
    resolution: Duration,
}

/// Why a [`Timing`] was refused.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TimingError {
    /// The range of election timeouts holds no room for chance.
    #[error(
        "the election timeouts must span a range, or candidates collide for ever: \
         give a shortest below the longest, not {shortest:?} to {longest:?}"
    )]
    ElectionRange {
        /// The shortest election timeout that was asked for.
        shortest: Duration,
        /// The longest.
        longest: Duration,
    },
    /// An election timeout may be longer than any use that a cluster has for it.
    #[error(
        "election timeouts go up to {limit:?}, and {longest:?} was asked for: a cluster without \
         a leader waits that long before it chooses one"
    )]
    TooLong {
        /// The longest election timeout that was asked for.
        longest: Duration,
        /// The longest that is taken, [`Timing::LONGEST`].
        limit: Duration,
    },
    /// The heartbeat is too slow, or 0.
    #[error(
        "the heartbeat must be above 0 and at most a third of the shortest election timeout \
         ({shortest:?}), so that one delayed heartbeat deposes no leader; it is {heartbeat:?}"
    )]
    Heartbeat {
        /// The time between two heartbeats that was asked for.
        heartbeat: Duration,
        /// The shortest election timeout.
        shortest: Duration,
    },
}

impl Timing {
    /// The longest election timeout that is taken: an hour.
    pub const LONGEST: Duration = Duration::from_secs(60 * 60);

    /// Election timeouts are drawn evenly from `election`; a leader repeats its heartbeat
    /// every `heartbeat`.
    ///
    /// # Errors
    /// When the range of `election` is empty or a single value, or goes beyond
    /// [`LONGEST`](Timing::LONGEST), or when `heartbeat` is 0 or above a third of the shortest
    /// election timeout.
    pub fn new(
        election: RangeInclusive<Duration>,
        heartbeat: Duration,
    ) -> Result<Timing, TimingError> {
        let (shortest, longest) = (*election.start(), *election.end());
        if shortest >= longest {
            return Err(TimingError::ElectionRange { shortest, longest });
        }
        if longest > Timing::LONGEST {
            return Err(TimingError::TooLong { longest, limit: Timing::LONGEST });
        }
        if heartbeat.is_zero() || heartbeat > shortest / 3 {
            return Err(TimingError::Heartbeat { heartbeat, shortest });
        }
        Ok(Timing { election, heartbeat, resolution: Duration::ZERO })
    }

    /// For suites that count: elections after 700 to 1000 ms, heartbeats 100 ms apart, so at
    /// most 10 a second, and timers that fire on a grid of 10 ms.
    pub fn lab() -> Timing {
        Timing {
            election: Duration::from_millis(700)..=Duration::from_millis(1000),
            heartbeat: Duration::from_millis(100),
            resolution: Duration::from_millis(10),
        }
    }

    /// The range of election timeouts.
    pub fn election(&self) -> &RangeInclusive<Duration> {
        &self.election
    }

    /// The time between two heartbeats.
    pub fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    /// The grid on which timers fire; 0 for none.
    pub fn resolution(&self) -> Duration {
        self.resolution
    }

    /// How old a write is when heartbeats pass it: from half of a heartbeat interval to the
    /// shortest election timeout.
    ///
    /// So the heartbeats of a leader whose disk stalls are at most one and a half intervals
    /// apart, which is half of the shortest election timeout at most.
    pub fn patience(&self) -> Range<Duration> {
        self.heartbeat / 2..*self.election.start()
    }
}

/// For a local network: elections after 150 to 300 ms (§9.3 of the paper), heartbeats 50 ms
/// apart.
impl Default for Timing {
    fn default() -> Self {
        Timing {
            election: Duration::from_millis(150)..=Duration::from_millis(300),
            heartbeat: Duration::from_millis(50),
            resolution: Duration::ZERO,
        }
    }
}

/// The two timers of a node.
pub(super) struct Timers<R> {
    timing: Timing,
    random: R,
    started: Instant,
    election: Option<Instant>,
    heartbeat: Option<Instant>,
}

impl<R: Rng> Timers<R> {
    pub(super) fn new(timing: Timing, random: R) -> Self {
        Timers { timing, random, started: Instant::now(), election: None, heartbeat: None }
    }

    /// Sets or cancels a timer.
    pub(super) fn obey(&mut self, duty: TimerDuty) {
        match duty {
            TimerDuty::Set(Timer::Election) => {
                let length = self.random.random_range(self.timing.election.clone());
                self.election = Some(self.on_grid(Instant::now() + length));
            }
            TimerDuty::Set(Timer::Heartbeat) => {
                self.heartbeat = Some(self.on_grid(Instant::now() + self.timing.heartbeat));
            }
            TimerDuty::Cancel(Timer::Election) => self.election = None,
            TimerDuty::Cancel(Timer::Heartbeat) => self.heartbeat = None,
        }
    }

    /// When the next timer fires.
    pub(super) fn next(&self) -> Option<Instant> {
        match (self.election, self.heartbeat) {
            (Some(election), Some(heartbeat)) => Some(election.min(heartbeat)),
            (one, other) => one.or(other),
        }
    }

    /// Whether `timer` runs and its time has come.
    pub(super) fn is_due(&self, timer: Timer) -> bool {
        let at = match timer {
            Timer::Election => self.election,
            Timer::Heartbeat => self.heartbeat,
        };
        at.is_some_and(|at| at <= Instant::now())
    }

    /// The first moment at or after `at` on the grid of the resolution.
    fn on_grid(&self, at: Instant) -> Instant {
        let resolution = self.timing.resolution.as_nanos();
        if resolution == 0 {
            return at;
        }
        let past = at.duration_since(self.started).as_nanos() % resolution;
        let wait = if past == 0 { 0 } else { resolution - past };
        at + Duration::from_nanos(wait as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn timings_that_cannot_work_are_refused() {
        assert_eq!(
            Timing::new(300 * MS..=300 * MS, 50 * MS),
            Err(TimingError::ElectionRange { shortest: 300 * MS, longest: 300 * MS })
        );
        for heartbeat in [Duration::ZERO, 51 * MS] {
            assert_eq!(
                Timing::new(150 * MS..=300 * MS, heartbeat),
                Err(TimingError::Heartbeat { heartbeat, shortest: 150 * MS })
            );
        }
        assert_eq!(Timing::new(150 * MS..=300 * MS, 50 * MS), Ok(Timing::default()));
    }

    /// What is taken can be waited for: no clock ends before it.
    #[test]
    fn timers_of_any_timing_that_is_taken_can_be_set() {
        let limit = Timing::LONGEST;
        for longest in [limit + Duration::from_nanos(1), Duration::MAX] {
            assert_eq!(
                Timing::new(Duration::from_secs(1)..=longest, 50 * MS),
                Err(TimingError::TooLong { longest, limit })
            );
        }
        for heartbeat in [Duration::MAX, limit] {
            assert_eq!(
                Timing::new(limit - MS..=limit, heartbeat),
                Err(TimingError::Heartbeat { heartbeat, shortest: limit - MS })
            );
        }
        let empty = Timing::new(Duration::MAX..=Duration::MAX, MS);
        assert!(matches!(empty, Err(TimingError::ElectionRange { .. })), "{empty:?}");
        let timing = Timing::new(limit - MS..=limit, limit / 4).unwrap();
        let mut timers = Timers::new(timing, StdRng::seed_from_u64(1));
        timers.obey(TimerDuty::Set(Timer::Election));
        timers.obey(TimerDuty::Set(Timer::Heartbeat));
        assert!(!timers.is_due(Timer::Election) && !timers.is_due(Timer::Heartbeat));
        assert!(timers.next().unwrap() - timers.started >= limit / 4);
    }

    #[test]
    fn election_timeouts_fill_the_range_and_fall_on_the_grid() {
        let mut timers = Timers::new(Timing::lab(), StdRng::seed_from_u64(1));
        let lengths: std::vec::Vec<u128> = (0..300)
            .map(|_| {
                timers.obey(TimerDuty::Set(Timer::Election));
                timers.next().unwrap().duration_since(timers.started).as_nanos()
            })
            .collect();
        assert!(lengths.iter().all(|length| length % 10_000_000 == 0));
        let (shortest, longest) = (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
        assert!(*shortest >= 700_000_000 && *shortest < 730_000_000, "{shortest}");
        assert!(*longest > 970_000_000, "{longest}");
    }

    #[test]
    fn a_timer_is_due_when_its_time_has_come_and_not_when_cancelled() {
        let timing = Timing::new(MS..=2 * MS, MS / 3).unwrap();
        let mut timers = Timers::new(timing, StdRng::seed_from_u64(1));
        timers.obey(TimerDuty::Set(Timer::Election));
        timers.obey(TimerDuty::Set(Timer::Heartbeat));
        timers.obey(TimerDuty::Cancel(Timer::Election));
        std::thread::sleep(3 * MS);
        assert!(timers.is_due(Timer::Heartbeat));
        assert!(!timers.is_due(Timer::Election));
        timers.obey(TimerDuty::Cancel(Timer::Heartbeat));
        assert!(!timers.is_due(Timer::Heartbeat));
        assert_eq!(timers.next(), None);
    }
}
