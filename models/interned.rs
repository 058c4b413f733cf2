//! Components, each kept once: its number, and its hash under every renaming.

use std::hash::{Hash, Hasher};
use std::sync::{PoisonError, RwLock};

use dashmap::{DashMap, Entry};
use siphasher::sip::SipHasher13;

use crate::orbit::{Rename, Renaming};

/// A kind of component. Kinds are hashed apart: an event and a letter whose fields are equal
/// numbers must not share a lane.
pub trait Component: Rename + Eq + Hash {
    /// The number of the kind.
    const KIND: u8;
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
        let lane = |renaming: &Renaming| renaming.hash_of(&(T::KIND, value.rename(renaming)));
        let lanes = renamings.iter().map(lane).collect();
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

/// The sums of lanes that a state carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lanes {
    sums: Box<[u64]>,
    /// How many renamings there are. With two keys there are twice as many sums, those of the
    /// second key behind those of the first.
    renamings: usize,
}

impl Lanes {
    /// The lanes of nothing.
    pub fn zero(renamings: &[Renaming]) -> Lanes {
        let first_key = renamings.iter().take_while(|renaming| renaming.key() == 0).count();
        Lanes { sums: vec![0; renamings.len()].into(), renamings: first_key }
    }

    /// The same sums as `other`.
    pub(crate) fn copy_from(&mut self, other: &Lanes) {
        self.sums.copy_from_slice(&other.sums);
    }

    /// The state becomes empty.
    pub(crate) fn clear(&mut self) {
        self.sums.fill(0);
    }

    /// A component joins the state.
    pub fn add<T>(&mut self, component: Ref<T>) {
        for (sum, lane) in self.sums.iter_mut().zip(&component.lanes) {
            *sum = sum.wrapping_add(*lane);
        }
    }

    /// A component leaves the state.
    pub fn remove<T>(&mut self, component: Ref<T>) {
        for (sum, lane) in self.sums.iter_mut().zip(&component.lanes) {
            *sum = sum.wrapping_sub(*lane);
        }
    }

    /// The smallest sum: the same for all states of an orbit.
    pub fn smallest(&self) -> u64 {
        let sums = self.sums[..self.renamings].iter();
        sums.copied().min().expect("the identity is always among the renamings")
    }

    /// The smallest pair of a sum of the first key and the same of the second, if there is one.
    pub fn smallest_pair(&self) -> Option<(u64, u64)> {
        let (first, second) = self.sums.split_at(self.renamings);
        first.iter().copied().zip(second.iter().copied()).min()
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
