//! The second way to a peer: parcels, which travel beside the messages.

use crate::runtime::std;

use std::string::String;

use thiserror::Error;

/// How many bytes a parcel has at most.
pub const MAX_PARCEL: usize = 65 * 1024;

/// The way of parcels to one peer: opaque bytes, beside the messages, so that no message waits
/// behind them. Parcels that arrive do so as they were sent and in this order; any may be lost, or
/// arrive twice in a row.
pub trait ParcelLink: Send + 'static {
    /// Sends a parcel of at most [`MAX_PARCEL`] bytes, and returns how many bytes went out; it may
    /// still be lost. Blocks while the channel is full, which is how a receiver that is slow holds
    /// up its sender; not for longer than the transport is open.
    ///
    /// # Errors
    /// When it was not sent.
    fn send(&mut self, parcel: &[u8]) -> Result<u64, Undelivered>;
}

/// Why a parcel was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Undelivered {
    /// There is no connection, and none could be made; or it broke.
    #[error("there is no connection for parcels")]
    NoConnection,
    /// The peer speaks a version of the protocol that has no parcels.
    #[error("the peer takes no parcels before it is upgraded")]
    TooOld,
    /// The parcel is longer than it may be.
    #[error("a parcel of {0} bytes, where {MAX_PARCEL} are allowed")]
    TooLong(usize),
}

/// Why a node does not take a parcel.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParcelRefused {
    /// The node has stopped.
    #[error("the node has stopped")]
    Closed,
    /// No correct peer sends it. The transport breaks with the sender.
    #[error("{0}")]
    Garbage(String),
}
