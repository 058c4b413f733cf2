//! Where the transport meets the node: messages to the server's mailbox, hellos to the registry
//! of identities, refusals to the log and the status.

use crate::runtime::std;

use std::collections::{BTreeMap, BTreeSet};
use std::string::{String, ToString};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::vec::Vec;

use super::arrived::{self, Arrived};
use super::errands::Errand;
use super::identity::{Meeting, Progress, Registry};
use super::log;
use super::mailbox::Mailbox;
use super::sync::{Mutex, MutexGuard, lock};
use super::transfers::Transfers;
use crate::figure2::{InstallSnapshot, Message, ServerId, Term};
use crate::runtime::metrics::Counters;
use crate::runtime::transport::{Closed, ParcelRefused, Reception};

/// The identities that a node knows, for all its threads.
pub(in crate::runtime) struct Identities {
    registry: Mutex<Registry>,
    concerns: Mutex<Concerns>,
    /// Whether a peer refuses this node: asked for each message.
    is_refused: AtomicBool,
}

/// What is wrong between this node and its peers.
#[derive(Clone, Debug, Default)]
pub(in crate::runtime) struct Concerns {
    /// Peers that this node refuses, and why.
    pub(in crate::runtime) refused: BTreeMap<ServerId, String>,
    /// Peers that refuse this node, and why.
    pub(in crate::runtime) refused_by: BTreeMap<ServerId, String>,
    pub(in crate::runtime) lost: Lost,
    /// Why this node's own store is not the one that the cluster knows, if it is durable that it
    /// was told so.
    pub(in crate::runtime) disowned: Option<String>,
}

/// Peers that lost what they acknowledged to a leader.
#[derive(Clone, Debug, Default)]
pub(in crate::runtime) struct Lost {
    /// The term in which this server led.
    pub(in crate::runtime) to: Term,
    pub(in crate::runtime) peers: BTreeSet<ServerId>,
}

/// Of how many servers at most it is said that they are refused.
const MOST: usize = 64;

impl Identities {
    pub(in crate::runtime) fn new(registry: Registry) -> Self {
        let concerns = Concerns { disowned: registry.disowned().cloned(), ..Concerns::default() };
        Identities {
            registry: Mutex::new(registry),
            concerns: Mutex::new(concerns),
            is_refused: AtomicBool::new(false),
        }
    }

    pub(in crate::runtime) fn registry(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }

    pub(in crate::runtime) fn concerns(&self) -> Concerns {
        lock(&self.concerns).clone()
    }

    /// Shows which peers lost what they acknowledged to the leader of a term.
    pub(in crate::runtime) fn lost(&self, lost: Lost) {
        lock(&self.concerns).lost = lost;
    }

    /// Shows why this node's store is not the one that the cluster knows.
    pub(in crate::runtime) fn disowned(&self, why: Option<String>) {
        lock(&self.concerns).disowned = why;
    }

    /// A peer has shown that it has come further.
    pub(in crate::runtime) fn shown(&self, peer: ServerId, progress: Progress) {
        self.registry().shown(peer, progress);
    }

    /// Takes note of what this node thinks of a peer's hello. Each change is logged, not each
    /// attempt of the peer.
    fn judged(&self, peer: ServerId, why: Option<&String>) {
        let mut concerns = lock(&self.concerns);
        let old = match why {
            // Anybody can claim to be any server, where nobody has to prove it.
            Some(_) if concerns.refused.len() >= MOST && !concerns.refused.contains_key(&peer) => {
                return;
            }
            Some(why) => concerns.refused.insert(peer, why.clone()),
            None => concerns.refused.remove(&peer),
        };
        drop(concerns);
        match (old, why) {
            (Some(old), Some(why)) if old == *why => {}
            (_, Some(why)) => log::error!(%peer, "a peer is refused: {why}"),
            (Some(_), None) => log::info!(%peer, "a peer that was refused is accepted"),
            (None, None) => {}
        }
    }

    fn refused_by(&self, peer: ServerId, why: &str) {
        let mut concerns = lock(&self.concerns);
        let old = concerns.refused_by.insert(peer, why.to_string());
        self.is_refused.store(true, Ordering::Release);
        drop(concerns);
        if old.as_deref() != Some(why) {
            log::error!(%peer, "a peer refuses this node: {why}");
        }
    }

