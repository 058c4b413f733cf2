//! Keys, their values, and when they expire, by the time of the log.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The keys that are there. What has expired is not: [`Keyspace::advance`] removes it.
#[derive(Default)]
pub struct Keyspace {
    items: HashMap<Vec<u8>, Item>,
    /// The keys that expire, by when they do: each that has a deadline, once.
    deadlines: BTreeSet<(u64, Vec<u8>)>,
    /// The greatest stamp so far, in milliseconds.
    time: u64,
}

struct Item {
    value: Arc<[u8]>,
    deadline: Option<u64>,
}

impl Keyspace {
    /// Lets time go on to a stamp, unless it is further already, and removes what expires.
    pub fn advance(&mut self, stamp: u64) {
        self.time = self.time.max(stamp);
        while self.deadlines.first().is_some_and(|&(deadline, _)| deadline <= self.time) {
            if let Some((_, key)) = self.deadlines.pop_first() {
                self.items.remove(&key);
            }
        }
    }

    pub fn time(&self) -> u64 {
        self.time
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// How many keys will expire.
    pub fn expiring(&self) -> usize {
        self.deadlines.len()
    }

    pub fn get(&self, key: &[u8]) -> Option<&Arc<[u8]>> {
        self.items.get(key).map(|item| &item.value)
    }

    pub fn deadline(&self, key: &[u8]) -> Option<u64> {
        self.items.get(key).and_then(|item| item.deadline)
    }

    pub fn remove(&mut self, key: &[u8]) -> Option<Arc<[u8]>> {
        let (key, item) = self.items.remove_entry(key)?;
        if let Some(deadline) = item.deadline {
            self.deadlines.remove(&(deadline, key));
        }
        Some(item.value)
    }

    /// Writes a key, which expires then, or never.
    pub fn insert(&mut self, key: Vec<u8>, value: Arc<[u8]>, deadline: Option<u64>) {
        self.remove(&key);
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, key.clone()));
        }
        self.items.insert(key, Item { value, deadline });
    }

    /// Writes a key, which expires when it did before.
    pub fn replace(&mut self, key: &[u8], value: Arc<[u8]>) {
        match self.items.get_mut(key) {
            Some(item) => item.value = value,
            None => self.insert(key.to_vec(), value, None),
        }
    }

    /// Lets a key that is there expire then, or never.
    pub fn expire_at(&mut self, key: &[u8], deadline: Option<u64>) {
        if let Some(value) = self.get(key).cloned() {
            self.insert(key.to_vec(), value, deadline);
        }
    }
}
