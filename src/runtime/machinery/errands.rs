//! What the server loop does beside the server's steps: notes that must stand before a peer's
//! messages, readmissions, and the watch over peers.

use crate::runtime::std;

use std::boxed::Box;
use std::time::Instant;
use std::vec::Vec;

use super::identity::Adoption;
use super::images::ImageNews;
use super::log;
use super::outlets::{Gated, Note, Then};
use super::reception::Lost;
use super::server_loop::ServerLoop;
use super::watch::Sign;
use crate::driver::Comparison;
use crate::figure2::{
    AppendEntriesReply, Index, Input, Leader, Message, Payload, RequestVoteReply, Role, ServerId,
    Term,
};
use crate::runtime::compact::CompactAnswer;
use crate::runtime::readmit::{Other, Readmission, ReadmitError, Waiting, all_hold};

/// What a thread of the node asks of the server loop.
pub(super) enum Errand {
    /// What is known of identities has changed, and is to be written.
    Remember,
    /// What a peer's connection rests on has changed: it has to say hello again.
    Disconnect(ServerId),
    /// This blank store takes the generation that a leader has given to its server.
    Adopt {
        /// The peer whose hello said so.
        peer: ServerId,
        /// The generation.
        adoption: Adoption,
    },
    /// A wiped server is to be readmitted.
    Readmit(Readmission),
    /// The log is to be compacted now.
    Compact(CompactAnswer),
    /// An image was written or restored, or was not.
    Image(ImageNews),
    /// What servers say of their state machines was compared.
    Compared(Comparison),
}

/// What errands need, and leave behind.
pub(super) struct Errands {
    /// Breaks the connections with a peer.
    pub(super) disconnect: Box<dyn Fn(ServerId) + Send>,
    pub(super) readmissions: Vec<Waiting>,
}

impl<R> ServerLoop<R> {
    pub(super) fn run_errand(&mut self, errand: Errand) {
        match errand {
            Errand::Remember => {
                let mut registry = self.identities.registry();
                let (notes, disowned) = (registry.unwritten(false), registry.disowned().cloned());
                drop(registry);
                let identities = self.identities.clone();
                self.once_durable(notes, move || identities.disowned(disowned));
            }
            Errand::Disconnect(peer) => (self.errands.disconnect)(peer),
            Errand::Adopt { peer, adoption } => self.adopt(peer, adoption),
            Errand::Readmit(asked) => {
                if let Some(waiting) = self.readmit(asked) {
                    self.errands.readmissions.push(waiting);
                }
            }
            Errand::Compact(asked) => self.compact(asked),
            Errand::Image(news) => self.hear_of_image(news),
            Errand::Compared(comparison) => self.compared(comparison),
        }
    }

    /// A leader readmits this server with its blank store. Only the term has to be taken over:
    /// it comes as what any peer could send, a refused vote of that term, and the server adopts
    /// it (`ALL.2`), with no vote given. The note of the generation stands behind that record,
    /// and only once it is durable does a hello name the generation: no peer accepts this
    /// server before.
    fn adopt(&mut self, peer: ServerId, adoption: Adoption) {
        let known = self.identities.registry().own().generation;
        if known >= adoption.generation || self.server().log().last_index() > 0 {
            return;
        }
        let Adoption { generation, term, incarnation: _ } = adoption;
        let reply = RequestVoteReply { term, vote_granted: false };
        let message = Message::RequestVoteReply(reply);
        self.step(Input::Receive { from: peer, message }, Vec::new());
        let notes = Vec::from([self.identities.registry().adopting(adoption)]);
        let identities = self.identities.clone();
        self.once_durable(notes, move || {
            log::warn!(generation, term, "readmitted with an empty store");
            identities.registry().adopt(adoption);
        });
    }

    /// Writes notes, and does something once they, and the records of all steps before, are
    /// durable.
    pub(super) fn once_durable(&mut self, notes: Vec<Note>, then: impl FnOnce() + Send + 'static) {
        let then: Option<Then> = Some(Box::new(then));
        self.enter(Gated { notes, then, ..Gated::behind(self.driver.steps()) });
    }

    /// Tells whoever asked for a readmission why it is refused. That may name a leader or a term,
    /// so it waits for them to be durable.
    fn refuse(&mut self, asked: &Readmission, notes: Vec<Note>, why: ReadmitError) {
        let answer = asked.answer.clone();
        self.once_durable(notes, move || {
            // Nobody hears it if whoever asked has gone.
            let _ = answer.send(Err(why));
        });
    }

