//! The open connections of one node, so that each can be closed from outside.

use crate::runtime::std;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::thread::JoinHandle;
use std::vec::Vec;

use crate::figure2::ServerId;
use crate::runtime::sync::{Mutex, lock};

/// How many incoming connections may be in their handshake at once. One more, and the oldest is
/// closed: strangers that say nothing keep no peer out.
const STRANGERS: usize = 32;

/// Names an open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Connection(u64);

#[derive(Default)]
pub(super) struct Hub {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    closed: bool,
    next: u64,
    streams: BTreeMap<Connection, TcpStream>,
    strangers: VecDeque<Connection>,
    /// The incoming connection of each peer.
    peers: BTreeMap<ServerId, Connection>,
    readers: Vec<JoinHandle<()>>,
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

    /// Adds an incoming connection that has yet to say whose it is.
    pub(super) fn add_stranger(&self, stream: &TcpStream) -> Option<Connection> {
        let connection = self.add(stream)?;
        let mut state = lock(&self.state);
        state.strangers.push_back(connection);
        let crowded = state.strangers.len() > STRANGERS;
        let oldest = crowded.then(|| state.strangers.pop_front()).flatten();
        let oldest = oldest.and_then(|oldest| state.streams.remove(&oldest));
        drop(state);
        if oldest.is_some() {
            tracing::warn!("too many connections wait for their handshake: the oldest is closed");
        }
        shut(oldest);
        Some(connection)
    }

    /// An incoming connection turned out to be `peer`'s: an earlier one is dead, or soon will
    /// be, and is closed.
    pub(super) fn recognise(&self, connection: Connection, peer: ServerId) {
        let mut state = lock(&self.state);
        state.strangers.retain(|&stranger| stranger != connection);
        let earlier = state.peers.insert(peer, connection);
        let earlier = earlier.and_then(|earlier| state.streams.remove(&earlier));
        drop(state);
        shut(earlier);
    }

    /// Forgets a connection that its owner closes.
    pub(super) fn remove(&self, connection: Connection) {
        let mut state = lock(&self.state);
        state.strangers.retain(|&stranger| stranger != connection);
        state.peers.retain(|_, &mut current| current != connection);
        let stream = state.streams.remove(&connection);
        drop(state);
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
        streams.into_values().for_each(|stream| shut(Some(stream)));
    }

    pub(super) fn join(&self) {
        let readers = std::mem::take(&mut lock(&self.state).readers);
        for reader in readers {
            if reader.join().is_err() {
                tracing::error!("a reader of the TCP transport panicked");
            }
        }
    }
}

/// Ends a stream for all its clones, also for one that blocks in a read or a write.
fn shut(stream: Option<TcpStream>) {
    let result: io::Result<()> = stream.map_or(Ok(()), |stream| stream.shutdown(Shutdown::Both));
    if let Err(error) = result {
        tracing::trace!(%error, "closing a connection that was closed already");
    }
}
