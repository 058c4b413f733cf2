//! When a leader sends again what a peer has not acknowledged.
//!
//! A heartbeat repeats nothing: what was sent may still be in a queue, or on a slow link, and
//! copies would make both longer. So what a peer lacks is sent again
//!
//! * one timeout after the last of it has left. The timeout is twice the longest time that
//!   an acknowledgement took of late; it doubles with each copy, and stays until one comes for
//!   something of which there was no copy (as TCP's, RFC 6298);
//! * at once if it left on a connection that has ended since, or if the peer answers after a
//!   silence as long as any election timeout.

use alloc::collections::BTreeMap;
use core::time::Duration;

use super::timing::Timing;
use crate::figure2::{Index, ServerId};

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
pub(super) struct Repeats {
    /// The shortest timeout: a heartbeat interval.
    shortest: Duration,
    /// A peer that said nothing for so long was cut off: the longest election timeout.
    silence: Duration,
    peers: BTreeMap<ServerId, Peer>,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    /// What waits to be acknowledged.
    waits: Option<Waits>,
    /// The longest time that an acknowledgement took of late.
    slow: Duration,
    doublings: u32,
    /// What was acknowledged.
    match_index: Index,
    /// When it was heard last.
    heard: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Waits {
    /// When it was sent, for the first time.
    since: Duration,
    /// When it is looked at again.
    look: Duration,
    /// Whether an acknowledgement does not say how long it took: it was sent more than once.
    repeated: bool,
}

impl Peer {
    fn timeout(&self, shortest: Duration) -> Duration {
        (2 * self.slow).max(shortest) * (1 << self.doublings)
    }
}

impl Repeats {
    pub(super) fn new(timing: &Timing) -> Self {
        Repeats {
            shortest: timing.heartbeat(),
            silence: *timing.election().end(),
            peers: BTreeMap::new(),
        }
    }

    /// When something is to be looked at next.
    pub(super) fn next(&self) -> Option<Duration> {
        self.peers.values().filter_map(|peer| Some(peer.waits?.look)).min()
    }

    /// This server does not lead (any more).
    pub(super) fn clear(&mut self) {
        self.peers.values_mut().for_each(|peer| peer.waits = None);
    }

    /// Entries, or the mark of an image, are on their way to `peer`. How long an image takes says
    /// nothing of entries.
    pub(super) fn sent(&mut self, now: Duration, peer: ServerId, is_mark: bool) {
        let shortest = self.shortest;
        let peer = self.peer(now, peer);
        let repeated = peer.waits.is_some() || is_mark;
        let since = peer.waits.map_or(now, |waits| waits.since);
        peer.waits = Some(Waits { since, look: now + peer.timeout(shortest), repeated });
    }

    /// `peer` answered, and has acknowledged this much; `all` if that is all there is.
    pub(super) fn answered(
        &mut self,
        now: Duration,
        peer: ServerId,
        match_index: Index,
        all: bool,
    ) {
        let silence = self.silence;
        let peer = self.peer(now, peer);
        let returns = now.saturating_sub(peer.heard) > silence;
        peer.heard = now;
        if match_index != peer.match_index {
            if let Some(waits) = peer.waits.take()
                && !waits.repeated
            {
                peer.slow = (now - waits.since).max(peer.slow - peer.slow / 8);
                peer.doublings = 0;
            }
            peer.match_index = match_index;
        }
        match &mut peer.waits {
            Some(_) if all => peer.waits = None,
            Some(waits) if returns => {
                peer.doublings = 0;
                waits.look = now;
            }
            Some(_) | None => {}
        }
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
            let Some(waits) = &mut peer.waits else { continue };
            let state = outbound(id);
            if state != Outbound::Lost && now < waits.look {
                continue;
            }
            let ends = match state {
                Outbound::Waiting => now + timeout,
                Outbound::Left(at) => at + timeout,
                Outbound::Lost => now,
            };
            if now < ends {
                waits.look = ends;
                continue;
            }
            // The copy sets it anew.
            waits.look = now + timeout;
            peer.doublings = (peer.doublings + 1).min(DOUBLINGS);
            return Some(id);
        }
        None
    }

