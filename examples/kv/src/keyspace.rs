//! Keys, their values, and when they expire, by the time of the log.
//!
//! The keys are in a persistent map, a tree of which a clone shares everything that does not
//! change: so all of them can be held fast at one moment, at no cost, and written somewhere while
//! they go on to change. This is the one file of the program that knows which map that is.

use std::collections::BTreeSet;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

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
    /// The sum of the digests of all items: their order makes no difference.
    sum: u64,
}

#[derive(Clone)]
struct Item {
    value: Arc<[u8]>,
    deadline: Option<u64>,
}

impl Item {
    /// A digest of the item under its key, the same on every machine and in every build.
    fn digest(&self, key: &[u8]) -> u64 {
        // The deadline, and the key as the seed of the rest: no two items share their bytes.
        let deadline = self.deadline.map_or(0, |deadline| deadline.wrapping_mul(2) | 1);
        xxh3_64_with_seed(&self.value, xxh3_64_with_seed(key, deadline))
    }
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
            if let Some((_, key)) = self.deadlines.pop_first()
                && let Some(item) = self.items.remove(&key)
            {
                self.sum = self.sum.wrapping_sub(item.digest(&key));
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

    /// A digest of all keys, their values and deadlines, and of the time.
    pub fn digest(&self) -> u64 {
        xxh3_64_with_seed(&self.time.to_le_bytes(), self.sum)
    }

    pub fn remove(&mut self, key: &[u8]) -> Option<Arc<[u8]>> {
        let (key, item) = self.items.remove_with_key(key)?;
        self.sum = self.sum.wrapping_sub(item.digest(&key));
        if let Some(deadline) = item.deadline {
            self.deadlines.remove(&(deadline, key));
        }
        Some(item.value)
    }

    /// Writes a key, which expires then, or never.
    pub fn insert(&mut self, key: Vec<u8>, value: Arc<[u8]>, deadline: Option<u64>) {
        let Some(item) = self.items.get_mut(&*key) else {
            self.add(key, value, deadline);
            return;
        };
        let new = Item { value, deadline };
        self.sum = self.sum.wrapping_add(new.digest(&key));
        let old = std::mem::replace(item, new);
        self.sum = self.sum.wrapping_sub(old.digest(&key));
        let before = old.deadline;
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
        let (key, item) = (Key::from(key), Item { value, deadline });
        self.deadlines.extend(deadline.map(|deadline| (deadline, key.clone())));
        self.sum = self.sum.wrapping_add(item.digest(&key));
        self.items.insert(key, item).is_none()
    }

    /// Writes a key, which expires when it did before.
    pub fn replace(&mut self, key: &[u8], value: Arc<[u8]>) {
        self.insert(key.to_vec(), value, self.deadline(key));
    }

    /// Lets a key that is there expire then, or never.
    pub fn expire_at(&mut self, key: &[u8], deadline: Option<u64>) {
        if let Some(value) = self.get(key).cloned() {
            self.insert(key.to_vec(), value, deadline);
        }
    }
}
