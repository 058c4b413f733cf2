//! The first words on a connection: who is at either end, and whether they want each other.
//!
//! ```text
//!   dialer                                     listener
//!   "veraft", Hello { versions, cluster,  ──►  checks names and certificate, meets the node
//!                     from, to, node }
//!   meets the node                        ◄──  Answer::Welcome { version, node }
//!                                              Answer::Refused { why, node if it got that far }
//!   Reply::Accepted, then messages        ──►  recognises the peer
//!   Reply::Refused { why }
//! ```
//!
//! The first six letters say what the connection is for: `veraft` for messages, `parcel` for
//! parcels, of which version 2 knows nothing. `node` is what the node says of itself, opaque here.
//! No message passes before both nodes have accepted. Who is refused hears why, so that the reason
//! is in the logs of both ends.
//!
//! # Versions
//!
//! The hello says from which version to which its node speaks, and the listener answers with the
//! newest that both do; the frames after the handshake carry that one. The handshake itself keeps
//! its layout, and its frames the version 2, also when a newer version changes what comes after
//! it: so a later node can tell this one of itself, and both know what to say. A byte of another
//! version in the place of the hello's, as a node of version 1 says it, is refused.

mod dial;
mod listen;

use crate::runtime::std;

use std::io::{self, ErrorKind};
use std::string::String;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

pub(super) use self::dial::introduce;
pub(super) use self::listen::receive;
use super::breach::Breach;
use super::frame::{self, OLDEST};
use super::security::Stream;
use crate::figure2::ServerId;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Channel {
    Messages,
    Parcels,
}

impl Channel {
    pub(super) const ALL: [Channel; 2] = [Channel::Messages, Channel::Parcels];

    /// What a connection begins with, so that a lost browser gets a clear answer in the log.
    fn magic(self) -> &'static [u8; 6] {
        match self {
            Channel::Messages => b"veraft",
            Channel::Parcels => b"parcel",
        }
    }

    /// The oldest version of the protocol in which this node uses it.
    pub(super) fn oldest(self) -> u8 {
        match self {
            Channel::Messages => OLDEST,
            Channel::Parcels => 3,
        }
    }
}

/// The version of the handshake's layout.
const HANDSHAKE: u8 = 2;

/// How many bytes a node can say of itself.
const NODE: usize = 64 * 1024;

/// The longest frame of a handshake, in bytes: what a node says, and the rest of a hello.
const LIMIT: usize = NODE + 1024;

/// How much of a reason is kept that the other end gives, in bytes.
const REASON: usize = 4096;

#[derive(Serialize, Deserialize)]
struct Hello {
    /// The oldest and the newest version that the dialer speaks.
    oldest: u8,
    newest: u8,
    cluster: String,
    from: ServerId,
    to: ServerId,
    /// Drawn anew at each start of the transport: tells two lives of a peer apart.
    run: u64,
    node: Vec<u8>,
}

/// What the listener says to a hello.
#[derive(Serialize, Deserialize)]
enum Answer {
    Welcome { version: u8, run: u64, node: Vec<u8> },
    Refused { why: String, node: Option<Vec<u8>> },
}

/// What the dialer says to a welcome.
#[derive(Serialize, Deserialize)]
enum Reply {
    Accepted,
    Refused { why: String },
}

/// Two nodes that have accepted each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Met {
    pub(super) peer: ServerId,
    pub(super) channel: Channel,
    /// The version that they speak.
    pub(super) version: u8,
    /// The peer's run.
    pub(super) run: u64,
}

/// Says something, in a frame.
fn say<T: Serialize>(stream: &mut dyn Stream, first: &[u8], value: &T) -> Result<(), Breach> {
    let mut bytes = Vec::from(first);
    frame::write(&mut bytes, HANDSHAKE, value, LIMIT)?;
    stream.write_all(&bytes)?;
    stream.flush()?;
    Ok(())
}

/// Hears what the other end says in a frame.
fn hear<T: for<'a> Deserialize<'a>>(stream: &mut dyn Stream) -> Result<T, Breach> {
    let mut bytes = Vec::new();
    let (version, _) = frame::read(stream, &mut bytes, LIMIT)?.ok_or(Breach::CutOff)?;
    match version == HANDSHAKE {
        true => frame::decode(&bytes),
        false => Err(Breach::MixedVersions { frame: version, connection: HANDSHAKE }),
    }
}

/// A reason that the other end gave, fit for one line of a log.
fn one_line(why: &str) -> String {
    let mut line: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let end = (0..=REASON.min(line.len())).rev().find(|&end| line.is_char_boundary(end));
    line.truncate(end.unwrap_or(0));
    line
}

/// Whether the other end closed the connection.
pub(super) fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<T: Serialize>(value: &T) -> Vec<u8> {
        postcard::to_allocvec(value).unwrap()
    }

    /// The layout is a promise to nodes of other builds, of this version and of later ones.
    #[test]
    fn the_layout_of_the_handshake_is_pinned() {
        let hello = Hello {
            oldest: 1,
            newest: 2,
            cluster: "abc".into(),
            from: ServerId(300),
            to: ServerId(1),
            run: 129,
            node: Vec::from([7, 8]),
        };
        let expected = [1, 2, 3, b'a', b'b', b'c', 172, 2, 1, 129, 1, 2, 7, 8];
        assert_eq!(bytes(&hello), expected);
        let welcome = Answer::Welcome { version: 2, run: 129, node: Vec::from([7, 8]) };
        assert_eq!(bytes(&welcome), [0, 2, 129, 1, 2, 7, 8]);
        let refused = |node| Answer::Refused { why: "no".into(), node };
        assert_eq!(bytes(&refused(None)), [1, 2, b'n', b'o', 0]);
        assert_eq!(bytes(&refused(Some(Vec::from([7])))), [1, 2, b'n', b'o', 1, 1, 7]);
        assert_eq!(bytes(&Reply::Accepted), [0]);
        assert_eq!(bytes(&Reply::Refused { why: "no".into() }), [1, 2, b'n', b'o']);
    }

    #[test]
    fn a_reason_from_elsewhere_is_one_line_of_bounded_length() {
        assert_eq!(one_line("two\nlines\x1b[31m"), "two lines [31m");
        let long = one_line(&"é".repeat(REASON));
        assert!((REASON - 1..=REASON).contains(&long.len()));
    }
}
