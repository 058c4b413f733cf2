//! What connects to one peer, for one channel.

use crate::runtime::std;

use std::boxed::Box;
use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
use std::string::{String, ToString};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Shared;
use super::breach::Breach;
use super::complaints::Said;
use super::handshake::{self, Channel, Met};
use super::hub::Connection;
use super::peer::Peer;
use super::security::Stream;
use crate::figure2::ServerId;
use crate::runtime::machinery::log;
use crate::runtime::transport::Inbox;

/// How long to wait at most for a connection to be accepted.
const CONNECT: Duration = Duration::from_millis(500);

/// How long to wait at most between two attempts to connect.
const FIRST_BACKOFF: Duration = Duration::from_millis(20);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// Connects to one peer, when it is asked to and did not fail a short time ago.
///
/// A peer that returns must be reached before it loses its patience. So attempts are at most a
/// quarter of that apart, and none waits longer than half of it for the system to connect.
pub(super) struct Dialer {
    pub(super) shared: Arc<Shared>,
    channel: Channel,
    pub(super) peer: ServerId,
    /// Host and port.
    address: String,
    backoff: Duration,
    not_before: Option<Instant>,
    /// What is known of the peer.
    pub(super) known: Arc<Peer>,
    pub(super) said: Said,
}

/// A connection to a peer.
pub(super) struct Open {
    connection: Connection,
    pub(super) stream: Box<dyn Stream>,
    pub(super) met: Met,
}

impl Dialer {
    pub(super) fn new(
        shared: Arc<Shared>,
        channel: Channel,
        peer: ServerId,
        address: String,
    ) -> Self {
        Dialer {
            known: shared.hub.peer(peer),
            shared,
            channel,
            peer,
            address,
            backoff: Duration::ZERO,
            not_before: None,
            said: Said::default(),
        }
    }

    /// The next attempt need not wait.
    pub(super) fn hurry(&mut self) {
        self.not_before = None;
    }

    /// Connects, unless the last attempt failed a short time ago.
    pub(super) fn connect(&mut self) -> Option<Open> {
        let early = self.not_before.is_some_and(|at| Instant::now() < at);
        if early || self.shared.hub.is_closed() {
            return None;
        }
        let Some(inbox) = self.shared.inbox() else {
            log::error!(peer = %self.peer, "nothing is sent before the transport has started");
            return None;
        };
        match self.try_connect(&inbox) {
            Ok(open) => {
                let (peer, address, version) = (self.peer, &self.address, open.met.version);
                match self.channel {
                    Channel::Messages => log::info!(%peer, address, version, "connected"),
                    Channel::Parcels => log::info!(%peer, address, version, "connected for images"),
                }
                self.known.speaks(version);
                self.backoff = Duration::ZERO;
                self.said.clear();
                Some(open)
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
                None
            }
        }
    }

    fn try_connect(&self, inbox: &Inbox) -> Result<Open, Breach> {
        let stream = dial(&self.address, CONNECT.min(inbox.patience() / 2))?;
        let closed = || io::Error::new(ErrorKind::NotConnected, "this node shuts down");
        let connection = self.shared.hub.add_outgoing(self.peer, self.channel, &stream);
        let connection = connection.ok_or_else(closed)?;
        let name = self.shared.names.get(&self.peer).map_or("", String::as_str);
        let greet = || -> Result<Open, Breach> {
            let mut stream = self.shared.security.connect(stream, name)?;
            let met =
                handshake::introduce(&mut *stream, self.channel, &self.shared, inbox, self.peer)?;
            stream.settle(self.channel, self.shared.dead_after(inbox))?;
            self.shared.hub.reaches(connection, met);
            Ok(Open { connection, stream, met })
        };
        let greeted = greet().map_err(Breach::in_handshake);
        if greeted.is_err() {
            self.shared.hub.remove(connection);
        }
        greeted
    }

    /// Whether the connection was not given up elsewhere in this node.
    pub(super) fn holds(&self, open: &Open) -> bool {
        self.shared.hub.holds(open.connection)
    }

    /// Says that a connection has broken, unless this node has closed it.
    pub(super) fn complain(&self, error: &io::Error) {
        if !self.shared.hub.is_closed() {
            log::warn!(peer = %self.peer, %error, "connection lost");
        }
    }

    pub(super) fn close(&self, open: Option<Open>) {
        if let Some(open) = open {
            self.shared.hub.remove(open.connection);
        }
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
