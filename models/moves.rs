//! What happens to a cluster, by value: what a saved trace or a script lists, and what any
//! cluster of the same kind can be made to repeat.

use std::fmt;

use serde::{Deserialize, Serialize};
use stateright::Model;
use veraft::figure2::{Index, Message, Server, ServerId, Timer};

use crate::actor::Proposes;
use crate::cluster::{Action, Cluster};
use crate::known::WorkedOut;
use crate::letters::Letter;
use crate::modelled::{LetterRef, Modelled};
use crate::orbit::Ref;
use crate::state::ClusterState;

/// An [`Action`] by value, or the loss of all letters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Move<M = Message> {
    /// See [`Action::Deliver`].
    Deliver(Letter<M>),
    /// See [`Action::Timeout`].
    Timeout {
        /// The server whose timer fires.
        server: ServerId,
        /// The timer.
        timer: Timer,
    },
    /// See [`Action::Propose`].
    Propose {
        /// The server that a client talks to: the leader, or one that refuses.
        server: ServerId,
    },
    /// Two commands are proposed at once.
    ProposeTwo {
        /// The server that is asked.
        server: ServerId,
    },
    /// A leader's driver proposes a blank.
    ProposeBlank {
        /// The leader.
        server: ServerId,
    },
    /// See [`Action::Restart`].
    Restart {
        /// The server that crashes.
        server: ServerId,
    },
    /// See [`Action::CarryOut`].
    DiskWrite {
        /// The server whose disk it is.
        server: ServerId,
    },
    /// See [`Action::Compact`].
    Compact {
        /// The server whose log begins later.
        server: ServerId,
        /// The last index that the image has in it.
        last_index: Index,
    },
    /// See [`Action::Repeat`].
    Repeat {
        /// The leader.
        server: ServerId,
        /// The peer that is sent something again.
        peer: ServerId,
    },
    /// See [`Action::Pipeline`].
    Pipeline {
        /// The leader.
        server: ServerId,
        /// The peer that is sent more.
        peer: ServerId,
        /// The index behind which that stands.
        after: Index,
    },
    /// Every letter under way is lost. A search needs no such step, for it may leave a letter
    /// undelivered; a script says so to keep what follows small.
    LoseAll,
}

impl<M: Clone> From<Action<Ref<Letter<M>>>> for Move<M> {
    fn from(action: Action<Ref<Letter<M>>>) -> Move<M> {
        match action {
            Action::Deliver(letter) => Move::Deliver(letter.value.clone()),
            Action::Timeout(server, timer) => Move::Timeout { server, timer },
            Action::Propose(server, Proposes::Command) => Move::Propose { server },
            Action::Propose(server, Proposes::TwoCommands) => Move::ProposeTwo { server },
            Action::Propose(server, Proposes::Blank) => Move::ProposeBlank { server },
            Action::Restart(server) => Move::Restart { server },
            Action::CarryOut(server) => Move::DiskWrite { server },
            Action::Compact(server, last_index) => Move::Compact { server, last_index },
            Action::Repeat(server, peer) => Move::Repeat { server, peer },
            Action::Pipeline(server, peer, after) => Move::Pipeline { server, peer, after },
        }
    }
}

impl<M> Move<M> {
    /// The server that it happens to, if it happens to one.
    pub fn server(&self) -> Option<ServerId> {
        match self {
            Move::Deliver(letter) => Some(letter.to),
            Move::Timeout { server, timer: _ }
            | Move::Propose { server }
            | Move::ProposeTwo { server }
            | Move::ProposeBlank { server }
            | Move::Restart { server }
            | Move::DiskWrite { server }
            | Move::Compact { server, last_index: _ }
            | Move::Repeat { server, peer: _ }
            | Move::Pipeline { server, peer: _, after: _ } => Some(*server),
            Move::LoseAll => None,
        }
    }
}

/// Why a move cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impossible {
    /// The cluster has no server of that name.
    NoSuchServer(ServerId),
    /// An assertion failed in the server before.
    Failed(ServerId),
    /// No such letter is under way.
    NotUnderWay,
    /// The timer does not run.
    NotRunning(ServerId, Timer),
    /// The server does not lead.
    NotLeader(ServerId),
    /// The server's disk has nothing to write.
    NothingToWrite(ServerId),
    /// The server's state machine was not given what the image is to have in it.
    NotApplied(ServerId, Index),
}

impl std::error::Error for Impossible {}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Impossible::NoSuchServer(id) => write!(f, "there is no server {id}"),
            Impossible::Failed(id) => write!(f, "{id} stopped at an assertion before"),
            Impossible::NotUnderWay => write!(f, "no such message is under way"),
            Impossible::NotRunning(id, Timer::Election) => {
                write!(f, "{id}'s election timer does not run")
            }
            Impossible::NotRunning(id, Timer::Heartbeat) => {
                write!(f, "{id}'s heartbeat timer does not run")
            }
            Impossible::NotLeader(id) => write!(f, "{id} does not lead"),
            Impossible::NothingToWrite(id) => write!(f, "{id}'s disk has nothing to write"),
            Impossible::NotApplied(id, index) => {
                write!(f, "{id} has not applied entry {index}")
            }
        }
    }
}

