//! A path of a saturated search as it could really happen: with the silent steps that it needs,
//! and without the others.
//!
//! Everything that the saturated search did at once is done again, and for each letter it is
//! remembered which step first made it possible with the fewest silent steps. What then is
//! needed is found from the end: each step of the path, and for each letter that arrives the
//! step that sent it.

use std::collections::HashMap;

use veraft::figure2::ServerId;

use crate::cluster::{Action, Cluster};
use crate::effects::Stimulus;
use crate::modelled::{LetterRef, Modelled};
use crate::state::ClusterState;

/// A path with all that it needs.
#[derive(Debug)]
pub struct Unfolded<P: Modelled> {
    /// Every step, from the first state of the search as it is without any silent step.
    pub actions: Vec<Action<LetterRef<P>>>,
    /// How many of them are silent. Where there are none, no real path is shorter than the path
    /// of a search that goes by levels.
    pub silent: usize,
}

/// A step that may be needed.
struct Possible<P: Modelled> {
    action: Action<LetterRef<P>>,
    /// The step that sent the letter that arrives, if one does and was not there before.
    trigger: Option<usize>,
    /// How many silent steps it takes to get here, itself included if it is one; whether it is.
    silent_steps: usize,
    is_silent: bool,
}

/// What may be needed of a path so far.
struct Unfolding<'c, P: Modelled> {
    cluster: &'c Cluster<P>,
    state: ClusterState<P>,
    steps: Vec<Possible<P>>,
    /// For each letter that may arrive, the step that sends it with the fewest silent steps;
    /// none if it was there before.
    sent: HashMap<u32, Option<usize>>,
    letters: Vec<LetterRef<P>>,
}

impl<P: Modelled> Cluster<P> {
    /// What a path of this cluster is without saturation.
    pub fn unfold(&self, path: &[Action<LetterRef<P>>]) -> Unfolded<P> {
        let state = self.first();
        let letters: Vec<_> = state.letters().collect();
        let sent = letters.iter().map(|letter| (letter.number(), None)).collect();
        let mut unfolding = Unfolding { cluster: self, state, steps: Vec::new(), sent, letters };
        let mut taken = Vec::new();
        for &action in path {
            if self.environment.saturation {
                unfolding.take_silent_steps();
            }
            taken.push(unfolding.take(action));
        }
        unfolding.needed(&taken)
    }
}

impl<P: Modelled> Unfolding<'_, P> {
    /// How many silent steps it takes to have this letter arrive.
    fn steps_to(&self, letter: LetterRef<P>) -> Option<usize> {
        let step = self.sent.get(&letter.number())?;
        Some(step.map_or(0, |step| self.steps[step].silent_steps))
    }

    /// Adds a step, and what it sends.
    fn add(&mut self, action: Action<LetterRef<P>>, is_silent: bool) -> usize {
        let trigger = match action {
            Action::Deliver(letter) => self.sent.get(&letter.number()).copied().flatten(),
            Action::Timeout(..)
            | Action::Propose(..)
            | Action::Restart(_)
            | Action::CarryOut(_)
            | Action::Compact(..)
            | Action::Repeat(..)
            | Action::Pipeline(..) => None,
        };
        // A step of the path is taken anyway, with all it needs.
        let before = trigger.map_or(0, |step| self.steps[step].silent_steps);
        let silent_steps = if is_silent { before + 1 } else { 0 };
        let number = self.steps.len();
        self.steps.push(Possible { action, trigger, silent_steps, is_silent });
        let (id, stimulus) = action.parts();
        for &letter in self.cluster.effect(None, self.state.node(id), stimulus).sent() {
            if self.steps_to(letter).is_none() {
                self.letters.push(letter);
            }
            if self.steps_to(letter).is_none_or(|known| silent_steps < known) {
                self.sent.insert(letter.number(), Some(number));
            }
        }
        number
    }

    fn take(&mut self, action: Action<LetterRef<P>>) -> usize {
        let number = self.add(action, false);
        let (id, stimulus) = action.parts();
        let effect = self.cluster.effect(None, self.state.node(id), stimulus);
        self.state.replace(effect.node);
        number
    }

    /// Every silent step that sends a letter, or one with fewer silent steps than before.
    fn take_silent_steps(&mut self) {
        loop {
            let known = self.steps.len();
            for id in (0..self.state.visible.nodes.len() as u64).map(ServerId) {
                let node = self.state.node(id);
                if node.failed.is_some() {
                    continue;
                }
                let mut stimuli = self.cluster.stimuli(node);
                let letters = self.letters.iter().filter(|letter| letter.to == id);
                stimuli.extend(letters.map(|&letter| Stimulus::Deliver(letter)));
                for stimulus in stimuli {
                    let effect = self.cluster.effect(None, node, stimulus);
                    let before = match stimulus {
                        Stimulus::Deliver(letter) => self.steps_to(letter).unwrap_or_default(),
                        Stimulus::Timeout(_)
                        | Stimulus::Propose(_)
                        | Stimulus::Restart
                        | Stimulus::CarryOut
                        | Stimulus::Compact(_)
                        | Stimulus::Repeat(_)
                        | Stimulus::Pipeline(..) => 0,
                    };
                    let is_better = |letter: &LetterRef<P>| {
                        self.steps_to(letter).is_none_or(|known| before + 1 < known)
                    };
                    if effect.node == node && effect.sent().iter().any(is_better) {
                        self.add(stimulus.at(id), true);
                    }
                }
            }
            if self.steps.len() == known {
                return;
            }
        }
    }

    /// The steps that are `taken`, and those that they need.
    fn needed(self, taken: &[usize]) -> Unfolded<P> {
        let mut is_needed = vec![false; self.steps.len()];
        taken.iter().for_each(|&step| is_needed[step] = true);
        // A letter is sent before it arrives.
        for step in (0..self.steps.len()).rev() {
            if let (true, Some(trigger)) = (is_needed[step], self.steps[step].trigger) {
                is_needed[trigger] = true;
            }
        }
        let needed = || self.steps.iter().zip(&is_needed).filter(|(_, needed)| **needed);
        Unfolded {
            actions: needed().map(|(step, _)| step.action).collect(),
            silent: needed().filter(|(step, _)| step.is_silent).count(),
        }
    }
}
