//! The network: which letters join it, which stand for others, and which are dead.

use veraft::figure2::ServerId;

use crate::cluster::Cluster;
use crate::effects::Stimulus;
use crate::letters::{Meaning, Shared};
use crate::modelled::{LetterRef, Modelled};
use crate::state::{ClusterState, Post};
use crate::successors::Effects;

impl<P: Modelled> Cluster<P> {
    /// A letter joins the network, unless another stands for it or it is dead on arrival.
    pub(crate) fn send(
        &self,
        memo: Option<&Effects<P>>,
        state: &mut ClusterState<P>,
        letter: LetterRef<P>,
    ) {
        match self.proven_meaning(memo, state, letter) {
            Meaning::Nothing => self.audit(state, letter),
            Meaning::Itself => self.post(state, letter, None),
            Meaning::Shared(shared) => self.post(state, letter, Some(shared)),
        }
    }

    /// Letters to and from server `id` that mean less than before are looked at again.
    pub(crate) fn reconsider(
        &self,
        memo: Option<&Effects<P>>,
        state: &mut ClusterState<P>,
        id: ServerId,
    ) {
        let mut changed = Vec::new();
        for place in (0..state.network.len()).rev() {
            let Post { letter, shared } = state.network[place];
            if letter.to != id && letter.from != id {
                continue;
            }
            let unchanged = match self.meaning(state, letter) {
                Meaning::Nothing => false,
                Meaning::Itself => shared.is_none(),
                Meaning::Shared(now) => shared.is_some_and(|shared| shared.value == now),
            };
            if !unchanged {
                changed.push(state.unpost(place).letter);
            }
        }
        // In the order of the network, so that a search is the same whenever it is made.
        changed.iter().rev().for_each(|&letter| self.send(memo, state, letter));
    }

    fn post(&self, state: &mut ClusterState<P>, letter: LetterRef<P>, shared: Option<Shared>) {
        let shared = shared.map(|shared| self.shared.intern(shared, &self.renamings));
        let Err(there) = state.post(Post { letter, shared }) else { return };
        if there.letter != letter {
            self.audit(state, letter);
        }
    }

    fn meaning(&self, state: &ClusterState<P>, letter: LetterRef<P>) -> Meaning {
        if self.environment.keep_dead_letters {
            return Meaning::Itself;
        }
        let (sender, receiver) = (state.node(letter.from), state.node(letter.to));
        match P::meaning(&letter.value, &sender.value, &receiver.value, self.bounds.terms) {
            // Answers that wait for the disk are part of the receiver's node, and those to two
            // stale requests differ: which of the two was kept would show in the states behind.
            Meaning::Shared(Shared::Stale { .. }) if self.environment.torn => Meaning::Itself,
            meaning @ (Meaning::Nothing | Meaning::Shared(_) | Meaning::Itself) => meaning,
        }
    }

    /// What a letter is claimed to mean, if it proves to on trial: delivered now, a dead letter
    /// changes nothing and its answer is dead; a stale one changes nothing and its answer is
    /// news at most; news makes a follower in its term, who says nothing.
    fn proven_meaning(
        &self,
        memo: Option<&Effects<P>>,
        state: &ClusterState<P>,
        letter: LetterRef<P>,
    ) -> Meaning {
        let claimed = self.meaning(state, letter);
        let receiver = state.node(letter.to);
        let trial = || self.effect(memo, receiver, Stimulus::Deliver(letter));
        let proven = match claimed {
            Meaning::Itself => true,
            Meaning::Nothing => trial().is_answer_only(|answer| {
                self.proven_meaning(memo, state, answer) == Meaning::Nothing
            }),
            Meaning::Shared(Shared::Stale { from, to }) => trial().is_answer_only(|answer| {
                let term = state.node(to).server().current_term();
                let news = Meaning::Shared(Shared::News { to: from, term });
                let meaning = self.proven_meaning(memo, state, answer);
                meaning == Meaning::Nothing || meaning == news
            }),
            Meaning::Shared(Shared::News { term, .. }) => {
                match term > receiver.server().current_term() {
                    true => trial().makes_follower(term),
                    false => trial().node == receiver && trial().sent.is_empty(),
                }
            }
        };
        if proven { claimed } else { Meaning::Itself }
    }

    fn audit(&self, state: &mut ClusterState<P>, letter: LetterRef<P>) {
        if self.environment.audit {
            state.set_aside(letter);
        }
    }
}
