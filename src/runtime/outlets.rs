//! Where the outputs of a server leave the gate to.

use crate::runtime::std;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::vec::Vec;

use super::application::{Jobs, Run};
use super::outbox::Outbox;
use super::proposal::{Accepted, ProposeError, Waiter};
use crate::figure2::{Entry, Index, Message, Proposal, Record, ServerId};

/// What one step owes, but for its timers: the form in which it waits at the gate.
pub(super) struct Gated<R> {
    pub(super) step: u64,
    pub(super) persist: Vec<Record>,
    pub(super) send: Vec<(ServerId, Message)>,
    pub(super) apply: Vec<(Index, Entry)>,
    pub(super) answer: Option<(Proposal, Vec<Waiter<R>>)>,
}

/// The ways out of a node.
pub(super) struct Outlets<R> {
    pub(super) outboxes: BTreeMap<ServerId, Arc<Outbox>>,
    pub(super) jobs: Arc<Jobs<R>>,
}

impl<R> Outlets<R> {
    /// Lets everything out whose records are durable.
    pub(super) fn release(&self, gated: Gated<R>) {
        let Gated { step: _, persist, send, apply, answer } = gated;
        debug_assert!(persist.is_empty(), "records that nobody made durable");
        self.send(send);
        let mut accepted = None;
        match answer {
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
                    waiter.answer(Err(ProposeError::NotLeader { term, leader }));
                }
            }
            None => {}
        }
        if accepted.is_some() || !apply.is_empty() {
            self.jobs.put(|work| {
                work.accepted.extend(accepted);
                work.committed.extend(apply);
            });
        }
    }

    /// Hands messages to the senders.
    pub(super) fn send(&self, messages: Vec<(ServerId, Message)>) {
        for (peer, message) in messages {
            if let Some(outbox) = self.outboxes.get(&peer) {
                outbox.put(Vec::from([message]));
            }
        }
    }
}
