//! What is under way to the peers of a leader: how much at once, and when it is sent again.
//!
//! ```text
//!   log          1 ......... match | next ........ | ........ last
//!   under way                      [ batch ][ batch ]            at most a window of batches
//!   sent ahead                              └─ Input::Pipeline
//! ```
//!
//! **How much.** The core sends a batch when a peer lacks nothing before it, and the next when that
//! is acknowledged. With a window of more than one, further batches follow at once. What the core
//! sends again while it is under way does not leave.
//!
//! **When again.** A heartbeat repeats nothing: what was sent may still be in a queue, or on a slow
//! link, and copies would make both longer. So what a peer lacks is sent again
//!
//! * one timeout after the last of it has left. The timeout is twice the longest time that
//!   an acknowledgement took of late; it doubles with each copy, and stays until one comes for
//!   something of which there was no copy (as TCP's, RFC 6298), up to the longest election timeout:
//!   what is lost again and again must not wait for ever;
//! * at once if it left on a connection that has ended since, if the peer refuses what follows it,
//!   or if the peer answers after a silence as long as any election timeout.

use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;

use super::timing::Timing;
use crate::figure2::{Index, Leader, Log, ServerId};

/// What has become of the last entries, or the last mark, that were sent to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outbound {
    /// They wait for the link, or a part of them does.
    Waiting,
    /// They have left, at this time.
    Left(Duration),
    /// They are lost: what they left on has ended.
    Lost,
}

/// A timeout doubles so many times at most.
const DOUBLINGS: u32 = 6;

/// What waits to be acknowledged by the peers of a leader, and since when.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// How many batches are under way to a peer at most.
    window: usize,
    /// The shortest timeout: a heartbeat interval.
    shortest: Duration,
    /// A peer that said nothing for so long was cut off: the longest election timeout.
    silence: Duration,
    peers: BTreeMap<ServerId, Peer>,
}

#[derive(Clone, Debug)]
struct Peer {
    /// The batches under way, in the order of the log.
    under_way: VecDeque<Batch>,
    /// When what is under way, batches or the mark of an image, is looked at again.
    look: Option<Duration>,
    /// Whether what comes next may be on its way already.
    in_doubt: bool,
    /// Where `next_index` was when the peer refused last. It refuses all that follows what was
    /// lost, and once is enough.
    refused: Option<Index>,
    /// The longest time that an acknowledgement took of late.
    slow: Duration,
    /// A timeout does not double beyond this.
    longest: Duration,
    doublings: u32,
    match_index: Index,
    /// When it was heard last.
    heard: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Batch {
    /// The index of its last entry.
    end: Index,
    /// When it was sent.
    since: Duration,
    /// Whether it may be a copy: its acknowledgement does not say how long it took.
    copy: bool,
}

impl Peer {
    fn timeout(&self, shortest: Duration) -> Duration {
        let once = (2 * self.slow).max(shortest);
        (once * (1 << self.doublings)).min(once.max(self.longest))
    }

    /// The last index that is under way; 0 when nothing is.
    fn sent(&self) -> Index {
        self.under_way.back().map_or(0, |batch| batch.end)
    }

    fn acknowledged(&mut self, now: Duration, match_index: Index, shortest: Duration) {
        while let Some(batch) = self.under_way.pop_front_if(|batch| batch.end <= match_index) {
            if !batch.copy {
                self.slow = (now - batch.since).max(self.slow - self.slow / 8);
                self.doublings = 0;
            }
        }
        self.match_index = match_index;
        self.refused = None;
        self.look = (!self.under_way.is_empty()).then_some(now + self.timeout(shortest));
    }
}

impl Flow {
    pub(super) fn new(timing: &Timing) -> Self {
        Flow {
            window: 1,
            shortest: timing.heartbeat(),
            silence: *timing.election().end(),
            peers: BTreeMap::new(),
        }
    }

    /// Lets so many batches be under way to a peer; at least one.
    pub(super) fn set_window(&mut self, batches: usize) {
        self.window = batches.max(1);
    }

    /// When something is to be looked at next.
    pub(super) fn next(&self) -> Option<Duration> {
        self.peers.values().filter_map(|peer| peer.look).min()
    }

    /// This server does not lead (any more): what it knows of its peers may be old when it does.
    pub(super) fn clear(&mut self) {
        self.peers.clear();
    }

