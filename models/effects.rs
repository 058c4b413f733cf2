//! What a stimulus does to one node: the actor handles it, and the environment carries out its
//! commands. It is a function of the two, so it is computed once.

use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use stateright::actor::{Actor, Out};
use veraft::figure2::{Message, Role, ServerId, Term, Timer};

use crate::actor::{Proposes, Raft, Replica, actor_id};
use crate::cluster::Cluster;
use crate::letters::Letter;
use crate::node::Node;
use crate::orbit::Ref;
use crate::successors::Effects;

/// What a node reacts to: an action, without the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stimulus {
    Deliver(Ref<Letter>),
    Timeout(Timer),
    Propose,
    Restart,
    CarryOut,
}

impl Stimulus {
    /// A number of its own.
    pub(crate) fn code(self) -> u32 {
        match self {
            Stimulus::Timeout(Timer::Election) => 0,
            Stimulus::Timeout(Timer::Heartbeat) => 1,
            Stimulus::Propose => 2,
            Stimulus::Restart => 3,
            Stimulus::CarryOut => 4,
            Stimulus::Deliver(letter) => 5 + letter.number(),
        }
    }
}

/// What a stimulus does to a node: a function of the two, so it is computed once.
#[derive(Debug)]
pub(crate) struct Effect {
    pub(crate) node: Ref<Node>,
    pub(crate) sent: Vec<Ref<Letter>>,
    /// If nothing came of it but answers, sent or waiting to be: those.
    answers: Option<Vec<Ref<Letter>>>,
}

impl Effect {
    /// Whether nothing came of it but answers that all are `as_claimed`.
    pub(crate) fn is_answer_only(&self, as_claimed: impl FnMut(Ref<Letter>) -> bool) -> bool {
        self.answers.as_ref().is_some_and(|answers| answers.iter().copied().all(as_claimed))
    }

    /// Whether all that came of it is a follower in `term`, without leader or vote.
    pub(crate) fn makes_follower(&self, term: Term) -> bool {
        let server = &self.node.replica.server;
        self.sent.is_empty()
            && server.current_term() == term
            && server.persistent().voted_for().is_none()
            && server.volatile().role == Role::default()
    }
}

impl Cluster {
    pub(crate) fn effect(
        &self,
        memo: Option<&Effects>,
        node: Ref<Node>,
        stimulus: Stimulus,
    ) -> &'static Effect {
        let find = || self.shared_effect(node, stimulus);
        match memo {
            Some(memo) => memo.get(node, stimulus, find),
            None => find(),
        }
    }

    fn shared_effect(&self, node: Ref<Node>, stimulus: Stimulus) -> &'static Effect {
        if let Some(known) = self.effects.get(&(node, stimulus)) {
            return *known;
        }
        let new = Box::leak(Box::new(self.react(node, stimulus)));
        *self.effects.entry((node, stimulus)).or_insert(new)
    }

    /// Lets the actor handle something, and carries out its commands.
    fn ask(
        &self,
        node: &mut Node,
        handler: impl FnOnce(&Raft, &mut Cow<'_, Replica>, &mut Out<Raft>),
    ) -> Vec<(ServerId, Message)> {
        let before = node.replica.clone();
        let mut replica = Cow::Borrowed(&before);
        let mut out = Out::new();
        handler(&self.actor, &mut replica, &mut out);
        node.replica = replica.into_owned();
        node.interpret(out, self.environment.torn)
    }

    /// What comes of `stimulus`. An assertion that fails is something that happens to the node.
    fn react(&self, node: Ref<Node>, stimulus: Stimulus) -> Effect {
        let reaction = || self.reaction(node, stimulus);
        catch_unwind(AssertUnwindSafe(reaction)).unwrap_or_else(|panic| {
            let failed = Some(panic_message(panic.as_ref()));
            let failed = Node { failed, ..node.value.clone() };
            let node = self.nodes.intern(failed, &self.renamings);
            Effect { node, sent: Vec::new(), answers: None }
        })
    }

    fn reaction(&self, node: Ref<Node>, stimulus: Stimulus) -> Effect {
        let id = node.id();
        let me = actor_id(id);
        let mut next = node.value.clone();
        let sent = match stimulus {
            Stimulus::Restart => {
                let mut out = Out::new();
                let replica = self.actor.on_start(me, &Some(node.disk.clone()), &mut out);
                next.restart(replica, out)
            }
            Stimulus::CarryOut => next.carry_out(),
            Stimulus::Deliver(letter) => {
                let Letter { from, to: _, message } = letter.value.clone();
                let from = actor_id(from);
                self.ask(&mut next, |actor, replica, out| {
                    actor.on_msg(me, replica, from, message, out);
                })
            }
            Stimulus::Timeout(timer) => {
                next.timers.remove(&timer);
                self.ask(&mut next, |actor, replica, out| {
                    actor.on_timeout(me, replica, &timer, out);
                })
            }
            Stimulus::Propose => self.ask(&mut next, |actor, replica, out| {
                actor.on_random(me, replica, &Proposes, out);
            }),
        };
        let letter =
            |(to, message)| self.letters.intern(Letter { from: id, to, message }, &self.renamings);
        let sent: Vec<_> = sent.into_iter().map(letter).collect();
        let answers = next
            .queued_since(node)
            .map(|queued| sent.iter().copied().chain(queued.into_iter().map(letter)).collect());
        Effect { sent, answers, node: self.nodes.intern(next, &self.renamings) }
    }
}

/// What an assertion that failed said.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}
