//! To readmit a server whose disk was lost: when a leader may, and why not.
//!
//! The wiped server forgot which votes it gave and what it acknowledged. Both are harmless once
//! every *other* member has acknowledged, to the leader of term T, an entry that the leader
//! appended after the old store was gone:
//!
//! * What the old store acknowledged and others committed with its help stands before that entry
//!   in the leader's log, so the others all hold it.
//! * A vote of the old store in a term above T was asked for, while that store lived, by another
//!   member, which was in that term then; but each of them was in T afterwards. So all its votes
//!   are of terms up to T, and the new store begins in T + 1.
//!
//! The new store's first message so has a term above the leader's, who steps down, and a new
//! leader begins with a `match_index` of 0 for it: what the old store acknowledged is forgotten
//! there too.

use crate::runtime::std;

use std::collections::BTreeSet;
use std::string::{String, ToString};
use std::sync::mpsc;
use std::time::Instant;
use std::vec::Vec;

use thiserror::Error;

use crate::figure2::{Index, ServerId, Term};
use crate::runtime::stopped::Stopped;

/// Why a server was not readmitted.
#[derive(Clone, Error)]
#[non_exhaustive]
pub enum ReadmitError {
    /// Only a leader can.
    #[error("this node does not lead{}", match leader {
        Some(leader) => std::format!(": ask {leader}"),
        None => String::from(", and knows no leader: wait for one"),
    })]
    NotLeader {
        /// The leader, if known.
        leader: Option<ServerId>,
    },
    /// It is not another server of the cluster.
    #[error("{0} is not another server of this cluster")]
    NotAPeer(ServerId),
    /// The server takes part, so its disk is not lost.
    #[error("{0} takes part with the store that is known: there is nothing to readmit")]
    TakesPart(ServerId),
    /// Some other member cannot be reached: what the wiped server forgot may be needed.
    #[error(
        "{} do not answer: every server but {server} must be connected, for what {server} has \
         forgotten one of them may need",
        names(missing)
    )]
    Missing {
        /// The server that was to be readmitted.
        server: ServerId,
        /// Those that must be connected, and are not.
        missing: BTreeSet<ServerId>,
    },
    /// Some other member lacks entries.
    #[error(
        "{lacking} lacks {entries} entries of this leader's log: wait until every server but \
         {server} has caught up"
    )]
    Lacking {
        /// The server that was to be readmitted.
        server: ServerId,
        /// The one that lacks entries.
        lacking: ServerId,
        /// How many.
        entries: u64,
    },
    /// A server of an older version says nothing of its store, and would not know the new one.
    #[error("{0} is of an older version, and says nothing of its store: upgrade it first")]
    Outdated(ServerId),
    /// A leader of a later term has readmitted it, or its new store came already in this term.
    #[error("{server} was readmitted by the leader of term {term} already")]
    Already {
        /// The server.
        server: ServerId,
        /// The term.
        term: Term,
    },
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

fn names(servers: &BTreeSet<ServerId>) -> String {
    let names: Vec<String> = servers.iter().map(ServerId::to_string).collect();
    names.join(" and ")
}

/// A readmission that the server loop is asked for.
#[derive(Debug)]
pub(super) struct Readmission {
    pub(super) server: ServerId,
    /// Until when to wait for the others.
    pub(super) deadline: Instant,
    /// Where the answer goes. It is durable then.
    pub(super) answer: mpsc::Sender<Result<(), ReadmitError>>,
}

/// A readmission that waits for the others to acknowledge.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) asked: Readmission,
    /// The term of the leader.
    pub(super) term: Term,
    /// A blank that it appended after it was asked: who acknowledges it, does so after the old
    /// store was gone.
    pub(super) index: Index,
}

/// What one other member has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) server: ServerId,
    /// Whether it has accepted a request lately.
    pub(super) connected: bool,
    pub(super) match_index: Index,
}

/// Whether every other member holds the leader's log up to `index`.
///
/// # Errors
/// When not: who is not connected, or lacks how much.
pub(super) fn all_hold(
    index: Index,
    server: ServerId,
    others: &[Other],
) -> Result<(), ReadmitError> {
    let missing = others.iter().filter(|other| other.match_index < index && !other.connected);
    let missing: BTreeSet<ServerId> = missing.map(|other| other.server).collect();
    if !missing.is_empty() {
        return Err(ReadmitError::Missing { server, missing });
    }
    match others.iter().find(|other| other.match_index < index) {
        None => Ok(()),
        Some(&Other { server: lacking, match_index, .. }) => {
            Err(ReadmitError::Lacking { server, lacking, entries: index - match_index })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(server: u64, connected: bool, match_index: Index) -> Other {
        Other { server: ServerId(server), connected, match_index }
    }

    #[test]
    fn every_other_member_must_be_connected_and_hold_everything() {
        let text = |others: &[Other]| all_hold(9, ServerId(3), others).map_err(|e| e.to_string());
        assert_eq!(text(&[other(2, true, 9), other(4, false, 10)]), Ok(()));
        let missing = text(&[other(2, false, 8), other(4, true, 1), other(5, false, 0)]);
        assert!(missing.unwrap_err().starts_with("S2 and S5 do not answer"));
        let lacking = text(&[other(2, true, 9), other(4, true, 2)]).unwrap_err();
        assert!(lacking.starts_with("S4 lacks 7 entries"), "{lacking}");
    }
}
