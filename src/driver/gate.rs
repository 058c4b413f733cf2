//! The gate between the server and everything that may see what it did.
//!
//! ```text
//!   step ──enter──► waiting ──take──► written, synced once ──written──► leave, in order
//!     │                 └─ what stands before the first write leaves at once
//!     └── nothing waits, nothing to write ───────────────────────────► leaves
//! ```
//!
//! Outputs leave in the order in which they entered, each once its records and all earlier ones
//! are durable. What waits for less does not enter: see
//! [`WaitsFor`](crate::figure2::WaitsFor).

use alloc::vec::Vec;
use core::mem;

/// What waits for the disk, in order. One batch is under way at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gate<T> {
    waiting: Vec<T>,
    under_way: bool,
}

/// What is taken from a [`Gate`] together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<T> {
    /// What waits for no write: it may leave at once.
    pub free: Vec<T>,
    /// From the first write on: it may leave once all writes in it are durable.
    pub writes: Vec<T>,
}

impl<T> Default for Gate<T> {
    fn default() -> Self {
        Gate { waiting: Vec::new(), under_way: false }
    }
}

impl<T> Gate<T> {
    /// Queues `item`; gives it back if it may leave at once, because it does not have to wait
    /// and nothing is ahead of it.
    pub fn enter(&mut self, item: T, has_to_wait: bool) -> Option<T> {
        if !has_to_wait && !self.under_way && self.waiting.is_empty() {
            return Some(item);
        }
        self.waiting.push(item);
        None
    }

    /// Takes everything that waits; none if nothing does. From here to
    /// [`written`](Self::written) nothing passes the batch.
    ///
    /// # Panics
    /// When a batch is under way: two at once would leave in no order.
    pub fn take(&mut self, writes: impl Fn(&T) -> bool) -> Option<Batch<T>> {
        self.take_while(writes, |_| true)
    }

    /// The same, up to the first item that is not `within` the batch.
    ///
    /// # Panics
    /// When a batch is under way.
    pub fn take_while(
        &mut self,
        writes: impl Fn(&T) -> bool,
        mut within: impl FnMut(&T) -> bool,
    ) -> Option<Batch<T>> {
        assert!(!self.under_way, "a batch is under way");
        let end = self.waiting.iter().position(|item| !within(item));
        let rest = end.map_or_else(Vec::new, |end| self.waiting.split_off(end));
        let mut free = mem::replace(&mut self.waiting, rest);
        if free.is_empty() {
            return None;
        }
        self.under_way = true;
        let first = free.iter().position(writes).unwrap_or(free.len());
        let writes = free.split_off(first);
        Some(Batch { free, writes })
    }

    /// What was taken is durable, and has left.
    pub fn written(&mut self) {
        self.under_way = false;
    }

    /// Whether a batch is under way.
    pub fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// Whether nothing waits to be taken.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What waits to be taken, in order.
    pub fn waiting(&self) -> &[T] {
        &self.waiting
    }

    /// How many items wait to be taken.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What waits is never to leave, as in a crash; what is under way is left to whoever took it.
    pub fn discard(&mut self) -> Vec<T> {
        mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// Items are numbers; odd ones write.
    fn take(gate: &mut Gate<u64>) -> Option<(Vec<u64>, Vec<u64>)> {
        gate.take(|item| item % 2 == 1).map(|Batch { free, writes }| (free, writes))
    }

    fn enter(gate: &mut Gate<u64>, item: u64) -> Option<u64> {
        gate.enter(item, item % 2 == 1)
    }

    #[test]
    fn what_waits_for_nothing_leaves_at_once_and_all_else_in_order() {
        let mut gate = Gate::default();
        assert_eq!(enter(&mut gate, 2), Some(2));
        assert_eq!(enter(&mut gate, 3), None);
        assert_eq!(enter(&mut gate, 4), None, "not before the one ahead of it");
        assert_eq!(take(&mut gate), Some((vec![], vec![3, 4])));
        assert_eq!(enter(&mut gate, 6), None, "not past the batch under way");
        assert_eq!(enter(&mut gate, 8), None);
        assert_eq!(enter(&mut gate, 9), None);
        gate.written();
        assert_eq!(take(&mut gate), Some((vec![6, 8], vec![9])), "the first two may leave");
        gate.written();
        assert_eq!(take(&mut gate), None);
        assert_eq!(enter(&mut gate, 2), Some(2));
    }

    #[test]
    fn a_batch_may_end_before_all_that_waits() {
        let mut gate = Gate::default();
        assert!([1, 2, 3, 4].iter().all(|item| enter(&mut gate, *item).is_none()));
        let writes = |item: &u64| item % 2 == 1;
        let taken = gate.take_while(writes, |item| *item < 3);
        assert_eq!(taken, Some(Batch { free: vec![], writes: vec![1, 2] }));
        gate.written();
        assert_eq!(gate.take_while(writes, |item| !writes(item)), None, "a write comes first");
        assert!(!gate.is_under_way());
        assert_eq!(take(&mut gate), Some((vec![], vec![3, 4])));
    }

    #[test]
    fn what_is_discarded_never_leaves() {
        let mut gate = Gate::default();
        assert_eq!(enter(&mut gate, 1), None);
        assert_eq!((gate.len(), gate.waiting()), (1, &[1][..]));
        assert_eq!(gate.discard(), [1]);
        assert!(gate.is_empty());
        assert_eq!(take(&mut gate), None);
    }

    #[test]
    #[should_panic = "a batch is under way"]
    fn one_batch_at_a_time() {
        let mut gate = Gate::default();
        enter(&mut gate, 1);
        take(&mut gate);
        enter(&mut gate, 3);
        take(&mut gate);
    }
}
