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
//! | file | what it is |
//! |---|---|
//! | `builder.rs`, `limits.rs` | what a node is made of, and what it takes at most |
//! | `node.rs` | the handle |
//! | `proposal.rs` | a command on its way, and what becomes of it |
//! | `state_machine.rs` | what the application brings |
//! | `storage/` | where records last: on disk, in memory, or yours |
//! | `transport/` | how nodes talk: TCP, in memory, or yours |
//! | `status.rs`, `leadership.rs`, `metrics.rs` | what a node says of itself |
//! | `stopped.rs` | that it has stopped, and why |
//! | `compact.rs`, `restore.rs` | images of the state machine: one by hand, and why there is none |
//! | `backup.rs` | a backup from a running node, and a new cluster from it |
//! | `readmit.rs` | how a server comes back whose disk was lost |
//! | `recorder.rs` | what a node did, to be validated later |
//! | `machinery/` | the threads behind the handle; private |
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

mod backup;
mod builder;
mod compact;
mod leadership;
mod limits;
mod machinery;
mod metrics;
mod node;
mod proposal;
mod readmit;
pub mod recorder;
mod restore;
mod state_machine;
mod status;
mod stopped;
mod storage;
mod transport;

pub use crate::driver::{Compaction, RoleName, RoomLevel, Timing, TimingError};
pub use backup::{Backup, BackupError, UnusableBackup};
pub use builder::{NodeBuilder, StartError};
pub use compact::CompactError;
pub use leadership::{Leadership, LeadershipChanges, NoLeader};
pub use limits::LimitError;
pub use machinery::identity::UnfitStore;
pub use metrics::{BUCKETS, Distribution, ImageMetrics, Metrics, PeerMetrics};
pub use node::Node;
pub use proposal::{Accepted, Applied, InFlightLimit, PendingProposal, ProposeError};
pub use readmit::ReadmitError;
pub use restore::RestoreError;
pub use state_machine::{Image, StateMachine};
pub use status::Status;
pub use stopped::{StopReason, Stopped};
#[cfg(feature = "disk")]
pub use storage::DiskStorage;
pub use storage::{
    ImageFile, ImageName, ImageStage, Images, MemoryDisk, MemoryStorage, Notes, Room, Storage,
    StorageError, StoredImage, UnfinishedImage,
};
pub use transport::{
    Closed, Conditions, Inbox, Link, MAX_PARCEL, MemoryNetwork, MemoryTransport, ParcelLink,
    ParcelRefused, Reception, Refused, Transport, TransportError, Undelivered, is_urgent,
};
#[cfg(feature = "tcp")]
pub use transport::{TcpCounters, TcpMetrics, TcpTransport};
#[cfg(feature = "tls")]
pub use transport::{Tls, TlsError};
