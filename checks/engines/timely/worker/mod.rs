//! One worker: owns the states whose fingerprints fall to it, expands those of each level, and
//! hands successors to their owners.

mod agreement;
mod level;
mod resume;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use stateright::Property;

use super::checkpoint::Checkpoints;
use super::chunk::Chunk;
use super::frontier::{Budget, Frontier};
use super::net::{Gone, Net};
use super::peers::Peers;
use super::report::Report;
use super::seen::{Name, Seen, Sets};
use super::space::Space;
use crate::engines::fingerprint::Fingerprint;

use crate::engines::{Ended, Level};

/// What all workers of a process share.
pub struct Common<S> {
    pub space: Arc<S>,
    pub budget: Arc<Budget>,
    /// The memory at which the search ends, in bytes.
    pub max_memory: Option<u64>,
    /// The depth at which the search ends, in states.
    pub max_depth: Option<u64>,
    pub checkpoints: Option<Checkpoints>,
    /// Workers of each process; those of one have consecutive numbers.
    pub threads: usize,
    pub interrupted: Arc<AtomicBool>,
    /// Set when a worker of this process died.
    pub gone: Arc<AtomicBool>,
    pub progress: Counters,
}

/// How far the workers of a process have come.
#[derive(Debug, Default)]
pub struct Counters {
    pub unique: AtomicU64,
    pub generated: AtomicU64,
    pub expanded: AtomicU64,
    pub depth: AtomicU64,
}

/// What a search found, as every worker knows it in the end.
#[derive(Clone, Debug)]
pub struct Found<F> {
    /// The sum of all workers' accounts.
    pub total: Report,
    /// The length of the longest shortest path, in states.
    pub depth: u64,
    /// Why the search ended before it was exhausted, if it did.
    pub stopped: Option<Ended>,
    /// The levels that were expanded; after a resumption, those since.
    pub levels: Vec<Level>,
    /// For properties by number, the path to the state that violates it or was to be found.
    pub paths: Vec<(usize, Vec<F>)>,
}

/// Why a worker comes back with nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsearched {
    /// A worker of this process died.
    Gone(Gone),
    /// Some worker could not begin, so none did.
    NotBegun(Ended),
}

impl From<Gone> for Unsearched {
    fn from(gone: Gone) -> Unsearched {
        Unsearched::Gone(gone)
    }
}

/// A worker at work.
pub struct Searcher<'s, S: Space, F: Fingerprint> {
    shared: &'s Common<S>,
    properties: Vec<Property<S>>,
    /// Properties that were discovered in earlier levels, and where.
    discoveries: Vec<(usize, F)>,
    /// For each property not discovered in an earlier level, the smallest state of this one.
    discovered_now: Vec<Option<F>>,
    /// Whether a property fell in this level: what lies behind it does not matter then.
    failed: bool,
    seen: Seen<F>,
    sets: Sets<S>,
    frontier: Frontier,
    next: Frontier,
    chunk: Chunk,
    memo: S::Memo,
    state: S::State,
    encoded: Vec<u8>,
    peers: Peers<S, F>,
    generated: u64,
    expanded: u64,
    shown: (u64, u64, u64),
    stopped: Option<Ended>,
    depth: u64,
    last_checkpoint: Instant,
}

impl<'s, S: Space, F: Fingerprint> Searcher<'s, S, F> {
    /// A worker that has seen nothing.
    pub fn new(shared: &'s Common<S>, net: &Net<'_>) -> Self {
        let space = shared.space.as_ref();
        let properties = space.properties();
        let any = space.init_states().into_iter().next();
        let any = any.expect("a model has an initial state");
        let mut sets = Sets::default();
        Searcher {
            discoveries: Vec::new(),
            discovered_now: vec![None; properties.len()],
            failed: false,
            properties,
            seen: Seen::of(space, &any, &mut sets),
            sets,
            frontier: Frontier::new(Arc::clone(&shared.budget)),
            next: Frontier::new(Arc::clone(&shared.budget)),
            chunk: Chunk::default(),
            memo: S::Memo::default(),
            state: any,
            encoded: Vec::new(),
            peers: Peers::new(net.index(), net.peers(), shared.threads),
            generated: 0,
            expanded: 0,
            shown: (0, 0, 0),
            stopped: None,
            depth: 0,
            last_checkpoint: Instant::now(),
            shared,
        }
    }

    /// Searches level by level, to the end.
    ///
    /// # Errors
    /// When a worker of this process died, or some worker could not begin.
    pub fn search(mut self, mut net: Net<'_>) -> Result<Found<F>, Unsearched> {
        let result = self.levels(&mut net);
        if let Err(Unsearched::Gone(Gone)) = result {
            net.abandon();
        }
        result
    }

    fn levels(&mut self, net: &mut Net<'_>) -> Result<Found<F>, Unsearched> {
        self.begin(net)?;
        let mut total = self.account(net)?;
        // Workers of which one lacks its part know different things: they do nothing together.
        if let Some(reason) = total.stopped {
            return Err(Unsearched::NotBegun(reason));
        }
        self.forget_later_checkpoints(net.index());
        let mut levels = Vec::new();
        let stopped = loop {
            if total.stopped.is_some() || total.next == 0 {
                break total.stopped.clone();
            }
            let at_limit = self.shared.max_depth.is_some_and(|limit| self.depth >= limit);
            if self.shared.checkpoints.is_some() && (total.checkpoint_due || at_limit) {
                self.checkpoint(net);
                // One that could not save stops all, at a limit as anywhere.
                total = self.account(net)?;
                if total.stopped.is_some() {
                    break total.stopped.clone();
                }
            }
            if at_limit {
                break Some(Ended::Depth);
            }
            self.depth += 1;
            self.shared.progress.depth.fetch_max(self.depth, Ordering::Relaxed);
            std::mem::swap(&mut self.frontier, &mut self.next);
            if self.shared.space.keeps_depth() {
                self.seen.begin_level();
            }
            let (before, began) = (total.expanded, Instant::now());
            self.expand_level(net);
            total = self.account(net)?;
            let unique_states = total.expanded - before;
            levels.push(Level { unique_states, seconds: began.elapsed().as_secs_f64() });
            if self.discover(&total) {
                break Some(Ended::Violation);
            }
        };
        // States beyond the last level that was expanded have been seen, if not looked at.
        let depth = self.depth + u64::from(total.next > 0);
        Ok(Found { depth, stopped, levels, paths: self.paths(net)?, total })
    }

    /// A state that belongs to this worker.
    fn add(&mut self, name: Name<F>, state: &S::State) {
        let Searcher { seen, sets, next, encoded, .. } = self;
        let space = self.shared.space.as_ref();
        sets.set(space, state);
        if seen.add(space, sets, name, encoded, |encoded| space.write(state, encoded))
            && let Err(error) = next.push(encoded)
        {
            self.stop(disk(&error));
        }
    }

    fn stop(&mut self, reason: Ended) {
        self.stopped.get_or_insert(reason);
    }
}

fn disk(error: &io::Error) -> Ended {
    Ended::Disk(error.to_string())
}
