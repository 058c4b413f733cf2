//! Keys, their values, and when they expire, by the time of the log.
//!
//! The keys are in a persistent map, a tree of which a clone shares everything that does not
//! change: so all of them can be held fast at one moment, at no cost, and written somewhere while
//! they go on to change. This is the one file of the program that knows which map that is.

use std::collections::BTreeSet;
use std::sync::Arc;

/// A key: shared, for what a write changes of the tree is copied while somebody holds it fast.
type Key = Arc<[u8]>;

/// The keys that are there. What has expired is not: [`Keyspace::advance`] removes it.
#[derive(Default)]
pub struct Keyspace {
    items: im::HashMap<Key, Item>,
    /// The keys that expire, by when they do: each that has a deadline, once.
    deadlines: BTreeSet<(u64, Key)>,
    /// The greatest stamp so far, in milliseconds.
    time: u64,
}

#[derive(Clone)]
struct Item {
    value: Arc<[u8]>,
    deadline: Option<u64>,
}

/// A keyspace as it was at one moment.
pub struct Fixed {
    items: im::HashMap<Key, Item>,
    time: u64,
}

impl Fixed {
    pub fn time(&self) -> u64 {
        self.time
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Every key, its value, and when it expires; in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8], Option<u64>)> {
        self.items.iter().map(|(key, item)| (&**key, &*item.value, item.deadline))
    }
}

impl Keyspace {
    /// Holds all keys fast as they are, in next to no time.
    pub fn fix(&self) -> Fixed {
        Fixed { items: self.items.clone(), time: self.time }
    }

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
        let (key, item) = self.items.remove_with_key(key)?;
        if let Some(deadline) = item.deadline {
            self.deadlines.remove(&(deadline, key));
        }
        Some(item.value)
    }

    /// Writes a key, which expires then, or never.
    pub fn insert(&mut self, key: Vec<u8>, value: Arc<[u8]>, deadline: Option<u64>) {
        let Some(item) = self.items.get_mut(&*key) else {
            let key: Key = key.into();
            self.deadlines.extend(deadline.map(|deadline| (deadline, key.clone())));
            self.items.insert(key, Item { value, deadline });
            return;
        };
        let before = std::mem::replace(&mut item.deadline, deadline);
        item.value = value;
        if before != deadline {
            let key: Key = key.into();
            if let Some(before) = before {
                self.deadlines.remove(&(before, key.clone()));
            }
            self.deadlines.extend(deadline.map(|deadline| (deadline, key)));
        }
    }

    /// Writes a key that is not there, as when all are read; whether it was not.
    pub fn add(&mut self, key: Vec<u8>, value: Arc<[u8]>, deadline: Option<u64>) -> bool {
        let key: Key = key.into();
        self.deadlines.extend(deadline.map(|deadline| (deadline, key.clone())));
        self.items.insert(key, Item { value, deadline }).is_none()
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
