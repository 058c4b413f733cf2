//! A path through a model as a conversation between servers.

use serde::Serialize;
use stateright::{Model, Path};
use veraft_models::{Action, Cluster, ClusterState, Letter, Move, words};

use crate::scopes::story::Story;

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
}

impl Narrate for Cluster {
    fn narrate(&self, path: Path<ClusterState, Action>) -> Vec<Step> {
        Story::of(self, path).steps()
    }
}

/// What a move looked like from outside.
pub fn step(happened: Move, sent: &[Letter], before: &ClusterState, after: &ClusterState) -> Step {
    let pairs = before.visible.nodes.iter().zip(&after.visible.nodes);
    let changed = pairs.filter(|(before, after)| before.value != after.value);
    Step {
        action: happened.to_string(),
        happened: Some(happened),
        sent: messages(sent),
        changed: changed
            .map(|(_, node)| format!("{} is now {}", node.id(), words::node(node)))
            .collect(),
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