    /// `peer` answered a leader that stands so now, with a refusal or not; the leader's log ends
    /// at `last_index`.
    pub(super) fn answered(
        &mut self,
        now: Duration,
        peer: ServerId,
        leader: &Leader,
        last_index: Index,
        refuses: bool,
    ) {
        let (shortest, silence) = (self.shortest, self.silence);
        let (Some(&next), Some(&matched)) =
            (leader.next_index.get(&peer), leader.match_index.get(&peer))
        else {
            return;
        };
        let peer = self.peer(now, peer);
        let returns = now.saturating_sub(peer.heard) > silence;
        peer.heard = now;
        if matched != peer.match_index {
            peer.acknowledged(now, matched, shortest);
        } else if refuses && peer.refused != Some(next) {
            peer.in_doubt = true;
            peer.refused = Some(next);
        }
        if next > last_index {
            peer.look = None;
        } else if returns && peer.look.is_some() {
            peer.doublings = 0;
            peer.look = Some(now);
        }
    }

    /// The core sends entries behind `after` up to `end`. Whether they leave: not while they, or
    /// some of them, are under way.
    pub(super) fn lets_pass(
        &mut self,
        now: Duration,
        peer: ServerId,
        after: Index,
        end: Index,
    ) -> bool {
        let shortest = self.shortest;
        let peer = self.peer(now, peer);
        let copy = core::mem::take(&mut peer.in_doubt);
        if copy {
            peer.under_way.clear();
        }
        if after < peer.sent() {
            return false;
        }
        peer.under_way.push_back(Batch { end, since: now, copy });
        // The last to leave is what the timeout counts from.
        peer.look = Some(now + peer.timeout(shortest));
        true
    }

    /// The mark of an image is on its way. How long that takes says nothing of entries.
    pub(super) fn mark_sent(&mut self, now: Duration, peer: ServerId) {
        let shortest = self.shortest;
        let peer = self.peer(now, peer);
        peer.under_way.clear();
        peer.in_doubt = false;
        peer.look = Some(now + peer.timeout(shortest));
    }

    /// A peer to which more of `log` is to be sent, before it has acknowledged what is under way, and
    /// behind which index.
    pub(super) fn ahead(&self, leader: &Leader, log: &Log) -> Option<(ServerId, Index)> {
        let held = log.base().last_index..log.last_index();
        let room = |(_, peer): &(&ServerId, &Peer)| {
            let batches = peer.under_way.len();
            0 < batches && batches < self.window && held.contains(&peer.sent())
        };
        // Of one that has acknowledged nothing, nobody knows where to go on.
        let known = |(id, _): &(&ServerId, &Peer)| leader.match_index.get(id) > Some(&0);
        let found = self.peers.iter().filter(known).find(room);
        found.map(|(&id, peer)| (id, peer.sent()))
    }

    /// The first of the peers to which what they have not acknowledged is to be sent again now.
    /// `outbound` tells what has become of it.
    pub(super) fn due(
        &mut self,
        now: Duration,
        outbound: impl Fn(ServerId) -> Outbound,
    ) -> Option<ServerId> {
        let shortest = self.shortest;
        for (&id, peer) in &mut self.peers {
            let timeout = peer.timeout(shortest);
            let Some(look) = &mut peer.look else { continue };
            let state = outbound(id);
            if state != Outbound::Lost && now < *look {
                continue;
            }
            let ends = match state {
                Outbound::Waiting => now + timeout,
                Outbound::Left(at) => at + timeout,
                Outbound::Lost => now,
            };
            if now < ends {
                *look = ends;
                continue;
            }
            // The copy sets it anew.
            *look = now + timeout;
            peer.in_doubt = true;
            peer.doublings = (peer.doublings + 1).min(DOUBLINGS);
            return Some(id);
        }
        None
    }

