//! The open connections of one node, so that each can be closed from outside.

use crate::runtime::std;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::vec::Vec;

use super::handshake::{Channel, Met};
use super::peer::{Current, Heard, Peer};
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
    outgoing: BTreeMap<(ServerId, Channel), Outgoing>,
    readers: Vec<JoinHandle<()>>,
}

/// What comes of an incoming connection of a peer.
pub(super) struct Recognised {
    /// Where to note what is heard on it.
    pub(super) heard: Arc<Heard>,
    /// Whether connections to the peer were given up.
    pub(super) renews: bool,
}

/// A connection to a peer.
struct Outgoing {
    connection: Connection,
    /// The run of the peer at its other end; none before the handshake is over.
    run: Option<u64>,
}

impl Outgoing {
    /// Whether it leads nowhere any more, by what an incoming connection of the peer shows: the
    /// peer has started anew since; or it has connected anew although this node never saw the end of
    /// its connection before, so that the way on which that was has broken, for both directions.
    ///
    /// A peer that connects anew because it gave up the connection before says so by closing it.
    /// So two nodes never make each other connect again and again: what one of them gives up
    /// here, it closes, and the other finds no earlier connection when the next one arrives.
    fn is_stale(&self, arrived: Connection, run: u64, earlier: Option<&Current>) -> bool {
        let is_of_run = self.run.is_none_or(|own| own == run);
        let way_broke = earlier.is_some_and(|earlier| earlier.run == run);
        !is_of_run || (way_broke && self.connection < arrived)
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
        let outgoing = Outgoing { connection, run: None };
        lock(&self.state).outgoing.insert((peer, channel), outgoing);
        Some(connection)
    }

    /// At the other end of a connection to `met.peer` is its run `met.run`.
    pub(super) fn reaches(&self, connection: Connection, met: Met) {
        let mut state = lock(&self.state);
        let outgoing = state.outgoing.get_mut(&(met.peer, met.channel));
        if let Some(outgoing) = outgoing.filter(|outgoing| outgoing.connection == connection) {
            outgoing.run = Some(met.run);
        }
    }

    /// Closes what connections there are with `peer`, to it and from it.
    pub(super) fn disconnect(&self, peer: ServerId) {
        let mut state = lock(&self.state);
        let mut streams: Vec<TcpStream> = Vec::new();
        for channel in Channel::ALL {
            let known = state.peers.get(&peer);
            let incoming = known.and_then(|known| lock(known.current(channel)).take());
            let incoming = incoming.map(|incoming| incoming.connection);
            let outgoing = state.outgoing.remove(&(peer, channel));
            let outgoing = outgoing.map(|outgoing| outgoing.connection);
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
    /// which is closed; but not if that was heard within `silence`. Connections to the peer that
    /// lead nowhere any more are closed, too, so that whoever is about to write to one dials anew.
    pub(super) fn recognise(
        &self,
        connection: Connection,
        met: Met,
        silence: Duration,
    ) -> Option<Recognised> {
        let peer = self.peer(met.peer);
        let mut state = lock(&self.state);
        if peer.quiet(met.channel) < silence {
            return None;
        }
        state.strangers.retain(|&stranger| stranger != connection);
        let heard = Arc::new(Heard::new());
        let current = Current { connection, run: met.run, heard: heard.clone() };
        let earlier = lock(peer.current(met.channel)).replace(current);
        let stale = match met.channel {
            Channel::Messages => state.take_stale(connection, met, earlier.as_ref()),
            Channel::Parcels => Vec::new(),
        };
        let earlier = earlier.and_then(|earlier| state.streams.remove(&earlier.connection));
        drop(state);
        shut(earlier);
        let renews = !stale.is_empty();
        stale.into_iter().for_each(|stream| shut(Some(stream)));
        lock(&peer.said).clear();
        peer.speaks(met.version);
        if met.channel == Channel::Messages {
            peer.arrives(met.run);
        }
        Some(Recognised { heard, renews })
    }

    /// Forgets a connection that its owner closes.
    pub(super) fn remove(&self, connection: Connection) {
        let mut state = lock(&self.state);
        state.strangers.retain(|&stranger| stranger != connection);
        for peer in state.peers.values() {
            for channel in Channel::ALL {
                lock(peer.current(channel)).take_if(|current| current.connection == connection);
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

impl State {
    /// Takes out the connections to `met.peer` that lead nowhere any more, now that it has `arrived`.
    fn take_stale(
        &mut self,
        arrived: Connection,
        met: Met,
        earlier: Option<&Current>,
    ) -> Vec<TcpStream> {
        let ways =
            Channel::ALL.iter().filter_map(|&channel| self.outgoing.get(&(met.peer, channel)));
        let stale = ways.filter(|outgoing| outgoing.is_stale(arrived, met.run, earlier));
        stale.filter_map(|outgoing| self.streams.remove(&outgoing.connection)).collect()
    }
}

/// Ends a stream for all its clones, also for one that blocks in a read or a write.
fn shut(stream: Option<TcpStream>) {
    let result: io::Result<()> = stream.map_or(Ok(()), |stream| stream.shutdown(Shutdown::Both));
    if let Err(error) = result {
        log::trace!(%error, "closing a connection that was closed already");
    }
}
