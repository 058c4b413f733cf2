//! Saturation: what leaves its node as it is, is done at once.
//!
//! A step is *silent* if its node is afterwards what it was before: a heartbeat, a duplicate, a
//! stale request that is answered. All that can come of it is letters. A restart is never silent,
//! for it spends a budget; nor is a step that the witness or the replica records, for those are
//! parts of the node.
//!
//! A saturated search takes no silent step. It does all that are possible, to a fixpoint, behind
//! each other step and in the first state. That leaves out no [visible part](crate::Visible):
//!
//! * Letters only give abilities. Whatever can happen in a state can happen, with the same effect,
//!   in one with the same visible part and more letters; and the two that it leads to again
//!   differ in letters alone. (What a letter means, and so whether it joins the network, depends
//!   on two nodes and on no other letter; an image is part of the letter that it goes along
//!   with.)
//! * So of any run, take the steps that are not silent: from saturated state to saturated state
//!   they can be taken one after the other, each time with all the letters of that run or more.
//! * Loss is allowed, as ever: every state of a saturated search is one that was really reached,
//!   by steps that are all possible.
//! * The fixpoint is unique: silent steps add letters to one set and take none away, in any order.
//!
//! What it needs: that properties see the visible part alone, which their type makes sure of, and
//! that no environment punishes a letter for being under way: there is no bound on letters.
//!
//! A letter that joins a mail and means less than itself joins as that meaning. What a silent
//! step sends was either sent before, and dropped only if it is dead for good, or is new.

use veraft::figure2::ServerId;

use crate::cluster::Cluster;
use crate::effects::{Effect, Stimulus};
use crate::known::{Met, recall};
use crate::mail::{Mail, Sending};
use crate::modelled::{LetterRef, Modelled};
use crate::node::ModelNode;
use crate::orbit::Ref;
use crate::state::ClusterState;

/// What a node does, given its mail: all but restarts.
#[derive(Debug)]
pub(crate) struct Reactions<P: Modelled> {
    /// The steps that a search takes.
    pub(crate) steps: Vec<(Stimulus<LetterRef<P>>, &'static Effect<P>)>,
    /// What all silent steps send; nothing where those are steps that a search takes.
    pub(crate) silent: Ref<Sending<P>>,
}

impl<P: Modelled> Cluster<P> {
    /// What `node` does, given its mail.
    pub(crate) fn reactions(
        &self,
        met: Option<&Met<P>>,
        node: Ref<ModelNode<P>>,
        mail: Ref<Mail<LetterRef<P>>>,
    ) -> &'static Reactions<P> {
        let key = u64::from(node.number()) << 32 | u64::from(mail.number());
        recall(met.map(|met| &met.reactions), &self.known.reactions, key, || {
            let letters = mail.posts().iter().map(|post| post.letter);
            Box::leak(Box::new(self.react_to(met, node, letters)))
        })
    }

    fn react_to(
        &self,
        met: Option<&Met<P>>,
        node: Ref<ModelNode<P>>,
        letters: impl Iterator<Item = LetterRef<P>>,
    ) -> Reactions<P> {
        let (mut steps, mut silent) = (Vec::new(), Vec::<LetterRef<P>>::new());
        let mut stimuli = Vec::new();
        if node.failed.is_none() {
            stimuli.extend(letters.map(Stimulus::Deliver));
            stimuli.extend(self.stimuli(node));
        }
        for stimulus in stimuli {
            let effect = self.effect(met, node, stimulus);
            if effect.node != node || !self.environment.saturation {
                steps.push((stimulus, effect));
            } else {
                silent.extend(effect.sent());
            }
        }
        // Sets that differ in order or in doubles are one.
        silent.sort_unstable_by_key(|letter| letter.fingerprint());
        silent.dedup();
        steps.retain(|(_, effect)| effect.node != node || !effect.sent().is_empty());
        Reactions { steps, silent: self.sendings.intern(Sending::new(node, silent), &[]) }
    }

    /// What server `id` may send at any time, again and again, without a change of itself.
    pub(crate) fn silent(
        &self,
        met: Option<&Met<P>>,
        state: &ClusterState<P>,
        id: ServerId,
    ) -> Ref<Sending<P>> {
        self.reactions(met, state.node(id), state.mail_of(id)).silent
    }

    /// Takes every silent step, until nothing of it sends a new letter. Nothing new has come to
    /// the others than to those who `may`.
    pub(crate) fn saturate(
        &self,
        met: Option<&Met<P>>,
        state: &mut ClusterState<P>,
        mut may: Vec<ServerId>,
    ) {
        while let Some(id) = may.pop() {
            let silent = self.silent(met, state, id);
            if !silent.letters().is_empty() {
                self.deliver(met, state, silent, false, &mut may);
            }
            for place in 0..state.dropped.len() {
                let letter = state.dropped[place];
                let node = state.node(id);
                if letter.to != id || node.failed.is_some() {
                    continue;
                }
                let effect = self.effect(met, node, Stimulus::Deliver(letter));
                if effect.node == node {
                    self.deliver(met, state, effect.sending, false, &mut may);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use stateright::Model;

    use super::*;
    use crate::cluster::{Bounds, Environment};

    /// What is new to few servers is enough to look at: nothing is left for all.
    #[test]
    fn nothing_silent_is_left() {
        let saturated = Environment { saturation: true, ..Environment::REDUCED };
        let torn = Environment { torn: true, ..saturated };
        let audited = Environment { audit: true, ..saturated };
        for environment in [saturated, torn, audited] {
            let bounds = Bounds { servers: 3, terms: 1, entries: 1, restarts: 1, compactions: 0 };
            let cluster = Cluster::new(bounds, environment);
            let mut queue = cluster.init_states();
            let (mut seen, mut letters) = (HashSet::new(), 0);
            while let Some(state) = queue.pop() {
                let mut again = state.clone();
                let all = cluster.actor.servers.iter().copied().collect();
                cluster.saturate(None, &mut again, all);
                assert!(again == state, "{state:?} goes on to {again:?}");
                letters += state.posts().count();
                for next in cluster.next_states(&state) {
                    if seen.insert(next.fingerprint()) {
                        queue.push(next);
                    }
                }
            }
            assert!(seen.len() > 300 && letters > seen.len(), "{} {letters}", seen.len());
        }
    }
}
