//! What a simulated cluster is like, apart from its seed.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use super::network::Weather;

/// How a simulated cluster behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// How long the timers run.
    pub timing: Timing,
    /// The network while it is reliable.
    pub reliable: Weather,
    /// The network while it is not.
    pub unreliable: Weather,
    /// The network at its worst.
    pub straggling: Weather,
    /// How long a sync of the disk takes, in microseconds.
    pub sync: RangeInclusive<u64>,
    /// How many lines of the journal are kept.
    pub journal: usize,
    /// Whether the servers record what they do, for [`trace`](crate::trace).
    pub record: bool,
}

/// How long the timers run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Timers fire at multiples of this only.
    pub resolution: Duration,
    /// The range from which each election timeout is drawn.
    pub election: RangeInclusive<Duration>,
    /// The time between the heartbeats of a leader.
    pub heartbeat: Duration,
}

impl Timing {
    /// The timing of the labs.
    pub fn lab() -> Timing {
        let ms = Duration::from_millis;
        Timing { resolution: ms(10), election: ms(700)..=ms(1000), heartbeat: ms(100) }
    }

    /// How long a sync of the disk has taken when heartbeats pass it: not from its beginning,
    /// and not once others should lead.
    pub fn patience(&self) -> Range<Duration> {
        self.heartbeat / 2..*self.election.start()
    }

    /// When a timer fires that is to fire at `deadline`.
    pub fn fires(&self, deadline: Duration) -> Duration {
        let resolution = self.resolution.as_nanos().max(1);
        let ticks = deadline.as_nanos().div_ceil(resolution);
        // A time that fits no u64 of nanoseconds is more than 500 years away.
        Duration::from_nanos(u64::try_from(ticks * resolution).unwrap_or(u64::MAX))
    }
}

impl Default for Options {
    /// The cluster of the labs.
    fn default() -> Options {
        Options {
            timing: Timing::lab(),
            reliable: Weather::RELIABLE,
            unreliable: Weather::UNRELIABLE,
            straggling: Weather::STRAGGLING,
            sync: 100..=2_000,
            journal: 200,
            record: false,
        }
    }
}
