//! A server in its place: the actor's state, its disk, its timers, and a witness beside it.

use std::collections::BTreeSet;

use stateright::actor::{Command as ActorCommand, Out};
use veraft::figure2::{Entries, Index, Message, Persistent, ServerId, Term, Timer};

use crate::actor::{Raft, Replica, server_id};
use crate::orbit::{Rename, Renaming};

/// One server of the cluster and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// The actor's state: what a crash loses, and what was handed to the disk.
    pub replica: Replica,
    /// What is durable.
    pub disk: Persistent,
    /// The timers that run.
    pub timers: BTreeSet<Timer>,
    /// What the disk and the network still owe this server, in order: empty unless steps can be
    /// torn.
    pub pending: Vec<Duty>,
    /// What the rest of the world has seen of this server.
    pub witness: Witness,
}

/// A part of a step that waits to be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Duty {
    /// Make this durable.
    Save(Persistent),
    /// Let this message leave.
    Send(ServerId, Message),
}

/// Ghost state beside one server, from what left it or became durable. In a correct server all
/// of it follows from the server's own state, so it adds no states.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Witness {
    /// The highest term seen, across restarts.
    pub term: Term,
    /// The candidates that were seen to get this server's vote in that term.
    pub votes: BTreeSet<ServerId>,
    /// While it leads: the term, and the log as long as it was seen.
    pub led: Option<(Term, Entries)>,
    /// The highest commit index since the last restart.
    pub commit_index: Index,
}

impl Node {
    /// A server that was never up before.
    pub fn new(replica: Replica, out: Out<Raft>) -> Node {
        let mut node = Node {
            replica,
            disk: Persistent::default(),
            timers: BTreeSet::new(),
            pending: Vec::new(),
            witness: Witness::default(),
        };
        let sent = node.interpret(out, false);
        assert!(sent.is_empty(), "a server that starts has nothing to say");
        node
    }

    /// The server's name.
    pub fn id(&self) -> ServerId {
        self.replica.server.config().id
    }

    /// Everything volatile is lost, and the server starts from its disk.
    pub fn restart(&mut self, replica: Replica, out: Out<Raft>) -> Vec<(ServerId, Message)> {
        self.replica = replica;
        self.timers.clear();
        self.pending.clear();
        self.witness.commit_index = 0;
        self.interpret(out, false)
    }

    /// The actor's commands, as the environment carries them out; answers what left at once. If
    /// steps are `torn`, whatever waits for records does so in a queue.
    pub fn interpret(&mut self, out: Out<Raft>, torn: bool) -> Vec<(ServerId, Message)> {
        let mut sent = Vec::new();
        for command in out {
            match command {
                ActorCommand::Save(storage) if torn => self.pending.push(Duty::Save(storage)),
                ActorCommand::Save(storage) => self.disk = storage,
                ActorCommand::Send(to, message) if torn && message.waits_for_records() => {
                    self.queue(server_id(to), message);
                }
                ActorCommand::Send(to, message) => sent.push((server_id(to), message)),
                ActorCommand::SetTimer(timer, _) => {
                    self.timers.insert(timer);
                }
                ActorCommand::CancelTimer(timer) => {
                    self.timers.remove(&timer);
                }
                // Clients are always willing; the cluster bounds what they propose.
                ActorCommand::ChooseRandom(..) => {}
            }
        }
        self.observe(&sent);
        sent
    }

    /// Carries out the first duty that waits.
    pub fn carry_out(&mut self) -> Vec<(ServerId, Message)> {
        let sent = match self.pending.remove(0) {
            Duty::Save(storage) => {
                self.disk = storage;
                Vec::new()
            }
            Duty::Send(to, message) => vec![(to, message)],
        };
        self.observe(&sent);
        sent
    }

    /// The network is a set, so a message that waits already, behind the same records, need not
    /// wait twice; and the queue is bounded by the number of records.
    fn queue(&mut self, to: ServerId, message: Message) {
        let duty = Duty::Send(to, message);
        let behind_last_save =
            self.pending.iter().rev().take_while(|d| matches!(d, Duty::Send(..)));
        if !behind_last_save.into_iter().any(|waiting| *waiting == duty) {
            self.pending.push(duty);
        }
    }

    /// The witness looks at what became durable and at what left.
    fn observe(&mut self, sent: &[(ServerId, Message)]) {
        let id = self.id();
        let server = &self.replica.server;
        let witness = &mut self.witness;
        witness.see_ballot(self.disk.current_term(), self.disk.voted_for());
        for (to, message) in sent {
            let vote = match message {
                Message::RequestVote(_) => Some(id),
                Message::RequestVoteReply(reply) => reply.vote_granted.then_some(*to),
                Message::AppendEntries(_) | Message::AppendEntriesReply(_) => None,
            };
            witness.see_ballot(message.term(), vote);
        }
        let log = server.log().entries();
        witness.led = match witness.led.take() {
            _ if !server.is_leader() => None,
            Some((term, seen)) if term == server.current_term() && !seen.is_prefix_of(log) => {
                Some((term, seen))
            }
            _ => Some((server.current_term(), log.clone())),
        };
        witness.commit_index = witness.commit_index.max(server.volatile().commit_index);
    }
}

impl Witness {
    fn see_ballot(&mut self, term: Term, vote: Option<ServerId>) {
        if term > self.term {
            self.term = term;
            self.votes.clear();
        }
        if term == self.term {
            self.votes.extend(vote);
        }
    }
}

impl Rename for Replica {
    fn rename(&self, renaming: &Renaming) -> Self {
        let Replica { server, stored, applied } = self;
        let renamed = |(index, entry): &(Index, _)| (*index, Rename::rename(entry, renaming));
        Replica {
            server: server.rename(renaming),
            stored: stored.rename(renaming),
            applied: applied.iter().map(renamed).collect(),
        }
    }
}

impl Rename for Duty {
    fn rename(&self, renaming: &Renaming) -> Self {
        match self {
            Duty::Save(storage) => Duty::Save(storage.rename(renaming)),
            Duty::Send(to, message) => Duty::Send(to.rename(renaming), message.rename(renaming)),
        }
    }
}

impl Rename for Witness {
    fn rename(&self, renaming: &Renaming) -> Self {
        let Witness { term, votes, led, commit_index } = self;
        Witness {
            term: *term,
            votes: votes.rename(renaming),
            led: led.as_ref().map(|(term, log)| (*term, log.rename(renaming))),
            commit_index: *commit_index,
        }
    }
}

impl Rename for Node {
    fn rename(&self, renaming: &Renaming) -> Self {
        let Node { replica, disk, timers, pending, witness } = self;
        Node {
            replica: replica.rename(renaming),
            disk: disk.rename(renaming),
            timers: timers.clone(),
            pending: pending.rename(renaming),
            witness: witness.rename(renaming),
        }
    }
}
