//! What waits for the application's thread.

use crate::runtime::std;

use std::vec::Vec;

use super::mailbox::{Mailbox, Queue};
use crate::driver::{Run, weight};
use crate::figure2::{Base, Entry, Index};
use crate::runtime::proposal::Waiter;

/// Work for the application thread, in this order.
pub(super) struct Work<R> {
    /// Proposals of this node whose commands stand in its log, not committed yet.
    pub(super) accepted: Vec<Run<Waiter<R>>>,
    /// What the state machine is to become.
    pub(super) restore: Option<Base>,
    /// The weight of what need not be applied for that.
    pub(super) passed: u64,
    /// An image that has come in the place of the node's own, which is of no use.
    pub(super) spare: Option<Base>,
    /// Whether the state is to be captured.
    pub(super) capture: bool,
    /// Entries to apply.
    pub(super) committed: Vec<(Index, Entry)>,
}

impl<R> Default for Work<R> {
    fn default() -> Self {
        Work {
            accepted: Vec::new(),
            restore: None,
            passed: 0,
            spare: None,
            capture: false,
            committed: Vec::new(),
        }
    }
}

impl<R> Work<R> {
    /// The state machine is to become the image of this base. What was to be done before is in
    /// that image; returns the entries that need not be applied any more.
    #[must_use]
    pub(super) fn restore(&mut self, base: Base) -> Vec<(Index, Entry)> {
        self.restore = Some(base);
        self.passed += weigh(&self.committed);
        core::mem::take(&mut self.committed)
    }
}

/// What entries weigh together.
pub(super) fn weigh(entries: &[(Index, Entry)]) -> u64 {
    entries.iter().map(|(_, entry)| weight(entry)).sum()
}

/// The thread sleeps until an entry is committed: nobody can be answered before.
impl<R> Queue for Work<R> {
    fn is_empty(&self) -> bool {
        let images = self.restore.is_some() || self.spare.is_some() || self.capture;
        self.committed.is_empty() && !images
    }
}

/// The queue of the application thread.
pub(super) type Jobs<R> = Mailbox<Work<R>>;
