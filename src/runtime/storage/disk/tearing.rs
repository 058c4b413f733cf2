//! All that a crash can leave of a batch, one by one: any of its sectors, in segments of any
//! history.

use crate::runtime::std;

use std::string::String;
use std::vec;
use std::vec::Vec;

use super::platter::{Disk, Event, Platter, SECTOR};
use crate::figure2::{Base, Entry, Persistent, Record};

/// A batch whose entries take about so many bytes.
fn entries(term: u64, bytes: usize) -> Record {
    let entry = |bytes: usize| Entry::command(term, vec![b'a' + term as u8; bytes]);
    Record::Append { entries: [entry(bytes / 3), entry(bytes - bytes / 3)].into_iter().collect() }
}

fn write(platter: &Platter, expected: &mut Persistent, records: &[Record]) -> Vec<Event> {
    let before = platter.history().len();
    let mut store = platter.open().unwrap();
    assert!(store.load().unwrap() == *expected);
    store.append(records).unwrap();
    store.sync().unwrap();
    records.iter().for_each(|record| expected.write(record.clone()));
    let history = platter.history();
    std::mem::forget(store);
    history[before..].to_vec()
}

/// What was written to files, sector by sector.
fn sectors(history: &[Event]) -> Vec<Event> {
    let mut sectors = Vec::new();
    for event in history {
        if let Event::Write { file, at, bytes } = event {
            for (place, bytes) in bytes.chunks(SECTOR).enumerate() {
                let at = at + place * SECTOR;
                sectors.push(Event::Write { file: *file, at, bytes: bytes.into() });
            }
        }
    }
    sectors
}

/// The last write of the history, and what was before it.
fn last_write(history: &[Event]) -> (Vec<Event>, Vec<Event>) {
    let place = history.iter().rposition(|event| matches!(event, Event::Write { .. })).unwrap();
    (history[..place].to_vec(), sectors(&history[place..=place]))
}

/// Every subset of the sectors of each batch: the batch is found if what it changed is there, and
/// what was before it otherwise. What is written then, shorter or longer, is never mixed with what
/// the crash has left.
#[test]
fn of_a_batch_any_sectors_are_there() {
    let (mut whole, mut torn, mut segments) = (0, 0, Vec::<String>::new());
    let platter = Platter::default();
    let mut expected = Persistent::default();
    let ballot = |current_term| Record::Ballot { current_term, voted_for: None };
    let base = |last_index, last_term| Record::Base(Base { last_index, last_term });
    let sizes = [10, 3000, 400, 1400, 950, 2500, 496, 480, 1500, 2600, 20, 3000, 700, 3100];
    for (term, size) in (1..).zip(sizes) {
        let mut records = vec![ballot(term), entries(term, size)];
        if term == 7 || term == 11 {
            // Segments go, and are used again.
            records.push(base(2 * term - 2, term - 1));
        }
        let disk = platter.disk();
        let before = expected.clone();
        let history = write(&platter, &mut expected, &records);
        let (ahead, sectors) = last_write(&history);
        let start = disk.kill(&ahead);
        assert!(sectors.len() <= 12, "{}", sectors.len());
        for chosen in 0_u32..1 << sectors.len() {
            let written = (0..).zip(&sectors).filter(|(place, _)| chosen >> place & 1 == 1);
            let written: Vec<Event> = written.map(|(_, sector)| sector.clone()).collect();
            let disk = start.clone().kill(&written);
            let survivor = Platter::holding(disk.clone());
            let (found, _) = survivor.found().unwrap();
            // Zeros behind it are written over nothing that counts.
            let is_there = sectors.iter().all(|sector| {
                let Event::Write { file, at, bytes } = sector else { panic!("no write") };
                bytes.iter().all(|&byte| byte == 0) || disk.files[file][*at..].starts_with(bytes)
            });
            let is_right = if is_there { found == expected } else { found == before };
            assert!(is_right, "batch {term}, sectors {chosen:b}");
            (whole, torn) = (whole + u32::from(is_there), torn + u32::from(!is_there));
            // The next batch, and a crash in it that leaves none of it, or its first sector, or
            // all but that.
            let sizes = [5, 900, 2000].into_iter().filter(|_| chosen % 7 == 1);
            for size in sizes {
                let survivor = Platter::holding(disk.clone());
                let mut then = found.clone();
                let history = write(&survivor, &mut then, &[ballot(99), entries(99, size)]);
                assert!(survivor.found().unwrap().0 == then, "{term}: {chosen:b}, {size}");
                let (ahead, sectors) = last_write(&history);
                let opening = opening_of(&disk);
                let start = disk.clone().kill(&opening).kill(&ahead);
                for some in [&sectors[..0], &sectors[..1], &sectors[1..], &sectors[..]] {
                    let again = Platter::holding(start.clone().kill(some)).found().unwrap().0;
                    assert!(again == then || again == found, "{term}: {chosen:b}");
                }
            }
        }
        segments.extend(platter.disk().segments());
    }
    segments.sort();
    segments.dedup();
    assert!(whole >= 14 && torn > 500 && segments.len() >= 4, "{whole}, {torn}, {segments:?}");
    let is_used_again = |event: &Event| matches!(event, Event::Name { before: Some(before), .. } if before.ends_with(".spare"));
    assert!(platter.history().iter().any(is_used_again));
}

/// What opening does to a disk.
fn opening_of(disk: &Disk) -> Vec<Event> {
    let platter = Platter::holding(disk.clone());
    let store = platter.open().unwrap();
    let history = platter.history();
    drop(store);
    history
}

/// Every subset of what opening writes where a batch was torn leaves the same.
#[test]
fn opening_is_cut_off_anywhere_and_changes_nothing() {
    let platter = Platter::default();
    let mut expected = Persistent::default();
    let ballot = Record::Ballot { current_term: 9, voted_for: None };
    write(&platter, &mut expected, &[ballot, entries(1, 1200)]);
    let (start, before) = (platter.disk(), expected.clone());
    let history = write(&platter, &mut expected, &[entries(2, 1300)]);
    let (ahead, batch) = last_write(&history);
    let start = start.kill(&ahead);
    for chosen in 0_u32..(1 << batch.len()) - 1 {
        let written = (0..).zip(&batch).filter(|(place, _)| chosen >> place & 1 == 1);
        let disk = start.clone().kill(&written.map(|(_, event)| event.clone()).collect::<Vec<_>>());
        let opening = sectors(&opening_of(&disk));
        assert!(opening.len() < 9, "{}", opening.len());
        for some in 0_u32..1 << opening.len() {
            let written = (0..).zip(&opening).filter(|(place, _)| some >> place & 1 == 1);
            let written: Vec<Event> = written.map(|(_, event)| event.clone()).collect();
            let found = Platter::holding(disk.clone().kill(&written)).found().unwrap().0;
            assert!(found == before, "{chosen:b}, {some:b}");
        }
    }
}
