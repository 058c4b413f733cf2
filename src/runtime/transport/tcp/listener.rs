//! The incoming connections: one thread accepts, one reads each connection.

use crate::runtime::std;

use std::io::{self, BufReader, ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::string::ToString;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};

use super::Shared;
use super::breach::Breach;
use super::complaints::PERIOD;
use super::handshake::{self, Channel};
use super::hub::{Connection, Recognised};
use super::messages::Incoming;
use super::parcels;
use super::peer::Heard;
use super::security::Stream;
use crate::runtime::machinery::log;
use crate::runtime::machinery::sync::lock;
use crate::runtime::transport::{Inbox, Refused};

pub(super) const ACCEPT: Token = Token(0);
pub(super) const WAKE: Token = Token(1);

/// How long to wait when the system has no more sockets to give.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// How many bytes a reader takes from the system at once.
const READ: usize = 64 * 1024;

/// The life of the thread that accepts.
pub(super) fn run(
    mut poll: Poll,
    mut listener: mio::net::TcpListener,
    shared: &Arc<Shared>,
    inbox: &Inbox,
) -> io::Result<()> {
    poll.registry().register(&mut listener, ACCEPT, Interest::READABLE)?;
    let mut events = Events::with_capacity(16);
    while !shared.hub.is_closed() {
        match poll.poll(&mut events, Some(PERIOD)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        loop {
            sum_up(shared, false);
            match listener.accept() {
                Ok((stream, address)) => welcome(stream.into(), address, shared, inbox),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    if may_say(shared, "none accepted") {
                        log::warn!(%error, "cannot accept a connection");
                    }
                    thread::sleep(EXHAUSTED);
                    if shared.hub.is_closed() {
                        break;
                    }
                }
            }
        }
    }
    sum_up(shared, true);
    Ok(())
}

/// Whether to write a line of this kind; counts those that are not written.
fn may_say(shared: &Shared, kind: &'static str) -> bool {
    let may = shared.complaints.may_say(kind);
    if !may {
        shared.counters.line_spared();
    }
    may
}

/// Says what the log was spared.
fn sum_up(shared: &Shared, at_once: bool) {
    if let Some(spared) = shared.complaints.summary(at_once) {
        log::warn!(spared, "more of the same at the port for peers");
    }
}

/// Gives a new connection a thread of its own.
fn welcome(stream: TcpStream, address: SocketAddr, shared: &Arc<Shared>, inbox: &Inbox) {
    let Some((connection, one_went)) = shared.hub.add_stranger(&stream) else { return };
    if one_went {
        shared.counters.crowded_out();
        if may_say(shared, "crowded out") {
            log::warn!("too many connections wait for their handshake: the oldest is closed");
        }
    }
    let (hub, inbox, shared) = (shared.clone(), inbox.clone(), shared.clone());
    let span = tracing::Span::current();
    let read = move || {
        let _entered = span.entered();
        let mut reader = Reader { connection, address, shared: &shared, inbox: &inbox, met: false };
        if let Err(breach) = reader.serve(stream) {
            reader.complain(&breach);
        }
        shared.hub.remove(connection);
    };
    match thread::Builder::new().name("reader".into()).spawn(read) {
        Ok(reader) => hub.hub.add_reader(reader),
        Err(error) => {
            if may_say(&hub, "no thread") {
                log::warn!(%address, %error, "connection closed: no thread for it");
            }
            hub.hub.remove(connection);
        }
    }
}

/// What reads one connection.
struct Reader<'a> {
    connection: Connection,
    address: SocketAddr,
    shared: &'a Shared,
    inbox: &'a Inbox,
    /// Whether it is known who speaks, and both want to.
    met: bool,
}

impl Reader<'_> {
    /// Reads the connection until it ends.
    ///
    /// # Errors
    /// When it must be closed.
    fn serve(&mut self, stream: TcpStream) -> Result<(), Breach> {
        let Reader { connection, address, shared, inbox, met: _ } = *self;
        let greet = || -> Result<_, Breach> {
            let mut stream = shared.security.accept(stream)?;
            let met = handshake::receive(&mut *stream, connection, shared, inbox)?;
            stream.settle(met.channel, shared.dead_after(inbox))?;
            Ok((stream, met))
        };
        let (mut stream, met) = greet().map_err(Breach::in_handshake)?;
        let silence = shared.silence(inbox.patience());
        let recognised = shared.hub.recognise(connection, met, silence);
        let Recognised { heard, renews } = recognised.ok_or(Breach::Connected(met.peer))?;
        self.met = true;
        shared.counters.accepted();
        if may_say(shared, "accepted") {
            log::info!(peer = %met.peer, %address, version = met.version, "accepted");
        }
        if renews {
            shared.counters.renewed();
            if may_say(shared, "renewed") {
                log::info!(peer = %met.peer, "the peer has connected anew: so does this node");
            }
        }
        let stream = Noted { stream: &mut *stream, heard: &heard };
        let mut stream = BufReader::with_capacity(READ, stream);
        match met.channel {
            Channel::Messages => {
                let mut incoming = Incoming::new(met.version, shared.max_frame);
                while let Some((message, bytes)) = incoming.next(&mut stream)? {
                    inbox.deliver(met.peer, message, bytes as u64)?;
                }
            }
            Channel::Parcels => {
                while let Some((parcel, _)) = parcels::next(&mut stream, met.version)? {
                    inbox.deliver_parcel(met.peer, parcel)?;
                }
            }
        }
        Ok(())
    }

    /// Counts why the connection is closed, and writes it into the log, unless the log has
    /// enough of it.
    fn complain(&self, breach: &Breach) {
        let Reader { connection, address, shared, inbox: _, met } = self;
        let refused = breach.refused_peer();
        match (met, refused) {
            (false, Some(_)) => shared.counters.peer_refused(),
            (false, None) => shared.counters.stranger(),
            (true, _) => shared.counters.breach(),
        }
        if !shared.hub.holds(*connection) || matches!(breach, Breach::Refused(Refused::Closed)) {
            return;
        }
        // A peer tries again and again: one line when it begins.
        let new = match refused {
            Some(peer) => lock(&shared.hub.peer(peer).said).is_new(breach.to_string()),
            None => may_say(shared, breach.kind()),
        };
        match new {
            true => log::warn!(%address, error = %breach, "connection closed"),
            false => log::debug!(%address, error = %breach, "connection closed"),
        }
    }
}

/// A stream that notes when something was heard on it.
struct Noted<'a> {
    stream: &'a mut dyn Stream,
    heard: &'a Heard,
}

impl Read for Noted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.heard.something();
        Ok(count)
    }
}
