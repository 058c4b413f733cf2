//! The outgoing connection to one peer.

use crate::runtime::std;

use std::boxed::Box;
use std::io::{self, ErrorKind, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::string::String;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::vec::Vec;

use super::Shared;
use super::frame::{self, Breach};
use super::handshake;
use super::hub::Connection;
use super::security::Stream;
use crate::figure2::{Entry, Message, ServerId};
use crate::runtime::transport::Link;

/// How long to wait for a connection to be accepted.
const CONNECT: Duration = Duration::from_millis(500);

/// How long a peer may keep a handshake or a write waiting before the connection counts as
/// dead.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// How many entries, and bytes of commands, a message has at most that is sent at once.
const FEW: usize = 16;
const SHORT: usize = 4096;

const FIRST_BACKOFF: Duration = Duration::from_millis(20);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// The way to one peer. Connects when there is something to send; while it cannot, what is to
/// be sent is lost, which Raft repeats better than a queue would.
pub(super) struct TcpLink {
    shared: Arc<Shared>,
    peer: ServerId,
    /// Host and port.
    address: String,
    open: Option<Open>,
    backoff: Duration,
    not_before: Option<Instant>,
    unsent: Unsent,
}

struct Open {
    connection: Connection,
    stream: Box<dyn Stream>,
}

impl TcpLink {
    pub(super) fn new(shared: Arc<Shared>, peer: ServerId, address: String) -> Self {
        TcpLink {
            shared,
            peer,
            address,
            open: None,
            backoff: Duration::ZERO,
            not_before: None,
            unsent: Unsent::default(),
        }
    }

    /// Connects, unless the last attempt failed a short time ago.
    fn connect(&mut self) {
        let early = self.not_before.is_some_and(|at| Instant::now() < at);
        if self.open.is_some() || early || self.shared.hub.is_closed() {
            return;
        }
        match self.try_connect() {
            Ok(open) => {
                tracing::info!(peer = %self.peer, address = self.address, "connected");
                self.open = Some(open);
                self.backoff = Duration::ZERO;
            }
            Err(breach) => {
                // One line when a peer goes away, not one for each attempt.
                let known = !self.backoff.is_zero();
                let (peer, address) = (self.peer, &self.address);
                match known {
                    true => tracing::debug!(%peer, address, error = %breach, "cannot connect"),
                    false => tracing::warn!(%peer, address, error = %breach, "cannot connect"),
                }
                self.backoff = (self.backoff * 2).clamp(FIRST_BACKOFF, LONGEST_BACKOFF);
                self.not_before = Some(Instant::now() + self.backoff);
            }
        }
    }

    fn try_connect(&self) -> Result<Open, Breach> {
        let stream = dial(&self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let closed = || io::Error::new(ErrorKind::NotConnected, "this node shuts down");
        let connection = self.shared.hub.add(&stream).ok_or_else(closed)?;
        let name = self.shared.names.get(&self.peer).map_or("", String::as_str);
        let introduced = self.shared.security.connect(stream, name).map_err(Breach::from);
        let introduced = introduced.and_then(|mut stream| {
            handshake::introduce(&mut *stream, &self.shared, self.peer)?;
            Ok(Open { connection, stream })
        });
        if introduced.is_err() {
            self.shared.hub.remove(connection);
        }
        introduced
    }

    fn disconnect(&mut self, error: &io::Error) {
        self.unsent.clear();
        if let Some(open) = self.open.take() {
            if !self.shared.hub.is_closed() {
                tracing::warn!(peer = %self.peer, %error, "connection lost");
            }
            self.shared.hub.remove(open.connection);
        }
    }
}

/// Tries every address of a host.
fn dial(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the host has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Link for TcpLink {
    fn send(&mut self, messages: Vec<Message>) -> u64 {
        self.connect();
        let TcpLink { open: Some(open), unsent, shared, peer, .. } = self else { return 0 };
        unsent.add(&messages, *peer, shared.max_frame);
        match open.stream.write_all(unsent.rest()).and_then(|()| open.stream.flush()) {
            Ok(()) => unsent.clear(),
            Err(error) => {
                self.disconnect(&error);
                0
            }
        }
    }

    fn try_send(&mut self, messages: Vec<Message>) -> Result<u64, Vec<Message>> {
        let TcpLink { open: Some(open), unsent, shared, peer, .. } = self else {
            return Err(messages);
        };
        let Some(socket) = open.stream.socket() else { return Err(messages) };
        if !unsent.rest().is_empty() || !messages.iter().all(is_small) {
            return Err(messages);
        }
        unsent.add(&messages, *peer, shared.max_frame);
        match write_now(socket, unsent.rest()) {
            Ok(written) => {
                unsent.written += written;
                if unsent.rest().is_empty() { Ok(unsent.clear()) } else { Err(Vec::new()) }
            }
            Err(error) => {
                self.disconnect(&error);
                Ok(0)
            }
        }
    }
}

/// Frames on their way into the socket.
#[derive(Default)]
struct Unsent {
    bytes: Vec<u8>,
    /// How many of the bytes are written.
    written: usize,
}

impl Unsent {
    fn add(&mut self, messages: &[Message], peer: ServerId, max_frame: usize) {
        for message in messages {
            if let Err(error) = frame::write(&mut self.bytes, message, max_frame) {
                tracing::error!(%peer, %error, "message not sent");
            }
        }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Forgets the frames; returns how many bytes they had.
    fn clear(&mut self) -> u64 {
        let bytes = self.bytes.len();
        self.bytes.clear();
        self.written = 0;
        bytes as u64
    }
}

/// Whether the frame of a message takes no time to make.
fn is_small(message: &Message) -> bool {
    match message {
        Message::AppendEntries(request) => {
            let entries = &request.entries;
            entries.len() <= FEW && entries.iter().map(Entry::bytes).sum::<usize>() <= SHORT
        }
        Message::RequestVote(_) | Message::RequestVoteReply(_) | Message::AppendEntriesReply(_) => {
            true
        }
    }
}

/// Writes as much as the system takes without waiting.
fn write_now(mut socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    socket.set_nonblocking(true)?;
    let written = match socket.write(bytes) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
        result => result?,
    };
    socket.set_nonblocking(false)?;
    Ok(written)
}

impl Drop for TcpLink {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            self.shared.hub.remove(open.connection);
        }
    }
}
