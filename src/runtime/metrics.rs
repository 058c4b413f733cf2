//! What a node counts, and the snapshot of it.

use crate::runtime::std;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::machinery::sync::{Mutex, lock};
use super::storage::Room;
use crate::driver::RoomLevel;
use crate::figure2::{Index, ServerId};

/// A snapshot of what a node has counted since it started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Elections that this server stood in.
    pub elections_started: u64,
    /// Elections that this server won.
    pub elections_won: u64,
    /// For each peer, what went there and came from there.
    pub peers: BTreeMap<ServerId, PeerMetrics>,
    /// How long it took to make a batch of records durable (append and sync), in nanoseconds.
    pub sync_nanoseconds: Distribution,
    /// How many commands entered the log in one step of a leader.
    pub proposal_batch: Distribution,
    /// How many records were made durable by one sync.
    pub sync_batch: Distribution,
    /// Proposals that wait for their answer.
    pub proposals_in_flight: usize,
    /// The bytes of their commands
    /// ([`NodeBuilder::max_in_flight_bytes`](super::NodeBuilder::max_in_flight_bytes)).
    pub bytes_in_flight: usize,
    /// Messages and proposals that wait for the server loop.
    pub inbox_depth: usize,
    /// The bytes that the entries of those messages take: 64 MiB at most, or one message.
    pub inbox_bytes: u64,
    /// Steps of the server that wait for the disk.
    pub gate_depth: usize,
    /// Whether an image of the state machine comes from a peer at present.
    pub image_coming: bool,
    /// How many committed entries the state machine has yet to apply.
    pub apply_lag: Index,
    /// The bytes of those entries.
    pub backlog_bytes: u64,
    /// How many messages with entries were not taken because of that backlog
    /// ([`NodeBuilder::max_backlog_bytes`](super::NodeBuilder::max_backlog_bytes)), or because there
    /// is no [room](Self::room) for entries; leaders send them again.
    pub appends_declined: u64,
    /// The bytes of the entries that were applied since the log's base: what a start applies
    /// again.
    pub log_bytes: u64,
    /// The greatest index behind which the state machine of this node was seen to be the same as
    /// those of a majority, by their digests; 0 if none was.
    pub digest_index: Index,
    /// Whether the state machines of all servers were seen to differ, with no majority that is
    /// the same.
    pub digests_differ: bool,
    /// How much room is left in the store, if it can tell.
    pub room: Option<Room>,
    /// What the node makes of that.
    pub room_level: RoomLevel,
    /// Whether an image of the state machine is written at present.
    pub image_being_written: bool,
    /// Whether the last one could not be written; the log says why.
    pub image_failed: bool,
    /// Images of the state machine that this node wrote.
    pub images_written: u64,
    /// How often its state machine was restored from one, the start included.
    pub images_restored: u64,
    /// The last image that was written or restored.
    pub image: Option<ImageMetrics>,
}

/// An image of the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageMetrics {
    /// The index of the last entry in it.
    pub last_index: Index,
    /// How many bytes it has.
    pub bytes: u64,
    /// When this node finished it; not known of one that was restored.
    pub finished: Option<SystemTime>,
}

/// What went to a peer and came from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerMetrics {
    /// Messages given to the transport.
    pub messages_sent: u64,
    /// Bytes that left, as the transport counts them; the memory network counts none.
    pub bytes_sent: u64,
    /// Messages dropped because too many newer ones waited.
    pub messages_dropped: u64,
    /// Messages that wait to be sent.
    pub outbox_depth: usize,
    /// Messages that arrived.
    pub messages_received: u64,
    /// Bytes that arrived, as the transport counts them.
    pub bytes_received: u64,
    /// Hellos of the peer that this node refused.
    pub hellos_refused: u64,
    /// Messages that no correct peer sends. They changed nothing.
    pub breaches: u64,
    /// How often the peer was seen to have lost what it had acknowledged to this leader.
    pub losses: u64,
    /// Images that were sent to the peer, to their last byte.
    pub images_sent: u64,
    /// Bytes of images that were sent, those that had to be sent again included.
    pub image_bytes_sent: u64,
    /// Images of which the peer sent the last byte, and that are whole and kept here.
    pub images_received: u64,
    /// Bytes of images that arrived, those that had arrived before included.
    pub image_bytes_received: u64,
    /// Whether an image travels to the peer at present.
    pub image_leaving: bool,
}

