//! The model: the core as a stateright [`Actor`](stateright::actor::Actor), a cluster of such
//! actors with everything that can go wrong around them, and the properties that must hold.
//!
//! ```text
//!   properties ──► Cluster (stateright::Model) ──► Raft (stateright::Actor) ──► Server::step
//!                  network, crashes, history        a thin adapter              figure2
//! ```

#![forbid(unsafe_code)]

pub mod actor;
pub mod cluster;
mod dead_letters;
pub mod history;
pub mod node;
pub mod orbit;
pub mod properties;

pub use actor::{Raft, Replica};
pub use cluster::{Action, Bounds, Cluster, ClusterState, Environment};
pub use history::{Event, Letter};
pub use node::{Duty, Node, Witness};
