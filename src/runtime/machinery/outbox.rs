//! The way to one peer, with a sender thread of its own, so that a slow peer holds up nobody.
//!
//! Most messages find the link idle and go out at once, on the thread that brings them, if the
//! link can do so without blocking: a change of threads costs more than to send one. The rest
//! waits for the sender thread. No lock is held meanwhile: whoever sends has taken the link out.

use crate::runtime::std;

use std::boxed::Box;
use std::collections::VecDeque;
use std::sync::Arc;
use std::vec::Vec;

use super::mailbox::{Mailbox, Queue, Taken};
use crate::figure2::Message;
use crate::runtime::metrics::PeerCounters;
use crate::runtime::transport::{Link, is_urgent};

/// How many messages wait for a peer at most. Raft repeats what is lost, and old messages are
/// the ones worth least.
const CAPACITY: usize = 256;

/// Messages for one peer; the oldest go when it is full.
#[derive(Default)]
pub(super) struct Outgoing {
    messages: VecDeque<Message>,
    /// The link, while nobody sends.
    link: Option<Box<dyn Link>>,
    /// Whether the link has work of its own: it is new and not connected, or was left in the
    /// middle of a message.
    unfinished: bool,
}

impl Outgoing {
    fn has_work(&self) -> bool {
        self.unfinished || !self.messages.is_empty()
    }

    /// Takes out what may overtake the rest.
    fn take_urgent(&mut self) -> Vec<Message> {
        let (urgent, rest): (VecDeque<_>, VecDeque<_>) =
            self.messages.drain(..).partition(is_urgent);
        self.messages = rest;
        urgent.into()
    }
}

