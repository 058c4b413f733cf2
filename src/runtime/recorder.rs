//! What a node did, as JSON lines, so that it can be validated against the core later.
//!
//! # The format
//!
//! One JSON object on each line, a [`Line`]: an object with a single key, which names the kind.
//! The values inside are the core's own types in serde's form (externally tagged enums,
//! commands as arrays of bytes, map keys as strings).
//!
//! ```text
//! {"start":{"format":4,"config":{..},"persistent":{..},"floor":0}}
//! {"step":{"step":1,"input":{"Timeout":"Election"},"output":{..},"state":{..}}}
//! {"durable":{"step":1}}
//! {"stop":{"step":1}}
//! ```
//!
//! * A file holds one or more lives of one server. Each begins with `start`: the server is
//!   `Server::start(config, persistent, floor)`.
//! * Each `step` holds an input, and what [`Server::step`](crate::figure2::Server::step)
//!   returned for it: replaying the inputs must give the same outputs and the same states.
//!   Steps are numbered from 1 in each life, without a gap, so a missing one shows.
//! * `durable` says that the records of all steps up to this one are on disk. Only what is
//!   durable is sure to be in the `persistent` of the next life; of the records of later steps
//!   a prefix may be. What steps answer, and send as far as it
//!   [waits](crate::figure2::Message::waits_for), leaves only once their records are durable.
//! * `stop` ends a life that ended in order, and names the last step. A crash leaves none, and
//!   may leave a last line that is cut off in the middle: the next life starts on a new line.
//!
//! Lines are written by a thread of their own, and others wait for it: what a step returned
//! reaches the disk, and leaves, only once the lines that tell of it have been given to the
//! operating system. So a process that is killed, at whatever moment, leaves a recording of all
//! that anybody may have seen of it. Lines are not synced: a machine that loses its power may lose
//! the last ones.
//!
//! When the file cannot be written, an error is logged, and the recording ends there; the node
//! runs on.

use crate::runtime::std;

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use super::machinery::log;
use super::machinery::mailbox::{Mailbox, Taken};
use crate::figure2::{Config, Index, Input, Output, Persistent, Server, ServerId, Term, Volatile};

/// The version of the format that this crate writes.
pub const FORMAT: u32 = 4;

/// One line of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "nearly every line is of the largest kind")]
pub enum Line {
    /// A life begins.
    Start {
        /// [`FORMAT`].
        format: u32,
        /// What the server was told.
        config: Config,
        /// What it recovered from its storage.
        persistent: Persistent,
        /// What it knew to have been applied before; see [`Volatile::floor`].
        #[serde(default)]
        floor: Index,
    },
    /// The server took an input.
    Step {
        /// The number of the step in this life, from 1.
        step: u64,
        /// The input.
        input: Input,
        /// All that came out.
        output: Output,
        /// The server after the step.
        state: State,
    },
    /// The records of all steps up to this one are durable.
    Durable {
        /// The number of the step.
        step: u64,
    },
    /// The life ended in order.
    Stop {
        /// The number of the last step; 0 if there was none.
        step: u64,
    },
}

/// A server after a step: all of it but the entries of its log, which follow from the records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The latest term seen.
    pub current_term: Term,
    /// The vote in that term.
    pub voted_for: Option<ServerId>,
    /// The index of the last entry.
    pub last_log_index: Index,
    /// The term of the last entry.
    pub last_log_term: Term,
    /// The volatile state, whole.
    pub volatile: Volatile,
}

impl From<&Server> for State {
    fn from(server: &Server) -> Self {
        State {
            current_term: server.current_term(),
            voted_for: server.persistent().voted_for(),
            last_log_index: server.log().last_index(),
            last_log_term: server.log().last_term(),
            volatile: server.volatile().clone(),
        }
    }
}

/// Where the threads of a node put their lines.
#[derive(Clone)]
pub(super) struct Recorder {
    lines: Arc<Mailbox<Vec<Item>>>,
}

