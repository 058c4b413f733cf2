//! What a node holds back until its disk has written: the [`Gate`] that ships, and its queue in a
//! canonical form.
//!
//! A record enters as an item that writes, a message that waits for records as one that does
//! not, and what the gate gives back leaves. After each change the queue is folded: messages
//! join the write before them, as a set. So two queues that differ in the order in which
//! messages joined, or in how often, are one.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use veraft::driver::Gate;
use veraft::figure2::{Index, Message, Persistent, ServerId};

use crate::orbit::{Rename, Renaming};

/// A write that the disk has not finished, and the messages that wait for it.
///
/// They leave together once it has: a crash between two of them would look like the loss of the
/// later ones, which the network does anyway. For the same reason a message that waits already
/// need not wait twice, and so the queue is bounded by the number of records.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(bound(deserialize = "M: Ord + Deserialize<'de>"))]
pub struct Pending<M = Message> {
    /// What will be durable.
    pub save: Persistent,
    /// If the state machine becomes an image then: how much it has been given until then.
    pub handed: Option<Index>,
    /// What leaves then.
    pub send: BTreeSet<(ServerId, M)>,
}

/// An item of the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item<M> {
    Write(Pending<M>),
    Message(ServerId, M),
}

impl<M> Item<M> {
    fn writes(&self) -> bool {
        match self {
            Item::Write(_) => true,
            Item::Message(..) => false,
        }
    }
}

/// What the disk has yet to write, and what waits for it, in order. Its hash and its serialised
/// form are those of the list of writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Pending<M>>", into = "Vec<Pending<M>>")]
#[serde(bound(
    serialize = "M: Clone + Ord + Serialize",
    deserialize = "M: Clone + Ord + Deserialize<'de>"
))]
pub struct Withheld<M = Message> {
    gate: Gate<Item<M>>,
}

impl<M> Default for Withheld<M> {
    fn default() -> Self {
        Withheld { gate: Gate::default() }
    }
}

impl<M: Clone + Ord> Withheld<M> {
    /// A record waits for the disk, and with it all that comes behind.
    pub fn write(&mut self, save: Persistent, handed: Option<Index>) {
        let pending = Pending { save, handed, send: BTreeSet::new() };
        let given_back = self.gate.enter(Item::Write(pending), true);
        assert!(given_back.is_none(), "a record has left before it was written");
        self.fold();
    }

    /// A message that waits for the records before it: given back if there are none.
    pub fn send(&mut self, to: ServerId, message: M) -> Option<(ServerId, M)> {
        let given_back = self.gate.enter(Item::Message(to, message), false);
        self.fold();
        match given_back? {
            Item::Message(to, message) => Some((to, message)),
            Item::Write(_) => unreachable!("a message went in"),
        }
    }

    /// The disk finishes its first write: what is durable then, and what leaves. None if nothing
    /// waits.
    ///
    /// One record a batch stands for any batch. A longer one is several of these with no step
    /// between: that its messages leave only after its last record looks like a slow network,
    /// and a crash in its middle keeps some of its records and loses messages that left, which a
    /// network does too.
    pub fn carry_out(&mut self) -> Option<Pending<M>> {
        let mut writes = 0;
        let batch = self.gate.take_while(Item::writes, |item| {
            writes += usize::from(item.writes());
            writes <= 1
        })?;
        let mut written = folded(batch.free.into_iter().chain(batch.writes));
        self.gate.written();
        self.fold();
        assert!(written.len() == 1, "a batch of {} writes", written.len());
        written.pop()
    }

    fn fold(&mut self) {
        let folded = folded(self.gate.discard());
        self.refill(folded);
    }

    fn refill(&mut self, folded: Vec<Pending<M>>) {
        for pending in folded {
            let given_back = self.gate.enter(Item::Write(pending), true);
            assert!(given_back.is_none(), "a record has left before it was written");
        }
    }
}

