//! A cluster as its properties see it.

use veraft::figure2::{Entry, Index, Persistent, Server, ServerId, Term};

use crate::history::Event;
use crate::modelled::Modelled;
use crate::state::Visible;

/// A cluster at a moment, and what has happened in it. Whoever knows less of a cluster calls the
/// properties of a pair of logs, of a leader, of a commit, one by one.
pub trait View {
    /// The servers, in the order of their ids: term, role, log, commit index.
    fn servers(&self) -> impl Iterator<Item = &Server> + Clone;

    /// What server `id` has on its disk.
    fn disk(&self, id: ServerId) -> &Persistent;

    /// Who ever led which term.
    fn led(&self) -> impl Iterator<Item = (Term, ServerId)> + Clone;

    /// What was ever committed, by index from 1.
    fn committed(&self) -> impl Iterator<Item = Committed<'_>> + Clone;
}

/// An entry that was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed<'a> {
    /// Its place in the log.
    pub index: Index,
    /// The entry.
    pub entry: &'a Entry,
    /// The term in which it was first known to be committed, or a later one.
    pub term: Term,
}

impl<P: Modelled> View for Visible<P> {
    fn servers(&self) -> impl Iterator<Item = &Server> + Clone {
        self.nodes.iter().map(|node| node.server())
    }

    fn disk(&self, id: ServerId) -> &Persistent {
        &self.node(id).value.disk
    }

    fn led(&self) -> impl Iterator<Item = (Term, ServerId)> + Clone {
        self.history.led.iter().filter_map(|event| match event.value {
            Event::Led { term, server } => Some((term, server)),
            Event::Committed { .. } => None,
        })
    }

    fn committed(&self) -> impl Iterator<Item = Committed<'_>> + Clone {
        self.history.committed.iter().filter_map(|event| match &event.value {
            Event::Committed { index, entry, term } => {
                Some(Committed { index: *index, entry, term: *term })
            }
            Event::Led { .. } => None,
        })
    }
}
