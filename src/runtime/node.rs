//! A running node, and the handle to it.

use crate::runtime::std;

use std::boxed::Box;
use std::collections::BTreeMap;
use std::fmt;
use std::string::ToString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};
use std::vec::Vec;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::application::{self, Jobs, StateMachine, Work};
use super::breaches::Logged;
use super::builder::{NodeBuilder, StartError};
use super::clock::Clock;
use super::disk::{Disk, Failure};
use super::errands::{Errand, Errands};
use super::gate::Gate;
use super::identity::Asked;
use super::leadership::{LeadershipChanges, NoLeader, Noticeboard};
use super::life::{Life, StopReason, Stopped};
use super::log;
use super::mailbox::Mailbox;
use super::metrics::{Counters, Metrics};
use super::opening::{self, Opened};
use super::outbox::Outbox;
use super::outlets::{Gated, Outlets};
use super::proposal::{PendingProposal, ProposeError, Waiter};
use super::readmit::{Readmission, ReadmitError};
use super::reception::{Front, Identities};
use super::recorder::{FORMAT, Line, Recorder};
use super::server_loop::{Arrived, ServerLoop};
use super::status::{Standing, Status};
use super::storage::Storage;
use super::sync::{Condvar, Mutex, lock, wait};
use super::transport::{Inbox, Transport};
use super::watch::Watch;
use crate::driver::Driver;
use crate::figure2::{Command, Payload, Server, ServerId};

/// A running node of a cluster. Share it between threads in an [`Arc`]; when the last one goes,
/// the node shuts down.
pub struct Node<R> {
    id: ServerId,
    inner: Arc<Inner<R>>,
    threads: Mutex<Threads>,
    joined: Condvar,
    own_threads: Vec<ThreadId>,
    max_command_bytes: usize,
    max_in_flight: usize,
}

impl<R> fmt::Debug for Node<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a user of the library brings.
pub(super) struct Parts<S, T, M> {
    pub(super) storage: S,
    pub(super) transport: T,
    pub(super) state_machine: M,
}

/// What the threads of a node share.
struct Inner<R> {
    life: Arc<Life>,
    arrived: Arc<Mailbox<Arrived<R>>>,
    gate: Arc<Gate<Gated<R>>>,
    outlets: Arc<Outlets<R>>,
    noticeboard: Arc<Noticeboard>,
    counters: Arc<Counters>,
    identities: Arc<Identities>,
    /// The longest election timeout.
    longest_election: Duration,
    transport: Box<dyn Transport>,
}

/// The threads of a node, until somebody joins them.
struct Threads {
    running: Option<Running>,
    all_joined: bool,
}

#[derive(Default)]
struct Running {
    workers: Vec<JoinHandle<()>>,
    recorder: Option<(Recorder, JoinHandle<()>)>,
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
        let NodeBuilder {
            config,
            timing,
            seed,
            max_command_bytes,
            max_in_flight,
            recording,
            cluster,
            blanks,
        } = builder;
        let Parts { mut storage, transport, state_machine } = parts;
        let id = config.id;
        let span = tracing::info_span!("node", %id);
        let entered = span.clone().entered();
        let cluster = opening::check_transport(&transport, &config, cluster)?;
        let asked = Asked { server: id, cluster, servers: (*config.servers).clone() };
        let Opened { persistent, registry, floor } = opening::open(&mut storage, asked)?;
        log::info!(
            term = persistent.current_term(),
            last_log_index = persistent.log().last_index(),
            "starting"
        );

        let mut running = Running::default();
        let recorder = match recording {
            Some(recording) => {
                let out = recording.open()?;
                let recorder = Recorder::new();
                let (start, thread) = (recorder.clone(), recorder.clone());
                start.record(Line::Start {
                    format: FORMAT,
                    config: config.clone(),
                    persistent: persistent.clone(),
                    floor,
                });
                let handle = spawn("recorder", move || thread.run(out))?;
                running.recorder = Some((recorder.clone(), handle));
                Some(recorder)
            }
            None => None,
        };

