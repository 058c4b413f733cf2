//! Recordings made by hand, step by step.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use veraft::figure2::{
    AppendEntries, Base, Command, Config, Entry, Input, InstallSnapshot, Message, Persistent,
    Record, RequestVoteReply, Server, ServerId,
};
use veraft::runtime::recorder::{FORMAT, Line, State};
use veraft_labs::trace::{Discrepancy, Endings, validate};

/// What one server recorded so far.
#[derive(Clone)]
pub struct Recording {
    config: Config,
    server: Server,
    steps: u64,
    lines: Vec<Line>,
}

/// The servers of a cluster of `count`.
pub fn ids(count: u64) -> Vec<ServerId> {
    (0..count).map(ServerId).collect()
}

/// A vote in `term`.
pub fn vote(term: u64) -> Message {
    Message::RequestVoteReply(RequestVoteReply { term, vote_granted: true })
}

/// An entry.
pub fn entry(term: u64, command: &str) -> Entry {
    Entry::command(term, Command::from(command.as_bytes()))
}

/// The first AppendEntries of the leader S2.
pub fn heartbeat_with(term: u64, entries: &[Entry], leader_commit: u64) -> Message {
    append(term, (0, 0), entries, leader_commit)
}

/// An AppendEntries of the leader S2, behind this index of this term.
pub fn append(term: u64, prev: (u64, u64), entries: &[Entry], leader_commit: u64) -> Message {
    Message::AppendEntries(AppendEntries {
        term,
        leader_id: ServerId(2),
        prev_log_index: prev.0,
        prev_log_term: prev.1,
        entries: entries.iter().cloned().collect(),
        leader_commit,
    })
}

/// A snapshot from the leader S2.
pub fn snapshot(term: u64, base: Base) -> Message {
    Message::InstallSnapshot(InstallSnapshot { term, leader_id: ServerId(2), base })
}

impl Recording {
    /// A server of a cluster of three starts for the first time.
    pub fn start(id: u64) -> Recording {
        Recording::in_cluster(id, &ids(3))
    }

    /// A server of any cluster starts for the first time.
    pub fn in_cluster(id: u64, servers: &[ServerId]) -> Recording {
        let servers = Arc::new(servers.iter().copied().collect());
        let config = Config { id: ServerId(id), servers, max_append_bytes: 1000 };
        let (server, _) = Server::start(config.clone(), Persistent::default(), 0);
        let mut recording = Recording { config, server, steps: 0, lines: Vec::new() };
        recording.begin(Persistent::default());
        recording
    }

    fn begin(&mut self, persistent: Persistent) {
        let (server, _) = Server::start(self.config.clone(), persistent.clone(), 0);
        (self.server, self.steps) = (server, 0);
        let config = self.config.clone();
        self.lines.push(Line::Start { format: FORMAT, config, persistent, floor: 0 });
    }

    /// A server that has compacted its log starts, and nothing was recorded of it before.
    pub fn behind_a_base(id: u64, base: Base, entries: &[Entry]) -> Recording {
        let mut recording = Recording::start(id);
        recording.lines.clear();
        let ballot = Record::Ballot { current_term: base.last_term, voted_for: None };
        let entries = entries.iter().cloned().collect();
        let records = [ballot, Record::Base(base), Record::Append { entries }];
        recording.begin(Persistent::fold(records).expect("records of a server"));
        recording
    }

    /// The server crashes and comes back with everything, or with nothing.
    pub fn restart(&mut self, forgets: bool) {
        let stored = self.server.persistent().clone();
        self.begin(if forgets { Persistent::default() } else { stored });
    }

    /// A step, and what it sends.
    pub fn step(&mut self, input: Input) -> Vec<(ServerId, Message)> {
        self.steps += 1;
        let output = self.server.step(input.clone());
        let (send, state) = (output.send.clone(), State::from(&self.server));
        self.lines.push(Line::Step { step: self.steps, input, output, state });
        send
    }

    /// A message arrives.
    pub fn receive(&mut self, from: u64, message: Message) {
        self.step(Input::Receive { from: ServerId(from), message });
    }

    /// Everything so far is durable.
    pub fn durable(&mut self) {
        self.lines.push(Line::Durable { step: self.steps });
    }

    /// The server is told that its whole log is durable.
    pub fn stored(&mut self) {
        let log = self.server.log();
        let (last_index, last_term) = (log.last_index(), log.last_term());
        self.step(Input::Stored { last_index, last_term });
    }

    /// The last step claims another state than the server is in.
    pub fn spoil_last_state(&mut self) {
        if let Some(Line::Step { state, .. }) = self.lines.last_mut() {
            state.last_log_index += 1;
        }
    }

    /// The last step claims another input than it had.
    pub fn claim_input(&mut self, claimed: Input) {
        if let Some(Line::Step { input, .. }) = self.lines.last_mut() {
            *input = claimed;
        }
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) {
        let lines = self.lines.iter().map(|line| serde_json::to_string(line).expect("JSON"));
        fs::write(path, lines.flat_map(|line| [line, "\n".to_string()]).collect::<String>())
            .expect("a file that can be written");
    }
}

/// What is wrong with recordings of one cluster: the line, and the problem.
pub fn problems(recordings: &[Recording]) -> Vec<(u64, Discrepancy)> {
    let directory = TempDir::new().expect("a directory");
    let write = |(number, recording): (usize, &Recording)| {
        let path = directory.path().join(format!("{number}.jsonl"));
        recording.write(&path);
        path
    };
    let files: Vec<PathBuf> = recordings.iter().enumerate().map(write).collect();
    let findings = validate(&files, Endings::Whole).err().unwrap_or_default();
    findings.into_iter().map(|finding| (finding.at.line, finding.problem)).collect()
}
