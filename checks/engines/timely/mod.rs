//! Breadth-first search on timely dataflow, level by level: counterexamples are shortest
//! whatever the number of workers.
//!
//! ```text
//!   frontier ─► expand ─► fingerprint ─┬─ own ──────────────► visited? ─► next frontier
//!   (memory,                           └─ another's ─► net ──►  (its owner)   (encoded)
//!    then disk)                            (timely: threads, processes)
//! ```
//!
//! States belong to workers by the fingerprint of their kin, or by their own where they have none, so
//! that what covers a state is found where it is. A level ends when timely's progress tracking says
//! that nothing of it is under way; then all workers tell each other how they stand, and so all
//! come to the same conclusion. A worker keeps 16 bytes a state (24 with the slack of its
//! table) and 8 a kin, or the maximal states alone (`antichain.rs`), and its part of a level in an encoding of a few bytes for each component.

mod checkpoint;
mod chunk;
mod frontier;
pub mod hosts;
mod lost;
mod net;
mod paths;
mod peers;
mod report;
mod seen;
mod space;
mod worker;

use std::hash::Hash;
use std::io;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use ::timely::communication::allocator::AllocatorBuilder;
use ::timely::communication::allocator::ProcessBuilder;
use ::timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use ::timely::communication::{Config as Communication, Hooks};
use ::timely::{WorkerConfig, execute};
use siphasher::sip::SipHasher13;
use stateright::Expectation;
use thiserror::Error;

use super::fingerprint::Fingerprint;
use super::{Ended, Outcome, Resources};
use crate::terminal::progress::{Progress, Reading};
use checkpoint::Checkpoints;
use frontier::Budget;
use hosts::{Hosts, HostsError};
use lost::{Connection, Lost};
use net::{Gone, Net};
pub use space::{Space, UnreadableState};
use worker::{Common, Counters, Found, Searcher, Unsearched};

/// How this engine searches.
#[derive(Clone, Debug)]
pub struct TimelySettings {
    /// Threads of this process; at least 1.
    pub workers: usize,
    /// The processes of the search, if there are several.
    pub hosts: Option<Hosts>,
    /// Fingerprints have 128 bits instead of 64.
    pub wide_fingerprints: bool,
    /// The memory that frontiers may take before they go to disk, in bytes.
    pub frontier_memory: u64,
    /// Where they go then.
    pub spill_folder: PathBuf,
    /// The search ends when the process takes more than this, in bytes.
    pub max_memory: Option<u64>,
    /// The search ends when this many levels were looked at.
    pub max_depth: Option<u64>,
    /// Where checkpoints are kept, if they are.
    pub checkpoint: Option<PathBuf>,
    /// The time between two checkpoints.
    pub checkpoint_interval: Duration,
    /// Whether the search goes on from the checkpoint.
    pub resume: bool,
    /// Names what is searched, as the caller writes it down: processes and checkpoints of another
    /// are turned away.
    pub subject: Vec<u8>,
}

impl TimelySettings {
    /// A search of `subject` by so many threads of this process, without limits.
    pub fn new(workers: usize, subject: Vec<u8>) -> TimelySettings {
        let mut system = sysinfo::System::new();
        system.refresh_memory();
        TimelySettings {
            workers,
            hosts: None,
            wide_fingerprints: false,
            frontier_memory: system.total_memory() / 4,
            spill_folder: std::env::temp_dir(),
            max_memory: None,
            max_depth: None,
            checkpoint: None,
            checkpoint_interval: Duration::from_secs(60),
            resume: false,
            subject,
        }
    }
}

