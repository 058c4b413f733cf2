//! A server in its place: the actor's state, its disk, its timers, and a witness beside it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use stateright::actor::{Command as ActorCommand, Out};
use veraft::figure2::{Index, Log, Message, Persistent, Server, ServerId, Term, Timer};

use crate::actor::{Raft, Replica, server_id};
use crate::interned::renamed_lanes;
use crate::modelled::Modelled;
use crate::orbit::{Component, Rename, Renaming};
use crate::properties::leader_appends_only;
use crate::withheld::{Pending, Withheld};

/// One server of the cluster and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct ModelNode<P: Modelled = Server> {
    /// The actor's state: what a crash loses, and what was handed to the disk.
    pub replica: Replica<P>,
    /// What is durable.
    pub disk: Persistent,
    /// The timers that run.
    pub timers: BTreeSet<Timer>,
    /// What the disk has yet to write, in order: empty unless steps can be torn.
    pub pending: Withheld<P::Message>,
    /// What the rest of the world has seen of this server.
    pub witness: Witness,
    /// The assertion that failed in the server, if one did; it does nothing more then.
    pub failed: Option<String>,
}

/// Ghost state beside one server, from what left it or became durable. In a correct server all
/// of it follows from the server's own state, so it adds no states.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Witness {
    /// The highest term seen, across restarts.
    pub term: Term,
    /// The candidates that were seen to get this server's vote in that term.
    pub votes: BTreeSet<ServerId>,
    /// While it leads: the term, and the log as long as it was seen.
    pub led: Option<(Term, Log)>,
    /// The highest commit index since the last restart.
    pub commit_index: Index,
}

impl<P: Modelled> ModelNode<P> {
    /// A server that was never up before.
    pub fn new(replica: Replica<P>, out: Out<Raft<P>>) -> ModelNode<P> {
        let mut node = ModelNode {
            replica,
            disk: Persistent::default(),
            timers: BTreeSet::new(),
            pending: Withheld::default(),
            witness: Witness::default(),
            failed: None,
        };
        let sent = node.interpret(out, false);
        assert!(sent.is_empty(), "a server that starts has nothing to say");
        node
    }

    /// The server's name.
    pub fn id(&self) -> ServerId {
        self.server().config().id
    }

    /// The server of Figure 2 in it.
    pub fn server(&self) -> &Server {
        self.replica.server.figure2()
    }

    /// Everything volatile is lost, and the server starts from its disk.
    pub fn restart(
        &mut self,
        replica: Replica<P>,
        out: Out<Raft<P>>,
    ) -> Vec<(ServerId, P::Message)> {
        self.replica = replica;
        self.timers.clear();
        self.pending = Withheld::default();
        self.witness.commit_index = 0;
        self.interpret(out, false)
    }

    /// The actor's commands, as the environment carries them out; answers what left at once. If
    /// steps are `torn`, records wait for the disk, and messages for the records before them.
    pub fn interpret(&mut self, out: Out<Raft<P>>, torn: bool) -> Vec<(ServerId, P::Message)> {
        let mut sent = Vec::new();
        for command in out {
            match command {
                ActorCommand::Save(save) if torn => self.pending.write(save),
                ActorCommand::Save(storage) => self.disk = storage,
                ActorCommand::Send(to, message) if P::waits_for_records(&message) => {
                    sent.extend(self.pending.send(server_id(to), message));
                }
                // A heartbeat may pass what waits. That it does so at once covers that it waits:
                // it then is under way for longer.
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

    /// If this node differs from `before` by messages that joined the queue and by nothing else:
    /// those messages.
    pub fn queued_since(&self, before: &ModelNode<P>) -> Option<Vec<(ServerId, P::Message)>> {
        let quiet = ModelNode { pending: before.pending.clone(), ..self.clone() } == *before;
        let saves =
            |node: &ModelNode<P>| node.pending.iter().map(|p| p.save.clone()).collect::<Vec<_>>();
        if !quiet || saves(self) != saves(before) {
            return None;
        }
        let last = self.pending.iter().zip(before.pending.iter()).next_back();
        let queued = last.map(|(now, then)| now.send.difference(&then.send).cloned().collect());
        Some(queued.unwrap_or_default())
    }

    /// The disk finishes its first write, and what waited for it leaves.
    pub fn carry_out(&mut self) -> Vec<(ServerId, P::Message)> {
        let Some(Pending { save, send }) = self.pending.carry_out() else { return Vec::new() };
        self.disk = save;
        let sent: Vec<_> = send.into_iter().collect();
        self.observe(&sent);
        sent
    }

    /// The witness looks at what became durable and at what left.
    fn observe(&mut self, sent: &[(ServerId, P::Message)]) {
        let id = self.id();
        let server = self.replica.server.figure2();
        let witness = &mut self.witness;
        witness.see_ballot(self.disk.current_term(), self.disk.voted_for());
        for (to, message) in sent {
            let Some(message) = P::core_message(message) else { continue };
            let vote = match message {
                Message::RequestVote(_) => Some(id),
                Message::RequestVoteReply(reply) => reply.vote_granted.then_some(*to),
                Message::AppendEntries(_)
                | Message::AppendEntriesReply(_)
                | Message::InstallSnapshot(_) => None,
            };
            witness.see_ballot(message.term(), vote);
        }
        let log = server.log();
        witness.led = match witness.led.take() {
            _ if !server.is_leader() => None,
            Some((term, seen))
                if term == server.current_term() && leader_appends_only(&seen, log).is_err() =>
            {
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

impl<P: Modelled> Rename for Replica<P> {
    fn rename(&self, renaming: &Renaming) -> Self {
        let Replica { server, stored, applied, breach, untrue_answer, missteps, objection } = self;
        Replica {
            server: server.rename(renaming),
            stored: stored.rename(renaming),
            applied: applied.rename(renaming),
            breach: breach.rename(renaming),
            // These name no server.
            untrue_answer: *untrue_answer,
            missteps: missteps.clone(),
            // A text: where it names servers, states are told apart that need not be.
            objection: objection.clone(),
        }
    }
}

impl Rename for Witness {
    fn rename(&self, renaming: &Renaming) -> Self {
        let Witness { term, votes, led, commit_index } = self;
        Witness {
            term: *term,
            votes: votes.rename(renaming),
            led: led.rename(renaming),
            commit_index: *commit_index,
        }
    }
}

impl<P: Modelled> Rename for ModelNode<P> {
    fn rename(&self, renaming: &Renaming) -> Self {
        let ModelNode { replica, disk, timers, pending, witness, failed } = self;
        ModelNode {
            replica: replica.rename(renaming),
            disk: disk.rename(renaming),
            timers: timers.clone(),
            pending: pending.rename(renaming),
            witness: witness.rename(renaming),
            failed: failed.clone(),
        }
    }
}

impl<P: Modelled> Component for ModelNode<P> {
    fn lanes(&self, renamings: &[Renaming]) -> Box<[u64]> {
        renamed_lanes(1, self, renamings)
    }
}
