//! Servers, disks and clusters for tests.

use std::sync::Arc;

use veraft::figure2::{
    Config, Entries, Entry, Index, Leader, Persistent, Record, Role, Server, ServerId, Term,
    Volatile,
};

use super::view::{Committed, View};
use crate::actor::Raft;

pub fn entry(term: Term, number: u64) -> Entry {
    Entry::command(term, Raft::command_to(ServerId(0), number))
}

pub fn entries(log: &[(Term, u64)]) -> Entries {
    log.iter().map(|&(term, number)| entry(term, number)).collect()
}

pub fn stored(term: Term, log: &[(Term, u64)]) -> Persistent {
    let ballot = Record::Ballot { current_term: term, voted_for: None };
    [ballot, Record::Append { entries: entries(log) }].into_iter().collect()
}

/// A server of a cluster of three.
pub fn server(id: ServerId, leads: bool, persistent: Persistent) -> Server {
    let servers = Arc::new([0, 1, 2].map(ServerId).into());
    let config = Config { id, servers, max_append_bytes: 100 };
    let role = match leads {
        true => Role::Leader(Leader::default()),
        false => Role::default(),
    };
    Server::from_parts(config, persistent, Volatile { role, ..Volatile::default() })
}

/// A cluster without history, as a test needs it.
pub struct Sketch {
    pub servers: Vec<Server>,
    pub disks: Vec<Persistent>,
    pub led: Vec<(Term, ServerId)>,
    pub committed: Vec<(Index, Entry, Term)>,
}

impl Sketch {
    pub fn of(servers: u64) -> Sketch {
        let start = |id| server(ServerId(id), false, Persistent::default());
        let disks = vec![Persistent::default(); servers as usize];
        let servers = (0..servers).map(start).collect();
        Sketch { servers, disks, led: Vec::new(), committed: Vec::new() }
    }

    /// Server `leader` believes so much of its peers.
    pub fn believe<const N: usize>(&mut self, leader: usize, matched: [(ServerId, Index); N]) {
        let server = &self.servers[leader];
        let leads = Leader { match_index: matched.into(), ..Leader::default() };
        let volatile = Volatile { role: Role::Leader(leads), ..server.volatile().clone() };
        let (config, persistent) = (server.config().clone(), server.persistent().clone());
        self.servers[leader] = Server::from_parts(config, persistent, volatile);
    }
}

impl View for Sketch {
    fn servers(&self) -> impl Iterator<Item = &Server> + Clone {
        self.servers.iter()
    }

    fn disk(&self, id: ServerId) -> &Persistent {
        &self.disks[id.0 as usize]
    }

    fn led(&self) -> impl Iterator<Item = (Term, ServerId)> + Clone {
        self.led.iter().copied()
    }

    fn committed(&self) -> impl Iterator<Item = Committed<'_>> + Clone {
        self.committed.iter().map(|(index, entry, term)| Committed {
            index: *index,
            entry,
            term: *term,
        })
    }
}
