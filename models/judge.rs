//! Who looks at every step, beside the properties: whoever knows what steps there may be.
//!
//! It is asked once for each effect, when that is worked out, and what it says against one marks
//! the node, so that the property [`REFINEMENT`](crate::properties::REFINEMENT) falls where it
//! happens. This crate has no judge of its own: it is brought by whoever searches.

use std::fmt;

use veraft::figure2::{Input, Output, Persistent, Server, ServerId};

use crate::modelled::Modelled;

/// What is to be said against steps, restarts and letters that leave; nothing, where all is well.
pub trait Judge<P: Modelled = Server>: fmt::Debug + Send + Sync {
    /// Whether it knows such servers at all, and what happens to them, if something does. Where
    /// it does not, it is not asked.
    fn knows(&self, server: &P, input: Option<&Input<P::Message>>) -> bool {
        let _ = (server, input);
        true
    }

    /// Against a step.
    fn step(
        &self,
        before: &P,
        input: &Input<P::Message>,
        output: &Output<P::Message>,
        after: &P,
    ) -> Option<String>;

    /// Against a restart from `disk`.
    fn restart(&self, disk: &Persistent, after: &P) -> Option<String>;

    /// Against what leaves `server` while this is on its disk.
    fn leaving(
        &self,
        disk: &Persistent,
        server: &P,
        letters: &[(ServerId, P::Message)],
    ) -> Option<String>;
}
