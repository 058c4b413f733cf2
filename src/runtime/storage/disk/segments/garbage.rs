//! Whatever is in the files: an answer, no panic, and no more memory than they take.

use crate::runtime::std;

use std::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;

use super::laying::Place;
use super::recovery::Reader;
use super::sector::{self, PAYLOAD, SECTOR};
use super::{HEAD, LAYOUT, Reading};
use crate::runtime::storage::disk::replay::Replay;

/// Reads segments as opening does.
fn read(segments: &[Vec<u8>]) -> bool {
    let (mut reader, mut replay) = (Reader::default(), Replay::default());
    let mut stored = 0;
    let read = (1..).zip(segments).all(|(number, bytes)| {
        let is_last = number as usize == segments.len();
        let end = reader.read(bytes, number, is_last, &mut |batch| {
            stored += batch.len();
            replay.batch(number, batch)
        });
        end.is_ok_and(|end| {
            assert!(end.last <= end.position && end.position / PAYLOAD * SECTOR < bytes.len());
            assert!(end.dropped.is_none_or(|behind| behind <= bytes.len().div_ceil(SECTOR)));
            true
        })
    });
    assert!(stored <= segments.iter().map(Vec::len).sum());
    read && replay.end().is_ok() && replay.fold().is_ok()
}

/// Sectors with right checksums, whatever they hold.
fn sealed(sectors: Vec<(u64, Vec<u8>)>, number: u32, first: u64) -> Vec<u8> {
    let mut segment = Vec::new();
    for (place, (batch, payload)) in sectors.into_iter().enumerate() {
        sector::begin(&mut segment);
        let begin = segment.len();
        segment.extend(payload);
        segment.resize((place + 1) * SECTOR, 0);
        if place == 0 {
            segment[begin..begin + 4].copy_from_slice(&LAYOUT.to_le_bytes());
            segment[begin + 4..begin + HEAD].copy_from_slice(&first.to_le_bytes());
        }
        sector::seal(&mut segment[place * SECTOR..], number, place, batch);
    }
    segment.resize(segment.len() + SECTOR, 0);
    segment
}

/// Batches with any bytes in them, laid as a log does it.
fn laid(batches: &[Vec<u8>], number: u32, first: u64) -> Vec<u8> {
    let (mut place, mut segment, mut sectors) = (Place::first(number), Vec::new(), Vec::new());
    let mut head = Vec::from(LAYOUT.to_le_bytes());
    head.extend(first.to_le_bytes());
    for (batch, records) in (first..).zip(batches) {
        let head = if place.position == 0 { &head[..] } else { &[] };
        let at = place.sector() * SECTOR;
        place.lay(batch, &[head, &(records.len() as u32).to_le_bytes(), records], &mut sectors);
        segment.truncate(at);
        segment.extend_from_slice(&sectors);
    }
    segment.resize(segment.len() + SECTOR, 0);
    segment
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    // Mostly small numbers: lengths, kinds and indices that can be.
    let byte = prop_oneof![8 => 0_u8..8, 1 => any::<u8>()];
    vec(byte, 0..PAYLOAD)
}

/// Records of all kinds, with any numbers.
fn records() -> impl Strategy<Value = Vec<u8>> {
    let most = [&[0xff; 9][..], &[1]].concat();
    let number = prop_oneof![
        6 => (0_u8..6).prop_map(|number| Vec::from([number])),
        1 => Just(Vec::from([0x7f])),
        1 => Just(most),
    ];
    let record = (0_u8..7, vec(number, 0..6)).prop_map(|(kind, rest)| {
        let mut record = Vec::from([kind]);
        record.extend(rest.concat());
        record
    });
    vec(record, 1..6).prop_map(|records| {
        // Mostly behind a checkpoint of nothing.
        let mut batch = match records.len() {
            5 => Vec::new(),
            _ => Vec::from([0, 0, 0, 0]),
        };
        batch.extend(records.concat());
        batch
    })
}

#[test]
fn a_segment_goes_on_where_the_one_before_it_ends() {
    let batches = [Vec::from(*b"one"), Vec::from(*b"two")];
    for (first, follows) in [(1, false), (2, false), (3, true), (4, false)] {
        let mut reader = Reader::default();
        let mut read = |number, first, is_last| {
            reader.read(&laid(&batches, number, first), number, is_last, &mut |_| Ok(())).is_ok()
        };
        assert!(read(1, 1, false));
        assert_eq!(read(2, first, true), follows, "with batch {first}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn bytes_of_any_kind_are_read_or_refused(bytes in vec(any::<u8>(), 0..2000)) {
        read(&[bytes]);
    }

    #[test]
    fn sectors_of_any_kind_are_read_or_refused(
        first in vec((0_u64..5, payload()), 1..5),
        second in vec((0_u64..5, payload()), 1..5),
    ) {
        read(&[sealed(first, 1, 1), sealed(second, 2, 2)]);
    }

    #[test]
    fn records_of_any_kind_are_read_or_refused(batches in vec(records(), 1..4)) {
        read(&[laid(&batches, 1, 1)]);
    }

    #[test]
    fn what_was_laid_is_read_and_nothing_else(
        batches in vec(vec(any::<u8>(), 1..1500), 1..8),
    ) {
        let (mut reader, mut found) = (Reader::default(), Vec::new());
        let segment = laid(&batches, 7, 1);
        let end = reader.read(&segment, 7, true, &mut |batch| {
            found.push(batch.to_vec());
            Ok(())
        });
        prop_assert_eq!(end.map(|end| end.dropped), Ok(None));
        prop_assert_eq!(found, batches);
    }
}
