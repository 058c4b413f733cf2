//! A disk for tests, which remembers what was done to it, and what a server could write to it.

use crate::runtime::std;

use std::io;
use std::path::PathBuf;
use std::string::ToString;
use std::sync::{Arc, Mutex};
use std::vec;
use std::vec::Vec;

use rand::RngExt;
use rand::rngs::StdRng;

use super::DiskStorage;
use crate::figure2::{Base, Entry, Persistent, Record, ServerId};
use crate::runtime::storage::StorageError;

/// What a sector-wise disk writes as a whole, in bytes.
const SECTOR: usize = 512;

/// What happened to the disk, in order.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Write(usize, Vec<u8>),
    SetLen(usize),
    Sync,
    /// So many batches of records have been acknowledged.
    Acknowledged(usize),
}

impl Event {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Event::Write(at, data) => {
                let end = at + data.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*at..end].copy_from_slice(data);
            }
            Event::SetLen(length) => bytes.resize(*length, 0),
            Event::Sync | Event::Acknowledged(_) => {}
        }
    }
}

/// A file that remembers its history. Clones are the same file.
#[derive(Clone, Debug, Default)]
pub(super) struct Platter {
    bytes: Arc<Mutex<Vec<u8>>>,
    history: Arc<Mutex<Vec<Event>>>,
}

impl Platter {
    pub(super) fn holding(bytes: Vec<u8>) -> Platter {
        Platter { bytes: Arc::new(Mutex::new(bytes)), history: Arc::default() }
    }

    pub(super) fn note(&self, event: Event) {
        event.apply(&mut self.bytes.lock().unwrap());
        self.history.lock().unwrap().push(event);
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    pub(super) fn history(&self) -> Vec<Event> {
        self.history.lock().unwrap().clone()
    }

    pub(super) fn open(&self) -> Result<DiskStorage, StorageError> {
        let file = PathBuf::from("platter");
        DiskStorage::with(file, || Ok(self.clone()))
    }
}

impl redb::StorageBackend for Platter {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (bytes, offset) = (self.bytes.lock().unwrap(), offset as usize);
        let held = bytes.get(offset..offset + out.len());
        out.copy_from_slice(held.ok_or(io::ErrorKind::UnexpectedEof)?);
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

/// What a power failure after this history leaves of a disk that held `disk` before it, and how
/// many batches were acknowledged by then.
pub(super) fn crash(mut disk: Vec<u8>, history: &[Event], random: &mut StdRng) -> (Vec<u8>, usize) {
    let mut cache = Vec::new();
    let mut acknowledged = 0;
    for event in history {
        match event {
            Event::Sync => cache.drain(..).for_each(|event: &Event| event.apply(&mut disk)),
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
                        Event::Write(at, data.to_vec()).apply(&mut disk);
                    }
                }
            }
            Event::SetLen(length) if *length > disk.len() => event.apply(&mut disk),
            Event::SetLen(_) | Event::Sync | Event::Acknowledged(_) => {}
        }
    }
    (disk, acknowledged)
}

/// A batch of records that a server could write in term `number`, whose records so far fold to
/// `before`.
pub(super) fn batch(random: &mut StdRng, number: u64, before: &Persistent) -> Vec<Record> {
    let ballot = Record::Ballot {
        current_term: number,
        voted_for: random.random_bool(0.5).then_some(ServerId(number)),
    };
    let mut records = vec![ballot];
    let log = before.log();
    let (base, end) = (log.base().last_index, log.last_index());
    if random.random_bool(0.2) && end > base {
        records.push(Record::Truncate { last_index: random.random_range(base..end) });
    } else if random.random_bool(0.15) && end > base {
        let last_index = random.random_range(base + 1..=end);
        let last_term = log.term_at(last_index).held().unwrap();
        records.push(Record::Base(Base { last_index, last_term }));
    } else if random.random_bool(0.05) {
        let last_index = random.random_range(base + 1..=end + 30);
        records.push(Record::Base(Base { last_index, last_term: number }));
    }
    let count: usize = random.random_range(0..20);
    let entry = |at: usize| Entry::command(number, number.to_string().repeat(at * 10).into_bytes());
    records.push(Record::Append { entries: (0..count).map(entry).collect() });
    records
}
