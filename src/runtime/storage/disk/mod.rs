//! Storage on disk, in an embedded store that syncs and checks.
//!
//! [redb](https://docs.rs/redb) keeps one file of pages, each under a checksum, and never writes
//! over a page in use: a commit writes new pages and a new root, then syncs. A crash in between
//! leaves the state before. Here, a commit is one sync of the node:
//!
//! | table | key | value |
//! |---|---|---|
//! | `entries` | index of the first | a run of consecutive entries, in postcard |
//! | `ballot` | nothing | term and vote, in postcard |
//! | `format` | nothing | the version of this layout, 1 |

use crate::runtime::std;

use std::boxed::Box;
use std::error::Error;
use std::fmt::Display;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::vec::Vec;

use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};

use super::{Notes, Storage, StorageError};
use crate::figure2::{Entry, Index, Persistent, Record, ServerId, Term};

const ENTRIES: TableDefinition<Index, &[u8]> = TableDefinition::new("entries");
const BALLOT: TableDefinition<(), &[u8]> = TableDefinition::new("ballot");
const NOTES: TableDefinition<&str, &[u8]> = TableDefinition::new("notes");
const FORMAT: TableDefinition<(), u32> = TableDefinition::new("format");

/// The version of the layout.
const VERSION: u32 = 1;

/// How many entries are stored under one key at most. Runs rather than single entries: what the
/// store does for each key costs more than the entries of a batch.
const RUN: usize = 256;

type BoxError = Box<dyn Error + Send + Sync>;

/// The file in the directory of a node.
const FILE: &str = "raft.redb";

/// How much of the file is kept in memory, in bytes. The node holds the log itself, so the file
/// is read once.
const CACHE: usize = 32 * 1024 * 1024;

/// Storage in a directory of its own on disk.
///
/// Records are durable when [`sync`](Storage::sync) returns. Opening checks every page of the
/// file. What a crash left behind half written is dropped, with a warning in the log; other
/// damage is an error, and nothing is changed.
pub struct DiskStorage {
    /// The open transaction. Declared, and so dropped, before the store.
    transaction: Option<WriteTransaction>,
    store: Database,
    file: PathBuf,
    /// The index of the last entry, those of the open transaction included.
    last_index: Index,
}

impl DiskStorage {
    /// Opens the storage in `directory`, which is created if it does not exist.
    ///
    /// # Errors
    /// When another node has it open, when it is damaged, or when the system refuses.
    pub fn open(directory: impl AsRef<Path>) -> Result<DiskStorage, StorageError> {
        let directory = directory.as_ref();
        let io = |action| {
            let path = directory.to_path_buf();
            move |source: io::Error| StorageError::Io { action, path, source }
        };
        fs::create_dir_all(directory).map_err(io("create the directory"))?;
        let file = directory.join(FILE);
        let storage = DiskStorage::with(file.clone(), |builder| builder.create(&file))?;
        // A new file survives a crash once its directory does.
        let sync = |path: &Path| File::open(path).and_then(|directory| directory.sync_all());
        sync(directory).map_err(io("sync the directory"))?;
        if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync(parent).map_err(io("sync the parent of"))?;
        }
        Ok(storage)
    }

    fn with(
        file: PathBuf,
        open: impl FnOnce(&mut redb::Builder) -> Result<Database, DatabaseError>,
    ) -> Result<DiskStorage, StorageError> {
        let unclean = Arc::new(AtomicBool::new(false));
        let seen = unclean.clone();
        let mut builder = Database::builder();
        builder
            .set_cache_size(CACHE)
            .set_check_integrity_on_open(true)
            .set_repair_callback(move |_| seen.store(true, Ordering::Relaxed));
        let store = open(&mut builder).map_err(|error| explain(&file, error))?;
        if unclean.load(Ordering::Relaxed) {
            tracing::warn!(
                file = %file.display(),
                "not closed in order: what was written and not synced has been dropped"
            );
        }
        let mut storage = DiskStorage { transaction: None, store, file, last_index: 0 };
        storage.check_format()?;
        Ok(storage)
    }

    /// Creates the tables of a new file; refuses those of another layout.
    fn check_format(&mut self) -> Result<(), StorageError> {
        let transaction = self.begin()?;
        let found = {
            let mut format = transaction.open_table(FORMAT).map_err(|error| self.failed(error))?;
            let found =
                format.get(()).map_err(|error| self.failed(error))?.map(|found| found.value());
            if found.is_none() {
                format.insert((), VERSION).map_err(|error| self.failed(error))?;
            }
            found
        };
        transaction.open_table(ENTRIES).map_err(|error| self.failed(error))?;
        transaction.open_table(BALLOT).map_err(|error| self.failed(error))?;
        transaction.open_table(NOTES).map_err(|error| self.failed(error))?;
        match found {
            None => transaction.commit().map_err(|error| self.failed(error)),
            Some(VERSION) => transaction.abort().map_err(|error| self.failed(error)),
            Some(other) => Err(StorageError::other(std::format!(
                "{} has layout {other}, and this version of veraft reads layout {VERSION}",
                self.file.display()
            ))),
        }
    }

    fn begin(&self) -> Result<WriteTransaction, StorageError> {
        self.store.begin_write().map_err(|error| self.failed(error))
    }

    fn read(&self) -> Result<(Persistent, Index), StorageError> {
        let transaction = self.store.begin_read().map_err(|error| self.failed(error))?;
        let mut records = Vec::new();
        let ballot = transaction.open_table(BALLOT).map_err(|error| self.failed(error))?;
        if let Some(ballot) = ballot.get(()).map_err(|error| self.failed(error))? {
            let ballot = postcard::from_bytes(ballot.value());
            let (current_term, voted_for): (Term, Option<ServerId>) =
                ballot.map_err(|error| self.damaged("the ballot".into(), error))?;
            records.push(Record::Ballot { current_term, voted_for });
        }
        let table = transaction.open_table(ENTRIES).map_err(|error| self.failed(error))?;
        let mut entries = Vec::new();
        for item in table.iter().map_err(|error| self.failed(error))? {
            let (first, run) = item.map_err(|error| self.failed(error))?;
            let next = entries.len() as Index + 1;
            let position = || std::format!("entry {next}");
            if first.value() != next {
                return Err(self.damaged(position(), "the entry is missing"));
            }
            let run: Vec<Entry> = postcard::from_bytes(run.value())
                .map_err(|error| self.damaged(position(), error))?;
            entries.extend(run);
        }
        let last_index = entries.len() as Index;
        records.push(Record::Append { entries: entries.into_iter().collect() });
        Ok((records.into_iter().collect(), last_index))
    }

    /// The store reported what has no kind of its own, such as a disk that is full.
    fn failed(&self, error: impl Display) -> StorageError {
        StorageError::other(std::format!("{}: {error}", self.file.display()))
    }

    fn damaged(&self, position: String, what: impl ToString) -> StorageError {
        StorageError::Damaged { file: self.file.clone(), position, what: what.to_string() }
    }

    fn write(&mut self, transaction: &WriteTransaction, record: &Record) -> Result<(), BoxError> {
        match record {
            Record::Ballot { current_term, voted_for } => {
                let bytes = encode(&(current_term, voted_for));
                transaction.open_table(BALLOT)?.insert((), &*bytes)?;
            }
            Record::Truncate { last_index } => {
                let mut table = transaction.open_table(ENTRIES)?;
                table.retain_in(last_index + 1.., |_, _| false)?;
                self.last_index = *last_index;
                // The last run may reach past the new end.
                let cut = match table.last()? {
                    None => None,
                    Some((first, run)) => {
                        let mut run: Vec<Entry> = postcard::from_bytes(run.value())?;
                        run.truncate((last_index + 1 - first.value()) as usize);
                        Some((first.value(), run))
                    }
                };
                if let Some((first, run)) = cut {
                    table.insert(first, &*encode(&run))?;
                }
            }
            Record::Append { entries } => {
                let mut table = transaction.open_table(ENTRIES)?;
                let entries: Vec<&Entry> = entries.iter().collect();
                for run in entries.chunks(RUN) {
                    table.insert(self.last_index + 1, &*encode(&run))?;
                    self.last_index += run.len() as Index;
                }
            }
        }
        Ok(())
    }
}

