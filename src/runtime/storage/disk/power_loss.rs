//! The power fails at any moment, and of what was not synced any part may be on the disk: what
//! was acknowledged is there afterwards, and what is there is a prefix of what was written.

use crate::runtime::std;

use std::vec;
use std::vec::Vec;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::platter::{Event, Platter, batch, crash};
use super::roots::{self, End};
use crate::figure2::Persistent;
use crate::runtime::storage::Storage;

#[test]
fn nothing_acknowledged_is_lost_and_nothing_unwritten_is_found() {
    let [cut, completed, dropped, unknown] = ends_of_crashes(false);
    assert!(
        cut > 9 && completed > 9 && dropped > 9 && unknown == 0,
        "{cut} cut, {completed} completed, {dropped} dropped, {unknown} unknown"
    );
}

/// What is moved stands in commits of one phase, but nothing else does.
#[test]
fn nothing_is_lost_while_the_file_is_made_smaller() {
    let [cut, completed, dropped, unknown] = ends_of_crashes(true);
    assert!(
        cut > 9 && completed > 9 && dropped > 9 && unknown > 9,
        "{cut} cut, {completed} completed, {dropped} dropped, {unknown} unknown"
    );
}

/// How often the file was found to have been left in each way.
fn ends_of_crashes(makes_room: bool) -> [usize; 4] {
    const BATCHES: usize = 60;
    const CRASHES: usize = 400;
    let mut random = StdRng::seed_from_u64(2026);
    let platter = Platter::default();
    let mut storage = platter.open().unwrap();
    let mut states = vec![storage.load().unwrap()];
    for number in 1..=BATCHES {
        let records = batch(&mut random, number as u64, &states[number - 1]);
        storage.append(&records).unwrap();
        storage.sync().unwrap();
        platter.note(Event::Acknowledged(number));
        if makes_room && number % 5 == 0 {
            storage.make_room().unwrap();
        }
        let mut state: Persistent = states[number - 1].clone();
        records.into_iter().for_each(|record| state.write(record));
        states.push(state);
    }
    let history = platter.history();
    // Closing begins another commit.
    drop(storage);

    let first = history.iter().position(|event| matches!(event, Event::Acknowledged(1))).unwrap();
    let (mut torn, mut cut, mut completed, mut dropped, mut unknown) = (0, 0, 0, 0, 0);
    for _ in 0..CRASHES {
        let end = random.random_range(first..history.len());
        let (bytes, acknowledged) = crash(Vec::new(), &history[..end], &mut random);
        torn += usize::from(!matches!(history[end - 1], Event::Acknowledged(_) | Event::Sync));
        let survivor = Platter::holding(bytes.clone());
        match roots::settle(|| Ok(Platter::holding(bytes.clone()))).unwrap() {
            End::Cut => cut += 1,
            End::Completed => completed += 1,
            End::Dropped => dropped += 1,
            End::Unknown => unknown += 1,
            End::Closed => panic!("it was in use"),
        }
        let found = survivor.open().unwrap().load().unwrap();
        let whole = found == states[acknowledged];
        let more = states.get(acknowledged + 1) == Some(&found);
        assert!(whole || more, "after {acknowledged} batches, at event {end}: {found:?}");

        // What a server has found it may have told others.
        let opening = Platter::holding(bytes.clone());
        let mut storage = opening.open().unwrap();
        assert!(storage.load().unwrap() == found);
        let (bytes, _) = crash(bytes, &opening.history(), &mut random);
        let again = Platter::holding(bytes).open().unwrap().load().unwrap();
        assert!(again == found, "after {acknowledged} batches, at event {end}: found, and lost");
    }
    assert!(torn > CRASHES / 2, "{torn}");
    [cut, completed, dropped, unknown]
}
