//! What was worked out once: by all threads of a search together, and before that by one.

use std::cell::RefCell;
use std::hash::Hash;

use dashmap::DashMap;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::effects::Effect;
use crate::history::History;
use crate::modelled::Modelled;
use crate::network::Received;
use crate::orbit::Ref;
use crate::saturation::Reactions;

/// By numbers of components.
type Shared<K, V> = DashMap<K, V, FxBuildHasher>;
/// Nobody else's, so without a lock.
type Own<K, V> = RefCell<FxHashMap<K, V>>;

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Known<P: Modelled> {
    /// By node and stimulus.
    pub(crate) effects: Shared<u64, &'static Effect<P>>,
    /// By mail, receiver and sending.
    pub(crate) received: Shared<u128, Received<P>>,
    /// By node and mail.
    pub(crate) reactions: Shared<u64, &'static Reactions<P>>,
    /// By history and node.
    pub(crate) histories: Shared<u64, Ref<History>>,
}

impl<P: Modelled> Default for Known<P> {
    fn default() -> Self {
        Known {
            effects: Shared::default(),
            received: Shared::default(),
            reactions: Shared::default(),
            histories: Shared::default(),
        }
    }
}

/// What one thread has met, so that it seldom asks what all share.
#[derive(Debug)]
pub(crate) struct Met<P: Modelled> {
    pub(crate) effects: Own<u64, &'static Effect<P>>,
    pub(crate) received: Own<u128, Received<P>>,
    pub(crate) reactions: Own<u64, &'static Reactions<P>>,
    pub(crate) histories: Own<u64, Ref<History>>,
}

impl<P: Modelled> Default for Met<P> {
    fn default() -> Self {
        Met {
            effects: Own::default(),
            received: Own::default(),
            reactions: Own::default(),
            histories: Own::default(),
        }
    }
}

/// What is known under `key`, or what `find` finds.
pub(crate) fn recall<K: Copy + Eq + Hash, V: Copy>(
    met: Option<&Own<K, V>>,
    shared: &Shared<K, V>,
    key: K,
    find: impl FnOnce() -> V,
) -> V {
    if let Some(known) = met.and_then(|met| met.borrow().get(&key).copied()) {
        return known;
    }
    let known = shared.get(&key).map(|known| *known);
    // Not under a lock: to find one thing is to ask for others.
    let found = known.unwrap_or_else(|| {
        let found = find();
        *shared.entry(key).or_insert(found)
    });
    if let Some(met) = met {
        met.borrow_mut().insert(key, found);
    }
    found
}
