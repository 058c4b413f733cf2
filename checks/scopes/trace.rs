//! A path through a model as a conversation between servers.

use serde::Serialize;
use stateright::{Model, Path};
use veraft_models::interned::Ref;
use veraft_models::{Action, Cluster, ClusterState, Letter, ModelNode, Move, words};

use crate::scopes::story::{Setting, Story};

/// One step of a trace, in Raft's words.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What happened.
    pub action: String,
    /// The same by value, where the model is a [`Cluster`].
    #[serde(rename = "move", skip_serializing_if = "Option::is_none")]
    pub happened: Option<Move>,
    /// The messages that left because of it.
    pub sent: Vec<String>,
    /// The servers that it changed, as they are now.
    pub changed: Vec<String>,
}

/// A model whose paths can be told.
pub trait Narrate: Model {
    /// Tells a path, one step after the other.
    fn narrate(&self, path: Path<Self::State, Self::Action>) -> Vec<Step>;

    /// Whether no real path is shorter than one that a search by levels found.
    fn is_shortest(&self, _: &Path<Self::State, Self::Action>) -> bool {
        true
    }
}

impl Narrate for Cluster {
    fn narrate(&self, path: Path<ClusterState, Action>) -> Vec<Step> {
        if !self.environment.saturation {
            return Story::of(self, path).steps();
        }
        let way = self.unfold(&path.into_actions()).actions.into_iter().map(Move::from);
        let moves: Vec<Move> = self.prefix().iter().cloned().chain(way).collect();
        let story = Story::tell(Setting::of(self), &moves);
        let mut steps = story.expect("what happened to one cluster can happen to another").steps();
        steps.split_off(self.prefix().len())
    }

    /// A search of maximal states may go a longer way, unless it keeps to the levels; and steps
    /// that were silent there count here.
    fn is_shortest(&self, path: &Path<ClusterState, Action>) -> bool {
        let by_levels = !self.environment.antichain || self.keeps_depth();
        by_levels && self.unfold(&path.clone().into_actions()).silent == 0
    }
}

/// What a move looked like from outside.
pub fn step(happened: Move, sent: &[Letter], before: &ClusterState, after: &ClusterState) -> Step {
    let pairs = before.visible.nodes.iter().zip(&after.visible.nodes);
    let changed = pairs.filter(|(before, after)| before.value != after.value);
    let told = |(before, node): (&Ref<ModelNode>, &Ref<ModelNode>)| {
        let objection = node.replica.objection.as_ref();
        let new = objection.filter(|_| before.replica.objection.is_none());
        let is = format!("{} is now {}", node.id(), words::node(node));
        let why = new.into_iter().flat_map(|text| text.lines().map(str::to_owned));
        [is].into_iter().chain(why).collect::<Vec<_>>()
    };
    Step {
        action: happened.to_string(),
        happened: Some(happened),
        sent: messages(sent),
        changed: changed.flat_map(told).collect(),
    }
}

/// Messages in words, equal ones to several peers in one line.
fn messages(sent: &[Letter]) -> Vec<String> {
    let mut lines: Vec<(String, String)> = Vec::new();
    for letter in sent {
        let text = words::message(&letter.message);
        match lines.iter_mut().find(|(_, said)| *said == text) {
            Some((peers, _)) => *peers = format!("{peers}, {}", letter.to),
            None => lines.push((format!("{} to {}", letter.from, letter.to), text)),
        }
    }
    lines.into_iter().map(|(peers, text)| format!("{peers}: {text}")).collect()
}

/// A trace as numbered lines.
pub fn conversation(trace: &[Step]) -> String {
    let mut text = String::new();
    for (number, step) in (1..).zip(trace) {
        text += &format!("{number:3}. {}\n", step.action);
        for line in step.sent.iter().chain(&step.changed) {
            text += &format!("       {line}\n");
        }
    }
    text
}