        let counters = Arc::new(Counters::new(config.peers()));
        let peers: Vec<ServerId> = config.peers().collect();
        let outbox = |&peer: &ServerId| (peer, Arc::new(Outbox::new(counters.peer(peer))));
        let outlets = Arc::new(Outlets {
            outboxes: peers.iter().map(outbox).collect(),
            jobs: Arc::new(Jobs::new(Work::default())),
            given: AtomicU64::new(0),
        });
        let identities = Arc::new(Identities::new(registry));
        let (shortest, longest) = (*timing.election().start(), *timing.election().end());
        let servers = config.servers.clone();
        let (driver, started) = Driver::<Server>::start(config, persistent, floor, timing);
        let inner = Arc::new(Inner {
            life: Arc::default(),
            arrived: Arc::new(Mailbox::new(Arrived::default())),
            gate: Arc::new(Gate::new()),
            outlets,
            noticeboard: Arc::new(Noticeboard::new(Standing::of(driver.server()))),
            counters,
            identities: identities.clone(),
            longest_election: longest,
            transport: Box::new(transport),
        });
        let random = match seed {
            Some(seed) => StdRng::seed_from_u64(seed),
            None => rand::make_rng(),
        };
        let disconnecting = inner.clone();
        let errands = Errands {
            disconnect: Box::new(move |peer| disconnecting.transport.disconnect(peer)),
            readmissions: Vec::new(),
        };
        let mut server_loop = ServerLoop {
            driver,
            clock: Clock::new(random),
            arrived: inner.arrived.clone(),
            gate: inner.gate.clone(),
            outlets: inner.outlets.clone(),
            noticeboard: inner.noticeboard.clone(),
            counters: inner.counters.clone(),
            recorder: recorder.clone(),
            write_here: None,
            identities: identities.clone(),
            errands,
            watch: Watch::new(longest),
            shown: BTreeMap::new(),
            stops: false,
            logged: Logged::new(),
            blanks,
        };
        // A recording is a file, whatever the storage is.
        let may_block = storage.may_block() || recorder.is_some();
        let mut disk = Disk {
            storage,
            gate: inner.gate.clone(),
            outlets: inner.outlets.clone(),
            counters: inner.counters.clone(),
            recorder,
            identities: identities.clone(),
            floor,
            batches: 0,
        };

