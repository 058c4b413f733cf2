//! Puts a node together from its parts.

use crate::runtime::std;

use std::boxed::Box;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;

use thiserror::Error;

use super::limits::{LimitError, Limits};
use super::machinery::assembly::Parts;
use super::machinery::identity::UnfitStore;
use super::machinery::paced::DEFAULT_WRITE_RATE;
use super::machinery::transfers::DEFAULT_RATE;
use super::node::Node;
use super::recorder;
use super::restore::RestoreError;
use super::state_machine::StateMachine;
use super::storage::{Storage, StorageError};
use super::transport::{Transport, TransportError};
use crate::driver::{Compaction, RoomLimits, Timing};
use crate::figure2::{Config, ServerId};

/// Collects what a node needs; [`start`](NodeBuilder::start) starts it.
pub struct NodeBuilder {
    pub(super) config: Config,
    pub(super) timing: Timing,
    pub(super) seed: Option<u64>,
    pub(super) max_command_bytes: usize,
    pub(super) max_in_flight: usize,
    pub(super) max_in_flight_bytes: usize,
    pub(super) max_backlog_bytes: u64,
    pub(super) window: usize,
    pub(super) room: RoomLimits,
    pub(super) compaction: Compaction,
    pub(super) recording: Option<Recording>,
    pub(super) cluster: Option<String>,
    pub(super) blanks: bool,
    pub(super) image_rate: Option<u64>,
    pub(super) image_write_rate: Option<u64>,
}

impl fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBuilder")
            .field("config", &self.config)
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}

pub(super) enum Recording {
    File(PathBuf),
    Writer(Box<dyn Write + Send>),
}

