//! The threads of a node, and what they share.

use crate::runtime::std;

use std::string::ToString;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};
use std::vec::Vec;

use super::arrived::Arrived;
use super::errands::Errand;
use super::gate::Gate;
use super::life::Life;
use super::log;
use super::mailbox::Mailbox;
use super::outbox::Outbox;
use super::outlets::{Gated, Outlets};
use super::reception::Identities;
use super::room::RoomWatch;
use super::sync::{Condvar, Mutex, lock, wait};
use super::transfers::Transfers;
use super::writer::Failure;
use crate::figure2::{Index, Payload, ServerId};
use crate::runtime::builder::StartError;
use crate::runtime::compact::CompactError;
use crate::runtime::leadership::Noticeboard;
use crate::runtime::metrics::{Counters, Metrics};
use crate::runtime::proposal::Waiter;
use crate::runtime::readmit::{Readmission, ReadmitError};
use crate::runtime::recorder::Recorder;
use crate::runtime::status::Status;
use crate::runtime::stopped::StopReason;
use crate::runtime::storage::Images;
use crate::runtime::transport::Transport;

/// What runs behind the handle of a node; dropping it ends every thread.
pub(in crate::runtime) struct Machinery<R> {
    pub(in crate::runtime) shared: Arc<Shared<R>>,
    threads: Mutex<Threads>,
    joined: Condvar,
    own_threads: Vec<ThreadId>,
}

/// What the threads of a node share.
pub(in crate::runtime) struct Shared<R> {
    pub(in crate::runtime) life: Arc<Life>,
    pub(super) arrived: Arc<Mailbox<Arrived<R>>>,
    pub(super) gate: Arc<Gate<Gated<R>>>,
    pub(super) outlets: Arc<Outlets<R>>,
    pub(in crate::runtime) noticeboard: Arc<Noticeboard>,
    pub(in crate::runtime) counters: Arc<Counters>,
    pub(in crate::runtime) identities: Arc<Identities>,
    pub(super) room: Arc<RoomWatch>,
    /// The longest election timeout.
    pub(super) longest_election: Duration,
    /// Images on their way, where they travel.
    pub(super) transfers: Option<Arc<Transfers>>,
    pub(super) transport: Arc<dyn Transport>,
}

/// The threads of a node, until somebody joins them.
struct Threads {
    running: Option<Running>,
    all_joined: bool,
}

struct Running {
    workers: Vec<JoinHandle<()>>,
    recorder: Option<(Recorder, JoinHandle<()>)>,
}

impl<R> Machinery<R> {
    /// No thread but that of the recorder, if there is one.
    pub(super) fn new(
        shared: Arc<Shared<R>>,
        recorder: Option<(Recorder, JoinHandle<()>)>,
    ) -> Self {
        let running = Running { workers: Vec::new(), recorder };
        Machinery {
            shared,
            threads: Mutex::new(Threads { running: Some(running), all_joined: false }),
            joined: Condvar::new(),
            own_threads: Vec::new(),
        }
    }

    /// Ends every thread, and waits for all of them but this one.
    pub(in crate::runtime) fn shutdown(&self) {
        self.shared.stop(StopReason::Shutdown);
        let own = self.own_threads.contains(&thread::current().id());
        let running = lock(&self.threads).running.take();
        match running {
            Some(running) => self.join(running),
            None if own => {}
            None => {
                let mut threads = lock(&self.threads);
                while !threads.all_joined {
                    threads = wait(&self.joined, threads);
                }
            }
        }
    }

    fn join(&self, running: Running) {
        let Running { workers, recorder } = running;
        for worker in workers {
            if worker.thread().id() != thread::current().id() {
                // A worker that panicked has said so, and why the node stopped is known.
                let _ = worker.join();
            }
        }
        self.shared.transport.join();
        if let Some((recorder, thread)) = recorder {
            recorder.finish();
            let _ = thread.join();
        }
        lock(&self.threads).all_joined = true;
        self.joined.notify_all();
    }
}

impl<R: Send + 'static> Machinery<R> {
    /// Starts a thread that takes the node down with it when it panics.
    pub(super) fn spawn(
        &mut self,
        name: &'static str,
        span: &tracing::Span,
        work: impl FnOnce(&Shared<R>) + Send + 'static,
    ) -> Result<(), StartError> {
        let (shared, span) = (self.shared.clone(), span.clone());
        let handle = spawn(name, move || {
            let _entered = span.entered();
            let guard = PanicGuard { name, shared };
            work(&guard.shared);
        })?;
        self.own_threads.push(handle.thread().id());
        if let Some(running) = &mut lock(&self.threads).running {
            running.workers.push(handle);
        }
        Ok(())
    }
}

impl<R> Drop for Machinery<R> {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl<R> Shared<R> {
    /// Hands a proposal to the server loop; a node that has stopped drops it.
    pub(in crate::runtime) fn put(&self, payload: Payload, waiter: Waiter<R>) {
        self.arrived.put(|arrived| arrived.proposals.push((payload, waiter)));
    }

