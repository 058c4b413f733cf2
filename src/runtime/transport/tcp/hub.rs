//! The open connections of one node, so that each can be closed from outside.

use crate::runtime::std;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::vec::Vec;

use super::complaints::Said;
use super::handshake::{Channel, Met};
use super::security::HANDSHAKE;
use crate::figure2::ServerId;
use crate::runtime::machinery::log;
use crate::runtime::machinery::sync::{Condvar, Mutex, lock};

/// How many incoming connections may be in their handshake at once. One more, and the oldest is
/// closed: strangers that say nothing keep no peer out.
const STRANGERS: usize = 32;

/// Names an open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Connection(u64);

#[derive(Default)]
pub(super) struct Hub {
    state: Mutex<State>,
    /// An incoming connection of a peer has ended.
    left: Condvar,
}

#[derive(Default)]
struct State {
    closed: bool,
    next: u64,
    streams: BTreeMap<Connection, TcpStream>,
    strangers: VecDeque<Connection>,
    peers: BTreeMap<ServerId, Arc<Peer>>,
    /// The newest connection to each peer, for each channel.
    outgoing: BTreeMap<(ServerId, Channel), Connection>,
    readers: Vec<JoinHandle<()>>,
}

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

/// An incoming connection, and where to note what is heard on it.
type Current = (Connection, Arc<Heard>);

impl Peer {
    fn current(&self, channel: Channel) -> &Mutex<Option<Current>> {
        match channel {
            Channel::Messages => &self.messages,
            Channel::Parcels => &self.parcels,
        }
    }

    /// The version that was spoken with the peer at last, if any.
    pub(super) fn version(&self) -> Option<u8> {
        Some(self.version.load(Ordering::Acquire)).filter(|&version| version != 0)
    }