/// Why a node did not start.
#[derive(Error)]
#[non_exhaustive]
pub enum StartError {
    /// The server is not in its own cluster.
    #[error("{0} is not among the servers of its own cluster: list every server, this one too")]
    NotInCluster(ServerId),
    /// The transport was made for another server.
    #[error("the transport is that of {transport}, and this node is {node}: give both one id")]
    OtherId {
        /// The node's.
        node: ServerId,
        /// The transport's.
        transport: ServerId,
    },
    /// The transport was given another name of the cluster.
    #[error(
        "the transport belongs to cluster {transport:?}, and this node to cluster {node:?}: give \
         both one name"
    )]
    OtherCluster {
        /// The node's.
        node: String,
        /// The transport's.
        transport: String,
    },
    /// Some servers cannot be reached.
    #[error("the transport has no address for {}: give it one for each peer", names(missing))]
    NoAddress {
        /// Those servers.
        missing: BTreeSet<ServerId>,
    },
    /// The limits contradict each other.
    #[error(transparent)]
    Limits(#[from] LimitError),
    /// The storage cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The storage is not one that this node may start on.
    #[error(transparent)]
    Unfit(#[from] UnfitStore),
    /// The state machine cannot become what the storage has of it.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The transport cannot be used.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The recording cannot be written.
    #[error("cannot record to {}", path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// The refusal of the operating system.
        source: io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start the {thread} thread")]
    Thread {
        /// What the thread is for.
        thread: &'static str,
        /// The refusal of the operating system.
        source: io::Error,
    },
}

fn names(servers: &BTreeSet<ServerId>) -> String {
    let names: Vec<String> = servers.iter().map(ServerId::to_string).collect();
    names.join(", ")
}

impl NodeBuilder {
    /// A node that runs the server `id` of the cluster `servers`, which lists every server,
    /// this one included.
    pub fn new(id: ServerId, servers: impl IntoIterator<Item = ServerId>) -> Self {
        let servers: BTreeSet<ServerId> = servers.into_iter().collect();
        let max_append_bytes = 256 * 1024;
        NodeBuilder {
            config: Config { id, servers: Arc::new(servers), max_append_bytes },
            timing: Timing::default(),
            seed: None,
            max_command_bytes: 1024 * 1024,
            max_in_flight: 65_536,
            max_in_flight_bytes: 64 * 1024 * 1024,
            max_backlog_bytes: 64 * 1024 * 1024,
            window: 16,
            room: RoomLimits::default(),
            compaction: Compaction::default(),
            recording: None,
            cluster: None,
            blanks: true,
            image_rate: Some(DEFAULT_RATE),
            image_write_rate: Some(DEFAULT_WRITE_RATE),
        }
    }

    /// The name of the cluster; that of the transport otherwise, and none if it has none.
    /// Written into the storage at its first use, and compared with every peer's.
    #[must_use]
    pub fn cluster(mut self, name: impl Into<String>) -> Self {
        self.cluster = Some(name.into());
        self
    }

    /// How long timers run; [`Timing::default`] otherwise.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Seeds the random election timeouts. Give each node another seed; without one, the
    /// operating system does.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How many bytes of commands one message carries at most (256 KiB otherwise). A single
    /// larger command travels alone.
    #[must_use]
    pub fn max_append_bytes(mut self, bytes: usize) -> Self {
        self.config.max_append_bytes = bytes;
        self
    }

    /// The size of the largest command that can be proposed, in bytes (1 MiB otherwise).
    #[must_use]
    pub fn max_command_bytes(mut self, bytes: usize) -> Self {
        self.max_command_bytes = bytes;
        self
    }

    /// How many proposals may wait for their answers at once (65,536 otherwise). What is
    /// proposed beyond that fails at once, so a node that cannot commit does not fill up.
    #[must_use]
    pub fn max_in_flight(mut self, proposals: usize) -> Self {
        self.max_in_flight = proposals;
        self
    }

    /// How many bytes the commands may have that wait for their answers at once (64 MiB otherwise),
    /// so that a leader without a majority does not fill the memory with what it cannot commit. A
    /// command that is larger is taken while there is no other. What is proposed beyond that fails
    /// at once.
    #[must_use]
    pub fn max_in_flight_bytes(mut self, bytes: usize) -> Self {
        self.max_in_flight_bytes = bytes;
        self
    }

    /// How many bytes of committed commands may wait for the state machine (64 MiB otherwise).
    /// What is proposed to this node beyond that fails at once, and what leaders send it is not
    /// taken before there is room again: a state machine that is slower than its cluster does not
    /// fall behind for ever, and slows the cluster down only where it is needed for a majority.
    #[must_use]
    pub fn max_backlog_bytes(mut self, bytes: u64) -> Self {
        self.max_backlog_bytes = bytes;
        self
    }

    /// Below how many bytes of [room](Storage::room) in its store the node warns, once, and
    /// compacts its log early (256 MiB otherwise; 0 is never), unless its log is compacted
    /// [by hand](Compaction::by_hand). At least [`full_below`](Self::full_below).
    #[must_use]
    pub fn scarce_below(mut self, bytes: u64) -> Self {
        self.room.scarce = bytes;
        self
    }

    /// Below how many bytes of [room](Storage::room) in its store a node that leads refuses
    /// commands (64 MiB otherwise; 0 is never), with [`ProposeError::StoreFull`]. Elections,
    /// heartbeats, [small commands](Node::propose_small), [barriers](Node::barrier) and compaction go on, and
    /// so do commands once there is a quarter more. Give it what the commands take that may be
    /// under way at once.
    ///
    /// A follower takes entries for longer, as long as its disk, the reserve included, holds more
    /// than a compaction needs; then it lags behind rather than to fill up. A leader refuses those, too,
    /// then.
    ///
    /// [`ProposeError::StoreFull`]: super::ProposeError::StoreFull
    #[must_use]
    pub fn full_below(mut self, bytes: u64) -> Self {
        self.room.full = bytes;
        self
    }

    /// How many messages with entries are under way to one peer at most, while this node leads; 16
    /// otherwise, and at least 1. Each holds as much as [`max_append_bytes`](Self::max_append_bytes)
    /// allows. With 1, entries that are proposed while a peer has not acknowledged those before them
    /// wait for its answer; with more they follow at once (pipelining), which pays where the round
    /// trip is long.
    #[must_use]
    pub fn window(mut self, messages: usize) -> Self {
        self.window = messages.max(1);
        self
    }

    /// When the node writes an image of its state machine, and how much of the log it keeps
    /// behind it; [`Compaction::default`] otherwise. A state machine that cannot be
    /// [captured](StateMachine::capture), or a storage without a place for
    /// [images](Storage::images), keeps its log whole.
    #[must_use]
    pub fn compaction(mut self, compaction: Compaction) -> Self {
        self.compaction = compaction;
        self
    }

    /// Whether this node appends a blank entry when it is elected (it does otherwise). A leader
    /// learns which of the entries before its term are committed only once it commits one of its
    /// own (§5.4.2 of the paper): without blanks, state machines stay empty after a restart of
    /// the cluster, and proposals to the leader before stay unanswered, until somebody proposes.
    ///
    /// Blanks never reach the state machine, but take an index each.
    #[must_use]
    pub fn blanks(mut self, blanks: bool) -> Self {
        self.blanks = blanks;
        self
    }

    /// How many bytes of images of its state machine this node sends in a second, to all peers
    /// together (32 MiB otherwise): an image of 1 GiB then takes half a minute, and the rest of
    /// the network and of the disk is for commits. `None` is without a limit.
    ///
    /// # Panics
    /// When the rate is 0.
    #[must_use]
    pub fn image_rate(mut self, bytes_per_second: impl Into<Option<u64>>) -> Self {
        let rate = bytes_per_second.into();
        assert!(rate != Some(0), "a rate of 0: no image would ever arrive");
        self.image_rate = rate;
        self
    }

    /// How many bytes of images of its state machine this node writes in a second (128 MiB
    /// otherwise): the log is synced on the same disk meanwhile, and commits wait for that. `None` is
    /// without a limit.
    ///
    /// # Panics
    /// When the rate is 0.
    #[must_use]
    pub fn image_write_rate(mut self, bytes_per_second: impl Into<Option<u64>>) -> Self {
        let rate = bytes_per_second.into();
        assert!(rate != Some(0), "a rate of 0: no image would ever be written");
        self.image_write_rate = rate;
        self
    }

    /// Records what the node does at the end of a file, in the format of
    /// [`recorder`](super::recorder).
    #[must_use]
    pub fn record_to(mut self, path: impl AsRef<Path>) -> Self {
        self.recording = Some(Recording::File(path.as_ref().into()));
        self
    }

    /// Records what the node does to `writer`, in the format of [`recorder`](super::recorder).
    #[must_use]
    pub fn record(mut self, writer: impl Write + Send + 'static) -> Self {
        self.recording = Some(Recording::Writer(Box::new(writer)));
        self
    }

    /// Starts the node. Reads the storage first, and restores the state machine from its image if
    /// there is one; that may take a while. A storage that is used
    /// for the first time is this server's from then on, and that of the cluster with this name
    /// and these servers.
    ///
    /// # Errors
    /// When a part cannot be used. No thread is left running.
    pub fn start<M: StateMachine>(
        self,
        storage: impl Storage,
        transport: impl Transport,
        state_machine: M,
    ) -> Result<Node<M::Response>, StartError> {
        if !self.config.servers.contains(&self.config.id) {
            return Err(StartError::NotInCluster(self.config.id));
        }
        let limits = Limits {
            max_command_bytes: self.max_command_bytes,
            max_append_bytes: self.config.max_append_bytes,
            room: self.room,
        };
        limits.check(&transport)?;
        Node::start(self, Parts { storage, transport, state_machine })
    }
}

impl Recording {
    pub(super) fn open(self) -> Result<Box<dyn Write + Send>, StartError> {
        match self {
            Recording::Writer(writer) => Ok(writer),
            Recording::File(path) => match recorder::open(&path) {
                Ok(file) => Ok(Box::new(file)),
                Err(source) => Err(StartError::Recording { path, source }),
            },
        }
    }
}
