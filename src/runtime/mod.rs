//! The core on threads, clocks, disks and networks: a node of a cluster, ready to be linked
//! into an application.
//!
//! ```text
//!  propose ──┐                    ┌──────────────── gate ────────────────┐
//!            ▼                    │                                      ▼
//!  readers ─► server loop ──Output┴─► disk thread ─► sender per peer ─► network
//!            ▲  Server::step          append, sync   application ─────► propose's answer
//!            └─ timers
//! ```
//!
//! Every job that can block has a thread of its own, and no lock is held while anything blocks.
//! What a step of the server causes leaves once its records are durable, in the order of the
//! steps. The runtime holds no part of the protocol: that is [`figure2`](crate::figure2), the
//! code that was model checked.
//!
//! # Three nodes in one process
//!
//! ```
//! use std::time::Duration;
//! use veraft::figure2::{Command, Index, ServerId};
//! use veraft::runtime::{
//!     MemoryNetwork, MemoryStorage, NodeBuilder, ProposeError, StateMachine, Timing,
//! };
//!
//! /// Adds up the lengths of the commands.
//! struct Total(usize);
//!
//! impl StateMachine for Total {
//!     type Response = usize;
//!
//!     fn apply(&mut self, _index: Index, command: &Command) -> usize {
//!         self.0 += command.as_bytes().len();
//!         self.0
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let seconds = Duration::from_secs;
//! let timing = Timing::new(seconds(1)..=seconds(2), Duration::from_millis(100))?;
//! let network = MemoryNetwork::new(7);
//! let servers = [1, 2, 3].map(ServerId);
//! let mut nodes = Vec::new();
//! for id in servers {
//!     let builder = NodeBuilder::new(id, servers).timing(timing.clone());
//!     nodes.push(builder.start(MemoryStorage::new(), network.transport(id), Total(0))?);
//! }
//!
//! let node = |id: ServerId| &nodes[id.0 as usize - 1];
//! let leader = nodes[0].wait_for_leader(seconds(10))?;
//! assert_eq!(node(leader).propose(b"four".as_slice()).wait()?.response, 4);
//!
//! // Whoever does not lead says so, and who does.
//! let other = servers.into_iter().find(|&server| server != leader).unwrap();
//! let refused = node(other).propose(b"four".as_slice()).wait();
//! assert!(matches!(refused, Err(ProposeError::NotLeader { .. })));
//!
//! // Cut the leader off: the other two elect another one, and tell when.
//! let mut changes = node(other).leadership_changes();
//! network.disconnect(leader);
//! let new = changes.find_map(|now| now.leader.filter(|&new| new != leader)).unwrap();
//! assert_eq!(node(new).propose(b"four".as_slice()).wait()?.response, 8);
//! network.connect(leader);
//!
//! for node in &nodes {
//!     node.shutdown();
//!     assert!(node.status().is_err());
//! }
//! # Ok(())
//! # }
//! ```

extern crate std;

mod application;
mod breaches;
mod builder;
mod clock;
mod disk;
mod errands;
mod gate;
mod identity;
#[cfg(all(test, veraft_shuttle))]
mod interleavings;
mod leadership;
mod life;
mod limits;
mod log;
mod mailbox;
mod metrics;
mod node;
mod opening;
mod outbox;
mod outlets;
mod proposal;
mod readable;
mod readmit;
mod reception;
pub mod recorder;
mod server_loop;
mod status;
mod storage;
mod sync;
mod transport;
mod watch;

pub use crate::driver::{Timing, TimingError};
pub use application::StateMachine;
pub use builder::{NodeBuilder, StartError};
pub use identity::UnfitStore;
pub use leadership::{Leadership, LeadershipChanges, NoLeader};
pub use life::{StopReason, Stopped};
pub use limits::LimitError;
pub use metrics::{BUCKETS, Distribution, Metrics, PeerMetrics};
pub use node::Node;
pub use proposal::{Accepted, Applied, PendingProposal, ProposeError};
pub use readmit::ReadmitError;
pub use status::{RoleName, Status};
#[cfg(feature = "disk")]
pub use storage::DiskStorage;
pub use storage::{MemoryDisk, MemoryStorage, Notes, Storage, StorageError};
pub use transport::{
    Closed, Conditions, Inbox, Link, MemoryNetwork, MemoryTransport, Reception, Refused, Transport,
    TransportError, is_urgent,
};
#[cfg(feature = "tcp")]
pub use transport::{TcpCounters, TcpMetrics, TcpTransport};
#[cfg(feature = "tls")]
pub use transport::{Tls, TlsError};
