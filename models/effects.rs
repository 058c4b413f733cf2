//! What a stimulus does to one node: the actor handles it, and the environment carries out its
//! commands. It is a function of the two, so it is computed once.

use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use stateright::actor::{Actor, Command, Out};
use veraft::figure2::{Index, Input, Role, Server, ServerId, Term, Timer};

use crate::actor::{Handed, Proposes, Raft, Replica, actor_id};
use crate::cluster::{Action, Cluster};
use crate::images::vouched;
use crate::judge::Judge;
use crate::known::{Met, recall};
use crate::letters::Letter;
use crate::mail::Sending;
use crate::modelled::{LetterRef, Modelled};
use crate::node::ModelNode;
use crate::orbit::Ref;
use crate::successors::Memo;
use crate::whole::{CompactedStep, leaving_objection, restart_objection};

/// What a node reacts to: an action, without the node. `L` is a reference to a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stimulus<L> {
    Deliver(L),
    Timeout(Timer),
    Propose(Proposes),
    Restart,
    CarryOut,
    Compact(Index),
    Repeat(ServerId),
    Pipeline(ServerId, Index),
}

impl<L> Stimulus<L> {
    /// The same, as it happens to server `id`.
    pub(crate) fn at(self, id: ServerId) -> Action<L> {
        match self {
            Stimulus::Deliver(letter) => Action::Deliver(letter),
            Stimulus::Timeout(timer) => Action::Timeout(id, timer),
            Stimulus::Propose(proposes) => Action::Propose(id, proposes),
            Stimulus::Restart => Action::Restart(id),
            Stimulus::CarryOut => Action::CarryOut(id),
            Stimulus::Compact(last_index) => Action::Compact(id, last_index),
            Stimulus::Repeat(peer) => Action::Repeat(id, peer),
            Stimulus::Pipeline(peer, after) => Action::Pipeline(id, peer, after),
        }
    }
}

impl<M> Stimulus<Ref<Letter<M>>> {
    /// A number of its own.
    pub(crate) fn code(self) -> u32 {
        match self {
            Stimulus::Timeout(Timer::Election) => 0,
            Stimulus::Timeout(Timer::Heartbeat) => 1,
            Stimulus::Propose(Proposes::Command) => 2,
            Stimulus::Propose(Proposes::Blank) => 3,
            Stimulus::Propose(Proposes::TwoCommands) => 4,
            Stimulus::Restart => 5,
            Stimulus::CarryOut => 6,
            Stimulus::Deliver(letter) => 7 + 2 * letter.number(),
            Stimulus::Compact(last_index) => 8 + 8 * last_index as u32,
            Stimulus::Repeat(peer) => 10 + 8 * peer.0 as u32,
            // There are few servers.
            Stimulus::Pipeline(peer, after) => 12 + 8 * (peer.0 as u32 + 256 * after as u32),
        }
    }
}

/// What a stimulus does to a node: a function of the two, so it is computed once.
#[derive(Debug)]
pub struct Effect<P: Modelled = Server> {
    /// The node afterwards.
    pub node: Ref<ModelNode<P>>,
    /// What leaves because of it.
    pub(crate) sending: Ref<Sending<P>>,
    /// Whether the election timer starts from anew. A node says only that a timer runs, so that
    /// a search need not tell apart since when.
    pub sets_election_timer: bool,
    /// If nothing came of it but answers, sent or waiting to be: those.
    answers: Option<Vec<LetterRef<P>>>,
}

impl<P: Modelled> Effect<P> {
    /// The letters that leave because of it, in the order in which they were sent.
    pub fn sent(&self) -> &'static [LetterRef<P>] {
        self.sending.letters()
    }

    /// Whether nothing came of it but answers that all are `as_claimed`.
    pub(crate) fn is_answer_only(&self, as_claimed: impl FnMut(LetterRef<P>) -> bool) -> bool {
        self.answers.as_ref().is_some_and(|answers| answers.iter().copied().all(as_claimed))
    }

    /// Whether all that came of it is a follower in `term`, without leader or vote.
    pub(crate) fn makes_follower(&self, term: Term) -> bool {
        let server = self.node.server();
        self.sent().is_empty()
            && server.current_term() == term
            && server.persistent().voted_for().is_none()
            && server.volatile().role == Role::default()
    }
}

/// A number for each node and stimulus.
fn effect_key<P: Modelled>(node: Ref<ModelNode<P>>, stimulus: Stimulus<LetterRef<P>>) -> u64 {
    u64::from(node.number()) << 32 | u64::from(stimulus.code())
}

