//! The letters under way to one server, and those that leave one together. Each such set is kept
//! once, so that a state is a few references, and what becomes of a set is worked out once.

use std::hash::{Hash, Hasher};

use veraft::figure2::ServerId;

use crate::letters::Letter;
use crate::modelled::{LetterRef, Modelled};
use crate::node::ModelNode;
use crate::orbit::{Component, Ref, Renaming};
use crate::state::Post;

/// The letters under way to one server: at most one of each meaning. `L` is a reference to a
/// letter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mail<L> {
    /// In the order of [`Post::key`].
    posts: Vec<Post<L>>,
    /// Who sent them.
    senders: Servers,
}

impl<L> Default for Mail<L> {
    fn default() -> Self {
        Mail { posts: Vec::new(), senders: Servers::default() }
    }
}

impl<M> Mail<Ref<Letter<M>>> {
    /// Whether some may be from server `id`.
    pub(crate) fn may_be_from(&self, id: ServerId) -> bool {
        self.senders.may_have(id)
    }

    /// The letters.
    pub(crate) fn posts(&self) -> &[Post<Ref<Letter<M>>>] {
        &self.posts
    }

    /// Adds a letter; gives back the one with this meaning that is there already, if any.
    pub(crate) fn add(&mut self, post: Post<Ref<Letter<M>>>) -> Result<(), Post<Ref<Letter<M>>>> {
        match self.posts.binary_search_by_key(&post.key(), Post::key) {
            Ok(place) => Err(self.posts[place]),
            Err(place) => {
                self.senders.add(post.letter.from);
                self.posts.insert(place, post);
                Ok(())
            }
        }
    }

    /// Keeps the letters that are to `stay`.
    pub(crate) fn retain(&mut self, stay: impl FnMut(&Post<Ref<Letter<M>>>) -> bool) {
        self.posts.retain(stay);
        self.senders = self.posts.iter().map(|post| post.letter.from).collect();
    }
}

impl<M> FromIterator<Post<Ref<Letter<M>>>> for Mail<Ref<Letter<M>>> {
    fn from_iter<I: IntoIterator<Item = Post<Ref<Letter<M>>>>>(posts: I) -> Self {
        let mut mail = Mail::default();
        for post in posts {
            // One of each meaning is all that a mail holds.
            let _ = mail.add(post);
        }
        mail
    }
}

/// The sum over the letters: a fingerprint is one over all components.
impl<M: Eq + Hash> Component for Mail<Ref<Letter<M>>> {
    fn lanes(&self, renamings: &[Renaming]) -> Box<[u64]> {
        let lane =
            |place| self.posts.iter().fold(0, |sum: u64, post| sum.wrapping_add(post.lane(place)));
        (0..renamings.len()).map(lane).collect()
    }
}

/// Some servers, or a few more: those whose ids differ by 64 are not told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Servers(u64);

impl Servers {
    fn bit(ServerId(id): ServerId) -> u64 {
        1 << (id % u64::from(u64::BITS))
    }

    fn add(&mut self, id: ServerId) {
        self.0 |= Servers::bit(id);
    }

    fn may_have(self, id: ServerId) -> bool {
        self.0 & Servers::bit(id) != 0
    }
}

impl FromIterator<ServerId> for Servers {
    fn from_iter<I: IntoIterator<Item = ServerId>>(ids: I) -> Self {
        Servers(ids.into_iter().fold(0, |bits, id| bits | Servers::bit(id)))
    }
}

/// Letters that leave a server together.
#[derive(Clone, Debug)]
pub(crate) struct Sending<P: Modelled> {
    /// The server, as it is when they have left.
    pub(crate) sender: Ref<ModelNode<P>>,
    letters: Vec<LetterRef<P>>,
    receivers: Servers,
}

impl<P: Modelled> Sending<P> {
    /// What leaves `sender`.
    pub(crate) fn new(sender: Ref<ModelNode<P>>, letters: Vec<LetterRef<P>>) -> Sending<P> {
        let receivers = letters.iter().map(|letter| letter.to).collect();
        Sending { sender, letters, receivers }
    }

    /// The letters, in the order in which they were sent.
    pub(crate) fn letters(&self) -> &[LetterRef<P>] {
        &self.letters
    }

    /// Whether some may be for server `id`.
    pub(crate) fn may_be_for(&self, id: ServerId) -> bool {
        self.receivers.may_have(id)
    }
}

impl<P: Modelled> PartialEq for Sending<P> {
    fn eq(&self, other: &Self) -> bool {
        (self.sender, &self.letters) == (other.sender, &other.letters)
    }
}

impl<P: Modelled> Eq for Sending<P> {}

impl<P: Modelled> Hash for Sending<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.sender, &self.letters).hash(state);
    }
}

/// It is part of no state.
impl<P: Modelled> Component for Sending<P> {
    fn lanes(&self, _: &[Renaming]) -> Box<[u64]> {
        Box::default()
    }
}
