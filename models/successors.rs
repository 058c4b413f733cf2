//! The successors of a state, one after the other in the same place: for engines that look at
//! each for a moment and keep few.

use std::cell::RefCell;

use rustc_hash::FxHashMap;
use stateright::Model;
use veraft::figure2::Server;

use crate::cluster::{Action, Cluster};
use crate::effects::{Effect, Stimulus, effect_key};
use crate::modelled::{LetterRef, Modelled};
use crate::node::ModelNode;
use crate::orbit::Ref;
use crate::portable::Names;
use crate::state::ClusterState;

/// What one thread remembers between states, so that it seldom asks what all threads share and
/// a successor costs no allocation.
#[derive(Debug)]
pub struct Memo<P: Modelled = Server> {
    pub(crate) effects: Effects<P>,
    pub(crate) names: Names<P>,
    actions: Vec<Action<LetterRef<P>>>,
    next: Option<ClusterState<P>>,
}

impl<P: Modelled> Default for Memo<P> {
    fn default() -> Self {
        let effects = Effects(RefCell::default());
        Memo { effects, names: Names::default(), actions: Vec::new(), next: None }
    }
}

/// The effects that one thread has met, by node and stimulus.
#[derive(Debug)]
pub(crate) struct Effects<P: Modelled>(RefCell<FxHashMap<u64, &'static Effect<P>>>);

impl<P: Modelled> Effects<P> {
    /// The known effect, or the one that `find` finds.
    pub(crate) fn get(
        &self,
        node: Ref<ModelNode<P>>,
        stimulus: Stimulus<LetterRef<P>>,
        find: impl FnOnce() -> &'static Effect<P>,
    ) -> &'static Effect<P> {
        let key = effect_key(node, stimulus);
        if let Some(known) = self.0.borrow().get(&key) {
            return known;
        }
        // Not under the borrow: finding an effect never asks for another, but need not promise.
        let found = find();
        self.0.borrow_mut().insert(key, found);
        found
    }
}

impl<P: Modelled> Memo<P> {
    /// What the numbers of this process stand for.
    pub fn names(&mut self) -> &mut Names<P> {
        &mut self.names
    }
}

impl<P: Modelled> Cluster<P> {
    /// Shows each successor of `state` to `visit`, in the order of [`Model::next_states`].
    pub fn successors(
        &self,
        memo: &mut Memo<P>,
        state: &ClusterState<P>,
        mut visit: impl FnMut(&ClusterState<P>),
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
