//! How what Figure 2 keeps and says is renamed.

use veraft::figure2::{
    AppendEntries, AppendEntriesReply, Base, Breach, Command, Config, Entries, Entry,
    InstallSnapshot, Leader, Log, Message, Payload, Persistent, Record, RequestVote,
    RequestVoteReply, Role, Server, ServerId, Volatile,
};

use crate::actor::Raft;
use crate::orbit::{Rename, Renaming};

/// A command of the model names the server that it was proposed to.
impl Rename for Command {
    fn rename(&self, renaming: &Renaming) -> Self {
        let &[id, number] = self.as_bytes() else {
            unreachable!("commands of the model are two bytes long");
        };
        Raft::command_to(ServerId(u64::from(id)).rename(renaming), u64::from(number))
    }
}

impl Rename for Entry {
    fn rename(&self, renaming: &Renaming) -> Self {
        let Entry { term, payload } = self;
        Entry { term: *term, payload: payload.rename(renaming) }
    }
}

impl Rename for Payload {
    fn rename(&self, renaming: &Renaming) -> Self {
        match self {
            Payload::Command(command) => Payload::Command(command.rename(renaming)),
            Payload::Blank => Payload::Blank,
        }
    }
}

impl Rename for Entries {
    fn rename(&self, renaming: &Renaming) -> Self {
        self.iter().map(|entry| entry.rename(renaming)).collect()
    }
}

impl Rename for Persistent {
    fn rename(&self, renaming: &Renaming) -> Self {
        let ballot = Record::Ballot {
            current_term: self.current_term(),
            voted_for: self.voted_for().rename(renaming),
        };
        [ballot].into_iter().chain(log_records(self.log(), renaming)).collect()
    }
}

/// The records of a renamed log. A mark names no server.
fn log_records(log: &Log, renaming: &Renaming) -> impl Iterator<Item = Record> {
    let base = Some(log.base()).filter(|base| *base != Base::default()).map(Record::Base);
    base.into_iter().chain([Record::Append { entries: log.entries().rename(renaming) }])
}

impl Rename for Log {
    fn rename(&self, renaming: &Renaming) -> Self {
        log_records(self, renaming).collect::<Persistent>().log().clone()
    }
}

impl Rename for Role {
    fn rename(&self, renaming: &Renaming) -> Self {
        match self {
            Role::Follower { leader } => Role::Follower { leader: leader.rename(renaming) },
            Role::Candidate { votes_granted } => {
                Role::Candidate { votes_granted: votes_granted.rename(renaming) }
            }
            Role::Leader(Leader { next_index, match_index }) => Role::Leader(Leader {
                next_index: next_index.rename(renaming),
                match_index: match_index.rename(renaming),
            }),
        }
    }
}

impl Rename for Server {
    fn rename(&self, renaming: &Renaming) -> Self {
        let Config { id, servers, max_append_bytes } = self.config().clone();
        let config = Config { id: id.rename(renaming), servers, max_append_bytes };
        let Volatile { role, commit_index, last_applied, stored, floor } = self.volatile();
        let volatile = Volatile {
            role: role.rename(renaming),
            commit_index: *commit_index,
            last_applied: *last_applied,
            stored: *stored,
            floor: *floor,
        };
        Server::from_parts(config, self.persistent().rename(renaming), volatile)
    }
}

impl Rename for Message {
    fn rename(&self, renaming: &Renaming) -> Self {
        match self.clone() {
            Message::RequestVote(request) => {
                let RequestVote { term, candidate_id, last_log_index, last_log_term } = request;
                let candidate_id = candidate_id.rename(renaming);
                Message::RequestVote(RequestVote {
                    term,
                    candidate_id,
                    last_log_index,
                    last_log_term,
                })
            }
            Message::RequestVoteReply(RequestVoteReply { term, vote_granted }) => {
                Message::RequestVoteReply(RequestVoteReply { term, vote_granted })
            }
            Message::AppendEntries(request) => {
                let AppendEntries {
                    term,
                    leader_id,
                    prev_log_index,
                    prev_log_term,
                    entries,
                    leader_commit,
                } = request;
                Message::AppendEntries(AppendEntries {
                    term,
                    leader_id: leader_id.rename(renaming),
                    prev_log_index,
                    prev_log_term,
                    entries: entries.rename(renaming),
                    leader_commit,
                })
            }
            Message::AppendEntriesReply(AppendEntriesReply { term, outcome }) => {
                Message::AppendEntriesReply(AppendEntriesReply { term, outcome })
            }
            Message::InstallSnapshot(InstallSnapshot { term, leader_id, base }) => {
                let leader_id = leader_id.rename(renaming);
                Message::InstallSnapshot(InstallSnapshot { term, leader_id, base })
            }
        }
    }
}

impl Rename for Breach {
    fn rename(&self, renaming: &Renaming) -> Self {
        match self {
            Breach::Name { named } => Breach::Name { named: named.rename(renaming) },
            Breach::SecondLeader { leader } => {
                Breach::SecondLeader { leader: leader.rename(renaming) }
            }
            Breach::Sender
            | Breach::Range { .. }
            | Breach::Log { .. }
            | Breach::NeverSent { .. }
            | Breach::Contradiction { .. } => *self,
        }
    }
}
