//! A story as a Mermaid sequence diagram.

use std::collections::BTreeSet;

use veraft::figure2::ServerId;
use veraft_models::{Letter, Move, words};

use crate::scopes::story::Story;

/// The diagram. Arrows stand where messages arrive; crossed ones never do.
pub fn diagram(story: &Story) -> String {
    let mut text = "sequenceDiagram\n".to_owned();
    for node in &story.start.visible.nodes {
        text += &format!("    participant {}\n", node.id());
    }
    let arrived: BTreeSet<&Letter> = story.scenes.iter().filter_map(delivered).collect();
    for ((step, scene), told) in (1..).zip(&story.scenes).zip(story.steps()) {
        text += &format!("    %% step {step}\n");
        let violated = !scene.violates.is_empty();
        if violated {
            text += "    rect rgb(255, 220, 220)\n";
        }
        text += &match &scene.happened {
            Move::Deliver(letter) => arrow(letter, "->>"),
            Move::LoseAll => {
                let last = story.start.visible.nodes.len() - 1;
                format!("    Note over S0,S{last}: {}\n", escape(&told.action))
            }
            Move::Timeout { server, .. }
            | Move::Propose { server }
            | Move::ProposeTwo { server }
            | Move::ProposeBlank { server }
            | Move::Restart { server }
            | Move::DiskWrite { server }
            | Move::Compact { server, .. }
            | Move::Repeat { server, .. }
            | Move::Pipeline { server, .. } => {
                format!("    Note over {server}: {}\n", escape(&told.action))
            }
        };
        let lost = scene.sent.iter().filter(|letter| !arrived.contains(letter));
        text.extend(lost.map(|letter| arrow(letter, "-x")));
        let pairs = story.before(step - 1).visible.nodes.iter().zip(&scene.after.visible.nodes);
        for (before, after) in pairs {
            if before.value != after.value {
                let now = words::node(after);
                text += &format!("    Note over {}: {}\n", after.id(), escape(&now));
            }
        }
        for name in &scene.violates {
            let place = scene.happened.server().unwrap_or(ServerId(0));
            text += &format!("    Note over {place}: VIOLATED: {}\n", escape(name));
        }
        if violated {
            text += "    end\n";
        }
    }
    text
}

fn delivered(scene: &crate::scopes::story::Scene) -> Option<&Letter> {
    match &scene.happened {
        Move::Deliver(letter) => Some(letter),
        Move::Timeout { .. }
        | Move::Propose { .. }
        | Move::ProposeTwo { .. }
        | Move::ProposeBlank { .. }
        | Move::Restart { .. }
        | Move::DiskWrite { .. }
        | Move::Compact { .. }
        | Move::Repeat { .. }
        | Move::Pipeline { .. }
        | Move::LoseAll => None,
    }
}

fn arrow(letter: &Letter, kind: &str) -> String {
    let Letter { from, to, message, image: _ } = letter;
    format!("    {from}{kind}{to}: {}\n", escape(&words::message(message)))
}

/// Semicolons end a statement of Mermaid, and `#` begins a character's code.
fn escape(text: &str) -> String {
    text.replace('#', "#35;").replace(';', "#59;")
}
