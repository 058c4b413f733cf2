//! Parts of a node for the tests of this folder: server 1 of two, without its threads.

use crate::runtime::std;

use std::boxed::Box;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use std::vec::Vec;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::arrived::Arrived;
use super::breaches::Logged;
use super::clock::Clock;
use super::compacting::Compacting;
use super::errands::Errands;
use super::gate::Gate;
use super::identity::{Asked, Registry};
use super::mailbox::Mailbox;
use super::outlets::{Gated, Outlets};
use super::reception::Identities;
use super::room::{Looks, RoomWatch};
use super::server_loop::ServerLoop;
use super::watch::Watch;
use super::writer::Writer;
use crate::driver::{Compaction, Compactor, Driver, RoleName, Standing, Timing};
use crate::figure2::{Base, Config, Persistent, Server, ServerId, Term};
use crate::runtime::compact::CompactError;
use crate::runtime::metrics::Counters;
use crate::runtime::storage::Notes;

pub(super) const OWN: ServerId = ServerId(1);
pub(super) const PEER: ServerId = ServerId(2);

/// What the server asks of its store.
pub(super) fn asked() -> Asked {
    Asked { server: OWN, cluster: "test".into(), servers: [OWN, PEER].into() }
}

/// The server in a cluster of these servers.
pub(super) fn config(servers: impl IntoIterator<Item = ServerId>) -> Config {
    let servers: BTreeSet<ServerId> = servers.into_iter().collect();
    Config { id: OWN, servers: Arc::new(servers), max_append_bytes: 100 }
}

/// What the threads of the node hand to each other.
pub(super) struct Parts<R> {
    pub(super) gate: Arc<Gate<Gated<R>>>,
    pub(super) outlets: Arc<Outlets<R>>,
    pub(super) counters: Arc<Counters>,
    pub(super) identities: Arc<Identities>,
    pub(super) room: Arc<RoomWatch>,
    pub(super) arrived: Arc<Mailbox<Arrived<R>>>,
}

impl<R> Parts<R> {
    /// Parts on a store with these notes.
    pub(super) fn on(notes: &Notes) -> Parts<R> {
        let registry = Registry::open(notes, &Persistent::default(), asked(), || 1).unwrap();
        let counters = Arc::new(Counters::new([PEER]));
        let standing = standing(0);
        Parts {
            gate: Arc::new(Gate::new()),
            outlets: Arc::new(Outlets::new([PEER], counters.clone(), standing, None)),
            identities: Arc::new(Identities::new(registry)),
            arrived: Arc::new(Mailbox::new(Arrived::default())),
            room: Arc::default(),
            counters,
        }
    }

    pub(super) fn writer<S>(&self, storage: S) -> Writer<S, R> {
        Writer {
            storage,
            gate: self.gate.clone(),
            arrived: self.arrived.clone(),
            outlets: self.outlets.clone(),
            counters: self.counters.clone(),
            recorder: None,
            identities: self.identities.clone(),
            floor: 0,
            batches: 0,
            room: self.room.clone(),
            looks: Looks::new(false),
        }
    }

    pub(super) fn server_loop(&self, driver: Driver<Server>) -> ServerLoop<R> {
        ServerLoop {
            driver,
            clock: Clock::new(StdRng::seed_from_u64(1)),
            arrived: self.arrived.clone(),
            gate: self.gate.clone(),
            outlets: self.outlets.clone(),
            counters: self.counters.clone(),
            recorder: None,
            write_here: None,
            identities: self.identities.clone(),
            errands: Errands { disconnect: Box::new(|_| {}), readmissions: Vec::new() },
            watch: Watch::new(Duration::from_secs(1)),
            shown: BTreeMap::new(),
            stops: false,
            logged: Logged::new(),
            blanks: false,
            max_backlog_bytes: u64::MAX,
            room: self.room.clone(),
            compacting: Compacting::new(
                Compactor::new(Compaction::default(), Base::default(), 0),
                Some(CompactError::NoPlace),
            ),
        }
    }
}

/// A follower of this term, with an empty log.
pub(super) fn standing(term: Term) -> Standing {
    let (role, leader) = (RoleName::Follower, None);
    Standing { id: OWN, term, role, leader, base_index: 0, last_log_index: 0, commit_index: 0 }
}

/// A server that starts with an empty store.
pub(super) fn started(servers: impl IntoIterator<Item = ServerId>) -> Driver<Server> {
    Driver::start(config(servers), Persistent::default(), 0, Timing::default()).0
}
