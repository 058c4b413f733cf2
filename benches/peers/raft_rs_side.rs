//! raft-rs with raft-engine: one thread a node, which runs the loop of its documentation.

use std::collections::VecDeque;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use raft::StateRole;
use raft::prelude::{Config, Entry, HardState, Message, RawNode};
use raft::storage::MemStorage;
use raft_engine::{Engine, LogBatch, MessageExt};
use slog::{Discard, Logger, o};

use crate::side::{BROKEN, Cluster, Commands, ELECTION, HEARTBEAT, SLOW_SYNC, Side, Store};

pub const SIDE: Side = Side { name: "raft-rs", start };

const TICK: Duration = Duration::from_millis(10);

/// As TiKV has it; by default each message has one entry only.
const MAX_MESSAGE: u64 = 1024 * 1024;

/// The only group in an engine.
const GROUP: u64 = 1;

/// How many entries the cache in memory keeps at least, and drops at once.
const KEEP: u64 = 16 * 1024;

struct Entries;

impl MessageExt for Entries {
    type Entry = Entry;

    fn index(entry: &Entry) -> u64 {
        entry.index
    }
}

/// Where entries become durable.
enum Log {
    Engine(Box<Engine>, Box<LogBatch>),
    Memory,
    Slow,
}

impl Log {
    fn open(store: &Store, id: usize) -> Log {
        match store {
            Store::Disk(directory) => {
                let place = directory.join(id.to_string());
                fs::create_dir_all(&place).unwrap();
                let dir = place.to_str().unwrap().to_string();
                let config = raft_engine::Config { dir, ..raft_engine::Config::default() };
                Log::Engine(Box::new(Engine::open(config).unwrap()), Box::default())
            }
            Store::Memory => Log::Memory,
            Store::Slow => Log::Slow,
        }
    }

    /// Appends, and syncs.
    fn write(&mut self, entries: &[Entry], state: Option<&HardState>) {
        match self {
            Log::Engine(engine, batch) => {
                batch.add_entries::<Entries>(GROUP, entries).unwrap();
                if let Some(state) = state {
                    batch.put_message(GROUP, b"state".to_vec(), state).unwrap();
                }
                engine.write(batch, true).unwrap();
            }
            Log::Memory => {}
            Log::Slow => thread::sleep(SLOW_SYNC),
        }
    }
}

enum Input {
    Message(Message),
    Propose(Vec<u8>),
    Stop,
}

struct Node {
    raw: RawNode<MemStorage>,
    log: Log,
    inputs: Receiver<Input>,
    peers: Vec<Sender<Input>>,
    /// The place of the one that leads.
    leader: Arc<AtomicUsize>,
    /// The indices of what was proposed here, and where to tell that it is applied.
    waiting: VecDeque<u64>,
    answers: Sender<u64>,
    /// A state that is not durable yet, for nothing but its commit index has changed.
    state: Option<HardState>,
    applied: u64,
}