/// What an actor asked the environment for.
struct Asked<M> {
    sent: Vec<(ServerId, M)>,
    sets_election_timer: bool,
}

impl<P: Modelled> Cluster<P> {
    /// What `action` does to `node`, the server that it happens to: for those who keep a network
    /// and a clock of their own.
    pub fn effect_on(
        &self,
        memo: &Memo<P>,
        node: Ref<ModelNode<P>>,
        action: Action<LetterRef<P>>,
    ) -> &'static Effect<P> {
        self.effect(Some(&memo.met), node, action.parts().1)
    }

    pub(crate) fn effect(
        &self,
        met: Option<&Met<P>>,
        node: Ref<ModelNode<P>>,
        stimulus: Stimulus<LetterRef<P>>,
    ) -> &'static Effect<P> {
        let key = effect_key(node, stimulus);
        recall(met.map(|met| &met.effects), &self.known.effects, key, || {
            Box::leak(Box::new(self.react(node, stimulus)))
        })
    }

    /// Lets the actor handle something, and carries out its commands.
    fn ask(
        &self,
        node: &mut ModelNode<P>,
        handler: impl FnOnce(&Raft<P>, &mut Cow<'_, Replica<P>>, &mut Out<Raft<P>>),
    ) -> Asked<P::Message> {
        let before = node.replica.clone();
        let given = before.server.figure2().volatile().last_applied;
        let mut replica = Cow::Borrowed(&before);
        let mut out = Out::new();
        handler(&self.actor, &mut replica, &mut out);
        node.replica = replica.into_owned();
        let sets_election_timer = sets_election_timer(&out);
        Asked { sent: node.interpret(out, self.environment.torn, given), sets_election_timer }
    }

    /// What comes of `stimulus`. An assertion that fails is something that happens to the node.
    fn react(&self, node: Ref<ModelNode<P>>, stimulus: Stimulus<LetterRef<P>>) -> Effect<P> {
        let reaction = || self.reaction(node, stimulus);
        catch_unwind(AssertUnwindSafe(reaction)).unwrap_or_else(|panic| {
            let failed = Some(panic_message(panic.as_ref()));
            let failed = ModelNode { failed, ..node.value.clone() };
            let node = self.nodes.intern(failed, &self.renamings);
            let sending = self.sendings.intern(Sending::new(node, Vec::new()), &[]);
            Effect { node, sending, sets_election_timer: false, answers: None }
        })
    }

    /// What has become durable is told to the server at once: a driver that does so later is one
    /// whose disk is slower.
    fn tell_stored(&self, node: &mut ModelNode<P>, end: (Index, Term)) {
        let before = node.clone();
        let Asked { sent, sets_election_timer } = self.ask(node, |actor, replica, out| {
            actor.on_stored(replica, end, out);
        });
        assert!(sent.is_empty() && !sets_election_timer, "a disk that writes is no news to others");
        if let Some(judge) = self.actor.judge.filter(|_| node.replica.objection.is_none()) {
            let (last_index, last_term) = end;
            let input = Input::Stored { last_index, last_term };
            node.replica.objection = self.step_objection(judge, &before, input, None, node);
        }
    }

    fn reaction(&self, node: Ref<ModelNode<P>>, stimulus: Stimulus<LetterRef<P>>) -> Effect<P> {
        let id = node.id();
        let me = actor_id(id);
        let mut next = node.value.clone();
        let Asked { sent, sets_election_timer } = match stimulus {
            Stimulus::Restart => {
                let mut out = Out::new();
                let replica = self.actor.on_start(me, &Some(node.disk.clone()), &mut out);
                let sets_election_timer = sets_election_timer(&out);
                Asked { sent: next.restart(replica, out), sets_election_timer }
            }
            Stimulus::CarryOut => Asked { sent: next.carry_out(), sets_election_timer: false },
            Stimulus::Deliver(letter) => {
                let Letter { from, to: _, message, image } = letter.value.clone();
                let from = actor_id(from);
                next.receive_image(&message, image);
                let asked = self.ask(&mut next, |actor, replica, out| {
                    actor.on_msg(me, replica, from, message, out);
                });
                next.look_at_installed(node);
                asked
            }
            Stimulus::Timeout(timer) => {
                next.timers.remove(&timer);
                let repeats = self.repeats_with(timer, node.server());
                self.ask(&mut next, |actor, replica, out| {
                    actor.on_timeout(me, replica, &timer, out);
                    repeats.for_each(|peer| actor.on_repeat(replica, peer, out));
                })
            }
            Stimulus::Propose(proposes) => self.ask(&mut next, |actor, replica, out| {
                actor.on_random(me, replica, &proposes, out);
            }),
            Stimulus::Compact(last_index) => {
                next.capture(last_index);
                self.ask(&mut next, |actor, replica, out| {
                    actor.on_compacted(replica, last_index, out);
                })
            }
            Stimulus::Repeat(peer) => self.ask(&mut next, |actor, replica, out| {
                actor.on_repeat(replica, peer, out);
            }),
            Stimulus::Pipeline(peer, after) => self.ask(&mut next, |actor, replica, out| {
                actor.on_pipeline(replica, (peer, after), out);
            }),
        };
        next.discard_images();
        if next.replica.objection.is_none() {
            next.replica.objection = self.objection(stimulus, node, &next, &sent);
        }
        if let Some(end) = next.newly_stored(node).filter(|_| stimulus == Stimulus::CarryOut) {
            self.tell_stored(&mut next, end);
        }
        let images = next.images.clone();
        let letter = |(to, message)| {
            let image = images.of_message::<P>(&message);
            self.letters.intern(Letter { from: id, to, message, image }, &self.renamings)
        };
        // The judge was not asked of these: no server sends them.
        let vouched = self.environment.vouched.then(|| vouched(&next.replica, id, &sent));
        let vouched = vouched.into_iter().flatten();
        let vouched = vouched.map(|letter| self.letters.intern(letter, &self.renamings));
        let sent: Vec<_> = sent.into_iter().map(letter).chain(vouched).collect();
        let answers = next
            .queued_since(node)
            .map(|queued| sent.iter().copied().chain(queued.into_iter().map(letter)).collect());
        let node = self.nodes.intern(next, &self.renamings);
        let sending = self.sendings.intern(Sending::new(node, sent), &[]);
        Effect { node, sending, sets_election_timer, answers }
    }
}