    pub(super) fn speaks(&self, version: u8) {
        self.version.store(version, Ordering::Release);
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
    fn new() -> Self {
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

impl Hub {
    /// Adds a connection; `None` if the transport is closed, or the stream is.
    pub(super) fn add(&self, stream: &TcpStream) -> Option<Connection> {
        let stream = stream.try_clone().ok()?;
        let mut state = lock(&self.state);
        if state.closed {
            return None;
        }
        let connection = Connection(state.next);
        state.next += 1;
        state.streams.insert(connection, stream);
        Some(connection)
    }

    /// Adds a connection to `peer`.
    pub(super) fn add_outgoing(
        &self,
        peer: ServerId,
        channel: Channel,
        stream: &TcpStream,
    ) -> Option<Connection> {
        let connection = self.add(stream)?;
        lock(&self.state).outgoing.insert((peer, channel), connection);
        Some(connection)
    }

    /// Closes what connections there are with `peer`, to it and from it.
    pub(super) fn disconnect(&self, peer: ServerId) {
        let mut state = lock(&self.state);
        let mut streams: Vec<TcpStream> = Vec::new();
        for channel in Channel::ALL {
            let known = state.peers.get(&peer);
            let incoming = known.and_then(|known| lock(known.current(channel)).take());
            let incoming = incoming.map(|(incoming, _)| incoming);
            let outgoing = state.outgoing.remove(&(peer, channel));
            let connections = [incoming, outgoing].into_iter().flatten();
            let found = connections.filter_map(|connection| state.streams.remove(&connection));
            streams.extend(found);
        }
        drop(state);
        self.left.notify_all();
        streams.into_iter().for_each(|stream| shut(Some(stream)));
    }

    /// Adds an incoming connection that has yet to say whose it is, and says whether another had
    /// to go for it.
    pub(super) fn add_stranger(&self, stream: &TcpStream) -> Option<(Connection, bool)> {
        let connection = self.add(stream)?;
        let mut state = lock(&self.state);
        state.strangers.push_back(connection);
        let crowded = state.strangers.len() > STRANGERS;
        let oldest = crowded.then(|| state.strangers.pop_front()).flatten();
        let oldest = oldest.and_then(|oldest| state.streams.remove(&oldest));
        drop(state);
        let one_went = oldest.is_some();
        shut(oldest);
        Some((connection, one_went))
    }

    /// What is known of `peer`.
    pub(super) fn peer(&self, peer: ServerId) -> Arc<Peer> {
        lock(&self.state).peers.entry(peer).or_default().clone()
    }

    /// Waits until `peer` has no other connection for this channel that was heard within
    /// `silence`, for half of a handshake at most; whether it has none then.
    pub(super) fn is_free(
        &self,
        connection: Connection,
        channel: Channel,
        peer: ServerId,
        silence: Duration,
    ) -> bool {
        let give_up = Instant::now() + HANDSHAKE / 2;
        let peer = self.peer(peer);
        let mut state = lock(&self.state);
        loop {
            if state.closed || !state.streams.contains_key(&connection) {
                return false;
            }
            let quiet = peer.quiet(channel);
            let Some(more) = silence.checked_sub(quiet).filter(|more| !more.is_zero()) else {
                return true;
            };
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.left.wait_timeout(state, more.min(left));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// An incoming connection turned out to be `met`'s, and takes the place of an earlier one,
    /// which is closed; but not if that was heard within `silence`. Returns where to note what is
    /// heard on it.
    pub(super) fn recognise(
        &self,
        connection: Connection,
        met: Met,
        silence: Duration,
    ) -> Option<Arc<Heard>> {
        let peer = self.peer(met.peer);
        let mut state = lock(&self.state);
        if peer.quiet(met.channel) < silence {
            return None;
        }
        state.strangers.retain(|&stranger| stranger != connection);
        let heard = Arc::new(Heard::new());
        let earlier = lock(peer.current(met.channel)).replace((connection, heard.clone()));
        let earlier = earlier.and_then(|(earlier, _)| state.streams.remove(&earlier));
        drop(state);
        shut(earlier);
        lock(&peer.said).clear();
        peer.speaks(met.version);
        if met.channel == Channel::Messages {
            peer.run.store(met.run, Ordering::Release);
            peer.arrivals.fetch_add(1, Ordering::Release);
        }
        Some(heard)
    }

    /// Forgets a connection that its owner closes.
    pub(super) fn remove(&self, connection: Connection) {
        let mut state = lock(&self.state);
        state.strangers.retain(|&stranger| stranger != connection);
        for peer in state.peers.values() {
            for channel in Channel::ALL {
                lock(peer.current(channel)).take_if(|(current, _)| *current == connection);
            }
        }
        let stream = state.streams.remove(&connection);
        drop(state);
        self.left.notify_all();
        shut(stream);
    }

    /// Whether the connection was not closed from this side.
    pub(super) fn holds(&self, connection: Connection) -> bool {
        lock(&self.state).streams.contains_key(&connection)
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// Remembers the thread of an incoming connection, to be joined at the end.
    pub(super) fn add_reader(&self, reader: JoinHandle<()>) {
        let mut state = lock(&self.state);
        state.readers.retain(|reader| !reader.is_finished());
        state.readers.push(reader);
    }

    /// Closes every connection, now and in the future.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        let streams = std::mem::take(&mut state.streams);
        drop(state);
        self.left.notify_all();
        streams.into_values().for_each(|stream| shut(Some(stream)));
    }

    pub(super) fn join(&self) {
        let readers = std::mem::take(&mut lock(&self.state).readers);
        for reader in readers {
            if reader.join().is_err() {
                log::error!("a reader of the TCP transport panicked");
            }
        }
    }
}

impl Peer {
    /// For how long nothing has arrived on its current connection; for ever without one.
    fn quiet(&self, channel: Channel) -> Duration {
        let current = lock(self.current(channel));
        current.as_ref().map_or(Duration::MAX, |(_, heard)| heard.silence())
    }
}

/// Ends a stream for all its clones, also for one that blocks in a read or a write.
fn shut(stream: Option<TcpStream>) {
    let result: io::Result<()> = stream.map_or(Ok(()), |stream| stream.shutdown(Shutdown::Both));
    if let Err(error) = result {
        log::trace!(%error, "closing a connection that was closed already");
    }
}
