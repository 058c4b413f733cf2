//! Who a node is, and what it remembers of its peers, so that no server takes part with a disk
//! that is not its own, or that has lost what it promised.
//!
//! ```text
//!   at each start          own.rs: the store says whose it is, counts its starts
//!   at each connection     hello.rs: both ends say who they are, and whom they remember
//!                          meet.rs: is it the peer that is remembered? what does it know of me?
//!   in between             known.rs: what is remembered of a server; how two memories merge
//!   why not                refusal.rs: the texts, for the logs of both sides
//! ```
//!
//! Pure: no thread, no clock, no disk; random numbers are given. What changes is to be written
//! as notes of the storage ([`Registry::unwritten`]).
//!
//! What can be seen, and what cannot: a store counts its starts, and draws a number for itself
//! and one for each start. So an emptied or foreign store has another number; an old copy has
//! started less often than is remembered, or as often and under another number; or it began its
//! start with an earlier term than the store had shown, or with less than it had acknowledged in
//! that term. A copy that lacks nothing of all this is as good as the store, to those who
//! remember; and where nobody who remembers can be reached, every copy is.

mod codec;
mod hello;
mod known;
mod meet;
mod own;
mod refusal;
#[cfg(test)]
mod tests;

use crate::runtime::std;

use std::collections::{BTreeMap, BTreeSet};
use std::string::String;
use std::vec::Vec;

pub(in crate::runtime) use crate::runtime::storage::STOPPED;
pub(in crate::runtime) use known::{Known, Progress};
pub(in crate::runtime) use meet::{Adoption, Meeting};
pub use own::UnfitStore;
pub(in crate::runtime) use own::{Asked, Identity, check_floor, floor_note, incarnation_note};

use crate::figure2::{ServerId, Term};

/// The note in which a store says whose it is.
pub(in crate::runtime) const IDENTITY: &str = "identity";
/// The note of what is remembered of the other servers.
pub(in crate::runtime) const PEERS: &str = "peers";
/// The note of the highest index given to the application.
pub(in crate::runtime) const FLOOR: &str = "floor";
/// The note of a store that was made from a backup: the incarnation of its cluster.
pub(in crate::runtime) const INCARNATION: &str = "incarnation";
/// The note of a store that is being made from a backup: no node starts on it.
pub(in crate::runtime) const RESTORING: &str = "restoring";

/// All that a node knows of identities: its own, and those of its peers.
#[derive(Debug)]
pub(in crate::runtime) struct Registry {
    own: Identity,
    /// Whether this run began with an empty log, in a store that was empty when it was first
    /// used: one that may be given a new generation.
    blank: bool,
    /// The latest term that is durable here.
    term: Term,
    /// What was durable here when this start began.
    began: Progress,
    known: BTreeMap<ServerId, Known>,
    /// Peers whose transports say nothing of them, as those of wire version 1 did.
    version_1: BTreeSet<ServerId>,
    own_changed: bool,
    known_changed: bool,
    /// Whether peers have come further since the memory was last written.
    progress_changed: bool,
}

impl Registry {
    pub(in crate::runtime) fn own(&self) -> &Identity {
        &self.own
    }

    /// What is remembered of a server.
    pub(in crate::runtime) fn known(&self, server: ServerId) -> Option<Known> {
        self.known.get(&server).copied()
    }

    /// Whether this peer says nothing of itself.
    pub(in crate::runtime) fn speaks_version_1(&self, peer: ServerId) -> bool {
        self.version_1.contains(&peer)
    }

    /// Whether some peer says nothing of itself.
    pub(in crate::runtime) fn somebody_speaks_version_1(&self) -> bool {
        !self.version_1.is_empty()
    }

    /// A later term is durable here.
    pub(in crate::runtime) fn reached(&mut self, term: Term) {
        self.term = self.term.max(term);
    }

    /// A peer's messages show how far it has come, durably. Only a later start is compared with
    /// it, so it need not be written at once.
    pub(in crate::runtime) fn shown(&mut self, peer: ServerId, progress: Progress) {
        let known = self.known.get_mut(&peer);
        if let Some(known) = known.filter(|known| known.progress < progress) {
            known.progress = progress;
            self.progress_changed = true;
        }
    }

    /// The notes that have changed since they were last taken to be written: those that
    /// something waits for, or, if `all`, also those that may be written when it costs nothing.
    pub(in crate::runtime) fn unwritten(&mut self, all: bool) -> Vec<(&'static str, Vec<u8>)> {
        let mut notes = Vec::new();
        if std::mem::take(&mut self.own_changed) {
            notes.push((IDENTITY, codec::encode(&self.own)));
        }
        if self.known_changed || (all && self.progress_changed) {
            (self.known_changed, self.progress_changed) = (false, false);
            notes.push((PEERS, codec::encode(&self.known)));
        }
        notes
    }

    /// Gives `server` a new generation, on behalf of the leader of `term`: the next blank store
    /// that comes with it is its store. The term of a leader is its alone, so no two leaders
    /// give the same generation, and a later one gives a greater.
    ///
    /// # Errors
    /// When a generation was given in this term and taken, or in a later one.
    pub(in crate::runtime) fn readmit(
        &mut self,
        server: ServerId,
        term: Term,
    ) -> Result<(), Known> {
        let new = Known::awaited(term);
        match self.known(server) {
            Some(known) if known == new => return Ok(()),
            Some(known) if known.generation >= term => return Err(known),
            Some(_) | None => {}
        }
        self.known.insert(server, new);
        self.known_changed = true;
        Ok(())
    }

    /// The note that is to be durable before this blank store [adopts](Self::adopt) a new
    /// generation.
    pub(in crate::runtime) fn adopting(&self, adoption: Adoption) -> (&'static str, Vec<u8>) {
        (IDENTITY, codec::encode(&self.own.clone().of(adoption)))
    }

    /// This blank store says from now on that it has a new generation: the note of it is
    /// durable, and so is the term that goes with it.
    pub(in crate::runtime) fn adopt(&mut self, adoption: Adoption) {
        self.own = self.own.clone().of(adoption);
        // What has changed since the note was made is in none.
        self.own_changed = true;
    }

    /// Why this node's own store is not the one that the cluster knows, if it was told so.
    pub(in crate::runtime) fn disowned(&self) -> Option<&String> {
        self.own.disowned.as_ref()
    }
}
