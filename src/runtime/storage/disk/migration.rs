//! A file of an earlier layout becomes one of this layout, whole or not at all.

use crate::runtime::std;

use std::vec::Vec;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redb::{Database, ReadableDatabase, TableDefinition};

use super::platter::{Event, Platter, crash};
use super::roots;
use crate::runtime::storage::Storage;

const OLDER: [&[u8]; 2] = [
    include_bytes!("../../../../tests/fixtures/store-1/raft.redb"),
    include_bytes!("../../../../tests/fixtures/store-2/raft.redb"),
];
const NEWEST: u32 = 3;

/// The version that stands in the file, asked of the store underneath.
fn layout(bytes: &[u8]) -> u32 {
    let platter = Platter::holding(bytes.to_vec());
    roots::settle(|| Ok(platter.clone())).unwrap();
    let store = Database::builder().create_with_backend(platter).unwrap();
    let transaction = store.begin_read().unwrap();
    let table = transaction.open_table(TableDefinition::<(), u32>::new("format")).unwrap();
    table.get(()).unwrap().unwrap().value()
}

#[test]
fn a_power_failure_leaves_one_layout_or_the_other_whole() {
    const CRASHES: usize = 200;
    let mut random = StdRng::seed_from_u64(2);
    for (older, fixture) in (1..).zip(OLDER) {
        let platter = Platter::holding(fixture.to_vec());
        assert_eq!(layout(fixture), older);
        let mut storage = platter.open().unwrap();
        let history: Vec<Event> = platter.history();
        let (expected, notes) = (storage.load().unwrap(), storage.notes().unwrap());
        assert_eq!((expected.current_term(), expected.log().last_index()), (5, 300));

        let (mut old, mut new) = (0, 0);
        for _ in 0..CRASHES {
            let end = random.random_range(0..=history.len());
            let (bytes, _) = crash(fixture.to_vec(), &history[..end], &mut random);
            match layout(&bytes) {
                found if found == older => old += 1,
                NEWEST => new += 1,
                other => panic!("layout {other}"),
            }
            let survivor = Platter::holding(bytes);
            let mut storage = survivor.open().unwrap();
            assert!(storage.load().unwrap() == expected, "at event {end}");
            assert!(storage.notes().unwrap() == notes, "at event {end}");
            drop(storage);
            assert_eq!(layout(&survivor.bytes()), NEWEST);
        }
        assert!(old > 20 && new > 20, "{old} of layout {older}, {new} of layout {NEWEST}");
    }
}
