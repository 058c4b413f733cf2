//! One worker: owns the states whose fingerprints fall to it, expands those of each level, and
//! hands successors to their owners.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use stateright::{Expectation, Property};

use super::checkpoint::{Checkpoints, Contents, Header, Part};
use super::fingerprint::Fingerprint;
use super::frontier::{Budget, Frontier};
use super::net::{Content, Gone, Net, Parcel};
use super::peers::Peers;
use super::report::Report;
use super::space::Space;
use super::visited::Visited;
use crate::engines::{Level, Stopped};

/// What all workers of a process share.
pub struct Shared<S> {
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
    pub stopped: Option<Stopped>,
    /// The levels that were expanded; after a resumption, those since.
    pub levels: Vec<Level>,
    /// For properties by number, the path to the state that violates it or was to be found.
    pub paths: Vec<(usize, Vec<F>)>,
}

/// So many states are expanded between looks at the inbox, the clock and the limits.
const STRIDE: u32 = 256;

/// A worker at work.
pub struct Searcher<'s, S: Space, F: Fingerprint> {
    shared: &'s Shared<S>,
    properties: Vec<Property<S>>,
    /// Properties that were discovered in earlier levels, and where.
    discoveries: Vec<(usize, F)>,
    /// For each property not discovered in an earlier level, the smallest state of this one.
    discovered_now: Vec<Option<F>>,
    /// Whether a property fell in this level: what lies behind it does not matter then.
    failed: bool,
    visited: Visited<F>,
    frontier: Frontier,
    next: Frontier,
    memo: S::Memo,
    state: S::State,
    encoded: Vec<u8>,
    peers: Peers<S, F>,
    generated: u64,
    expanded: u64,
    shown: (u64, u64, u64),
    stopped: Option<Stopped>,
    depth: u64,
    last_checkpoint: Instant,
}

