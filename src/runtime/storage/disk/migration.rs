//! A file of layout 1 becomes one of layout 2, whole or not at all.

use crate::runtime::std;

use std::vec::Vec;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redb::{Database, ReadableDatabase, TableDefinition};

use super::platter::{Event, Platter, crash};
use super::roots;
use crate::runtime::storage::Storage;

const LAYOUT_1: &[u8] = include_bytes!("../../../../tests/fixtures/store-1/raft.redb");

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
    const CRASHES: usize = 300;
    let mut random = StdRng::seed_from_u64(2);
    let platter = Platter::holding(LAYOUT_1.to_vec());
    assert_eq!(layout(LAYOUT_1), 1);
    let mut storage = platter.open().unwrap();
    let history: Vec<Event> = platter.history();
    let expected = storage.load().unwrap();
    assert_eq!((expected.current_term(), expected.log().last_index()), (5, 300));

    let (mut old, mut new) = (0, 0);
    for _ in 0..CRASHES {
        let end = random.random_range(0..=history.len());
        let (bytes, _) = crash(LAYOUT_1.to_vec(), &history[..end], &mut random);
        match layout(&bytes) {
            1 => old += 1,
            2 => new += 1,
            other => panic!("layout {other}"),
        }
        let survivor = Platter::holding(bytes);
        let mut storage = survivor.open().unwrap();
        assert!(storage.load().unwrap() == expected, "at event {end}");
        drop(storage);
        assert_eq!(layout(&survivor.bytes()), 2);
    }
    assert!(old > 30 && new > 30, "{old} of layout 1, {new} of layout 2");
}
