//! That a node has stopped, and why.

use crate::runtime::std;

use std::error::Error;
use std::fmt;
use std::string::{String, ToString};
use std::sync::Arc;

use thiserror::Error;

use super::restore::RestoreError;
use super::storage::StorageError;

/// The node has stopped; only a new one can go on, from the same storage.
#[derive(Clone)]
#[non_exhaustive]
pub struct Stopped {
    /// Why.
    pub reason: StopReason,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the node has stopped: {}", self.reason)
    }
}

/// The reason is in the text, so the source is that of the reason.
impl Error for Stopped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.reason.source()
    }
}

/// Why a node stopped.
#[derive(Clone, Error)]
#[non_exhaustive]
pub enum StopReason {
    /// It was told to.
    #[error("it was shut down")]
    Shutdown,
    /// A write or a sync failed. It is not tried again: after a failed sync, what is on disk is
    /// unknown.
    #[error("its storage failed; repair the cause, then start it again")]
    Storage(#[source] Arc<StorageError>),
    /// Its state machine could not become the one of an image, which holds what this node has
    /// missed.
    #[error("its state machine was not restored; repair the cause, then start it again")]
    Restore(#[source] Arc<RestoreError>),
    /// A request contradicted what this node has applied or knows to be committed: a disk of the
    /// cluster has lost what it promised. The store is marked, and no node starts on it until
    /// the mark is removed.
    #[error(
        "{text}. No node starts on this store until the mark in it is removed; find out first \
         which disk is wrong (docs/operations.md)"
    )]
    Contradicted {
        /// What contradicted what.
        text: String,
    },
    /// Its state machine came to another state than those of a majority, by the digests of all
    /// ([`StateMachine::digest`](super::StateMachine::digest)). The store is marked, and no node
    /// starts on it until the mark is removed.
    #[error(
        "{text}. No node starts on this store until the mark in it is removed: replace the server \
         (docs/operations.md), and find out whether its state machine is deterministic"
    )]
    Diverged {
        /// Behind which index, and what differs.
        text: String,
    },
    /// A thread of the node panicked: a state machine that panics, or a broken invariant.
    #[error("its {thread} thread panicked; the message is on standard error")]
    Panicked {
        /// What the thread does: "server", "disk", "application", "images" or "sender".
        thread: String,
    },
}

impl StopReason {
    /// What the mark in a store says of it.
    pub(super) fn mark(&self) -> String {
        match self {
            StopReason::Contradicted { text } | StopReason::Diverged { text } => text.clone(),
            StopReason::Shutdown
            | StopReason::Storage(_)
            | StopReason::Restore(_)
            | StopReason::Panicked { .. } => self.to_string(),
        }
    }
}
