//! The application's own state, which the cluster replicates.

use crate::figure2::{Command, Index};

/// What the cluster replicates: the application's own state.
///
/// Every node applies the same commands in the same order, and must come to the same state and
/// the same response: nothing in [`apply`](StateMachine::apply) may depend on the clock, on
/// chance, or on the node. After a restart the commands are applied again from the first one,
/// to a new state machine.
pub trait StateMachine: Send + 'static {
    /// What the proposer of a command gets back.
    type Response: Send + 'static;

    /// Executes a committed command. Called in the order of the log, by one thread, with rising
    /// indices; those that are left out belong to entries without a command, which leaders add
    /// for their own use. May block: that delays later commands on this node alone.
    fn apply(&mut self, index: Index, command: &Command) -> Self::Response;
}
