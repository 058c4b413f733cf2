//! The time of the log, by which keys expire.
//!
//! Every node must remove a key at the same entry, so whether it has expired is decided by numbers
//! in the log alone. Each operation carries a *stamp*, in milliseconds since the cluster began;
//! the state machine's time is the greatest stamp that it has applied. A leader takes stamps from
//! this clock, which every node has. It
//!
//! - is never behind the greatest stamp applied here, so time goes on from it after a change of
//!   leader and after a restart;
//! - goes at the pace of this node's monotonic clock, between two entries as well as while one is
//!   under way. Whatever happens to a wall clock changes nothing;
//! - is never more than [`LAPSE`] ahead of the greatest stamp applied here. Without a leader, and
//!   while the cluster is down, nothing is applied: time stands still, but for that much.
//!
//! So the time of the log is never faster than the fastest of the nodes' clocks: a reading grows
//! at the pace of its own, or becomes a stamp, which was another node's reading earlier on. A key
//! does not expire early; it expires late by what passes without a leader beyond [`LAPSE`], and
//! by what a new leader's clock was behind the one before.
//!
//! While there are keys that will expire, the leader sees to it that a stamp is applied about
//! each second ([`Clock::is_due`]); without them nobody can tell whether time stands still.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How far a clock goes on by itself, in milliseconds.
pub const LAPSE: u64 = 2000;

/// After which time a leader proposes an entry for the sake of its stamp, in milliseconds.
const DUE: u64 = 1000;

/// The clock of a node.
#[derive(Debug)]
pub struct Clock {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The greatest stamp applied.
    stamp: u64,
    /// What the clock showed at a moment. Finer than a stamp: it is taken anew at every entry,
    /// and what was cut off each time would add up.
    reading: Duration,
    at: Instant,
    /// How many keys will expire.
    expiring: usize,
}

impl State {
    fn read(&self, now: Instant) -> Duration {
        let elapsed = now.saturating_duration_since(self.at);
        let limit = Duration::from_millis(self.stamp.saturating_add(LAPSE));
        self.reading.saturating_add(elapsed).min(limit)
    }
}

impl Clock {
    pub fn new(now: Instant) -> Clock {
        Clock {
            state: Mutex::new(State { stamp: 0, reading: Duration::ZERO, at: now, expiring: 0 }),
        }
    }

    /// The stamp of what is proposed now.
    pub fn stamp(&self, now: Instant) -> u64 {
        u64::try_from(self.state().read(now).as_millis()).unwrap_or(u64::MAX)
    }

    /// A stamp was applied; so many keys will expire.
    pub fn applied(&self, stamp: u64, expiring: usize, now: Instant) {
        let mut state = self.state();
        let reading = state.read(now).max(Duration::from_millis(stamp));
        let at = now.max(state.at);
        *state = State { stamp: state.stamp.max(stamp), reading, at, expiring };
    }

    /// Whether keys wait for a stamp.
    pub fn is_due(&self, now: Instant) -> bool {
        let state = self.state();
        state.expiring > 0
            && state.read(now) >= Duration::from_millis(state.stamp.saturating_add(DUE))
    }

    /// How often to ask whether one is due.
    pub const LOOK: Duration = Duration::from_millis(200);

    fn state(&self) -> MutexGuard<'_, State> {
        // Four numbers, replaced as a whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    #[test]
    fn time_passes_while_an_entry_is_under_way_and_between_two() {
        let start = Instant::now();
        let clock = Clock::new(start);
        // Proposed every 10 ms, applied 9 ms later: none of it is lost.
        for round in 0..1000 {
            let stamp = clock.stamp(after(start, round * 10));
            assert_eq!(stamp, round * 10);
            clock.applied(stamp, 1, after(start, round * 10 + 9));
        }
    }

    #[test]
    fn entries_that_follow_fast_do_not_hold_time_up() {
        let start = Instant::now();
        let clock = Clock::new(start);
        for round in 0..30_000 {
            let now = start + Duration::from_micros(round * 300);
            clock.applied(clock.stamp(now), 1, now + Duration::from_micros(100));
        }
        assert_eq!(clock.stamp(after(start, 9000)), 9000);
    }

    #[test]
    fn time_stands_still_while_nothing_is_applied() {
        let start = Instant::now();
        let clock = Clock::new(start);
        clock.applied(5000, 1, start);
        assert_eq!(clock.stamp(after(start, 1500)), 6500);
        assert_eq!(clock.stamp(after(start, 3_600_000)), 5000 + LAPSE);
        // Nor is the hour made up for once entries are applied again.
        clock.applied(5000 + LAPSE, 1, after(start, 3_600_000));
        assert_eq!(clock.stamp(after(start, 3_600_001)), 5001 + LAPSE);
    }

    #[test]
    fn a_new_leader_goes_on_from_the_last_stamp() {
        let start = Instant::now();
        let (old, new) = (Clock::new(start), Clock::new(after(start, 77)));
        let mut last = 0;
        for round in 1..=50 {
            let stamp = old.stamp(after(start, round * 100));
            old.applied(stamp, 1, after(start, round * 100 + 2));
            // The other node applies later; its clock is behind by that.
            new.applied(stamp, 1, after(start, round * 100 + 20));
            last = stamp;
        }
        let next = new.stamp(after(start, 5200));
        assert!(next >= last && next <= 5200, "{last} {next}");
        assert!(next >= 5150, "time went on meanwhile: {next}");
    }

    #[test]
    fn of_two_clocks_neither_makes_time_go_faster() {
        let start = Instant::now();
        let clocks = [Clock::new(start), Clock::new(start)];
        // Each leads in turn; both apply everything, the other one late.
        for round in 1..=1000u64 {
            let (leads, follows) = (round as usize % 2, (round as usize + 1) % 2);
            let now = after(start, round * 7);
            let stamp = clocks[leads].stamp(now);
            assert!(stamp <= round * 7, "{stamp} after {} ms", round * 7);
            clocks[leads].applied(stamp, 1, after(start, round * 7 + 1));
            clocks[follows].applied(stamp, 1, after(start, round * 7 + 5));
        }
        assert!(clocks[0].stamp(after(start, 7007)) > 6900);
    }

    #[test]
    fn a_stamp_from_behind_does_not_turn_time_back() {
        let start = Instant::now();
        let clock = Clock::new(start);
        clock.applied(9000, 0, start);
        clock.applied(10, 0, after(start, 5));
        assert_eq!(clock.stamp(after(start, 5)), 9005);
    }

    #[test]
    fn stamps_are_due_only_for_keys_that_will_expire() {
        let start = Instant::now();
        let clock = Clock::new(start);
        clock.applied(100, 0, start);
        assert!(!clock.is_due(after(start, 60_000)));
        clock.applied(100, 1, start);
        assert!(!clock.is_due(after(start, DUE - 1)));
        assert!(clock.is_due(after(start, DUE)));
        clock.applied(100 + DUE, 1, after(start, DUE));
        assert!(!clock.is_due(after(start, DUE + 1)));
    }
}