/// The moves of a list up to the first that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The number of that move, from 1.
    pub step: usize,
    /// Why it cannot be made.
    pub why: Impossible,
}

impl std::error::Error for Stuck {}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} is not possible: {}", self.step, self.why)
    }
}

/// What came of a move.
#[derive(Clone, Debug)]
pub struct Followed<P: Modelled = Server> {
    /// The letters that left because of it.
    pub sent: &'static [LetterRef<P>],
    /// The state after it.
    pub state: ClusterState<P>,
}

impl<P: Modelled> Cluster<P> {
    /// Makes a move, whatever the bounds say about it. One that a server ignores is possible
    /// and changes nothing.
    pub fn follow(
        &self,
        state: &ClusterState<P>,
        next: &Move<P::Message>,
    ) -> Result<Followed<P>, Impossible> {
        let Some(action) = self.action(state, next)? else {
            let mut state = state.clone();
            self.lose_all(&mut state);
            return Ok(Followed { sent: &[], state });
        };
        let sent = self.sent(state, action);
        let state = self.next_state(state, action).unwrap_or_else(|| state.clone());
        Ok(Followed { sent, state })
    }

    /// The action that a move is in `state`; none for the loss of all letters.
    fn action(
        &self,
        state: &ClusterState<P>,
        next: &Move<P::Message>,
    ) -> Result<Option<Action<LetterRef<P>>>, Impossible> {
        let Some(id) = next.server() else { return Ok(None) };
        if id.0 >= state.visible.nodes.len() as u64 {
            return Err(Impossible::NoSuchServer(id));
        }
        let node = state.node(id);
        if node.failed.is_some() {
            return Err(Impossible::Failed(id));
        }
        let action = match next {
            Move::Deliver(letter) => {
                let under_way = state.letters().find(|there| there.value.says(letter));
                Action::Deliver(under_way.ok_or(Impossible::NotUnderWay)?)
            }
            Move::Timeout { timer, .. } if !node.timers.contains(timer) => {
                return Err(Impossible::NotRunning(id, *timer));
            }
            Move::Repeat { peer, .. } | Move::Pipeline { peer, .. }
                if *peer == id || peer.0 >= state.visible.nodes.len() as u64 =>
            {
                return Err(Impossible::NoSuchServer(*peer));
            }
            Move::ProposeBlank { .. } | Move::Repeat { .. } | Move::Pipeline { .. }
                if !node.server().is_leader() =>
            {
                return Err(Impossible::NotLeader(id));
            }
            Move::DiskWrite { .. } if node.pending.is_empty() => {
                return Err(Impossible::NothingToWrite(id));
            }
            Move::Timeout { timer, .. } => Action::Timeout(id, *timer),
            Move::Propose { .. } => Action::Propose(id, Proposes::Command),
            Move::ProposeTwo { .. } => Action::Propose(id, Proposes::TwoCommands),
            Move::ProposeBlank { .. } => Action::Propose(id, Proposes::Blank),
            Move::Restart { .. } => Action::Restart(id),
            Move::DiskWrite { .. } => Action::CarryOut(id),
            Move::Compact { last_index, .. } if node.handed() < *last_index => {
                return Err(Impossible::NotApplied(id, *last_index));
            }
            Move::Compact { last_index, .. } => Action::Compact(id, *last_index),
            Move::Repeat { peer, .. } => Action::Repeat(id, *peer),
            Move::Pipeline { peer, after, .. } => Action::Pipeline(id, *peer, *after),
            Move::LoseAll => return Ok(None),
        };
        Ok(Some(action))
    }

    /// The same cluster, as `prefix` leaves it: history, witnesses and letters are those of a
    /// cluster that went this way from its first boot. Restarts and compactions are counted from
    /// there on.
    ///
    /// The prefix names letters that a reduction might have dropped, and steps that one would
    /// have taken by itself, so it runs without any.
    pub fn after(mut self, prefix: &[Move<P::Message>]) -> Result<Cluster<P>, Stuck> {
        let environment = self.environment;
        self.environment.keep_dead_letters = true;
        self.environment.saturation = false;
        let mut state = self.boot();
        for (step, next) in (1..).zip(prefix) {
            state = self.follow(&state, next).map_err(|why| Stuck { step, why })?.state;
        }
        self.environment = environment;
        // What was worked out holds in the environment of the prefix.
        self.known = WorkedOut::default();
        self.begin_at(state);
        self.prefix = prefix.to_vec();
        Ok(self)
    }
}
