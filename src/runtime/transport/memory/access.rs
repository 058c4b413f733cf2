//! How one node reaches a [`MemoryNetwork`].

use crate::runtime::std;

use std::boxed::Box;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::vec::Vec;

use super::acquaintance::{Acquaintance, Lives};
use super::parcels::MemoryParcels;
use super::{MemoryNetwork, Sender};
use crate::figure2::{Message, ServerId};
use crate::runtime::machinery::sync::lock;
use crate::runtime::transport::{Inbox, Link, ParcelLink, Transport, TransportError};

/// The access of one node to a [`MemoryNetwork`].
pub struct MemoryTransport {
    pub(super) id: ServerId,
    pub(super) network: MemoryNetwork,
    /// The number of this life of the node; 0 unless it has begun.
    pub(super) life: Arc<AtomicU64>,
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTransport").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Transport for MemoryTransport {
    fn start(&self, inbox: Inbox) -> Result<(), TransportError> {
        let mut state = lock(&self.network.shared.state);
        if state.inboxes.contains_key(&self.id) {
            return Err(TransportError::InUse(self.id));
        }
        state.lives += 1;
        let life = state.lives;
        state.inboxes.insert(self.id, (inbox, life));
        self.life.store(life, Ordering::SeqCst);
        Ok(())
    }

    fn link(&self, peer: ServerId) -> Box<dyn Link> {
        let (id, life, network) = (self.id, self.life.clone(), self.network.clone());
        Box::new(MemoryLink { id, life, to: peer, network })
    }

    fn parcels(&self, peer: ServerId) -> Option<Box<dyn ParcelLink>> {
        let (life, network) = (self.life.clone(), self.network.clone());
        Some(Box::new(MemoryParcels::new(self.id, life, peer, network)))
    }

    fn id(&self) -> Option<ServerId> {
        Some(self.id)
    }

    fn disconnect(&self, peer: ServerId) {
        let mut state = lock(&self.network.shared.state);
        let Some((_, other)) = state.inboxes.get(&peer) else { return };
        let lives = Lives::of(self.life.load(Ordering::SeqCst), *other);
        match state.acquaintances.get_mut(&lives) {
            Some(Acquaintance::Met) => drop(state.acquaintances.remove(&lives)),
            Some(Acquaintance::Meeting { waiting: _, said: _, anew }) => *anew = true,
            Some(Acquaintance::Refused { .. }) | None => {}
        }
    }

    fn close(&self) {
        let mut state = lock(&self.network.shared.state);
        let life = self.life.load(Ordering::SeqCst);
        if state.inboxes.get(&self.id).is_some_and(|(_, present)| *present == life) {
            let gone = state.inboxes.remove(&self.id);
            let parcels = state.parcels.remove(&life).unwrap_or_default();
            state.forget(life);
            drop(state);
            parcels.into_iter().for_each(|close| close());
            drop(gone);
        }
    }

    fn join(&self) {}
}

struct MemoryLink {
    id: ServerId,
    life: Arc<AtomicU64>,
    to: ServerId,
    network: MemoryNetwork,
}

impl MemoryLink {
    fn sender(&self) -> Sender {
        Sender { id: self.id, life: self.life.load(Ordering::SeqCst) }
    }
}

impl Link for MemoryLink {
    fn send(&mut self, messages: Vec<Message>) -> u64 {
        self.send_letting_pass(messages, &mut Vec::new)
    }

    fn send_letting_pass(
        &mut self,
        messages: Vec<Message>,
        urgent: &mut dyn FnMut() -> Vec<Message>,
    ) -> u64 {
        /// How often to look for what may pass, where a way is slow.
        const LOOK: Duration = Duration::from_millis(2);
        let left = self.network.send(self.sender(), self.to, messages);
        let wait = |left: Instant| left.saturating_duration_since(Instant::now()).min(LOOK);
        while let Some(wait) = left.map(wait).filter(|wait| !wait.is_zero()) {
            thread::sleep(wait);
            if !self.network.has(self.sender()) {
                break;
            }
            self.network.send(self.sender(), self.to, urgent());
        }
        0
    }

    fn try_send(&mut self, message: Message) -> Result<u64, Option<Message>> {
        match self.network.try_send(self.sender(), self.to, message) {
            Ok(()) => Ok(0),
            Err(message) => Err(Some(message)),
        }
    }
}