        // From here on, dropping the node ends what was started.
        let mut node = Node {
            id,
            inner: inner.clone(),
            threads: Mutex::new(Threads { running: Some(running), all_joined: false }),
            joined: Condvar::new(),
            own_threads: Vec::new(),
            max_command_bytes,
            max_in_flight,
        };
        let front = Front {
            identities,
            arrived: inner.arrived.clone(),
            counters: inner.counters.clone(),
            patience: shortest,
        };
        inner.transport.start(Inbox::new(id, servers, front))?;
        drop(entered);
        for peer in peers {
            let (outbox, link) =
                (inner.outlets.outboxes[&peer].clone(), inner.transport.link(peer));
            node.spawn("sender", &span, move |_| outbox.run(link))?;
        }
        node.spawn("application", &span, move |inner| {
            application::run(state_machine, &inner.outlets.jobs, &inner.counters);
        })?;
        if may_block {
            node.spawn("disk", &span, move |inner| inner.stop_on_failure(disk.run()))?;
        } else {
            let inner = inner.clone();
            server_loop.write_here = Some(Box::new(move || inner.stop_on_failure(disk.run_once())));
        }
        node.spawn("server", &span, move |_| server_loop.run(started))?;
        Ok(node)
    }

    /// Starts a thread that takes the node down with it when it panics.
    fn spawn(
        &mut self,
        name: &'static str,
        span: &tracing::Span,
        work: impl FnOnce(&Inner<R>) + Send + 'static,
    ) -> Result<(), StartError> {
        let (inner, span) = (self.inner.clone(), span.clone());
        let handle = spawn(name, move || {
            let _entered = span.entered();
            let guard = PanicGuard { name, inner };
            work(&guard.inner);
        })?;
        self.own_threads.push(handle.thread().id());
        if let Some(running) = &mut lock(&self.threads).running {
            running.workers.push(handle);
        }
        Ok(())
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
        let command = command.into();
        let (bytes, limit) = (command.as_bytes().len(), self.max_command_bytes);
        let fits = match bytes <= limit {
            true => Ok(()),
            false => Err(ProposeError::TooLarge { bytes, limit }),
        };
        if let Err(error) = self.admit(fits) {
            return PendingProposal::failed(error);
        }
        let (pending, waiter) = Waiter::command(self.inner.life.clone());
        self.put(Payload::Command(command), waiter);
        pending
    }

    /// Brings this node's state machine up to date: what comes back is known once the state
    /// machine has applied everything that any node had answered before this call. It takes an
    /// entry of the log, without a command, and the leader alone can do it.
    ///
    /// For an application that reads its own state beside the log, or that has to finish what
    /// came before when its node begins to lead.
    pub fn barrier(&self) -> PendingProposal<()> {
        if let Err(error) = self.admit(Ok(())) {
            return PendingProposal::failed(error);
        }
        let (pending, waiter) = Waiter::barrier(self.inner.life.clone());
        self.put(Payload::Blank, waiter);
        pending
    }

    /// Counts one more proposal, unless this node has stopped or has too many, or the proposal
    /// is not `acceptable` by itself.
    fn admit(&self, acceptable: Result<(), ProposeError>) -> Result<(), ProposeError> {
        self.inner.life.check().map_err(ProposeError::Stopped)?;
        acceptable?;
        match self.inner.life.admit(self.max_in_flight) {
            true => Ok(()),
            false => Err(ProposeError::Busy { limit: self.max_in_flight }),
        }
    }

    fn put(&self, payload: Payload, waiter: Waiter<R>) {
        self.inner.arrived.put(|arrived| {
            arrived.payloads.push(payload);
            arrived.waiters.push(waiter);
        });
    }

    /// Waits until this node knows of a leader in its term, for at most `timeout`, and tells
    /// which server that is; it may be this one. The first election of a cluster takes an election
    /// timeout or two once a majority of the servers runs.
    ///
    /// # Errors
    /// When no leader is known in time, or the node has stopped.
    pub fn wait_for_leader(&self, timeout: Duration) -> Result<ServerId, NoLeader> {
        let Inner { noticeboard, life, .. } = &*self.inner;
        let leader = noticeboard.wait(life, Some(timeout), |leadership| leadership.leader)?;
        leader.ok_or(NoLeader::TimedOut)
    }

    /// Tells each change of this node's role and leader, from what holds now: an iterator that
    /// waits, for a thread of its own. Any number of them may be asked for.
    pub fn leadership_changes(&self) -> LeadershipChanges {
        LeadershipChanges::new(self.inner.noticeboard.clone(), self.inner.life.clone())
    }

    /// What this node knows of itself and its cluster.
    ///
    /// # Errors
    /// When the node has stopped.
    pub fn status(&self) -> Result<Status, Stopped> {
        self.inner.life.check()?;
        let Inner { counters, identities, noticeboard, .. } = &*self.inner;
        let applied_index = counters.applied_index.load(Ordering::Acquire);
        let standing = noticeboard.read();
        Ok(Status::new(standing, applied_index, identities.concerns(), identities.disowned()))
    }

    /// What the node has counted since it started.
    ///
    /// # Errors
    /// When the node has stopped.
    pub fn metrics(&self) -> Result<Metrics, Stopped> {
        let status = self.status()?;
        let Inner { life, arrived, gate, outlets, counters, .. } = &*self.inner;
        let peer = |(&peer, outbox): (&ServerId, &Arc<Outbox>)| {
            (peer, counters.peer(peer).snapshot(outbox.depth()))
        };
        Ok(Metrics {
            elections_started: counters.elections_started.load(Ordering::Relaxed),
            elections_won: counters.elections_won.load(Ordering::Relaxed),
            peers: outlets.outboxes.iter().map(peer).collect(),
            sync_nanoseconds: counters.sync_nanoseconds.snapshot(),
            proposal_batch: counters.proposal_batch.snapshot(),
            sync_batch: counters.sync_batch.snapshot(),
            proposals_in_flight: life.in_flight(),
            inbox_depth: arrived.look(Arrived::len),
            gate_depth: gate.depth(),
            apply_lag: status.commit_index.saturating_sub(status.applied_index),
        })
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
        let (answer, answered) = mpsc::channel();
        let deadline = Instant::now() + self.inner.longest_election * 4;
        let errand = Errand::Readmit(Readmission { server, deadline, answer });
        // A node that has stopped drops it, and the channel ends.
        let _ = self.inner.arrived.put(|arrived| arrived.errands.push(errand));
        answered.recv().unwrap_or_else(|_| Err(ReadmitError::Stopped(self.inner.life.stopped())))
    }

    /// Stops the node and waits until its last thread has ended. What is not on disk yet is not
    /// written any more: to the cluster, a shutdown looks like a crash. Afterwards every call
    /// says [`Stopped`].
    ///
    /// Waits for a write in progress, and for a call into the state machine to return. Called
    /// from the state machine itself, it waits for all threads but that one.
    pub fn shutdown(&self) {
        self.inner.stop(StopReason::Shutdown);
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
        self.inner.transport.join();
        if let Some((recorder, thread)) = recorder {
            recorder.finish();
            let _ = thread.join();
        }
        lock(&self.threads).all_joined = true;
        self.joined.notify_all();
    }
}

impl<R> Drop for Node<R> {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl<R> Inner<R> {
    /// Ends the node: no thread finds more work.
    fn stop(&self, reason: StopReason) {
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
        self.transport.close();
    }

    /// A write failed, or a step was the last: the node ends, and then the proposals hear of it
    /// that waited.
    fn stop_on_failure(&self, result: Result<(), Failure<R>>) {
        if let Err(Failure { reason, unreleased }) = result {
            self.stop(reason);
            drop(unreleased);
        }
    }
}

/// Stops the node when the thread that holds it panics.
struct PanicGuard<R> {
    name: &'static str,
    inner: Arc<Inner<R>>,
}

impl<R> Drop for PanicGuard<R> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.inner.stop(StopReason::Panicked { thread: self.name.to_string() });
        }
    }
}

fn spawn(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let builder = thread::Builder::new().name(name.to_string());
    builder.spawn(work).map_err(|source| StartError::Thread { thread: name, source })
}