    /// A peer that sends messages has accepted this node.
    fn heard_from(&self, peer: ServerId) {
        if self.is_refused.load(Ordering::Acquire) {
            let mut concerns = lock(&self.concerns);
            if concerns.refused_by.remove(&peer).is_some() {
                log::info!(%peer, "a peer that refused this node has accepted it");
            }
            self.is_refused.store(!concerns.refused_by.is_empty(), Ordering::Release);
        }
    }
}

/// What the transport of a node gets to see of it.
pub(super) struct Front<R> {
    pub(super) identities: Arc<Identities>,
    pub(super) arrived: Arc<Mailbox<Arrived<R>>>,
    pub(super) counters: Arc<Counters>,
    /// The shortest election timeout.
    pub(super) patience: Duration,
    /// Where images travel, if they do.
    pub(super) transfers: Option<Arc<Transfers>>,
    /// Whether it was said that they do not.
    pub(super) said_that_none_travel: AtomicBool,
}

impl<R> Front<R> {
    /// An InstallSnapshot waits for its image before it is a message to the server.
    fn install(&self, from: ServerId, message: InstallSnapshot) {
        match &self.transfers {
            Some(transfers) => transfers.install(message),
            None if self.said_that_none_travel.swap(true, Ordering::Relaxed) => {}
            None => log::error!(
                peer = %from,
                "this node lags behind the log of its leader, and can fetch no image: its storage \
                 has no place for one (Storage::images)"
            ),
        }
    }

    fn ask(&self, errand: Errand) {
        // A node that has stopped has no use for it.
        let _ = self.arrived.put(|arrived| arrived.errands.push(errand));
    }
}

impl<R: Send + 'static> Reception for Front<R> {
    fn deliver(&self, from: ServerId, message: Message, bytes: u64) -> Result<(), Closed> {
        self.identities.heard_from(from);
        self.counters.received(from, bytes);
        let message = match message {
            Message::InstallSnapshot(message) => {
                self.install(from, message);
                return Ok(());
            }
            Message::AppendEntries(request) => {
                // A heartbeat precedes each InstallSnapshot; others need not wait for a lock.
                if let Some(transfers) =
                    self.transfers.as_ref().filter(|_| request.entries.is_empty())
                {
                    transfers.heard(request.term, request.leader_commit);
                }
                Message::AppendEntries(request)
            }
            other @ (Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::AppendEntriesReply(_)) => other,
        };
        let bytes = arrived::bytes(&message);
        let add = |arrived: &mut Arrived<R>| arrived.add(from, message, bytes);
        let dropped = self.arrived.put(add).ok_or(Closed)?;
        drop(dropped);
        Ok(())
    }

    fn deliver_parcel(&self, from: ServerId, parcel: Vec<u8>) -> Result<(), ParcelRefused> {
        match &self.transfers {
            Some(transfers) => transfers.parcel(from, &parcel),
            None => Ok(()),
        }
    }

    fn hello(&self) -> Vec<u8> {
        self.identities.registry().hello()
    }

    /// What is to be remembered is written after this returns, and that is early enough: the
    /// errand waits before the first message of the peer, and so the note enters the gate before
    /// anything that the peer's messages cause. What this node promises, or leads, with the help
    /// of that peer is durable, and known to others, only once the note is. (A heartbeat, which
    /// may pass the gate, promises nothing.)
    fn meet(&self, peer: ServerId, hello: Option<&[u8]>) -> Result<(), String> {
        let mut registry = self.identities.registry();
        let known = registry.speaks_version_1(peer);
        let Meeting { verdict, changed, again, adopt } = registry.meet(peer, hello);
        let silent = registry.speaks_version_1(peer);
        drop(registry);
        if silent && !known {
            log::warn!(%peer, "a peer says nothing of its store: give its transport hellos");
        }
        if changed {
            self.ask(Errand::Remember);
        }
        again.into_iter().for_each(|server| self.ask(Errand::Disconnect(server)));
        if let Some(adoption) = adopt {
            self.ask(Errand::Adopt { peer, adoption });
        }
        let verdict = verdict.map_err(|refusal| refusal.to_string());
        if verdict.is_err() {
            self.counters.refused(peer);
        }
        self.identities.judged(peer, verdict.as_ref().err());
        verdict
    }

    fn refused_by(&self, peer: ServerId, why: &str) {
        self.identities.refused_by(peer, why);
    }

    fn patience(&self) -> Duration {
        self.patience
    }
}
