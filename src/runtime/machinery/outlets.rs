//! Where the outputs of a server leave the gate to.

use crate::runtime::std;

use std::boxed::Box;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::vec::Vec;

use super::images::ImageDesk;
use super::outbox::Outbox;
use super::work::{Jobs, Work, weigh};
use crate::driver::{Exits, Held, Outbound, RoleName, Run, Standing};
use crate::figure2::{Base, Entry, Index, Message, ServerId, Term};
use crate::runtime::leadership::Noticeboard;
use crate::runtime::metrics::Counters;
use crate::runtime::proposal::{Accepted, ProposeError, Waiter};
use crate::runtime::status::log_change;
use crate::runtime::stopped::StopReason;

/// What waits at the gate: what a step owes, and what the node does beside the server.
pub(super) struct Gated<R> {
    pub(super) held: Held<Message, Waiter<R>>,
    /// Notes to write, in this order, before the records; what the node does beside the server.
    pub(super) notes: Vec<Note>,
    /// What to do once all of it is durable.
    pub(super) then: Option<Then>,
    /// The node must not go on from here, and not start again: the reason is made durable, and
    /// nothing of this step leaves.
    pub(super) stop: Option<StopReason>,
}

/// A note for the storage: its name and its value.
pub(super) type Note = (&'static str, Vec<u8>);

/// What is done once something is durable. Must not block.
pub(super) type Then = Box<dyn FnOnce() + Send>;

impl<R> Gated<R> {
    /// What a step owes, and nothing beside it.
    pub(super) fn of(held: Held<Message, Waiter<R>>) -> Self {
        Gated { held, notes: Vec::new(), then: None, stop: None }
    }

    /// Nothing yet, behind the step of this number.
    pub(super) fn behind(step: u64) -> Self {
        Gated::of(Held { step, ..Held::default() })
    }

    /// Whether something of it has to be made durable.
    pub(super) fn writes(&self) -> bool {
        !self.held.persist.is_empty() || !self.notes.is_empty() || self.stop.is_some()
    }
}

/// The ways out of a node.
pub(super) struct Outlets<R> {
    pub(super) outboxes: BTreeMap<ServerId, Arc<Outbox>>,
    pub(super) jobs: Arc<Jobs<R>>,
    /// The highest index given to the application.
    pub(super) given: AtomicU64,
    pub(super) noticeboard: Arc<Noticeboard>,
    pub(super) counters: Arc<Counters>,
    /// None where no images are kept.
    pub(super) desk: Option<Arc<ImageDesk>>,
}

impl<R> Outlets<R> {
    /// Ways to these peers and to an application, and users who are told of this standing.
    pub(super) fn new(
        peers: impl IntoIterator<Item = ServerId>,
        counters: Arc<Counters>,
        standing: Standing,
        desk: Option<Arc<ImageDesk>>,
    ) -> Self {
        let outbox = |peer: ServerId| (peer, Arc::new(Outbox::new(counters.peer(peer))));
        Outlets {
            outboxes: peers.into_iter().map(outbox).collect(),
            jobs: Arc::new(Jobs::new(Work::default())),
            given: AtomicU64::new(0),
            noticeboard: Arc::new(Noticeboard::new(standing)),
            counters,
            desk,
        }
    }

    /// Lets everything out whose records are durable.
    pub(super) fn release(&self, gated: Gated<R>) {
        let Gated { held, notes, then, stop } = gated;
        debug_assert!(notes.is_empty(), "nobody made it durable");
        debug_assert!(stop.is_none(), "the last step of a node has left it");
        held.leave(&mut Leaving { outlets: self });
        if let Some(then) = then {
            then();
        }
    }

    /// Logs and counts what has changed, and shows where the server stands: whoever is told finds
    /// it counted.
    fn tell(&self, new: Standing) {
        let old = self.noticeboard.read();
        log_change(&old, &new);
        let Counters { elections_started, elections_won, .. } = &*self.counters;
        // Only who stands for election is more than a follower as its term rises.
        let stood = new.term > old.term && new.role != RoleName::Follower;
        elections_started.fetch_add(u64::from(stood), Ordering::Relaxed);
        let won = new.role == RoleName::Leader && (old.role, old.term) != (new.role, new.term);
        elections_won.fetch_add(u64::from(won), Ordering::Relaxed);
        self.noticeboard.show(new);
    }

    /// Hands entries to the application's thread.
    pub(super) fn apply(&self, entries: Vec<(Index, Entry)>) {
        let Some((index, _)) = entries.last() else { return };
        self.given.store(*index, Ordering::Release);
        self.counters.backlog_bytes.fetch_add(weigh(&entries), Ordering::Relaxed);
        self.jobs.put(|work| work.committed.extend(entries));
    }

    /// What has become of the entries that were sent to `peer` last; `at` reads a moment on the
    /// driver's clock.
    pub(super) fn outbound(
        &self,
        peer: ServerId,
        at: impl FnOnce(Instant) -> Duration,
    ) -> Outbound {
        self.outboxes.get(&peer).map_or(Outbound::Waiting, |outbox| outbox.outbound(at))
    }

    /// Hands messages to the senders.
    pub(super) fn send(&self, messages: Vec<(ServerId, Message)>) {
        for (peer, message) in messages {
            if let Some(outbox) = self.outboxes.get(&peer) {
                outbox.put(message);
            }
        }
    }
}

/// A step that leaves.
struct Leaving<'o, R> {
    outlets: &'o Outlets<R>,
}

impl<R> Exits<Message, Waiter<R>> for Leaving<'_, R> {
    fn tell(&mut self, standing: Standing) {
        self.outlets.tell(standing);
    }

    fn send(&mut self, messages: Vec<(ServerId, Message)>) {
        self.outlets.send(messages);
    }

    fn accepted(&mut self, run: Run<Waiter<R>>) {
        for (index, waiter) in (run.first_index..).zip(&run.waiters) {
            waiter.accept(Accepted { term: run.term, index });
        }
        // Nobody waits for what the node proposed itself.
        if !run.waiters.is_empty() {
            self.outlets.counters.proposal_batch.add(run.waiters.len() as u64);
            self.outlets.jobs.put(|work| work.accepted.push(run));
        }
    }

    fn refused(&mut self, term: Term, leader: Option<ServerId>, waiters: Vec<Waiter<R>>) {
        for waiter in waiters {
            waiter.fail(ProposeError::NotLeader { term, leader });
        }
    }

    fn restore(&mut self, base: Base) {
        self.outlets.given.store(base.last_index, Ordering::Release);
        let passed = self.outlets.jobs.put(|work| work.restore(base));
        drop(passed);
    }
}
