//! Which embedded store to build on: appends of small records that must be durable, one in a
//! sync and 64 in a sync, the start with many records, and what becomes of a store of which one
//! byte was changed. A bare file shows what the file system does for one that grows with each
//! append. Then a node's own store: beside a bare file, and how large it is while its log is
//! compacted. `cargo bench --bench storage [-- NAME...]`; names: `beside`, `measure`, `compacted`,
//! `damage`.

mod beside;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fjall::{Database as Fjall, Keyspace, KeyspaceCreateOptions, PersistMode};
use redb::{Database as Redb, ReadableDatabase, ReadableTable, TableDefinition};
use veraft::figure2::{Base, Command, Entry, Record};
use veraft::runtime::{DiskStorage, Storage};

const TIME: Duration = Duration::from_secs(3);
const RECORD: [u8; 80] = [7; 80];
const MANY: u64 = 1_000_000;
const TABLE: TableDefinition<u64, &[u8]> = TableDefinition::new("log");

/// A log of records with consecutive numbers.
trait Store: Sized {
    const NAME: &str;

    fn open(directory: &Path) -> Self;
    fn append_and_sync(&mut self, first: u64, count: u64);
    /// Reads everything; returns how many records there are, all of them right.
    fn read(&mut self) -> u64;
}

fn right(record: &[u8]) -> u64 {
    assert_eq!(record, RECORD, "a record is wrong");
    1
}

struct BareFile(File);

impl Store for BareFile {
    const NAME: &str = "bare file";

    fn open(directory: &Path) -> Self {
        let path = directory.join("log");
        BareFile(OpenOptions::new().create(true).append(true).read(true).open(path).unwrap())
    }

    fn append_and_sync(&mut self, _first: u64, count: u64) {
        self.0.write_all(&RECORD.repeat(count as usize)).unwrap();
        self.0.sync_data().unwrap();
    }

    fn read(&mut self) -> u64 {
        self.0.metadata().unwrap().len() / RECORD.len() as u64
    }
}

struct FjallStore {
    database: Fjall,
    log: Keyspace,
}

impl Store for FjallStore {
    const NAME: &str = "fjall";

    fn open(directory: &Path) -> Self {
        let database = Fjall::builder(directory).open().unwrap();
        let log = database.keyspace("log", KeyspaceCreateOptions::default).unwrap();
        FjallStore { database, log }
    }

    fn append_and_sync(&mut self, first: u64, count: u64) {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for number in first..first + count {
            batch.insert(&self.log, number.to_be_bytes(), RECORD);
        }
        batch.commit().unwrap();
    }

    fn read(&mut self) -> u64 {
        self.log.iter().map(|item| right(&item.value().unwrap())).sum()
    }
}

struct RedbStore(Redb);

impl Store for RedbStore {
    const NAME: &str = "redb";

    fn open(directory: &Path) -> Self {
        let mut builder = Redb::builder();
        builder.set_check_integrity_on_open(true);
        RedbStore(builder.create(directory.join("log")).unwrap())
    }

    fn append_and_sync(&mut self, first: u64, count: u64) {
        let transaction = self.0.begin_write().unwrap();
        {
            let mut table = transaction.open_table(TABLE).unwrap();
            for number in first..first + count {
                table.insert(number, &RECORD[..]).unwrap();
            }
        }
        transaction.commit().unwrap();
    }

    fn read(&mut self) -> u64 {
        let transaction = self.0.begin_read().unwrap();
        let table = transaction.open_table(TABLE).unwrap();
        table.iter().unwrap().map(|item| right(item.unwrap().1.value())).sum()
    }
}

fn measure<S: Store>() {
    let directory = tempfile::tempdir_in(".").unwrap();
    let mut store = S::open(directory.path());
    let mut next = 1;
    let mut rates = [1, 64].map(|batch| {
        let (start, first) = (Instant::now(), next);
        while start.elapsed() < TIME {
            store.append_and_sync(next, batch);
            next += batch;
        }
        (next - first) as f64 / start.elapsed().as_secs_f64()
    });
    rates[1] /= 64.0;
    while next <= MANY {
        let count = 10_000.min(MANY + 1 - next);
        store.append_and_sync(next, count);
        next += count;
    }
    drop(store);
    let start = Instant::now();
    let mut store = S::open(directory.path());
    let read = store.read();
    let took = start.elapsed();
    assert!(read >= MANY, "{read} records");
    let size = |path: PathBuf| path.metadata().unwrap().len();
    let bytes: u64 = files(directory.path()).into_iter().map(size).sum();
    println!(
        "{:10} {:8.0} syncs/s of 1   {:8.0} syncs/s of 64   start with {read} in {took:.2?}   {} MB",
        S::NAME,
        rates[0],
        rates[1],
        bytes / 1_000_000,
    );
}

