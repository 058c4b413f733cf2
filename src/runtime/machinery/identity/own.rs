//! Who a node is, as its store says, and what is checked at each start.

use crate::runtime::std;

use std::collections::{BTreeMap, BTreeSet};
use std::string::{String, ToString};
use std::vec::Vec;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::codec::{self, Unreadable};
use super::known::{Known, Progress};
use super::meet::Adoption;
use super::refusal::list;
use super::{FLOOR, IDENTITY, INCARNATION, PEERS, RESTORING, Registry, STOPPED};
use crate::figure2::{Index, Persistent, ServerId};
use crate::runtime::machinery::log;
use crate::runtime::storage::Notes;

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::runtime) struct Identity {
    /// The name of the cluster; empty if it has none.
    pub(in crate::runtime) cluster: String,
    /// Every server with which the cluster began.
    pub(in crate::runtime) genesis: BTreeSet<ServerId>,
    /// Which life of the cluster this is; 0 for the first.
    pub(in crate::runtime) incarnation: u64,
    /// The server.
    pub(in crate::runtime) server: ServerId,
    /// The store's random number, drawn when it was first used.
    pub(in crate::runtime) store: u64,
    /// Whether the store held no records then.
    pub(in crate::runtime) born_empty: bool,
    /// 0; or the term of the leader that readmitted the server with this store.
    pub(in crate::runtime) generation: u64,
    /// How often a node has started on this store, this time included.
    pub(in crate::runtime) starts: u64,
    /// A random number for this start.
    pub(in crate::runtime) run: u64,
    /// Why a peer knows that this store is not the server's, if one has said so.
    pub(in crate::runtime) disowned: Option<String>,
}

/// What the caller says that this node is.
#[derive(Clone, Debug)]
pub(in crate::runtime) struct Asked {
    pub(in crate::runtime) server: ServerId,
    pub(in crate::runtime) cluster: String,
    pub(in crate::runtime) servers: BTreeSet<ServerId>,
}

