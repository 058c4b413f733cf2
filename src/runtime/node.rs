//! A running node, and the handle to it.

use crate::runtime::std;

use std::fmt;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::backup::{self, Backup, BackupError};
use super::builder::{NodeBuilder, StartError};
use super::compact::CompactError;
use super::leadership::{LeadershipChanges, NoLeader};
use super::machinery::assembly::{self, Parts};
use super::machinery::life::InFlight;
use super::machinery::threads::{Machinery, Shared};
use super::metrics::Metrics;
use super::proposal::{PendingProposal, Place, ProposeError, Waiter};
use super::readmit::ReadmitError;
use super::state_machine::StateMachine;
use super::status::Status;
use super::stopped::Stopped;
use super::storage::Storage;
use super::transport::Transport;
use crate::figure2::{Command, Index, Payload, ServerId};

/// A running node of a cluster. Share it between threads in an [`Arc`](std::sync::Arc); when the
/// last one goes, the node shuts down.
pub struct Node<R> {
    id: ServerId,
    machinery: Machinery<R>,
    max_command_bytes: usize,
    max_in_flight: InFlight,
    max_backlog_bytes: u64,
}

impl<R> fmt::Debug for Node<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<R: Send + 'static> Node<R> {
    pub(super) fn start<S, T, M>(
        builder: NodeBuilder,
        parts: Parts<S, T, M>,
    ) -> Result<Node<R>, StartError>
    where
        S: Storage,
        T: Transport,
        M: StateMachine<Response = R>,
    {
        let (id, max_command_bytes, max_in_flight, max_backlog_bytes) = (
            builder.config.id,
            builder.max_command_bytes,
            InFlight { proposals: builder.max_in_flight, bytes: builder.max_in_flight_bytes },
            builder.max_backlog_bytes,
        );
        let machinery = assembly::start(builder, parts)?;
        Ok(Node { id, machinery, max_command_bytes, max_in_flight, max_backlog_bytes })
    }
}

impl<R> Node<R> {
    /// The server that this node runs.
    pub fn id(&self) -> ServerId {
        self.id
    }

    /// Proposes a command. Returns at once; what comes back tells the outcome, also that this
    /// node does not lead.
    pub fn propose(&self, command: impl Into<Command>) -> PendingProposal<R> {
        self.propose_as(command.into(), Waiter::command)
    }

    /// Proposes a small command that is worth the last room in the store: one that only reads, or
    /// that makes the state machine smaller. Like [`propose`](Node::propose), but it is not refused
    /// ([`ProposeError::StoreFull`]) before nothing is left but what a compaction needs.
    pub fn propose_small(&self, command: impl Into<Command>) -> PendingProposal<R> {
        self.propose_as(command.into(), Waiter::small)
    }

    fn propose_as(
        &self,
        command: Command,
        ends: impl FnOnce(Place) -> (PendingProposal<R>, Waiter<R>),
    ) -> PendingProposal<R> {
        let (bytes, limit) = (command.as_bytes().len(), self.max_command_bytes);
        let fits = match bytes <= limit {
            true => Ok(()),
            false => Err(ProposeError::TooLarge { bytes, limit }),
        };
        if let Err(error) = self.admit(fits, bytes) {
            return PendingProposal::failed(error);
        }
        let (pending, waiter) = ends(Place::new(self.machinery.shared.life.clone(), bytes));
        self.machinery.shared.put(Payload::Command(command), waiter);
        pending
    }

    /// Brings this node's state machine up to date: what comes back is known once the state
    /// machine has applied everything that any node had answered before this call. It takes an
    /// entry of the log, without a command, and the leader alone can do it.
    ///
    /// For an application that reads its own state beside the log, or that has to finish what
    /// came before when its node begins to lead.
    pub fn barrier(&self) -> PendingProposal<()> {
        if let Err(error) = self.admit(Ok(()), 0) {
            return PendingProposal::failed(error);
        }
        let (pending, waiter) = Waiter::barrier(Place::new(self.machinery.shared.life.clone(), 0));
        self.machinery.shared.put(Payload::Blank, waiter);
        pending
    }

    /// Counts one more proposal, of so many bytes, unless this node has stopped or has too many, or the proposal
    /// is not `acceptable` by itself.
    fn admit(
        &self,
        acceptable: Result<(), ProposeError>,
        bytes: usize,
    ) -> Result<(), ProposeError> {
        self.machinery.shared.life.check().map_err(ProposeError::Stopped)?;
        acceptable?;
        let backlog = self.machinery.shared.counters.backlog_bytes.load(Ordering::Relaxed);
        if backlog > self.max_backlog_bytes {
            return Err(ProposeError::Backlog { bytes: backlog, limit: self.max_backlog_bytes });
        }
        let admitted = self.machinery.shared.life.admit(self.max_in_flight, bytes);
        admitted.map_err(|limit| ProposeError::Busy { limit })
    }

