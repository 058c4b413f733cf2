//! The bytes of an image of the map.
//!
//! ```text
//!   "kv-image"  version: u32  time: u64  keys: u64
//!   each key    flags: u8  deadline: u64, if flag 1 is set
//!               key length: u32  value length: u32  the key  the value
//! ```
//!
//! Numbers are little-endian; time and deadlines are milliseconds of the log. Keys stand in no
//! order. Neither end ever has more of it in memory than one key and its value. The library
//! guards images against damage; what is checked here is that one is of this form.

use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};

use thiserror::Error;
use veraft::runtime::Image;

use crate::keyspace::{Fixed, Keyspace};

const MAGIC: [u8; 8] = *b"kv-image";

/// The version of this form; a change of it is another version.
const VERSION: u32 = 1;

/// The flag of a key that expires.
const EXPIRES: u8 = 1;

/// How many bytes are read and written at once.
const PART: usize = 64 * 1024;

/// Why bytes are no image of the map.
#[derive(Debug, Error)]
enum Misfit {
    #[error("this is no image of kv")]
    Magic,
    #[error(
        "the image has version {0}, and this version of kv reads version {VERSION}: start the one \
         that wrote it, or a later one"
    )]
    Version(u32),
    #[error(
        "key {place} of the image has flags {flags:#x}, which this version of kv does not know"
    )]
    Flags { place: u64, flags: u8 },
    #[error("key {place} of the image had expired when the image was taken")]
    Expired { place: u64 },
    #[error("key {place} of the image stands in it twice")]
    Twice { place: u64 },
    #[error("the image ends before its last key")]
    CutOff,
    #[error("something follows the last key of the image")]
    GoesOn,
}

impl From<Misfit> for io::Error {
    fn from(misfit: Misfit) -> io::Error {
        io::Error::new(ErrorKind::InvalidData, misfit)
    }
}

impl Image for Fixed {
    fn write(self: Box<Self>, to: &mut dyn Write) -> io::Result<()> {
        let mut to = BufWriter::with_capacity(PART, to);
        to.write_all(&MAGIC)?;
        to.write_all(&VERSION.to_le_bytes())?;
        to.write_all(&self.time().to_le_bytes())?;
        to.write_all(&(self.len() as u64).to_le_bytes())?;
        for (key, value, deadline) in self.iter() {
            match deadline {
                None => to.write_all(&[0])?,
                Some(deadline) => {
                    to.write_all(&[EXPIRES])?;
                    to.write_all(&deadline.to_le_bytes())?;
                }
            }
            to.write_all(&length(key)?.to_le_bytes())?;
            to.write_all(&length(value)?.to_le_bytes())?;
            to.write_all(key)?;
            to.write_all(value)?;
        }
        to.flush()
    }
}

fn length(bytes: &[u8]) -> io::Result<u32> {
    bytes.len().try_into().map_err(io::Error::other)
}

/// The keyspace of an image.
///
/// # Errors
/// When it cannot be read, or is none of this form.
pub fn read(from: &mut dyn Read) -> io::Result<Keyspace> {
    let mut from = BufReader::with_capacity(PART, from);
    if array(&mut from)? != MAGIC {
        return Err(Misfit::Magic.into());
    }
    let version = u32::from_le_bytes(array(&mut from)?);
    if version != VERSION {
        return Err(Misfit::Version(version).into());
    }
    let time = u64::from_le_bytes(array(&mut from)?);
    let keys = u64::from_le_bytes(array(&mut from)?);
    let mut keyspace = Keyspace::default();
    keyspace.advance(time);
    for place in 0..keys {
        let deadline = match array(&mut from)? {
            [0] => None,
            [EXPIRES] => Some(u64::from_le_bytes(array(&mut from)?)),
            [flags] => return Err(Misfit::Flags { place, flags }.into()),
        };
        if deadline.is_some_and(|deadline| deadline <= time) {
            return Err(Misfit::Expired { place }.into());
        }
        let key_length = u32::from_le_bytes(array(&mut from)?);
        let value_length = u32::from_le_bytes(array(&mut from)?);
        let (key, value) = (bytes(&mut from, key_length)?, bytes(&mut from, value_length)?);
        if !keyspace.add(key, value.into(), deadline) {
            return Err(Misfit::Twice { place }.into());
        }
    }
    match from.read(&mut [0])? {
        0 => Ok(keyspace),
        _ => Err(Misfit::GoesOn.into()),
    }
}

fn array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut array = [0; N];
    from.read_exact(&mut array).map_err(cut_off)?;
    Ok(array)
}

/// So many bytes. A length that is wrong takes no more memory than there are bytes.
fn bytes(from: &mut impl Read, length: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(length.into()).read_to_end(&mut bytes)?;
    match bytes.len() == length as usize {
        true => Ok(bytes),
        false => Err(Misfit::CutOff.into()),
    }
}

fn cut_off(error: io::Error) -> io::Error {
    match error.kind() == ErrorKind::UnexpectedEof {
        true => Misfit::CutOff.into(),
        false => error,
    }
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
