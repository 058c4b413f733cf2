//! What a node says about itself, and what it logs when that changes.

use crate::runtime::std;

use std::collections::{BTreeMap, BTreeSet};
use std::string::String;

use super::machinery::log;
use super::machinery::reception::{Concerns, Lost};
use crate::driver::{RoleName, Standing};
use crate::figure2::{Index, ServerId, Term};

/// What a node knows of itself and its cluster. It may be outdated when it is read: another
/// server may lead a later term already. What it says of the node itself is durable: a term, a
/// role or an entry is told once it is on the node's own disk.
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
    /// The index behind which its log begins; 0 while it is whole. What stands before is in an
    /// image of the state machine.
    pub base_index: Index,
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

/// Logs what has changed between two standings of a server.
pub(super) fn log_change(old: &Standing, new: &Standing) {
    let Standing { id: _, term, role, leader, base_index, last_log_index: _, commit_index } = *new;
    if (old.term, old.role) != (term, role) {
        log::info!(term, ?role, from_term = old.term, from_role = ?old.role, "role");
    }
    if old.leader != leader {
        match leader {
            Some(leader) => log::info!(term, %leader, "leader"),
            None => log::info!(term, "no leader"),
        }
    }
    if old.base_index != base_index {
        log::info!(term, base_index, from_index = old.base_index, "the log begins");
    }
    if old.commit_index != commit_index {
        log::debug!(term, commit_index, "commit");
    }
}

impl Status {
    pub(super) fn new(standing: Standing, applied_index: Index, concerns: Concerns) -> Status {
        let Standing { id, term, role, leader, base_index, last_log_index, commit_index } =
            standing;
        let Concerns { refused, refused_by, lost: Lost { to, peers: lost }, disowned } = concerns;
        let leads = role == RoleName::Leader && term == to;
        let lost = if leads { lost } else { BTreeSet::new() };
        Status {
            id,
            term,
            role,
            leader,
            base_index,
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
