//! What happened, as far as a property or a bound needs to know it.

use serde::{Deserialize, Serialize};
use veraft::figure2::{Entry, Index, ServerId, Term};

use crate::interned::{keyed_hash_of, renamed_lanes};
use crate::orbit::{Component, Ref, Rename, Renaming};

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

/// What happened in a cluster so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// Who led which term.
    pub led: Vec<Ref<Event>>,
    /// What was committed, by index from 1.
    pub committed: Vec<Ref<Event>>,
    /// How many restarts there were.
    pub restarts: u32,
    /// How many compactions there were.
    pub compactions: u32,
    /// Whether something was committed after a restart.
    pub committed_after_restart: bool,
}

impl History {
    /// Adds an event.
    pub(crate) fn remember(&mut self, event: Ref<Event>) {
        match event.value {
            Event::Led { .. } => self.led.push(event),
            Event::Committed { .. } => self.committed.push(event),
        }
    }

    /// All events.
    pub fn events(&self) -> impl Iterator<Item = Ref<Event>> + '_ {
        self.led.iter().chain(&self.committed).copied()
    }
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
    fn lanes(&self, renamings: &[Renaming]) -> Box<[u64]> {
        renamed_lanes(4, self, renamings)
    }
}

/// The sum over the events, in whatever order they happened, and what no renaming changes.
impl Component for History {
    fn lanes(&self, renamings: &[Renaming]) -> Box<[u64]> {
        let lane = |(place, renaming): (usize, &Renaming)| {
            let counted = (self.restarts, self.compactions, self.committed_after_restart);
            let start = keyed_hash_of(renaming.key(), &counted);
            self.events().fold(start, |sum, event| sum.wrapping_add(event.lane(place)))
        };
        renamings.iter().enumerate().map(lane).collect()
    }
}
