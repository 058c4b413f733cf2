//! The time of a node, and its chance.

use crate::runtime::std;

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

/// The clock from which one node's timers count, and the source of its election timeouts.
pub(super) struct Clock {
    started: Instant,
    random: StdRng,
}

impl Clock {
    pub(super) fn new(random: StdRng) -> Self {
        Clock { started: Instant::now(), random }
    }

    /// The time since the node started.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The moment at which that time is `at`.
    pub(super) fn moment(&self, at: Duration) -> Instant {
        self.started + at
    }

    /// That time, at this moment.
    pub(super) fn since_start(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.started)
    }

    /// Draws evenly from a range.
    pub(super) fn draw(&mut self, range: RangeInclusive<Duration>) -> Duration {
        self.random.random_range(range)
    }
}
