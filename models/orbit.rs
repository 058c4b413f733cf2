//! Orbits: servers are interchangeable, so one state stands for all its renamings.
//!
//! A state is a collection of components: nodes, letters, events. Its fingerprint under a
//! renaming p is the sum of the hashes of its components renamed by p, and its orbit's
//! fingerprint is the smallest of these over all p. Two states that are renamings of each other
//! have the same set of sums, hence the same minimum; and no canonical state is ever built, so
//! every state kept is one that was really reached.
//!
//! Each distinct component is kept once, with its hash under every renaming (its *lanes*). A
//! step that changes a component adds the new lanes and takes away the old ones.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use veraft::figure2::ServerId;

use crate::interned::keyed_hash_of;
pub use crate::interned::{Component, Interned, Ref, Table, hash_of};

/// A permutation of the servers: server i becomes `self.names[i]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renaming {
    names: Vec<ServerId>,
    /// The key of the hash of what is renamed: 0, or 1 for the second half of a fingerprint.
    key: u64,
}

impl Renaming {
    /// All renamings of `servers` servers; the identity comes first.
    pub fn all(servers: usize) -> Vec<Renaming> {
        let mut renamings = vec![Vec::new()];
        for _ in 0..servers {
            let longer = |names: &Vec<ServerId>| {
                let free = (0..servers as u64).map(ServerId).filter(|id| !names.contains(id));
                free.map(|id| [names.as_slice(), &[id]].concat()).collect::<Vec<_>>()
            };
            renamings = renamings.iter().flat_map(longer).collect();
        }
        renamings.into_iter().map(|names| Renaming { names, key: 0 }).collect()
    }

    /// The renaming that changes nothing.
    pub fn identity(servers: usize) -> Renaming {
        Renaming { names: (0..servers as u64).map(ServerId).collect(), key: 0 }
    }

    /// The same renaming, hashed with the second key.
    pub(crate) fn with_second_key(&self) -> Renaming {
        Renaming { key: 1, ..self.clone() }
    }

    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    /// The hash of something that was renamed so.
    pub(crate) fn hash_of<T: Hash>(&self, renamed: &T) -> u64 {
        keyed_hash_of(self.key, renamed)
    }
}

/// Something that names servers, and its image under a renaming. Implementations take their
/// types apart whole, so that a new field does not compile until it is renamed too.
pub trait Rename {
    /// The same thing, told of the renamed servers.
    fn rename(&self, renaming: &Renaming) -> Self;
}

impl Rename for ServerId {
    fn rename(&self, renaming: &Renaming) -> Self {
        renaming.names[self.0 as usize]
    }
}

/// A term or an index: it names no server.
impl Rename for u64 {
    fn rename(&self, _: &Renaming) -> Self {
        *self
    }
}

impl<A: Rename, B: Rename> Rename for (A, B) {
    fn rename(&self, renaming: &Renaming) -> Self {
        (self.0.rename(renaming), self.1.rename(renaming))
    }
}

impl<T: Rename> Rename for Option<T> {
    fn rename(&self, renaming: &Renaming) -> Self {
        self.as_ref().map(|thing| thing.rename(renaming))
    }
}

impl<T: Rename + Ord> Rename for BTreeSet<T> {
    fn rename(&self, renaming: &Renaming) -> Self {
        self.iter().map(|thing| thing.rename(renaming)).collect()
    }
}

impl<K: Rename + Ord, V: Rename> Rename for BTreeMap<K, V> {
    fn rename(&self, renaming: &Renaming) -> Self {
        self.iter().map(|(key, value)| (key.rename(renaming), value.rename(renaming))).collect()
    }
}

impl<T: Rename> Rename for Vec<T> {
    fn rename(&self, renaming: &Renaming) -> Self {
        self.iter().map(|thing| thing.rename(renaming)).collect()
    }
}