/// The spread of a measured quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Distribution {
    /// How often it was measured.
    pub count: u64,
    /// The sum of all measurements.
    pub sum: u64,
    /// The greatest measurement.
    pub max: u64,
    /// At position b, how many measurements lie from 2^(b-1) to 2^b - 1; at position 0, how
    /// many were 0. The last position also holds everything beyond it.
    pub buckets: [u64; BUCKETS],
}

/// How many buckets a [`Distribution`] has.
pub const BUCKETS: usize = 48;

impl Distribution {
    /// The mean; 0 without a measurement.
    pub fn mean(&self) -> u64 {
        self.sum.checked_div(self.count).unwrap_or(0)
    }

    /// A bound that the share `q` (0 to 1) of the measurements does not pass; at most twice
    /// the true quantile.
    pub fn quantile(&self, q: f64) -> u64 {
        let rank = (self.count as f64 * q).ceil() as u64;
        let mut seen = 0;
        for (position, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return ((1u64 << position) - 1).min(self.max);
            }
        }
        self.max
    }
}

pub(super) struct Histogram {
    sum: AtomicU64,
    max: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = std::array::from_fn(|_| AtomicU64::new(0));
        Histogram { sum: AtomicU64::new(0), max: AtomicU64::new(0), buckets }
    }
}

