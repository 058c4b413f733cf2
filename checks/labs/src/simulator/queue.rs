//! Virtual time: what is going to happen, and when.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

/// Events to come, in the order in which they happen: by time, and at the same time in the
/// order in which they were scheduled.
pub struct Queue<E> {
    now: Duration,
    scheduled: u64,
    events: BinaryHeap<Reverse<Scheduled<E>>>,
}

struct Scheduled<E> {
    at: Duration,
    number: u64,
    event: E,
}

impl<E> Queue<E> {
    /// No events, at time 0.
    pub fn new() -> Queue<E> {
        Queue { now: Duration::ZERO, scheduled: 0, events: BinaryHeap::new() }
    }

    /// The virtual time.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Lets `event` happen at time `at`, or now if that has passed.
    pub fn schedule(&mut self, at: Duration, event: E) {
        let number = self.scheduled;
        self.scheduled += 1;
        self.events.push(Reverse(Scheduled { at: at.max(self.now), number, event }));
    }

    /// The next event up to time `until`; the time becomes that of the event, or without one
    /// becomes `until`.
    pub fn next(&mut self, until: Duration) -> Option<E> {
        match self.events.peek() {
            Some(Reverse(next)) if next.at <= until => {
                let Reverse(Scheduled { at, number: _, event }) = self.events.pop()?;
                self.now = at;
                Some(event)
            }
            Some(_) | None => {
                self.now = self.now.max(until);
                None
            }
        }
    }
}

impl<E> Ord for Scheduled<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<E> PartialOrd for Scheduled<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Scheduled<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Scheduled<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_happen_by_time_then_in_the_order_of_scheduling() {
        let ms = Duration::from_millis;
        let mut queue = Queue::new();
        for (at, event) in [(5, "c"), (3, "a"), (5, "d"), (3, "b"), (9, "e")] {
            queue.schedule(ms(at), event);
        }
        let early: Vec<_> = std::iter::from_fn(|| queue.next(ms(8))).collect();
        assert_eq!(early, ["a", "b", "c", "d"]);
        assert_eq!(queue.now(), ms(8));
        queue.schedule(ms(1), "late");
        assert_eq!((queue.next(ms(8)), queue.now()), (Some("late"), ms(8)));
        assert_eq!((queue.next(ms(20)), queue.now()), (Some("e"), ms(9)));
    }
}
