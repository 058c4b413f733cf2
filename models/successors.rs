//! The successors of a state, one after the other in the same place: for engines that look at
//! each for a moment and keep few.

use std::cell::RefCell;

use rustc_hash::FxHashMap;
use stateright::Model;

use crate::cluster::{Action, Cluster};
use crate::effects::{Effect, Stimulus};
use crate::node::Node;
use crate::orbit::Ref;
use crate::portable::Names;
use crate::state::ClusterState;

/// What one thread remembers between states, so that it seldom asks what all threads share and
/// a successor costs no allocation.
#[derive(Debug, Default)]
pub struct Memo {
    pub(crate) effects: Effects,
    pub(crate) names: Names,
    actions: Vec<Action>,
    next: Option<ClusterState>,
}

/// The effects that one thread has met, by node and stimulus.
#[derive(Debug, Default)]
pub(crate) struct Effects(RefCell<FxHashMap<u64, &'static Effect>>);

impl Effects {
    /// The known effect, or the one that `find` finds.
    pub(crate) fn get(
        &self,
        node: Ref<Node>,
        stimulus: Stimulus,
        find: impl FnOnce() -> &'static Effect,
    ) -> &'static Effect {
        let key = u64::from(node.number()) << 32 | u64::from(stimulus.code());
        if let Some(known) = self.0.borrow().get(&key) {
            return known;
        }
        // Not under the borrow: finding an effect never asks for another, but need not promise.
        let found = find();
        self.0.borrow_mut().insert(key, found);
        found
    }
}

impl Memo {
    /// What the numbers of this process stand for.
    pub fn names(&mut self) -> &mut Names {
        &mut self.names
    }
}

impl Cluster {
    /// Shows each successor of `state` to `visit`, in the order of [`Model::next_states`].
    pub fn successors(
        &self,
        memo: &mut Memo,
        state: &ClusterState,
        mut visit: impl FnMut(&ClusterState),
    ) {
        let Memo { effects, names: _, actions, next } = memo;
        let next = next.get_or_insert_with(|| state.clone());
        actions.clear();
        self.actions(state, actions);
        for &action in actions.iter() {
            let Some(effect) = self.change(Some(effects), state, action) else { continue };
            next.copy_from(state);
            self.apply(Some(effects), next, action, effect);
            visit(next);
        }
    }
}
