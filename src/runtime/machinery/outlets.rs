//! Where the outputs of a server leave the gate to.

use crate::runtime::std;

use std::boxed::Box;
use std::collections::BTreeMap;
use std::string::String;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::vec::Vec;

use super::application::Jobs;
use super::outbox::Outbox;
use crate::driver::Run;
use crate::figure2::{Entry, Index, Message, Proposal, Record, ServerId};
use crate::runtime::proposal::{Accepted, ProposeError, Waiter};

/// What one step owes, but for its timers: the form in which it waits at the gate.
pub(super) struct Gated<R> {
    pub(super) step: u64,
    /// Notes to write, in this order, before the records; what the node does beside the server.
    pub(super) notes: Vec<Note>,
    pub(super) persist: Vec<Record>,
    pub(super) send: Vec<(ServerId, Message)>,
    pub(super) apply: Vec<(Index, Entry)>,
    /// What became of proposals, and who waits for them, in the order of their entries.
    pub(super) proposal: Option<(Proposal, Vec<Waiter<R>>)>,
    /// What to do once all of it is durable.
    pub(super) then: Option<Then>,
    /// The node must not go on from here, and not start again: the text of why is made durable,
    /// and nothing of this step leaves.
    pub(super) stop: Option<String>,
}

/// A note for the storage: its name and its value.
pub(super) type Note = (&'static str, Vec<u8>);

/// What is done once something is durable. Must not block.
pub(super) type Then = Box<dyn FnOnce() + Send>;

impl<R> Default for Gated<R> {
    fn default() -> Self {
        Gated {
            step: 0,
            notes: Vec::new(),
            persist: Vec::new(),
            send: Vec::new(),
            apply: Vec::new(),
            proposal: None,
            then: None,
            stop: None,
        }
    }
}

impl<R> Gated<R> {
    /// Whether something of it has to be made durable.
    pub(super) fn writes(&self) -> bool {
        !self.persist.is_empty() || !self.notes.is_empty() || self.stop.is_some()
    }
}

/// The ways out of a node.
pub(super) struct Outlets<R> {
    pub(super) outboxes: BTreeMap<ServerId, Arc<Outbox>>,
    pub(super) jobs: Arc<Jobs<R>>,
    /// The highest index given to the application.
    pub(super) given: AtomicU64,
}

impl<R> Outlets<R> {
    /// Lets everything out whose records are durable.
    pub(super) fn release(&self, gated: Gated<R>) {
        let Gated { step: _, notes, persist, send, apply, proposal, then, stop } = gated;
        debug_assert!(persist.is_empty() && notes.is_empty(), "nobody made it durable");
        debug_assert!(stop.is_none(), "the last step of a node has left it");
        self.send(send);
        let mut accepted = None;
        match proposal {
            Some((Proposal::Accepted { term, first_index }, waiters)) => {
                for (index, waiter) in (first_index..).zip(&waiters) {
                    waiter.accept(Accepted { term, index });
                }
                accepted = (!waiters.is_empty()).then(|| Run {
                    term,
                    first_index,
                    waiters: waiters.into(),
                });
            }
            Some((Proposal::NotLeader { term, leader }, waiters)) => {
                for waiter in waiters {
                    waiter.fail(ProposeError::NotLeader { term, leader });
                }
            }
            None => {}
        }
        if let Some((index, _)) = apply.last() {
            self.given.store(*index, Ordering::Release);
        }
        if accepted.is_some() || !apply.is_empty() {
            self.jobs.put(|work| {
                work.accepted.extend(accepted);
                work.committed.extend(apply);
            });
        }
        if let Some(then) = then {
            then();
        }
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
