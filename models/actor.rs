//! The core as a stateright `Actor`: commands in, commands out, and no Raft.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stateright::actor::{Actor, Id, Out, model_timeout};
use veraft::figure2::{
    Base, Breach, Command, Config, Entry, Index, Input, Output, Payload, Persistent, Server,
    ServerId, Term, Timer, TimerDuty,
};

use crate::judge::Judge;
use crate::modelled::Modelled;
use crate::properties::{Misstep, UntrueAnswer, answer_is_true};

/// One server of a cluster, as an actor. Its id is its place in the cluster, from 0.
#[derive(Clone, Debug)]
pub struct Raft<P: Modelled = Server> {
    /// Every server of the cluster.
    pub servers: Arc<BTreeSet<ServerId>>,
    /// See [`Config::max_append_bytes`]; each command of the model takes [`COMMAND_BYTES`].
    pub max_append_bytes: usize,
    /// Whether records become durable in steps of their own, of which the server is told; else
    /// they are durable before a step is over.
    pub slow_disk: bool,
    /// Who looks at each step; nobody, if none is named.
    pub judge: Option<&'static dyn Judge<P>>,
    protocol: PhantomData<fn() -> P>,
}

/// How many bytes each command of the model is long.
pub const COMMAND_BYTES: usize = 2;

/// What a state machine was given, in the order in which it was given: all that the machine of
/// the model keeps, and so what an image of it has in it.
pub type Handed = Vec<(Index, Entry)>;

/// What an actor holds while it is up: the server, the storage as its records add up to it, and
/// a state machine that keeps what it was given.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Replica<P = Server> {
    /// The server.
    pub server: P,
    /// All records that the server returned, folded; never copied out of the server, so that a
    /// record somebody forgot is missing here.
    pub stored: Persistent,
    /// What the state machine was given, be it as part of an image.
    pub applied: Handed,
    /// The mark whose image the state machine is to become, before what it was `applied` since:
    /// the node sees to it at once, so in a state there is none.
    pub restoring: Option<Base>,
    /// The first message that the server took for one that no correct peer sends. All peers of
    /// the model run the same code, so there must be none; that it is kept marks the node, so
    /// that no reduction can take the step for one that changes nothing.
    pub breach: Option<Breach>,
    /// How the first answer to a proposal that was not true was not. In a correct server all are;
    /// it is kept as a breach is, and for the same reason.
    pub untrue_answer: Option<UntrueAnswer>,
    /// What was wrong with its steps: in a correct server, nothing. Kept as a breach is.
    pub missteps: BTreeSet<Misstep>,
    /// What the [`Judge`] said against the first step that it objected to. Kept as a breach is.
    pub objection: Option<String>,
}

impl Raft {
    /// The actors of a cluster of `servers` servers of Figure 2.
    pub fn cluster(servers: usize, max_append_bytes: usize) -> Raft {
        Raft::of(servers, max_append_bytes)
    }

    /// What a client proposes to server `id` as its `number`th entry. It names the server, so
    /// that entries of two leaders differ even where a bug gives them the same index and term;
    /// and the index that it is meant for, so that an entry stored twice differs from the next.
    pub fn command_to(id: ServerId, number: Index) -> Command {
        let command: [u8; COMMAND_BYTES] = [id.0 as u8, number as u8];
        Command::from(command.as_slice())
    }
}

impl<P: Modelled> Raft<P> {
    /// The actors of a cluster of `servers` servers.
    pub fn of(servers: usize, max_append_bytes: usize) -> Raft<P> {
        let servers = Arc::new((0..servers as u64).map(ServerId).collect());
        Raft { servers, max_append_bytes, slow_disk: false, judge: None, protocol: PhantomData }
    }
}

impl<P: Modelled> Raft<P> {
    pub(crate) fn with_slow_disk(mut self, slow: bool) -> Raft<P> {
        self.slow_disk = slow;
        self
    }

    /// An image of the state machine as of `last_index` is durable.
    pub(crate) fn on_compacted(
        &self,
        replica: &mut Cow<'_, Replica<P>>,
        last_index: Index,
        out: &mut Out<Self>,
    ) {
        self.step(replica, Input::Compacted { last_index }, out);
    }

    /// The log is durable up to this entry.
    pub(crate) fn on_stored(
        &self,
        replica: &mut Cow<'_, Replica<P>>,
        (last_index, last_term): (Index, Term),
        out: &mut Out<Self>,
    ) {
        self.step(replica, Input::Stored { last_index, last_term }, out);
    }

    /// The driver of a leader has it send again what `peer` has not acknowledged.
    pub(crate) fn on_repeat(
        &self,
        replica: &mut Cow<'_, Replica<P>>,
        peer: ServerId,
        out: &mut Out<Self>,
    ) {
        self.step(replica, Input::Repeat { peer }, out);
    }

    /// The driver of a leader has it send `peer` more, before that has acknowledged what it was sent.
    pub(crate) fn on_pipeline(
        &self,
        replica: &mut Cow<'_, Replica<P>>,
        (peer, after): (ServerId, Index),
        out: &mut Out<Self>,
    ) {
        self.step(replica, Input::Pipeline { peer, after }, out);
    }

    /// Whether `judge` is asked of a step as it is.
    pub(crate) fn knows(
        &self,
        judge: &dyn Judge<P>,
        before: &P,
        input: &Input<P::Message>,
        after: &P,
    ) -> bool {
        judge.knows(before, Some(input)) && judge.knows(after, Some(input))
    }

