//! States as bytes: the numbers of their components, seven bits to the byte. Numbers mean
//! something within one process; to another, each component is told once, with its number.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use veraft::figure2::Server;

use crate::cluster::Cluster;
use crate::history::Event;
use crate::interned::Interned;
use crate::letters::{Letter, Shared};
use crate::modelled::{LetterRef, Modelled};
use crate::node::ModelNode;
use crate::orbit::Ref;
use crate::state::{ClusterState, Post};
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
    events: Vec<Ref<Event>>,
}

impl<P: Modelled> Default for Names<P> {
    fn default() -> Self {
        let (shared, events) = (Vec::new(), Vec::new());
        Names { nodes: Vec::new(), letters: Vec::new(), shared, events }
    }
}

/// How many components of each kind another process was told of: always the first ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    nodes: usize,
    letters: usize,
    shared: usize,
    events: usize,
}

/// Components that a process has not told of yet, in the order of their numbers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct Telling<P: Modelled> {
    nodes: Vec<ModelNode<P>>,
    letters: Vec<Letter<P::Message>>,
    shared: Vec<Shared>,
    events: Vec<Event>,
}

impl<P: Modelled> Cluster<P> {
    /// Appends `state` in the numbers of this process.
    pub fn write_state(&self, state: &ClusterState<P>, out: &mut Vec<u8>) {
        let ClusterState {
            nodes,
            network,
            dropped,
            led,
            committed,
            restarts,
            committed_after_restart,
            lanes: _,
        } = state;
        nodes.iter().for_each(|node| put(out, node.number()));
        put(out, restarts << 1 | u32::from(*committed_after_restart));
        put(out, network.len() as u32);
        for Post { letter, shared } in network {
            put(out, letter.number());
            put(out, shared.map_or(0, |shared| shared.number() + 1));
        }
        put_all(out, dropped);
        put_all(out, led);
        put_all(out, committed);
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
        state.clear();
        for _ in 0..self.bounds.servers {
            state.add_node(named(&names.nodes, bytes)?);
        }
        let restarts = take(bytes)?;
        state.restarts = restarts >> 1;
        state.committed_after_restart = restarts & 1 == 1;
        for _ in 0..take(bytes)? {
            let letter = named(&names.letters, bytes)?;
            let shared = match take(bytes)? {
                0 => None,
                number => Some(*names.shared.get(number as usize - 1).ok_or(Malformed)?),
            };
            state.add_post(Post { letter, shared });
        }
        for _ in 0..take(bytes)? {
            state.dropped.push(named(&names.letters, bytes)?);
        }
        for _ in 0..take(bytes)? {
            state.remember(named(&names.events, bytes)?);
        }
        for _ in 0..take(bytes)? {
            state.remember(named(&names.events, bytes)?);
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
        self.nodes.mirror(&mut names.nodes);
        self.letters.mirror(&mut names.letters);
        self.shared.mirror(&mut names.shared);
        self.events.mirror(&mut names.events);
    }

    /// What another process, `told` so much, has to learn to read every state of this one that
    /// exists by now; empty if it knows. `names` are this process's own.
    pub fn tell(&self, names: &mut Names<P>, told: &mut Told) -> Vec<u8> {
        self.mirror(names);
        let news: Telling<P> = Telling {
            nodes: values(&names.nodes[told.nodes..]),
            letters: values(&names.letters[told.letters..]),
            shared: values(&names.shared[told.shared..]),
            events: values(&names.events[told.events..]),
        };
        let now = Told {
            nodes: names.nodes.len(),
            letters: names.letters.len(),
            shared: names.shared.len(),
            events: names.events.len(),
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
        let Telling { nodes, letters, shared, events } = told;
        let renamings = &self.renamings;
        names.nodes.extend(nodes.into_iter().map(|node| self.nodes.intern(node, renamings)));
        names.letters.extend(letters.into_iter().map(|l| self.letters.intern(l, renamings)));
        names.shared.extend(shared.into_iter().map(|s| self.shared.intern(s, renamings)));
        names.events.extend(events.into_iter().map(|e| self.events.intern(e, renamings)));
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

fn put_all<T>(out: &mut Vec<u8>, components: &[&'static Interned<T>]) {
    put(out, components.len() as u32);
    components.iter().for_each(|component| put(out, component.number()));
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
    names.get(take(bytes)? as usize).copied().ok_or(Malformed)
}
