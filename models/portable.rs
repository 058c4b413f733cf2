//! States as bytes: the numbers of their components, seven bits to the byte. Numbers mean
//! something within one process; to another, each component is told once, with its number.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use veraft::figure2::Server;

use crate::actor::Handed;
use crate::cluster::Cluster;
use crate::history::{Event, History};
use crate::interned::Interned;
use crate::letters::{Letter, Shared};
use crate::mail::Mail;
use crate::modelled::{LetterRef, Modelled};
use crate::node::ModelNode;
use crate::orbit::Ref;
use crate::state::{ClusterState, Post, Visible};
use crate::successors::Memo;

/// Bytes that are no state of this model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("these bytes are no state of this model")]
pub struct Malformed;

/// The components that numbers stand for: those of this process, or of one that told them.
#[derive(Debug)]
pub struct Names<P: Modelled = Server> {
    nodes: Vec<Ref<ModelNode<P>>>,
    letters: Vec<LetterRef<P>>,
    shared: Vec<Ref<Shared>>,
    mail: Vec<Ref<Mail<LetterRef<P>>>>,
    events: Vec<Ref<Event>>,
    histories: Vec<Ref<History>>,
}

impl<P: Modelled> Default for Names<P> {
    fn default() -> Self {
        Names {
            nodes: Vec::new(),
            letters: Vec::new(),
            shared: Vec::new(),
            mail: Vec::new(),
            events: Vec::new(),
            histories: Vec::new(),
        }
    }
}

/// How many components of each kind another process was told of: always the first ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    nodes: usize,
    letters: usize,
    shared: usize,
    mail: usize,
    events: usize,
    histories: usize,
}

/// Components that a process has not told of yet, in the order of their numbers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct Telling<P: Modelled> {
    nodes: Vec<ModelNode<P>>,
    /// Each with what goes along with it.
    letters: Vec<(Letter<P::Message>, Option<Handed>)>,
    shared: Vec<Shared>,
    /// For each letter its number, and that of what it shares with others, if it does.
    mail: Vec<Vec<(u32, Option<u32>)>>,
    events: Vec<Event>,
    histories: Vec<ToldHistory>,
}

/// A [`History`], its events by their numbers.
#[derive(Debug, Serialize, Deserialize)]
struct ToldHistory {
    events: Vec<u32>,
    restarts: u32,
    compactions: u32,
    committed_after_restart: bool,
}

impl<P: Modelled> Cluster<P> {
    /// Appends `state` in the numbers of this process.
    pub fn write_state(&self, state: &ClusterState<P>, out: &mut Vec<u8>) {
        let ClusterState { visible: Visible { nodes, history }, mail, dropped, renamings: _ } =
            state;
        nodes.iter().for_each(|node| put(out, node.number()));
        mail.iter().for_each(|mail| put(out, mail.number()));
        put(out, history.number());
        if self.environment.audit {
            put(out, dropped.len() as u32);
            dropped.iter().for_each(|letter| put(out, letter.number()));
        }
    }

    /// Reads a state that [`Cluster::write_state`] wrote, of the front of `bytes`, into the place
    /// of another.
    ///
    /// # Errors
    /// When the bytes are no state, or one of components that `names` lacks.
    pub fn read_state(
        &self,
        names: &Names<P>,
        bytes: &mut &[u8],
        state: &mut ClusterState<P>,
    ) -> Result<(), Malformed> {
        let ClusterState { visible: Visible { nodes, history }, mail, dropped, renamings: _ } =
            state;
        for node in nodes {
            *node = named(&names.nodes, bytes)?;
        }
        for mail in mail {
            *mail = named(&names.mail, bytes)?;
        }
        *history = named(&names.histories, bytes)?;
        dropped.clear();
        if self.environment.audit {
            for _ in 0..take(bytes)? {
                dropped.push(named(&names.letters, bytes)?);
            }
        }
        Ok(())
    }

    /// The same for a state of this process.
    ///
    /// # Errors
    /// When the bytes are no state.
    pub fn read_own_state(
        &self,
        memo: &mut Memo<P>,
        bytes: &mut &[u8],
        state: &mut ClusterState<P>,
    ) -> Result<(), Malformed> {
        let start = *bytes;
        if self.read_state(&memo.names, bytes, state).is_ok() {
            return Ok(());
        }
        // It may hold components that other threads have met since.
        *bytes = start;
        self.mirror(&mut memo.names);
        self.read_state(&memo.names, bytes, state)
    }

