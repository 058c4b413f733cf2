//! What happened, as far as a property needs to know it, and what is under way.

use serde::{Deserialize, Serialize};
use veraft::figure2::{Entry, Index, Message, ServerId, Term};

use crate::orbit::{Rename, Renaming};

/// A message under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Letter {
    /// The server that sent it.
    pub from: ServerId,
    /// The server that it is for.
    pub to: ServerId,
    /// What it says.
    pub message: Message,
}

impl Rename for Letter {
    fn rename(&self, renaming: &Renaming) -> Self {
        let Letter { from, to, message } = self;
        Letter {
            from: from.rename(renaming),
            to: to.rename(renaming),
            message: message.rename(renaming),
        }
    }
}

/// Something that the cluster did once and that a property remembers: ghost state, which no
/// server reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    /// A server led a term.
    Led {
        /// The term.
        term: Term,
        /// The server.
        server: ServerId,
    },
    /// An entry was committed for the first time.
    Committed {
        /// Its place in the log.
        index: Index,
        /// The entry.
        entry: Entry,
        /// The term in which it was committed.
        term: Term,
    },
}

impl Rename for Event {
    fn rename(&self, renaming: &Renaming) -> Self {
        match self {
            Event::Led { term, server } => {
                Event::Led { term: *term, server: server.rename(renaming) }
            }
            Event::Committed { index, entry, term } => {
                Event::Committed { index: *index, entry: entry.rename(renaming), term: *term }
            }
        }
    }
}