/// Items in canonical form. Before the first write nothing waits, and so no message does.
fn folded<M: Ord>(items: impl IntoIterator<Item = Item<M>>) -> Vec<Pending<M>> {
    let mut folded: Vec<Pending<M>> = Vec::new();
    for item in items {
        match item {
            Item::Write(pending) => folded.push(pending),
            Item::Message(to, message) => {
                let last = folded.last_mut().expect("a message waits, and no record before it");
                last.send.insert((to, message));
            }
        }
    }
    folded
}

impl<M> Withheld<M> {
    /// The writes, in order, each with what waits for it.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Pending<M>> + ExactSizeIterator {
        self.gate.waiting().iter().map(|item| match item {
            Item::Write(pending) => pending,
            Item::Message(..) => unreachable!("the queue is folded"),
        })
    }

    /// How many writes there are.
    pub fn len(&self) -> usize {
        self.gate.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.gate.is_empty()
    }
}

impl<M: Clone + Ord> From<Vec<Pending<M>>> for Withheld<M> {
    fn from(folded: Vec<Pending<M>>) -> Self {
        let mut held = Withheld::default();
        held.refill(folded);
        held
    }
}

impl<M: Clone> From<Withheld<M>> for Vec<Pending<M>> {
    fn from(held: Withheld<M>) -> Self {
        held.iter().cloned().collect()
    }
}

impl<M: Hash> Hash for Withheld<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.iter().collect::<Vec<_>>().hash(state);
    }
}

impl<M: Rename + Ord> Rename for Pending<M> {
    fn rename(&self, renaming: &Renaming) -> Self {
        let Pending { save, handed, send } = self;
        Pending { save: save.rename(renaming), handed: *handed, send: send.rename(renaming) }
    }
}

impl<M: Rename + Clone + Ord> Rename for Withheld<M> {
    fn rename(&self, renaming: &Renaming) -> Self {
        let renamed: Vec<_> = self.iter().map(|pending| pending.rename(renaming)).collect();
        Withheld::from(renamed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orbit::hash_of;
    use veraft::figure2::{Record, RequestVoteReply, Term};

    fn stored(current_term: Term) -> Persistent {
        [Record::Ballot { current_term, voted_for: None }].into_iter().collect()
    }

    fn reply(term: Term) -> Message {
        Message::RequestVoteReply(RequestVoteReply { term, vote_granted: false })
    }

    fn pending(term: Term, replies: &[Term]) -> Pending {
        let send = replies.iter().map(|&term| (ServerId(1), reply(term))).collect();
        Pending { save: stored(term), handed: None, send }
    }

    #[test]
    fn a_message_waits_for_the_records_before_it_and_for_no_other() {
        let mut held = Withheld::default();
        assert_eq!(held.carry_out(), None);
        assert_eq!(held.send(ServerId(1), reply(1)), Some((ServerId(1), reply(1))));
        held.write(stored(1), None);
        assert_eq!(held.send(ServerId(1), reply(1)), None);
        held.write(stored(2), None);
        assert_eq!(held.send(ServerId(1), reply(2)), None);
        assert_eq!(held.carry_out(), Some(pending(1, &[1])));
        assert_eq!(held.carry_out(), Some(pending(2, &[2])));
        assert!(held.is_empty());
        assert_eq!(held.send(ServerId(1), reply(3)), Some((ServerId(1), reply(3))));
    }

    #[test]
    fn queues_that_leave_alike_are_one_and_known_by_their_writes() {
        let queue = |replies: &[Term]| {
            let mut held = Withheld::default();
            held.write(stored(1), None);
            replies.iter().for_each(|&term| assert_eq!(held.send(ServerId(1), reply(term)), None));
            held
        };
        let (one, other) = (queue(&[2, 1]), queue(&[1, 2, 2]));
        assert_eq!(one, other);
        let writes = vec![pending(1, &[1, 2])];
        assert_eq!(hash_of(&one), hash_of(&writes));
        assert_eq!(Vec::from(other), writes);
        let bytes = postcard::to_allocvec(&one).unwrap();
        assert_eq!(bytes, postcard::to_allocvec(&writes).unwrap());
        assert_eq!(postcard::from_bytes::<Withheld>(&bytes).unwrap(), one);
        assert_ne!(one, queue(&[1]));
    }
}
