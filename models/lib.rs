//! The model: the core as a stateright [`Actor`](stateright::actor::Actor), a cluster of such
//! actors with everything that can go wrong around them, and the properties that must hold.
//!
//! ```text
//!   properties ──► Cluster (stateright::Model) ──► Raft (stateright::Actor) ──► Protocol::step
//!                  network, crashes, history        a thin adapter              figure2, ...
//! ```
//!
//! Clusters, states, letters and moves are generic over what the servers run, see
//! [`Modelled`]; where nothing is said, it is Figure 2.

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod actor;
pub mod assumptions;
pub mod cluster;
mod covers;
mod effects;
pub mod figure2;
pub mod history;
pub mod images;
pub mod interned;
pub mod judge;
mod known;
pub mod letters;
mod mail;
pub mod modelled;
pub mod moves;
mod network;
pub mod node;
pub mod orbit;
pub mod portable;
pub mod properties;
mod saturation;
mod state;
pub mod successors;
mod unfold;
mod whole;
pub mod withheld;
pub mod words;

pub use actor::{Handed, Proposes, Raft, Replica};
pub use cluster::{Action, Bounds, Cluster, Draw, Environment};
pub use covers::LetterSets;
pub use effects::{Effect, panic_message};
pub use history::{Event, History};
pub use images::{HeldImage, HeldImages, ImageOrigin};
pub use judge::Judge;
pub use letters::{Letter, Meaning, Shared};
pub use modelled::{LetterRef, Modelled, Said, Value};
pub use moves::{Impossible, Move, Stuck};
pub use node::{ModelNode, Witness};
pub use portable::{Malformed, Names, Told};
pub use state::{ClusterState, Post, Visible};
pub use successors::Memo;
pub use unfold::Unfolded;
pub use withheld::{Pending, Withheld};
