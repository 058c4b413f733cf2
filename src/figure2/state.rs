//! The State box of Figure 2: what survives a crash, and what does not.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::log::{Entries, Index, Log, Term};

/// Names a server of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServerId(pub u64);

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S{}", self.0)
    }
}

/// What a server is told once, at its start.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Config {
    /// This server.
    pub id: ServerId,
    /// Every server of the cluster, this one included.
    pub servers: Arc<BTreeSet<ServerId>>,
    /// How many bytes of commands one AppendEntries carries at most; a single larger command
    /// travels alone.
    pub max_append_bytes: usize,
}

impl Config {
    /// Whether `count` servers are a majority of the cluster.
    pub fn is_majority(&self, count: usize) -> bool {
        count > self.servers.len() / 2
    }

    /// The other servers.
    pub fn peers(&self) -> impl Iterator<Item = ServerId> + '_ {
        self.servers.iter().copied().filter(|&server| server != self.id)
    }
}

/// Persistent state on all servers: updated on stable storage before any message that depends
/// on it leaves. Written by [`Persistent::write`] alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Persistent {
    /// `PS.1`: the latest term this server has seen; 0 at first boot, never falls.
    current_term: Term,
    /// `PS.2`: the candidate that got this server's vote in `current_term`; none at first.
    voted_for: Option<ServerId>,
    /// `PS.3`: the log entries; the first has index 1.
    log: Log,
}

/// One change of the persistent state. A server's storage is a list of these in the order in
/// which [`Server::step`](super::Server::step) returned them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Record {
    /// The term and the vote in it: one record, so that no crash falls between the two.
    Ballot {
        /// The latest term seen.
        current_term: Term,
        /// The vote given in that term.
        voted_for: Option<ServerId>,
    },
    /// The log keeps its entries up to `last_index` and loses the rest.
    Truncate {
        /// The index of the last entry kept.
        last_index: Index,
    },
    /// The log grows by `entries`.
    Append {
        /// The new entries, right behind the last one held.
        entries: Entries,
    },
}

impl Persistent {
    /// The one writer. Recovery is the same function: fold it over the stored records.
    pub fn write(&mut self, record: Record) {
        match record {
            Record::Ballot { current_term, voted_for } => {
                self.current_term = current_term;
                self.voted_for = voted_for;
            }
            Record::Truncate { last_index } => self.log.truncate(last_index),
            Record::Append { entries } => self.log.append(entries),
        }
    }

    /// The latest term seen.
    pub fn current_term(&self) -> Term {
        self.current_term
    }

    /// The vote given in the current term.
    pub fn voted_for(&self) -> Option<ServerId> {
        self.voted_for
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }
}

impl FromIterator<Record> for Persistent {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        let mut persistent = Persistent::default();
        records.into_iter().for_each(|record| persistent.write(record));
        persistent
    }
}

/// Volatile state: what a crash loses. The default is the state after a start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Volatile {
    /// What the server is at present.
    pub role: Role,
    /// `VS.1`: the highest index known to be committed; 0 at first, rises until a restart.
    pub commit_index: Index,
    /// `VS.2`: the highest index handed to the state machine; 0 at first, rises until a
    /// restart.
    pub last_applied: Index,
}

/// Follower, candidate or leader, each with the state that only it has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Answers requests; starts an election when it hears neither leader nor candidate.
    Follower {
        /// The leader of the current term, once heard from: where clients are sent.
        leader: Option<ServerId>,
    },
    /// Stands for election in the current term.
    Candidate {
        /// The servers whose vote in the current term has arrived, this one's included.
        votes_granted: BTreeSet<ServerId>,
    },
    /// Leads the current term.
    Leader {
        /// `LS.1`: for each peer, the index of the next entry to send; after an election,
        /// the leader's last index + 1.
        next_index: BTreeMap<ServerId, Index>,
        /// `LS.2`: for each peer, the highest index known to be replicated there; 0 after an
        /// election, never falls.
        match_index: BTreeMap<ServerId, Index>,
    },
}

impl Default for Role {
    fn default() -> Self {
        Role::Follower { leader: None }
    }
}
