//! A server's timers on the clock of the operating system.

use crate::runtime::std;

use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use crate::driver::{Timers, Timing};
use crate::figure2::{Timer, TimerDuty};

/// The timers of one node.
pub(super) struct Clock {
    /// The moment from which its timers count.
    started: Instant,
    timers: Timers,
    random: StdRng,
}

impl Clock {
    pub(super) fn new(timing: Timing, random: StdRng) -> Self {
        Clock { started: Instant::now(), timers: Timers::new(timing), random }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Sets or cancels a timer.
    pub(super) fn obey(&mut self, duty: TimerDuty) {
        let now = self.now();
        self.timers.obey(now, duty, |range| self.random.random_range(range));
    }

    /// When the next timer fires.
    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.next().map(|at| self.started + at)
    }

    /// Whether `timer` runs and its time has come.
    pub(super) fn is_due(&self, timer: Timer) -> bool {
        self.timers.is_due(self.now(), timer)
    }

    /// Whether `timer` runs and its time has come; it does not run any more then.
    pub(super) fn fires(&mut self, timer: Timer) -> bool {
        let now = self.now();
        self.timers.fires(now, timer)
    }
}