/// Changes one byte of what a store wrote, at many places, one at a time.
fn damage<S: Store>() {
    const RECORDS: u64 = 2000;
    const PLACES: usize = 500;
    let directory = tempfile::tempdir_in(".").unwrap();
    let mut store = S::open(directory.path());
    (1..=RECORDS).for_each(|number| store.append_and_sync(number, 1));
    drop(store);
    let sound: Vec<(PathBuf, Vec<u8>)> = files(directory.path())
        .into_iter()
        .map(|path| {
            let bytes = std::fs::read(&path).unwrap();
            (path.strip_prefix(directory.path()).unwrap().into(), bytes)
        })
        .collect();
    // Zeros at the end of a file are space that was reserved.
    let used = |bytes: &[u8]| bytes.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    let places: Vec<(usize, usize)> = sound
        .iter()
        .enumerate()
        .flat_map(|(file, (_, bytes))| (0..used(bytes)).map(move |at| (file, at)))
        .collect();
    let (mut refused, mut harmless, mut lost, mut one_lost) = (0, 0, 0, 0);
    for &(file, at) in places.iter().step_by(places.len().div_ceil(PLACES)) {
        let copy = tempfile::tempdir().unwrap();
        for (number, (path, bytes)) in sound.iter().enumerate() {
            let path = copy.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut bytes = bytes.clone();
            if number == file {
                bytes[at] ^= 0xff;
            }
            std::fs::write(path, bytes).unwrap();
        }
        match catch_unwind(|| S::open(copy.path()).read()) {
            Err(_) => refused += 1,
            Ok(RECORDS) => harmless += 1,
            Ok(read) if read + 1 == RECORDS => one_lost += 1,
            Ok(_) => lost += 1,
        }
    }
    println!(
        "{:10} one byte changed: {refused} refused, {harmless} without effect, \
         {one_lost} lost the last record, {lost} SILENTLY LOST MORE",
        S::NAME
    );
}

fn files(path: &Path) -> Vec<PathBuf> {
    match path.is_dir() {
        true => path.read_dir().unwrap().flat_map(|entry| files(&entry.unwrap().path())).collect(),
        false => vec![path.into()],
    }
}

/// Appends ten million entries to a node's store, whose log begins anew every so often.
fn compacted() {
    const MILLION: u64 = 1_000_000;
    const MILLIONS: u64 = 10;
    const BATCH: u64 = 250;
    const EVERY: u64 = 250_000;
    const KEPT: u64 = 10_000;
    let directory = tempfile::tempdir_in(".").unwrap();
    let mut store = DiskStorage::open(directory.path()).unwrap();
    store.load().unwrap();
    store.append(&[Record::Ballot { current_term: 1, voted_for: None }]).unwrap();
    let entry = Entry::command(1, Command::from(vec![b'x'; 64]));
    let size = || -> (u64, u64) {
        let files = files(directory.path()).into_iter().map(|path| path.metadata().unwrap());
        files.fold((0, 0), |(bytes, blocks), file| {
            (bytes + file.len(), blocks + file.blocks() * 512)
        })
    };
    println!("commits      entries/s   store: bytes, on disk, peak (MB); compacted every {EVERY}");
    let (mut last_index, mut peak, mut begin) = (0, 0, Instant::now());
    while last_index < MILLIONS * MILLION {
        let entries = (0..BATCH).map(|_| entry.clone()).collect();
        store.append(&[Record::Append { entries }]).unwrap();
        last_index += BATCH;
        if last_index % EVERY == 0 {
            let base = Base { last_index: last_index - KEPT, last_term: 1 };
            store.append(&[Record::Base(base)]).unwrap();
        }
        store.sync().unwrap();
        peak = peak.max(size().1);
        if last_index % MILLION == 0 {
            let ((bytes, on_disk), mb) = (size(), |bytes: u64| bytes as f64 / 1e6);
            println!(
                "{:2} million   {:9.0}   {:6.1}   {:6.1}   {:6.1}",
                last_index / MILLION,
                MILLION as f64 / begin.elapsed().as_secs_f64(),
                mb(bytes),
                mb(on_disk),
                mb(peak),
            );
            (peak, begin) = (0, Instant::now());
        }
    }
}

fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let chosen = |name: &str| names.is_empty() || names.iter().any(|one| one == name);
    if chosen("beside") {
        beside::beside();
    }
    if chosen("measure") {
        measure::<BareFile>();
        measure::<FjallStore>();
        measure::<RedbStore>();
    }
    if chosen("compacted") {
        compacted();
    }
    if chosen("damage") {
        std::panic::set_hook(Box::new(|_| {}));
        damage::<FjallStore>();
        damage::<RedbStore>();
    }
}
