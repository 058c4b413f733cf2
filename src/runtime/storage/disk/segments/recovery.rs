//! What the bytes of the segments are: batches, the end of them, or an error. Pure.

use crate::runtime::std;

use std::format;
use std::string::String;
use std::vec::Vec;

use super::sector::{self, PAYLOAD, SECTOR, Sector};
use super::{HEAD, LAYOUT, LENGTH};

/// What is wrong with a segment, and where in it, in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is not what was written, and no crash explains it.
    Damaged { at: usize, what: String },
    /// A later version wrote it.
    Layout { found: u32 },
}

/// How the last segment ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Where the next batch begins, in bytes of the stream.
    pub(super) position: usize,
    /// Where the last batch in this segment begins.
    pub(super) last: usize,
    /// Behind the last sector that a write which did not end has left, if one did.
    pub(super) dropped: Option<usize>,
}

/// Reads segments in their order.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The number of the next batch, once a segment was read.
    pub(super) next: Option<u64>,
    batch: Vec<u8>,
}

impl Reader {
    /// Reads a segment, the last one or one that is followed by another, and gives each batch to
    /// `take`.
    ///
    /// # Errors
    /// When it is damaged, or what `take` says is wrong with a batch.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        number: u32,
        is_last: bool,
        take: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<End, Unreadable> {
        let segment = Segment { bytes, number };
        let unborn = |position| match (is_last, self.next) {
            (true, Some(_)) => Ok(()),
            _ => Err(damaged(position, "the batch with which it begins is not whole")),
        };
        let mut next = match segment.sector(0)? {
            Sector::Written { payload, .. } => self.begins(payload)?,
            Sector::Blank | Sector::Damaged => {
                unborn(0)?;
                let next = self.next.unwrap_or_default();
                return Ok(End { position: 0, last: 0, dropped: segment.behind(0, next)? });
            }
        };
        let (mut position, mut last, mut is_whole) = (HEAD, 0, true);
        while segment.goes_on(position, next)? {
            let Some(end) = segment.batch(position, next, &mut self.batch)? else {
                is_whole = false;
                break;
            };
            take(&self.batch).map_err(|what| damaged(segment.byte(position), what))?;
            (last, position, next) = (position, end, next + 1);
        }
        if position == HEAD {
            unborn(0)?;
            (position, last) = (0, 0);
        } else if !is_whole && !is_last {
            return Err(damaged(segment.byte(position), "a batch is not whole, and others follow"));
        }
        self.next = Some(next);
        if !is_last {
            return Ok(End { position, last, dropped: None });
        }
        let first_behind = match is_whole {
            true => position.div_ceil(PAYLOAD),
            false => position / PAYLOAD,
        };
        Ok(End { position, last, dropped: segment.behind(first_behind, next)? })
    }

    /// The number of the batch with which a segment begins, by its head.
    fn begins(&self, payload: &[u8]) -> Result<u64, Unreadable> {
        let (mut layout, mut first) = ([0; 4], [0; 8]);
        layout.copy_from_slice(&payload[..4]);
        first.copy_from_slice(&payload[4..HEAD]);
        let (layout, first) = (u32::from_le_bytes(layout), u64::from_le_bytes(first));
        if layout != LAYOUT {
            return Err(Unreadable::Layout { found: layout });
        }
        match self.next.is_none_or(|next| next == first) {
            true => Ok(first),
            false => {
                Err(damaged(0, format!("it begins with batch {first}, and others are missing")))
            }
        }
    }
}

fn damaged(at: usize, what: impl Into<String>) -> Unreadable {
    Unreadable::Damaged { at, what: what.into() }
}

/// The bytes of a segment.
struct Segment<'a> {
    bytes: &'a [u8],
    number: u32,
}

impl<'a> Segment<'a> {
    fn sectors(&self) -> usize {
        self.bytes.len().div_ceil(SECTOR)
    }

    /// The sector at this place. An error if it is damaged, or if there is none: behind what is
    /// written there is always at least one.
    fn sector(&self, place: usize) -> Result<Sector<'a>, Unreadable> {
        let rest = self.bytes.get(place * SECTOR..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or_else(|| damaged(self.bytes.len(), "the file has lost its end"))?;
        match sector::read(&rest[..rest.len().min(SECTOR)], self.number, place) {
            Sector::Damaged => Err(damaged(
                place * SECTOR,
                "the sector is neither what was written nor what had been there before",
            )),
            sound @ (Sector::Blank | Sector::Written { .. }) => Ok(sound),
        }
    }

    /// Where a byte of the stream stands in the file.
    fn byte(&self, position: usize) -> usize {
        position / PAYLOAD * SECTOR + (SECTOR - PAYLOAD) + position % PAYLOAD
    }

    /// Whether batch `next` begins at this position: whether it has written in that sector.
    fn goes_on(&self, position: usize, next: u64) -> Result<bool, Unreadable> {
        let (place, used) = (position / PAYLOAD, position % PAYLOAD);
        match self.sector(place)? {
            Sector::Blank => Ok(false),
            Sector::Written { batch, .. } if batch >= next => Ok(true),
            Sector::Written { .. } if used > 0 => Ok(false),
            Sector::Written { batch, .. } => {
                Err(damaged(place * SECTOR, format!("batch {batch} stands behind its end")))
            }
            Sector::Damaged => Ok(false),
        }
    }

    /// Copies batch `next` from its position; where it ends, or none if a part of it was never
    /// written.
    fn batch(
        &self,
        position: usize,
        next: u64,
        batch: &mut Vec<u8>,
    ) -> Result<Option<usize>, Unreadable> {
        batch.clear();
        if !self.copy(position, LENGTH, batch)? {
            return Ok(None);
        }
        let length = u32::from_le_bytes([batch[0], batch[1], batch[2], batch[3]]) as usize;
        let begin = position + LENGTH;
        let end = begin + length;
        if length == 0 || end > self.sectors() * PAYLOAD {
            return Err(damaged(self.byte(position), "a batch has an impossible length"));
        }
        batch.clear();
        if !self.copy(begin, length, batch)? {
            return Ok(None);
        }
        // Only in the last one others may have written after it.
        let whole = position / PAYLOAD..(end - 1) / PAYLOAD;
        match whole.into_iter().find(|&place| sector::batch(&self.bytes[place * SECTOR..]) != next)
        {
            Some(place) => Err(damaged(place * SECTOR, "another batch stands in its place")),
            None => Ok(Some(end)),
        }
    }

    /// Copies a part of the stream; false if some of it was never written.
    fn copy(
        &self,
        mut position: usize,
        length: usize,
        into: &mut Vec<u8>,
    ) -> Result<bool, Unreadable> {
        while into.len() < length {
            match self.sector(position / PAYLOAD)? {
                Sector::Written { payload, .. } => {
                    let from = &payload[position % PAYLOAD..];
                    let from = &from[..from.len().min(length - into.len())];
                    into.extend_from_slice(from);
                    position += from.len();
                }
                Sector::Blank | Sector::Damaged => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Looks at the sectors from `place` on, which batch `next` may have begun to write: behind
    /// the last of them that it has.
    fn behind(&self, place: usize, next: u64) -> Result<Option<usize>, Unreadable> {
        let mut dropped = None;
        for place in place..self.sectors() {
            match self.sector(place)? {
                Sector::Blank | Sector::Damaged => {}
                Sector::Written { batch, .. } if batch == next => dropped = Some(place + 1),
                Sector::Written { batch, .. } => {
                    let what = format!("batch {batch} is there, and batch {next} is not whole");
                    return Err(damaged(place * SECTOR, what));
                }
            }
        }
        Ok(dropped)
    }
}
