//! The two timers of a server.

use core::ops::RangeInclusive;
use core::time::Duration;

use super::timing::Timing;
use crate::figure2::{Timer, TimerDuty};

/// The two timers of a server. Moments are counted from the start of the node.
#[derive(Clone, Debug)]
pub struct Timers {
    timing: Timing,
    election: Option<Duration>,
    heartbeat: Option<Duration>,
}

impl Timers {
    /// Timers that do not run yet.
    pub fn new(timing: Timing) -> Self {
        Timers { timing, election: None, heartbeat: None }
    }

    /// How long they run.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Sets or cancels a timer. `draw` chooses evenly from a range.
    pub fn obey(
        &mut self,
        now: Duration,
        duty: TimerDuty,
        draw: impl FnOnce(RangeInclusive<Duration>) -> Duration,
    ) {
        match duty {
            TimerDuty::Set(Timer::Election) => {
                let length = draw(self.timing.election().clone());
                self.election = Some(self.on_grid(now + length));
            }
            TimerDuty::Set(Timer::Heartbeat) => {
                self.heartbeat = Some(self.on_grid(now + self.timing.heartbeat()));
            }
            TimerDuty::Cancel(Timer::Election) => self.election = None,
            TimerDuty::Cancel(Timer::Heartbeat) => self.heartbeat = None,
        }
    }

    /// When the next timer fires.
    pub fn next(&self) -> Option<Duration> {
        match (self.election, self.heartbeat) {
            (Some(election), Some(heartbeat)) => Some(election.min(heartbeat)),
            (one, other) => one.or(other),
        }
    }

    /// Whether `timer` runs and its time has come.
    pub fn is_due(&self, now: Duration, timer: Timer) -> bool {
        let at = match timer {
            Timer::Election => self.election,
            Timer::Heartbeat => self.heartbeat,
        };
        at.is_some_and(|at| at <= now)
    }

    /// Whether `timer` runs and its time has come; it does not run any more then.
    pub fn fires(&mut self, now: Duration, timer: Timer) -> bool {
        let fires = self.is_due(now, timer);
        if fires {
            match timer {
                Timer::Election => self.election = None,
                Timer::Heartbeat => self.heartbeat = None,
            }
        }
        fires
    }

    /// The first moment at or after `at` on the grid of the resolution.
    fn on_grid(&self, at: Duration) -> Duration {
        let resolution = self.timing.resolution().as_nanos();
        match at.as_nanos().checked_rem(resolution) {
            None | Some(0) => at,
            // At most the resolution, which is a few milliseconds.
            Some(past) => at + Duration::from_nanos((resolution - past) as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const MS: Duration = Duration::from_millis(1);

    fn set(timers: &mut Timers, now: Duration, timer: Timer, length: Duration) {
        timers.obey(now, TimerDuty::Set(timer), |range| {
            assert!(range.contains(&length), "{length:?} is not in {range:?}");
            length
        });
    }

    /// What is taken can be waited for: no clock ends before it.
    #[test]
    fn timers_of_any_timing_that_is_taken_can_be_set() {
        let limit = Timing::LONGEST;
        let mut timers = Timers::new(Timing::new(limit - MS..=limit, limit / 4).unwrap());
        let late = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        set(&mut timers, late, Timer::Election, limit);
        timers.obey(late, TimerDuty::Set(Timer::Heartbeat), |_| unreachable!());
        assert!(!timers.is_due(late, Timer::Election) && !timers.is_due(late, Timer::Heartbeat));
        assert_eq!(timers.next(), Some(late + limit / 4));
    }

    #[test]
    fn timers_fire_on_the_grid_at_or_after_their_time() {
        let mut timers = Timers::new(Timing::lab());
        let fires: Vec<Duration> = [(0, 700), (1, 700), (9, 701), (10, 999), (11, 999)]
            .map(|(now, length)| {
                set(&mut timers, now * MS, Timer::Election, length * MS);
                timers.next().unwrap()
            })
            .into();
        assert_eq!(fires, [700, 710, 710, 1010, 1010].map(|at| at * MS));
    }

    #[test]
    fn a_timer_is_due_when_its_time_has_come_and_not_when_cancelled_or_fired() {
        let mut timers = Timers::new(Timing::new(3 * MS..=6 * MS, MS).unwrap());
        set(&mut timers, Duration::ZERO, Timer::Election, 4 * MS);
        timers.obey(Duration::ZERO, TimerDuty::Set(Timer::Heartbeat), |_| unreachable!());
        assert_eq!(timers.next(), Some(MS));
        assert!(timers.is_due(MS, Timer::Heartbeat));
        assert!(!timers.is_due(3 * MS, Timer::Election) && timers.is_due(4 * MS, Timer::Election));
        // A timer that is set again runs from now.
        set(&mut timers, 3 * MS, Timer::Election, 3 * MS);
        assert!(!timers.is_due(5 * MS, Timer::Election));
        assert!(timers.fires(6 * MS, Timer::Election) && !timers.fires(6 * MS, Timer::Election));
        timers.obey(6 * MS, TimerDuty::Cancel(Timer::Heartbeat), |_| unreachable!());
        assert_eq!(timers.next(), None);
    }
}
