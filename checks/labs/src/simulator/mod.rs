//! A cluster on virtual time: one thread, one seed, the same run every time.
//!
//! ```text
//!   queue ── timer, arrival, end of a sync ──► Server::step ──► Output
//!     ▲                                                           │ timers: at once
//!     │                                                           ▼
//!     ├──────────────────────────────── network ◄── messages ── disk (a gate)
//!     │                                                           │
//!   random numbers from the seed                     oracle ◄── applies, answers
//! ```

mod disk;
mod drive;
mod images;
mod journal;
mod network;
mod options;
mod queue;
mod safety;
mod transfers;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use veraft::driver::{Compactor, Driver, PeerParcel, Protocol, Waiters};
use veraft::figure2::{
    Base, Command, Config, Index, Input, Message, Payload, Proposal, Server, ServerId,
};
use veraft::runtime::recorder;

pub use journal::{Happening, Journal, JournalLine, Summary};
pub use network::Weather;
pub use options::ClusterOptions;

use crate::failure::Violation;
use crate::harness::{self, Harness, ServerStatus, Started};
use crate::oracle::Oracle;
use crate::simulate::Achieved;
use disk::{Asked, Disk};
use images::{LabImage, LabImages};
use network::Links;
use queue::Queue;
use safety::Safety;
use transfers::Transfers;

/// How often the logs of all servers are compared.
const AUDIT_PERIOD: Duration = Duration::from_secs(1);

/// How many events there may be between two comparisons of the logs: many times what any test
/// needs, so that a cluster that never comes to rest ends as a failure.
const MAX_EVENTS: u64 = 100_000;

/// How many bytes of commands an AppendEntries carries at most: all that the labs can offer.
const MAX_APPEND_BYTES: usize = 1 << 20;

/// What the simulator runs: the core, or in a test the core with something wrong around it.
pub trait Process: Protocol<Message = Message> {}

impl<P: Protocol<Message = Message>> Process for P {}

/// A cluster on virtual time.
pub struct Simulator<P = Server> {
    options: ClusterOptions,
    rng: Xoshiro256PlusPlus,
    queue: Queue<Event>,
    nodes: Vec<Node<P>>,
    network: Links,
    oracle: Oracle,
    safety: Safety,
    journal: Journal,
    /// How many events there were since the logs were compared.
    events: u64,
    /// Numbers proposals.
    tickets: u64,
    answers: BTreeMap<u64, Proposal>,
    violation: Option<Violation>,
    /// How often a server became the image of another.
    installed: u64,
}

/// What is going to happen.
enum Event {
    /// The time of a timer has come, unless it was set again or cancelled.
    Wake { server: usize },
    /// A message arrives.
    Arrival { from: usize, to: usize, message: Message },
    /// A sync ends, unless the server has crashed.
    SyncEnds { server: usize, life: u64 },
    /// An image is whole and durable, unless the server has crashed.
    ImageWritten { server: usize, life: u64, applied_bytes: u64, image: LabImage },
    /// The log is to begin at an image.
    Compacts { server: usize, life: u64, last_index: Index },
    /// Something of an image arrives.
    Parcel { from: usize, to: usize, parcel: PeerParcel },
    /// More of an image may leave to a peer.
    Serve { server: usize, peer: usize, life: u64 },
    /// A server may have waited for too long for what it fetches.
    Fetch { server: usize },
    /// The logs are compared.
    Audit,
}

/// One server in its driver, and its disk.
struct Node<P> {
    config: Config,
    /// None while the server is down.
    driver: Option<Driver<P>>,
    disk: Disk,
    images: LabImages,
    transfers: Transfers,
    /// Decides when the log is compacted; none where it never is.
    compactor: Option<Compactor>,
    /// The last entry that the state machine was given, by itself or in an image.
    applied: Base,
    /// How often the server has started.
    life: u64,
    /// What it has recorded, in all its lives.
    recording: Vec<recorder::Line>,
    /// When it wakes next: one event, however often timers are set.
    wakes: Option<Duration>,
    /// The proposals that it accepted and has not applied.
    waiters: Waiters<Asked>,
}

impl<P: Process> Simulator<P> {
    /// A cluster of `servers`, all started, whose every chance is drawn from `seed`.
    pub fn new(servers: usize, seed: u64, options: ClusterOptions) -> Simulator<P> {
        let all: Arc<_> = Arc::new((0..servers as u64).map(ServerId).collect());
        let node = |id| Node {
            config: Config {
                id: ServerId(id as u64),
                servers: Arc::clone(&all),
                max_append_bytes: MAX_APPEND_BYTES,
            },
            driver: None,
            disk: Disk::default(),
            images: LabImages::default(),
            transfers: Transfers::new(0, options.image_rate, None),
            compactor: None,
            applied: Base::default(),
            life: 0,
            recording: Vec::new(),
            wakes: None,
            waiters: Waiters::default(),
        };
        let mut network = Links::new(servers);
        network.set_weather(options.reliable.clone());
        let mut simulator = Simulator {
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            queue: Queue::new(),
            nodes: (0..servers).map(node).collect(),
            network,
            oracle: Oracle::new(servers),
            safety: Safety::new(servers),
            journal: Journal::new(options.journal),
            events: 0,
            tickets: 0,
            answers: BTreeMap::new(),
            violation: None,
            installed: 0,
            options,
        };
        simulator.queue.schedule(AUDIT_PERIOD, Event::Audit);
        for server in 0..servers {
            let started = simulator.start_server(server);
            simulator.note(started);
        }
        simulator
    }

