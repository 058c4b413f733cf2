//! The bytes of an image: a header, chunks, and an end mark with totals. No length is known
//! beforehand, and each piece is checked by itself, so that an image can be written, sent and
//! read with one piece of it in memory.
//!
//! ```text
//!   header   "vrft-img"  version: u32  last_index: u64  last_term: u64  number: u64  checksum: u32
//!   chunk    length: u32 (1 to MAX_CHUNK)  checksum: u32  the data
//!   end      0: u32  checksum: u32  chunks: u64  bytes of data: u64
//! ```
//!
//! Numbers are little-endian; checksums are CRC-32. That of a chunk covers its length, the number of
//! the image and the place of the chunk in it, too: a chunk that is left out, or another's, is found.

use crate::runtime::std;

use std::string::String;
use std::vec::Vec;

use super::ImageName;
use crate::figure2::Base;

const MAGIC: [u8; 8] = *b"vrft-img";

/// The version of this format.
const VERSION: u32 = 1;

pub(super) const HEADER: usize = 40;
pub(super) const CHUNK_HEADER: usize = 8;
const TOTALS: usize = 16;

/// How many bytes of data a chunk holds at most.
const MAX_CHUNK: usize = 1024 * 1024;

/// The first piece of the image of this name.
pub(super) fn header(name: ImageName) -> Vec<u8> {
    let ImageName { base: Base { last_index, last_term }, number } = name;
    let mut bytes = Vec::with_capacity(HEADER);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(last_index.to_le_bytes());
    bytes.extend(last_term.to_le_bytes());
    bytes.extend(number.to_le_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// What stands before the data of chunk `place`, counted from 0.
pub(super) fn chunk_header(number: u64, place: u64, data: &[u8]) -> [u8; CHUNK_HEADER] {
    let mut bytes = [0; CHUNK_HEADER];
    let length = data.len() as u32;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..].copy_from_slice(&checksum(number, place, length, data).to_le_bytes());
    bytes
}

/// The last piece, behind so many chunks with so many bytes of data.
pub(super) fn end(number: u64, chunks: u64, bytes: u64) -> Vec<u8> {
    let mut totals = [0; TOTALS];
    totals[..8].copy_from_slice(&chunks.to_le_bytes());
    totals[8..].copy_from_slice(&bytes.to_le_bytes());
    let mut end = Vec::from(0_u32.to_le_bytes());
    end.extend(checksum(number, chunks, 0, &totals).to_le_bytes());
    end.extend(totals);
    end
}

/// Of what follows a length: data, or totals behind a length of 0.
fn checksum(number: u64, place: u64, length: u32, data: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(&place.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.update(data);
    hasher.finalize()
}

/// What is wrong with an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::runtime) struct Damage {
    /// Where the piece begins that is wrong, in bytes.
    pub(in crate::runtime) position: u64,
    pub(in crate::runtime) what: String,
}

/// Takes the bytes of an image in the order of the file, and checks each piece once it is whole.
#[derive(Debug)]
pub(super) struct Parser {
    name: ImageName,
    expected: Expected,
    /// What has come of the piece that is expected.
    piece: Vec<u8>,
    /// Where that piece begins: everything before is sound.
    sound: u64,
    chunks: u64,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Header,
    ChunkHeader,
    Data { length: usize, checksum: u32 },
    Totals { checksum: u32 },
    Nothing,
}

impl Parser {
    /// A parser for the image of this name.
    pub(super) fn new(name: ImageName) -> Parser {
        let expected = Expected::Header;
        Parser { name, expected, piece: Vec::new(), sound: 0, chunks: 0, bytes: 0 }
    }

    /// How many bytes are missing from what is expected next; none behind the end mark.
    pub(super) fn missing(&self) -> usize {
        let length = match self.expected {
            Expected::Header => HEADER,
            Expected::ChunkHeader => CHUNK_HEADER,
            Expected::Data { length, checksum: _ } => length,
            Expected::Totals { .. } => TOTALS,
            Expected::Nothing => 0,
        };
        length - self.piece.len()
    }

    /// Whether the end mark has come, so that the image is whole.
    pub(super) fn is_done(&self) -> bool {
        self.expected == Expected::Nothing
    }

    /// How many bytes of the file are known to be sound: all pieces that were whole.
    pub(super) fn sound(&self) -> u64 {
        self.sound
    }

    /// The parser as it was when the last piece had come whole.
    pub(super) fn at_the_last_piece(mut self) -> Parser {
        self.piece.clear();
        self.expected = match self.expected {
            Expected::Data { .. } | Expected::Totals { .. } => Expected::ChunkHeader,
            sound @ (Expected::Header | Expected::ChunkHeader | Expected::Nothing) => sound,
        };
        self
    }

    /// Takes bytes off the front of `input`, no more than are missing. Returns the data of a chunk
    /// that is whole and sound with them.
    ///
    /// # Errors
    /// When the piece that is whole with them is wrong. Nothing more can be taken then.
    pub(super) fn take(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, Damage> {
        let (taken, rest) = input.split_at(self.missing().min(input.len()));
        *input = rest;
        self.piece.extend_from_slice(taken);
        if self.missing() > 0 || self.is_done() {
            return Ok(None);
        }
        let piece = core::mem::take(&mut self.piece);
        let is_data = self.take_whole(&piece)?;
        Ok(is_data.then_some(piece))
    }

    /// Takes a piece that is whole: all bytes that were [missing](Self::missing), when none of
    /// them had come before. Returns whether it is the data of a chunk.
    ///
    /// # Errors
    /// When it is wrong. Nothing more can be taken then.
    pub(super) fn take_whole(&mut self, piece: &[u8]) -> Result<bool, Damage> {
        match self.expected {
            Expected::Header => {
                self.check_header(piece)?;
                self.passed(HEADER, Expected::ChunkHeader);
                Ok(false)
            }
            // It counts once its data is there: the place of a piece is that of its header.
            Expected::ChunkHeader => {
                let (length, checksum) = (u32_at(piece, 0) as usize, u32_at(piece, 4));
                self.expected = match length {
                    0 => Expected::Totals { checksum },
                    1..=MAX_CHUNK => Expected::Data { length, checksum },
                    _ => return Err(self.damage("a chunk has an impossible length")),
                };
                Ok(false)
            }
            Expected::Data { length, checksum: expected } => {
                if checksum(self.name.number, self.chunks, length as u32, piece) != expected {
                    return Err(self.damage("the checksum of a chunk is wrong"));
                }
                self.chunks += 1;
                self.bytes += length as u64;
                self.passed(CHUNK_HEADER + length, Expected::ChunkHeader);
                Ok(true)
            }
            Expected::Totals { checksum: expected } => {
                let totals = (u64_at(piece, 0), u64_at(piece, 8));
                let sound = checksum(self.name.number, self.chunks, 0, piece) == expected;
                if !sound || totals != (self.chunks, self.bytes) {
                    return Err(self.damage("the end mark is wrong"));
                }
                self.passed(CHUNK_HEADER + TOTALS, Expected::Nothing);
                Ok(false)
            }
            Expected::Nothing => Ok(false),
        }
    }

    /// What is wrong with a file that ends here, or goes on here.
    ///
    /// # Errors
    /// When it must not.
    pub(super) fn at_the_end(&self, rest: u64) -> Result<(), Damage> {
        match (self.is_done(), rest) {
            (true, 0) => Ok(()),
            (true, rest) => Err(self.damage(&std::format!("{rest} bytes follow the end mark"))),
            (false, _) => Err(self.damage("it is cut off here: no end mark follows")),
        }
    }

    fn check_header(&self, piece: &[u8]) -> Result<(), Damage> {
        if piece[..8] != MAGIC {
            return Err(self.damage("it is no image"));
        }
        if u32_at(piece, HEADER - 4) != crc32fast::hash(&piece[..HEADER - 4]) {
            return Err(self.damage("the checksum of its header is wrong"));
        }
        let version = u32_at(piece, 8);
        if version != VERSION {
            let what = "this version of veraft reads images of version";
            return Err(self.damage(&std::format!("it has version {version}; {what} {VERSION}")));
        }
        let base = Base { last_index: u64_at(piece, 12), last_term: u64_at(piece, 20) };
        let found = ImageName { base, number: u64_at(piece, 28) };
        match found == self.name {
            true => Ok(()),
            false => Err(self.damage(&std::format!("it is image {found}, not {}", self.name))),
        }
    }

    fn passed(&mut self, length: usize, next: Expected) {
        self.sound += length as u64;
        self.expected = next;
    }

    fn damage(&self, what: &str) -> Damage {
        Damage { position: self.sound, what: what.into() }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: ImageName =
        ImageName { base: Base { last_index: 258, last_term: 3 }, number: 0x0102 };

    fn image(name: ImageName, chunks: &[&[u8]]) -> Vec<u8> {
        let mut bytes = header(name);
        for (place, data) in (0..).zip(chunks) {
            bytes.extend(chunk_header(name.number, place, data));
            bytes.extend(*data);
        }
        let total: usize = chunks.iter().map(|data| data.len()).sum();
        bytes.extend(end(name.number, chunks.len() as u64, total as u64));
        bytes
    }

    /// The data of an image that comes in parts of so many bytes.
    fn parse(name: ImageName, bytes: &[u8], part: usize) -> Result<Vec<u8>, Damage> {
        let (mut parser, mut data) = (Parser::new(name), Vec::new());
        let mut rest = 0;
        for mut input in bytes.chunks(part) {
            while !input.is_empty() && !parser.is_done() {
                data.extend(parser.take(&mut input)?.unwrap_or_default());
            }
            rest += input.len();
        }
        parser.at_the_end(rest as u64).map(|()| data)
    }

    /// A change here is a new version.
    #[test]
    fn the_bytes_are_those_of_version_1() {
        let bytes = image(NAME, &[b"ab"]);
        let (header, rest) = bytes.split_at(HEADER);
        assert_eq!(&header[..12], b"vrft-img\x01\0\0\0");
        assert_eq!(
            header[12..36],
            [2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(header[36..], 0x5d0f_a934_u32.to_le_bytes());
        assert_eq!(rest[..4], [2, 0, 0, 0]);
        assert_eq!(rest[4..8], 0x8b31_0067_u32.to_le_bytes());
        assert_eq!(&rest[8..14], b"ab\0\0\0\0");
        assert_eq!(rest[14..18], 0xb940_6187_u32.to_le_bytes());
        assert_eq!(rest[18..], [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn an_image_is_parsed_in_parts_of_any_length() {
        for chunks in [&[][..], &[&b"x"[..]], &[b"some", b"t", b"ext"]] {
            let bytes = image(NAME, chunks);
            for part in [1, 2, 7, 40, 41, bytes.len()] {
                assert_eq!(parse(NAME, &bytes, part), Ok(chunks.concat()), "{part}");
            }
        }
    }

    /// Every bit of it, and every length.
    #[test]
    fn damage_anywhere_is_found_and_its_piece_named() {
        let bytes = image(NAME, &[b"first", b"second"]);
        let pieces = [0, 40, 53, 67, 91];
        assert_eq!(bytes.len(), 91);
        let begins = |at: usize| *pieces.iter().rev().find(|&&begin| begin <= at).unwrap() as u64;
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let found = parse(NAME, &damaged, 16).unwrap_err();
                assert_eq!(found.position, begins(at), "byte {at}, bit {bit}: {found:?}");
            }
            let cut = parse(NAME, &bytes[..at], 16).unwrap_err();
            assert_eq!((cut.position, cut.what.contains("cut off")), (begins(at), true));
        }
        let longer = [&bytes[..], b"xy"].concat();
        let found = parse(NAME, &longer, 16).unwrap_err();
        assert_eq!((found.position, &*found.what), (91, "2 bytes follow the end mark"));
    }

    /// Each of these chunks is sound by itself.
    #[test]
    fn a_chunk_in_the_wrong_place_is_found() {
        let piece = |place, data: &[u8]| [&chunk_header(NAME.number, place, data), data].concat();
        let with = |pieces: &[Vec<u8>], chunks, bytes| {
            let image = [header(NAME), pieces.concat(), end(NAME.number, chunks, bytes)].concat();
            parse(NAME, &image, 64)
        };
        let (one, two) = (piece(0, b"a"), piece(1, b"b"));
        assert!(with(&[one.clone(), two.clone()], 2, 2).is_ok());
        assert!(with(&[two.clone(), one.clone()], 2, 2).is_err(), "swapped");
        assert!(with(&[one.clone(), one.clone()], 2, 2).is_err(), "doubled");
        assert!(with(&[two], 1, 1).is_err(), "the first is missing");
        assert!(with(&[one], 2, 2).is_err(), "the last is missing");
        let other = [&chunk_header(NAME.number + 1, 0, b"a"), &b"a"[..]].concat();
        assert!(with(&[other], 1, 1).is_err(), "another image's");
    }

    #[test]
    fn an_image_of_another_name_or_version_is_refused() {
        let bytes = image(NAME, &[]);
        let base = Base { last_index: 259, last_term: 3 };
        for other in [ImageName { base, ..NAME }, ImageName { number: 1, ..NAME }] {
            let found = parse(other, &bytes, 64).unwrap_err();
            assert!(found.what.contains("it is image 258-3-0000000000000102"), "{found:?}");
        }
        let mut newer = bytes.clone();
        newer[8] = 2;
        let sum = crc32fast::hash(&newer[..36]).to_le_bytes();
        newer[36..40].copy_from_slice(&sum);
        let found = parse(NAME, &newer, 64).unwrap_err();
        assert!(found.what.contains("version 2"), "{found:?}");
        assert_eq!(parse(NAME, &[0; 64], 64).unwrap_err().what, "it is no image");
    }
}
