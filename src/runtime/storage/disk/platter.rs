//! A disk for tests, which remembers what was done to it, and what a server could write to it.

use crate::runtime::std;

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};
use std::string::{String, ToString};
use std::sync::{Arc, Mutex};
use std::vec;
use std::vec::Vec;

use rand::RngExt;
use rand::rngs::StdRng;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::files::Files;
use super::older::Trouble;
use super::start;
use super::store::Store;
use crate::figure2::{Base, Entry, Persistent, Record, ServerId};
use crate::runtime::storage::{Notes, StorageError};

/// What a disk writes as a whole, in bytes.
pub(super) const SECTOR: usize = 512;

/// The directory of the node.
pub(super) const NODE: &str = "node";

/// A file or a directory, whatever its name. The directory of the node is 0.
type Id = usize;

/// What happened to the disk, in order.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Write {
        file: Id,
        at: usize,
        bytes: Vec<u8>,
    },
    Sync(Id),
    /// A new file or directory gets a name in a directory, or what is there gets another one.
    Name {
        directory: Id,
        name: String,
        node: Id,
        before: Option<String>,
    },
    Unname {
        directory: Id,
        name: String,
    },
    SyncDirectory(Id),
    /// So many batches of records have been acknowledged.
    Acknowledged(usize),
}

/// What a disk holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) files: BTreeMap<Id, Vec<u8>>,
    directories: BTreeMap<Id, BTreeMap<String, Id>>,
    made: usize,
}

impl Disk {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Write { file, at, bytes } => {
                let content = self.files.entry(*file).or_default();
                let end = at + bytes.len();
                content.resize(content.len().max(end), 0);
                content[*at..end].copy_from_slice(bytes);
            }
            Event::Name { directory, name, node, before } => {
                let names = self.directories.entry(*directory).or_default();
                if let Some(before) = before {
                    names.remove(before);
                }
                names.insert(name.clone(), *node);
                self.made = self.made.max(*node);
            }
            Event::Unname { directory, name } => {
                self.directories.entry(*directory).or_default().remove(name);
            }
            Event::Sync(_) | Event::SyncDirectory(_) | Event::Acknowledged(_) => {}
        }
    }

    fn find(&self, path: &Path) -> Option<Id> {
        let mut names = path.components();
        assert_eq!(names.next(), Some(Component::Normal(NODE.as_ref())), "{}", path.display());
        names.try_fold(0, |directory, name| {
            let name = name.as_os_str().to_str()?;
            self.directories.get(&directory)?.get(name).copied()
        })
    }

    /// The file of this name, in the directory of the node.
    pub(super) fn file(&mut self, name: &str) -> &mut Vec<u8> {
        let id = self.find(&Path::new(NODE).join(name)).unwrap();
        self.files.get_mut(&id).unwrap()
    }

    /// The names of the segments, in the directory of the node.
    pub(super) fn segments(&self) -> Vec<String> {
        let log = self.find(&Path::new(NODE).join("log")).unwrap();
        let names = self.directories[&log].keys().filter(|name| name.ends_with(".log"));
        names.map(|name| std::format!("log/{name}")).collect()
    }

    /// What a power failure after this history leaves of a disk that held this before it, and how
    /// many batches were acknowledged by then. Of what was not synced there is any part; names of
    /// a directory change in order.
    pub(super) fn crash(mut self, history: &[Event], random: &mut StdRng) -> (Disk, usize) {
        let mut cache: Vec<&Event> = Vec::new();
        let mut acknowledged = 0;
        for event in history {
            let is_synced = |cached: &Event| match (event, cached) {
                (Event::Sync(synced), Event::Write { file, .. }) => synced == file,
                (
                    Event::SyncDirectory(synced),
                    Event::Name { directory, .. } | Event::Unname { directory, .. },
                ) => synced == directory,
                _ => false,
            };
            cache.retain(|cached| {
                let synced = is_synced(cached);
                if synced {
                    self.apply(cached);
                }
                !synced
            });
            match event {
                Event::Acknowledged(batches) => acknowledged = *batches,
                Event::Write { .. } | Event::Name { .. } | Event::Unname { .. } => {
                    cache.push(event)
                }
                Event::Sync(_) | Event::SyncDirectory(_) => {}
            }
        }
        let share = [0.0, 0.5, 0.9, 1.0][random.random_range(0..4)];
        let mut stuck = Vec::new();
        for event in cache {
            match event {
                Event::Write { file, at, bytes } => {
                    for (sector, bytes) in bytes.chunks(SECTOR).enumerate() {
                        if random.random_bool(share) {
                            let at = at + sector * SECTOR;
                            self.apply(&Event::Write { file: *file, at, bytes: bytes.into() });
                        }
                    }
                }
                Event::Name { directory, .. } | Event::Unname { directory, .. } => {
                    if stuck.contains(directory) || random.random_bool(0.4) {
                        stuck.push(*directory);
                    } else {
                        self.apply(event);
                    }
                }
                Event::Sync(_) | Event::SyncDirectory(_) | Event::Acknowledged(_) => {}
            }
        }
        (self, acknowledged)
    }

    /// What is there if the process is killed after this history, and the machine is not.
    pub(super) fn kill(mut self, history: &[Event]) -> Disk {
        history.iter().for_each(|event| self.apply(event));
        self
    }
}

