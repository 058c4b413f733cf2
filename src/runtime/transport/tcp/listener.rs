//! The incoming connections: one thread accepts, one reads each connection.

use crate::runtime::std;

use std::io::{self, BufReader, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use std::vec::Vec;

use mio::{Events, Interest, Poll, Token};

use super::Shared;
use super::frame::{self, Breach};
use super::handshake;
use super::hub::Connection;
use super::link::PATIENCE;
use crate::figure2::Message;
use crate::runtime::transport::Inbox;

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
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        loop {
            match listener.accept() {
                Ok((stream, address)) => welcome(stream.into(), address, shared, inbox),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    thread::sleep(EXHAUSTED);
                    if shared.hub.is_closed() {
                        break;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Gives a new connection a thread of its own.
fn welcome(stream: TcpStream, address: SocketAddr, shared: &Arc<Shared>, inbox: &Inbox) {
    let Some(connection) = shared.hub.add_stranger(&stream) else { return };
    let (hub, inbox, shared) = (shared.clone(), inbox.clone(), shared.clone());
    let span = tracing::Span::current();
    let read = move || {
        let _entered = span.entered();
        let result = serve(stream, connection, &shared, &inbox);
        if let Err(breach) = result
            && shared.hub.holds(connection)
        {
            tracing::warn!(%address, error = %breach, "connection closed");
        }
        shared.hub.remove(connection);
    };
    match thread::Builder::new().name("reader".into()).spawn(read) {
        Ok(reader) => hub.hub.add_reader(reader),
        Err(error) => {
            tracing::warn!(%address, %error, "connection closed: no thread for it");
            hub.hub.remove(connection);
        }
    }
}

/// Reads a connection until it ends.
///
/// # Errors
/// When it must be closed.
fn serve(
    stream: TcpStream,
    connection: Connection,
    shared: &Shared,
    inbox: &Inbox,
) -> Result<(), Breach> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let socket = stream.try_clone()?;
    let mut stream = shared.security.accept(stream)?;
    let from = handshake::receive(&mut *stream, shared, inbox)?;
    shared.hub.recognise(connection, from);
    tracing::info!(peer = %from, "accepted");
    // A peer may have nothing to say for as long as it likes.
    socket.set_read_timeout(None)?;
    let mut stream = BufReader::with_capacity(READ, stream);
    let mut buffer = Vec::new();
    while let Some((message, bytes)) =
        frame::read::<Message>(&mut stream, &mut buffer, shared.max_frame)?
    {
        inbox.deliver(from, message, bytes as u64)?;
    }
    Ok(())
}
