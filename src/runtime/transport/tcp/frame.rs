//! Frames: how values travel on a stream of bytes.
//!
//! ```text
//!   version  u8          the protocol's, 1
//!   length   u32 LE      of the payload
//!   checksum u32 LE      CRC-32 of the payload
//!   payload  postcard
//! ```

use crate::runtime::std;

use std::io::{self, ErrorKind, Read};
use std::mem;
use std::string::String;
use std::vec::Vec;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::figure2::ServerId;
use crate::runtime::transport::Refused;

/// The version of the protocol: of the handshake, the frames, and the messages in them.
pub(super) const VERSION: u8 = 1;

const HEADER: usize = 9;

/// Why a connection is closed.
#[derive(Debug, Error)]
pub(super) enum Breach {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it closed in the middle of a frame")]
    CutOff,
    #[error("it does not speak veraft's protocol")]
    Stranger,
    #[error("it speaks protocol version {0}, this node version {VERSION}: upgrade the older one")]
    Version(u8),
    #[error("a frame of {length} bytes, where {limit} are allowed")]
    TooLong { length: usize, limit: usize },
    #[error("a frame's checksum is wrong")]
    Checksum,
    #[error("a frame that is no message: {0}")]
    Garbled(#[from] postcard::Error),
    #[error("it belongs to cluster {0:?}")]
    OtherCluster(String),
    #[error("it looks for {0} at this address")]
    NotMe(ServerId),
    #[error("it says that it is {0}, and its certificate does not hold that server's name")]
    OtherName(ServerId),
    #[error("{0}")]
    Refused(#[from] Refused),
}

/// Adds a frame with `value` to `buffer`.
///
/// # Errors
/// When the frame would be longer than `limit`. The buffer is as it was then.
pub(super) fn write<T: Serialize>(
    buffer: &mut Vec<u8>,
    value: &T,
    limit: usize,
) -> Result<(), Breach> {
    let start = buffer.len();
    let payload = start + HEADER;
    buffer.resize(payload, 0);
    *buffer = postcard::to_extend(value, mem::take(buffer))?;
    let length = buffer.len() - payload;
    let Some(header) = u32::try_from(length).ok().filter(|_| length <= limit) else {
        buffer.truncate(start);
        return Err(Breach::TooLong { length, limit });
    };
    let checksum = crc32fast::hash(&buffer[payload..]);
    buffer[start] = VERSION;
    buffer[start + 1..start + 5].copy_from_slice(&header.to_le_bytes());
    buffer[start + 5..payload].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// Reads one frame, with `buffer` for its payload; returns its value and its size in bytes.
/// `None` when the stream ended before the frame.
///
/// # Errors
/// When what arrives is no such frame.
pub(super) fn read<T: DeserializeOwned>(
    stream: &mut (impl Read + ?Sized),
    buffer: &mut Vec<u8>,
    limit: usize,
) -> Result<Option<(T, usize)>, Breach> {
    let mut version = [0];
    match stream.read_exact(&mut version) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    if version[0] != VERSION {
        return Err(Breach::Version(version[0]));
    }
    let length = u32::from_le_bytes(read_word(stream)?) as usize;
    let checksum = u32::from_le_bytes(read_word(stream)?);
    if length > limit {
        return Err(Breach::TooLong { length, limit });
    }
    buffer.clear();
    // The buffer grows with what arrives, not with what was announced.
    if stream.take(length as u64).read_to_end(buffer)? < length {
        return Err(Breach::CutOff);
    }
    if crc32fast::hash(buffer) != checksum {
        return Err(Breach::Checksum);
    }
    let (value, rest) = postcard::take_from_bytes(buffer)?;
    if !rest.is_empty() {
        return Err(Breach::Garbled(postcard::Error::DeserializeBadEncoding));
    }
    Ok(Some((value, HEADER + length)))
}

fn read_word(stream: &mut (impl Read + ?Sized)) -> Result<[u8; 4], Breach> {
    let mut word = [0; 4];
    match stream.read_exact(&mut word) {
        Ok(()) => Ok(word),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(Breach::CutOff),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure2::{AppendEntries, Command, Entry, Message};

    fn message() -> Message {
        let command = Command::from(&b"a command"[..]);
        Message::AppendEntries(AppendEntries {
            term: 300,
            leader_id: ServerId(2),
            prev_log_index: 70_000,
            prev_log_term: 299,
            entries: [Entry::command(300, command)].into_iter().collect(),
            leader_commit: 69_000,
        })
    }

    fn frame() -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, &message(), 1000).unwrap();
        bytes
    }

    fn read_all(mut bytes: &[u8]) -> Result<Option<(Message, usize)>, Breach> {
        read(&mut bytes, &mut Vec::new(), 1000)
    }

    #[test]
    fn a_frame_comes_back_as_it_was_sent() {
        let bytes = frame();
        assert_eq!(read_all(&bytes).unwrap(), Some((message(), bytes.len())));
        assert!(read_all(&[]).unwrap().is_none());
    }

    /// The layout is a promise to nodes of other builds: a change needs a new version.
    #[test]
    fn the_layout_of_version_1_is_pinned() {
        let payload = [
            2, // AppendEntries
            172, 2, // term
            2, // leader_id
            240, 162, 4, // prev_log_index
            171, 2, // prev_log_term
            1, 172, 2, 0, 9, b'a', b' ', b'c', b'o', b'm', b'm', b'a', b'n', b'd', // entries
            136, 155, 4, // leader_commit
        ];
        let mut expected = Vec::from([1, payload.len() as u8, 0, 0, 0]);
        expected.extend(crc32fast::hash(&payload).to_le_bytes());
        expected.extend(payload);
        assert_eq!(frame(), expected);
    }

    #[test]
    fn no_changed_byte_goes_unnoticed() {
        let bytes = frame();
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[position] ^= 1 << bit;
                assert!(read_all(&changed).is_err(), "bit {bit} of byte {position}");
            }
        }
    }

    #[test]
    fn no_missing_byte_goes_unnoticed() {
        let bytes = frame();
        for length in 1..bytes.len() {
            assert!(matches!(read_all(&bytes[..length]), Err(Breach::CutOff)), "{length}");
        }
    }

    #[test]
    fn a_frame_too_long_is_neither_written_nor_read() {
        let mut bytes = Vec::from([7]);
        assert!(matches!(write(&mut bytes, &message(), 23), Err(Breach::TooLong { .. })));
        assert_eq!(bytes, [7]);
        let announced = [1, 255, 255, 255, 255, 0, 0, 0, 0];
        assert!(matches!(read_all(&announced), Err(Breach::TooLong { .. })));
    }
}