    /// What happened so far.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What the cluster has achieved so far.
    pub fn achieved(&self) -> Achieved {
        let (led_terms, entries) = (self.safety.led_terms(), self.oracle.agreed());
        Achieved { led_terms, entries, installed: self.installed }
    }

    /// The state of a server; none while it is down.
    pub fn server(&self, server: usize) -> Option<&Server> {
        self.nodes[server].driver.as_ref().map(|driver| driver.server().figure2())
    }

    /// What a server has recorded, if the [`ClusterOptions`] ask for it.
    pub fn recording(&self, server: usize) -> &[recorder::Line] {
        &self.nodes[server].recording
    }

    fn record(&mut self, server: usize, line: impl FnOnce() -> recorder::Line) {
        if self.options.record {
            self.nodes[server].recording.push(line());
        }
    }

    /// Keeps the first violation.
    fn note(&mut self, outcome: Result<(), Violation>) {
        if let (Err(violation), None) = (outcome, &self.violation) {
            self.violation = Some(violation);
        }
    }

    fn sound(&self) -> Result<(), Violation> {
        self.violation.clone().map_or(Ok(()), Err)
    }

    fn write(&mut self, server: usize, happening: Happening) {
        self.journal.write(JournalLine { at: self.queue.now(), server, happening });
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }
}

impl<P: Process> Harness for Simulator<P> {
    fn servers(&self) -> usize {
        self.nodes.len()
    }

    fn now(&self) -> Duration {
        self.queue.now()
    }

    fn sleep(&mut self, time: Duration) -> Result<(), Violation> {
        let until = self.queue.now() + time;
        self.sound()?;
        while let Some(event) = self.queue.next(until) {
            self.happen(event);
            self.sound()?;
        }
        Ok(())
    }

    fn random(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.rng.random_range(range)
    }

    fn start(
        &mut self,
        server: usize,
        commands: &[Command],
    ) -> Result<Vec<Option<Started>>, Violation> {
        if self.nodes[server].driver.is_none() {
            return Ok(vec![None; commands.len()]);
        }
        let mut tickets = Vec::with_capacity(commands.len());
        for command in commands {
            self.write(server, Happening::Proposed(command.clone()));
            let ticket = self.ticket();
            let input = Input::Propose { payloads: vec![Payload::Command(command.clone())] };
            let asked = Asked { ticket, command: command.clone() };
            let stepped = self.step(server, input, vec![asked]);
            self.note(stepped);
            tickets.push(ticket);
        }
        let mut answers = Vec::with_capacity(commands.len());
        for ticket in tickets {
            answers.push(match self.answer(ticket)? {
                Proposal::Accepted { term, first_index } => {
                    Some(Started { term, index: first_index })
                }
                Proposal::NotLeader { term: _, leader: _ } => None,
            });
        }
        Ok(answers)
    }

    fn status(&self, server: usize) -> Option<ServerStatus> {
        let server = self.server(server)?;
        Some(ServerStatus { term: server.current_term(), leads: server.is_leader() })
    }

    fn set_connected(&mut self, server: usize, connected: bool) {
        self.write(server, Happening::Connected(connected));
        self.network.set_connected(server, connected);
    }

    fn crash(&mut self, server: usize) {
        let unsynced = self.nodes[server].disk.unsynced();
        let kept = self.rng.random_range(0..=unsynced as u64) as usize;
        let come = self.nodes[server].images.partial().map_or(0, |(_, bytes)| bytes);
        let come = self.rng.random_range(0..=come) as usize;
        self.write(server, Happening::Crashed { unsynced, kept });
        let node = &mut self.nodes[server];
        node.disk.crash(kept);
        node.images.crash(node.disk.durable().log().base(), come);
        node.driver = None;
        node.wakes = None;
        node.waiters = Waiters::default();
    }

    fn restart(&mut self, server: usize) -> Result<(), Violation> {
        let started = self.start_server(server);
        self.note(started);
        self.sound()
    }

    fn set_network(&mut self, network: harness::Network) {
        let weather = match network {
            harness::Network::Reliable => &self.options.reliable,
            harness::Network::Unreliable => &self.options.unreliable,
            harness::Network::Straggling => &self.options.straggling,
        };
        self.network.set_weather(weather.clone());
    }

    fn requests(&self, server: usize) -> u64 {
        self.network.requests(server)
    }

    fn applied(&self, server: usize, index: Index) -> Option<Command> {
        self.oracle.applied(server, index).filter(|_| self.nodes[server].driver.is_some())
    }

    fn persisted_bytes(&self, server: usize) -> usize {
        harness::persisted_bytes(self.nodes[server].disk.durable())
    }

    fn violation(&self) -> Option<Violation> {
        self.violation.clone().or_else(|| self.compare_logs().err())
    }
}
