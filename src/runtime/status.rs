//! What a node says about itself, and what it logs when that changes.

use crate::figure2::{Index, Role, Server, ServerId, Term};

/// What a node knows of itself and its cluster. It may be outdated when it is read: another
/// server may lead a later term already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl Status {
    /// The status of `server`, as far as it knows: what is applied, it does not.
    pub(super) fn of(server: &Server) -> Status {
        Status {
            id: server.config().id,
            term: server.current_term(),
            role: match server.volatile().role {
                Role::Follower { .. } => RoleName::Follower,
                Role::Candidate { .. } => RoleName::Candidate,
                Role::Leader { .. } => RoleName::Leader,
            },
            leader: server.leader(),
            last_log_index: server.log().last_index(),
            commit_index: server.volatile().commit_index,
            applied_index: 0,
        }
    }

    /// Whether the server leads, as far as it knows.
    pub fn is_leader(&self) -> bool {
        self.role == RoleName::Leader
    }

    /// Logs what has changed.
    pub(super) fn log_change_to(&self, new: &Status) {
        let Status { id: _, term, role, leader, last_log_index: _, commit_index, applied_index: _ } =
            *new;
        if (self.term, self.role) != (term, role) {
            tracing::info!(term, ?role, from_term = self.term, from_role = ?self.role, "role");
        }
        if self.leader != leader {
            match leader {
                Some(leader) => tracing::info!(term, %leader, "leader"),
                None => tracing::info!(term, "no leader"),
            }
        }
        if self.commit_index != commit_index {
            tracing::debug!(term, commit_index, "commit");
        }
    }
}