    /// Lets a server take an input, and hear of its disk if that is quick.
    pub(crate) fn take(&self, server: &mut P, input: Input<P::Message>) -> Output<P::Message> {
        let mut output = server.step(input);
        if !self.slow_disk && !output.persist.is_empty() {
            let log = server.figure2().log();
            let (last_index, last_term) = (log.last_index(), log.last_term());
            let Output { persist, send, timers, restore, apply, proposal, breach } =
                server.step(Input::Stored { last_index, last_term });
            let nothing = persist.is_empty() && send.is_empty() && timers.is_empty();
            let nothing = nothing && restore.is_none() && proposal.is_none() && breach.is_none();
            assert!(nothing, "a disk that writes is no news to others");
            output.apply.extend(apply);
        }
        output
    }

    fn step(
        &self,
        replica: &mut Cow<'_, Replica<P>>,
        input: Input<P::Message>,
        out: &mut Out<Self>,
    ) {
        let mut next = replica.as_ref().clone();
        let (before, output) = (&replica.server, self.take(&mut next.server, input.clone()));
        let proposed = match &input {
            Input::Propose { payloads } => Some((before.figure2(), payloads.as_slice())),
            Input::Timeout(_)
            | Input::Receive { .. }
            | Input::Compacted { .. }
            | Input::Stored { .. }
            | Input::Repeat { .. }
            | Input::Pipeline { .. } => None,
        };
        let answered = answer_is_true(proposed, &output, next.server.figure2());
        next.missteps.extend(P::missteps(before, &input, &output, &next.server));
        next.untrue_answer = next.untrue_answer.or(answered.err());
        let judge = self.judge.filter(|_| next.objection.is_none());
        // Of others, the cluster asks it: it knows what they have compacted.
        if let Some(judge) = judge.filter(|judge| self.knows(*judge, before, &input, &next.server))
        {
            next.objection = judge.step(before, &input, &output, &next.server);
        }
        next.interpret(output, out);
        if next != **replica {
            *replica = Cow::Owned(next);
        }
    }
}

impl<P: Modelled> Replica<P> {
    /// Hands every duty on, in the order of duty. The answer to a proposal goes nowhere, once it
    /// is judged: the clients of the model do not wait.
    fn interpret(&mut self, output: Output<P::Message>, out: &mut Out<Raft<P>>) {
        let Output { persist, send, timers, restore, apply, proposal: _, breach } = output;
        for record in persist {
            self.stored.write(record);
            out.save(self.stored.clone());
        }
        for (to, message) in send {
            out.send(actor_id(to), message);
        }
        for duty in timers {
            match duty {
                TimerDuty::Set(timer) => out.set_timer(timer, model_timeout()),
                TimerDuty::Cancel(timer) => out.cancel_timer(timer),
            }
        }
        if restore.is_some() {
            self.restoring = restore;
            self.applied.clear();
        }
        self.applied.extend(apply);
        self.breach = self.breach.or(breach);
    }
}

/// stateright's name of a server.
pub fn actor_id(id: ServerId) -> Id {
    Id::from(id.0 as usize)
}

/// The server that stateright calls `id`.
pub fn server_id(id: Id) -> ServerId {
    ServerId(usize::from(id) as u64)
}

const CLIENT: &str = "client";

/// What a server is asked to append to its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Proposes {
    /// A command, by a client.
    Command,
    /// Two commands in one proposal, by a client or by several whose wishes met.
    TwoCommands,
    /// A blank, by the driver of a leader.
    Blank,
}

impl Proposes {
    /// What `server` is asked then.
    pub(crate) fn input<M>(self, server: &Server) -> Input<M> {
        let (id, number) = (server.config().id, server.log().last_index() + 1);
        let command = |number| Payload::Command(Raft::command_to(id, number));
        let payloads = match self {
            Proposes::Command => vec![command(number)],
            Proposes::TwoCommands => vec![command(number), command(number + 1)],
            Proposes::Blank => vec![Payload::Blank],
        };
        Input::Propose { payloads }
    }
}

impl<P: Modelled> Actor for Raft<P> {
    type Msg = P::Message;
    type Timer = Timer;
    type State = Replica<P>;
    type Storage = Persistent;
    /// The choice of when to propose what.
    type Random = Proposes;

    fn on_start(&self, id: Id, storage: &Option<Persistent>, out: &mut Out<Self>) -> Replica<P> {
        let id = server_id(id);
        let stored = storage.clone().unwrap_or_default();
        let servers = Arc::clone(&self.servers);
        let config = Config { id, servers, max_append_bytes: self.max_append_bytes };
        let (server, output) = P::start(config, stored.clone(), 0);
        let mut replica = Replica {
            server,
            stored,
            applied: Vec::new(),
            restoring: None,
            breach: None,
            untrue_answer: None,
            missteps: BTreeSet::new(),
            objection: None,
        };
        replica.interpret(output, out);
        out.choose_random(CLIENT, vec![Proposes::Command]);
        replica
    }

    fn on_msg(
        &self,
        _: Id,
        replica: &mut Cow<'_, Replica<P>>,
        from: Id,
        message: P::Message,
        out: &mut Out<Self>,
    ) {
        self.step(replica, Input::Receive { from: server_id(from), message }, out);
    }

    fn on_timeout(
        &self,
        _: Id,
        replica: &mut Cow<'_, Replica<P>>,
        timer: &Timer,
        out: &mut Out<Self>,
    ) {
        self.step(replica, Input::Timeout(*timer), out);
    }

    fn on_random(
        &self,
        id: Id,
        replica: &mut Cow<'_, Replica<P>>,
        proposes: &Proposes,
        out: &mut Out<Self>,
    ) {
        debug_assert_eq!(replica.server.figure2().config().id, server_id(id));
        let input = proposes.input(replica.server.figure2());
        self.step(replica, input, out);
        out.choose_random(CLIENT, vec![Proposes::Command]);
    }
}