    /// Brings `names` up to date with the components of this process.
    pub fn mirror(&self, names: &mut Names<P>) {
        // What is made of others first, for those are there before it.
        self.mail.mirror(&mut names.mail);
        self.histories.mirror(&mut names.histories);
        self.nodes.mirror(&mut names.nodes);
        self.letters.mirror(&mut names.letters);
        self.shared.mirror(&mut names.shared);
        self.events.mirror(&mut names.events);
    }

    /// What another process, `told` so much, has to learn to read every state of this one that
    /// exists by now; empty if it knows. `names` are this process's own.
    pub fn tell(&self, names: &mut Names<P>, told: &mut Told) -> Vec<u8> {
        self.mirror(names);
        let numbers = |mail: &Ref<Mail<LetterRef<P>>>| {
            let number = |post: &Post<LetterRef<P>>| {
                (post.letter.number(), post.shared.map(Interned::number))
            };
            mail.posts().iter().map(number).collect()
        };
        let history = |history: &Ref<History>| ToldHistory {
            events: history.events().map(Interned::number).collect(),
            restarts: history.restarts,
            compactions: history.compactions,
            committed_after_restart: history.committed_after_restart,
        };
        let news: Telling<P> = Telling {
            nodes: values(&names.nodes[told.nodes..]),
            letters: values(&names.letters[told.letters..])
                .into_iter()
                .map(|letter| (letter.clone(), letter.image))
                .collect(),
            shared: values(&names.shared[told.shared..]),
            mail: names.mail[told.mail..].iter().map(numbers).collect(),
            events: values(&names.events[told.events..]),
            histories: names.histories[told.histories..].iter().map(history).collect(),
        };
        let now = Told {
            nodes: names.nodes.len(),
            letters: names.letters.len(),
            shared: names.shared.len(),
            mail: names.mail.len(),
            events: names.events.len(),
            histories: names.histories.len(),
        };
        if now == *told {
            return Vec::new();
        }
        *told = now;
        postcard::to_allocvec(&news).expect("every component is plain data of known length")
    }

    /// Learns what another process told. Its numbers go on where `names` ends.
    ///
    /// # Errors
    /// When the bytes are not what a process of this model tells.
    pub fn learn(&self, names: &mut Names<P>, told: &[u8]) -> Result<(), Malformed> {
        if told.is_empty() {
            return Ok(());
        }
        let told: Telling<P> = postcard::from_bytes(told).map_err(|_| Malformed)?;
        let Telling { nodes, letters, shared, mail, events, histories } = told;
        let renamings = &self.renamings;
        names.nodes.extend(nodes.into_iter().map(|node| self.nodes.intern(node, renamings)));
        let whole = |(letter, image)| Letter { image, ..letter };
        let letters = letters.into_iter().map(whole);
        names.letters.extend(letters.map(|letter| self.letters.intern(letter, renamings)));
        names.shared.extend(shared.into_iter().map(|s| self.shared.intern(s, renamings)));
        names.events.extend(events.into_iter().map(|e| self.events.intern(e, renamings)));
        for posts in mail {
            let post = |(letter, shared): (u32, Option<u32>)| {
                let letter = known(&names.letters, letter)?;
                let shared = shared.map(|shared| known(&names.shared, shared)).transpose()?;
                Ok(Post { letter, shared })
            };
            let mail: Mail<LetterRef<P>> = posts.into_iter().map(post).collect::<Result<_, _>>()?;
            names.mail.push(self.mail.intern(mail, renamings));
        }
        for ToldHistory { events, restarts, compactions, committed_after_restart } in histories {
            let counted = History { restarts, compactions, ..History::default() };
            let mut history = History { committed_after_restart, ..counted };
            for event in events {
                history.remember(known(&names.events, event)?);
            }
            names.histories.push(self.histories.intern(history, renamings));
        }
        Ok(())
    }
}

fn values<T: Clone>(components: &[Ref<T>]) -> Vec<T> {
    components.iter().map(|component| component.value.clone()).collect()
}

/// Appends a number, seven bits to the byte, the lowest first.
fn put(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Result<u32, Malformed> {
    let mut number = 0;
    for shift in (0..u32::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Malformed)?;
        *bytes = rest;
        number |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed)
}

fn named<T>(names: &[Ref<T>], bytes: &mut &[u8]) -> Result<Ref<T>, Malformed> {
    known(names, take(bytes)?)
}

fn known<T>(names: &[Ref<T>], number: u32) -> Result<Ref<T>, Malformed> {
    names.get(number as usize).copied().ok_or(Malformed)
}
