//! The power fails at any moment, and of what was not synced any part may be on the disk: what
//! was acknowledged is there afterwards, and what is there is a prefix of what was written.

use crate::runtime::std;

use std::io;
use std::path::PathBuf;
use std::string::ToString;
use std::sync::{Arc, Mutex};
use std::vec;
use std::vec::Vec;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::DiskStorage;
use crate::figure2::{Entry, Payload, Persistent, Record, ServerId};
use crate::runtime::storage::Storage;

/// What a sector-wise disk writes as a whole, in bytes.
const SECTOR: usize = 512;

/// What happened to the disk, in order.
#[derive(Clone, Debug)]
enum Event {
    Write(usize, Vec<u8>),
    SetLen(usize),
    Sync,
    /// So many batches of records have been acknowledged.
    Acknowledged(usize),
}

/// A file that remembers its history.
#[derive(Clone, Debug, Default)]
struct Platter {
    bytes: Arc<Mutex<Vec<u8>>>,
    history: Arc<Mutex<Vec<Event>>>,
}

impl Platter {
    fn note(&self, event: Event) {
        apply(&mut self.bytes.lock().unwrap(), &event);
        self.history.lock().unwrap().push(event);
    }
}

fn apply(bytes: &mut Vec<u8>, event: &Event) {
    match event {
        Event::Write(at, data) => {
            let end = at + data.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[*at..end].copy_from_slice(data);
        }
        Event::SetLen(length) => bytes.resize(*length, 0),
        Event::Sync | Event::Acknowledged(_) => {}
    }
}

impl redb::StorageBackend for Platter {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = offset as usize;
        out.copy_from_slice(&self.bytes.lock().unwrap()[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.note(Event::SetLen(length as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.note(Event::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.note(Event::Write(offset as usize, data.to_vec()));
        Ok(())
    }
}

fn open(platter: &Platter) -> DiskStorage {
    let file = PathBuf::from("platter");
    DiskStorage::with(file, |builder| builder.create_with_backend(platter.clone())).unwrap()
}

/// A batch of records that a server could write to a log of that length.
fn batch(random: &mut StdRng, number: u64, last_index: &mut u64) -> Vec<Record> {
    let mut records = vec![Record::Ballot {
        current_term: number,
        voted_for: random.random_bool(0.5).then_some(ServerId(number)),
    }];
    if random.random_bool(0.2) && *last_index > 0 {
        *last_index = random.random_range(0..*last_index);
        records.push(Record::Truncate { last_index: *last_index });
    }
    let count: usize = random.random_range(0..20);
    let entry = |at: usize| Entry {
        term: number,
        payload: Payload::Command(number.to_string().repeat(at * 10).into_bytes().into()),
    };
    records.push(Record::Append { entries: (0..count).map(entry).collect() });
    *last_index += count as u64;
    records
}

/// What a power failure after the first `events` of the history leaves on the disk, and how many
/// batches were acknowledged by then.
fn crash(history: &[Event], random: &mut StdRng) -> (Vec<u8>, usize) {
    let (mut disk, mut cache) = (Vec::new(), Vec::new());
    let mut acknowledged = 0;
    for event in history {
        match event {
            Event::Sync => cache.drain(..).for_each(|event| apply(&mut disk, event)),
            Event::Acknowledged(batches) => acknowledged = *batches,
            Event::Write(..) | Event::SetLen(_) => cache.push(event),
        }
    }
    for event in cache {
        match event {
            Event::Write(at, data) => {
                for (sector, data) in data.chunks(SECTOR).enumerate() {
                    if random.random_bool(0.5) {
                        let at = at + sector * SECTOR;
                        apply(&mut disk, &Event::Write(at, data.to_vec()));
                    }
                }
            }
            Event::SetLen(length) if *length > disk.len() => apply(&mut disk, event),
            Event::SetLen(_) | Event::Sync | Event::Acknowledged(_) => {}
        }
    }
    (disk, acknowledged)
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_unwritten_is_found() {
    const BATCHES: usize = 60;
    const CRASHES: usize = 400;
    let mut random = StdRng::seed_from_u64(2026);
    let platter = Platter::default();
    let mut storage = open(&platter);
    let mut states = vec![storage.load().unwrap()];
    let mut last_index = 0;
    for number in 1..=BATCHES {
        let records = batch(&mut random, number as u64, &mut last_index);
        storage.append(&records).unwrap();
        storage.sync().unwrap();
        platter.note(Event::Acknowledged(number));
        let mut state: Persistent = states[number - 1].clone();
        records.into_iter().for_each(|record| state.write(record));
        states.push(state);
    }
    let history = platter.history.lock().unwrap().clone();
    drop(storage);

    let first = history.iter().position(|event| matches!(event, Event::Acknowledged(1))).unwrap();
    let (mut torn, mut rolled_back) = (0, 0);
    for _ in 0..CRASHES {
        let end = random.random_range(first..history.len());
        let (bytes, acknowledged) = crash(&history[..end], &mut random);
        let survivor = Platter { bytes: Arc::new(Mutex::new(bytes)), ..Platter::default() };
        let found = open(&survivor).load().unwrap();
        let whole = found == states[acknowledged];
        let more = states.get(acknowledged + 1) == Some(&found);
        assert!(whole || more, "after {acknowledged} batches, at event {end}: {found:?}");
        torn += usize::from(!matches!(history[end - 1], Event::Acknowledged(_) | Event::Sync));
        rolled_back += usize::from(whole);
    }
    assert!(torn > CRASHES / 2 && rolled_back > CRASHES / 2, "{torn} torn, {rolled_back} back");
}
