//! What happened at the port for peers.

use crate::runtime::std;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a [`TcpTransport`](super::TcpTransport) counts. Clones show the same counters, also once
/// the transport belongs to a node.
#[derive(Clone, Debug, Default)]
pub struct TcpCounters(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicU64,
    renewed: AtomicU64,
    strangers: AtomicU64,
    peers_refused: AtomicU64,
    crowded_out: AtomicU64,
    breaches: AtomicU64,
    lines_spared: AtomicU64,
}

/// A snapshot of what happened at the port where peers connect, since the transport was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpMetrics {
    /// Connections of peers that were accepted, by both ends.
    pub accepted: u64,
    /// How often connections to a peer were given up, and made anew, because one that came from it
    /// showed that they lead nowhere any more.
    pub renewed: u64,
    /// Connections closed before it was known who is there, or because it is nobody of this
    /// cluster.
    pub strangers: u64,
    /// Connections closed because this node or the peer's refused the other, or because the peer
    /// was connected already.
    pub peers_refused: u64,
    /// Connections closed because too many others waited for their handshake. Each of them
    /// counts among the strangers, too.
    pub crowded_out: u64,
    /// Connections of peers that broke, or were closed because of what arrived on them.
    pub breaches: u64,
    /// Lines that the log was spared because they were like others.
    pub lines_spared: u64,
}

impl TcpCounters {
    /// What was counted until now.
    pub fn snapshot(&self) -> TcpMetrics {
        let Counters {
            accepted,
            renewed,
            strangers,
            peers_refused,
            crowded_out,
            breaches,
            lines_spared,
        } = &*self.0;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TcpMetrics {
            accepted: get(accepted),
            renewed: get(renewed),
            strangers: get(strangers),
            peers_refused: get(peers_refused),
            crowded_out: get(crowded_out),
            breaches: get(breaches),
            lines_spared: get(lines_spared),
        }
    }

    pub(super) fn accepted(&self) {
        self.0.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn renewed(&self) {
        self.0.renewed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stranger(&self) {
        self.0.strangers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn peer_refused(&self) {
        self.0.peers_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn crowded_out(&self) {
        self.0.crowded_out.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn breach(&self) {
        self.0.breaches.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn line_spared(&self) {
        self.0.lines_spared.fetch_add(1, Ordering::Relaxed);
    }
}
