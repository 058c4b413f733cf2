//! The state of a cluster: servers, letters under way, history.

use std::hash::{Hash, Hasher};

use veraft::figure2::ServerId;

use crate::history::Event;
use crate::letters::{Letter, Shared};
use crate::node::Node;
use crate::orbit::{Lanes, Ref, hash_of};

/// The state of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterState {
    /// The servers, by id.
    pub nodes: Vec<Ref<Node>>,
    /// The letters that may still be delivered, ordered by [`Post::key`].
    pub network: Vec<Post>,
    /// Under audit, the letters that were dropped: beside the state, outside its fingerprint.
    pub dropped: Vec<Ref<Letter>>,
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

/// A letter under way, and what it shares with others, if that is all it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post {
    /// The letter.
    pub letter: Ref<Letter>,
    /// Its meaning; none if it means what it says.
    pub shared: Option<Ref<Shared>>,
}

impl Post {
    /// Names what the letter means.
    pub fn key(&self) -> u64 {
        match self.shared {
            Some(shared) => shared.fingerprint(),
            None => self.letter.fingerprint(),
        }
    }
}

impl ClusterState {
    /// A cluster of which nobody has heard.
    pub(crate) fn new(nodes: Vec<Ref<Node>>, mut lanes: Lanes) -> ClusterState {
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
    /// others share one with a probability of 2^-64.
    pub fn fingerprint(&self) -> u64 {
        let same_in_all_lanes = hash_of(&(self.restarts, self.committed_after_restart));
        self.lanes.smallest().wrapping_add(same_in_all_lanes)
    }

    /// The node of server `id`.
    pub fn node(&self, id: ServerId) -> Ref<Node> {
        self.nodes[id.0 as usize]
    }

    /// Puts a node in the place of the one with its id.
    pub(crate) fn replace(&mut self, new: Ref<Node>) {
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
    pub(crate) fn post(&mut self, post: Post) -> Result<(), Post> {
        match self.network.binary_search_by_key(&post.key(), Post::key) {
            Ok(place) => Err(self.network[place]),
            Err(place) => {
                self.network.insert(place, post);
                match post.shared {
                    Some(shared) => self.lanes.add(shared),
                    None => self.lanes.add(post.letter),
                }
                Ok(())
            }
        }
    }

    /// Keeps a dropped letter beside the state.
    pub(crate) fn set_aside(&mut self, letter: Ref<Letter>) {
        let place = self.dropped.binary_search_by_key(&letter.fingerprint(), |l| l.fingerprint());
        if let Err(place) = place {
            self.dropped.insert(place, letter);
        }
    }

    /// Every letter that may be delivered, the dropped ones last.
    pub fn letters(&self) -> impl Iterator<Item = Ref<Letter>> + '_ {
        self.network.iter().map(|post| post.letter).chain(self.dropped.iter().copied())
    }

    /// Takes the letter at `place` out of the network.
    pub(crate) fn unpost(&mut self, place: usize) -> Post {
        let post = self.network.remove(place);
        match post.shared {
            Some(shared) => self.lanes.remove(shared),
            None => self.lanes.remove(post.letter),
        }
        post
    }
}

impl Hash for ClusterState {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.fingerprint());
    }
}