    fn peer(&mut self, now: Duration, peer: ServerId) -> &mut Peer {
        let slow = self.shortest;
        self.peers.entry(peer).or_insert(Peer {
            waits: None,
            slow,
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

    const MS: Duration = Duration::from_millis(1);
    const PEER: ServerId = ServerId(2);

    /// Heartbeats each 10 ms, so the first timeout is 20; a silence is 60.
    fn repeats() -> Repeats {
        Repeats::new(&Timing::new(30 * MS..=60 * MS, 10 * MS).unwrap())
    }

    fn due(repeats: &mut Repeats, now: u32, outbound: Outbound) -> bool {
        repeats.due(now * MS, |_| outbound) == Some(PEER)
    }

    /// When what is sent at `now`, and leaves at once, is due.
    fn first_due(repeats: &mut Repeats, now: u32) -> u32 {
        let left = Outbound::Left(now * MS);
        (now..).find(|&at| due(repeats, at, left)).unwrap()
    }

    #[test]
    fn the_timeout_runs_from_when_the_last_of_it_has_left() {
        let mut repeats = repeats();
        repeats.sent(5 * MS, PEER, false);
        assert_eq!(repeats.next(), Some(25 * MS));
        assert!(!due(&mut repeats, 24, Outbound::Waiting));
        assert!(!due(&mut repeats, 25, Outbound::Waiting), "it is still in the queue");
        assert_eq!(repeats.next(), Some(45 * MS));
        assert!(!due(&mut repeats, 45, Outbound::Left(44 * MS)));
        assert_eq!(repeats.next(), Some(64 * MS));
        assert!(due(&mut repeats, 64, Outbound::Left(44 * MS)));
    }

    #[test]
    fn it_doubles_with_each_copy_until_one_is_answered_that_had_none() {
        let mut repeats = repeats();
        repeats.sent(Duration::ZERO, PEER, false);
        for (at, next) in [(20, 60), (60, 140)] {
            assert!(due(&mut repeats, at, Outbound::Left(Duration::ZERO)));
            repeats.sent(at * MS, PEER, false);
            assert_eq!(repeats.next(), Some(next * MS));
        }
        // Which of the three it answers, nobody knows.
        repeats.answered(70 * MS, PEER, 1, true);
        assert_eq!(repeats.next(), None);
        repeats.sent(100 * MS, PEER, false);
        assert_eq!(first_due(&mut repeats, 100), 180);
        repeats.answered(181 * MS, PEER, 2, true);
        // A link that is slow, and not lossy.
        repeats.sent(200 * MS, PEER, false);
        repeats.answered(280 * MS, PEER, 3, true);
        repeats.sent(300 * MS, PEER, false);
        assert_eq!(first_due(&mut repeats, 300), 460);
    }

    #[test]
    fn it_follows_the_slowest_answer_of_late() {
        let mut repeats = repeats();
        let mut took = Vec::new();
        for (number, takes) in [(1, 80), (2, 8), (3, 8)] {
            let now = 1000 * number;
            repeats.sent(now * MS, PEER, false);
            repeats.answered((now + takes) * MS, PEER, Index::from(number), true);
            repeats.sent((now + 500) * MS, PEER, false);
            took.push(repeats.next().unwrap() - (now + 500) * MS);
            repeats.clear();
        }
        assert_eq!(took, [160_000, 140_000, 122_500].map(Duration::from_micros));
    }

    #[test]
    fn what_went_down_with_its_connection_is_sent_again_at_once_and_once() {
        let mut repeats = repeats();
        repeats.sent(Duration::ZERO, PEER, false);
        assert!(due(&mut repeats, 1, Outbound::Lost));
        repeats.sent(MS, PEER, false);
        assert!(!due(&mut repeats, 2, Outbound::Waiting));
    }

    #[test]
    fn a_peer_that_returns_from_a_silence_need_not_wait() {
        let mut repeats = repeats();
        repeats.answered(Duration::ZERO, PEER, 0, false);
        repeats.sent(Duration::ZERO, PEER, false);
        for copy in [20, 60, 140] {
            assert!(due(&mut repeats, copy, Outbound::Left(Duration::ZERO)));
            repeats.sent(copy * MS, PEER, false);
        }
        assert_eq!(repeats.next(), Some(300 * MS));
        repeats.answered(150 * MS, PEER, 0, false);
        assert!(!due(&mut repeats, 150, Outbound::Left(140 * MS)), "the last copy may arrive");
        assert!(due(&mut repeats, 160, Outbound::Left(140 * MS)));
    }

    #[test]
    fn how_long_an_image_takes_says_nothing_of_entries() {
        let mut repeats = repeats();
        repeats.sent(Duration::ZERO, PEER, true);
        repeats.answered(10_000 * MS, PEER, 9, true);
        repeats.sent(10_000 * MS, PEER, false);
        assert_eq!(repeats.next(), Some(10_020 * MS));
    }

    #[test]
    fn who_has_all_or_does_not_lead_repeats_nothing() {
        let mut repeats = repeats();
        repeats.sent(Duration::ZERO, PEER, false);
        repeats.answered(MS, PEER, 0, true);
        assert_eq!(repeats.next(), None);
        repeats.sent(2 * MS, PEER, false);
        repeats.clear();
        assert_eq!(repeats.next(), None);
        assert!(!due(&mut repeats, 500, Outbound::Lost));
    }
}
