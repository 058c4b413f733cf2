//! The state of a cluster: what properties see of it, and the letters under way.

use std::hash::{Hash, Hasher};

use veraft::figure2::{Server, ServerId};

use crate::history::History;
use crate::letters::{Letter, Shared};
use crate::mail::Mail;
use crate::modelled::{LetterRef, Modelled};
use crate::node::ModelNode;
use crate::orbit::Ref;

/// The state of a cluster. Its `Debug` is in Raft's words.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterState<P: Modelled = Server> {
    /// The servers, and what happened.
    pub visible: Visible<P>,
    /// The letters that may still be delivered, by the id of the server that they are for.
    pub(crate) mail: Vec<Ref<Mail<LetterRef<P>>>>,
    /// Under audit, the letters that were dropped: beside the state, outside its fingerprint.
    pub dropped: Vec<LetterRef<P>>,
    /// How many renamings there are. With two keys each component has twice as many lanes,
    /// those of the second key behind those of the first.
    pub(crate) renamings: usize,
}

/// The visible part of a state: all but the letters under way. Properties are given this part,
/// and a search may leave out a state if it keeps another that differs in having more letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visible<P: Modelled = Server> {
    /// The servers, by id.
    pub nodes: Vec<Ref<ModelNode<P>>>,
    /// What happened.
    pub history: Ref<History>,
}

impl<P: Modelled> Visible<P> {
    /// The node of server `id`.
    pub fn node(&self, id: ServerId) -> Ref<ModelNode<P>> {
        self.nodes[id.0 as usize]
    }

    /// The sum of the components' hashes under the renaming at `place`.
    fn lane(&self, place: usize) -> u64 {
        sum(&self.nodes, place).wrapping_add(self.history.lane(place))
    }

    /// Becomes `other`, without an allocation.
    fn copy_from(&mut self, other: &Visible<P>) {
        let Visible { nodes, history } = other;
        self.nodes.clone_from(nodes);
        self.history = history;
    }
}

impl<P: Modelled> ClusterState<P> {
    /// The state's name: equal for equal states and, under symmetry, for renamed ones. Two
    /// others share one with a probability of about 2^-64 times half the number of renamings,
    /// for the smallest of several numbers is not any number.
    pub fn fingerprint(&self) -> u64 {
        smallest((0..self.renamings).map(|place| self.lane(place)))
    }

    /// The same twice as wide, of a cluster with [wide fingerprints](crate::Cluster::wide).
    pub fn wide_fingerprint(&self) -> Option<u128> {
        let lanes = 2 * self.renamings;
        (self.visible.history.lanes() == lanes).then(|| {
            let pair = |place: usize| (self.lane(place), self.lane(place + self.renamings));
            let (first, second) = smallest((0..self.renamings).map(pair));
            u128::from(second) << 64 | u128::from(first)
        })
    }

    /// The name of the visible part alone, and the place of the renaming that gives it; as wide
    /// as [`wide_fingerprint`](ClusterState::wide_fingerprint) where there is one. Of those that give
    /// the same it is one that gives the least letters, so that all renamings of a state are
    /// seen alike.
    pub fn visible_fingerprint(&self) -> (u128, usize) {
        let visible = |place| self.visible.lane(place);
        let least = smallest((0..self.renamings).map(visible));
        let mut equal = (0..self.renamings).filter(|place| visible(*place) == least);
        let first = equal.next().unwrap_or_default();
        let place = match equal.next() {
            None => first,
            Some(second) => {
                let all = [first, second].into_iter().chain(equal);
                smallest(all.map(|place| (sum(&self.mail, place), place))).1
            }
        };
        let is_wide = self.visible.history.lanes() > self.renamings;
        let second = if is_wide { visible(place + self.renamings) } else { 0 };
        (u128::from(second) << 64 | u128::from(least), place)
    }

    /// The name of the servers alone, whatever is under way and whatever happened before: equal
    /// for equal servers and, under symmetry, for renamed ones.
    pub fn servers_fingerprint(&self) -> u64 {
        smallest((0..self.renamings).map(|place| sum(&self.visible.nodes, place)))
    }

    fn lane(&self, place: usize) -> u64 {
        self.visible.lane(place).wrapping_add(sum(&self.mail, place))
    }

    /// Becomes `other`, without an allocation if it ever was as large.
    pub(crate) fn copy_from(&mut self, other: &ClusterState<P>) {
        let ClusterState { visible, mail, dropped, renamings } = other;
        self.visible.copy_from(visible);
        self.mail.clone_from(mail);
        self.dropped.clone_from(dropped);
        self.renamings = *renamings;
    }

    /// The node of server `id`.
    pub fn node(&self, id: ServerId) -> Ref<ModelNode<P>> {
        self.visible.node(id)
    }

    /// The letters under way to server `id`.
    pub(crate) fn mail_of(&self, id: ServerId) -> Ref<Mail<LetterRef<P>>> {
        self.mail[id.0 as usize]
    }

    /// Puts a node in the place of the one with its id.
    pub(crate) fn replace(&mut self, new: Ref<ModelNode<P>>) {
        self.visible.nodes[new.id().0 as usize] = new;
    }

    /// Keeps a dropped letter beside the state.
    pub(crate) fn set_aside(&mut self, letter: LetterRef<P>) {
        let place = self.dropped.binary_search_by_key(&letter.fingerprint(), |l| l.fingerprint());
        if let Err(place) = place {
            self.dropped.insert(place, letter);
        }
    }

    /// Every letter under way.
    pub fn posts(&self) -> impl Iterator<Item = Post<LetterRef<P>>> + '_ {
        self.mail.iter().flat_map(|mail| mail.posts().iter().copied())
    }

    /// Every letter that may be delivered, in an order that is the same in every run; the
    /// dropped ones last.
    pub fn letters(&self) -> impl Iterator<Item = LetterRef<P>> + '_ {
        let mut posts: Vec<_> = self.posts().collect();
        posts.sort_unstable_by_key(Post::key);
        posts.into_iter().map(|post| post.letter).chain(self.dropped.iter().copied())
    }
}

impl<P: Modelled> Hash for ClusterState<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.fingerprint());
    }
}

/// The sum of the components' hashes under the renaming at `place`.
fn sum<T>(components: &[Ref<T>], place: usize) -> u64 {
    components.iter().fold(0, |sum, component| sum.wrapping_add(component.lane(place)))
}

fn smallest<T: Ord>(of: impl Iterator<Item = T>) -> T {
    of.min().expect("the identity is always among the renamings")
}

/// A letter under way, and what it shares with others, if that is all it means. `L` is a
/// reference to a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Post<L = Ref<Letter>> {
    /// The letter.
    pub letter: L,
    /// Its meaning; none if it means what it says.
    pub shared: Option<Ref<Shared>>,
}

impl<M> Post<Ref<Letter<M>>> {
    /// Names what the letter means.
    pub fn key(&self) -> u64 {
        self.lane(0)
    }

    /// The hash of what the letter means under the renaming at `place`.
    pub(crate) fn lane(&self, place: usize) -> u64 {
        match self.shared {
            Some(shared) => shared.lane(place),
            None => self.letter.lane(place),
        }
    }
}
