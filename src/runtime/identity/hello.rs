//! What a node says of itself at the beginning of a connection.

use crate::runtime::std;

use std::collections::BTreeMap;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use super::Registry;
use super::codec::{self, Unreadable};
use super::known::{Known, Seen, Store};
use super::own::Identity;
use crate::figure2::{ServerId, Term};

/// A hello, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) identity: Identity,
    /// The latest term that is durable there.
    pub(super) term: Term,
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
        Known { generation, store: Store::Seen(Seen { number, starts, run }), term: self.term }
    }
}

impl Registry {
    /// This node's hello.
    pub(in crate::runtime) fn hello(&self) -> Vec<u8> {
        let Registry { own, term, known, .. } = self;
        codec::encode(&Hello { identity: own.clone(), term: *term, known: known.clone() })
    }
}