/// Why there is no outcome.
#[derive(Debug, Error)]
pub enum SearchError {
    /// The processes did not come together.
    #[error(transparent)]
    Hosts(#[from] HostsError),
    /// timely could not be started.
    #[error("cannot start the workers: {0}")]
    Start(String),
    /// The search could not begin as it was asked to.
    #[error("{0}")]
    NotBegun(Ended),
    /// A worker died.
    #[error("a worker died: the search ends without a verdict")]
    WorkerDied,
    /// A process of the search is lost, or a worker of it.
    #[error("{0}: the search ends without a verdict")]
    Lost(String),
    /// A fingerprint's path leads nowhere.
    #[error("the path to {0:?} cannot be replayed: two states must share a fingerprint")]
    NoPath(&'static str),
}

/// Searches all states of `space`, which must be able to tell its [wide
/// fingerprints](Space::wide_fingerprint) if the settings ask for them. Ends at the end of the level of the first violation, or once `interrupted` is set.
///
/// # Errors
/// When there is nothing to say about the space, because a worker or a process is missing.
pub fn search<S: Space>(
    space: S,
    settings: &TimelySettings,
    progress: &mut Progress,
    interrupted: &Arc<AtomicBool>,
) -> Result<Outcome<S>, SearchError> {
    match settings.wide_fingerprints {
        false => search_with::<S, u64>(space, settings, progress, interrupted),
        true => search_with::<S, u128>(space, settings, progress, interrupted),
    }
}

fn search_with<S: Space, F: Fingerprint>(
    space: S,
    settings: &TimelySettings,
    progress: &mut Progress,
    interrupted: &Arc<AtomicBool>,
) -> Result<Outcome<S>, SearchError> {
    let processes = settings.hosts.as_ref().map_or(1, |hosts| hosts.addresses.len());
    let space = Arc::new(space);
    let digest = digest::<F>(settings, processes);
    let shared = Arc::new(Common {
        space: Arc::clone(&space),
        budget: Arc::new(Budget::new(settings.frontier_memory, settings.spill_folder.clone())),
        max_memory: settings.max_memory,
        max_depth: settings.max_depth,
        checkpoints: settings.checkpoint.clone().map(|folder| Checkpoints {
            folder,
            interval: settings.checkpoint_interval,
            resume: settings.resume,
            digest,
        }),
        threads: settings.workers,
        interrupted: Arc::clone(interrupted),
        gone: Arc::new(AtomicBool::new(false)),
        progress: Counters::default(),
    });
    let Allocators { builders, connections, lost } = allocators(settings, digest)?;
    // Not the time that the processes wait for each other.
    let started = Instant::now();
    let alone = settings.hosts.is_none();
    let (for_workers, lost_by_workers) = (Arc::clone(&shared), lost.clone());
    let workers =
        execute::execute_from(builders, connections, WorkerConfig::default(), move |worker| {
            let shared = for_workers.as_ref();
            let search = AssertUnwindSafe(|| {
                let net = Net::new(worker, Arc::clone(&shared.gone));
                Searcher::<S, F>::new(shared, &net).search(net)
            });
            catch_unwind(search).unwrap_or_else(|_| {
                if let Some(lost) = &lost_by_workers {
                    lost.lose("a worker died".to_owned());
                }
                shared.gone.store(true, Ordering::Relaxed);
                worker.installed_dataflows().into_iter().for_each(|id| worker.drop_dataflow(id));
                Err(Unsearched::Gone(Gone))
            })
        })
        .map_err(SearchError::Start)?;
    // Beside this thread, which goes on when a process is lost: those of the connections are
    // joined as well, and may then never end.
    let (done, finished) = mpsc::channel();
    thread::spawn(move || {
        // Nobody listens any more when the search was given up.
        let _ = done.send(workers.join());
    });
    let mut pause = Duration::from_millis(1);
    let found = loop {
        match finished.recv_timeout(pause) {
            Ok(found) => break found,
            Err(RecvTimeoutError::Timeout) => pause = (pause * 2).min(Duration::from_millis(100)),
            Err(RecvTimeoutError::Disconnected) => return Err(SearchError::WorkerDied),
        }
        progress.show(reading(&shared.progress));
        if let Some(why) = lost.as_deref().and_then(Lost::why) {
            shared.gone.store(true, Ordering::Relaxed);
            return Err(SearchError::Lost(why.to_owned()));
        }
    };
    let elapsed = started.elapsed();
    let found = found.into_iter().map(|found| match found {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(Unsearched::NotBegun(reason))) => Err(SearchError::NotBegun(reason)),
        Ok(Err(Unsearched::Gone(Gone))) | Err(_) => Err(SearchError::WorkerDied),
    });
    let found = found.collect::<Result<Vec<Found<F>>, SearchError>>()?;
    let found = found.into_iter().next().ok_or(SearchError::WorkerDied)?;
    let Found { total, depth, stopped, levels, paths } = found;
    let properties = space.properties();
    let mut discoveries = Vec::new();
    for (number, names) in paths {
        let property = &properties[number];
        let looked_for = property.expectation == Expectation::Sometimes;
        let ends_well = |state: &S::State| (property.condition)(&space, state) == looked_for;
        let path = paths::rebuild(space.as_ref(), &names, ends_well);
        discoveries.push((property.name, path.ok_or(SearchError::NoPath(property.name))?));
    }
    let peak = progress.peak_rss_bytes();
    Ok(Outcome {
        unique_states: total.unique,
        kins: (total.kins > 0).then_some(total.kins),
        generated_states: total.generated,
        depth: Some(depth),
        stopped,
        levels,
        elapsed,
        // With several processes, the others' as they were at the end.
        peak_rss_bytes: if alone { peak } else { peak.max(total.memory) },
        discoveries,
        resources: Resources {
            workers: settings.workers,
            processes,
            fingerprint_bits: F::BITS,
            orbit: space.orbit(),
            table_bytes: Some(total.table_bytes),
            spilled_bytes: total.spilled_bytes,
        },
        model: space,
    })
}

/// timely's channels between the workers of this process, and to those of the others.
struct Allocators {
    builders: Vec<AllocatorBuilder>,
    /// The threads of the connections.
    connections: Box<dyn std::any::Any + Send>,
    /// Where there are connections.
    lost: Option<Arc<Lost>>,
}

fn allocators(settings: &TimelySettings, digest: u64) -> Result<Allocators, SearchError> {
    let workers = settings.workers;
    let Some(hosts) = &settings.hosts else {
        let built = Communication::Process(workers).try_build();
        let (builders, connections) = built.map_err(SearchError::Start)?;
        return Ok(Allocators { builders, connections, lost: None });
    };
    let sockets = hosts.connect(digest)?;
    let start = |error: io::Error| SearchError::Start(error.to_string());
    let lost = Lost::new(&sockets).map_err(start)?;
    let connection = |(process, socket): (usize, Option<TcpStream>)| {
        socket.map(|socket| Connection::new(socket, process, Arc::clone(&lost)))
    };
    let sockets = sockets.into_iter().enumerate().map(connection).collect();
    let Hooks { log_fn, refill, spill } = Hooks::default();
    let near = ProcessBuilder::new_typed_vector(workers, refill.clone(), spill.clone());
    let hooks = Hooks { log_fn, refill, spill };
    let (builders, connections) =
        initialize_networking_from_sockets(near, sockets, hosts.process, workers, hooks)
            .map_err(start)?;
    Ok(Allocators {
        builders: builders.into_iter().map(AllocatorBuilder::Tcp).collect(),
        connections: Box::new(connections),
        lost: Some(lost),
    })
}

fn reading(counters: &Counters) -> Reading {
    let Counters { unique, generated, expanded, depth } = counters;
    Reading {
        unique_states: unique.load(Ordering::Relaxed),
        generated_states: generated.load(Ordering::Relaxed),
        expanded_states: expanded.load(Ordering::Relaxed),
        depth: Some(depth.load(Ordering::Relaxed)),
    }
}

/// Names a search to other processes and to later ones: what is searched, by how many, with
/// which program.
fn digest<F: Fingerprint>(settings: &TimelySettings, processes: usize) -> u64 {
    use std::hash::Hasher;
    let mut hasher = SipHasher13::new();
    (&settings.subject, F::BITS, settings.workers, processes).hash(&mut hasher);
    if settings.hosts.is_none() && settings.checkpoint.is_none() {
        return hasher.finish();
    }
    // Without its own file, a program is told by its version.
    match std::env::current_exe().and_then(std::fs::read) {
        Ok(program) => program.hash(&mut hasher),
        Err(_) => env!("CARGO_PKG_VERSION").hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
