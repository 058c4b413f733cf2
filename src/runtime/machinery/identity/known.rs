//! What is remembered of a server.

use serde::{Deserialize, Serialize};

use crate::figure2::{Index, Term};

/// What a node remembers of another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::runtime) struct Known {
    /// 0 for its first store; the term of the leader that last readmitted it, afterwards.
    pub(in crate::runtime) generation: Term,
    /// Its store in that generation.
    pub(in crate::runtime) store: Store,
    /// How far this store is known to have come; if there is none yet, the least with which it
    /// may come.
    pub(in crate::runtime) progress: Progress,
}

/// How far a server has come, durably: what its store cannot have lost if it is the same. Ordered
/// by the term first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::runtime) struct Progress {
    /// The latest term that it has shown.
    pub(in crate::runtime) term: Term,
    /// Up to where it has acknowledged the log of the leader of that term, which only grows; so
    /// its own log ends there at least, until it is in a later term.
    pub(in crate::runtime) index: Index,
}

/// The store of a server, in one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::runtime) enum Store {
    /// The first blank one that comes with this generation.
    Awaited,
    /// This one.
    Seen(Seen),
    /// Peers remember different ones: none can be told to be the server's own.
    Disputed,
}

/// A store as it was last met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::runtime) struct Seen {
    /// Its own random number.
    pub(in crate::runtime) number: u64,
    /// How often a node has started on it.
    pub(in crate::runtime) starts: u64,
    /// The random number of the last of those starts.
    pub(in crate::runtime) run: u64,
    /// What was durable there when it began.
    pub(in crate::runtime) began: Progress,
}

impl Known {
    /// A server readmitted by the leader of `term`: it comes with a term that is greater.
    pub(super) fn awaited(term: Term) -> Known {
        let progress = Progress { term: term.saturating_add(1), index: 0 };
        Known { generation: term, store: Store::Awaited, progress }
    }

    /// What two nodes remember of the same server, taken together. The greater generation holds
    /// whole; in the same one, what is more recent.
    pub(super) fn merge(self, other: Known) -> Known {
        if self.generation != other.generation {
            return if self.generation > other.generation { self } else { other };
        }
        let store = match (self.store, other.store) {
            (Store::Awaited, store) | (store, Store::Awaited) => store,
            (Store::Disputed, _) | (_, Store::Disputed) => Store::Disputed,
            (Store::Seen(one), Store::Seen(two)) if one.starts < two.starts => {
                two.after(one, self.progress)
            }
            (Store::Seen(one), Store::Seen(two)) => one.after(two, other.progress),
        };
        let progress = self.progress.max(other.progress);
        Known { generation: self.generation, store, progress }
    }

    /// Whether it speaks of the same generation, store and start, whatever the progress.
    pub(super) fn is_same_run(self, other: Known) -> bool {
        (self.generation, self.store) == (other.generation, other.store)
    }
}

impl Seen {
    /// What is to be thought of this start, if `earlier` is known too, which had come so far: the
    /// same start; or an earlier one, of the same store, which had come no further than where
    /// this one began.
    fn after(self, earlier: Seen, progress: Progress) -> Store {
        let same_run = self.starts == earlier.starts && self.run == earlier.run;
        let later = self.starts > earlier.starts && self.began >= progress;
        match self.number == earlier.number && (same_run || later) {
            true => Store::Seen(self),
            false => Store::Disputed,
        }
    }
}