impl Node {
    fn run(mut self) {
        let mut tick = Instant::now() + TICK;
        loop {
            match self.inputs.recv_deadline(tick) {
                Ok(input) => {
                    let mut next = Some(input);
                    while let Some(input) = next {
                        match input {
                            // It is refused if it is of a term of before; Raft sees to that.
                            Input::Message(message) => drop(self.raw.step(message)),
                            Input::Propose(command) => {
                                self.raw.propose(Vec::new(), command).unwrap();
                                self.waiting.push_back(self.raw.raft.raft_log.last_index());
                            }
                            Input::Stop => return,
                        }
                        next = self.inputs.try_recv().ok();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if Instant::now() >= tick {
                self.raw.tick();
                tick = Instant::now() + TICK;
            }
            while self.raw.has_ready() {
                self.on_ready();
            }
        }
    }

    fn on_ready(&mut self) {
        let store = self.raw.store().clone();
        let mut ready = self.raw.ready();
        if ready.ss().is_some_and(|state| state.raft_state == StateRole::Leader) {
            self.leader.store(self.raw.raft.id as usize, Ordering::Release);
        }
        // Those of a leader, which need not wait for its own disk.
        self.send(ready.take_messages());
        self.apply(ready.take_committed_entries());
        store.wl().append(ready.entries()).unwrap();
        if let Some(state) = ready.hs() {
            store.wl().set_hardstate(state.clone());
            self.state = Some(state.clone());
        }
        if ready.must_sync() {
            self.log.write(ready.entries(), self.state.take().as_ref());
        }
        self.send(ready.take_persisted_messages());
        let mut light = self.raw.advance(ready);
        if let Some(commit) = light.commit_index() {
            store.wl().mut_hard_state().set_commit(commit);
            self.state = Some(store.rl().hard_state().clone());
        }
        self.send(light.take_messages());
        self.apply(light.take_committed_entries());
        self.raw.advance_apply();
        let first = raft::Storage::first_index(&store).unwrap();
        if self.applied > first + 2 * KEEP {
            store.wl().compact(self.applied - KEEP).unwrap();
        }
    }

    fn send(&self, messages: Vec<Message>) {
        for message in messages {
            let to = &self.peers[message.to as usize - 1];
            // One that has stopped hears nothing.
            drop(to.send(Input::Message(message)));
        }
    }

    /// Counts what is committed, and answers whoever waits for it.
    fn apply(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.applied = entry.index;
            if self.waiting.front() == Some(&entry.index) {
                self.waiting.pop_front();
                // Nobody hears it once the cluster ends.
                let _ = self.answers.send(entry.index);
            }
        }
    }
}

struct RaftRs {
    inputs: Vec<Sender<Input>>,
    threads: Vec<JoinHandle<()>>,
    leader: Arc<AtomicUsize>,
    answers: Receiver<u64>,
    commands: Commands,
}

fn start(store: &Store) -> Box<dyn Cluster> {
    let (peers, inboxes): (Vec<_>, Vec<_>) = (0..3).map(|_| unbounded()).unzip();
    let (answer, answers) = unbounded();
    let leader = Arc::new(AtomicUsize::new(0));
    let ticks = |time: Duration| (time.as_millis() / TICK.as_millis()) as usize;
    let logger = Logger::root(Discard, o!());
    let start = |(at, inputs): (usize, Receiver<Input>)| {
        let id = at + 1;
        let config = Config {
            id: id as u64,
            election_tick: ticks(ELECTION.0),
            max_election_tick: ticks(ELECTION.1),
            heartbeat_tick: ticks(HEARTBEAT),
            max_size_per_msg: MAX_MESSAGE,
            batch_append: true,
            ..Config::default()
        };
        let cache = MemStorage::new_with_conf_state((vec![1, 2, 3], vec![]));
        let mut raw = RawNode::new(&config, cache, &logger).unwrap();
        if id == 1 {
            raw.campaign().unwrap();
        }
        let node = Node {
            raw,
            log: Log::open(store, id),
            inputs,
            peers: peers.clone(),
            leader: leader.clone(),
            waiting: VecDeque::new(),
            answers: answer.clone(),
            state: None,
            applied: 0,
        };
        thread::Builder::new().name(format!("raft-rs {id}")).spawn(|| node.run()).unwrap()
    };
    let threads = inboxes.into_iter().enumerate().map(start).collect();
    let give_up = Instant::now() + BROKEN;
    while leader.load(Ordering::Acquire) == 0 {
        assert!(Instant::now() < give_up, "no leader");
        thread::sleep(Duration::from_millis(2));
    }
    Box::new(RaftRs { inputs: peers, threads, leader, answers, commands: Commands::default() })
}

impl Cluster for RaftRs {
    fn load(&mut self, in_flight: usize, time: Duration) -> Vec<Duration> {
        let leader = &self.inputs[self.leader.load(Ordering::Acquire) - 1];
        let (mut flying, mut latencies) = (VecDeque::new(), Vec::new());
        let start = Instant::now();
        loop {
            while flying.len() < in_flight && start.elapsed() < time {
                let command = self.commands.next();
                flying.push_back(Instant::now());
                leader.send(Input::Propose(command)).unwrap();
            }
            let Some(since) = flying.pop_front() else { return latencies };
            self.answers.recv_timeout(BROKEN).unwrap();
            latencies.push(since.elapsed());
        }
    }
}

impl Drop for RaftRs {
    fn drop(&mut self) {
        self.inputs.iter().for_each(|input| drop(input.send(Input::Stop)));
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}
