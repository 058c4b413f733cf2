//! Frames: how values travel on a stream of bytes.
//!
//! ```text
//!   version  u8          of the protocol that the payload belongs to
//!   length   u32 LE      of the payload
//!   checksum u32 LE      CRC-32 of the payload
//!   payload
//! ```
//!
//! This layout is that of every version.

use crate::runtime::std;

use std::io::{self, ErrorKind, Read};
use std::mem;
use std::vec::Vec;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::breach::Breach;

/// The oldest version of the protocol that this node speaks.
pub(super) const OLDEST: u8 = 2;

/// The newest.
pub(super) const NEWEST: u8 = 3;

pub(super) const HEADER: usize = 9;

/// Adds a frame to `buffer` whose payload `fill` appends.
///
/// # Errors
/// When `fill` fails, or the payload is longer than `limit`. No frame is added then.
pub(super) fn write_with(
    buffer: &mut Vec<u8>,
    version: u8,
    limit: usize,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), Breach>,
) -> Result<(), Breach> {
    let start = buffer.len();
    let payload = start + HEADER;
    buffer.resize(payload, 0);
    if let Err(breach) = fill(buffer) {
        buffer.truncate(start);
        return Err(breach);
    }
    let length = buffer.len() - payload;
    let Some(header) = u32::try_from(length).ok().filter(|_| length <= limit) else {
        buffer.truncate(start);
        return Err(Breach::TooLong { length, limit });
    };
    let checksum = crc32fast::hash(&buffer[payload..]);
    buffer[start] = version;
    buffer[start + 1..start + 5].copy_from_slice(&header.to_le_bytes());
    buffer[start + 5..payload].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// Adds a frame with `value` to `buffer`.
///
/// # Errors
/// When the payload would be longer than `limit`. The buffer is as it was then.
pub(super) fn write<T: Serialize>(
    buffer: &mut Vec<u8>,
    version: u8,
    value: &T,
    limit: usize,
) -> Result<(), Breach> {
    write_with(buffer, version, limit, |buffer| encode(buffer, value))
}

/// Appends `value` to `buffer`.
pub(super) fn encode<T: Serialize>(buffer: &mut Vec<u8>, value: &T) -> Result<(), Breach> {
    *buffer = postcard::to_extend(value, mem::take(buffer))?;
    Ok(())
}

/// Reads one frame; its payload is what `buffer` holds then. Returns the version and the size of
/// the frame in bytes; `None` when the stream ended before the frame.
///
/// # Errors
/// When what arrives is no such frame.
pub(super) fn read(
    stream: &mut (impl Read + ?Sized),
    buffer: &mut Vec<u8>,
    limit: usize,
) -> Result<Option<(u8, usize)>, Breach> {
    let mut version = [0];
    match stream.read_exact(&mut version) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let [version] = version;
    if !(OLDEST..=NEWEST).contains(&version) {
        return Err(match is_tls(version) {
            true => Breach::SpeaksTls,
            false => Breach::Version(version),
        });
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
    Ok(Some((version, HEADER + length)))
}

/// Whether what begins with `byte` looks like a record of TLS (RFC 8446, 5.1): a handshake, or an
/// alert in answer to something that is none.
pub(super) fn is_tls(byte: u8) -> bool {
    matches!(byte, 21 | 22)
}

/// The value that `payload` holds, and nothing behind it.
///
/// # Errors
/// When it is none.
pub(super) fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Breach> {
    match postcard::take_from_bytes(payload)? {
        (value, []) => Ok(value),
        (_, [_, ..]) => Err(Breach::Garbled(postcard::Error::DeserializeBadEncoding)),
    }
}

fn read_word(stream: &mut (impl Read + ?Sized)) -> Result<[u8; 4], Breach> {
    let mut word = [0; 4];
    match stream.read_exact(&mut word) {
        Ok(()) => Ok(word),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(Breach::CutOff),
        Err(error) => Err(io::Error::into(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "a value";

    fn frame() -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, 2, &VALUE, 1000).unwrap();
        bytes
    }

    fn read_all(mut bytes: &[u8]) -> Result<Option<(u8, usize, Vec<u8>)>, Breach> {
        let mut payload = Vec::new();
        let read = read(&mut bytes, &mut payload, 1000)?;
        Ok(read.map(|(version, size)| (version, size, payload)))
    }

    /// The layout is a promise to nodes of other builds, whatever version they speak.
    #[test]
    fn the_layout_of_frames_is_pinned() {
        let payload = b"\x07a value";
        let mut expected = Vec::from([2, payload.len() as u8, 0, 0, 0]);
        expected.extend(crc32fast::hash(payload).to_le_bytes());
        expected.extend(payload);
        assert_eq!(frame(), expected);
        let size = expected.len();
        assert_eq!(read_all(&expected).unwrap(), Some((2, size, payload.to_vec())));
        assert!(read_all(&[]).unwrap().is_none());
    }

    #[test]
    fn no_changed_byte_goes_unnoticed_but_the_version_between_those_we_speak() {
        let bytes = frame();
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[position] ^= 1 << bit;
                let noticed = read_all(&changed).is_err();
                assert!(noticed || changed[0] == 3, "bit {bit} of byte {position}");
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
        assert!(matches!(write(&mut bytes, 2, &VALUE, 7), Err(Breach::TooLong { .. })));
        assert_eq!(bytes, [7]);
        let announced = [2, 255, 255, 255, 255, 0, 0, 0, 0];
        assert!(matches!(read_all(&announced), Err(Breach::TooLong { .. })));
    }

    #[test]
    fn a_value_with_something_behind_it_is_none() {
        assert!(decode::<u8>(&[1]).is_ok());
        assert!(matches!(decode::<u8>(&[1, 1]), Err(Breach::Garbled(_))));
    }
}
