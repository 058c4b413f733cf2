//! A story as a sequence diagram: a lifeline per server, time running down.

use askama::Template;
use veraft_models::{ClusterState, Letter, ModelNode, Move, words};

use super::facts::{self, role};
use crate::scopes::story::{Scene, Story};

/// Everything that the SVG consists of, in pixels.
#[derive(Debug, Template)]
#[template(path = "diagram.svg")]
pub struct Diagram {
    title: String,
    /// Whether the style is part of the picture, where no page gives it one.
    style: Option<&'static str>,
    width: f32,
    height: f32,
    /// Where time begins.
    top: f32,
    /// What the servers are then, where they do not start for the first time.
    beginnings: Vec<Text>,
    lives: Vec<Life>,
    rows: Vec<Row>,
    arrows: Vec<Arrow>,
    stubs: Vec<Arrow>,
}

/// A stretch of a lifeline in one role and term.
#[derive(Debug)]
struct Life {
    server: Option<String>,
    role: &'static str,
    hue: u64,
    x: f32,
    top: f32,
    bottom: f32,
}

#[derive(Debug)]
struct Row {
    step: usize,
    kind: &'static str,
    top: f32,
    height: f32,
    /// Where it happens.
    x: f32,
    y: f32,
    mark: &'static str,
    texts: Vec<Text>,
}

#[derive(Debug)]
struct Text {
    class: &'static str,
    x: f32,
    y: f32,
    text: String,
}

#[derive(Debug)]
struct Arrow {
    step: usize,
    kind: &'static str,
    late: bool,
    x1: f32,
    y1: f32,
    x2: f32,
    y2: f32,
}

impl Text {
    fn width(&self) -> f32 {
        self.text.chars().count() as f32 * CHARACTER
    }

    fn left(&self) -> f32 {
        self.x - self.width() / 2.0
    }
}

impl Arrow {
    /// Where the arrow points, in degrees.
    fn angle(&self) -> f32 {
        (self.y2 - self.y1).atan2(self.x2 - self.x1).to_degrees()
    }
}

const GUTTER: f32 = 34.0;
const TOP: f32 = 56.0;
const LINE: f32 = 16.0;
/// The width of a character, on average, rather too much than too little.
const CHARACTER: f32 = 6.7;
const WIDEST: usize = 46;
/// The colours of terms come round.
const HUES: u64 = 6;

/// The style that the diagram brings with it where it stands alone.
const STYLE_ALONE: &str =
    concat!(".diagram { background: #fff; color: #1b1e23; }", include_str!("diagram.css"));

impl Diagram {
    /// The diagram of a story from scene `first` on. `found` is what its last state shows, if
    /// it was looked for.
    pub fn new(story: &Story, first: usize, found: Option<&str>) -> Diagram {
        let servers = story.start.visible.nodes.len();
        let column = match servers {
            0..=3 => 165.0,
            4 => 150.0,
            _ => 120.0,
        };
        let width = (GUTTER + column * servers as f32).max(340.0);
        let draw = Draw { width, column };
        let scenes = &story.scenes[first..];
        let mut rows: Vec<Row> = Vec::new();
        let beginnings = if first == 0 { Vec::new() } else { draw.beginnings(story.before(first)) };
        let top = beginnings.iter().map(|text| text.y).fold(TOP - 24.0, f32::max) + 24.0;
        let mut bottom = top;
        for (place, scene) in scenes.iter().enumerate() {
            let found = found.filter(|_| place + 1 == scenes.len());
            let row = draw.row(place + 1, scene, story.before(first + place), found, bottom);
            bottom += row.height;
            rows.push(row);
        }
        let height = bottom + 12.0;
        let mut diagram = Diagram {
            title: format!("Sequence diagram of {} steps", rows.len()),
            style: None,
            width,
            height,
            top,
            beginnings,
            lives: Vec::new(),
            arrows: Vec::new(),
            stubs: Vec::new(),
            rows,
        };
        draw.lives(&mut diagram, story.before(first), scenes);
        draw.letters(&mut diagram, &story.scenes, first);
        diagram
    }

    /// The same, with its style.
    pub fn alone(self) -> Diagram {
        Diagram { style: Some(STYLE_ALONE), ..self }
    }
}

/// Where things go.
struct Draw {
    width: f32,
    column: f32,
}

impl Draw {
    fn x(&self, server: u64) -> f32 {
        GUTTER + self.column * (server as f32 + 0.5)
    }

    fn row(
        &self,
        step: usize,
        scene: &Scene,
        before: &ClusterState,
        found: Option<&str>,
        top: f32,
    ) -> Row {
        let mut y = top + 4.0;
        let mut texts = Vec::new();
        let middle = match &scene.happened {
            Move::Deliver(Letter { from, to, .. }) => (self.x(from.0) + self.x(to.0)) / 2.0,
            Move::LoseAll => self.width / 2.0,
            Move::Timeout { server, .. }
            | Move::Propose { server }
            | Move::ProposeTwo { server }
            | Move::ProposeBlank { server }
            | Move::Restart { server }
            | Move::DiskWrite { server }
            | Move::Compact { server, .. }
            | Move::Repeat { server, .. }
            | Move::Pipeline { server, .. } => self.x(server.0),
        };
        let (mark, said) = said(&scene.happened);
        for line in wrap(&said) {
            y += LINE;
            texts.push(self.text("said", middle, y, line));
        }
        y += 10.0;
        let (happened_at, x) = (y, scene.happened.server().map_or(middle, |id| self.x(id.0)));
        y += 2.0;
        for (old, new) in before.visible.nodes.iter().zip(&scene.after.visible.nodes) {
            for line in wrap(&facts::news(old, new)) {
                y += LINE;
                texts.push(self.text("news", self.x(new.id().0), y, line));
            }
        }
        for name in &scene.violates {
            y += LINE + 4.0;
            texts.push(self.text("verdict", self.width / 2.0, y, format!("✗ {name} is violated")));
        }
        if let Some(name) = found {
            y += LINE + 4.0;
            texts.push(self.text("verdict", self.width / 2.0, y, format!("✓ found: {name}")));
        }
        let kind = match (scene.violates.is_empty(), found) {
            (false, _) => "violation",
            (true, Some(_)) => "found",
            (true, None) => "plain",
        };
        Row { step, kind, top, height: y + 10.0 - top, x, y: happened_at, mark, texts }
    }

