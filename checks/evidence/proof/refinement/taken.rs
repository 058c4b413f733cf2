//! An action that was taken, and with what.

use std::collections::BTreeSet;
use std::fmt;

use veraft::figure2::{AppendEntries, Index, Payload, ServerId, Term};
use veraft_models::words;

use crate::evidence::proof::ready::ReadyAction;

/// An action that was taken.
#[derive(Clone, Debug)]
pub struct TakenAction {
    /// The action.
    pub action: &'static ReadyAction,
    /// Its parameters, in the order in which it names them: the acting server first.
    pub with: Vec<Concrete>,
}

/// Who or what an action was taken with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concrete {
    /// A server.
    Server(ServerId),
    /// A majority of the cluster.
    Quorum(BTreeSet<ServerId>),
    /// A request. Requests that say the same may have been sent more than once.
    Request(AppendEntries),
    /// What an entry is for.
    Payload(Payload),
    /// A term.
    Term(Term),
    /// An index of a log.
    Index(Index),
}

/// The same, by reference; a request by its place among the letters of the step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given<'a> {
    Server(ServerId),
    Quorum(BTreeSet<ServerId>),
    Request(usize, &'a AppendEntries),
    Payload(&'a Payload),
    Term(Term),
    Index(Index),
}

impl From<&Given<'_>> for Concrete {
    fn from(given: &Given<'_>) -> Concrete {
        match given {
            Given::Server(id) => Concrete::Server(*id),
            Given::Quorum(servers) => Concrete::Quorum(servers.clone()),
            Given::Request(_, request) => Concrete::Request((*request).clone()),
            Given::Payload(payload) => Concrete::Payload((*payload).clone()),
            Given::Term(term) => Concrete::Term(*term),
            Given::Index(index) => Concrete::Index(*index),
        }
    }
}

impl fmt::Display for Concrete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Concrete::Server(id) => write!(f, "{id}"),
            Concrete::Quorum(servers) => {
                let names: Vec<_> = servers.iter().map(ToString::to_string).collect();
                write!(f, "{{{}}}", names.join(", "))
            }
            Concrete::Request(request) => {
                let before = request.prev_log_index;
                match request.entries.len() as Index {
                    0 => write!(f, "no entries behind {before}"),
                    count => write!(f, "entries {} to {}", before + 1, before + count),
                }
            }
            Concrete::Payload(payload) => write!(f, "{}", words::payload(payload)),
            Concrete::Term(number) | Concrete::Index(number) => write!(f, "{number}"),
        }
    }
}

impl fmt::Display for TakenAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with: Vec<_> = self.with.iter().map(ToString::to_string).collect();
        write!(f, "{}({})", self.action.action.name, with.join(", "))
    }
}