/// The sender thread needs the link too.
impl Queue for Outgoing {
    fn is_empty(&self) -> bool {
        self.link.is_none() || !self.has_work()
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

    /// Sends a message, or queues it behind those before it; but what is [urgent](is_urgent)
    /// overtakes what is large.
    pub(super) fn put(&self, message: Message) {
        let idle = self.mailbox.put(|outgoing| match outgoing.has_work() {
            true => None,
            false => outgoing.link.take(),
        });
        let Some(Some(mut link)) = idle else {
            return self.queue(|outgoing| outgoing.messages.push_back(message));
        };
        match link.try_send(message) {
            Ok(bytes) => {
                self.counters.sent(1, bytes);
                self.queue(|outgoing| outgoing.link = Some(link));
            }
            // What others have queued meanwhile is younger.
            Err(left) => {
                self.counters.sent(usize::from(left.is_none()), 0);
                self.queue(|outgoing| {
                    outgoing.unfinished = true;
                    if let Some(message) = left {
                        outgoing.messages.push_front(message);
                    }
                    outgoing.link = Some(link);
                });
            }
        }
    }

    fn queue(&self, change: impl FnOnce(&mut Outgoing)) {
        let dropped = self.mailbox.put(|outgoing| {
            change(outgoing);
            let excess = outgoing.messages.len().saturating_sub(CAPACITY);
            outgoing.messages.drain(..excess).collect::<Vec<Message>>()
        });
        self.counters.dropped(dropped.map_or(0, |dropped| dropped.len()));
    }

    pub(super) fn depth(&self) -> usize {
        self.mailbox.look(|outgoing| outgoing.messages.len())
    }

    pub(super) fn close(&self) {
        self.mailbox.close();
    }

    /// The life of the sender thread.
    pub(super) fn run(&self, link: Box<dyn Link>) {
        self.queue(|outgoing| {
            outgoing.unfinished = true;
            outgoing.link = Some(link);
        });
        while let Taken::All(Outgoing { messages, link: Some(mut link), .. }) =
            self.mailbox.take(None)
        {
            let mut count = messages.len();
            let mut urgent = || {
                let urgent = self.mailbox.put(Outgoing::take_urgent).unwrap_or_default();
                count += urgent.len();
                urgent
            };
            let bytes = link.send_letting_pass(messages.into(), &mut urgent);
            self.counters.sent(count, bytes);
            self.queue(|outgoing| outgoing.link = Some(link));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure2::{RequestVoteReply, Term};
    use std::sync::atomic::{AtomicBool, Ordering};
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
        (1..=CAPACITY as Term + 3).for_each(|term| outbox.put(message(term)));
        assert_eq!(outbox.depth(), CAPACITY);
        let (sender, sent) = mpsc::channel();
        let first = std::thread::scope(|scope| {
            scope.spawn(|| outbox.run(Box::new(Notes(sender))));
            let first = sent.recv().unwrap();
            outbox.close();
            first
        });
        assert_eq!(first, (4..=CAPACITY as Term + 3).collect::<Vec<_>>());
        let metrics = counters.snapshot(0, false);
        assert_eq!((metrics.messages_dropped, metrics.bytes_sent), (3, 7));
    }

    /// Takes every third message at once, and leaves every third in the middle.
    struct Moody(mpsc::Sender<Term>, Option<Term>);

    impl Link for Moody {
        fn send(&mut self, messages: Vec<Message>) -> u64 {
            let terms = messages.iter().map(Message::term);
            self.1.take().into_iter().chain(terms).for_each(|term| self.0.send(term).unwrap());
            0
        }

        fn try_send(&mut self, message: Message) -> Result<u64, Option<Message>> {
            assert_eq!(self.1, None, "called in the middle of a message");
            let term = message.term();
            match term % 3 {
                0 => return Ok(self.send(Vec::from([message]))),
                1 => self.1 = Some(term),
                _ => return Err(Some(message)),
            }
            Err(None)
        }
    }

    #[test]
    fn whoever_sends_the_order_is_kept_and_nothing_stays_behind() {
        let outbox = Outbox::new(Arc::default());
        let (sender, sent) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| outbox.run(Box::new(Moody(sender, None))));
            for term in 1..=3000 {
                outbox.put(message(term));
                if term % 10 == 0 {
                    (term - 9..=term).for_each(|term| assert_eq!(sent.recv(), Ok(term)));
                }
            }
            outbox.close();
        });
    }

    /// Gives back what it is to send at once, and another message has come by then.
    struct Late(Arc<Outbox>);

    impl Link for Late {
        fn send(&mut self, _messages: Vec<Message>) -> u64 {
            0
        }

        fn try_send(&mut self, first: Message) -> Result<u64, Option<Message>> {
            self.0.put(message(first.term() + 1));
            Err(Some(first))
        }
    }

    #[test]
    fn what_a_link_gives_back_goes_before_what_came_meanwhile() {
        let outbox = Arc::new(Outbox::new(Arc::default()));
        let link = Box::new(Late(outbox.clone()));
        outbox.queue(|outgoing| outgoing.link = Some(link));
        outbox.put(message(1));
        let terms = outbox
            .mailbox
            .look(|outgoing| outgoing.messages.iter().map(Message::term).collect::<Vec<_>>());
        // The link would keep the outbox that keeps it.
        outbox.queue(|outgoing| outgoing.link = None);
        assert_eq!(terms, [1, 2]);
    }

    fn append(term: Term, entries: usize) -> Message {
        let entry = || crate::figure2::Entry::command(term, &b"x"[..]);
        Message::AppendEntries(crate::figure2::AppendEntries {
            term,
            leader_id: crate::figure2::ServerId(1),
            prev_log_index: 0,
            prev_log_term: 0,
            entries: (0..entries).map(|_| entry()).collect(),
            leader_commit: 0,
        })
    }

    /// Sends in pieces: asks what may pass for as long as nothing does, or until the test ends.
    struct Slow(mpsc::Sender<Term>, Arc<AtomicBool>);

    /// Ends the outbox and its link, also when the test fails.
    struct End<'a>(&'a Outbox, Arc<AtomicBool>);

    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.1.store(true, Ordering::SeqCst);
            self.0.close();
        }
    }

    impl Link for Slow {
        fn send(&mut self, messages: Vec<Message>) -> u64 {
            messages.iter().for_each(|message| self.0.send(message.term()).unwrap());
            0
        }

        fn send_letting_pass(
            &mut self,
            messages: Vec<Message>,
            urgent: &mut dyn FnMut() -> Vec<Message>,
        ) -> u64 {
            if messages.iter().all(is_urgent) {
                return self.send(messages);
            }
            self.0.send(0).unwrap();
            loop {
                let passing = urgent();
                let pass = passing.len();
                self.send(passing);
                if pass > 0 || self.1.load(Ordering::SeqCst) {
                    return self.send(messages);
                }
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn what_is_urgent_passes_what_is_large_and_nothing_else_does() {
        let counters = Arc::new(PeerCounters::default());
        let outbox = Outbox::new(counters.clone());
        let (sender, sent) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        std::thread::scope(|scope| {
            let link = Slow(sender, over.clone());
            scope.spawn(|| outbox.run(Box::new(link)));
            let _end = End(&outbox, over);
            outbox.put(append(1, 1));
            assert_eq!(sent.recv(), Ok(0), "the first message is under way");
            outbox.put(append(2, 1));
            outbox.put(append(3, 0));
            assert_eq!([(); 2].map(|()| sent.recv().unwrap()), [3, 1]);
            assert_eq!(sent.recv(), Ok(0), "the second message with entries is under way");
            outbox.put(message(4));
            assert_eq!([(); 2].map(|()| sent.recv().unwrap()), [4, 2]);
        });
        assert_eq!(counters.snapshot(0, false).messages_sent, 4);
    }
}
