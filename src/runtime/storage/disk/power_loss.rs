//! The power fails at any moment, and of what was not synced any part may be on the disk: what
//! was acknowledged is there afterwards, and what is there is a prefix of what was written.

use crate::runtime::std;

use std::vec;
use std::vec::Vec;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::platter::{Disk, Event, Platter, batch};
use crate::figure2::Persistent;
use crate::runtime::storage::Notes;

type Found = (Persistent, Notes);

/// One life of a store: what is found after each batch, and the history of the disk.
fn live(platter: &Platter, first: u64, random: &mut StdRng) -> (Vec<Found>, Vec<Event>) {
    const BATCHES: usize = 30;
    let mut store = platter.open().unwrap();
    platter.note(Event::Acknowledged(0));
    let mut states = vec![(store.load().unwrap(), store.notes())];
    for number in 1..=BATCHES {
        let (mut state, mut notes) = states[number - 1].clone();
        let term = first + number as u64;
        for records in batch(random, term, &state).chunks(2) {
            store.append(records).unwrap();
            records.iter().for_each(|record| state.write(record.clone()));
        }
        if random.random_bool(0.5) {
            let name = ["floor", "peers", "who"][random.random_range(0..3)];
            let value = vec![7; random.random_range(0..200)];
            store.note(name, &value);
            notes.insert(name.into(), value);
            notes.retain(|_, value| !value.is_empty());
        }
        store.sync().unwrap();
        platter.note(Event::Acknowledged(number));
        if random.random_bool(0.1) {
            store.make_room().unwrap();
        }
        states.push((state, notes));
    }
    // Closing adds to it.
    (states, platter.history())
}

/// Lives that each begin with what a power failure has left of the one before.
#[test]
fn nothing_acknowledged_is_lost_and_nothing_unwritten_is_found() {
    const LIVES: usize = 12;
    const CRASHES: usize = 60;
    let (mut whole, mut more, mut segments) = (0, 0, 0);
    for seed in 0..6 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut disk = Disk::default();
        let (mut expected, mut term) = (Found::default(), 0);
        for _ in 0..LIVES {
            let platter = Platter::holding(disk.clone());
            let (states, history) = live(&platter, term, &mut random);
            assert!(states[0] == expected);
            term += states.len() as u64;
            let opened = history.iter().position(|event| matches!(event, Event::Acknowledged(0)));
            for _ in 0..CRASHES {
                let end = random.random_range(0..=history.len());
                let (crashed, acknowledged) = disk.clone().crash(&history[..end], &mut random);
                let found = Platter::holding(crashed.clone()).found().unwrap();
                let is_before = found == states[acknowledged];
                let is_next = states.get(acknowledged + 1) == Some(&found);
                assert!(is_before || is_next, "after {acknowledged} batches, at event {end}");
                assert!(is_before || end > opened.unwrap(), "written before it was opened");
                (whole, more) = (whole + usize::from(is_before), more + usize::from(is_next));
                // What a server has found it may have told others.
                let opening = Platter::holding(crashed.clone());
                assert!(opening.found().unwrap() == found);
                let (again, _) = crashed.crash(&opening.history(), &mut random);
                let again = Platter::holding(again).found().unwrap();
                assert!(again == found, "at event {end}: found, and lost");
            }
            let end = random.random_range(opened.unwrap()..=history.len());
            (disk, _) = disk.crash(&history[..end], &mut random);
            expected = Platter::holding(disk.clone()).found().unwrap();
            segments += disk.segments().len();
        }
    }
    assert!(whole > 500 && more > 100, "{whole} as acknowledged, {more} with one batch more");
    assert!(segments > 100, "{segments}");
}

/// A process that is killed leaves all that it has written in the system's cache; a power failure
/// comes right after the next start, and takes what that has not synced.
#[test]
fn what_is_found_after_a_kill_is_there_after_a_power_failure() {
    let mut random = StdRng::seed_from_u64(77);
    let platter = Platter::default();
    let (_, history) = live(&platter, 0, &mut random);
    let first = history.iter().position(|event| matches!(event, Event::Acknowledged(0))).unwrap();
    for end in first..=history.len() {
        let killed = Disk::default().kill(&history[..end]);
        let next = Platter::holding(killed);
        let mut store = next.open().unwrap();
        let found = (store.load().unwrap(), store.notes());
        let both: Vec<Event> = history[..end].iter().cloned().chain(next.history()).collect();
        drop(store);
        for _ in 0..4 {
            let (disk, _) = Disk::default().crash(&both, &mut random);
            let again = Platter::holding(disk).found().unwrap();
            assert!(again == found, "at event {end}: found, and lost");
        }
    }
}