/// What the recorder's thread takes.
#[expect(clippy::large_enum_variant, reason = "nearly every item is a line")]
enum Item {
    Line(Line),
    /// Dropped once all lines before it are written, or never will be.
    Mark(mpsc::Sender<()>),
}

impl Recorder {
    pub(super) fn new() -> Self {
        Recorder { lines: Arc::new(Mailbox::new(Vec::new())) }
    }

    pub(super) fn record(&self, line: Line) {
        self.lines.put(|lines| lines.push(Item::Line(line)));
    }

    /// Waits until the lines so far are written, so that the end of this process cannot lose
    /// them.
    pub(super) fn wait_until_written(&self) {
        let (mark, dropped) = mpsc::channel();
        self.lines.put(|lines| lines.push(Item::Mark(mark)));
        // Nothing is ever sent: the end of the mark is the answer.
        let _ = dropped.recv();
    }

    pub(super) fn durable(&self, step: u64) {
        self.record(Line::Durable { step });
    }

    /// No more lines; those recorded are still written.
    pub(super) fn finish(&self) {
        self.lines.finish();
    }

    /// The life of the recorder's thread. When it ends, also by a panic of `out`, nobody waits
    /// for it.
    pub(super) fn run(&self, out: impl Write) {
        let end = End(&self.lines);
        if let Err(error) = self.write(out) {
            log::error!(%error, "the recording ends here: cannot write it");
        }
        drop(end);
    }

    fn write(&self, out: impl Write) -> io::Result<()> {
        let mut out = BufWriter::new(out);
        while let Taken::All(items) = self.lines.take(None) {
            let mut marks = Vec::new();
            for item in items {
                match item {
                    Item::Mark(mark) => marks.push(mark),
                    Item::Line(line) => {
                        serde_json::to_writer(&mut out, &line)?;
                        out.write_all(b"\n")?;
                    }
                }
            }
            out.flush()?;
            drop(marks);
        }
        Ok(())
    }
}

/// Closes the mailbox of a recorder whose thread ends.
struct End<'r>(&'r Mailbox<Vec<Item>>);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Opens a recording to add a life to it. Ends a line that a crash cut off.
pub(super) fn open(path: &Path) -> io::Result<impl Write + Send + 'static> {
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure2::{Leader, Role, Timer};
    use std::collections::BTreeMap;
    use std::string::ToString;

    #[test]
    fn lines_come_back_as_they_were_written() {
        let servers = Arc::new([1, 2, 3].map(ServerId).into());
        let config = Config { id: ServerId(1), servers, max_append_bytes: 10 };
        let (mut server, _) = Server::start(config.clone(), Persistent::default(), 0);
        let input = Input::Timeout(Timer::Election);
        let output = server.step(input.clone());
        let mut state = State::from(&server);
        let indices = BTreeMap::from([(ServerId(2), 4)]);
        state.volatile.role =
            Role::Leader(Leader { next_index: indices.clone(), match_index: indices });
        let lines = [
            Line::Start { format: FORMAT, config, persistent: Persistent::default(), floor: 7 },
            Line::Step { step: 1, input, output, state },
            Line::Durable { step: 1 },
            Line::Stop { step: 1 },
        ];
        let recorder = Recorder::new();
        lines.iter().for_each(|line| recorder.record(line.clone()));
        recorder.finish();
        let mut text = Vec::new();
        recorder.run(&mut text);
        let text = std::str::from_utf8(&text).unwrap();
        let read: Vec<Line> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, lines);
        assert!(text.starts_with(r#"{"start":{"format":4,"#), "{text}");
    }

    #[test]
    fn a_line_that_was_cut_off_does_not_swallow_the_next_life() {
        let path = std::env::temp_dir().join(std::format!("veraft-{}.jsonl", std::process::id()));
        std::fs::write(&path, r#"{"stop":{"#).unwrap();
        let recorder = Recorder::new();
        recorder.durable(3);
        recorder.finish();
        recorder.run(open(&path).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(text.to_string(), "{\"stop\":{\n{\"durable\":{\"step\":3}}\n");
    }
}
