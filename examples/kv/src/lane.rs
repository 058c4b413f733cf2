//! Whose commands go into the log next.
//!
//! Most turns are *light*, a few commands, and go at once. What is *heavy* (a megabyte, or
//! hundreds of commands in a pipeline) keeps the disks of the cluster busy for as long as hundreds
//! of light ones: a client that sends one after the other would leave the rest of them a turn for
//! each of its own. So heavy turns go in a lane:
//!
//! - Among heavy clients, the next is the one that has had the fewest bytes (start-time fair
//!   queueing, Goyal 1996), so each gets the same share of the lane, whatever the size of its turns.
//! - As long as light turns are about, the lane rests after each of its turns, four times as long
//!   as that took. The light ones get less than four fifths of what they have alone: followers
//!   beyond the majority still write when a turn is over. The time is measured, as what bytes cost
//!   depends on the disks. Without light turns it does not rest, and lets several turns go at once.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::operation::Operation;

/// What a command costs beside its bytes, in bytes.
const PER_COMMAND: usize = 128;

/// Up to this cost, a turn is light.
const LIGHT: usize = 8 * 1024;

/// How much the lane lets go at once with no light turns about, in bytes; otherwise, one turn.
const WINDOW: usize = 1024 * 1024;

/// How many times as long as it was busy the lane rests, and how long at most.
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_secs(1);

/// For how long after the last light turn others may come.
const ABOUT: Duration = Duration::from_millis(100);

/// The lane of a node.
#[derive(Default)]
pub struct Lane {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Light turns under way, and when the last one ended.
    light: usize,
    last_light: Option<Instant>,
    /// The cost of heavy turns under way, and since when there are some.
    heavy: usize,
    busy_since: Option<Instant>,
    rest_until: Option<Instant>,
    /// Heavy turns that wait: by what their clients have had, then in the order of arrival.
    waiting: BTreeSet<(u64, u64)>,
    arrivals: u64,
    /// What the client had had whose heavy turn began last: who comes anew begins there.
    reached: u64,
}

/// What a client has had of the lane.
#[derive(Debug, Default)]
pub struct Account(u64);

/// A turn under way, until it is dropped.
pub struct Pass<'a> {
    lane: &'a Lane,
    cost: usize,
}

/// What operations cost the cluster, in bytes.
pub fn cost<'a>(operations: impl IntoIterator<Item = &'a Operation>) -> usize {
    operations.into_iter().map(|operation| PER_COMMAND + operation.bytes()).sum()
}

/// Whether a turn of this cost waits for nobody.
pub fn is_light(cost: usize) -> bool {
    cost <= LIGHT
}

