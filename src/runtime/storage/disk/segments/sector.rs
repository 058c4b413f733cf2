//! One sector: what a disk writes whole or not at all.
//!
//! | bytes | what |
//! |---|---|
//! | 0 to 4 | the checksum of all that follows, begun with the sector's place in its segment |
//! | 4 to 8 | the number of the segment |
//! | 8 to 16 | the number of the last batch that wrote in this sector |
//! | 16 to 512 | a part of the stream of batches, and zeros behind the last of them |

use crate::runtime::std;

use std::vec::Vec;

use crc32fast::Hasher;

/// What a disk writes as a whole, in bytes: no disk that is sold has smaller ones.
pub(super) const SECTOR: usize = 512;

const HEADER: usize = 16;

/// How much of the stream is in a sector, in bytes.
pub(super) const PAYLOAD: usize = SECTOR - HEADER;

/// What a sector of a segment holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sector<'a> {
    /// What was there before: zeros, or what belonged to an earlier segment in the same file.
    Blank,
    /// What was written there for this segment.
    Written {
        /// The last batch that wrote in it.
        batch: u64,
        payload: &'a [u8],
    },
    /// Neither: no write that was cut off leaves this.
    Damaged,
}

/// What the sector at `place` of the segment `segment` holds. One that the end of the file cuts
/// is blank or damaged.
pub(super) fn read(bytes: &[u8], segment: u32, place: usize) -> Sector<'_> {
    if bytes.iter().all(|&byte| byte == 0) {
        return Sector::Blank;
    }
    let Some((head, payload)) = bytes.split_at_checked(HEADER).filter(|_| bytes.len() == SECTOR)
    else {
        return Sector::Damaged;
    };
    if head[..4] != checksum(bytes, place) {
        return Sector::Damaged;
    }
    match u32::from_le_bytes([head[4], head[5], head[6], head[7]]) {
        found if found == segment => Sector::Written { batch: batch(bytes), payload },
        found if found < segment => Sector::Blank,
        _ => Sector::Damaged,
    }
}

/// The last batch that wrote in a sector that is known to be sound.
pub(super) fn batch(bytes: &[u8]) -> u64 {
    let mut batch = [0; 8];
    batch.copy_from_slice(&bytes[8..HEADER]);
    u64::from_le_bytes(batch)
}

/// Adds a sector without a header and with an empty payload.
pub(super) fn begin(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len() + HEADER, 0);
}

/// Writes the header of a sector whose payload is there.
pub(super) fn seal(bytes: &mut [u8], segment: u32, place: usize, batch: u64) {
    bytes[4..8].copy_from_slice(&segment.to_le_bytes());
    bytes[8..HEADER].copy_from_slice(&batch.to_le_bytes());
    let checksum = checksum(bytes, place);
    bytes[..4].copy_from_slice(&checksum);
}

fn checksum(bytes: &[u8], place: usize) -> [u8; 4] {
    // Places differ in their low bits long before they no longer fit.
    let mut hasher = Hasher::new_with_initial(place as u32);
    hasher.update(&bytes[4..]);
    hasher.finalize().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn sound() -> Vec<u8> {
        let mut bytes = vec![0; SECTOR];
        bytes[HEADER..HEADER + 4].copy_from_slice(b"text");
        seal(&mut bytes, 7, 3, 90);
        bytes
    }

    #[test]
    fn a_sector_counts_in_its_own_segment_and_place_alone() {
        let bytes = sound();
        let Sector::Written { batch: 90, payload } = read(&bytes, 7, 3) else { panic!("lost") };
        assert!(payload.starts_with(b"text") && payload.len() == PAYLOAD);
        assert_eq!(read(&bytes, 8, 3), Sector::Blank, "of an earlier segment");
        assert_eq!(read(&bytes, 6, 3), Sector::Damaged, "of a later one");
        assert_eq!(read(&bytes, 7, 2), Sector::Damaged, "of another place");
        assert_eq!(read(&bytes, 8, 2), Sector::Damaged, "of another place in an earlier one");
        assert_eq!(read(&[0; SECTOR], 7, 3), Sector::Blank);
        assert_eq!(read(&[0; 100], 7, 3), Sector::Blank);
        assert_eq!(read(&bytes[..100], 7, 3), Sector::Damaged);
        assert_eq!(read(&bytes[..2], 7, 3), Sector::Damaged);
    }

    #[test]
    fn each_bit_that_turns_is_damage() {
        for bit in 0..SECTOR * 8 {
            let mut bytes = sound();
            bytes[bit / 8] ^= 1 << (bit % 8);
            for segment in [6, 7, 8] {
                assert_eq!(read(&bytes, segment, 3), Sector::Damaged, "bit {bit}");
            }
        }
    }
}
