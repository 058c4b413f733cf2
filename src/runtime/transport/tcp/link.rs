//! The outgoing connection to one peer.

use crate::runtime::std;

use std::boxed::Box;
use std::io::{self, ErrorKind, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::slice;
use std::string::{String, ToString};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::vec::Vec;

use super::Shared;
use super::breach::Breach;
use super::complaints::Said;
use super::handshake::{self, Met};
use super::hub::{Connection, Peer};
use super::messages::{self, PIECE};
use super::security::Stream;
use crate::figure2::{Entry, Message, ServerId};
use crate::runtime::machinery::log;
use crate::runtime::transport::{Inbox, Link, is_urgent};

/// How long to wait at most for a connection to be accepted.
const CONNECT: Duration = Duration::from_millis(500);

/// How many entries, and bytes of commands, a message has at most that is sent at once.
const FEW: usize = 16;
const SHORT: usize = 4096;

/// How long to wait at most between two attempts to connect.
const FIRST_BACKOFF: Duration = Duration::from_millis(20);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// How often in a row a peer that has spoken a newer version may close without an answer before
/// it is taken for one that was downgraded.
const UNANSWERED: u32 = 3;

/// A buffer that was needed for more than this is given back.
const KEEP: usize = 1024 * 1024;

/// The way to one peer. Connects when it is new and when there is something to send; while it
/// cannot, what is to be sent is lost, which Raft repeats better than a queue would.
///
/// A peer that returns must be reached before it loses its patience. So attempts are at most a
/// quarter of that apart, none waits longer than half of it for the system to connect, and a
/// peer that connects to this node is tried at once.
pub(super) struct TcpLink {
    shared: Arc<Shared>,
    peer: ServerId,
    /// Host and port.
    address: String,
    open: Option<Open>,
    backoff: Duration,
    not_before: Option<Instant>,
    /// How the peer connects to this node, and how often it had when this link looked last.
    incoming: Arc<Peer>,
    arrivals: u64,
    /// How often in a row the peer closed without an answer; none once it has spoken a newer
    /// version than 1.
    unanswered: u32,
    spoke_newer: bool,
    said: Said,
    unsent: Unsent,
}

struct Open {
    connection: Connection,
    stream: Box<dyn Stream>,
    met: Met,
}

impl TcpLink {
    pub(super) fn new(shared: Arc<Shared>, peer: ServerId, address: String) -> Self {
        TcpLink {
            incoming: shared.hub.peer(peer),
            shared,
            peer,
            address,
            open: None,
            backoff: Duration::ZERO,
            not_before: None,
            arrivals: 0,
            unanswered: 0,
            spoke_newer: false,
            said: Said::default(),
            unsent: Unsent::default(),
        }
    }

    /// Whether the peer has connected to this node since the link looked last.
    fn has_news(&self) -> bool {
        self.incoming.arrivals() != self.arrivals
    }

    /// A peer that connects is there, so it is worth an attempt; and if it is another run than
    /// the one at the other end of this link, or speaks a newer version, this link leads nowhere.
    fn look(&mut self) {
        if !self.has_news() {
            return;
        }
        self.arrivals = self.incoming.arrivals();
        self.not_before = None;
        let run = self.incoming.run();
        if run.is_some() && self.open.as_ref().is_some_and(|open| open.met.run != run) {
            log::info!(peer = %self.peer, "the peer has started anew: connecting again");
            self.close();
        }
    }

    /// Connects, unless the last attempt failed a short time ago.
    fn connect(&mut self) {
        let early = self.not_before.is_some_and(|at| Instant::now() < at);
        if self.open.is_some() || early || self.shared.hub.is_closed() {
            return;
        }
        let Some(inbox) = self.shared.inbox() else {
            log::error!(peer = %self.peer, "nothing is sent before the transport has started");
            return;
        };
        match self.try_versions(&inbox) {
            Ok(open) => {
                let (peer, address, version) = (self.peer, &self.address, open.met.version);
                log::info!(%peer, address, version, "connected");
                self.open = Some(open);
                self.backoff = Duration::ZERO;
                self.said.clear();
            }
            Err(breach) => {
                // One line when something goes wrong, not one for each attempt.
                let new = self.said.is_new(breach.to_string());
                let (peer, address) = (self.peer, &self.address);
                match new {
                    true => log::warn!(%peer, address, error = %breach, "cannot connect"),
                    false => log::debug!(%peer, address, error = %breach, "cannot connect"),
                }
                let longest = LONGEST_BACKOFF.min(inbox.patience() / 4);
                self.backoff = (self.backoff * 2).clamp(FIRST_BACKOFF.min(longest), longest);
                self.not_before = Some(Instant::now() + self.backoff);
            }
        }
    }

    /// Speaks the newest version, and version 1 if the peer seems to know no other.
    fn try_versions(&mut self, inbox: &Inbox) -> Result<Open, Breach> {
        match self.try_connect(inbox, handshake::introduce) {
            Ok(open) => {
                self.unanswered = 0;
                self.spoke_newer = true;
                Ok(open)
            }
            Err(Breach::Unanswered) => {
                self.unanswered = self.unanswered.saturating_add(1);
                if self.spoke_newer && self.unanswered < UNANSWERED {
                    return Err(Breach::Unanswered);
                }
                self.try_connect(inbox, handshake::introduce_as_version_1)
            }
            Err(breach) => Err(breach),
        }
    }

    fn try_connect(
        &self,
        inbox: &Inbox,
        introduce: impl FnOnce(&mut dyn Stream, &Shared, &Inbox, ServerId) -> Result<Met, Breach>,
    ) -> Result<Open, Breach> {
        let stream = dial(&self.address, CONNECT.min(inbox.patience() / 2))?;
        let closed = || io::Error::new(ErrorKind::NotConnected, "this node shuts down");
        let connection = self.shared.hub.add_outgoing(self.peer, &stream).ok_or_else(closed)?;
        let name = self.shared.names.get(&self.peer).map_or("", String::as_str);
        let greet = || -> Result<Open, Breach> {
            let mut stream = self.shared.security.connect(stream, name)?;
            let met = introduce(&mut *stream, &self.shared, inbox, self.peer)?;
            stream.settle()?;
            Ok(Open { connection, stream, met })
        };
        let greeted = greet().map_err(Breach::in_handshake);
        if greeted.is_err() {
            self.shared.hub.remove(connection);
        }
        greeted
    }

    fn disconnect(&mut self, error: &io::Error) {
        if self.open.is_some() && !self.shared.hub.is_closed() {
            log::warn!(peer = %self.peer, %error, "connection lost");
        }
        self.close();
    }

    fn close(&mut self) {
        self.unsent.clear();
        if let Some(open) = self.open.take() {
            self.shared.hub.remove(open.connection);
        }
    }

    /// Sends what is urgent first, and then the rest, with what `urgent` gives between.
    fn send_all(
        &mut self,
        messages: Vec<Message>,
        urgent: &mut dyn FnMut() -> Vec<Message>,
    ) -> io::Result<u64> {
        let (first, rest): (Vec<_>, Vec<_>) = match messages.iter().all(is_small) {
            true => (messages, Vec::new()),
            false => messages.into_iter().partition(is_urgent),
        };
        let mut bytes = 0;
        self.add(&first);
        for message in rest {
            let large = self.add_one(&message).unwrap_or_default();
            let count = large.len().div_ceil(PIECE);
            for (number, piece) in large.chunks(PIECE).enumerate() {
                // What came while the last piece went, or the message was put into bytes.
                self.add(&urgent());
                let is_last = number + 1 == count;
                messages::write_piece(&mut self.unsent.bytes, piece, is_last)
                    .map_err(io::Error::other)?;
                bytes += self.flush()?;
            }
            bytes += self.flush()?;
            self.add(&urgent());
        }
        Ok(bytes + self.flush()?)
    }

    fn add(&mut self, messages: &[Message]) {
        for message in messages {
            let large = self.add_one(message);
            debug_assert!(large.is_none(), "an urgent message is small");
        }
    }

    /// Adds a message to what is to be sent; if it has to go in pieces, returns its bytes.
    fn add_one(&mut self, message: &Message) -> Option<Vec<u8>> {
        let version = self.open.as_ref()?.met.version;
        match messages::write(&mut self.unsent.bytes, version, message, self.shared.max_frame) {
            Ok(large) => large,
            Err(error) => {
                if self.said.is_new(error.to_string()) {
                    log::error!(peer = %self.peer, %error, "message not sent");
                }
                None
            }
        }
    }

    /// Writes all that is to be sent; returns how many bytes it was.
    fn flush(&mut self) -> io::Result<u64> {
        let Some(open) = &mut self.open else { return Ok(0) };
        open.stream.write_all(self.unsent.rest())?;
        open.stream.flush()?;
        Ok(self.unsent.clear())
    }
}

/// Tries every address of a host, each for `patience` at most.
fn dial(address: &str, patience: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the host has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, patience) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Link for TcpLink {
    fn send(&mut self, messages: Vec<Message>) -> u64 {
        self.send_letting_pass(messages, &mut Vec::new)
    }

    fn send_letting_pass(
        &mut self,
        messages: Vec<Message>,
        urgent: &mut dyn FnMut() -> Vec<Message>,
    ) -> u64 {
        self.look();
        self.connect();
        if self.open.is_none() {
            return 0;
        }
        match self.send_all(messages, urgent) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.disconnect(&error);
                0
            }
        }
    }

    fn try_send(&mut self, message: Message) -> Result<u64, Option<Message>> {
        let may_be_long = !self.unsent.rest().is_empty() || !is_small(&message);
        if self.has_news() || may_be_long {
            return Err(Some(message));
        }
        if self.open.as_ref().and_then(|open| open.stream.socket()).is_none() {
            return Err(Some(message));
        }
        self.add(slice::from_ref(&message));
        let TcpLink { open: Some(open), unsent, .. } = self else { return Err(Some(message)) };
        let Some(socket) = open.stream.socket() else { return Err(Some(message)) };
        match write_now(socket, unsent.rest()) {
            Ok(written) => {
                unsent.written += written;
                if unsent.rest().is_empty() { Ok(unsent.clear()) } else { Err(None) }
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
    fn rest(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Forgets the frames; returns how many bytes they had.
    fn clear(&mut self) -> u64 {
        let bytes = self.bytes.len();
        self.bytes.clear();
        self.bytes.shrink_to(KEEP);
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
        Message::RequestVote(_)
        | Message::RequestVoteReply(_)
        | Message::AppendEntriesReply(_)
        | Message::InstallSnapshot(_) => true,
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
