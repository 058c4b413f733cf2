//! Version 1 of the protocol, as its nodes speak it: the layouts stand here for good, whatever
//! becomes of the core's types. Beside the newest version so that a cluster can be upgraded node
//! by node.
//!
//! Its hellos say nothing of the nodes, and its listener tells a dialer no more than a verdict.

use crate::runtime::std;

use std::string::String;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::figure2::{
    self, AppendEntries, AppendEntriesReply, AppendOutcome, Command, Index, Payload, RequestVote,
    RequestVoteReply, ServerId, Term,
};

pub(super) const VERSION: u8 = 1;

/// The first words of a dialer.
#[derive(Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) cluster: String,
    pub(super) from: ServerId,
    pub(super) to: ServerId,
}

/// The listener's answer. What it refuses, it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verdict {
    Welcome,
    OtherCluster,
    NotMe,
    UnknownSender,
    OtherName,
}

/// A message, in the layout of version 1.
#[derive(Serialize, Deserialize)]
pub(super) enum Message {
    RequestVote {
        term: Term,
        candidate_id: ServerId,
        last_log_index: Index,
        last_log_term: Term,
    },
    RequestVoteReply {
        term: Term,
        vote_granted: bool,
    },
    AppendEntries {
        term: Term,
        leader_id: ServerId,
        prev_log_index: Index,
        prev_log_term: Term,
        entries: Vec<Entry>,
        leader_commit: Index,
    },
    AppendEntriesReply {
        term: Term,
        outcome: Outcome,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    term: Term,
    command: Command,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Outcome {
    Success { match_index: Index },
    StaleTerm,
    Conflict { prev_log_index: Index, conflict_term: Option<Term>, conflict_index: Index },
}

impl Message {
    /// The message in the layout of version 1; `None` if that has none for what the message
    /// carries.
    pub(super) fn of(message: &figure2::Message) -> Option<Message> {
        Some(match message {
            figure2::Message::RequestVote(request) => {
                let RequestVote { term, candidate_id, last_log_index, last_log_term } = *request;
                Message::RequestVote { term, candidate_id, last_log_index, last_log_term }
            }
            figure2::Message::RequestVoteReply(reply) => {
                let RequestVoteReply { term, vote_granted } = *reply;
                Message::RequestVoteReply { term, vote_granted }
            }
            figure2::Message::AppendEntries(request) => {
                let AppendEntries {
                    term,
                    leader_id,
                    prev_log_index,
                    prev_log_term,
                    ref entries,
                    leader_commit,
                } = *request;
                let entries = entries.iter().map(Entry::of).collect::<Option<_>>()?;
                Message::AppendEntries {
                    term,
                    leader_id,
                    prev_log_index,
                    prev_log_term,
                    entries,
                    leader_commit,
                }
            }
            figure2::Message::InstallSnapshot(_) => return None,
            figure2::Message::AppendEntriesReply(reply) => {
                let AppendEntriesReply { term, ref outcome } = *reply;
                Message::AppendEntriesReply { term, outcome: Outcome::of(outcome) }
            }
        })
    }
}

impl Entry {
    /// Version 1 knows no entry but those that hold a command.
    fn of(entry: &figure2::Entry) -> Option<Entry> {
        match &entry.payload {
            Payload::Command(command) => Some(Entry { term: entry.term, command: command.clone() }),
            Payload::Blank => None,
        }
    }
}

impl Outcome {
    fn of(outcome: &AppendOutcome) -> Outcome {
        match *outcome {
            AppendOutcome::Success { match_index } => Outcome::Success { match_index },
            AppendOutcome::StaleTerm => Outcome::StaleTerm,
            AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index } => {
                Outcome::Conflict { prev_log_index, conflict_term, conflict_index }
            }
        }
    }
}

impl From<Message> for figure2::Message {
    fn from(message: Message) -> Self {
        match message {
            Message::RequestVote { term, candidate_id, last_log_index, last_log_term } => {
                figure2::Message::RequestVote(RequestVote {
                    term,
                    candidate_id,
                    last_log_index,
                    last_log_term,
                })
            }
            Message::RequestVoteReply { term, vote_granted } => {
                figure2::Message::RequestVoteReply(RequestVoteReply { term, vote_granted })
            }
            Message::AppendEntries {
                term,
                leader_id,
                prev_log_index,
                prev_log_term,
                entries,
                leader_commit,
            } => figure2::Message::AppendEntries(AppendEntries {
                term,
                leader_id,
                prev_log_index,
                prev_log_term,
                entries: entries.into_iter().map(figure2::Entry::from).collect(),
                leader_commit,
            }),
            Message::AppendEntriesReply { term, outcome } => {
                figure2::Message::AppendEntriesReply(AppendEntriesReply {
                    term,
                    outcome: outcome.into(),
                })
            }
        }
    }
}

impl From<Entry> for figure2::Entry {
    fn from(Entry { term, command }: Entry) -> Self {
        figure2::Entry::command(term, command)
    }
}

impl From<Outcome> for AppendOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success { match_index } => AppendOutcome::Success { match_index },
            Outcome::StaleTerm => AppendOutcome::StaleTerm,
            Outcome::Conflict { prev_log_index, conflict_term, conflict_index } => {
                AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::transport::tcp::frame;
    use std::fs;

    /// What nodes of version 1 have said, kept under `tests`.
    fn recorded(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/wire-1");
        fs::read(std::format!("{folder}/{name}.bin")).unwrap()
    }

    fn framed(value: &impl Serialize) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame::write(&mut bytes, VERSION, value, 1000).unwrap();
        bytes
    }

    #[test]
    fn the_handshake_is_what_its_nodes_have_said() {
        let hello = Hello { cluster: "wire 1".into(), from: ServerId(2), to: ServerId(1) };
        assert_eq!(framed(&hello), recorded("hello")[6..]);
        let verdicts = [
            (Verdict::Welcome, "welcome"),
            (Verdict::OtherCluster, "other-cluster"),
            (Verdict::NotMe, "not-me"),
            (Verdict::UnknownSender, "unknown-sender"),
            (Verdict::OtherName, "other-name"),
        ];
        for (verdict, name) in verdicts {
            assert_eq!(framed(&verdict), recorded(&std::format!("verdict-{name}")));
        }
    }
}
