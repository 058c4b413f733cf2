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
//! let network = MemoryNetwork::new(7);
//! let servers = [1, 2, 3].map(ServerId);
//! let mut nodes = Vec::new();
//! for id in servers {
//!     let builder = NodeBuilder::new(id, servers).timing(Timing::default()).seed(id.0);
//!     nodes.push(builder.start(MemoryStorage::new(), network.transport(id), Total(0))?);
//! }
//!
//! // Whoever does not lead says so, and who does, if it knows.
//! let propose = |command: &str| loop {
//!     for node in &nodes {
//!         match node.propose(command.as_bytes()).wait_timeout(Duration::from_secs(1)) {
//!             Ok(applied) => return applied,
//!             Err(ProposeError::NotLeader { .. }) => {}
//!             Err(error) => eprintln!("{error}"),
//!         }
//!     }
//!     std::thread::sleep(Duration::from_millis(10));
//! };
//! assert_eq!(propose("four").response, 4);
//!
//! // Cut the leader off: the other two elect another one.
//! let leader = nodes.iter().find_map(|node| node.status().ok()?.leader).unwrap();
//! network.disconnect(leader);
//! let others: Vec<_> = nodes.iter().filter(|node| node.id() != leader).collect();
//! while !others.iter().any(|node| node.status().is_ok_and(|status| status.is_leader())) {
//!     std::thread::sleep(Duration::from_millis(10));
//! }
//! network.connect(leader);
//! assert_eq!(propose("four").response, 8);
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
mod timing;
mod transport;
mod watch;

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
pub use timing::{Timing, TimingError};
pub use transport::{
    Closed, Conditions, Inbox, Link, MemoryNetwork, MemoryTransport, Reception, Refused, Transport,
    TransportError, is_urgent,
};
#[cfg(feature = "tcp")]
pub use transport::{TcpCounters, TcpMetrics, TcpTransport};
#[cfg(feature = "tls")]
pub use transport::{Tls, TlsError};
