//! What waits for the server.

use crate::runtime::std;

use std::collections::VecDeque;
use std::vec::Vec;

use super::errands::Errand;
use super::mailbox::Queue;
use crate::driver::{Stored, weight};
use crate::figure2::{Message, Payload, ServerId};
use crate::runtime::proposal::Waiter;

/// How many messages wait for the server at most, and how many bytes their entries take, unless it
/// is one message alone. The oldest go first.
const CAPACITY: usize = 4096;
const CAPACITY_BYTES: u64 = 64 * 1024 * 1024;

/// What waits for the server.
pub(super) struct Arrived<R> {
    pub(super) errands: Vec<Errand>,
    /// What the disk has written; the last word counts.
    pub(super) stored: Option<Stored>,
    /// Whether the server is to be woken for that.
    pub(super) awaits_stored: bool,
    pub(super) messages: VecDeque<(ServerId, Message)>,
    /// The bytes of their entries.
    pub(super) bytes: u64,
    /// What is proposed, and who waits for it.
    pub(super) proposals: Vec<(Payload, Waiter<R>)>,
}

impl<R> Default for Arrived<R> {
    fn default() -> Self {
        Arrived {
            errands: Vec::new(),
            stored: None,
            awaits_stored: false,
            messages: VecDeque::new(),
            bytes: 0,
            proposals: Vec::new(),
        }
    }
}

impl<R> Arrived<R> {
    /// Adds a message whose entries have so many [`bytes`]; returns those that had to go for it.
    pub(super) fn add(&mut self, from: ServerId, message: Message, bytes: u64) -> Vec<Message> {
        self.messages.push_back((from, message));
        self.bytes += bytes;
        let mut gone = Vec::new();
        while self.messages.len() > CAPACITY
            || (self.messages.len() > 1 && self.bytes > CAPACITY_BYTES)
        {
            let Some((_, oldest)) = self.messages.pop_front() else { break };
            self.bytes -= self::bytes(&oldest);
            gone.push(oldest);
        }
        gone
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len() + self.proposals.len()
    }
}

impl<R> Queue for Arrived<R> {
    fn is_empty(&self) -> bool {
        let stored = self.awaits_stored && self.stored.is_some();
        let errands = !self.errands.is_empty();
        self.messages.is_empty() && self.proposals.is_empty() && !errands && !stored
    }
}

/// How many bytes the entries of a message take.
pub(super) fn bytes(message: &Message) -> u64 {
    match message {
        Message::AppendEntries(request) => request.entries.iter().map(weight).sum(),
        Message::AppendEntriesReply(_)
        | Message::RequestVote(_)
        | Message::RequestVoteReply(_)
        | Message::InstallSnapshot(_) => 0,
    }
}

#[cfg(all(test, not(veraft_shuttle)))]
mod tests {
    use super::*;
    use crate::figure2::{AppendEntries, Command, Entry, RequestVoteReply, Term};

    fn reply(term: Term) -> Message {
        Message::RequestVoteReply(RequestVoteReply { term, vote_granted: false })
    }

    /// Entries of so many bytes.
    fn append(term: Term, bytes: u64) -> Message {
        let large = Entry::command(term, Command::from(Vec::from_iter((0..bytes).map(|_| 0))));
        Message::AppendEntries(AppendEntries {
            term,
            leader_id: ServerId(2),
            prev_log_index: 0,
            prev_log_term: 0,
            entries: [large].into_iter().collect(),
            leader_commit: 0,
        })
    }

    fn add(arrived: &mut Arrived<u8>, message: Message) -> Vec<Message> {
        let bytes = bytes(&message);
        arrived.add(ServerId(2), message, bytes)
    }

    #[test]
    fn a_full_mailbox_loses_its_oldest_message() {
        let mut arrived = Arrived::default();
        for term in 1..=CAPACITY as Term {
            assert_eq!(add(&mut arrived, reply(term)), []);
        }
        assert_eq!(add(&mut arrived, reply(0)), [reply(1)]);
        assert_eq!((arrived.len(), arrived.messages.len()), (CAPACITY, CAPACITY));
    }

    #[test]
    fn a_mailbox_full_of_bytes_loses_its_oldest_messages_but_never_the_newest() {
        let mut arrived = Arrived::default();
        let third = CAPACITY_BYTES / 3;
        for term in 1..=2 {
            assert_eq!(add(&mut arrived, append(term, third)), []);
        }
        assert_eq!(add(&mut arrived, reply(3)), []);
        let gone = add(&mut arrived, append(4, third));
        assert_eq!(gone, [append(1, third)], "entries take more than their commands");
        assert!(arrived.bytes <= CAPACITY_BYTES);
        let gone = add(&mut arrived, append(5, 2 * CAPACITY_BYTES));
        assert_eq!(gone.iter().map(Message::term).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!((arrived.messages.len(), arrived.bytes > CAPACITY_BYTES), (1, true));
        assert_eq!(add(&mut arrived, reply(6)).len(), 1);
        assert_eq!((arrived.messages.len(), arrived.bytes), (1, 0));
    }
}