#[derive(Debug, Default)]
struct Remembering {
    disk: Disk,
    history: Vec<Event>,
}

/// A disk that remembers its history. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Platter(Arc<Mutex<Remembering>>);

impl Platter {
    pub(super) fn holding(disk: Disk) -> Platter {
        Platter(Arc::new(Mutex::new(Remembering { disk, history: Vec::new() })))
    }

    pub(super) fn with_file(name: &str, bytes: &[u8]) -> Platter {
        let platter = Platter::default();
        let mut file = platter.create(&Path::new(NODE).join(name)).unwrap();
        platter.write(&mut file, 0, bytes).unwrap();
        Platter::holding(platter.disk())
    }

    pub(super) fn note(&self, event: Event) {
        let mut inside = self.0.lock().unwrap();
        inside.disk.apply(&event);
        inside.history.push(event);
    }

    pub(super) fn disk(&self) -> Disk {
        self.0.lock().unwrap().disk.clone()
    }

    pub(super) fn history(&self) -> Vec<Event> {
        self.0.lock().unwrap().history.clone()
    }

    pub(super) fn open(&self) -> Result<Store<Platter>, StorageError> {
        start::open(self, Path::new(NODE))
    }

    /// What a store that is opened now has to tell.
    pub(super) fn found(&self) -> Result<(Persistent, Notes), StorageError> {
        let mut store = self.open()?;
        Ok((store.load()?, store.notes()))
    }

    fn find(&self, path: &Path) -> io::Result<Id> {
        let found = self.0.lock().unwrap().disk.find(path);
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The directory in which a path is, and its name there.
    fn place(&self, path: &Path) -> io::Result<(Id, String)> {
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        Ok((self.find(path.parent().unwrap())?, name))
    }

    fn name(&self, path: &Path) -> io::Result<Id> {
        let (directory, name) = self.place(path)?;
        let node = {
            let disk = &self.0.lock().unwrap().disk;
            disk.made + 1
        };
        self.note(Event::Name { directory, name, node, before: None });
        Ok(node)
    }

    fn unname(&self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        let (directory, name) = self.place(path)?;
        self.note(Event::Unname { directory, name });
        Ok(())
    }
}

impl Files for Platter {
    const SEGMENT: usize = 8 * 1024;
    const GROWTH: [usize; 2] = [4096, 4096];

    type File = Id;
    type Older = InMemoryBackend;

    fn names(&self, directory: &Path) -> io::Result<Option<Vec<String>>> {
        let Ok(id) = self.find(directory) else { return Ok(None) };
        let inside = self.0.lock().unwrap();
        let names = inside.disk.directories.get(&id);
        Ok(Some(names.into_iter().flat_map(BTreeMap::keys).cloned().collect()))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let id = self.find(path)?;
        Ok(self.0.lock().unwrap().disk.files.get(&id).cloned().unwrap_or_default())
    }

    fn open(&self, path: &Path) -> io::Result<Id> {
        self.find(path)
    }

    fn create(&self, path: &Path) -> io::Result<Id> {
        self.name(path)
    }

    fn write(&self, file: &mut Id, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.note(Event::Write { file: *file, at: at as usize, bytes: bytes.into() });
        Ok(())
    }

    fn sync(&self, file: &mut Id) -> io::Result<()> {
        self.note(Event::Sync(*file));
        Ok(())
    }

    fn length(&self, file: &mut Id) -> io::Result<u64> {
        let inside = self.0.lock().unwrap();
        Ok(inside.disk.files.get(file).map_or(0, Vec::len) as u64)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let ((directory, before), (to, name)) = (self.place(from)?, self.place(to)?);
        assert_eq!(directory, to, "in one directory");
        let before = Some(before);
        self.note(Event::Name { directory, name, node: self.find(from)?, before });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.unname(path)
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        assert!(self.find(path).is_err(), "{} is there", path.display());
        self.name(path).map(|_| ())
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        assert_eq!(self.names(path)?.map(|names| names.len()), Some(0), "{}", path.display());
        self.unname(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.note(Event::SyncDirectory(self.find(path)?));
        Ok(())
    }

    fn older(&self, path: &Path) -> Result<InMemoryBackend, Trouble> {
        let read = || -> io::Result<InMemoryBackend> {
            let (bytes, backend) = (self.read(path)?, InMemoryBackend::new());
            backend.set_len(bytes.len() as u64)?;
            backend.write(0, &bytes)?;
            Ok(backend)
        };
        Ok(read().map_err(redb::StorageError::from)?)
    }
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
