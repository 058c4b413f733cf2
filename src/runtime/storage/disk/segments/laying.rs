//! Where the bytes of a batch go: over sectors, behind what is there. Pure.

use crate::runtime::std;

use std::vec::Vec;

use super::sector::{self, PAYLOAD, SECTOR};

/// The end of what is written in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of the segment.
    pub(super) segment: u32,
    /// In bytes of the stream.
    pub(super) position: usize,
    /// What is written already in the sector where the next batch begins.
    pub(super) begun: Vec<u8>,
}

impl Place {
    /// The beginning of a segment.
    pub(super) fn first(segment: u32) -> Place {
        Place { segment, position: 0, begun: Vec::new() }
    }

    /// The sector in which the next byte goes.
    pub(super) fn sector(&self) -> usize {
        self.position / PAYLOAD
    }

    /// The sector in which the byte behind so many more goes.
    pub(super) fn sector_behind(&self, bytes: usize) -> usize {
        (self.position + bytes) / PAYLOAD
    }

    /// Makes `sectors` those that a batch changes which consists of `parts`, the first of them
    /// being the one at [`sector`](Self::sector), and goes behind it.
    pub(super) fn lay(&mut self, batch: u64, parts: &[&[u8]], sectors: &mut Vec<u8>) {
        let first = self.sector();
        sectors.clear();
        sector::begin(sectors);
        sectors.extend_from_slice(&self.begun);
        for part in parts {
            let mut part = *part;
            self.position += part.len();
            while !part.is_empty() {
                if sectors.len().is_multiple_of(SECTOR) {
                    sector::begin(sectors);
                }
                let room = SECTOR - sectors.len() % SECTOR;
                let (now, rest) = part.split_at(room.min(part.len()));
                sectors.extend_from_slice(now);
                part = rest;
            }
        }
        let used = self.position % PAYLOAD;
        self.begun.clear();
        self.begun.extend_from_slice(&sectors[sectors.len() - used..]);
        sectors.resize(sectors.len().next_multiple_of(SECTOR), 0);
        for (place, sector) in (first..).zip(sectors.chunks_exact_mut(SECTOR)) {
            sector::seal(sector, self.segment, place, batch);
        }
    }
}
