//! What a letter is to the abstract system.

use veraft::figure2::{
    AppendEntries, AppendOutcome, Config, Index, Input, Message, RequestVote, ServerId, Term,
};

use super::held::Place;
use crate::evidence::proof::symbols::Symbol;

/// What arrived in a step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heard<'a> {
    /// Nothing, or what no server of the cluster sends in its own name: to the abstract system,
    /// that is nothing.
    Nothing,
    /// A letter of a peer.
    Letter(ServerId, &'a Message),
}

impl<'a> Heard<'a> {
    /// What arrives with `input`.
    pub(super) fn of(config: &Config, input: &'a Input) -> Heard<'a> {
        let Input::Receive { from, message } = input else { return Heard::Nothing };
        let peer = *from != config.id && config.servers.contains(from);
        match peer && is_in_its_own_name(*from, message) {
            true => Heard::Letter(*from, message),
            false => Heard::Nothing,
        }
    }

    /// Who sent it, and what.
    pub(super) fn letter(self) -> Option<(ServerId, &'a Message)> {
        match self {
            Heard::Nothing => None,
            Heard::Letter(from, message) => Some((from, message)),
        }
    }
}

/// Whether a request names the server that sent it.
pub(super) fn is_in_its_own_name(from: ServerId, message: &Message) -> bool {
    match message {
        Message::RequestVote(request) => request.candidate_id == from,
        Message::AppendEntries(request) => request.leader_id == from,
        Message::InstallSnapshot(request) => request.leader_id == from,
        Message::RequestVoteReply(_) | Message::AppendEntriesReply(_) => true,
    }
}

/// What a letter says to the abstract system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling<'a> {
    /// Nothing: a refused vote, or that a term is over. Any server may adopt any greater term.
    Nothing,
    /// That its sender stands.
    Asks(&'a RequestVote),
    /// That a candidate has its vote.
    Grants {
        /// The term in which it has it.
        term: Term,
        /// The candidate.
        candidate: ServerId,
    },
    /// What stands in its log.
    Request(&'a AppendEntries),
    /// Up to where it agrees with the leader of a term.
    Acknowledges {
        /// The term of that leader.
        term: Term,
        /// The index.
        index: Index,
    },
    /// Where it does not.
    Refuses {
        /// The term of that leader.
        term: Term,
        /// The index before the first entry of what is refused.
        index: Index,
    },
}

impl<'a> Telling<'a> {
    /// What `message` to server `to` says.
    pub fn of(from: ServerId, to: ServerId, message: &'a Message) -> Telling<'a> {
        match message {
            _ if !is_in_its_own_name(from, message) => Telling::Nothing,
            Message::RequestVote(request) => Telling::Asks(request),
            Message::RequestVoteReply(reply) if reply.vote_granted => {
                Telling::Grants { term: reply.term, candidate: to }
            }
            // Snapshots are outside of the proof: a step that one changes is objected to.
            Message::RequestVoteReply(_) | Message::InstallSnapshot(_) => Telling::Nothing,
            Message::AppendEntries(request) => Telling::Request(request),
            Message::AppendEntriesReply(reply) => match reply.outcome {
                AppendOutcome::Success { match_index: index } => {
                    Telling::Acknowledges { term: reply.term, index }
                }
                AppendOutcome::Conflict { prev_log_index: index, .. } => {
                    Telling::Refuses { term: reply.term, index }
                }
                AppendOutcome::StaleTerm => Telling::Nothing,
            },
        }
    }

    /// Where functions of the system tell of it, and what they are there: for a request, whose
    /// place is its own, none.
    pub(super) fn places(
        self,
        from: ServerId,
        datum: impl Fn(ServerId) -> u64,
    ) -> Vec<(Place, u64)> {
        let from = datum(from);
        match self {
            Telling::Nothing | Telling::Request(_) => Vec::new(),
            Telling::Asks(request) => {
                let &RequestVote { term, candidate_id: _, last_log_index, last_log_term } = request;
                vec![
                    (Place::new(Symbol::Asked, &[from, term]), 1),
                    (Place::new(Symbol::AskedIndex, &[from, term]), last_log_index),
                    (Place::new(Symbol::AskedTerm, &[from, term]), last_log_term),
                ]
            }
            Telling::Grants { term, candidate } => {
                vec![(Place::new(Symbol::Granted, &[from, term, datum(candidate)]), 1)]
            }
            Telling::Acknowledges { term, index } => {
                vec![(Place::new(Symbol::Acknowledged, &[from, term, index]), 1)]
            }
            Telling::Refuses { term, index } => {
                vec![(Place::new(Symbol::Refused, &[from, term, index]), 1)]
            }
        }
    }
}
