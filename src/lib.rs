//! Raft that was model checked, as the very code that applications link.
//!
//! ```text
//!                  Input                                   Output
//!   a timer fired ───────┐                      ┌───────► persist   records, in order
//!   a message arrived ───┼──► Server::step ─────┼───────► send      messages
//!   a client proposes ───┘    (figure2, pure)   ├───────► timers    to set or cancel
//!                                               ├───────► apply     entries newly committed
//!                                               └───────► proposal  accepted, or who leads
//! ```
//!
//! [`figure2`] is the whole of the protocol: a listing of that folder is Figure 2 of the Raft
//! paper. It knows no clock, thread, disk or socket. The model checker drives
//! [`figure2::Server::step`] through every schedule within its bounds; the [`runtime`] drives the
//! same function with real time, disks and sockets.
//!
//! # A replicated counter
//!
//! Three nodes in one process; for three processes, disks and TCP see the README.
//!
//! ```
//! # #[cfg(feature = "runtime")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use veraft::{Command, Index, MemoryNetwork, MemoryStorage, NodeBuilder, ServerId, StateMachine};
//!
//! struct Counter(u64);
//!
//! impl StateMachine for Counter {
//!     type Response = u64;
//!     fn apply(&mut self, _index: Index, _command: &Command) -> u64 {
//!         self.0 += 1;
//!         self.0
//!     }
//! }
//!
//! let (network, servers) = (MemoryNetwork::new(1), [1, 2, 3].map(ServerId));
//! let start = |id| {
//!     let builder = NodeBuilder::new(id, servers);
//!     builder.start(MemoryStorage::new(), network.transport(id), Counter(0))
//! };
//! let nodes = [start(servers[0])?, start(servers[1])?, start(servers[2])?];
//! let leader = nodes[0].wait_for_leader(Duration::from_secs(10))?;
//! let leader = nodes.iter().find(|node| node.id() == leader).ok_or("no such node")?;
//! assert_eq!(leader.propose(b"one more".as_slice()).wait()?.response, 1);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "runtime"))]
//! # fn main() {}
//! ```
//!
//! # Where to go from here
//!
//! * [`runtime`]: nodes, storage, transports, and what they tell about themselves;
//! * [`figure2`]: the core, and where it departs from the paper;
//! * the README: what was checked, and how to check it yourself;
//! * `docs/`: every rule with its evidence, what is assumed and who guards it, what an operator does.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

extern crate alloc;

pub mod driver;
pub mod figure2;
#[cfg(feature = "runtime")]
pub mod runtime;

pub use figure2::{Command, Index, ServerId, Term};
#[cfg(feature = "disk")]
pub use runtime::DiskStorage;
#[cfg(feature = "tcp")]
pub use runtime::TcpTransport;
#[cfg(feature = "tls")]
pub use runtime::Tls;
#[cfg(feature = "runtime")]
pub use runtime::{
    Applied, Leadership, MemoryNetwork, MemoryStorage, Node, NodeBuilder, PendingProposal,
    ProposeError, StartError, StateMachine, Status, Stopped, Timing,
};

/// The README's code compiles.
#[cfg(all(doctest, feature = "disk", feature = "tls"))]
#[doc = include_str!("../README.md")]
struct Readme;
