//! How long timers run.

use core::fmt;
use core::ops::RangeInclusive;
use core::time::Duration;

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
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimingError {
    /// The range of election timeouts holds no room for chance.
    ElectionRange {
        /// The shortest election timeout that was asked for.
        shortest: Duration,
        /// The longest.
        longest: Duration,
    },
    /// An election timeout may be longer than any use that a cluster has for it.
    TooLong {
        /// The longest election timeout that was asked for.
        longest: Duration,
        /// The longest that is taken, [`Timing::LONGEST`].
        limit: Duration,
    },
    /// The heartbeat is too slow, or 0.
    Heartbeat {
        /// The time between two heartbeats that was asked for.
        heartbeat: Duration,
        /// The shortest election timeout.
        shortest: Duration,
    },
}

impl fmt::Display for TimingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimingError::ElectionRange { shortest, longest } => write!(
                f,
                "the election timeouts must span a range, or candidates collide for ever: give a \
                 shortest below the longest, not {shortest:?} to {longest:?}"
            ),
            TimingError::TooLong { longest, limit } => write!(
                f,
                "election timeouts go up to {limit:?}, and {longest:?} was asked for: a cluster \
                 without a leader waits that long before it chooses one"
            ),
            TimingError::Heartbeat { heartbeat, shortest } => write!(
                f,
                "the heartbeat must be above 0 and at most a third of the shortest election \
                 timeout ({shortest:?}), so that one delayed heartbeat deposes no leader; it is \
                 {heartbeat:?}"
            ),
        }
    }
}

/// The text: `main` and `unwrap` print this form.
impl fmt::Debug for TimingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for TimingError {}

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
    #[cfg(feature = "model")]
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

    /// How old a write is when it counts as stuck: the shortest election timeout. Nothing passes it
    /// then, so that a leader that cannot write does not keep others from leading.
    pub fn patience(&self) -> Duration {
        *self.election.start()
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn what_no_clock_could_wait_for_is_refused() {
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
    }
}
