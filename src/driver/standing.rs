//! Where a server stands: what its users are told.

use crate::figure2::{Index, Role, Server, ServerId, Term};

/// Where a server stands after a step. Users are told once the step's records, and all earlier
/// ones, are durable: what they act on survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The server.
    pub id: ServerId,
    /// Its current term.
    pub term: Term,
    /// Its role in that term.
    pub role: RoleName,
    /// The leader of that term, if known.
    pub leader: Option<ServerId>,
    /// The index behind which its log begins; 0 while it is whole.
    pub base_index: Index,
    /// The index of the last entry of its log.
    pub last_log_index: Index,
    /// The highest index it knows to be committed.
    pub commit_index: Index,
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
    /// Where this server stands.
    pub fn of(server: &Server) -> Standing {
        Standing {
            id: server.config().id,
            term: server.current_term(),
            role: match server.volatile().role {
                Role::Follower { .. } => RoleName::Follower,
                Role::Candidate { .. } => RoleName::Candidate,
                Role::Leader(_) => RoleName::Leader,
            },
            leader: server.leader(),
            base_index: server.log().base().last_index,
            last_log_index: server.log().last_index(),
            commit_index: server.volatile().commit_index,
        }
    }
}
