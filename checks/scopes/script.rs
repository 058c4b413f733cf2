//! Scripts: what happens to a cluster, line by line, in a text that reads as a conversation.
//!
//! ```text
//! # Comments stay where they are.
//! servers 3                  how many there are; the first line
//! torn                       records wait for the disk; may follow the first line
//! vouched                    images of anybody may be installed; may follow, too
//! batch 2 commands           how much an AppendEntries carries at most; may follow, too
//! S0 election timeout        a timer fires
//! S0 heartbeat timeout
//! S0 -> S1 S2                each receives the latest message from S0 to it
//! S0 -> S1: vote granted     the latest one that says so
//! S0 <-> S1 S2               the same, and S0 then receives the latest message from each
//! propose to S0              a client proposes a command
//! propose two to S0          two commands are proposed at once
//! S0 appends a blank         its driver proposes a blank
//! S0 restarts
//! S0 writes to disk
//! S0 repeats to S1            it sends S1 again what that has not acknowledged
//! S0 sends S1 ahead behind 1   it sends S1 what stands behind index 1
//! S0 compacts its log up to 2 an image of the machine is durable, and the server is told
//! lose everything            all messages under way are lost
//! figure-7 begins here       where the search of this scope begins, if the script is its start
//! ```
//!
//! Under each line, indented, a golden trace says what came of it; [`Script::parse`] ignores
//! that, and [`Script::told`] writes it.

use std::fmt;

use veraft::figure2::{ServerId, Timer};
use veraft_models::actor::COMMAND_BYTES;
use veraft_models::{Impossible, Letter, Move, words};

use crate::scopes::story::{Setting, Story, Teller};

/// A script.
#[derive(Clone, Debug)]
pub struct Script {
    setting: Setting,
    lines: Vec<Line>,
    /// For each scope whose search begins in it, how many lines there are before.
    begins: Vec<(String, usize)>,
}

#[derive(Clone, Debug)]
struct Line {
    number: usize,
    orders: Vec<Order>,
}

#[derive(Clone, Debug)]
enum Order {
    Make(Move),
    Deliver { from: ServerId, to: ServerId, saying: String },
}

/// What is wrong with a line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The first line does not say how many servers there are.
    NoServers,
    /// The line is none that a script can have at that place.
    Unknown(String),
    /// What it says cannot happen there.
    Impossible(Impossible),
}

impl std::error::Error for ScriptError {}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.problem {
            Problem::NoServers => write!(f, "a script begins with `servers N`, N from 1 to 255"),
            Problem::Unknown(text) => write!(f, "what does {text:?} mean?"),
            Problem::Impossible(why) => write!(f, "{why}"),
        }
    }
}

const BEGINS: &str = " begins here";

impl Script {
    /// Reads a script.
    pub fn parse(text: &str) -> Result<Script, ScriptError> {
        let mut script: Option<Script> = None;
        for (number, text) in (1..).zip(text.lines()) {
            if text.trim().is_empty() || text.starts_with(['#', ' ', '\t']) {
                continue;
            }
            let error = |problem| ScriptError { line: number, problem };
            match &mut script {
                None => {
                    let servers = text.strip_prefix("servers ").and_then(|n| n.parse().ok());
                    let servers = servers.filter(|n| (1..=255).contains(n));
                    let servers = servers.ok_or(error(Problem::NoServers))?;
                    let setting = Setting {
                        servers,
                        torn: false,
                        max_append_bytes: usize::MAX,
                        compactions: false,
                        vouched: false,
                        judge: None,
                    };
                    script = Some(Script { setting, lines: Vec::new(), begins: Vec::new() });
                }
                Some(script) => {
                    if script.lines.is_empty() && script.setting.header(text) {
                        continue;
                    }
                    if let Some(scope) = text.strip_suffix(BEGINS) {
                        script.begins.push((scope.to_owned(), script.lines.len()));
                        continue;
                    }
                    let orders = orders(text);
                    let orders = orders.ok_or(error(Problem::Unknown(text.to_owned())))?;
                    let compacts =
                        |order: &Order| matches!(order, Order::Make(Move::Compact { .. }));
                    script.setting.compactions |= orders.iter().any(compacts);
                    script.lines.push(Line { number, orders });
                }
            }
        }
        script.ok_or(ScriptError { line: 1, problem: Problem::NoServers })
    }

