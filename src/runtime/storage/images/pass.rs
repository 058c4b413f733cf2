//! An image that passes by, as its file is: from a file to a backup, or from a backup to a file.

use crate::runtime::std;

use std::vec;

use super::ImageName;
use super::format::{Damage, Parser};

/// How many bytes are read at once.
const PART: usize = 64 * 1024;

/// Takes the image of this name from `read`, whose end has to be that of the image, and gives each
/// part of it to `keep`; returns how many bytes there were. A part is given on once the pieces
/// that are whole with it are known to be sound.
///
/// # Errors
/// When it is damaged, cut off, or goes on; when `read` or `keep` says so.
pub(in crate::runtime) fn pass_image<E: From<Damage>>(
    name: ImageName,
    mut read: impl FnMut(&mut [u8]) -> Result<usize, E>,
    mut keep: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<u64, E> {
    let (mut parser, mut buffer, mut bytes) = (Parser::new(name), vec![0; PART], 0);
    loop {
        let count = read(&mut buffer)?;
        if count == 0 {
            parser.at_the_end(0)?;
            return Ok(bytes);
        }
        let mut input = &buffer[..count];
        while !input.is_empty() && !parser.is_done() {
            parser.take(&mut input)?;
        }
        if !input.is_empty() {
            parser.at_the_end(input.len() as u64)?;
        }
        keep(&buffer[..count])?;
        bytes += count as u64;
    }
}
