//! What images of state machines have in them: ghost state beside a disk, which no server reads.
//!
//! A server knows marks alone, so a model of servers alone could not tell an image that is as old
//! as its mark from another. Here each image holds what the machine had been given when it was
//! captured. It becomes durable before the server hears of it, travels beside an InstallSnapshot,
//! and is durable at the receiver before that arrives. Whenever a server asks for the image of a
//! mark, its machine becomes what that very image has in it, and nothing if there is none.
//!
//! In a correct cluster an image is the committed prefix up to its index, and so its content adds
//! no states. Where it came from does, in those scopes alone in which servers compact their logs:
//! it is what must be reachable there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use veraft::figure2::{Index, ServerId};

use crate::actor::{Handed, Replica};
use crate::letters::Letter;
use crate::modelled::Modelled;
use crate::node::snapshot_of;
use crate::orbit::{Rename, Renaming};

/// An image of a state machine on a server's disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HeldImage {
    /// What it has in it.
    pub content: Handed,
    /// Where it came from.
    pub origin: ImageOrigin,
}

/// Where an image came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ImageOrigin {
    /// The server's own state machine.
    Own,
    /// A leader.
    Leader,
    /// A leader, and it was installed before entries that stayed.
    LeaderBeforeEntries,
}

/// The images on one server's disk, by the last index that they have in them. Those that nothing
/// names are not kept: nothing would be known by them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HeldImages(BTreeMap<Index, HeldImage>);

impl HeldImages {
    /// The image as of `last_index`, if there is one.
    pub fn get(&self, last_index: Index) -> Option<&HeldImage> {
        self.0.get(&last_index)
    }

    /// What it has in it.
    pub fn content(&self, last_index: Index) -> Option<&Handed> {
        self.get(last_index).map(|image| &image.content)
    }

    /// Each image, and the last index that it has in it.
    pub fn iter(&self) -> impl Iterator<Item = (Index, &HeldImage)> {
        self.0.iter().map(|(index, image)| (*index, image))
    }

    /// Adds an image of one's own as of `last_index`, unless there is one.
    pub(crate) fn capture(&mut self, last_index: Index, applied: &Handed) {
        let content = prefix(applied, last_index);
        self.0.entry(last_index).or_insert(HeldImage { content, origin: ImageOrigin::Own });
    }

    /// Adds an image that a leader sent, unless there is one.
    pub(crate) fn receive(&mut self, last_index: Index, content: Handed) {
        self.0.entry(last_index).or_insert(HeldImage { content, origin: ImageOrigin::Leader });
    }

    /// The image as of `last_index` was installed before entries that stayed.
    pub(crate) fn stands_before_entries(&mut self, last_index: Index) {
        if let Some(image) = self.0.get_mut(&last_index) {
            image.origin = ImageOrigin::LeaderBeforeEntries;
        }
    }

    /// Keeps those that are `named`.
    pub(crate) fn retain(&mut self, named: impl Fn(Index) -> bool) {
        self.0.retain(|index, _| named(*index));
    }

    /// What goes along with `message`: none where it is no InstallSnapshot, or there is no image.
    pub(crate) fn of_message<P: Modelled>(&self, message: &P::Message) -> Option<Handed> {
        self.content(snapshot_of::<P>(message)?.last_index).cloned()
    }
}

/// What drivers may make of these letters of server `from`: InstallSnapshots of its term, with
/// images that others have.
///
/// A driver that waits for an image takes any that reaches far enough, whoever made it, once a
/// leader of the term has said that its own log is committed up to there. Here it may do so
/// whether anybody has one, or waits for one, or not: that is more than any driver does.
pub(crate) fn vouched<P: Modelled>(
    replica: &Replica<P>,
    from: ServerId,
    letters: &[(ServerId, P::Message)],
) -> Vec<Letter<P::Message>> {
    let of_letter = |(to, said): &(ServerId, P::Message)| {
        let with_image = |message| {
            let last_index = snapshot_of::<P>(&message).map_or(0, |base| base.last_index);
            let image = Some(prefix(&replica.applied, last_index));
            Letter { from, to: *to, message, image }
        };
        replica.server.vouched(said).into_iter().map(with_image).collect::<Vec<_>>()
    };
    letters.iter().flat_map(of_letter).collect()
}

/// What a state machine was given up to an index.
fn prefix(applied: &Handed, last_index: Index) -> Handed {
    applied.iter().filter(|(index, _)| *index <= last_index).cloned().collect()
}

impl Rename for HeldImages {
    fn rename(&self, renaming: &Renaming) -> Self {
        let renamed = |(index, image): (&Index, &HeldImage)| {
            let HeldImage { content, origin } = image;
            (*index, HeldImage { content: content.rename(renaming), origin: *origin })
        };
        HeldImages(self.0.iter().map(renamed).collect())
    }
}
