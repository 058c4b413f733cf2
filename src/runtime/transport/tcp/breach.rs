//! Why a connection is closed.

use crate::runtime::std;

use std::io::{self, ErrorKind};
use std::string::{String, ToString};

use thiserror::Error;

use super::frame::{NEWEST, OLDEST};
use crate::figure2::{MAX_ENTRIES, ServerId};
use crate::runtime::transport::Refused;

/// Why a connection is closed. Names the other end "it".
#[derive(Debug, Error)]
pub(super) enum Breach {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it closed in the middle of a frame")]
    CutOff,
    #[error(
        "it closed without an answer to a hello of protocol versions {OLDEST} to {NEWEST}: if it \
         speaks an older one, upgrade it"
    )]
    Unanswered,
    #[error("its handshake takes too long")]
    Slow,
    #[error("it does not speak veraft's protocol")]
    Stranger,
    #[error(
        "it speaks TLS, and this node does not: give TcpTransport::tls to all nodes or to none"
    )]
    SpeaksTls,
    #[error("it speaks no TLS, and this node does: give TcpTransport::tls to all nodes or to none")]
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "only TLS finds it"))]
    SpeaksNoTls,
    #[error("it closed in the TLS handshake; does it speak TLS, and know this node's authority?")]
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "only TLS finds it"))]
    TlsCutOff,
    #[error(
        "it speaks protocol version {0}, this node versions {OLDEST} and {NEWEST}: upgrade the \
         older one"
    )]
    Version(u8),
    #[error(
        "it speaks protocol versions {oldest} to {newest}, this node versions {OLDEST} and \
         {NEWEST}: upgrade the older one"
    )]
    NoCommonVersion { oldest: u8, newest: u8 },
    #[error("a frame of protocol version {frame} on a connection of version {connection}")]
    MixedVersions { frame: u8, connection: u8 },
    #[error("a frame of {length} bytes, where {limit} are allowed")]
    TooLong { length: usize, limit: usize },
    #[error("a frame's checksum is wrong")]
    Checksum,
    #[error("a frame that is no message: {0}")]
    Garbled(#[from] postcard::Error),
    #[error("a frame of kind {0}, which is none")]
    Kind(u8),
    #[error(
        "protocol version {0} has no InstallSnapshot: the peer gets no image before it is upgraded"
    )]
    TooNew(u8),
    #[error("a message of {0} entries, where {MAX_ENTRIES} are allowed")]
    Entries(u64),
    #[error("it belongs to cluster {0:?}")]
    OtherCluster(String),
    #[error("it looks for {0} at this address")]
    NotMe(ServerId),
    #[error("it says that it is {0}, and its certificate does not hold that server's name")]
    OtherName(ServerId),
    #[error("{0} is connected already, and was heard a moment ago")]
    Connected(ServerId),
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("{peer} refuses this node: {why}")]
    Rejected { peer: ServerId, why: String },
    #[error("{peer} refuses this node: {why}; and {ours}")]
    BothRefuse { peer: ServerId, why: String, ours: Refused },
}

impl Breach {
    /// The same, of a handshake: where the time has run out, that is said.
    pub(super) fn in_handshake(self) -> Breach {
        let timed_out =
            |error: &io::Error| matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock);
        match matches!(&self, Breach::Io(error) if timed_out(error)) {
            true => Breach::Slow,
            false => self,
        }
    }

    /// The reason, in words for the other end.
    pub(super) fn why(&self) -> String {
        match self {
            Breach::OtherCluster(_) => "this address belongs to another cluster".into(),
            Breach::NotMe(wanted) => std::format!("{wanted} is not at this address"),
            Breach::OtherName(claimed) => {
                std::format!("the certificate does not hold the name of {claimed}")
            }
            Breach::NoCommonVersion { oldest, newest } => std::format!(
                "it speaks protocol versions {OLDEST} and {NEWEST}, not {oldest} to {newest}: \
                 upgrade the older one"
            ),
            Breach::Refused(refused) => refused.why(),
            Breach::Io(_)
            | Breach::CutOff
            | Breach::Unanswered
            | Breach::Slow
            | Breach::Stranger
            | Breach::SpeaksTls
            | Breach::SpeaksNoTls
            | Breach::TlsCutOff
            | Breach::Version(_)
            | Breach::MixedVersions { .. }
            | Breach::TooLong { .. }
            | Breach::Checksum
            | Breach::Garbled(_)
            | Breach::Kind(_)
            | Breach::TooNew(_)
            | Breach::Entries(_)
            | Breach::Connected(_)
            | Breach::Rejected { .. }
            | Breach::BothRefuse { .. } => self.to_string(),
        }
    }

    /// The peer that cannot be talked to as long as things are as they are; it will try again
    /// and again.
    pub(super) fn refused_peer(&self) -> Option<ServerId> {
        match self {
            Breach::Connected(peer)
            | Breach::Rejected { peer, .. }
            | Breach::BothRefuse { peer, .. }
            | Breach::Refused(Refused::Hello { peer, .. }) => Some(*peer),
            Breach::Refused(
                Refused::Closed
                | Refused::UnknownSender(_)
                | Refused::Foreign { .. }
                | Refused::WrongName { .. }
                | Refused::Parcel { .. },
            )
            | Breach::Io(_)
            | Breach::CutOff
            | Breach::Unanswered
            | Breach::Slow
            | Breach::Stranger
            | Breach::SpeaksTls
            | Breach::SpeaksNoTls
            | Breach::TlsCutOff
            | Breach::Version(_)
            | Breach::NoCommonVersion { .. }
            | Breach::MixedVersions { .. }
            | Breach::TooLong { .. }
            | Breach::Checksum
            | Breach::Garbled(_)
            | Breach::Kind(_)
            | Breach::TooNew(_)
            | Breach::Entries(_)
            | Breach::OtherCluster(_)
            | Breach::NotMe(_)
            | Breach::OtherName(_) => None,
        }
    }

    /// What kind it is of: lines of one kind are alike.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Breach::Io(_) => "broken",
            Breach::CutOff | Breach::Unanswered | Breach::TlsCutOff => "cut off",
            Breach::SpeaksTls | Breach::SpeaksNoTls => "not protected alike",
            Breach::Slow => "too slow",
            Breach::Stranger => "not veraft",
            Breach::Version(_) | Breach::NoCommonVersion { .. } | Breach::MixedVersions { .. } => {
                "wrong version"
            }
            Breach::TooLong { .. } | Breach::Entries(_) => "too long",
            Breach::Checksum => "wrong checksum",
            Breach::Garbled(_) | Breach::Kind(_) | Breach::TooNew(_) => "no message",
            Breach::OtherCluster(_) => "another cluster",
            Breach::NotMe(_) => "another server wanted",
            Breach::OtherName(_) => "another name",
            Breach::Refused(_) => "unknown or refused",
            Breach::Connected(_) => "connected already",
            Breach::Rejected { .. } | Breach::BothRefuse { .. } => "refused by it",
        }
    }
}