/// Why a node must not start on a store.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnfitStore {
    /// It belongs to another server.
    #[error(
        "this store belongs to {stored}, and this node is {given}: give each server the directory \
         that is its own"
    )]
    OtherServer {
        /// The server that the store names.
        stored: ServerId,
        /// The server that was to start.
        given: ServerId,
    },
    /// It belongs to another cluster.
    #[error(
        "this store belongs to cluster {stored:?}, and this node to cluster {given:?}: give it \
         the name, or the directory, that is its own"
    )]
    OtherCluster {
        /// The name in the store.
        stored: String,
        /// The name that was given.
        given: String,
    },
    /// It was first started with another list of servers.
    #[error(
        "this store was first started in a cluster of {}, and this node is given a cluster of \
         {}: give every node the list of the store; two lists can elect two leaders",
        list(stored),
        list(given)
    )]
    OtherServers {
        /// The list in the store.
        stored: BTreeSet<ServerId>,
        /// The list that was given.
        given: BTreeSet<ServerId>,
    },
    /// A node on it has stopped for good.
    #[error(
        "a node on this store has stopped for good: {text}. Find out the cause first \
         (docs/operations.md), then remove the mark: DiskStorage::clear_stopped, or kv \
         --clear-stopped"
    )]
    Stopped {
        /// Why.
        text: String,
    },
    /// A backup was not restored to its end.
    #[error(
        "a backup was not restored to its end into this store: restore it again (Backup::restore, \
         or kv --restore), or give the server an empty directory"
    )]
    Restoring,
    /// It has lost entries that were applied.
    #[error(
        "this store has lost entries: they were applied up to index {floor}, and its log ends at \
         {last_index}. It must not take part as it is; see docs/operations.md for a damaged disk"
    )]
    LostEntries {
        /// The highest index given to the application.
        floor: Index,
        /// The end of the log.
        last_index: Index,
    },
    /// One of its notes cannot be read.
    #[error(
        "the note {note:?} of this store cannot be read: {why}. Was it written by a later version?"
    )]
    Note {
        /// The name of the note.
        note: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl Registry {
    /// What a node on a store with these `notes` and `records` is, at a new start: whatever it
    /// then says of itself has to be written first ([`unwritten`](Registry::unwritten)).
    ///
    /// # Errors
    /// When it must not start on that store.
    pub(in crate::runtime) fn open(
        notes: &Notes,
        records: &Persistent,
        asked: Asked,
        mut random: impl FnMut() -> u64,
    ) -> Result<Registry, UnfitStore> {
        if let Some(mark) = notes.get(STOPPED).filter(|mark| !mark.is_empty()) {
            return Err(UnfitStore::Stopped { text: String::from_utf8_lossy(mark).into_owned() });
        }
        if notes.contains_key(RESTORING) {
            return Err(UnfitStore::Restoring);
        }
        let stored: Option<Identity> = read(notes, IDENTITY)?;
        let incarnation: Option<u64> = read(notes, INCARNATION)?;
        let known: Option<BTreeMap<ServerId, Known>> = read(notes, PEERS)?;
        let mut own = match stored {
            Some(stored) => stored.held_to(&asked)?,
            None => asked.first(records, incarnation.unwrap_or(0), &mut random),
        };
        check_floor(notes, records.log().last_index())?;
        own.starts = own.starts.saturating_add(1);
        own.run = random();
        Ok(Registry {
            blank: own.born_empty && records.log().last_index() == 0,
            own,
            term: records.current_term(),
            began: Progress { term: records.current_term(), index: records.log().last_index() },
            known: known.unwrap_or_default(),
            version_1: BTreeSet::new(),
            own_changed: true,
            known_changed: false,
            progress_changed: false,
        })
    }
}

impl Identity {
    pub(super) fn of(self, adoption: Adoption) -> Identity {
        let Adoption { generation, term: _, incarnation } = adoption;
        Identity { generation, incarnation, disowned: None, ..self }
    }

    fn held_to(self, asked: &Asked) -> Result<Identity, UnfitStore> {
        let Asked { server, cluster, servers } = asked;
        if self.server != *server {
            return Err(UnfitStore::OtherServer { stored: self.server, given: *server });
        }
        if self.cluster != *cluster {
            return Err(UnfitStore::OtherCluster { stored: self.cluster, given: cluster.clone() });
        }
        if self.genesis != *servers {
            return Err(UnfitStore::OtherServers { stored: self.genesis, given: servers.clone() });
        }
        Ok(self)
    }
}

impl Asked {
    /// The identity of a store that has none: a new one, one that was made from a backup, or one
    /// from before identities.
    fn first(
        self,
        records: &Persistent,
        incarnation: u64,
        random: &mut impl FnMut() -> u64,
    ) -> Identity {
        let Asked { server, cluster, servers: genesis } = self;
        let born_empty = *records == Persistent::default();
        match born_empty {
            true => log::info!(%server, %cluster, servers = %list(&genesis), "a new store"),
            false if incarnation != 0 => log::info!(
                %server,
                %cluster,
                servers = %list(&genesis),
                incarnation,
                "a store that begins with a backup"
            ),
            false => log::warn!(
                %server,
                %cluster,
                servers = %list(&genesis),
                "adopted a store with records that did not say whose it is: from here on it does"
            ),
        }
        Identity {
            cluster,
            genesis,
            incarnation,
            server,
            store: random(),
            born_empty,
            generation: 0,
            starts: 0,
            run: 0,
            disowned: None,
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(
    notes: &Notes,
    note: &'static str,
) -> Result<Option<T>, UnfitStore> {
    let unreadable = |error: Unreadable| UnfitStore::Note { note, why: error.to_string() };
    notes.get(note).map(|bytes| codec::decode(bytes)).transpose().map_err(unreadable)
}

/// The note that a store belongs to this incarnation of its cluster.
pub(in crate::runtime) fn incarnation_note(incarnation: u64) -> Vec<u8> {
    codec::encode(&incarnation)
}

/// The note that entries up to `index` were given to the application: the index, as a
/// little-endian number of 8 bytes. A storage may look at it, too.
pub(in crate::runtime) fn floor_note(index: Index) -> Vec<u8> {
    index.to_le_bytes().into()
}

/// The highest index known to have been given to the application.
///
/// # Errors
/// When the log does not reach that far, or the note cannot be read.
pub(in crate::runtime) fn check_floor(
    notes: &Notes,
    last_index: Index,
) -> Result<Index, UnfitStore> {
    let Some(value) = notes.get(FLOOR) else { return Ok(0) };
    let Ok(bytes) = value.as_slice().try_into() else {
        let why = "it is not a number of 8 bytes".into();
        return Err(UnfitStore::Note { note: FLOOR, why });
    };
    let floor = Index::from_le_bytes(bytes);
    match floor <= last_index {
        true => Ok(floor),
        false => Err(UnfitStore::LostEntries { floor, last_index }),
    }
}
