//! The state of a cluster: servers, letters under way, history.

use std::hash::{Hash, Hasher};

use veraft::figure2::{Server, ServerId};

use crate::history::Event;
use crate::interned::keyed_hash_of;
use crate::letters::{Letter, Shared};
use crate::modelled::{LetterRef, Modelled};
use crate::node::ModelNode;
use crate::orbit::{Lanes, Ref};

/// The state of a cluster. Its `Debug` is in Raft's words.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterState<P: Modelled = Server> {
    /// The servers, by id.
    pub nodes: Vec<Ref<ModelNode<P>>>,
    /// The letters that may still be delivered, ordered by [`Post::key`].
    pub network: Vec<Post<LetterRef<P>>>,
    /// Under audit, the letters that were dropped: beside the state, outside its fingerprint.
    pub dropped: Vec<LetterRef<P>>,
    /// Who led which term.
    pub led: Vec<Ref<Event>>,
    /// What was committed, by index from 1.
    pub committed: Vec<Ref<Event>>,
    /// How many restarts there were.
    pub restarts: u32,
    /// Whether something was committed after a restart.
    pub committed_after_restart: bool,
    pub(crate) lanes: Lanes,
}

/// A letter under way, and what it shares with others, if that is all it means. `L` is a
/// reference to a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post<L = Ref<Letter>> {
    /// The letter.
    pub letter: L,
    /// Its meaning; none if it means what it says.
    pub shared: Option<Ref<Shared>>,
}

impl<M> Post<Ref<Letter<M>>> {
    /// Names what the letter means.
    pub fn key(&self) -> u64 {
        match self.shared {
            Some(shared) => shared.fingerprint(),
            None => self.letter.fingerprint(),
        }
    }
}

impl<P: Modelled> ClusterState<P> {
    /// A cluster of which nobody has heard.
    pub(crate) fn new(nodes: Vec<Ref<ModelNode<P>>>, mut lanes: Lanes) -> ClusterState<P> {
        nodes.iter().for_each(|&node| lanes.add(node));
        ClusterState {
            nodes,
            network: Vec::new(),
            dropped: Vec::new(),
            led: Vec::new(),
            committed: Vec::new(),
            restarts: 0,
            committed_after_restart: false,
            lanes,
        }
    }

    /// The state's name: equal for equal states and, under symmetry, for renamed ones. Two
    /// others share one with a probability of about 2^-64 times half the number of renamings,
    /// for the smallest of several numbers is not any number.
    pub fn fingerprint(&self) -> u64 {
        self.lanes.smallest().wrapping_add(self.same_in_all_lanes(0))
    }

    /// The same twice as wide, of a cluster with [wide fingerprints](crate::Cluster::wide).
    pub fn wide_fingerprint(&self) -> Option<u128> {
        let (first, second) = self.lanes.smallest_pair()?;
        let first = first.wrapping_add(self.same_in_all_lanes(0));
        let second = second.wrapping_add(self.same_in_all_lanes(1));
        Some(u128::from(second) << 64 | u128::from(first))
    }

    /// The name of the servers alone, whatever is under way and whatever happened before: equal
    /// for equal servers and, under symmetry, for renamed ones.
    pub fn servers_fingerprint(&self) -> u64 {
        let mut lanes = self.lanes.clone();
        lanes.clear();
        self.nodes.iter().for_each(|&node| lanes.add(node));
        lanes.smallest()
    }

    fn same_in_all_lanes(&self, key: u64) -> u64 {
        keyed_hash_of(key, &(self.restarts, self.committed_after_restart))
    }

    /// Becomes `other`, without an allocation if it ever was as large.
    pub(crate) fn copy_from(&mut self, other: &ClusterState<P>) {
        let ClusterState {
            nodes,
            network,
            dropped,
            led,
            committed,
            restarts,
            committed_after_restart,
            lanes,
        } = other;
        self.nodes.clone_from(nodes);
        self.network.clone_from(network);
        self.dropped.clone_from(dropped);
        self.led.clone_from(led);
        self.committed.clone_from(committed);
        self.restarts = *restarts;
        self.committed_after_restart = *committed_after_restart;
        self.lanes.copy_from(lanes);
    }

    /// Loses all its components.
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.network.clear();
        self.dropped.clear();
        self.led.clear();
        self.committed.clear();
        self.lanes.clear();
    }

    /// Adds the node of the next server.
    pub(crate) fn add_node(&mut self, node: Ref<ModelNode<P>>) {
        self.lanes.add(node);
        self.nodes.push(node);
    }

    /// Adds a letter behind all others of the network.
    pub(crate) fn add_post(&mut self, post: Post<LetterRef<P>>) {
        self.add_lanes(post);
        self.network.push(post);
    }

    fn add_lanes(&mut self, post: Post<LetterRef<P>>) {
        match post.shared {
            Some(shared) => self.lanes.add(shared),
            None => self.lanes.add(post.letter),
        }
    }

    /// The node of server `id`.
    pub fn node(&self, id: ServerId) -> Ref<ModelNode<P>> {
        self.nodes[id.0 as usize]
    }

    /// Puts a node in the place of the one with its id.
    pub(crate) fn replace(&mut self, new: Ref<ModelNode<P>>) {
        let place = &mut self.nodes[new.id().0 as usize];
        self.lanes.remove(*place);
        self.lanes.add(new);
        *place = new;
    }

    /// Adds an event to the history.
    pub(crate) fn remember(&mut self, event: Ref<Event>) {
        self.lanes.add(event);
        match event.value {
            Event::Led { .. } => self.led.push(event),
            Event::Committed { .. } => self.committed.push(event),
        }
    }

    /// Puts a letter into the network; gives back the one with this meaning that is there
    /// already, if any.
    pub(crate) fn post(&mut self, post: Post<LetterRef<P>>) -> Result<(), Post<LetterRef<P>>> {
        match self.network.binary_search_by_key(&post.key(), Post::key) {
            Ok(place) => Err(self.network[place]),
            Err(place) => {
                self.network.insert(place, post);
                self.add_lanes(post);
                Ok(())
            }
        }
    }

    /// Keeps a dropped letter beside the state.
    pub(crate) fn set_aside(&mut self, letter: LetterRef<P>) {
        let place = self.dropped.binary_search_by_key(&letter.fingerprint(), |l| l.fingerprint());
        if let Err(place) = place {
            self.dropped.insert(place, letter);
        }
    }

    /// Every letter under way is lost.
    pub(crate) fn lose_all(&mut self) {
        while let Some(last) = self.network.len().checked_sub(1) {
            self.unpost(last);
        }
        self.dropped.clear();
    }

    /// Every letter that may be delivered, the dropped ones last.
    pub fn letters(&self) -> impl Iterator<Item = LetterRef<P>> + '_ {
        self.network.iter().map(|post| post.letter).chain(self.dropped.iter().copied())
    }

    /// Takes the letter at `place` out of the network.
    pub(crate) fn unpost(&mut self, place: usize) -> Post<LetterRef<P>> {
        let post = self.network.remove(place);
        match post.shared {
            Some(shared) => self.lanes.remove(shared),
            None => self.lanes.remove(post.letter),
        }
        post
    }
}

impl<P: Modelled> Hash for ClusterState<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.fingerprint());
    }
}
