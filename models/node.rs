//! A server in its place: the actor's state, its disk, its timers, and a witness beside it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use stateright::actor::{Command as ActorCommand, Out};
use veraft::figure2::{
    Base, Index, Log, Message, Persistent, Server, ServerId, Term, Timer, WaitsFor,
};

use crate::actor::{Handed, Raft, Replica, server_id};
use crate::images::HeldImages;
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
    /// What the images have in them that are durable beside the disk's records.
    pub images: HeldImages,
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
    /// The highest index applied since the last restart.
    pub last_applied: Index,
}

impl<P: Modelled> ModelNode<P> {
    /// A server that was never up before.
    pub fn new(replica: Replica<P>, out: Out<Raft<P>>) -> ModelNode<P> {
        let mut node = ModelNode {
            replica,
            disk: Persistent::default(),
            timers: BTreeSet::new(),
            pending: Withheld::default(),
            images: HeldImages::default(),
            witness: Witness::default(),
            failed: None,
        };
        let sent = node.interpret(out, false, 0);
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

    /// The highest index that the state machine was given: an image that waits for the disk, it was
    /// not.
    pub fn handed(&self) -> Index {
        let waits = self.pending.iter().find_map(|pending| pending.handed);
        waits.unwrap_or(self.server().volatile().last_applied)
    }

    /// The end of the log that the disk has, if the server is to be told of it: nothing is about
    /// to cut it there.
    pub fn newly_stored(&self, before: &ModelNode<P>) -> Option<(Index, Term)> {
        let log = self.disk.log();
        let (last_index, last_term) = (log.last_index(), log.last_term());
        let keeps = |pending: &Pending<P::Message>| {
            pending.save.log().term_at(last_index).agrees_with(last_term)
        };
        let stored = self.disk != before.disk && self.pending.iter().all(keeps);
        stored.then_some((last_index, last_term))
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
        self.witness.last_applied = 0;
        self.interpret(out, false, 0)
    }

    /// An image of the state machine as of `last_index` becomes durable.
    pub fn capture(&mut self, last_index: Index) {
        self.images.capture(last_index, &self.replica.applied);
    }

    /// The image that came with `message`, if one did, becomes durable: before it is handed over.
    pub fn receive_image(&mut self, message: &P::Message, image: Option<Handed>) {
        if let (Some(base), Some(content)) = (snapshot_of::<P>(message), image) {
            self.images.receive(base.last_index, content);
        }
    }

    /// If an image was installed since `before`, it is remembered whether entries stayed behind it.
    pub fn look_at_installed(&mut self, before: &ModelNode<P>) {
        let log = self.replica.server.figure2().log();
        if log.base() != before.server().log().base() && !log.entries().is_empty() {
            self.images.stands_before_entries(log.base().last_index);
        }
    }

    /// The images that no log begins behind go: neither the server's own, nor one that is on the
    /// disk or will be. So does the image of a crash that came before the record of its mark.
    pub fn discard_images(&mut self) {
        let disks = self.pending.iter().map(|pending| &pending.save).chain([&self.disk]);
        let logs = disks.map(Persistent::log).chain([self.replica.server.figure2().log()]);
        let named: BTreeSet<Index> = logs.map(|log| log.base().last_index).collect();
        self.images.retain(|index| named.contains(&index));
    }

    /// The state machine becomes the image that the server asked for, if there is one, and has
    /// been given since what was applied since. Answers whether there is one.
    fn restore(&mut self) -> bool {
        let Some(base) = self.replica.restoring.take() else { return false };
        let since = std::mem::take(&mut self.replica.applied);
        self.replica.applied = self.images.content(base.last_index).cloned().unwrap_or_default();
        self.replica.applied.extend(since);
        true
    }

    /// The actor's commands, as the environment carries them out; answers what left at once. If
    /// steps are `torn`, records wait for the disk, and messages for as many of the records before
    /// them as they say; `given` is what the state machine was given before.
    pub fn interpret(
        &mut self,
        out: Out<Raft<P>>,
        torn: bool,
        given: Index,
    ) -> Vec<(ServerId, P::Message)> {
        let given = self.restore().then_some(given);
        let mut sent = Vec::new();
        for command in out {
            match command {
                ActorCommand::Save(save) if torn => self.pending.write(save, given),
                ActorCommand::Save(storage) => self.disk = storage,
                ActorCommand::Send(to, message) if self.holds_back(&message) => {
                    sent.extend(self.pending.send(server_id(to), message));
                }
                // That it passes what waits at once covers that it waits, as behind a disk that is
                // stuck: it then is under way for longer.
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

    /// Whether `message` has to wait for what the disk has yet to write.
    fn holds_back(&self, message: &P::Message) -> bool {
        let ballot = |stored: &Persistent| (stored.current_term(), stored.voted_for());
        let last = self.pending.iter().next_back();
        match P::waits_for(message) {
            WaitsFor::Nothing => false,
            WaitsFor::Ballots => last.is_some_and(|last| ballot(&last.save) != ballot(&self.disk)),
            WaitsFor::Records => true,
        }
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
        let Some(Pending { save, handed: _, send }) = self.pending.carry_out() else {
            return Vec::new();
        };
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
        witness.last_applied = witness.last_applied.max(server.volatile().last_applied);
    }
}

/// The mark of the InstallSnapshot that a message is, if it is one.
pub(crate) fn snapshot_of<P: Modelled>(message: &P::Message) -> Option<Base> {
    match P::core_message(message)? {
        Message::InstallSnapshot(request) => Some(request.base),
        Message::RequestVote(_)
        | Message::RequestVoteReply(_)
        | Message::AppendEntries(_)
        | Message::AppendEntriesReply(_) => None,
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
        let Replica {
            server,
            stored,
            applied,
            restoring,
            breach,
            untrue_answer,
            missteps,
            objection,
        } = self;
        Replica {
            // A mark names no server.
            restoring: *restoring,
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
        let Witness { term, votes, led, commit_index, last_applied } = self;
        Witness {
            term: *term,
            votes: votes.rename(renaming),
            led: led.rename(renaming),
            commit_index: *commit_index,
            last_applied: *last_applied,
        }
    }
}

impl<P: Modelled> Rename for ModelNode<P> {
    fn rename(&self, renaming: &Renaming) -> Self {
        let ModelNode { replica, disk, timers, pending, images, witness, failed } = self;
        ModelNode {
            replica: replica.rename(renaming),
            disk: disk.rename(renaming),
            timers: timers.clone(),
            pending: pending.rename(renaming),
            images: images.rename(renaming),
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
