//! What happened, as far as a property needs to know it.

use serde::{Deserialize, Serialize};
use veraft::figure2::{Entry, Index, ServerId, Term};

use crate::orbit::{Component, Rename, Renaming};

/// Something that the cluster did once and that a property remembers: ghost state, which no
/// server reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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

impl Component for Event {
    const KIND: u8 = 4;
}
