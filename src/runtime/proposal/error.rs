//! Why a command was not applied, and what that says of it.

use crate::runtime::std;

use std::fmt;

use thiserror::Error;

use crate::figure2::{Index, ServerId, Term};
use crate::runtime::stopped::Stopped;

/// Why a command was not, or not provably, applied.
#[derive(Clone, Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// This node does not lead. The command is in no log.
    #[error("not the leader of term {term}; {}", advice(leader))]
    NotLeader {
        /// The term of this node.
        term: Term,
        /// The server to try next, if this node has heard from a leader in that term.
        leader: Option<ServerId>,
    },
    /// Another command took the place of this one in the log: it will never be applied, and it
    /// is safe to propose it again.
    #[error("superseded: its place (index {index}, term {term}) went to another command; retry")]
    Superseded {
        /// The term in which the command was accepted.
        term: Term,
        /// The index at which it stood.
        index: Index,
    },
    /// The state machine of this node went past the place of the command with an image of another
    /// node, in which the command may be or not. It may so have been applied, once.
    #[error(
        "no answer: this node was brought up by an image past the command's place (index {index}, \
         term {term}); the command may have been applied"
    )]
    Skipped {
        /// The term in which the command was accepted.
        term: Term,
        /// The index at which it stood.
        index: Index,
    },
    /// Nothing is known yet within the time given. The command may still be applied, once.
    #[error("no answer within the time given; the command may still be applied")]
    TimedOut,
    /// The node stopped after it had taken the command into its log. The command may still be
    /// applied, once.
    #[error("no answer, but the command may still be applied")]
    Lost(#[source] Stopped),
    /// The node stopped before it looked at the command, which is in no log.
    #[error("not proposed, for this node no longer runs")]
    Stopped(#[source] Stopped),
    /// As many proposals as the node takes at once wait for their answers. The command is in no
    /// log.
    #[error("not proposed: {limit} wait for their answers already; try later")]
    Busy {
        /// What there may be no more of.
        limit: InFlightLimit,
    },
    /// The state machine has more to apply than the node lets wait. The command is in no log.
    #[error(
        "not proposed: {bytes} bytes of committed commands wait for the state machine already, \
         where {limit} are allowed; try later"
    )]
    Backlog {
        /// How many bytes wait.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The disk of this node, which leads, is all but full. The command is in no log. The node
    /// compacts its log, and takes commands again once there is room.
    #[error(
        "not proposed: the disk of this node is full ({free} bytes are free, and it takes no \
         commands below {limit}); make room there, or try later"
    )]
    StoreFull {
        /// How many bytes were free, beside the reserve.
        free: u64,
        /// The limit: [`NodeBuilder::full_below`](crate::runtime::NodeBuilder::full_below).
        limit: u64,
    },
    /// The command is larger than the node takes. It is in no log.
    #[error("not proposed: a command of {bytes} bytes, where {limit} are allowed")]
    TooLarge {
        /// The size of the command.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A peer runs a version of veraft that knows no entries without a command, which a barrier
    /// needs. Nothing is in a log.
    #[error("not proposed: a barrier needs every peer to run this version of veraft")]
    Outdated,
    /// The outcome was handed out before, when the proposal was polled as a future, and is told
    /// once only. Nothing is known here of what it was.
    #[error("the outcome was handed out before, when this proposal was polled: keep that one")]
    Taken,
}

/// What bounds the proposals that wait for their answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InFlightLimit {
    /// Their number: [`NodeBuilder::max_in_flight`](crate::runtime::NodeBuilder::max_in_flight).
    Proposals(usize),
    /// The bytes of their commands:
    /// [`NodeBuilder::max_in_flight_bytes`](crate::runtime::NodeBuilder::max_in_flight_bytes).
    Bytes(usize),
}

impl fmt::Display for InFlightLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InFlightLimit::Proposals(limit) => write!(f, "{limit} proposals"),
            InFlightLimit::Bytes(limit) => write!(f, "proposals of {limit} bytes"),
        }
    }
}

fn advice(leader: &Option<ServerId>) -> std::string::String {
    match leader {
        Some(leader) => std::format!("try {leader}"),
        None => "no leader is known, try again later".into(),
    }
}

impl ProposeError {
    /// Whether the command may be applied in spite of the error. If not, proposing it again
    /// cannot apply it twice.
    pub fn may_still_commit(&self) -> bool {
        match self {
            ProposeError::TimedOut
            | ProposeError::Skipped { .. }
            | ProposeError::Lost(_)
            | ProposeError::Taken => true,
            ProposeError::NotLeader { .. }
            | ProposeError::Superseded { .. }
            | ProposeError::Stopped(_)
            | ProposeError::Busy { .. }
            | ProposeError::Backlog { .. }
            | ProposeError::StoreFull { .. }
            | ProposeError::Outdated
            | ProposeError::TooLarge { .. } => false,
        }
    }
}
