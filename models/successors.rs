//! The successors of a state, one after the other in the same place: for engines that look at
//! each for a moment and keep few.

use stateright::Model;
use veraft::figure2::Server;

use crate::cluster::Cluster;
use crate::effects::Stimulus;
use crate::known::Met;
use crate::modelled::Modelled;
use crate::portable::Names;
use crate::saturation::Reactions;
use crate::state::ClusterState;

/// What one thread remembers between states, so that it seldom asks what all threads share and
/// a successor costs no allocation.
#[derive(Debug)]
pub struct Memo<P: Modelled = Server> {
    pub(crate) met: Met<P>,
    pub(crate) names: Names<P>,
    next: Option<ClusterState<P>>,
}

impl<P: Modelled> Default for Memo<P> {
    fn default() -> Self {
        Memo { met: Met::default(), names: Names::default(), next: None }
    }
}

impl<P: Modelled> Memo<P> {
    /// What the numbers of this process stand for.
    pub fn names(&mut self) -> &mut Names<P> {
        &mut self.names
    }
}

impl<P: Modelled> Cluster<P> {
    /// Shows each successor of `state` to `visit`: those of [`Model::next_states`], server by
    /// server.
    pub fn successors(
        &self,
        memo: &mut Memo<P>,
        state: &ClusterState<P>,
        mut visit: impl FnMut(&ClusterState<P>),
    ) {
        if self.environment.audit {
            return self.next_states(state).iter().for_each(visit);
        }
        let Memo { met, names: _, next } = memo;
        let next = next.get_or_insert_with(|| state.clone());
        for &id in self.actor.servers.iter() {
            let node = state.node(id);
            let Reactions { steps, silent: _ } = self.reactions(Some(met), node, state.mail_of(id));
            for &(stimulus, effect) in steps {
                next.copy_from(state);
                self.apply(Some(met), next, stimulus, effect);
                visit(next);
            }
            if self.may_restart(state, id) {
                next.copy_from(state);
                let effect = self.effect(Some(met), node, Stimulus::Restart);
                self.apply(Some(met), next, Stimulus::Restart, effect);
                visit(next);
            }
            for stimulus in self.compactions(state, id) {
                let effect = self.effect(Some(met), node, stimulus);
                if effect.node != node {
                    next.copy_from(state);
                    self.apply(Some(met), next, stimulus, effect);
                    visit(next);
                }
            }
        }
    }
}
