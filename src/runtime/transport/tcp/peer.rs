//! What is known of a peer by its connections.

use crate::runtime::std;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::complaints::Said;
use super::handshake::Channel;
use super::hub::Connection;
use crate::runtime::machinery::sync::{Mutex, lock};

/// What is known of a peer by its connections, for the most part by the incoming ones.
#[derive(Default)]
pub(super) struct Peer {
    messages: Mutex<Option<Current>>,
    parcels: Mutex<Option<Current>>,
    /// How often it has connected for messages.
    arrivals: AtomicU64,
    /// The version that was spoken with it at last, in either direction; 0 for none.
    version: AtomicU8,
    /// The run that it said at last; 0 for none.
    run: AtomicU64,
    pub(super) said: Mutex<Said>,
}

/// An incoming connection.
pub(super) struct Current {
    pub(super) connection: Connection,
    /// The run of the peer that made it.
    pub(super) run: u64,
    /// Where to note what is heard on it.
    pub(super) heard: Arc<Heard>,
}

impl Peer {
    pub(super) fn current(&self, channel: Channel) -> &Mutex<Option<Current>> {
        match channel {
            Channel::Messages => &self.messages,
            Channel::Parcels => &self.parcels,
        }
    }

    /// For how long nothing has arrived on its current connection; for ever without one.
    pub(super) fn quiet(&self, channel: Channel) -> Duration {
        let current = lock(self.current(channel));
        current.as_ref().map_or(Duration::MAX, |current| current.heard.silence())
    }

    /// The version that was spoken with the peer at last, if any.
    pub(super) fn version(&self) -> Option<u8> {
        Some(self.version.load(Ordering::Acquire)).filter(|&version| version != 0)
    }

    pub(super) fn speaks(&self, version: u8) {
        self.version.store(version, Ordering::Release);
    }

    /// It has connected for messages, in its run `run`.
    pub(super) fn arrives(&self, run: u64) {
        self.run.store(run, Ordering::Release);
        self.arrivals.fetch_add(1, Ordering::Release);
    }

    /// How often the peer has connected.
    pub(super) fn arrivals(&self) -> u64 {
        self.arrivals.load(Ordering::Acquire)
    }

    /// The run that the peer said at its last arrival.
    pub(super) fn run(&self) -> Option<u64> {
        Some(self.run.load(Ordering::Acquire)).filter(|&run| run != 0)
    }
}

/// When something arrived last on a connection.
pub(super) struct Heard {
    opened: Instant,
    /// In nanoseconds since then.
    last: AtomicU64,
}

impl Heard {
    pub(super) fn new() -> Self {
        Heard { opened: Instant::now(), last: AtomicU64::new(0) }
    }

    pub(super) fn something(&self) {
        let now = u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// For how long nothing has arrived.
    fn silence(&self) -> Duration {
        let last = Duration::from_nanos(self.last.load(Ordering::Relaxed));
        self.opened.elapsed().saturating_sub(last)
    }
}