impl<P: Modelled> Cluster<P> {
    /// What the judge says against a restart, or against what leaves; of steps, the actor has
    /// asked it.
    fn objection(
        &self,
        stimulus: Stimulus<LetterRef<P>>,
        before: Ref<ModelNode<P>>,
        after: &ModelNode<P>,
        sent: &[(ServerId, P::Message)],
    ) -> Option<String> {
        let judge = self.actor.judge?;
        let ModelNode { replica, disk, images, .. } = after;
        let stepped = match stimulus {
            Stimulus::Restart => restart_objection(judge, &before.disk, replica),
            Stimulus::CarryOut => None,
            Stimulus::Deliver(letter) => {
                let Letter { from, to: _, message, image } = &letter.value;
                let input = Input::Receive { from: *from, message: message.clone() };
                self.step_objection(judge, before, input, image.as_ref(), after)
            }
            Stimulus::Timeout(timer) => {
                let repeats = self.repeats_with(timer, before.server());
                let repeats = repeats.map(|peer| Input::Repeat { peer });
                let mut inputs = [Input::Timeout(timer)].into_iter().chain(repeats);
                inputs.find_map(|input| self.step_objection(judge, before, input, None, after))
            }
            Stimulus::Propose(proposes) => {
                self.step_objection(judge, before, proposes.input(before.server()), None, after)
            }
            Stimulus::Compact(last_index) => {
                self.step_objection(judge, before, Input::Compacted { last_index }, None, after)
            }
            Stimulus::Repeat(peer) => {
                self.step_objection(judge, before, Input::Repeat { peer }, None, after)
            }
            Stimulus::Pipeline(peer, behind) => {
                let input = Input::Pipeline { peer, after: behind };
                self.step_objection(judge, before, input, None, after)
            }
        };
        stepped.or_else(|| leaving_objection(judge, disk, replica, images, sent))
    }

    /// What the judge says against a step of which the actor has not asked it.
    fn step_objection(
        &self,
        judge: &dyn Judge<P>,
        before: &ModelNode<P>,
        input: Input<P::Message>,
        image: Option<&Handed>,
        after: &ModelNode<P>,
    ) -> Option<String> {
        let (before, images, after) = (&before.replica, &after.images, &after.replica);
        if self.actor.knows(judge, &before.server, &input, &after.server) {
            return None;
        }
        let output = self.actor.take(&mut before.server.clone(), input.clone());
        CompactedStep { before, input, output, image, after, images }.objection(judge)
    }
}

fn sets_election_timer<P: Modelled>(out: &Out<Raft<P>>) -> bool {
    out.iter().any(|command| matches!(command, Command::SetTimer(Timer::Election, _)))
}

/// What an assertion that failed said.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}