    /// The script that makes these moves.
    pub fn of(setting: Setting, moves: &[Move]) -> String {
        let Setting { servers, torn, max_append_bytes, compactions: _, vouched, judge: _ } =
            setting;
        let mut text = format!("servers {servers}\n");
        if torn {
            text += "torn\n";
        }
        if vouched {
            text += "vouched\n";
        }
        if max_append_bytes != usize::MAX {
            text += &match (max_append_bytes / COMMAND_BYTES, max_append_bytes % COMMAND_BYTES) {
                (commands @ 1.., 0) => format!("batch {commands} commands\n"),
                _ => format!("batch {max_append_bytes}\n"),
            };
        }
        for step in moves {
            text += &match step {
                Move::Deliver(Letter { from, to, message, image: _ }) => {
                    format!("{from} -> {to}: {}\n", words::message(message))
                }
                Move::Timeout { server, timer: Timer::Election } => {
                    format!("{server} election timeout\n")
                }
                Move::Timeout { server, timer: Timer::Heartbeat } => {
                    format!("{server} heartbeat timeout\n")
                }
                Move::Propose { server } => format!("propose to {server}\n"),
                Move::ProposeTwo { server } => format!("propose two to {server}\n"),
                Move::ProposeBlank { server } => format!("{server} appends a blank\n"),
                Move::Restart { server } => format!("{server} restarts\n"),
                Move::Compact { server, last_index } => {
                    format!("{server} compacts its log up to {last_index}\n")
                }
                Move::DiskWrite { server } => format!("{server} writes to disk\n"),
                Move::Repeat { server, peer } => format!("{server} repeats to {peer}\n"),
                Move::Pipeline { server, peer, after } => {
                    format!("{server} sends {peer} ahead behind {after}\n")
                }
                Move::LoseAll => "lose everything\n".to_owned(),
            };
        }
        text
    }

    /// The cluster that it is about.
    pub fn setting(&self) -> Setting {
        self.setting
    }

    /// What happens in it.
    pub fn play(&self) -> Result<Story, ScriptError> {
        let (story, stuck) = self.play_on();
        stuck.map_or(Ok(story), Err)
    }

    /// What happens in it until it can go no further, if it cannot.
    pub fn play_on(&self) -> (Story, Option<ScriptError>) {
        let mut teller = Teller::new(self.setting);
        let stuck = self.lines.iter().try_for_each(|line| line.play(&mut teller)).err();
        (teller.into_story(), stuck)
    }

    /// The moves that it makes before the search of `scope` begins; none if it begins nowhere in
    /// it.
    ///
    /// # Errors
    /// When a move cannot be made.
    pub fn before(mut self, scope: &str) -> Result<Option<Vec<Move>>, ScriptError> {
        let begin = self.begins.iter().find(|(name, _)| name == scope).map(|(_, lines)| *lines);
        let Some(begin) = begin else { return Ok(None) };
        self.lines.truncate(begin);
        self.moves().map(Some)
    }

    /// The moves that it makes.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn moves(&self) -> Result<Vec<Move>, ScriptError> {
        Ok(self.play()?.scenes.into_iter().map(|scene| scene.happened).collect())
    }

    /// `text`, of which this is the script, with what comes of each line under it.
    pub fn told(&self, text: &str) -> Result<String, ScriptError> {
        let mut teller = Teller::new(self.setting);
        let mut lines = self.lines.iter();
        let mut told = String::new();
        for (number, text) in (1..).zip(text.lines()) {
            if text.starts_with([' ', '\t']) {
                continue;
            }
            told += text.trim_end();
            told.push('\n');
            if let Some(line) = lines.as_slice().first().filter(|line| line.number == number) {
                lines.next();
                let known = teller.story().scenes.len();
                line.play(&mut teller)?;
                told += &consequences(teller.story(), known);
            }
        }
        Ok(told)
    }
}

/// What came of the scenes from `first` on, indented.
fn consequences(story: &Story, first: usize) -> String {
    let mut text = String::new();
    for (step, scene) in story.steps().into_iter().zip(&story.scenes).skip(first) {
        text += &format!("    {}\n", step.action);
        for line in step.sent.iter().chain(&step.changed) {
            text += &format!("        {line}\n");
        }
        if step.sent.is_empty() && step.changed.is_empty() && scene.happened != Move::LoseAll {
            text += "        nothing changes\n";
        }
        for name in &scene.violates {
            text += &format!("        VIOLATED: {name}\n");
        }
    }
    text
}

