//! A store is made, or made of one of an earlier layout, and the process is killed or the power
//! fails at any moment: there is none afterwards, or the older one, or a whole one.

use crate::runtime::std;

use std::path::Path;
use std::string::{String, ToString};
use std::vec::Vec;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::files::Files;
use super::platter::{Disk, Event, NODE, Platter};
use super::start::OLDER;
use crate::figure2::{Persistent, Record};
use crate::runtime::storage::{Notes, StorageError};

const FIXTURES: [&[u8]; 2] = [
    include_bytes!("../../../../tests/fixtures/store-1/raft.redb"),
    include_bytes!("../../../../tests/fixtures/store-2/raft.redb"),
];

/// After each event of this history, killed and without power, some times.
fn interrupted(disk: &Disk, history: &[Event], mut look: impl FnMut(Disk, usize)) {
    let mut random = StdRng::seed_from_u64(5);
    for end in 0..=history.len() {
        look(disk.clone().kill(&history[..end]), end);
        for _ in 0..12 {
            look(disk.clone().crash(&history[..end], &mut random).0, end);
        }
    }
}

/// Twice: what the next start has left half done is no obstacle to the one after it.
#[test]
fn a_first_start_is_cut_off_anywhere_and_the_next_one_works() {
    let platter = Platter::default();
    drop(platter.open().unwrap());
    let (mut none, mut some) = (0, 0);
    interrupted(&Disk::default(), &platter.history(), |disk, end| {
        let next = Platter::holding(disk.clone());
        let has_log = next.names(&Path::new(NODE).join("log")).unwrap().is_some();
        (none, some) = (none + usize::from(!has_log), some + usize::from(has_log));
        let mut store = next.open().unwrap_or_else(|error| panic!("at event {end}: {error}"));
        assert_eq!(store.load().unwrap(), Persistent::default());
        let ballot = Record::Ballot { current_term: 7, voted_for: None };
        store.append(&[ballot]).unwrap();
        store.sync().unwrap();
        let history = next.history();
        drop(store);
        let mut random = StdRng::seed_from_u64(end as u64);
        let (lost, _) = disk.crash(&history, &mut random);
        let found = Platter::holding(lost).found().unwrap().0;
        assert_eq!(found.current_term(), 7, "at event {end}");
    });
    assert!(none > 20 && some > 20, "{none} without a store, {some} with one");
}

#[test]
fn a_power_failure_leaves_one_layout_or_the_other_whole() {
    for (fixture, term) in FIXTURES.into_iter().zip([5, 5]) {
        let platter = Platter::with_file(OLDER, fixture);
        let start = platter.disk();
        let mut store = platter.open().unwrap();
        let history = platter.history();
        let expected: (Persistent, Notes) = (store.load().unwrap(), store.notes());
        assert_eq!((expected.0.current_term(), expected.0.log().last_index()), (term, 300));
        let (mut older, mut both, mut newer) = (0, 0, 0);
        interrupted(&start, &history, |disk, end| {
            let platter = Platter::holding(disk.clone());
            let has_log = platter.names(&Path::new(NODE).join("log")).unwrap().is_some();
            let file = platter.read(&Path::new(NODE).join(OLDER)).unwrap();
            match (has_log, file == fixture) {
                (false, true) => older += 1,
                (true, true) => both += 1,
                (true, false) => newer += 1,
                (false, false) => panic!("at event {end}: neither is there"),
            }
            assert!(platter.found().unwrap() == expected, "at event {end}");
            let (again, _) = disk.crash(&platter.history(), &mut StdRng::seed_from_u64(end as u64));
            assert!(Platter::holding(again).found().unwrap() == expected, "at event {end}");
        });
        assert!(older > 20 && both > 4 && newer > 0, "{older} older, {both} both, {newer} newer");
    }
}

fn refusal(platter: &Platter) -> (String, String) {
    match platter.open().map(|_| ()) {
        Err(StorageError::Damaged { file, what, .. }) => (file.display().to_string(), what),
        other => panic!("{other:?}"),
    }
}

/// Whoever removes the log, or brings an older file back, gets no other store without a word.
#[test]
fn a_store_that_is_gone_or_came_back_is_never_another_one() {
    let platter = Platter::with_file(OLDER, FIXTURES[1]);
    let mut store = platter.open().unwrap();
    let ballot = Record::Ballot { current_term: 17, voted_for: None };
    store.append(&[ballot]).unwrap();
    store.sync().unwrap();
    drop(store);
    let sound = platter.disk();

    let mut disk = sound.clone();
    *disk.file(OLDER) = FIXTURES[1].into();
    let events: Vec<Event> = {
        let platter = Platter::holding(disk.clone());
        let (file, what) = refusal(&platter);
        assert!(file.ends_with(OLDER) && what.contains("was not made from it"), "{file}: {what}");
        platter.history()
    };
    assert_eq!(events.len(), 0, "something was changed");

    let platter = Platter::holding(sound);
    platter.rename(&Path::new(NODE).join("log"), &Path::new(NODE).join("elsewhere")).unwrap();
    let (file, what) = refusal(&platter);
    assert!(file.ends_with("log") && what.contains("missing"), "{file}: {what}");
}
