//! The way to one peer, with a sender thread of its own, so that a slow peer holds up nobody.
//!
//! Most messages find the link idle and go out at once, on the thread that brings them, if the
//! link can do so without blocking: a change of threads costs more than to send one. The rest
//! waits for the sender thread. No lock is held meanwhile: whoever sends has taken the link out.

use crate::runtime::std;

use std::boxed::Box;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::vec::Vec;

use super::mailbox::{Mailbox, Queue, Taken};
use crate::driver::Outbound;
use crate::figure2::{Entries, Entry, Message};
use crate::runtime::metrics::PeerCounters;
use crate::runtime::transport::{Link, is_urgent};

/// How many messages wait for a peer at most. Raft repeats what is lost, and old messages are
/// the ones worth least.
const CAPACITY: usize = 256;

/// How many bytes they have at most; one that has more waits alone.
const BYTES: usize = 16 * 1024 * 1024;

/// Messages for one peer; the oldest go when it is full.
#[derive(Default)]
pub(super) struct Outgoing {
    messages: VecDeque<Message>,
    bytes: usize,
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
        self.bytes -= urgent.iter().map(size).sum::<usize>();
        urgent.into()
    }

    fn push_back(&mut self, message: Message) {
        self.bytes += size(&message);
        self.messages.push_back(message);
    }

    fn push_front(&mut self, message: Message) {
        self.bytes += size(&message);
        self.messages.push_front(message);
    }

    /// Takes out the oldest messages, as many as are too many.
    fn take_excess(&mut self) -> Vec<Message> {
        let mut excess = Vec::new();
        while self.messages.len() > CAPACITY || self.bytes > BYTES && self.messages.len() > 1 {
            let oldest = self.messages.pop_front();
            self.bytes -= oldest.as_ref().map_or(0, size);
            excess.extend(oldest);
        }
        excess
    }
}

/// About how many bytes a message has on its way.
fn size(message: &Message) -> usize {
    const FIXED: usize = 32;
    let entries = match message {
        Message::AppendEntries(request) => Some(&request.entries),
        Message::RequestVote(_)
        | Message::RequestVoteReply(_)
        | Message::AppendEntriesReply(_)
        | Message::InstallSnapshot(_) => None,
    };
    let bytes = |entry: &Entry| FIXED + entry.bytes();
    FIXED + entries.into_iter().flat_map(Entries::iter).map(bytes).sum::<usize>()
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
    tracked: Tracked,
}

/// What has become of the messages that a peer has to acknowledge.
struct Tracked {
    created: Instant,
    /// How many wait for the link, or are in its hands.
    waiting: AtomicUsize,
    /// When the last of them left, in nanoseconds since then.
    left: AtomicU64,
    /// The number of the connection that it left on.
    left_on: AtomicU64,
    /// The number of the newest connection.
    connection: AtomicU64,
}

impl Tracked {
    fn new() -> Self {
        Tracked {
            created: Instant::now(),
            waiting: AtomicUsize::new(0),
            left: AtomicU64::new(0),
            left_on: AtomicU64::new(0),
            connection: AtomicU64::new(0),
        }
    }

    /// So many have left on that connection.
    fn left(&self, count: usize, connection: u64) {
        if count > 0 {
            let now = u64::try_from(self.created.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.left.store(now, Ordering::Relaxed);
            self.left_on.store(connection, Ordering::Relaxed);
            self.waiting.fetch_sub(count, Ordering::Relaxed);
        }
        self.connection.store(connection, Ordering::Relaxed);
    }
}

impl Outbox {
    pub(super) fn new(counters: Arc<PeerCounters>) -> Self {
        Outbox { mailbox: Mailbox::new(Outgoing::default()), counters, tracked: Tracked::new() }
    }

