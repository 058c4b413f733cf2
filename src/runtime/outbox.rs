//! One sender thread per peer, so that a slow peer holds up nobody else.

use crate::runtime::std;

use std::boxed::Box;
use std::collections::VecDeque;
use std::sync::Arc;
use std::vec::Vec;

use super::mailbox::{Mailbox, Queue, Taken};
use super::metrics::PeerCounters;
use super::transport::Link;
use crate::figure2::Message;

/// How many messages wait for a peer at most. Raft repeats what is lost, and old messages are
/// the ones worth least.
const CAPACITY: usize = 256;

/// Messages for one peer; the oldest go when it is full.
#[derive(Default)]
pub(super) struct Outgoing(VecDeque<Message>);

impl Queue for Outgoing {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What waits for one peer.
pub(super) struct Outbox {
    mailbox: Mailbox<Outgoing>,
    counters: Arc<PeerCounters>,
}

impl Outbox {
    pub(super) fn new(counters: Arc<PeerCounters>) -> Self {
        Outbox { mailbox: Mailbox::new(Outgoing::default()), counters }
    }

    /// Queues messages, in this order.
    pub(super) fn put(&self, messages: impl IntoIterator<Item = Message>) {
        let dropped = self.mailbox.put(|Outgoing(queue)| {
            queue.extend(messages);
            let excess = queue.len().saturating_sub(CAPACITY);
            queue.drain(..excess).collect::<Vec<Message>>()
        });
        self.counters.dropped(dropped.map_or(0, |dropped| dropped.len()));
    }

    pub(super) fn depth(&self) -> usize {
        self.mailbox.look(|Outgoing(queue)| queue.len())
    }

    pub(super) fn close(&self) {
        self.mailbox.close();
    }

    /// The life of the sender thread.
    pub(super) fn run(&self, mut link: Box<dyn Link>) {
        while let Taken::All(Outgoing(messages)) = self.mailbox.take(None) {
            let count = messages.len();
            let bytes = link.send(messages.into());
            self.counters.sent(count, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure2::{RequestVoteReply, Term};
    use std::sync::mpsc;

    fn message(term: Term) -> Message {
        Message::RequestVoteReply(RequestVoteReply { term, vote_granted: false })
    }

    struct Notes(mpsc::Sender<Vec<Term>>);

    impl Link for Notes {
        fn send(&mut self, messages: Vec<Message>) -> u64 {
            self.0.send(messages.iter().map(Message::term).collect()).unwrap();
            7
        }
    }

    #[test]
    fn a_full_outbox_drops_the_oldest() {
        let counters = Arc::new(PeerCounters::default());
        let outbox = Outbox::new(counters.clone());
        (1..=CAPACITY as Term + 3).for_each(|term| outbox.put([message(term)]));
        assert_eq!(outbox.depth(), CAPACITY);
        let (sender, sent) = mpsc::channel();
        let first = std::thread::scope(|scope| {
            scope.spawn(|| outbox.run(Box::new(Notes(sender))));
            let first = sent.recv().unwrap();
            outbox.close();
            first
        });
        assert_eq!(first, (4..=CAPACITY as Term + 3).collect::<Vec<_>>());
        let metrics = counters.snapshot(0);
        assert_eq!((metrics.messages_dropped, metrics.bytes_sent), (3, 7));
    }
}
