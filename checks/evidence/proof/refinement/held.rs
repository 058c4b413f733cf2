//! What a server is to the abstract system, read off the server of the code.

use std::collections::BTreeSet;

use veraft::figure2::{Entry, Leader, Persistent, Role, Server, ServerId, Volatile};

use crate::evidence::proof::evaluate::Datum;
use crate::evidence::proof::symbols::Symbol;

/// A function at some arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) symbol: Symbol,
    args: [Datum; 3],
}

impl Place {
    pub(super) fn new(symbol: Symbol, args: &[Datum]) -> Place {
        let mut all = [0; 3];
        all[..args.len()].copy_from_slice(args);
        Place { symbol, args: all }
    }

    pub(super) fn args(&self) -> &[Datum] {
        &self.args[..self.symbol.args().len()]
    }
}

/// What a server is to the abstract system.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'a> {
    pub(super) id: ServerId,
    pub(super) persistent: &'a Persistent,
    pub(super) volatile: &'a Volatile,
}

impl<'a> Held<'a> {
    pub(super) fn of(server: &'a Server) -> Held<'a> {
        Held {
            id: server.config().id,
            persistent: server.persistent(),
            volatile: server.volatile(),
        }
    }

    /// Every server that it knows of.
    pub(super) fn servers(self) -> impl Iterator<Item = ServerId> + use<'a> {
        let vote = self.persistent.voted_for();
        vote.into_iter().chain(self.votes_granted().into_iter().flatten().copied())
    }

    /// The entry at an index of its log, if it has one.
    pub(super) fn entry(self, index: Datum) -> Option<&'a Entry> {
        self.persistent.log().get(index)
    }

    fn leader(self) -> Option<&'a Leader> {
        match &self.volatile.role {
            Role::Leader(leader) => Some(leader),
            Role::Follower { .. } | Role::Candidate { .. } => None,
        }
    }

    fn votes_granted(self) -> Option<&'a BTreeSet<ServerId>> {
        match &self.volatile.role {
            Role::Candidate { votes_granted } => Some(votes_granted),
            Role::Follower { .. } | Role::Leader(_) => None,
        }
    }

    /// What a function is for this server, and another.
    pub(super) fn value(self, symbol: Symbol, other: ServerId) -> Datum {
        let found = READ.iter().find(|(known, _)| *known == symbol);
        let (_, read) = found.unwrap_or_else(|| panic!("{symbol:?} is read off no server"));
        read(self, other)
    }
}

/// How a function is read off a server; another one, where it has two arguments.
type Read = fn(Held<'_>, ServerId) -> Datum;

/// All but what its log holds. Every step asks for each.
const READ: &[(Symbol, Read)] = &[
    (Symbol::CurrentTerm, |held, _| held.persistent.current_term()),
    (Symbol::VotedFor, |held, other| u64::from(held.persistent.voted_for() == Some(other))),
    (Symbol::Candidate, |held, _| u64::from(held.votes_granted().is_some())),
    (Symbol::Leader, |held, _| u64::from(held.leader().is_some())),
    (Symbol::VotesGranted, |held, other| {
        u64::from(held.votes_granted().is_some_and(|votes| votes.contains(&other)))
    }),
    (Symbol::LastIndex, |held, _| held.persistent.log().last_index()),
    (Symbol::NextIndex, |held, other| {
        held.leader().and_then(|leader| leader.next_index.get(&other)).copied().unwrap_or(0)
    }),
    (Symbol::MatchIndex, |held, other| {
        held.leader().and_then(|leader| leader.match_index.get(&other)).copied().unwrap_or(0)
    }),
    (Symbol::CommitIndex, |held, _| held.volatile.commit_index),
    (Symbol::LastApplied, |held, _| held.volatile.last_applied),
];
