//! The way of parcels to one peer, beside that of messages, and what arrives there.

use crate::runtime::std;

use std::io::{Read, Write};
use std::mem;
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;

use super::Shared;
use super::breach::Breach;
use super::dialer::{Dialer, Open};
use super::frame;
use super::handshake::Channel;
use crate::figure2::ServerId;
use crate::runtime::machinery::log;
use crate::runtime::transport::{MAX_PARCEL, ParcelLink, Undelivered};

/// The way of parcels to one peer. Connects when there is one to send.
///
/// Only a peer that is known to speak a version that has parcels is dialed for them: it would
/// otherwise take this node for a stranger.
pub(super) struct TcpParcels {
    dialer: Dialer,
    open: Option<Open>,
    /// The frame of the last parcel, for its memory.
    frame: Vec<u8>,
}

impl TcpParcels {
    pub(super) fn new(shared: Arc<Shared>, peer: ServerId, address: String) -> Self {
        let dialer = Dialer::new(shared, Channel::Parcels, peer, address);
        TcpParcels { dialer, open: None, frame: Vec::new() }
    }

    fn connect(&mut self) -> Result<&mut Open, Undelivered> {
        // A peer that comes back speaks a version that it may not have spoken before.
        let run = self.dialer.known.run();
        let leads_nowhere =
            |open: &Open| run.is_some_and(|run| open.met.run != run) || !self.dialer.holds(open);
        if self.open.as_ref().is_some_and(leads_nowhere) {
            self.close();
        }
        if self.open.is_none() {
            match self.dialer.known.version() {
                None => return Err(Undelivered::NoConnection),
                Some(version) if version < Channel::Parcels.oldest() => {
                    let why = std::format!(
                        "protocol version {version} has no images: the peer gets and gives none \
                         before it is upgraded"
                    );
                    if self.dialer.said.is_new(why.clone()) {
                        log::warn!(peer = %self.dialer.peer, "{why}");
                    }
                    return Err(Undelivered::TooOld);
                }
                Some(_) => self.open = self.dialer.connect(),
            }
        }
        self.open.as_mut().ok_or(Undelivered::NoConnection)
    }

    fn close(&mut self) {
        self.dialer.close(self.open.take());
    }
}

impl ParcelLink for TcpParcels {
    fn send(&mut self, parcel: &[u8]) -> Result<u64, Undelivered> {
        let mut frame = mem::take(&mut self.frame);
        frame.clear();
        let open = self.connect()?;
        let version = open.met.version;
        let written = frame::write_with(&mut frame, version, MAX_PARCEL, |buffer| {
            buffer.extend_from_slice(parcel);
            Ok(())
        });
        let sent = match written {
            Ok(()) => open.stream.write_all(&frame).and_then(|()| open.stream.flush()),
            Err(_) => return Err(Undelivered::TooLong(parcel.len())),
        };
        let bytes = frame.len() as u64;
        self.frame = frame;
        match sent {
            Ok(()) => Ok(bytes),
            Err(error) => {
                self.dialer.complain(&error);
                self.close();
                Err(Undelivered::NoConnection)
            }
        }
    }
}

impl Drop for TcpParcels {
    fn drop(&mut self) {
        self.close();
    }
}

/// The next parcel on a connection, and the bytes that it took; `None` when the stream has ended.
///
/// # Errors
/// When something else arrives.
pub(super) fn next(
    stream: &mut impl Read,
    version: u8,
) -> Result<Option<(Vec<u8>, usize)>, Breach> {
    let mut parcel = Vec::new();
    match frame::read(stream, &mut parcel, MAX_PARCEL)? {
        None => Ok(None),
        Some((theirs, size)) if theirs == version => Ok(Some((parcel, size))),
        Some((theirs, _)) => Err(Breach::MixedVersions { frame: theirs, connection: version }),
    }
}