impl Lane {
    /// Waits until a turn of this cost may go; none after the deadline.
    pub fn enter(&self, account: &mut Account, cost: usize, deadline: Instant) -> Option<Pass<'_>> {
        let mut state = self.lock();
        if is_light(cost) {
            state.light += 1;
            return Some(Pass { lane: self, cost });
        }
        let had = account.0.max(state.reached);
        let place = (had, state.arrivals);
        state.arrivals += 1;
        state.waiting.insert(place);
        loop {
            let now = Instant::now();
            // First of all: what went now would have no time left to be answered.
            if now >= deadline {
                state.waiting.remove(&place);
                self.changed.notify_all();
                return None;
            }
            let first = state.waiting.first() == Some(&place);
            if first && state.is_open(cost, now) {
                break;
            }
            // Whoever changes something else than the time tells.
            let until = state.rest_until.filter(|until| first && *until > now);
            let until = until.map_or(deadline, |until| until.min(deadline));
            let waited = self.changed.wait_timeout(state, until.saturating_duration_since(now));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.waiting.remove(&place);
        state.reached = had;
        account.0 = had.saturating_add(cost as u64);
        state.heavy += cost;
        state.busy_since.get_or_insert_with(Instant::now);
        // The next one may go as well.
        self.changed.notify_all();
        Some(Pass { lane: self, cost })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Counts and moments, each whole by itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_contested(&self, now: Instant) -> bool {
        let about = |last: Instant| now.saturating_duration_since(last) < ABOUT;
        self.light > 0 || self.last_light.is_some_and(about)
    }

    fn is_open(&self, cost: usize, now: Instant) -> bool {
        let contested = self.is_contested(now);
        if contested && self.rest_until.is_some_and(|until| now < until) {
            return false;
        }
        self.heavy == 0 || !contested && self.heavy + cost <= WINDOW
    }

    fn leave(&mut self, cost: usize, now: Instant) {
        if is_light(cost) {
            self.light -= 1;
            self.last_light = Some(now);
            return;
        }
        self.heavy -= cost;
        if self.heavy > 0 {
            return;
        }
        let busy = self.busy_since.take().map_or(Duration::ZERO, |since| now - since);
        self.rest_until = Some(now + (busy * REST).min(LONGEST_REST));
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.lane.lock().leave(self.cost, Instant::now());
        if !is_light(self.cost) {
            self.lane.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAVY: usize = 100 * 1024;

    fn after(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_lane_rests_longer_than_it_was_busy_while_light_turns_are_about() {
        let start = Instant::now();
        let busy = State { heavy: HEAVY, busy_since: Some(start), ..State::default() };
        let mut alone = State { ..busy };
        alone.leave(HEAVY, after(start, 10));
        assert!(alone.is_open(HEAVY, after(start, 10)));
        let busy = State { heavy: HEAVY, busy_since: Some(start), ..State::default() };
        let mut contested = State { last_light: Some(after(start, 9)), ..busy };
        assert!(!contested.is_open(HEAVY, after(start, 9)));
        contested.leave(HEAVY, after(start, 10));
        assert!(!contested.is_open(HEAVY, after(start, 49)));
        assert!(contested.is_open(HEAVY, after(start, 50)));
    }

    #[test]
    fn alone_several_heavy_turns_go_at_once_up_to_the_window() {
        let start = Instant::now();
        let mut state =
            State { heavy: WINDOW - HEAVY, busy_since: Some(start), ..State::default() };
        assert!(state.is_open(HEAVY, start));
        assert!(!state.is_open(HEAVY + 1, start));
        state.light = 1;
        assert!(!state.is_open(HEAVY, start));
        state.heavy = 0;
        assert!(state.is_open(9 * WINDOW, start));
    }

    #[test]
    fn the_next_turn_is_that_of_the_client_that_had_least() {
        let lane = Lane::default();
        let late = Instant::now() + Duration::from_secs(600);
        let order = Mutex::new(Vec::new());
        let first = lane.enter(&mut Account::default(), WINDOW, late);
        std::thread::scope(|scope| {
            // One sends turns that are ten times as large as those of the other.
            for (name, size) in [('L', WINDOW), ('s', WINDOW / 10)] {
                let (lane, order) = (&lane, &order);
                scope.spawn(move || {
                    let mut account = Account::default();
                    for _ in 0..WINDOW / size * 2 {
                        let pass = lane.enter(&mut account, size, late).unwrap();
                        order.lock().unwrap().push(name);
                        drop(pass);
                        // It comes back before the lane goes on without it.
                        let others = || lane.lock().waiting.len();
                        let give_up = Instant::now() + Duration::from_millis(20);
                        while others() == 0 && Instant::now() < give_up {
                            std::thread::yield_now();
                        }
                    }
                });
            }
            while lane.lock().waiting.len() < 2 {
                std::thread::yield_now();
            }
            drop(first);
        });
        let order: String = order.into_inner().unwrap().into_iter().collect();
        let (small, large) = (order.matches('s').count(), order.matches('L').count());
        assert_eq!((small, large), (20, 2), "{order}");
    }

    #[test]
    fn light_turns_wait_for_nobody_and_what_waits_in_vain_is_forgotten() {
        let lane = Lane::default();
        let now = Instant::now();
        let mut account = Account::default();
        // However open the lane is: it would be proposed, and nobody would wait for it.
        assert!(lane.enter(&mut account, HEAVY, now).is_none());
        let heavy = lane.enter(&mut account, 2 * WINDOW, now + Duration::from_secs(600)).unwrap();
        assert!(lane.enter(&mut Account::default(), HEAVY, now).is_none());
        assert!(lane.enter(&mut Account::default(), LIGHT, now).is_some());
        drop(heavy);
        let state = lane.lock();
        assert!(state.waiting.is_empty());
        assert_eq!((state.heavy, state.light), (0, 0));
    }
}
