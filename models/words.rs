//! Messages, servers and actions in Raft's words, for people.

use std::fmt;

use veraft::figure2::{
    AppendEntries, AppendOutcome, Entries, Message, RequestVote, Role, Server, ServerId, Timer,
};

use crate::cluster::Action;
use crate::node::Node;

/// A message, as one would say it.
pub fn message(message: &Message) -> String {
    match message {
        Message::RequestVote(request) => {
            let RequestVote { term, candidate_id: _, last_log_index, last_log_term } = request;
            format!("RequestVote term {term}, last log {last_log_index} of term {last_log_term}")
        }
        Message::RequestVoteReply(reply) => {
            let answer = if reply.vote_granted { "vote granted" } else { "vote refused" };
            format!("{answer}, term {}", reply.term)
        }
        Message::AppendEntries(request) => {
            let AppendEntries {
                term,
                leader_id: _,
                prev_log_index,
                prev_log_term,
                entries,
                leader_commit,
            } = request;
            let what = match entries.is_empty() {
                true => "none".to_owned(),
                false => log(entries),
            };
            format!(
                "AppendEntries term {term}, prev {prev_log_index} of term {prev_log_term}, \
                 entries {what}, commit {leader_commit}"
            )
        }
        Message::AppendEntriesReply(reply) => {
            let term = reply.term;
            match &reply.outcome {
                AppendOutcome::Success { match_index } => {
                    format!("appended, match {match_index}, term {term}")
                }
                AppendOutcome::StaleTerm => format!("refused as stale, term {term}"),
                AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index } => {
                    let why = match conflict_term {
                        Some(conflict) => format!("has term {conflict} from {conflict_index}"),
                        None => format!("log ends before {conflict_index}"),
                    };
                    format!("refused at {prev_log_index}: {why}, term {term}")
                }
            }
        }
    }
}

/// Entries as `[term:command ...]`, a command of the model as the server it was proposed to.
pub fn log(entries: &Entries) -> String {
    let entry = |entry: &veraft::figure2::Entry| match entry.command.as_bytes() {
        [id, _] => format!("{}:{}", entry.term, ServerId(u64::from(*id))),
        bytes => format!("{}:\"{}\"", entry.term, bytes.escape_ascii()),
    };
    format!("[{}]", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
}

/// A server, in one line.
pub fn server(server: &Server) -> String {
    let list = |ids: &mut dyn Iterator<Item = String>| ids.collect::<Vec<_>>().join(" ");
    let role = match &server.volatile().role {
        Role::Follower { leader: None } => "follower".to_owned(),
        Role::Follower { leader: Some(leader) } => format!("follower of {leader}"),
        Role::Candidate { votes_granted } => {
            format!(
                "candidate with votes {}",
                list(&mut votes_granted.iter().map(|v| v.to_string()))
            )
        }
        Role::Leader { next_index, match_index } => {
            let peer = |(id, next): (&ServerId, &u64)| {
                let matched = match_index.get(id).copied().unwrap_or_default();
                format!("{id}:{next}/{matched}")
            };
            match next_index.is_empty() {
                true => "leader".to_owned(),
                false => format!("leader, next/match {}", list(&mut next_index.iter().map(peer))),
            }
        }
    };
    let vote = match server.persistent().voted_for() {
        Some(candidate) => format!(", voted {candidate}"),
        None => String::new(),
    };
    let log = match server.log().entries() {
        entries if entries.is_empty() => String::new(),
        entries => format!(", log {}, commit {}", log(entries), server.volatile().commit_index),
    };
    format!("term {}, {role}{vote}{log}", server.current_term())
}

/// A node, in one line: the server, and the disk where that lags behind.
pub fn node(node: &Node) -> String {
    let server = server(&node.replica.server);
    match (&node.failed, node.pending.len()) {
        (Some(assertion), _) => format!("assertion failed: {assertion}"),
        (None, 0) => server,
        (None, writes) => {
            let disk = &node.disk;
            let term = disk.current_term();
            let log = log(disk.log().entries());
            format!("{server}; {writes} records not yet on disk (there: term {term}, log {log})")
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Deliver(letter) => {
                let (from, to) = (letter.from, letter.to);
                write!(f, "{to} receives from {from}: {}", message(&letter.message))
            }
            Action::Timeout(id, Timer::Election) => write!(f, "{id}'s election timer fires"),
            Action::Timeout(id, Timer::Heartbeat) => write!(f, "{id}'s heartbeat timer fires"),
            Action::Propose(id) => write!(f, "a client proposes a command to {id}"),
            Action::Restart(id) => write!(f, "{id} crashes and restarts"),
            Action::CarryOut(id) => write!(f, "{id}'s disk finishes a write"),
        }
    }
}
