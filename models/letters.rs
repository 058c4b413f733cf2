//! A letter under way, with what goes along with it, and what it can mean, given its sender and its receiver: nothing more, the
//! same as others, or itself. A state keeps one letter of each meaning.

use std::hash::Hash;

use serde::{Deserialize, Serialize};
use veraft::figure2::{Message, ServerId, Term};

use crate::actor::Handed;
use crate::interned::renamed_lanes;
use crate::orbit::{Component, Rename, Renaming};

/// A message under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Letter<M = Message> {
    /// The server that sent it.
    pub from: ServerId,
    /// The server that it is for.
    pub to: ServerId,
    /// What it says.
    pub message: M,
    /// What the image has in it that goes along with an InstallSnapshot; none where nothing does.
    /// No server reads it, and the sender's machine alone decides it, so among correct servers it
    /// follows from the mark. Neither a saved trace nor a script tells it.
    #[serde(skip)]
    pub image: Option<Handed>,
}

impl<M: Eq> Letter<M> {
    /// Whether the other is from the same server, for the same, and says the same.
    pub fn says(&self, other: &Letter<M>) -> bool {
        (self.from, self.to, &self.message) == (other.from, other.to, &other.message)
    }
}

/// What a letter means from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It is dead: it makes no difference in any future.
    Nothing,
    /// No more than some others.
    Shared(Shared),
    /// What it says.
    Itself,
}

/// A meaning that does not depend on what a letter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Shared {
    /// A request of `from` that `to` will only answer with its own term.
    Stale {
        /// The server that sent it.
        from: ServerId,
        /// The server that it is for.
        to: ServerId,
    },
    /// A reply that makes `to` a follower in a greater term, whoever sent it and whatever it
    /// refused.
    News {
        /// The server that it is for.
        to: ServerId,
        /// The term.
        term: Term,
    },
}

impl<M: Rename> Rename for Letter<M> {
    fn rename(&self, renaming: &Renaming) -> Self {
        let Letter { from, to, message, image } = self;
        Letter {
            from: from.rename(renaming),
            to: to.rename(renaming),
            message: message.rename(renaming),
            image: image.rename(renaming),
        }
    }
}

impl Rename for Shared {
    fn rename(&self, renaming: &Renaming) -> Self {
        match self {
            Shared::Stale { from, to } => {
                Shared::Stale { from: from.rename(renaming), to: to.rename(renaming) }
            }
            Shared::News { to, term } => Shared::News { to: to.rename(renaming), term: *term },
        }
    }
}

impl<M: Rename + Eq + Hash> Component for Letter<M> {
    fn lanes(&self, renamings: &[Renaming]) -> Box<[u64]> {
        renamed_lanes(2, self, renamings)
    }
}

impl Component for Shared {
    fn lanes(&self, renamings: &[Renaming]) -> Box<[u64]> {
        renamed_lanes(3, self, renamings)
    }
}