impl<'s, S: Space, F: Fingerprint> Searcher<'s, S, F> {
    /// A worker that has seen nothing.
    pub fn new(shared: &'s Shared<S>, net: &Net<'_>) -> Self {
        let space = shared.space.as_ref();
        let properties = space.properties();
        let any = space.init_states().into_iter().next();
        Searcher {
            discoveries: Vec::new(),
            discovered_now: vec![None; properties.len()],
            failed: false,
            properties,
            visited: Visited::default(),
            frontier: Frontier::new(Arc::clone(&shared.budget)),
            next: Frontier::new(Arc::clone(&shared.budget)),
            memo: S::Memo::default(),
            state: any.expect("a model has an initial state"),
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
    /// When a worker of this process died.
    pub fn search(mut self, mut net: Net<'_>) -> Result<Found<F>, Gone> {
        let result = self.levels(&mut net);
        if result.is_err() {
            net.abandon();
        }
        result
    }

    fn levels(&mut self, net: &mut Net<'_>) -> Result<Found<F>, Gone> {
        self.begin(net)?;
        let mut total = self.account(net)?;
        let mut levels = Vec::new();
        let stopped = loop {
            if total.stopped.is_some() || total.next == 0 {
                break total.stopped.clone();
            }
            let at_limit = self.shared.max_depth.is_some_and(|limit| self.depth >= limit);
            if total.checkpoint_due || at_limit {
                self.checkpoint(net);
            }
            if at_limit {
                break Some(Stopped::Depth);
            }
            self.depth += 1;
            self.shared.progress.depth.fetch_max(self.depth, Ordering::Relaxed);
            std::mem::swap(&mut self.frontier, &mut self.next);
            let (unique_states, began) = (total.next, Instant::now());
            self.expand_level(net);
            total = self.account(net)?;
            levels.push(Level { unique_states, seconds: began.elapsed().as_secs_f64() });
            if self.discover(&total) {
                break Some(Stopped::Violation);
            }
        };
        // States beyond the last level that was expanded have been seen, if not looked at.
        let depth = self.depth + u64::from(total.next > 0);
        Ok(Found { depth, stopped, levels, paths: self.paths(net)?, total })
    }

    /// The initial states, or where a checkpoint left off.
    fn begin(&mut self, net: &mut Net<'_>) -> Result<(), Gone> {
        let index = net.index();
        if let Some(checkpoints) = self.shared.checkpoints.as_ref().filter(|all| all.resumes()) {
            // Every worker keeps its last two, so the earliest of the latest is there for all.
            net.broadcast(&Content::Checkpoint(checkpoints.latest(index)));
            let mut common = Some(u64::MAX);
            net.end_round(|parcel| {
                if let Content::Checkpoint(latest) = parcel.content {
                    common = common.min(latest);
                }
            })?;
            match common.map(|depth| checkpoints.load(self.shared.space.as_ref(), index, depth)) {
                Some(Ok(part)) => self.take_up(part),
                Some(Err(error)) => self.stop(disk(&error)),
                None => self.stop(Stopped::Disk("there is no checkpoint to resume".to_owned())),
            }
            return Ok(());
        }
        for state in self.shared.space.init_states() {
            let name = F::of(self.shared.space.as_ref(), &state);
            if self.peers.owner(name) == index {
                self.generated += 1;
                let mut encoded = Vec::new();
                self.shared.space.write(&state, &mut encoded);
                self.add(name, F::NONE, &encoded);
            }
        }
        Ok(())
    }

    fn take_up(&mut self, part: Part<S, F>) {
        let Part { header, visited, names, states } = part;
        let Header { depth, generated, discoveries } = header;
        (self.depth, self.generated) = (depth, generated);
        let read =
            |(number, bytes): (usize, Vec<u8>)| Some((number, F::read(&mut bytes.as_slice())?));
        self.discoveries = discoveries.into_iter().filter_map(read).collect();
        self.visited = visited;
        let mut states = states.as_slice();
        while !states.is_empty() {
            let space = self.shared.space.as_ref();
            if let Err(malformed) = space.read_foreign(&names, &mut states, &mut self.state) {
                return self.stop(Stopped::Disk(malformed.to_string()));
            }
            self.encoded.clear();
            space.write(&self.state, &mut self.encoded);
            if let Err(error) = self.next.push(&self.encoded) {
                return self.stop(disk(&error));
            }
        }
    }

    fn checkpoint(&mut self, net: &Net<'_>) {
        let Some(checkpoints) = &self.shared.checkpoints else { return };
        let bytes = |&(number, state): &(usize, F)| {
            let mut bytes = Vec::new();
            state.write(&mut bytes);
            (number, bytes)
        };
        let header = Header {
            depth: self.depth,
            generated: self.generated,
            discoveries: self.discoveries.iter().map(bytes).collect(),
        };
        let told = self.shared.space.tell(&mut self.memo, &mut S::Told::default());
        let Searcher { visited, next, .. } = self;
        let saved = checkpoints.save(net.index(), Contents { header, told, visited, states: next });
        self.last_checkpoint = Instant::now();
        if let Err(error) = saved {
            self.stop(disk(&error));
        }
    }

    /// A state that belongs to this worker.
    fn add(&mut self, state: F, parent: F, encoded: &[u8]) {
        if self.visited.insert(state, parent)
            && let Err(error) = self.next.push(encoded)
        {
            self.stop(disk(&error));
        }
    }

    fn stop(&mut self, reason: Stopped) {
        self.stopped.get_or_insert(reason);
    }

    fn expand_level(&mut self, net: &mut Net<'_>) {
        let mut until_look = 0;
        'level: while self.stopped.is_none() {
            let block = match self.frontier.take() {
                Ok(block) if block.is_empty() => break,
                Ok(block) => block,
                Err(error) => {
                    self.stop(disk(&error));
                    break;
                }
            };
            let mut bytes = block.as_slice();
            while !bytes.is_empty() {
                if until_look == 0 {
                    self.look_around(net);
                    until_look = STRIDE;
                }
                until_look -= 1;
                if self.stopped.is_some() {
                    break 'level;
                }
                self.expand(&mut bytes);
                self.peers.dispatch_full(self.shared.space.as_ref(), &mut self.memo, net);
            }
        }
        self.peers.dispatch_all(self.shared.space.as_ref(), &mut self.memo, net);
        if self.stopped.as_ref().is_some_and(|reason| *reason != Stopped::Elsewhere) {
            net.broadcast(&Content::Stop);
        }
    }

    /// The state at the front of `bytes`: does a property speak of it, and what follows it?
    fn expand(&mut self, bytes: &mut &[u8]) {
        let space = self.shared.space.as_ref();
        let read = space.read(&mut self.memo, bytes, &mut self.state);
        read.expect("a frontier holds what this process wrote");
        let parent = F::of(space, &self.state);
        self.look_at_properties(parent);
        self.expanded += 1;
        if self.failed {
            return;
        }
        let Searcher { visited, next, memo, state, encoded, peers, generated, .. } = self;
        let mut written = Ok(());
        space.successors(memo, state, |successor| {
            *generated += 1;
            let name = F::of(space, successor);
            if !peers.is_own(name) {
                peers.send(space, name, parent, successor);
            } else if visited.insert(name, parent) {
                encoded.clear();
                space.write(successor, encoded);
                written = next.push(encoded).and(std::mem::replace(&mut written, Ok(())));
            }
        });
        if let Err(error) = written {
            self.stop(disk(&error));
        }
    }

    fn look_at_properties(&mut self, name: F) {
        let space = self.shared.space.as_ref();
        for (number, property) in self.properties.iter().enumerate() {
            let looked_for = property.expectation == Expectation::Sometimes;
            if (property.condition)(space, &self.state) != looked_for
                || self.discoveries.iter().any(|(discovered, _)| *discovered == number)
            {
                continue;
            }
            let smallest = self.discovered_now[number].get_or_insert(name);
            *smallest = name.min(*smallest);
            self.failed |= property.expectation.discovery_is_failure();
        }
    }

    /// What arrived, what the user wants, and what the machine has left.
    fn look_around(&mut self, net: &mut Net<'_>) {
        for parcel in net.poll() {
            self.receive(parcel);
        }
        if self.shared.interrupted.load(Ordering::Relaxed) {
            self.stop(Stopped::Interrupted);
        }
        let limit = self.shared.max_memory;
        if let Some(limit) = limit.filter(|limit| crate::progress::memory() > *limit) {
            self.stop(Stopped::Memory(limit));
        }
        self.show_progress();
    }

    fn show_progress(&mut self) {
        let Counters { unique, generated, expanded, depth: _ } = &self.shared.progress;
        let now = (self.visited.len(), self.generated, self.expanded);
        unique.fetch_add(now.0 - self.shown.0, Ordering::Relaxed);
        generated.fetch_add(now.1 - self.shown.1, Ordering::Relaxed);
        expanded.fetch_add(now.2 - self.shown.2, Ordering::Relaxed);
        self.shown = now;
    }

    /// A parcel of the round of a level.
    fn receive(&mut self, parcel: Parcel) {
        match parcel.content {
            Content::States { told, states } => {
                let space = self.shared.space.as_ref();
                let Searcher { visited, next, peers, .. } = self;
                let mut written = Ok(());
                peers.receive(space, parcel.from, &told, &states, |name, parent, encoded| {
                    if visited.insert(name, parent)
                        && let Err(error) = next.push(encoded)
                    {
                        written = Err(error);
                    }
                });
                if let Err(error) = written {
                    self.stop(disk(&error));
                }
            }
            Content::Stop => self.stop(Stopped::Elsewhere),
            Content::Report(_) | Content::Parent(..) | Content::Checkpoint(_) => {
                unreachable!("these travel in rounds of their own")
            }
        }
    }

    /// Ends a level: its states arrive, and all workers learn how all are.
    fn account(&mut self, net: &mut Net<'_>) -> Result<Report, Gone> {
        net.end_round(|parcel| self.receive(parcel))?;
        self.show_progress();
        let bytes = |state: &F| {
            let mut bytes = Vec::new();
            state.write(&mut bytes);
            bytes
        };
        let first = net.index().is_multiple_of(self.shared.threads);
        let checkpoints = self.shared.checkpoints.as_ref();
        net.broadcast(&Content::Report(Box::new(Report {
            next: self.next.len(),
            unique: self.visited.len(),
            generated: self.generated,
            table_bytes: self.visited.bytes(),
            spilled_bytes: if first { self.shared.budget.spilled() } else { 0 },
            memory: if first { crate::progress::memory() } else { 0 },
            discoveries: self.discovered_now.iter().map(|d| d.as_ref().map(bytes)).collect(),
            checkpoint_due: checkpoints.is_some_and(|all| all.is_due(self.last_checkpoint)),
            stopped: self.stopped.clone(),
        })));
        self.discovered_now.fill(None);
        let mut total = Report::default();
        net.end_round(|parcel| {
            if let Content::Report(report) = parcel.content {
                total = std::mem::take(&mut total).and(&report);
            }
        })?;
        Ok(total)
    }

    /// Takes down what the level discovered; answers whether a property fell.
    fn discover(&mut self, total: &Report) -> bool {
        let mut fell = false;
        for (number, bytes) in total.discoveries.iter().enumerate() {
            let state = bytes.as_ref().and_then(|bytes| F::read(&mut bytes.as_slice()));
            if let Some(state) = state {
                self.discoveries.push((number, state));
                fell |= self.properties[number].expectation.discovery_is_failure();
            }
        }
        fell
    }

    /// Follows each discovery back to an initial state: in every round, the owners of the
    /// states reached name their parents to all.
    fn paths(&mut self, net: &mut Net<'_>) -> Result<Vec<(usize, Vec<F>)>, Gone> {
        let start = |&(number, state): &(usize, F)| (number, vec![state]);
        let mut paths: Vec<_> = self.discoveries.iter().map(start).collect();
        let mut open: Vec<usize> = (0..paths.len()).collect();
        while !open.is_empty() {
            for &place in &open {
                let last = paths[place].1.last().copied().unwrap_or(F::NONE);
                if self.peers.is_own(last) {
                    let mut bytes = Vec::new();
                    self.visited.parent(last).unwrap_or(F::NONE).write(&mut bytes);
                    net.broadcast(&Content::Parent(place, bytes));
                }
            }
            net.end_round(|parcel| {
                let Content::Parent(place, bytes) = parcel.content else { return };
                match F::read(&mut bytes.as_slice()) {
                    Some(parent) if parent != F::NONE => paths[place].1.push(parent),
                    _ => open.retain(|open| *open != place),
                }
            })?;
        }
        paths.iter_mut().for_each(|(_, path)| path.reverse());
        Ok(paths)
    }
}

fn disk(error: &io::Error) -> Stopped {
    Stopped::Disk(error.to_string())
}
