//! A path through a model as a conversation between servers.

use serde::Serialize;
use stateright::{Model, Path};
use veraft_models::orbit::Ref;
use veraft_models::{Action, Cluster, ClusterState, Letter, words};

/// One step of a trace, in Raft's words.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What happened.
    pub action: String,
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
        let path = path.into_vec();
        let steps = path.windows(2).filter_map(|pair| match pair {
            [(before, Some(action)), (after, _)] => Some(self.step(before, *action, after)),
            _ => None,
        });
        steps.collect()
    }
}

/// What one step of a cluster looks like from outside.
trait Look {
    fn step(&self, before: &ClusterState, action: Action, after: &ClusterState) -> Step;
}

impl Look for Cluster {
    fn step(&self, before: &ClusterState, action: Action, after: &ClusterState) -> Step {
        let pairs = before.nodes.iter().zip(&after.nodes);
        let changed = pairs.filter(|(before, after)| before != after);
        Step {
            action: action.to_string(),
            sent: messages(self.sent(before, action)),
            changed: changed
                .map(|(_, node)| format!("{} is now {}", node.id(), words::node(node)))
                .collect(),
        }
    }
}

/// Messages in words, equal ones to several peers in one line.
fn messages(sent: &[Ref<Letter>]) -> Vec<String> {
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
