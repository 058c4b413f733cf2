//! What was worked out once: by all threads of a search together, and before that by one.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hash};

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;

use crate::effects::Effect;
use crate::history::History;
use crate::mail::Mail;
use crate::modelled::{LetterRef, Modelled};
use crate::orbit::Ref;
use crate::saturation::Reactions;

/// By numbers of components.
type Shared<K, V> = DashMap<K, V, FxBuildHasher>;

/// What all threads share.
#[derive(Debug)]
pub(crate) struct WorkedOut<P: Modelled> {
    /// By node and stimulus.
    pub(crate) effects: Shared<u64, &'static Effect<P>>,
    /// By mail, receiver and sending.
    pub(crate) received: Shared<u64, Ref<Mail<LetterRef<P>>>>,
    /// By node and mail.
    pub(crate) reactions: Shared<u64, &'static Reactions<P>>,
    /// By history and node.
    pub(crate) histories: Shared<u64, Ref<History>>,
}

impl<P: Modelled> Default for WorkedOut<P> {
    fn default() -> Self {
        WorkedOut {
            effects: Shared::default(),
            received: Shared::default(),
            reactions: Shared::default(),
            histories: Shared::default(),
        }
    }
}

/// What one thread has met lately, so that it seldom asks what all share.
#[derive(Debug)]
pub(crate) struct Met<P: Modelled> {
    pub(crate) effects: Lately<u64, &'static Effect<P>>,
    pub(crate) received: Lately<u64, Ref<Mail<LetterRef<P>>>>,
    pub(crate) reactions: Lately<u64, &'static Reactions<P>>,
    pub(crate) histories: Lately<u64, Ref<History>>,
}

impl<P: Modelled> Default for Met<P> {
    fn default() -> Self {
        Met {
            effects: Lately::new(1 << 14),
            received: Lately::new(1 << 20),
            reactions: Lately::new(1 << 18),
            histories: Lately::new(1 << 12),
        }
    }
}

/// What was asked for lately: a place for each of so many hashes, and the last of each there. It
/// is much faster than what all share, for that is locked, and does not grow beyond a size.
#[derive(Debug)]
pub(crate) struct Lately<K, V>(RefCell<Places<K, V>>);

#[derive(Debug)]
struct Places<K, V> {
    known: Vec<Option<(K, V)>>,
    /// How often one was taken since there are so many.
    taken: usize,
    /// So many at most.
    limit: usize,
}

/// So many there are at first: a small search is not to wait for the places of a large one.
const PLACES: usize = 1 << 10;

impl<K: Copy + Eq + Hash, V: Copy> Lately<K, V> {
    /// Tells up to `limit` hashes apart: a power of four, not below [`PLACES`].
    fn new(limit: usize) -> Self {
        let known = vec![None; PLACES];
        Lately(RefCell::new(Places { known, taken: 0, limit }))
    }

    fn get(&self, key: K) -> Option<V> {
        let Places { known, .. } = &*self.0.borrow();
        let there = known[place(key, known.len())];
        there.filter(|(known, _)| *known == key).map(|(_, value)| value)
    }

    fn put(&self, key: K, value: V) {
        let Places { known, taken, limit } = &mut *self.0.borrow_mut();
        if *taken == known.len() && known.len() < *limit {
            *taken = 0;
            let larger = vec![None; known.len() * 4];
            for (key, value) in std::mem::replace(known, larger).into_iter().flatten() {
                let place = place(key, known.len());
                known[place] = Some((key, value));
            }
        }
        *taken += 1;
        let place = place(key, known.len());
        known[place] = Some((key, value));
    }
}

fn place(key: impl Hash, places: usize) -> usize {
    (FxBuildHasher.hash_one(key) >> 32) as usize & (places - 1)
}

/// What is known under `key`, or what `find` finds.
pub(crate) fn recall<K: Copy + Eq + Hash, V: Copy>(
    met: Option<&Lately<K, V>>,
    shared: &Shared<K, V>,
    key: K,
    find: impl FnOnce() -> V,
) -> V {
    if let Some(known) = met.and_then(|met| met.get(key)) {
        return known;
    }
    let known = shared.get(&key).map(|known| *known);
    // Not under a lock: to find one thing is to ask for others.
    let found = known.unwrap_or_else(|| {
        let found = find();
        *shared.entry(key).or_insert(found)
    });
    if let Some(met) = met {
        met.put(key, found);
    }
    found
}