    /// Sends a message, or queues it behind those before it; but what is [urgent](is_urgent)
    /// overtakes what is large.
    pub(super) fn put(&self, message: Message) {
        let count = tracked([&message]);
        self.tracked.waiting.fetch_add(count, Ordering::Relaxed);
        let idle = self.mailbox.put(|outgoing| match outgoing.has_work() {
            true => None,
            false => outgoing.link.take(),
        });
        let Some(Some(mut link)) = idle else {
            return self.queue(|outgoing| outgoing.push_back(message));
        };
        match link.try_send(message) {
            Ok(bytes) => {
                self.counters.sent(1, bytes);
                self.tracked.left(count, link.connections());
                self.queue(|outgoing| outgoing.link = Some(link));
            }
            // What others have queued meanwhile is younger.
            Err(left) => {
                self.counters.sent(usize::from(left.is_none()), 0);
                if left.is_none() {
                    self.tracked.left(count, link.connections());
                }
                self.queue(|outgoing| {
                    outgoing.unfinished = true;
                    if let Some(message) = left {
                        outgoing.push_front(message);
                    }
                    outgoing.link = Some(link);
                });
            }
        }
    }

    fn queue(&self, change: impl FnOnce(&mut Outgoing)) {
        let dropped = self.mailbox.put(|outgoing| {
            change(outgoing);
            outgoing.take_excess()
        });
        let dropped = dropped.unwrap_or_default();
        self.tracked.waiting.fetch_sub(tracked(&dropped), Ordering::Relaxed);
        self.counters.dropped(dropped.len());
    }

    /// What has become of the last entries that were sent, and when they left.
    pub(super) fn outbound(&self, at: impl FnOnce(Instant) -> Duration) -> Outbound {
        let Tracked { created, waiting, left, left_on, connection } = &self.tracked;
        if waiting.load(Ordering::Relaxed) > 0 {
            Outbound::Waiting
        } else if left_on.load(Ordering::Relaxed) != connection.load(Ordering::Relaxed) {
            Outbound::Lost
        } else {
            Outbound::Left(at(*created + Duration::from_nanos(left.load(Ordering::Relaxed))))
        }
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
            let mut acknowledged = tracked(&messages);
            let mut urgent = || {
                let urgent = self.mailbox.put(Outgoing::take_urgent).unwrap_or_default();
                count += urgent.len();
                acknowledged += tracked(&urgent);
                urgent
            };
            let bytes = link.send_letting_pass(messages.into(), &mut urgent);
            self.counters.sent(count, bytes);
            self.tracked.left(acknowledged, link.connections());
            self.queue(|outgoing| outgoing.link = Some(link));
        }
    }
}

/// How many of these messages a leader sends again until they are acknowledged.
fn tracked<'a>(messages: impl IntoIterator<Item = &'a Message>) -> usize {
    let is_tracked = |message: &&Message| match message {
        Message::AppendEntries(request) => !request.entries.is_empty(),
        Message::InstallSnapshot(_) => true,
        Message::RequestVote(_) | Message::RequestVoteReply(_) | Message::AppendEntriesReply(_) => {
            false
        }
    };
    messages.into_iter().filter(is_tracked).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure2::{RequestVoteReply, Term};
    use std::sync::atomic::AtomicBool;
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

    /// Takes everything, on a connection of this number.
    struct Connected(Arc<AtomicU64>);

    impl Link for Connected {
        fn send(&mut self, _: Vec<Message>) -> u64 {
            0
        }

        fn try_send(&mut self, message: Message) -> Result<u64, Option<Message>> {
            Ok(self.send(Vec::from([message])))
        }

        fn connections(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn what_left_on_a_connection_that_has_ended_is_lost_until_it_is_sent_again() {
        let (outbox, connection) = (Outbox::new(Arc::default()), Arc::new(AtomicU64::new(1)));
        let base = crate::figure2::Base { last_index: 1, last_term: 1 };
        let leader_id = crate::figure2::ServerId(1);
        let mark = crate::figure2::InstallSnapshot { term: 1, leader_id, base };
        let state = || outbox.outbound(|_| Duration::ZERO);
        outbox.put(append(1, 1));
        assert_eq!(state(), Outbound::Waiting);
        let link = Box::new(Connected(connection.clone()));
        outbox.queue(|outgoing| *outgoing = Outgoing { link: Some(link), ..Outgoing::default() });
        outbox.tracked.left(1, 1);
        for sent in [append(1, 1), Message::InstallSnapshot(mark)] {
            outbox.put(sent);
            assert_eq!(state(), Outbound::Left(Duration::ZERO));
            connection.fetch_add(1, Ordering::Relaxed);
            // A heartbeat finds the new one.
            outbox.put(append(1, 0));
            assert_eq!(state(), Outbound::Lost);
        }
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
