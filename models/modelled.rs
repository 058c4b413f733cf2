//! What the model has to know of servers beyond how they are driven. A cluster of Figure 2 is
//! what is meant where no other protocol is named.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;
use veraft::driver::Protocol;
use veraft::figure2::{Entry, Input, Output, Term};

use crate::actor::Handed;
use crate::interned::Ref;
use crate::letters::{Letter, Meaning};
use crate::node::ModelNode;
use crate::orbit::Rename;
use crate::properties::Misstep;

/// What can be part of a state: compared, hashed, renamed, shown, and sent to another process.
pub trait Value:
    Clone + Debug + Eq + Hash + Rename + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

impl<T> Value for T where
    T: Clone + Debug + Eq + Hash + Rename + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

/// What servers say to each other.
pub trait Said: Value + Ord {
    /// A message, as one would say it.
    fn in_words(&self) -> String;
}

/// A server that the model can host.
pub trait Modelled: Protocol<Message: Said> + Value {
    /// What `letter` means to `receiver`; [`Meaning::Itself`] is always right. `last_term` is
    /// the scope's last.
    ///
    /// Whatever is said here is a claim about the code, and code with a bug may not fulfil it.
    /// So the cluster delivers each letter on trial before it believes it.
    fn meaning(
        letter: &Letter<Self::Message>,
        sender: &ModelNode<Self>,
        receiver: &ModelNode<Self>,
        last_term: Term,
    ) -> Meaning;

    /// The same server, with a log that begins at the beginning: `compacted` is what is missing
    /// there. None where a protocol does not say.
    fn with_whole_log(&self, compacted: &[Entry]) -> Option<Self> {
        let _ = compacted;
        None
    }

    /// What a server with a whole log sends in the place of an InstallSnapshot with this image;
    /// none if `message` is no such thing.
    fn whole_message(message: &Self::Message, image: &Handed) -> Option<Self::Message> {
        let _ = (message, image);
        None
    }

    /// What a driver may give to the receiver of `message`, which this server sends, in the place
    /// of an InstallSnapshot that waits for its image: by what the message says, this server's log
    /// is committed up to the marks of these.
    fn vouched(&self, message: &Self::Message) -> Vec<Self::Message> {
        let _ = message;
        Vec::new()
    }

    /// What is wrong with a step, by the rules of the protocol: see
    /// [`properties::missteps`](crate::properties::missteps).
    fn missteps(
        before: &Self,
        input: &Input<Self::Message>,
        output: &Output<Self::Message>,
        after: &Self,
    ) -> BTreeSet<Misstep>;
}

/// A letter between servers of a protocol, as states hold it.
pub type LetterRef<P> = Ref<Letter<<P as Protocol>::Message>>;
