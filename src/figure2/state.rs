//! The State box of Figure 2: what survives a crash, and what does not.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::breach::LIMIT;
use super::log::{Base, Entries, Index, Log, Term};

/// Names a server of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServerId(pub u64);

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S{}", self.0)
    }
}

/// What a server is told once, at its start.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Config {
    /// This server.
    pub id: ServerId,
    /// Every server of the cluster, this one included.
    pub servers: Arc<BTreeSet<ServerId>>,
    /// How many bytes of commands one AppendEntries carries at most; a single larger command
    /// travels alone.
    pub max_append_bytes: usize,
}

impl Config {
    /// Whether the servers of which `holds` is true are a quorum: more than half of the cluster.
    /// Two quorums share a server, on which all of Raft rests. Strangers never count.
    pub fn is_quorum(&self, holds: impl Fn(ServerId) -> bool) -> bool {
        let holding = self.servers.iter().filter(|&&server| holds(server)).count();
        holding > self.servers.len() / 2
    }

    /// The other servers.
    pub fn peers(&self) -> impl Iterator<Item = ServerId> + '_ {
        self.servers.iter().copied().filter(|&server| server != self.id)
    }
}

/// Persistent state on all servers: updated on stable storage before any message that depends
/// on it leaves. Written by [`Persistent::write`] alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Persistent {
    /// `PS.1`: the latest term this server has seen; 0 at first boot, never falls.
    current_term: Term,
    /// `PS.2`: the candidate that got this server's vote in `current_term`; none at first.
    voted_for: Option<ServerId>,
    /// `PS.3`: the log entries behind the base of the log; the first of a whole log has index 1.
    log: Log,
}

/// One change of the persistent state. A server's storage is a list of these in the order in
/// which [`Server::step`](super::Server::step) returned them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Record {
    /// The term and the vote in it: one record, so that no crash falls between the two.
    Ballot {
        /// The latest term seen.
        current_term: Term,
        /// The vote given in that term.
        voted_for: Option<ServerId>,
    },
    /// The log keeps its entries up to `last_index` and loses the rest.
    Truncate {
        /// The index of the last entry kept.
        last_index: Index,
    },
    /// The log grows by `entries`.
    Append {
        /// The new entries, right behind the last one held.
        entries: Entries,
    },
    /// The log begins at this mark: it was compacted, or a snapshot was installed. What follows
    /// the mark stays if the log held the mark's own entry, and goes if not. An image of the
    /// state machine as of the mark is durable before this is written.
    Base(Base),
}

/// A record that no correct server wrote: what it lies on is damaged, or another server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRecord {
    /// The term falls, or exceeds every bound.
    Term {
        /// The term recorded.
        term: Term,
    },
    /// A second vote in one term, or a vote before the first term.
    Vote {
        /// The term.
        term: Term,
    },
    /// The log is to be cut behind its end.
    Truncate {
        /// The last index that is to be kept.
        last_index: Index,
    },
    /// The term of an entry is 0, below that of the entry before it, or above the server's.
    Entry {
        /// The index of the entry.
        index: Index,
        /// Its term.
        term: Term,
    },
    /// The log is to begin where it cannot: not behind its base, or in a term that cannot be.
    Base {
        /// Where it is to begin.
        base: Base,
    },
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRecord::Term { term } => write!(f, "a ballot of term {term}, which cannot follow"),
            BadRecord::Vote { term } => write!(f, "a vote in term {term} that cannot be"),
            BadRecord::Truncate { last_index } => {
                write!(f, "a truncation to {last_index}, where the log does not reach")
            }
            BadRecord::Entry { index, term } => {
                write!(f, "entry {index} has term {term}, which cannot stand there")
            }
            BadRecord::Base { base: Base { last_index, last_term } } => {
                write!(f, "a base at {last_index} of term {last_term}, which cannot follow")
            }
        }
    }
}

impl core::error::Error for BadRecord {}

impl Persistent {
    /// What stored records fold to. Whatever a disk gives back is examined: no server starts
    /// from what no server wrote.
    ///
    /// # Errors
    /// At the first record that cannot stand behind those before it.
    pub fn fold(records: impl IntoIterator<Item = Record>) -> Result<Persistent, BadRecord> {
        let mut persistent = Persistent::default();
        for record in records {
            persistent.examine(&record)?;
            persistent.write(record);
        }
        Ok(persistent)
    }

