//! What a node says about itself, and what it logs when that changes.

use crate::runtime::std;

use std::collections::{BTreeMap, BTreeSet};
use std::string::String;

use super::leadership::Leadership;
use super::machinery::log;
use super::machinery::reception::Concerns;
use crate::figure2::{Index, Role, Server, ServerId, Term};

/// What a node knows of itself and its cluster. It may be outdated when it is read: another
/// server may lead a later term already.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The server.
    pub id: ServerId,
    /// Its current term.
    pub term: Term,
    /// Its role in that term.
    pub role: RoleName,
    /// The leader of that term, if known.
    pub leader: Option<ServerId>,
    /// The index of the last entry of its log.
    pub last_log_index: Index,
    /// The highest index it knows to be committed.
    pub commit_index: Index,
    /// The highest index its state machine has applied.
    pub applied_index: Index,
    /// The peers that this node does not talk to, because they are not the servers that it
    /// knows, and why.
    pub refused: BTreeMap<ServerId, String>,
    /// The peers that do not talk to this node, and why.
    pub refused_by: BTreeMap<ServerId, String>,
    /// The peers that lost what they had acknowledged to this leader: they refuse everything
    /// that it sends.
    pub lost: BTreeSet<ServerId>,
    /// Why this node's store is not the one that the cluster knows, if a peer has said so: it
    /// then takes no part.
    pub disowned: Option<String>,
}

/// What a server knows of itself after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) id: ServerId,
    pub(super) term: Term,
    pub(super) role: RoleName,
    pub(super) leader: Option<ServerId>,
    pub(super) last_log_index: Index,
    pub(super) commit_index: Index,
}

/// The role of a server, without the state that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleName {
    /// Follows a leader, or waits for one.
    Follower,
    /// Stands for election.
    Candidate,
    /// Leads.
    Leader,
}

impl Standing {
    pub(super) fn of(server: &Server) -> Standing {
        Standing {
            id: server.config().id,
            term: server.current_term(),
            role: match server.volatile().role {
                Role::Follower { .. } => RoleName::Follower,
                Role::Candidate { .. } => RoleName::Candidate,
                Role::Leader(_) => RoleName::Leader,
            },
            leader: server.leader(),
            last_log_index: server.log().last_index(),
            commit_index: server.volatile().commit_index,
        }
    }

    /// What of it is told to the application when it changes.
    pub(super) fn leadership(&self) -> Leadership {
        Leadership { term: self.term, role: self.role, leader: self.leader }
    }

    /// Logs what has changed.
    pub(super) fn log_change_to(&self, new: &Standing) {
        let Standing { id: _, term, role, leader, last_log_index: _, commit_index } = *new;
        if (self.term, self.role) != (term, role) {
            log::info!(term, ?role, from_term = self.term, from_role = ?self.role, "role");
        }
        if self.leader != leader {
            match leader {
                Some(leader) => log::info!(term, %leader, "leader"),
                None => log::info!(term, "no leader"),
            }
        }
        if self.commit_index != commit_index {
            log::debug!(term, commit_index, "commit");
        }
    }
}

impl Status {
    pub(super) fn new(
        standing: Standing,
        applied_index: Index,
        concerns: Concerns,
        disowned: Option<String>,
    ) -> Status {
        let Standing { id, term, role, leader, last_log_index, commit_index } = standing;
        let Concerns { refused, refused_by, lost } = concerns;
        Status {
            id,
            term,
            role,
            leader,
            last_log_index,
            commit_index,
            applied_index,
            refused,
            refused_by,
            lost,
            disowned,
        }
    }

    /// Whether the server leads, as far as it knows.
    pub fn is_leader(&self) -> bool {
        self.role == RoleName::Leader
    }
}
