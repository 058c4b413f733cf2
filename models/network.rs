//! The network: which letters join it, which stand for others, and which are dead.

use veraft::figure2::ServerId;

use crate::cluster::Cluster;
use crate::effects::Stimulus;
use crate::known::{Met, recall};
use crate::letters::{Meaning, Shared};
use crate::mail::{Mail, Sending};
use crate::modelled::{LetterRef, Modelled};
use crate::node::ModelNode;
use crate::orbit::Ref;
use crate::state::{ClusterState, Post};

impl<P: Modelled> Cluster<P> {
    /// Letters join the mail of those they are for. If the sender is another than it was when
    /// letters of its were last looked at, all that are under way are looked at again: they may
    /// mean less. Each server whose mail is another afterwards joins `changed`, once.
    pub(crate) fn deliver(
        &self,
        met: Option<&Met<P>>,
        state: &mut ClusterState<P>,
        sending: Ref<Sending<P>>,
        sender_changed: bool,
        changed: &mut Vec<ServerId>,
    ) {
        let sender = sending.sender.id();
        for &to in self.actor.servers.iter().filter(|to| **to != sender) {
            let concerned = sender_changed || sending.may_be_for(to);
            if concerned && self.join(met, state, to, sending) && !changed.contains(&to) {
                changed.push(to);
            }
        }
    }

    /// The letters of a sending that are for server `to` join its mail, and what is under way
    /// between the two is looked at again. Answers whether anything changed.
    pub(crate) fn join(
        &self,
        met: Option<&Met<P>>,
        state: &mut ClusterState<P>,
        to: ServerId,
        sending: Ref<Sending<P>>,
    ) -> bool {
        let (before, receiver) = (state.mail_of(to), state.node(to));
        if !before.may_be_from(sending.sender.id()) && !sending.may_be_for(to) {
            return false;
        }
        let dropped = state.dropped.len();
        let mail = match key(before.number(), receiver.number(), sending.number()) {
            // What is dropped is no part of what is known.
            Some(key) if !self.environment.audit => {
                recall(met.map(|met| &met.received), &self.known.received, key, || {
                    self.receive(met, before, receiver, sending, |_| {})
                })
            }
            _ => self.receive(met, before, receiver, sending, |letter| state.set_aside(letter)),
        };
        state.mail[to.0 as usize] = mail;
        mail != before || state.dropped.len() != dropped
    }

    /// The mail that comes of it; `drop` is shown the letters that leave it, or do not join it.
    fn receive(
        &self,
        met: Option<&Met<P>>,
        before: Ref<Mail<LetterRef<P>>>,
        receiver: Ref<ModelNode<P>>,
        sending: Ref<Sending<P>>,
        mut drop: impl FnMut(LetterRef<P>),
    ) -> Ref<Mail<LetterRef<P>>> {
        let sender = sending.sender;
        let mut mail = before.value.clone();
        let mut joining = Vec::new();
        mail.retain(|&Post { letter, shared }| {
            let unchanged = letter.from != sender.id()
                || match self.meaning(letter, sender, receiver) {
                    Meaning::Nothing => false,
                    Meaning::Itself => shared.is_none(),
                    Meaning::Shared(now) => shared.is_some_and(|shared| shared.value == now),
                };
            if !unchanged {
                joining.push(letter);
            }
            unchanged
        });
        joining.extend(sending.letters().iter().filter(|letter| letter.to == receiver.id()));
        for letter in joining {
            let shared = match self.proven_meaning(met, letter, sender, receiver) {
                Meaning::Nothing => {
                    drop(letter);
                    continue;
                }
                Meaning::Itself => None,
                Meaning::Shared(shared) => Some(self.shared.intern(shared, &self.renamings)),
            };
            let Err(there) = mail.add(Post { letter, shared }) else { continue };
            if there.letter != letter {
                drop(letter);
            }
        }
        self.mail.intern(mail, &self.renamings)
    }

    fn meaning(
        &self,
        letter: LetterRef<P>,
        sender: Ref<ModelNode<P>>,
        receiver: Ref<ModelNode<P>>,
    ) -> Meaning {
        if self.environment.keep_dead_letters {
            return Meaning::Itself;
        }
        match P::meaning(&letter.value, &sender.value, &receiver.value, self.bounds.terms) {
            // Answers that wait for the disk are part of the receiver's node, and those to two
            // stale requests differ: which of the two was kept would show in the states behind.
            Meaning::Shared(Shared::Stale { .. }) if self.environment.torn => Meaning::Itself,
            meaning @ (Meaning::Nothing | Meaning::Shared(_) | Meaning::Itself) => meaning,
        }
    }

    /// What a letter is claimed to mean, if it proves to on trial: delivered now, a dead letter
    /// changes nothing and its answer is dead; a stale one changes nothing and its answer is
    /// news at most; news makes a follower in its term, who says nothing.
    fn proven_meaning(
        &self,
        met: Option<&Met<P>>,
        letter: LetterRef<P>,
        sender: Ref<ModelNode<P>>,
        receiver: Ref<ModelNode<P>>,
    ) -> Meaning {
        let claimed = self.meaning(letter, sender, receiver);
        let trial = || self.effect(met, receiver, Stimulus::Deliver(letter));
        // An answer goes the other way.
        let answer_means = |answer| self.proven_meaning(met, answer, receiver, sender);
        let proven = match claimed {
            Meaning::Itself => true,
            Meaning::Nothing => {
                trial().is_answer_only(|answer| answer_means(answer) == Meaning::Nothing)
            }
            Meaning::Shared(Shared::Stale { from, to: _ }) => trial().is_answer_only(|answer| {
                let term = receiver.server().current_term();
                let news = Meaning::Shared(Shared::News { to: from, term });
                let meaning = answer_means(answer);
                meaning == Meaning::Nothing || meaning == news
            }),
            Meaning::Shared(Shared::News { term, .. }) => {
                match term > receiver.server().current_term() {
                    true => trial().makes_follower(term),
                    false => trial().node == receiver && trial().sent().is_empty(),
                }
            }
        };
        if proven { claimed } else { Meaning::Itself }
    }
}

/// One number for three, if they are small enough: components are numbered from 0.
fn key(mail: u32, receiver: u32, sending: u32) -> Option<u64> {
    const MAIL: u32 = 24;
    const RECEIVER: u32 = 18;
    const SENDING: u32 = u64::BITS - MAIL - RECEIVER;
    let fits = |number: u32, bits: u32| number >> bits == 0;
    (fits(mail, MAIL) && fits(receiver, RECEIVER) && fits(sending, SENDING)).then(|| {
        (u64::from(mail) << RECEIVER | u64::from(receiver)) << SENDING | u64::from(sending)
    })
}