    /// Whether `record` can stand behind those before it.
    fn examine(&self, record: &Record) -> Result<(), BadRecord> {
        match *record {
            Record::Ballot { current_term: term, voted_for } => {
                let again = term == self.current_term && self.voted_for.is_some();
                if term < self.current_term || term > LIMIT {
                    Err(BadRecord::Term { term })
                } else if again && self.voted_for != voted_for || term == 0 && voted_for.is_some() {
                    Err(BadRecord::Vote { term })
                } else {
                    Ok(())
                }
            }
            Record::Truncate { last_index } => {
                let held = self.log.base().last_index..=self.log.last_index();
                match held.contains(&last_index) {
                    true => Ok(()),
                    false => Err(BadRecord::Truncate { last_index }),
                }
            }
            Record::Append { ref entries } => {
                let mut before = self.log.last_term().max(1);
                for (index, entry) in (self.log.last_index() + 1..).zip(entries.iter()) {
                    let term = entry.term;
                    if term < before || term > self.current_term {
                        return Err(BadRecord::Entry { index, term });
                    }
                    before = term;
                }
                Ok(())
            }
            Record::Base(base) => {
                let Base { last_index, last_term } = base;
                let before = self.log.base();
                let terms = before.last_term.max(1)..=self.current_term;
                match before.last_index < last_index
                    && last_index <= LIMIT
                    && terms.contains(&last_term)
                {
                    true => Ok(()),
                    false => Err(BadRecord::Base { base }),
                }
            }
        }
    }

    /// The one writer: a step's record, or one of those that [`fold`](Self::fold) has examined.
    ///
    /// # Panics
    /// When the term falls, or the log is to be cut where it does not reach, or its base does not
    /// rise. What else cannot be, such as a second vote, is left to the properties that a search
    /// looks at.
    pub fn write(&mut self, record: Record) {
        match record {
            Record::Ballot { current_term, voted_for } => {
                let before = self.current_term;
                assert!(current_term >= before, "the term falls from {before} to {current_term}");
                self.current_term = current_term;
                self.voted_for = voted_for;
            }
            Record::Truncate { last_index } => {
                let (base, end) = (self.log.base().last_index, self.log.last_index());
                assert!(last_index <= end, "a log that ends at {end} is cut at {last_index}");
                assert!(base <= last_index, "a log that begins at {base} is cut at {last_index}");
                self.log.truncate(last_index);
            }
            Record::Append { entries } => self.log.append(entries),
            Record::Base(base) => {
                let before = self.log.base().last_index;
                let after = base.last_index;
                assert!(before < after, "the base falls from {before} to {after}");
                self.log.begin_at(base);
            }
        }
    }

    /// The latest term seen.
    pub fn current_term(&self) -> Term {
        self.current_term
    }

    /// The vote given in the current term.
    pub fn voted_for(&self) -> Option<ServerId> {
        self.voted_for
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }
}

/// Unexamined: see [`Persistent::write`].
impl FromIterator<Record> for Persistent {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        let mut persistent = Persistent::default();
        records.into_iter().for_each(|record| persistent.write(record));
        persistent
    }
}

/// Volatile state: what a crash loses. The default is the state after a start. Only with the
/// feature `model` can it be made up outside of this crate.
#[cfg_attr(not(feature = "model"), non_exhaustive)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Volatile {
    /// What the server is at present.
    pub role: Role,
    /// `VS.1`: the highest index known to be committed; at first that of the log's base, which
    /// is 0 in a whole log; rises until a restart.
    pub commit_index: Index,
    /// `VS.2`: the highest index handed to the state machine, by itself or as part of an image;
    /// at first that of the log's base; rises until a restart.
    pub last_applied: Index,
    /// The highest index up to which the log is known to be durable as it is; at first that of its
    /// last entry. Not in the paper, where a step is not over before its records are.
    #[serde(default)]
    pub stored: Index,
    /// The highest index that was handed to the state machine in any earlier life, as far as the
    /// driver kept it. It serves the guard against contradictions alone; 0 is always safe.
    #[serde(default)]
    pub floor: Index,
}

/// Follower, candidate or leader, each with the state that only it has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Answers requests; starts an election when it hears neither leader nor candidate.
    Follower {
        /// The leader of the current term, once heard from: where clients are sent.
        leader: Option<ServerId>,
    },
    /// Stands for election in the current term.
    Candidate {
        /// The servers whose vote in the current term has arrived, this one's included.
        votes_granted: BTreeSet<ServerId>,
    },
    /// Leads the current term.
    Leader(Leader),
}

/// Volatile state on leaders: begun anew after each election. Like [`Volatile`], made up with the
/// feature `model` alone.
#[cfg_attr(not(feature = "model"), non_exhaustive)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Leader {
    /// `LS.1`: for each peer, the index of the next entry to send; after an election, the
    /// leader's last index + 1.
    pub next_index: BTreeMap<ServerId, Index>,
    /// `LS.2`: for each peer, the highest index known to be replicated there; 0 after an
    /// election, never falls.
    pub match_index: BTreeMap<ServerId, Index>,
}

impl Default for Role {
    fn default() -> Self {
        Role::Follower { leader: None }
    }
}