    fn peer(&mut self, now: Duration, peer: ServerId) -> &mut Peer {
        let (slow, longest) = (self.shortest, self.silence);
        self.peers.entry(peer).or_insert(Peer {
            under_way: VecDeque::new(),
            look: None,
            in_doubt: false,
            refused: None,
            slow,
            longest,
            doublings: 0,
            match_index: 0,
            heard: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    use crate::figure2::{Base, Entry, Payload, Persistent, Record};

    const MS: Duration = Duration::from_millis(1);
    const PEER: ServerId = ServerId(2);

    /// A leader, and what it has under way to its one peer. Heartbeats each 10 ms, so the first
    /// timeout is 20; a silence is 60.
    struct Link {
        flow: Flow,
        leader: Leader,
        last_index: Index,
    }

    impl Link {
        fn new(window: usize) -> Link {
            let mut flow = Flow::new(&Timing::new(30 * MS..=60 * MS, 10 * MS).unwrap());
            flow.set_window(window);
            let mut link = Link { flow, leader: Leader::default(), last_index: 0 };
            link.stands(1, 0);
            link
        }

        fn stands(&mut self, next: Index, matched: Index) {
            self.leader.next_index.insert(PEER, next);
            self.leader.match_index.insert(PEER, matched);
        }

        /// The core sends the entries behind `after` up to `end`.
        fn sends(&mut self, now: u32, after: Index, end: Index) -> bool {
            self.last_index = self.last_index.max(end);
            self.flow.lets_pass(now * MS, PEER, after, end)
        }

        fn acknowledged(&mut self, now: u32, matched: Index) {
            self.stands(matched + 1, matched);
            self.flow.answered(now * MS, PEER, &self.leader, self.last_index, false);
        }

        fn refused(&mut self, now: u32) {
            self.flow.answered(now * MS, PEER, &self.leader, self.last_index, true);
        }

        fn due(&mut self, now: u32, outbound: Outbound) -> bool {
            self.flow.due(now * MS, |_| outbound) == Some(PEER)
        }

        /// When what has left at `now` is due.
        fn first_due(&mut self, now: u32) -> u32 {
            let left = Outbound::Left(now * MS);
            (now..).find(|&at| self.due(at, left)).unwrap()
        }

        fn ahead(&self) -> Option<Index> {
            let entries = (0..self.last_index).map(|_| Entry { term: 1, payload: Payload::Blank });
            let ballot = Record::Ballot { current_term: 1, voted_for: None };
            let append = Record::Append { entries: entries.collect() };
            let stored = Persistent::fold([ballot, append]).unwrap();
            self.flow.ahead(&self.leader, stored.log()).map(|(_, after)| after)
        }
    }

    #[test]
    fn the_timeout_runs_from_when_the_last_of_it_has_left() {
        let mut link = Link::new(1);
        assert!(link.sends(5, 0, 1));
        assert_eq!(link.flow.next(), Some(25 * MS));
        assert!(!link.due(24, Outbound::Waiting));
        assert!(!link.due(25, Outbound::Waiting), "it is still in the queue");
        assert_eq!(link.flow.next(), Some(45 * MS));
        assert!(!link.due(45, Outbound::Left(44 * MS)));
        assert_eq!(link.flow.next(), Some(64 * MS));
        assert!(link.due(64, Outbound::Left(44 * MS)));
    }

    #[test]
    fn it_doubles_with_each_copy_until_one_is_answered_that_had_none() {
        let mut link = Link::new(1);
        assert!(link.sends(0, 0, 1));
        for (at, next) in [(20, 60), (60, 120)] {
            assert!(link.due(at, Outbound::Left(Duration::ZERO)));
            assert!(link.sends(at, 0, 1), "a copy leaves");
            assert_eq!(link.flow.next(), Some(next * MS), "a silence at most");
        }
        // Which of the three it answers, nobody knows.
        link.acknowledged(70, 1);
        assert_eq!(link.flow.next(), None);
        assert!(link.sends(100, 1, 2));
        assert_eq!(link.first_due(100), 160);
        link.acknowledged(161, 2);
        // A link that is slow, and not lossy.
        assert!(link.sends(200, 2, 3));
        link.acknowledged(255, 3);
        assert!(link.sends(300, 3, 4));
        assert_eq!(link.first_due(300), 422);
    }

    #[test]
    fn it_follows_the_slowest_answer_of_late() {
        let mut link = Link::new(1);
        let mut took = Vec::new();
        for (number, takes) in [(1, 80), (3, 8), (5, 8)] {
            let now = 1000 * number as u32;
            assert!(link.sends(now, number - 1, number));
            link.acknowledged(now + takes, number);
            assert!(link.sends(now + 500, number, number + 1));
            took.push(link.flow.next().unwrap() - (now + 500) * MS);
            link.acknowledged(now + 500, number + 1);
        }
        assert_eq!(took, [160_000_000, 122_500_000, 93_789_064].map(Duration::from_nanos));
    }

    #[test]
    fn what_went_down_with_its_connection_is_sent_again_at_once_and_once() {
        let mut link = Link::new(1);
        assert!(link.sends(0, 0, 1));
        assert!(link.due(1, Outbound::Lost));
        assert!(link.sends(1, 0, 1));
        assert!(!link.due(2, Outbound::Waiting));
    }

    #[test]
    fn a_peer_that_returns_from_a_silence_need_not_wait() {
        let mut link = Link::new(1);
        link.acknowledged(0, 0);
        assert!(link.sends(0, 0, 1));
        for copy in [20, 60, 120] {
            assert!(link.due(copy, Outbound::Left(Duration::ZERO)));
            assert!(link.sends(copy, 0, 1));
        }
        assert_eq!(link.flow.next(), Some(180 * MS));
        link.acknowledged(130, 0);
        assert!(!link.due(130, Outbound::Left(120 * MS)), "the last copy may arrive");
        assert!(link.due(140, Outbound::Left(120 * MS)));
    }

    #[test]
    fn how_long_an_image_takes_says_nothing_of_entries() {
        let mut link = Link::new(1);
        link.last_index = 9;
        link.flow.mark_sent(Duration::ZERO, PEER);
        link.acknowledged(10_000, 9);
        assert!(link.sends(10_000, 9, 10));
        assert_eq!(link.flow.next(), Some(10_020 * MS));
    }

    #[test]
    fn who_has_all_or_does_not_lead_repeats_nothing() {
        let mut link = Link::new(1);
        assert!(link.sends(0, 0, 1));
        link.acknowledged(1, 1);
        assert_eq!(link.flow.next(), None);
        assert!(link.sends(2, 1, 2));
        link.flow.clear();
        assert_eq!(link.flow.next(), None);
        assert!(!link.due(500, Outbound::Lost));
    }

    #[test]
    fn as_many_batches_are_under_way_as_the_window_has_room_for() {
        let mut link = Link::new(3);
        link.acknowledged(0, 1);
        assert_eq!(link.ahead(), None, "the core sends the first");
        assert!(link.sends(0, 1, 2));
        assert_eq!(link.ahead(), None, "there is no more");
        link.last_index = 9;
        for end in [5, 8] {
            let after = link.ahead().unwrap();
            assert!(link.sends(1, after, end));
        }
        assert_eq!(link.ahead(), None, "the window is full");
        link.acknowledged(2, 2);
        // The core sends on from there, and that is under way.
        assert!(!link.sends(2, 2, 9));
        assert_eq!(link.ahead(), Some(8));
        assert!(link.sends(2, 8, 9));
        link.acknowledged(3, 9);
        assert_eq!((link.flow.next(), link.ahead()), (None, None));
    }

    #[test]
    fn a_window_of_one_sends_nothing_ahead_and_nor_does_a_leader_that_knows_nothing_of_its_peer() {
        let mut link = Link::new(1);
        link.acknowledged(0, 1);
        assert!(link.sends(0, 1, 2));
        link.last_index = 9;
        assert_eq!(link.ahead(), None);
        let mut link = Link::new(3);
        assert!(link.sends(0, 0, 1));
        link.last_index = 9;
        assert_eq!(link.ahead(), None);
        // What is compacted goes as an image.
        link.acknowledged(1, 1);
        assert!(link.sends(1, 1, 2));
        let base = Base { last_index: 3, last_term: 1 };
        let ballot = Record::Ballot { current_term: 1, voted_for: None };
        let append =
            Record::Append { entries: [Entry::command(1, [7].as_slice())].into_iter().collect() };
        let stored = Persistent::fold([ballot, Record::Base(base), append]).unwrap();
        assert_eq!(link.flow.ahead(&link.leader, stored.log()), None);
    }

    #[test]
    fn one_batch_that_is_lost_is_sent_again_once_however_often_what_follows_is_refused() {
        let mut link = Link::new(4);
        link.acknowledged(0, 1);
        for (after, end) in [(1, 2), (2, 3), (3, 4), (4, 5)] {
            assert!(link.sends(0, after, end));
        }
        // The first is lost: the peer refuses the three others, and the core sends each time.
        link.refused(9);
        assert!(link.sends(9, 1, 5));
        for now in [10, 11] {
            link.refused(now);
            assert!(!link.sends(now, 1, 5));
        }
        link.acknowledged(20, 5);
        assert_eq!(link.flow.next(), None);
    }
}
