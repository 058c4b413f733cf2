//! Digests of the state machine: told to the peers, and compared with theirs.

use crate::runtime::std;

use std::boxed::Box;
use std::format;

use super::log;
use super::outlets::Gated;
use super::server_loop::ServerLoop;
use super::sync::{Mutex, lock};
use crate::driver::{Comparison, Digests};
use crate::figure2::{Index, ServerId};
use crate::runtime::stopped::StopReason;

/// Where the digests of all servers meet.
pub(super) struct DigestDesk {
    own: ServerId,
    digests: Mutex<Digests>,
    /// Hands the server loop what is to be done about it.
    hand: Box<dyn Fn(Comparison) + Send + Sync>,
}

impl DigestDesk {
    /// For the server `own` of a cluster of so many.
    pub(super) fn new(
        own: ServerId,
        servers: usize,
        hand: impl Fn(Comparison) + Send + Sync + 'static,
    ) -> DigestDesk {
        let digests = Mutex::new(Digests::new(own, servers));
        DigestDesk { own, digests, hand: Box::new(hand) }
    }

    /// The state machine of this node comes to this.
    pub(super) fn own(&self, index: Index, digest: u64) {
        self.told(self.own, index, digest);
    }

    /// A server says that its state machine comes to this.
    pub(super) fn told(&self, by: ServerId, index: Index, digest: u64) {
        let comparison = lock(&self.digests).told(by, index, digest);
        if let Some(comparison) = comparison {
            (self.hand)(comparison);
        }
    }
}

impl<R> ServerLoop<R> {
    /// Digests of a majority, or of all servers, have come together.
    pub(super) fn compared(&mut self, comparison: Comparison) {
        match comparison {
            Comparison::Same { index } => self.counters.digests_same(index),
            Comparison::NoMajority { index } => {
                if self.counters.digests_differ() {
                    log::error!(
                        index,
                        "the state machines of the servers differ, and no majority of them is the \
                         same: one that is not deterministic, or a disk or memory that is wrong; \
                         see docs/operations.md"
                    );
                }
            }
            Comparison::Alone { index, own, theirs } => {
                let text = format!(
                    "behind index {index}, the state machine of this node comes to {own:016x}, \
                     and those of a majority to {theirs:016x}"
                );
                self.stop_for_good(StopReason::Diverged { text });
            }
        }
    }

    /// The server does nothing more; the reason is made durable, and nobody starts on this store
    /// before it is looked at.
    pub(super) fn stop_for_good(&mut self, reason: StopReason) {
        self.stops = true;
        self.enter(Gated { stop: Some(reason), ..Gated::behind(self.driver.steps()) });
    }
}