    /// Waits until this node knows of a leader in its term, for at most `timeout`, and tells
    /// which server that is; it may be this one. The first election of a cluster takes an election
    /// timeout or two once a majority of the servers runs.
    ///
    /// # Errors
    /// When no leader is known in time, or the node has stopped.
    pub fn wait_for_leader(&self, timeout: Duration) -> Result<ServerId, NoLeader> {
        let Shared { noticeboard, life, .. } = &*self.machinery.shared;
        let leader = noticeboard.wait(life, Some(timeout), |leadership| leadership.leader)?;
        leader.ok_or(NoLeader::TimedOut)
    }

    /// Tells each change of this node's role and leader, from what holds now: an iterator that
    /// waits, for a thread of its own. Any number of them may be asked for.
    pub fn leadership_changes(&self) -> LeadershipChanges {
        LeadershipChanges::new(
            self.machinery.shared.noticeboard.clone(),
            self.machinery.shared.life.clone(),
        )
    }

    /// What this node knows of itself and its cluster.
    ///
    /// # Errors
    /// When the node has stopped.
    pub fn status(&self) -> Result<Status, Stopped> {
        self.machinery.shared.life.check()?;
        let Shared { counters, identities, noticeboard, .. } = &*self.machinery.shared;
        let applied_index = counters.applied_index.load(Ordering::Acquire);
        let standing = noticeboard.read();
        Ok(Status::new(standing, applied_index, identities.concerns()))
    }

    /// What the node has counted since it started.
    ///
    /// # Errors
    /// When the node has stopped.
    pub fn metrics(&self) -> Result<Metrics, Stopped> {
        let status = self.status()?;
        Ok(self.machinery.shared.metrics(&status))
    }

    /// Lets `server` come back with an empty store, because its disk was lost: call it on the
    /// leader, once the server's old store is gone for good. Every other member must be
    /// connected and hold everything that this leader holds; this waits for a few election
    /// timeouts until they do. Durable when it returns.
    ///
    /// The server must then start with an empty directory; its old store is refused from then
    /// on. The leader steps down when the server comes back, and the next leader brings it up to
    /// date.
    ///
    /// # Errors
    /// When this node does not lead, the server takes part with the store that is known, or what
    /// it has forgotten may still be needed: who has to connect or to catch up first.
    pub fn readmit(&self, server: ServerId) -> Result<(), ReadmitError> {
        self.machinery.shared.readmit(server)
    }

    /// Writes an image of this node's state machine, and lets the log begin at it: waits until
    /// that is durable, and returns the index behind which the log begins. Without this, a node
    /// does so by itself, as its [`Compaction`](super::Compaction) says.
    ///
    /// What is applied while the image is written stays in the log. Peers that lag behind the
    /// image need one sent. Not to be called by the state machine itself, for which it would wait.
    ///
    /// # Errors
    /// When the storage or the state machine knows no images, when the image cannot be written,
    /// or when the node has stopped. The log is as it was then.
    pub fn compact(&self) -> Result<Index, CompactError> {
        self.machinery.shared.compact()
    }

    /// Writes a backup of what the cluster holds, as this node has it: an image of its state
    /// machine as of now, with what tells whose it is, checked while it is written. It is
    /// consistent: everything up to one entry of the log, and nothing else. A node that lags
    /// behind gives an older one; a [`barrier`](Node::barrier) on the leader says that it does not.
    ///
    /// The log begins at that image then, as after [`compact`](Node::compact). Commands go on to
    /// be applied meanwhile, however slowly `to` takes what is written.
    ///
    /// A new cluster begins with it by [`Backup::restore`].
    ///
    /// # Errors
    /// When there is no image, or it cannot be read, or `to` does not take it: what was written
    /// is no backup then.
    pub fn backup(&self, to: &mut dyn Write) -> Result<Backup, BackupError> {
        self.compact()?;
        let Shared { identities, .. } = &*self.machinery.shared;
        let identity = identities.registry().own().clone();
        let images = self.machinery.shared.images().ok_or(CompactError::NoPlace)?;
        backup::write(&*images, &identity, to)
    }

    /// Stops the node and waits until its last thread has ended. What is not on disk yet is not
    /// written any more: to the cluster, a shutdown looks like a crash. Afterwards every call
    /// says [`Stopped`].
    ///
    /// Waits for a write in progress, and for a call into the state machine to return. Called
    /// from the state machine itself, it waits for all threads but that one.
    pub fn shutdown(&self) {
        self.machinery.shutdown();
    }
}