impl Histogram {
    pub(super) fn add(&self, value: u64) {
        let position = (u64::BITS - value.leading_zeros()) as usize;
        self.buckets[position.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
        self.max.fetch_max(value, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> Distribution {
        let buckets = std::array::from_fn(|b| self.buckets[b].load(Ordering::Relaxed));
        Distribution {
            count: buckets.iter().sum(),
            sum: self.sum.load(Ordering::Relaxed),
            max: self.max.load(Ordering::Relaxed),
            buckets,
        }
    }
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) elections_started: AtomicU64,
    pub(super) elections_won: AtomicU64,
    pub(super) sync_nanoseconds: Histogram,
    pub(super) proposal_batch: Histogram,
    pub(super) sync_batch: Histogram,
    pub(super) applied_index: AtomicU64,
    pub(super) backlog_bytes: AtomicU64,
    pub(super) appends_declined: AtomicU64,
    pub(super) log_bytes: AtomicU64,
    pub(super) digest_index: AtomicU64,
    pub(super) digests_differ: AtomicBool,
    pub(super) image_being_written: AtomicBool,
    pub(super) image_failed: AtomicBool,
    pub(super) images_written: AtomicU64,
    pub(super) images_restored: AtomicU64,
    image: Mutex<Option<ImageMetrics>>,
    pub(super) peers: BTreeMap<ServerId, Arc<PeerCounters>>,
}

impl Counters {
    pub(super) fn new(peers: impl IntoIterator<Item = ServerId>) -> Self {
        let peers = peers.into_iter().map(|peer| (peer, Arc::default())).collect();
        Counters { peers, ..Counters::default() }
    }

    /// The counters of a peer; of no use to anybody if it is none.
    pub(super) fn peer(&self, peer: ServerId) -> Arc<PeerCounters> {
        self.peers.get(&peer).cloned().unwrap_or_default()
    }

    pub(super) fn synced(&self, records: usize, took: Duration) {
        self.sync_batch.add(records as u64);
        self.sync_nanoseconds.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn digests_same(&self, index: Index) {
        self.digest_index.fetch_max(index, Ordering::Relaxed);
    }

    /// Whether that is new.
    pub(super) fn digests_differ(&self) -> bool {
        !self.digests_differ.swap(true, Ordering::Relaxed)
    }

    pub(super) fn image_begun(&self) {
        self.image_being_written.store(true, Ordering::Relaxed);
    }

    pub(super) fn image_ended(&self, failed: bool) {
        self.image_failed.store(failed, Ordering::Relaxed);
        self.image_being_written.store(false, Ordering::Relaxed);
    }

    pub(super) fn image_written(&self, image: ImageMetrics) {
        self.images_written.fetch_add(1, Ordering::Relaxed);
        *lock(&self.image) = Some(image);
    }

    pub(super) fn image_restored(&self, last_index: Index, bytes: u64) {
        self.images_restored.fetch_add(1, Ordering::Relaxed);
        *lock(&self.image) = Some(ImageMetrics { last_index, bytes, finished: None });
    }

    pub(super) fn image(&self) -> Option<ImageMetrics> {
        *lock(&self.image)
    }

    pub(super) fn refused(&self, peer: ServerId) {
        if let Some(peer) = self.peers.get(&peer) {
            peer.hellos_refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn breached(&self, peer: ServerId) {
        if let Some(peer) = self.peers.get(&peer) {
            peer.breaches.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn lost(&self, peer: ServerId) {
        if let Some(peer) = self.peers.get(&peer) {
            peer.losses.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn received(&self, from: ServerId, bytes: u64) {
        if let Some(peer) = self.peers.get(&from) {
            peer.messages_received.fetch_add(1, Ordering::Relaxed);
            peer.bytes_received.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

#[derive(Default)]
pub(super) struct PeerCounters {
    messages_sent: AtomicU64,
    bytes_sent: AtomicU64,
    messages_dropped: AtomicU64,
    messages_received: AtomicU64,
    bytes_received: AtomicU64,
    hellos_refused: AtomicU64,
    breaches: AtomicU64,
    losses: AtomicU64,
    images_sent: AtomicU64,
    image_bytes_sent: AtomicU64,
    images_received: AtomicU64,
    image_bytes_received: AtomicU64,
}

impl PeerCounters {
    /// A part of an image went to the peer.
    pub(super) fn image_sent(&self, bytes: u64, is_last: bool) {
        self.image_bytes_sent.fetch_add(bytes, Ordering::Relaxed);
        self.images_sent.fetch_add(u64::from(is_last), Ordering::Relaxed);
    }

    /// A part of an image came from the peer.
    pub(super) fn image_received(&self, bytes: u64, is_last: bool) {
        self.image_bytes_received.fetch_add(bytes, Ordering::Relaxed);
        self.images_received.fetch_add(u64::from(is_last), Ordering::Relaxed);
    }

    pub(super) fn sent(&self, messages: usize, bytes: u64) {
        self.messages_sent.fetch_add(messages as u64, Ordering::Relaxed);
        self.bytes_sent.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self, messages: usize) {
        self.messages_dropped.fetch_add(messages as u64, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self, outbox_depth: usize, image_leaving: bool) -> PeerMetrics {
        PeerMetrics {
            messages_sent: self.messages_sent.load(Ordering::Relaxed),
            bytes_sent: self.bytes_sent.load(Ordering::Relaxed),
            messages_dropped: self.messages_dropped.load(Ordering::Relaxed),
            outbox_depth,
            messages_received: self.messages_received.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
            hellos_refused: self.hellos_refused.load(Ordering::Relaxed),
            breaches: self.breaches.load(Ordering::Relaxed),
            losses: self.losses.load(Ordering::Relaxed),
            images_sent: self.images_sent.load(Ordering::Relaxed),
            image_bytes_sent: self.image_bytes_sent.load(Ordering::Relaxed),
            images_received: self.images_received.load(Ordering::Relaxed),
            image_bytes_received: self.image_bytes_received.load(Ordering::Relaxed),
            image_leaving,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_bound_what_was_measured() {
        let histogram = Histogram::default();
        (0..=1000).for_each(|value| histogram.add(value));
        let distribution = histogram.snapshot();
        assert_eq!((distribution.count, distribution.max, distribution.mean()), (1001, 1000, 500));
        assert_eq!(distribution.buckets[0], 1);
        assert_eq!(distribution.buckets[10], 1000 - 511);
        assert!((500..=1000).contains(&distribution.quantile(0.5)));
        assert_eq!(distribution.quantile(1.0), 1000);
        assert_eq!(Histogram::default().snapshot().quantile(0.9), 0);
    }
}