impl Setting {
    /// Takes in a line that follows `servers N`; answers whether it is one.
    fn header(&mut self, text: &str) -> bool {
        if text == "torn" {
            self.torn = true;
            return true;
        }
        if text == "vouched" {
            self.vouched = true;
            return true;
        }
        let batch = text.strip_prefix("batch ").and_then(bytes);
        self.max_append_bytes = batch.unwrap_or(self.max_append_bytes);
        batch.is_some()
    }
}

/// `2 commands`; a number alone, in older scripts, is one of bytes.
fn bytes(batch: &str) -> Option<usize> {
    match batch.strip_suffix(" commands") {
        Some(commands) => commands.parse::<usize>().ok()?.checked_mul(COMMAND_BYTES),
        None => batch.parse().ok(),
    }
}

impl Line {
    fn play(&self, teller: &mut Teller) -> Result<(), ScriptError> {
        for order in &self.orders {
            let made = match order {
                Order::Make(next) => teller.next(next.clone()).map(|_| ()),
                Order::Deliver { from, to, saying } => latest(teller.story(), *from, *to, saying)
                    .and_then(|letter| teller.next(Move::Deliver(letter)).map(|_| ())),
            };
            made.map_err(|why| ScriptError {
                line: self.number,
                problem: Problem::Impossible(why),
            })?;
        }
        Ok(())
    }
}

/// The letter that left last, of those that say this word for word, or else among other things.
fn latest(story: &Story, from: ServerId, to: ServerId, saying: &str) -> Result<Letter, Impossible> {
    let sent = story.scenes.iter().rev().flat_map(|scene| scene.sent.iter().rev());
    let sent = sent.filter(|letter| letter.from == from && letter.to == to);
    let says = |wanted: &dyn Fn(&str) -> bool| {
        sent.clone().find(|letter| wanted(&words::message(&letter.message)))
    };
    let letter = says(&|said| said == saying).or_else(|| says(&|said| said.contains(saying)));
    letter.cloned().ok_or(Impossible::NotUnderWay)
}

/// What a line means, if anything.
fn orders(text: &str) -> Option<Vec<Order>> {
    if text == "lose everything" {
        return Some(vec![Order::Make(Move::LoseAll)]);
    }
    if let Some(server) = text.strip_prefix("propose to ") {
        return Some(vec![Order::Make(Move::Propose { server: server_id(server)? })]);
    }
    if let Some(server) = text.strip_prefix("propose two to ") {
        return Some(vec![Order::Make(Move::ProposeTwo { server: server_id(server)? })]);
    }
    let (first, rest) = text.split_once(' ')?;
    let server = server_id(first)?;
    let one = |happened| Some(vec![Order::Make(happened)]);
    match rest {
        "election timeout" => one(Move::Timeout { server, timer: Timer::Election }),
        "heartbeat timeout" => one(Move::Timeout { server, timer: Timer::Heartbeat }),
        "appends a blank" => one(Move::ProposeBlank { server }),
        "restarts" => one(Move::Restart { server }),
        "writes to disk" => one(Move::DiskWrite { server }),
        _ => {
            if let Some(index) = rest.strip_prefix("compacts its log up to ") {
                return one(Move::Compact { server, last_index: index.parse().ok()? });
            }
            if let Some(peer) = rest.strip_prefix("repeats to ") {
                return one(Move::Repeat { server, peer: server_id(peer)? });
            }
            match rest.strip_prefix("sends ").and_then(|rest| rest.split_once(" ahead behind ")) {
                Some((peer, after)) => one(Move::Pipeline {
                    server,
                    peer: server_id(peer)?,
                    after: after.parse().ok()?,
                }),
                None => deliveries(server, rest),
            }
        }
    }
}

/// `-> S1 S2: words` and `<-> S1 S2: words`.
fn deliveries(from: ServerId, rest: &str) -> Option<Vec<Order>> {
    let (back, rest) = match (rest.strip_prefix("-> "), rest.strip_prefix("<-> ")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return None,
    };
    let (receivers, saying) = rest.split_once(": ").unwrap_or((rest, ""));
    let mut orders = Vec::new();
    for receiver in receivers.split(' ') {
        let to = server_id(receiver)?;
        orders.push(Order::Deliver { from, to, saying: saying.to_owned() });
        if back {
            orders.push(Order::Deliver { from: to, to: from, saying: String::new() });
        }
    }
    Some(orders)
}

fn server_id(text: &str) -> Option<ServerId> {
    text.strip_prefix('S')?.parse().ok().map(ServerId)
}