fn encode(value: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("writing the core's types to memory cannot fail")
}

/// What a failure to open means for the user.
fn explain(file: &Path, error: DatabaseError) -> StorageError {
    let damaged = |position: &str, what: String| StorageError::Damaged {
        file: file.into(),
        position: position.into(),
        what,
    };
    if matches!(error, DatabaseError::DatabaseAlreadyOpen) {
        return StorageError::InUse { place: file.into() };
    }
    let DatabaseError::Storage(error) = error else {
        return StorageError::other(error);
    };
    if let redb::StorageError::Corrupted(what) = error {
        return damaged("a page (every page is checked when the file is opened)", what);
    }
    let redb::StorageError::Io(source) = error else {
        return StorageError::other(error);
    };
    if source.kind() == io::ErrorKind::InvalidData {
        return damaged("its header", source.to_string());
    }
    StorageError::Io { action: "open", path: file.into(), source }
}

impl Storage for DiskStorage {
    fn load(&mut self) -> Result<Persistent, StorageError> {
        let (persistent, last_index) = self.read()?;
        self.last_index = last_index;
        Ok(persistent)
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        let transaction = match self.transaction.take() {
            Some(transaction) => transaction,
            None => self.begin()?,
        };
        for record in records {
            self.write(&transaction, record).map_err(|error| self.failed(error))?;
        }
        self.transaction = Some(transaction);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        match self.transaction.take() {
            Some(transaction) => transaction.commit().map_err(|error| self.failed(error)),
            None => Ok(()),
        }
    }

    fn notes(&mut self) -> Result<Notes, StorageError> {
        let transaction = self.store.begin_read().map_err(|error| self.failed(error))?;
        let table = transaction.open_table(NOTES).map_err(|error| self.failed(error))?;
        let mut notes = Notes::new();
        for item in table.iter().map_err(|error| self.failed(error))? {
            let (name, value) = item.map_err(|error| self.failed(error))?;
            notes.insert(name.value().to_string(), value.value().to_vec());
        }
        Ok(notes)
    }

    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), StorageError> {
        let transaction = match self.transaction.take() {
            Some(transaction) => transaction,
            None => self.begin()?,
        };
        let write = || -> Result<(), BoxError> {
            transaction.open_table(NOTES)?.insert(name, value)?;
            Ok(())
        };
        write().map_err(|error| self.failed(error))?;
        self.transaction = Some(transaction);
        Ok(())
    }
}

#[cfg(test)]
mod power_loss;
