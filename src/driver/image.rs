//! What two nodes say to each other while an image travels. The receiver pulls: it asks for a
//! window of bytes, and again as it takes them; whoever has the image sends them in parts.
//!
//! ```text
//!   receiver                                    sender
//!   Ask { stream 1, at least 70, window }  ──►  opens its image 80-2-a7
//!                                          ◄──  Part { stream 1, 80-2-a7, 0.. }
//!   Ask { stream 1, has 80-2-a7 up to x }  ──►  goes on, as far as the window reaches now
//!                                          ◄──  Part { stream 1, 80-2-a7, y.. }
//!   (a part is missing, or nothing comes)
//!   Ask { stream 2, has 80-2-a7 up to y }  ──►  begins anew at y; or at 0, with another image
//! ```
//!
//! An image is what was committed, whoever sends it, and its bytes say themselves whether they are
//! sound: so it makes no difference who leads meanwhile.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::figure2::{Base, Index};

/// How many bytes of an image a part carries at most.
pub const IMAGE_PART: usize = 64 * 1024;

/// Names an image: two of one mark may differ in their bytes, so a number tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImageName {
    /// Index and term of the last entry in it.
    pub base: Base,
    /// A random number.
    pub number: u64,
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ImageName { base: Base { last_index, last_term }, number } = self;
        write!(f, "{last_index}-{last_term}-{number:016x}")
    }
}

/// What travels beside the messages: most of it is about images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerParcel {
    /// A receiver asks.
    Ask(Ask),
    /// A sender sends some bytes.
    Part(ImagePart),
    /// A sender has no such image: the answer to the ask of this stream.
    NoImage {
        /// See [`Ask::stream`].
        stream: u32,
    },
    /// What the sender's state machine comes to.
    Digest {
        /// Behind this index: a multiple of [`DIGEST_EVERY`](super::DIGEST_EVERY).
        index: Index,
        /// A digest of the whole state.
        digest: u64,
    },
}

/// What a receiver asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Random, drawn at each start of the receiver: another than before, and its streams count
    /// anew.
    pub run: u64,
    /// The number of the stream, from 1. A greater one than before begins anew at `offset`; the
    /// same goes on where it is.
    pub stream: u32,
    /// The least index that the image must reach.
    pub at_least: Index,
    /// The image of which the receiver has the first `offset` bytes, if any.
    pub has: Option<ImageName>,
    /// Where to go on in that image.
    pub offset: u64,
    /// How many bytes may be sent, from `offset` on; from 0 on, if it is another image.
    pub window: u64,
}

/// Some bytes of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePart {
    /// The stream that asked for it.
    pub stream: u32,
    /// The image.
    pub image: ImageName,
    /// How many bytes the image has.
    pub length: u64,
    /// Where these stand in it.
    pub offset: u64,
    /// At most [`IMAGE_PART`], and none but at the end.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// Why a parcel is none of a correct peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ParcelBreach {
    /// A part has more bytes than it may have.
    TooLarge,
    /// A part reaches beyond the end of its image, or has no bytes before it.
    PastTheEnd,
    /// A part tells another length of an image than earlier parts.
    OtherLength,
    /// An ask goes on behind the end of an image.
    AskedPastTheEnd,
    /// A stream has number 0.
    NoStream,
    /// A digest is of an index at which nobody compares any.
    OtherIndex,
}

impl fmt::Display for ParcelBreach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ParcelBreach::TooLarge => "a part of an image has more bytes than it may have",
            ParcelBreach::PastTheEnd => "a part of an image does not lie within it",
            ParcelBreach::OtherLength => "two parts of an image tell different lengths of it",
            ParcelBreach::AskedPastTheEnd => "it asks for what stands behind the end of an image",
            ParcelBreach::NoStream => "it asks in stream 0, and the first one is 1",
            ParcelBreach::OtherIndex => "a digest is of an index at which none are compared",
        })
    }
}

impl ImagePart {
    /// Whether a correct peer may send it.
    ///
    /// # Errors
    /// When not: why.
    pub fn examine(&self) -> Result<(), ParcelBreach> {
        let end = self.offset.checked_add(self.bytes.len() as u64);
        if self.bytes.len() > IMAGE_PART {
            return Err(ParcelBreach::TooLarge);
        }
        match end {
            Some(end) if end < self.length && !self.bytes.is_empty() => Ok(()),
            Some(end) if end == self.length => Ok(()),
            Some(_) | None => Err(ParcelBreach::PastTheEnd),
        }
    }
}