    /// Answers what can be answered at once; what has to wait for the others, it returns.
    fn readmit(&mut self, asked: Readmission) -> Option<Waiting> {
        if let Err(refusal) = self.may_readmit(asked.server) {
            self.refuse(&asked, Vec::new(), refusal);
            return None;
        }
        let payloads = Vec::from([Payload::Blank]);
        self.step(Input::Propose { payloads }, Vec::new());
        let (term, index) = (self.server().current_term(), self.server().log().last_index());
        Some(Waiting { asked, term, index })
    }

    fn may_readmit(&self, server: ServerId) -> Result<(), ReadmitError> {
        let mut peers = self.server().config().peers();
        if !self.server().is_leader() {
            return Err(ReadmitError::NotLeader { leader: self.server().leader() });
        }
        if !self.server().config().peers().any(|peer| peer == server) {
            return Err(ReadmitError::NotAPeer(server));
        }
        if self.watch.is_connected(Instant::now(), self.server().current_term(), server) {
            return Err(ReadmitError::TakesPart(server));
        }
        let registry = self.identities.registry();
        match peers.find(|&peer| peer != server && registry.speaks_version_1(peer)) {
            Some(outdated) => Err(ReadmitError::Outdated(outdated)),
            None => Ok(()),
        }
    }

    /// Sees to the readmissions that wait for acknowledgements.
    pub(super) fn look_at_readmissions(&mut self) {
        if self.errands.readmissions.is_empty() {
            return;
        }
        let now = Instant::now();
        for waiting in std::mem::take(&mut self.errands.readmissions) {
            let Waiting { asked, term, index } = &waiting;
            let server = asked.server;
            let Some(others) = self.others(now, *term, server) else {
                let leader = self.server().leader();
                self.refuse(asked, Vec::new(), ReadmitError::NotLeader { leader });
                continue;
            };
            match all_hold(*index, server, &others) {
                Ok(()) => self.readmitted(asked, *term),
                Err(lacking) if now >= asked.deadline => {
                    self.refuse(asked, Vec::new(), lacking);
                }
                Err(_) => self.errands.readmissions.push(waiting),
            }
        }
    }

    /// The members other than this leader of `term` and `server`; none if it leads no more.
    fn others(&self, now: Instant, term: Term, server: ServerId) -> Option<Vec<Other>> {
        let Role::Leader(Leader { next_index: _, match_index }) = &self.server().volatile().role
        else {
            return None;
        };
        if term != self.server().current_term() {
            return None;
        }
        let other = |(&peer, &match_index): (&ServerId, &Index)| Other {
            server: peer,
            connected: self.watch.is_connected(now, term, peer),
            match_index,
        };
        let others = match_index.iter().filter(|&(&peer, _)| peer != server);
        Some(others.map(other).collect())
    }

    /// The server gets a new generation. It is answered once that is durable; and everybody has
    /// to say hello again, so that it is known before anybody else leads.
    fn readmitted(&mut self, asked: &Readmission, term: Term) {
        let server = asked.server;
        let mut registry = self.identities.registry();
        let given = registry.readmit(server, term);
        let notes = registry.unwritten(false);
        drop(registry);
        if let Err(known) = given {
            let already = ReadmitError::Already { server, term: known.generation };
            return self.refuse(asked, notes, already);
        }
        let answer = asked.answer.clone();
        self.once_durable(notes, move || {
            log::warn!(%server, term, "readmitted: it may come back with an empty store");
            let _ = answer.send(Ok(()));
        });
        let peers: Vec<ServerId> = self.server().config().peers().collect();
        peers.into_iter().for_each(|peer| (self.errands.disconnect)(peer));
    }

    /// A leader looks whether a peer still holds what it acknowledged.
    pub(super) fn watch_reply(&mut self, from: ServerId, reply: &AppendEntriesReply) {
        let Role::Leader(Leader { next_index: _, match_index }) = &self.server().volatile().role
        else {
            return;
        };
        let held = match_index.get(&from).copied().unwrap_or(0);
        let term = self.server().current_term();
        match self.watch.answered(Instant::now(), term, from, reply, held) {
            Sign::None => return,
            Sign::Lost => {
                self.counters.lost(from);
                log::warn!(
                    peer = %from,
                    match_index = held,
                    "a peer refuses what it acknowledged, and nothing else comes from it: it has \
                     lost a part of its log. Its disk was lost, or is an old copy; see \
                     docs/operations.md"
                );
            }
            Sign::Back => log::info!(peer = %from, "a peer holds again what it acknowledged"),
        }
        self.identities.lost(Lost { to: term, peers: self.watch.lost(term).collect() });
    }
}
