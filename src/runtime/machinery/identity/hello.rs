//! What a node says of itself at the beginning of a connection.

use crate::runtime::std;

use std::collections::BTreeMap;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use super::Registry;
use super::codec::{self, Unreadable};
use super::known::{Known, Progress, Seen, Store};
use super::own::Identity;
use crate::figure2::{ServerId, Term};

/// A hello, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) identity: Identity,
    /// The latest term that is durable there.
    pub(super) term: Term,
    /// The latest term and the last index that were durable there when this start began. What
    /// came later says nothing of the store: an old copy stands for election alone, and its term
    /// rises.
    pub(super) began: Progress,
    /// What it remembers of the other servers.
    pub(super) known: BTreeMap<ServerId, Known>,
}

impl Hello {
    pub(super) fn read(bytes: &[u8]) -> Result<Hello, Unreadable> {
        codec::decode(bytes)
    }

    /// What is to be remembered of who said this.
    pub(super) fn known(&self) -> Known {
        let Identity { store: number, starts, run, generation, .. } = self.identity;
        let progress = Progress { term: self.term, index: 0 };
        Known {
            generation,
            store: Store::Seen(Seen { number, starts, run, began: self.began }),
            progress,
        }
    }
}

impl Registry {
    /// This node's hello.
    pub(in crate::runtime) fn hello(&self) -> Vec<u8> {
        let Registry { own, term, began, known, .. } = self;
        let (identity, known) = (own.clone(), known.clone());
        codec::encode(&Hello { identity, term: *term, began: *began, known })
    }
}