    /// What [`Node::readmit`](crate::runtime::Node::readmit) promises.
    pub(in crate::runtime) fn readmit(&self, server: ServerId) -> Result<(), ReadmitError> {
        let (answer, answered) = mpsc::channel();
        let deadline = Instant::now() + self.longest_election * 4;
        let errand = Errand::Readmit(Readmission { server, deadline, answer });
        // A node that has stopped drops it, and the channel ends.
        let _ = self.arrived.put(|arrived| arrived.errands.push(errand));
        answered.recv().unwrap_or_else(|_| Err(ReadmitError::Stopped(self.life.stopped())))
    }

    /// The place of this node's images, if there is one.
    pub(in crate::runtime) fn images(&self) -> Option<Arc<dyn Images>> {
        self.outlets.desk.as_ref().map(|desk| desk.place.clone())
    }

    /// What [`Node::compact`](crate::runtime::Node::compact) promises.
    pub(in crate::runtime) fn compact(&self) -> Result<Index, CompactError> {
        let (answer, answered) = mpsc::channel();
        // A node that has stopped drops it, and the channel ends.
        let _ = self.arrived.put(|arrived| arrived.errands.push(Errand::Compact(answer)));
        answered.recv().unwrap_or_else(|_| Err(CompactError::Stopped(self.life.stopped())))
    }

    /// What was counted up to now, by a node that stands so.
    pub(in crate::runtime) fn metrics(&self, status: &Status) -> Metrics {
        let Shared { life, arrived, gate, outlets, counters, .. } = self;
        let in_flight = life.in_flight();
        let leaves = |peer| self.transfers.as_ref().is_some_and(|images| images.leaves(peer));
        let peer = |(&peer, outbox): (&ServerId, &Arc<Outbox>)| {
            (peer, counters.peer(peer).snapshot(outbox.depth(), leaves(peer)))
        };
        Metrics {
            elections_started: counters.elections_started.load(Ordering::Relaxed),
            elections_won: counters.elections_won.load(Ordering::Relaxed),
            peers: outlets.outboxes.iter().map(peer).collect(),
            sync_nanoseconds: counters.sync_nanoseconds.snapshot(),
            proposal_batch: counters.proposal_batch.snapshot(),
            sync_batch: counters.sync_batch.snapshot(),
            proposals_in_flight: in_flight.proposals,
            bytes_in_flight: in_flight.bytes,
            inbox_depth: arrived.look(Arrived::len),
            inbox_bytes: arrived.look(|arrived| arrived.bytes),
            gate_depth: gate.depth(),
            image_coming: self.transfers.as_ref().is_some_and(|images| images.is_coming()),
            apply_lag: status.commit_index.saturating_sub(status.applied_index),
            backlog_bytes: counters.backlog_bytes.load(Ordering::Relaxed),
            appends_declined: counters.appends_declined.load(Ordering::Relaxed),
            log_bytes: counters.log_bytes.load(Ordering::Relaxed),
            digest_index: counters.digest_index.load(Ordering::Relaxed),
            digests_differ: counters.digests_differ.load(Ordering::Relaxed),
            room: self.room.room(),
            room_level: self.room.level(),
            image_being_written: counters.image_being_written.load(Ordering::Relaxed),
            image_failed: counters.image_failed.load(Ordering::Relaxed),
            images_written: counters.images_written.load(Ordering::Relaxed),
            images_restored: counters.images_restored.load(Ordering::Relaxed),
            image: counters.image(),
        }
    }

    /// Ends the node: no thread finds more work.
    pub(super) fn stop(&self, reason: StopReason) {
        let failure = !matches!(reason, StopReason::Shutdown);
        if self.life.end(reason) {
            match failure {
                true => log::error!("{:?}", self.life.stopped()),
                false => log::info!("shutting down"),
            }
        }
        self.noticeboard.close();
        self.arrived.close();
        self.gate.close();
        self.outlets.outboxes.values().for_each(|outbox| outbox.close());
        self.outlets.jobs.close();
        if let Some(transfers) = &self.transfers {
            transfers.close();
        }
        if let Some(desk) = &self.outlets.desk {
            desk.tasks.close();
        }
        self.transport.close();
    }

    /// A write failed, or a step was the last: the node ends, and then the proposals hear of it
    /// that waited.
    pub(super) fn stop_on_failure(&self, result: Result<(), Failure<R>>) {
        if let Err(Failure { reason, unreleased }) = result {
            self.stop(reason);
            drop(unreleased);
        }
    }
}

/// Stops the node when the thread that holds it panics.
struct PanicGuard<R> {
    name: &'static str,
    shared: Arc<Shared<R>>,
}

impl<R> Drop for PanicGuard<R> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.shared.stop(StopReason::Panicked { thread: self.name.to_string() });
        }
    }
}

/// Starts a thread.
///
/// # Errors
/// When the system has no more.
pub(super) fn spawn(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let builder = thread::Builder::new().name(name.to_string());
    builder.spawn(work).map_err(|source| StartError::Thread { thread: name, source })
}
