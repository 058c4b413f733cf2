//! Figure 2 as the model sees it: what its letters mean, how they are renamed and told.

mod meaning;
mod rename;

use std::collections::BTreeSet;

use veraft::figure2::{
    AppendEntries, Base, Entry, Input, InstallSnapshot, Message, Output, Server, Term,
};

pub use meaning::meaning;

use crate::actor::Handed;
use crate::letters::{Letter, Meaning};
use crate::modelled::{Modelled, Said};
use crate::node::ModelNode;
use crate::properties::{self, Misstep, Stepped};
use crate::whole::whole_storage;
use crate::words;

impl Said for Message {
    fn in_words(&self) -> String {
        words::message(self)
    }
}

impl Modelled for Server {
    fn meaning(
        letter: &Letter,
        sender: &ModelNode,
        receiver: &ModelNode,
        last_term: Term,
    ) -> Meaning {
        let Letter { from, to, message, image: _ } = letter;
        let bare = Letter { from: *from, to: *to, message, image: None };
        meaning(&bare, sender, receiver, last_term)
    }

    fn with_whole_log(&self, compacted: &[Entry]) -> Option<Server> {
        let persistent = whole_storage(self.persistent(), compacted);
        Some(Server::from_parts(self.config().clone(), persistent, self.volatile().clone()))
    }

    fn whole_message(message: &Message, image: &Handed) -> Option<Message> {
        let InstallSnapshot { term, leader_id, base } = match message {
            Message::InstallSnapshot(request) => request.clone(),
            Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::AppendEntries(_)
            | Message::AppendEntriesReply(_) => return None,
        };
        Some(Message::AppendEntries(AppendEntries {
            term,
            leader_id,
            prev_log_index: 0,
            prev_log_term: 0,
            entries: image.iter().map(|(_, entry)| entry.clone()).collect(),
            leader_commit: base.last_index,
        }))
    }

    fn vouched(&self, message: &Message) -> Vec<Message> {
        let leader_commit = match message {
            // A heartbeat of the term that it still leads.
            Message::AppendEntries(request)
                if request.entries.is_empty()
                    && self.is_leader()
                    && request.term == self.current_term() =>
            {
                request.leader_commit
            }
            Message::AppendEntries(_)
            | Message::AppendEntriesReply(_)
            | Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::InstallSnapshot(_) => 0,
        };
        let (term, leader_id) = (self.current_term(), self.config().id);
        let with_mark = |last_index| {
            let base = Base { last_index, last_term: self.log().term_at(last_index).held()? };
            Some(Message::InstallSnapshot(InstallSnapshot { term, leader_id, base }))
        };
        (1..=leader_commit).filter_map(with_mark).collect()
    }

    fn missteps(
        before: &Server,
        input: &Input,
        output: &Output,
        after: &Server,
    ) -> BTreeSet<Misstep> {
        properties::missteps(Stepped { before, input, output, after })
    }
}
