//! Messages, servers and actions in Raft's words, for people.

use std::fmt;

use veraft::figure2::{
    AppendEntries, AppendOutcome, Base, Command, Entries, Entry, InstallSnapshot, Leader, Log,
    Message, Payload, RequestVote, Role, Server, ServerId, Timer,
};

use crate::cluster::Action;
use crate::history::Event;
use crate::letters::Letter;
use crate::modelled::{Modelled, Said};
use crate::moves::Move;
use crate::node::ModelNode;
use crate::orbit::Ref;
use crate::state::{ClusterState, Visible};

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
                false => entries_in_words(entries),
            };
            format!(
                "AppendEntries term {term}, prev {prev_log_index} of term {prev_log_term}, \
                 entries {what}, commit {leader_commit}"
            )
        }
        Message::InstallSnapshot(request) => {
            let InstallSnapshot { term, leader_id: _, base } = request;
            let Base { last_index, last_term } = base;
            format!("InstallSnapshot term {term}, up to {last_index} of term {last_term}")
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

/// A log: its entries, and where it begins if some are compacted.
pub fn log(log: &Log) -> String {
    let entries = entries_in_words(log.entries());
    match log.base() {
        base if base == Base::default() => entries,
        Base { last_index, last_term } => {
            format!("{entries} behind {last_index} of term {last_term}")
        }
    }
}

/// Entries as `[term:command ...]`, a command of the model as the server it was proposed to.
pub fn entries_in_words(entries: &Entries) -> String {
    let entry = |entry: &Entry| format!("{}:{}", entry.term, payload(&entry.payload));
    format!("[{}]", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
}

/// What an entry is for; a command of the model as the server it was proposed to.
pub fn payload(payload: &Payload) -> String {
    match payload.command().map(Command::as_bytes) {
        None => "blank".to_owned(),
        Some([id, _]) => ServerId(u64::from(*id)).to_string(),
        Some(bytes) => format!("\"{}\"", bytes.escape_ascii()),
    }
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
        Role::Leader(Leader { next_index, match_index }) => {
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
    let log = match server.log() {
        empty if *empty == Log::default() => String::new(),
        held => format!(", log {}, commit {}", log(held), server.volatile().commit_index),
    };
    format!("term {}, {role}{vote}{log}", server.current_term())
}

/// A node, in one line: the server, and the disk where that lags behind.
pub fn node<P: Modelled>(node: &ModelNode<P>) -> String {
    let mut server = server(node.server());
    if let Some(breach) = node.replica.breach {
        server = format!("{server}, got a message that is a breach: {breach}");
    }
    if let Some(untrue) = node.replica.untrue_answer {
        server = format!("{server}, gave an untrue answer: {untrue}");
    }
    for misstep in &node.replica.missteps {
        server = format!("{server}, took a false step: {misstep}");
    }
    if node.replica.objection.is_some() {
        server = format!("{server}, did what its judge objects to");
    }
    match (&node.failed, node.pending.len()) {
        (Some(assertion), _) => format!("assertion failed: {assertion}"),
        (None, 0) => server,
        (None, writes) => {
            let disk = &node.disk;
            let term = disk.current_term();
            let log = log(disk.log());
            format!("{server}; {writes} records not yet on disk (there: term {term}, log {log})")
        }
    }
}

/// A letter, as one would say it.
pub fn letter<M: Said>(letter: &Letter<M>) -> String {
    format!("{} to {}: {}", letter.from, letter.to, letter.message.in_words())
}

/// Something that a property remembers.
pub fn event(event: &Event) -> String {
    match event {
        Event::Led { term, server } => format!("{server} led term {term}"),
        Event::Committed { index, entry, term } => {
            let entry = entries_in_words(&Entries::from_iter([entry.clone()]));
            format!("{entry} was committed at {index} in term {term}")
        }
    }
}

/// A state, line by line, under headings.
fn lines<P: Modelled>(state: &ClusterState<P>) -> Vec<(&'static str, String)> {
    let Visible { nodes, history } = &state.visible;
    let servers = nodes.iter().map(|n| ("servers", format!("{}: {}", n.id(), node(n))));
    let letters = state.letters().map(|l| ("under way", letter(l)));
    let events = history.events().map(|e| ("so far", event(e)));
    let restarts = history.restarts;
    let restarts = (restarts > 0).then(|| ("so far", format!("{restarts} restarts")));
    let compactions = history.compactions;
    let compactions = (compactions > 0).then(|| ("so far", format!("{compactions} compactions")));
    servers.chain(letters).chain(events).chain(restarts).chain(compactions).collect()
}

/// What a step changed, line by line.
pub fn difference<P: Modelled>(before: &ClusterState<P>, after: &ClusterState<P>) -> String {
    let (before, after) = (lines(before), lines(after));
    let gone = before.iter().filter(|line| !after.contains(line)).map(|(_, line)| ("- ", line));
    let new = after.iter().filter(|line| !before.contains(line)).map(|(_, line)| ("+ ", line));
    gone.chain(new).map(|(sign, line)| format!("{sign}{line}\n")).collect()
}

impl<P: Modelled> fmt::Debug for ClusterState<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut under = "";
        for (heading, line) in lines(self) {
            if heading != under {
                writeln!(f, "{heading}")?;
                under = heading;
            }
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}

impl<M: Said> fmt::Debug for Action<Ref<Letter<M>>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<M: Said> fmt::Display for Action<Ref<Letter<M>>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Move::from(*self).fmt(f)
    }
}

impl<M: Said> fmt::Display for Move<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Move::Deliver(Letter { from, to, message, image: _ }) => {
                write!(f, "{to} receives from {from}: {}", message.in_words())
            }
            Move::Timeout { server, timer: Timer::Election } => {
                write!(f, "{server}'s election timer fires")
            }
            Move::Timeout { server, timer: Timer::Heartbeat } => {
                write!(f, "{server}'s heartbeat timer fires")
            }
            Move::Propose { server } => write!(f, "a client proposes a command to {server}"),
            Move::ProposeTwo { server } => write!(f, "clients propose two commands to {server}"),
            Move::ProposeBlank { server } => write!(f, "{server} appends a blank"),
            Move::Restart { server } => write!(f, "{server} crashes and restarts"),
            Move::DiskWrite { server } => write!(f, "{server}'s disk finishes a write"),
            Move::Compact { server, last_index } => {
                write!(f, "{server} compacts its log up to {last_index}")
            }
            Move::Repeat { server, peer } => {
                write!(f, "{server} sends {peer} again what it lacks")
            }
            Move::Pipeline { server, peer, after } => {
                write!(f, "{server} sends {peer} ahead what stands behind {after}")
            }
            Move::LoseAll => write!(f, "every message under way is lost"),
        }
    }
}
