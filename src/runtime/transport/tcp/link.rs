//! The way of messages to one peer.

use crate::runtime::std;

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::slice;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;

#[cfg(any(target_os = "android", target_os = "linux"))]
use socket2::SockRef;

use super::Shared;
use super::dialer::{Dialer, Open};
use super::handshake::Channel;
use super::messages::{self, PIECE};
use crate::figure2::{Entry, Message, ServerId};
use crate::runtime::machinery::log;
use crate::runtime::transport::{Link, is_urgent};

/// How many entries, and bytes of commands, a message has at most that is sent at once.
const FEW: usize = 16;
const SHORT: usize = 4096;

/// A buffer that was needed for more than this is given back.
const KEEP: usize = 1024 * 1024;

/// The way of messages to one peer. Connects when it is new and when there is something to send;
/// while it cannot, what is to be sent is lost, which Raft repeats better than a queue would.
pub(super) struct TcpLink {
    dialer: Dialer,
    open: Option<Open>,
    /// How often it was opened.
    connections: u64,
    /// How often the peer had connected to this node when this link looked last.
    arrivals: u64,
    unsent: Unsent,
}

impl TcpLink {
    pub(super) fn new(shared: Arc<Shared>, peer: ServerId, address: String) -> Self {
        TcpLink {
            dialer: Dialer::new(shared, Channel::Messages, peer, address),
            open: None,
            connections: 0,
            arrivals: 0,
            unsent: Unsent::default(),
        }
    }

    /// Whether the peer has connected to this node since the link looked last.
    fn has_news(&self) -> bool {
        self.dialer.known.arrivals() != self.arrivals
    }

    /// A peer that connects is there, so it is worth an attempt; and if this link leads nowhere
    /// any more, or to another run than the peer's, it is given up.
    fn look(&mut self) {
        if !self.has_news() {
            return;
        }
        self.arrivals = self.dialer.known.arrivals();
        self.dialer.hurry();
        let run = self.dialer.known.run();
        let Some(open) = &self.open else { return };
        let started_anew = run.is_some_and(|run| open.met.run != run);
        if started_anew {
            log::info!(peer = %self.dialer.peer, "the peer has started anew: connecting again");
        }
        if started_anew || !self.dialer.holds(open) {
            self.close();
        }
    }

    fn connect(&mut self) {
        if self.open.is_none() {
            self.open = self.dialer.connect();
            self.connections += u64::from(self.open.is_some());
        }
    }

    fn disconnect(&mut self, error: &io::Error) {
        if self.open.is_some() {
            self.dialer.complain(error);
        }
        self.close();
    }

    fn close(&mut self) {
        self.unsent.clear();
        self.dialer.close(self.open.take());
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
        let Some(version) = self.version() else { return Ok(0) };
        let mut bytes = 0;
        self.add(&first);
        for message in rest {
            let large = self.add_one(&message).unwrap_or_default();
            let count = large.len().div_ceil(PIECE);
            for (number, piece) in large.chunks(PIECE).enumerate() {
                // What came while the last piece went, or the message was put into bytes.
                self.add(&urgent());
                let is_last = number + 1 == count;
                messages::write_piece(&mut self.unsent.bytes, version, piece, is_last)
                    .map_err(io::Error::other)?;
                bytes += self.flush()?;
            }
            bytes += self.flush()?;
            self.add(&urgent());
        }
        Ok(bytes + self.flush()?)
    }

    /// The version that is spoken on the connection, if there is one.
    fn version(&self) -> Option<u8> {
        self.open.as_ref().map(|open| open.met.version)
    }

    fn add(&mut self, messages: &[Message]) {
        for message in messages {
            let large = self.add_one(message);
            debug_assert!(large.is_none(), "an urgent message is small");
        }
    }

    /// Adds a message to what is to be sent; if it has to go in pieces, returns its bytes.
    fn add_one(&mut self, message: &Message) -> Option<Vec<u8>> {
        let (version, longest) = (self.version()?, self.dialer.shared.max_frame);
        match messages::write(&mut self.unsent.bytes, version, message, longest) {
            Ok(large) => large,
            Err(error) => {
                if self.dialer.said.is_new(error.to_string()) {
                    log::error!(peer = %self.dialer.peer, %error, "message not sent");
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
                // What follows may be long in coming, and the peer hears from this call on who is here.
                self.connect();
                0
            }
        }
    }

    fn connections(&self) -> u64 {
        self.connections
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
                Err(Some(message))
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
fn write_now(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match send_now(socket, bytes) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(0)
        }
        result => result,
    }
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn send_now(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    SockRef::from(socket).send_with_flags(bytes, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
}

/// Two system calls more.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn send_now(mut socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    socket.set_nonblocking(true)?;
    let written = socket.write(bytes);
    socket.set_nonblocking(false)?;
    written
}

impl Drop for TcpLink {
    fn drop(&mut self) {
        self.dialer.close(self.open.take());
    }
}
