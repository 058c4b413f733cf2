//! Components, each kept once: its number, and its hash under every renaming.

use std::hash::{Hash, Hasher};
use std::sync::{PoisonError, RwLock};

use dashmap::{DashMap, Entry};
use siphasher::sip::SipHasher13;

use crate::orbit::{Rename, Renaming};

/// What states are made of.
pub trait Component: Eq + Hash {
    /// Its hash under each renaming.
    fn lanes(&self, renamings: &[Renaming]) -> Box<[u64]>;
}

/// The lanes of what names servers. Kinds are hashed apart: an event and a letter whose fields
/// are equal numbers must not share a lane.
pub(crate) fn renamed_lanes<T: Rename + Hash>(
    kind: u8,
    value: &T,
    renamings: &[Renaming],
) -> Box<[u64]> {
    let lane = |renaming: &Renaming| renaming.hash_of(&(kind, value.rename(renaming)));
    renamings.iter().map(lane).collect()
}

/// A component that is kept once, however many states hold it. Equal and hashed by its number
/// in its table, which stands for its value.
#[derive(Debug)]
pub struct Interned<T> {
    /// The component.
    pub value: T,
    number: u32,
    lanes: Box<[u64]>,
}

/// A reference to a component of a table. Components live as long as the process: a search
/// keeps all it has seen to its end anyway, and a state is then a few words that copy freely
/// between threads.
pub type Ref<T> = &'static Interned<T>;

impl<T> Interned<T> {
    /// The component's hash, whatever the renamings in use.
    pub fn fingerprint(&self) -> u64 {
        self.lanes[0]
    }

    /// Its hash under the renaming at `place`.
    pub(crate) fn lane(&self, place: usize) -> u64 {
        self.lanes[place]
    }

    /// Under how many renamings it is hashed.
    pub(crate) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Its place in its table, from 0: what names it within this process.
    pub fn number(&self) -> u32 {
        self.number
    }
}

impl<T> std::ops::Deref for Interned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> PartialEq for Interned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<T> Eq for Interned<T> {}

impl<T> Hash for Interned<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u32(self.number);
    }
}

/// Every component of one kind that a model has met.
#[derive(Debug)]
pub struct Table<T: Eq + Hash + 'static> {
    known: DashMap<&'static T, Ref<T>>,
    by_number: RwLock<Vec<Ref<T>>>,
}

impl<T: Eq + Hash> Default for Table<T> {
    fn default() -> Self {
        Table { known: DashMap::new(), by_number: RwLock::default() }
    }
}

impl<T: Component> Table<T> {
    /// The one reference to `value`.
    pub fn intern(&self, value: T, renamings: &[Renaming]) -> Ref<T> {
        if let Some(known) = self.known.get(&value) {
            return *known;
        }
        let lanes = value.lanes(renamings);
        // Before the shard is locked: the map's key is part of the leaked value. Another thread
        // may be faster; what is leaked then is one component.
        let mut by_number = self.by_number.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.known.get(&value) {
            return *known;
        }
        let number = u32::try_from(by_number.len()).expect("components fit in memory, 2^32 do not");
        let new: Ref<T> = Box::leak(Box::new(Interned { value, number, lanes }));
        by_number.push(new);
        match self.known.entry(&new.value) {
            Entry::Occupied(_) => unreachable!("components are added under the lock alone"),
            Entry::Vacant(place) => *place.insert(new),
        }
    }

    /// Adds to `mirror` the components that joined the table since it was last brought up to
    /// date.
    pub fn mirror(&self, mirror: &mut Vec<Ref<T>>) {
        let by_number = self.by_number.read().unwrap_or_else(PoisonError::into_inner);
        mirror.extend_from_slice(&by_number[mirror.len()..]);
    }

    /// How many components there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// A hash that is the same in every run and on every machine of the same word size.
pub fn hash_of<T: Hash + ?Sized>(value: &T) -> u64 {
    keyed_hash_of(0, value)
}

/// The same with a key: hashes of two keys say nothing about each other.
pub fn keyed_hash_of<T: Hash + ?Sized>(key: u64, value: &T) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(key, 0);
    value.hash(&mut hasher);
    hasher.finish()
}