    /// What each server is before the first step.
    fn beginnings(&self, start: &ClusterState) -> Vec<Text> {
        let mut texts = Vec::new();
        for node in &start.visible.nodes {
            let mut y = 28.0;
            for line in facts::summary(node) {
                y += LINE;
                texts.push(self.text("said", self.x(node.id().0), y, line));
            }
        }
        texts
    }

    /// A line of text about `x`, moved so far that it stays in the picture.
    fn text(&self, class: &'static str, x: f32, y: f32, text: String) -> Text {
        let half = text.chars().count() as f32 * CHARACTER / 2.0;
        let x = x.min(self.width - half).max(GUTTER + half).max(half);
        Text { class, x, y, text }
    }

    /// The lifelines, cut where role or term changes.
    fn lives(&self, diagram: &mut Diagram, start: &ClusterState, scenes: &[Scene]) {
        for (server, node) in start.visible.nodes.iter().enumerate() {
            let x = self.x(server as u64);
            let life = |node: &ModelNode, top| Life {
                server: None,
                role: role(&node.replica.server.volatile().role),
                hue: node.replica.server.current_term() % HUES,
                x,
                top,
                bottom: diagram.height,
            };
            let mut now =
                Life { server: Some(node.id().to_string()), ..life(node, diagram.top - 16.0) };
            let mut lives = Vec::new();
            for (scene, row) in scenes.iter().zip(&diagram.rows) {
                let next = life(scene.after.visible.nodes[server], row.y);
                if (next.role, next.hue) != (now.role, now.hue) {
                    now.bottom = row.y;
                    lives.push(std::mem::replace(&mut now, next));
                }
            }
            lives.push(now);
            diagram.lives.extend(lives);
        }
    }

    /// Each letter from where it left to where it arrives; those that never do, as stubs.
    fn letters(&self, diagram: &mut Diagram, scenes: &[Scene], first: usize) {
        let height_of = |place: usize| match place.checked_sub(first) {
            Some(row) => diagram.rows[row].y,
            None => diagram.top - 6.0,
        };
        let (mut arrows, mut stubs) = (Vec::new(), Vec::new());
        for (place, scene) in scenes.iter().enumerate().skip(first) {
            if let Move::Deliver(letter) = &scene.happened {
                let left = scenes[..place].iter().rposition(|scene| scene.sent.contains(letter));
                let left = left.unwrap_or(first);
                arrows.push(Arrow {
                    step: place - first + 1,
                    kind: kind(letter),
                    late: place - left > 6,
                    x1: self.x(letter.from.0),
                    y1: height_of(left),
                    x2: self.x(letter.to.0),
                    y2: height_of(place),
                });
            }
            for letter in &scene.sent {
                let arrives = |later: &Scene| later.happened == Move::Deliver(letter.clone());
                if !scenes[place..].iter().any(arrives) {
                    let (x, y) = (self.x(letter.from.0), height_of(place));
                    let way = (self.x(letter.to.0) - x).signum();
                    stubs.push(Arrow {
                        step: place - first + 1,
                        kind: kind(letter),
                        late: true,
                        x1: x,
                        y1: y,
                        x2: x + way * 26.0,
                        y2: y + 9.0,
                    });
                }
            }
        }
        (diagram.arrows, diagram.stubs) = (arrows, stubs);
    }
}

/// The mark of a move on the lifeline, and its words.
fn said(happened: &Move) -> (&'static str, String) {
    match happened {
        Move::Deliver(letter) => ("arrival", words::message(&letter.message)),
        Move::Timeout { timer, .. } => ("timer", format!("{timer:?} timeout").to_lowercase()),
        Move::Propose { .. } => ("client", "a client proposes".to_owned()),
        Move::ProposeTwo { .. } => ("client", "clients propose two commands".to_owned()),
        Move::ProposeBlank { .. } => ("client", "a blank is appended".to_owned()),
        Move::Restart { .. } => ("crash", "crash and restart".to_owned()),
        Move::DiskWrite { .. } => ("disk", "the disk finishes a write".to_owned()),
        Move::Compact { last_index, .. } => ("disk", format!("compacts up to {last_index}")),
        Move::Repeat { peer, .. } => ("timer", format!("repeats to {peer}")),
        Move::Pipeline { peer, .. } => ("timer", format!("sends ahead to {peer}")),
        Move::LoseAll => ("none", "every message under way is lost".to_owned()),
    }
}

fn kind(letter: &Letter) -> &'static str {
    use veraft::figure2::Message;
    match &letter.message {
        Message::RequestVote(_) => "vote",
        Message::RequestVoteReply(_) => "vote-reply",
        Message::AppendEntries(_) => "append",
        Message::AppendEntriesReply(_) => "append-reply",
        Message::InstallSnapshot(_) => "snapshot",
    }
}

/// Lines short enough for the picture, broken at spaces.
fn wrap(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < WIDEST => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}
