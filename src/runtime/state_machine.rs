//! The application's own state, which the cluster replicates.

use crate::runtime::std;

use std::boxed::Box;
use std::io::{self, Read, Write};

use crate::figure2::{Command, Index};

/// What the cluster replicates: the application's own state.
///
/// Every node applies the same commands in the same order, and must come to the same state and
/// the same response: nothing in [`apply`](StateMachine::apply) may depend on the clock, on
/// chance, or on the node. After a restart the commands are applied again to a new state machine:
/// from the first one, or, if the machine can be [captured](StateMachine::capture), from behind
/// the image from which it is [restored](StateMachine::restore).
pub trait StateMachine: Send + 'static {
    /// What the proposer of a command gets back.
    type Response: Send + 'static;

    /// Executes a committed command. Called in the order of the log, by one thread, with rising
    /// indices; those that are left out belong to entries without a command, which leaders add
    /// for their own use. May block: that delays later commands on this node alone.
    fn apply(&mut self, index: Index, command: &Command) -> Self::Response;

    /// Takes hold of the state as it is now, between two calls of [`apply`](StateMachine::apply):
    /// no command is applied meanwhile, so this should take next to no time. What it returns is
    /// written on a thread of its own while commands go on to be applied; a state that shares
    /// what does not change (persistent maps, an [`Arc`](std::sync::Arc) that is cloned when it
    /// is written to) makes both easy.
    ///
    /// `None`, which is the default: this machine cannot be captured, ever. Its whole log is kept
    /// then, and applied again at each start.
    fn capture(&mut self) -> Option<Box<dyn Image>> {
        None
    }

    /// A digest of the whole state as it is now, between two calls of
    /// [`apply`](StateMachine::apply): the same for the same state, and most likely another one
    /// for another. Asked for behind each index that is a multiple of 4,096, so it should be kept
    /// up to date from command to command. Nodes tell it to each other; one that differs from a
    /// majority [stops for good](super::StopReason::Diverged), and two that differ, or more of
    /// which no majority is the same, say so in their logs and
    /// [metrics](super::Metrics::digests_differ).
    ///
    /// `None`, which is the default: there is none, and nothing is compared. While programs with
    /// two ways to compute it run side by side, return none.
    fn digest(&self) -> Option<u64> {
        None
    }

    /// Becomes the state whose [image](Image::write) this is, with nothing left of what was
    /// before. Called at a start, before any command, and later if this node has missed so much
    /// that the others no longer hold it; by the thread that calls
    /// [`apply`](StateMachine::apply), in order with it.
    ///
    /// # Errors
    /// When the image cannot be read, or is not one of this state machine. The node stops then.
    fn restore(&mut self, image: &mut dyn Read) -> io::Result<()> {
        let _ = image;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The state of a state machine at one moment.
pub trait Image: Send {
    /// Writes all that [`StateMachine::restore`] will need. Images are checked when they are
    /// read, so no checksum is needed; nor is a length.
    ///
    /// # Errors
    /// When `to` says so, or the state cannot be written. The image is given up then, and
    /// another one taken later.
    fn write(self: Box<Self>, to: &mut dyn Write) -> io::Result<()>;
}
