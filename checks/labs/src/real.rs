//! A cluster of real nodes: threads, real time, a network and disks in memory.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use veraft::figure2::{Command, Index, Message, ServerId};
use veraft::runtime::{
    Closed, Compaction, Conditions, Image, Inbox, Link, MemoryDisk, MemoryNetwork, MemoryTransport,
    Node, NodeBuilder, ParcelLink, ParcelRefused, Reception, Refused, StateMachine, Timing,
    Transport, TransportError,
};

use crate::failure::Violation;
use crate::harness::{Harness, Network, ServerStatus, Started, persisted_bytes};
use crate::oracle::Oracle;
use crate::suites::LabTest;

/// How long a node may take to answer whether it accepts a command.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// A cluster of real nodes.
pub struct RealCluster {
    began: Instant,
    rng: Xoshiro256PlusPlus,
    network: MemoryNetwork,
    ids: Arc<BTreeSet<ServerId>>,
    servers: Vec<Slot>,
    watch: Arc<Mutex<Watch>>,
    /// A directory for the recordings of the nodes.
    recordings: Option<PathBuf>,
    compaction: Compaction,
}

/// One server, whether it is up or down.
struct Slot {
    disk: MemoryDisk,
    node: Option<Node<()>>,
    /// How many requests have arrived, in all its lives.
    requests: Arc<AtomicU64>,
}

/// What all state machines of the cluster report to.
struct Watch {
    oracle: Oracle,
    violation: Option<Violation>,
}

fn lock(watch: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
    // A violation is noted before anything can panic.
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RealCluster {
    /// A cluster of real nodes as `test` asks for it, all started. `seed` is for the network's
    /// chances, the timers and the script; threads take their own course.
    ///
    /// With a directory for `recordings`, every node records what it does to a file there.
    pub fn start(
        test: &LabTest,
        seed: u64,
        recordings: Option<&Path>,
    ) -> Result<RealCluster, Violation> {
        let servers = test.servers;
        let slot = |_| Slot { disk: MemoryDisk::new(), node: None, requests: Arc::default() };
        let watch = Watch { oracle: Oracle::new(servers), violation: None };
        let mut cluster = RealCluster {
            began: Instant::now(),
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            network: MemoryNetwork::new(seed),
            ids: Arc::new((0..servers as u64).map(ServerId).collect()),
            servers: (0..servers).map(slot).collect(),
            watch: Arc::new(Mutex::new(watch)),
            recordings: recordings.map(Path::to_path_buf),
            compaction: test.compaction().unwrap_or_else(Compaction::by_hand),
        };
        cluster.set_network(Network::Reliable);
        for server in 0..servers {
            cluster.restart(server)?;
        }
        Ok(cluster)
    }

    /// Where the recording of `server` is in the directory for recordings.
    pub fn recording(directory: &Path, server: usize) -> PathBuf {
        directory.join(format!("S{server}.jsonl"))
    }
}

impl Harness for RealCluster {
    fn servers(&self) -> usize {
        self.servers.len()
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn sleep(&mut self, time: Duration) -> Result<(), Violation> {
        thread::sleep(time);
        self.violation().map_or(Ok(()), Err)
    }

    fn random(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.rng.random_range(range)
    }

    fn start(
        &mut self,
        server: usize,
        commands: &[Command],
    ) -> Result<Vec<Option<Started>>, Violation> {
        let Some(node) = &self.servers[server].node else { return Ok(vec![None; commands.len()]) };
        let pending: Vec<_> =
            commands.iter().map(|command| node.propose(command.clone())).collect();
        // Whatever else became of a proposal, it was not accepted here in time.
        let started = pending.iter().map(|pending| {
            let accepted = pending.accepted(ANSWER_LIMIT).ok()?;
            Some(Started { term: accepted.term, index: accepted.index })
        });
        let started = started.collect();
        self.violation().map_or(Ok(started), Err)
    }

    fn status(&self, server: usize) -> Option<ServerStatus> {
        let status = self.servers[server].node.as_ref()?.status().ok()?;
        Some(ServerStatus { term: status.term, leads: status.is_leader() })
    }

    fn set_connected(&mut self, server: usize, connected: bool) {
        let server = ServerId(server as u64);
        match connected {
            true => self.network.connect(server),
            false => self.network.disconnect(server),
        }
    }

    fn crash(&mut self, server: usize) {
        // To the others a shutdown looks like a crash: what is not on disk yet never is.
        self.servers[server].node = None;
    }

    fn restart(&mut self, server: usize) -> Result<(), Violation> {
        let id = ServerId(server as u64);
        let stopped = |error: &dyn std::fmt::Display| {
            let message = format!("cannot start: {error}");
            Violation::Stopped { server, message }
        };
        let storage = self.servers[server].disk.open().map_err(|error| stopped(&error))?;
        lock(&self.watch).oracle.started(server);
        let mut builder = NodeBuilder::new(id, self.ids.iter().copied())
            .timing(Timing::lab())
            .blanks(false)
            .compaction(self.compaction)
            .seed(self.rng.random())
            .max_append_bytes(1 << 20);
        if let Some(directory) = &self.recordings {
            builder = builder.record_to(RealCluster::recording(directory, server));
        }
        let slot = &mut self.servers[server];
        let requests = Arc::clone(&slot.requests);
        let inner = self.network.transport(id);
        let transport = Counting { inner, servers: Arc::clone(&self.ids), requests };
        let machine = Machine { server, watch: Arc::clone(&self.watch) };
        let node = builder.start(storage, transport, machine).map_err(|error| stopped(&error))?;
        slot.node = Some(node);
        Ok(())
    }

    fn set_network(&mut self, network: Network) {
        let us = Duration::from_micros;
        self.network.set_conditions(match network {
            Network::Reliable => {
                Conditions { delay: us(1_000)..=us(10_000), ..Conditions::default() }
            }
            Network::Unreliable => {
                Conditions { delay: us(0)..=us(26_000), loss: 0.1, ..Conditions::default() }
            }
            // This network draws all delays from one range.
            Network::Straggling => {
                Conditions { delay: us(0)..=us(300_000), loss: 0.1, ..Conditions::default() }
            }
        });
    }

    fn requests(&self, server: usize) -> u64 {
        self.servers[server].requests.load(Ordering::Relaxed)
    }

    fn applied(&self, server: usize, index: Index) -> Option<Command> {
        self.servers[server].node.as_ref()?;
        lock(&self.watch).oracle.applied(server, index)
    }

    fn persisted_bytes(&self, server: usize) -> usize {
        persisted_bytes(&self.servers[server].disk.persistent())
    }

    fn violation(&self) -> Option<Violation> {
        let seen = lock(&self.watch).violation.clone();
        seen.or_else(|| {
            self.servers.iter().enumerate().find_map(|(server, slot)| {
                let stopped = slot.node.as_ref()?.status().err()?;
                Some(Violation::Stopped { server, message: stopped.to_string() })
            })
        })
    }
}

/// The application of the labs: it shows the oracle what is applied.
struct Machine {
    server: usize,
    watch: Arc<Mutex<Watch>>,
}

impl StateMachine for Machine {
    type Response = ();

    fn apply(&mut self, index: Index, command: &Command) {
        let mut watch = lock(&self.watch);
        if let Err(violation) = watch.oracle.apply(self.server, index, command) {
            watch.violation.get_or_insert(violation);
        }
    }

    fn capture(&mut self) -> Option<Box<dyn Image>> {
        let commands = lock(&self.watch).oracle.held(self.server).to_vec();
        Some(Box::new(Commands(commands)))
    }

    fn restore(&mut self, image: &mut dyn Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        image.read_to_end(&mut bytes)?;
        let commands: Vec<Command> = postcard::from_bytes(&bytes).map_err(io::Error::other)?;
        let mut watch = lock(&self.watch);
        let restored = watch.oracle.restore(self.server, commands.len() as Index, &commands);
        if let Err(violation) = restored {
            watch.violation.get_or_insert(violation);
        }
        Ok(())
    }
}

/// All that was applied: an image of the application of the labs.
struct Commands(Vec<Command>);

impl Image for Commands {
    fn write(self: Box<Self>, to: &mut dyn Write) -> io::Result<()> {
        to.write_all(&postcard::to_allocvec(&self.0).map_err(io::Error::other)?)
    }
}

/// A transport that counts the requests that arrive.
struct Counting {
    inner: MemoryTransport,
    servers: Arc<BTreeSet<ServerId>>,
    requests: Arc<AtomicU64>,
}

/// A node behind a counter of requests.
struct Counted {
    inbox: Inbox,
    requests: Arc<AtomicU64>,
}

impl Reception for Counted {
    fn deliver(&self, from: ServerId, message: Message, bytes: u64) -> Result<(), Closed> {
        match &message {
            Message::RequestVote(_) | Message::AppendEntries(_) | Message::InstallSnapshot(_) => {
                self.requests.fetch_add(1, Ordering::Relaxed);
            }
            Message::RequestVoteReply(_) | Message::AppendEntriesReply(_) => {}
        }
        self.inbox.deliver(from, message, bytes).map_err(|_| Closed)
    }

    fn deliver_parcel(&self, from: ServerId, parcel: Vec<u8>) -> Result<(), ParcelRefused> {
        self.inbox.deliver_parcel(from, parcel).map_err(|refused| {
            if refused == Refused::Closed {
                return ParcelRefused::Closed;
            }
            ParcelRefused::Garbage(refused.to_string())
        })
    }

    fn hello(&self) -> Vec<u8> {
        self.inbox.hello()
    }

    fn meet(&self, peer: ServerId, hello: Option<&[u8]>) -> Result<(), String> {
        self.inbox.meet(peer, hello).map_err(|refused| refused.to_string())
    }

    fn refused_by(&self, peer: ServerId, why: &str) {
        self.inbox.refused_by(peer, why);
    }

    fn patience(&self) -> Duration {
        self.inbox.patience()
    }
}

impl Transport for Counting {
    fn start(&self, inbox: Inbox) -> Result<(), TransportError> {
        let (id, requests) = (inbox.id(), Arc::clone(&self.requests));
        let counted = Counted { inbox, requests };
        self.inner.start(Inbox::new(id, Arc::clone(&self.servers), counted))
    }

    fn link(&self, peer: ServerId) -> Box<dyn Link> {
        self.inner.link(peer)
    }

    fn parcels(&self, peer: ServerId) -> Option<Box<dyn ParcelLink>> {
        self.inner.parcels(peer)
    }

    fn close(&self) {
        self.inner.close();
    }

    fn join(&self) {
        self.inner.join();
    }

    fn id(&self) -> Option<ServerId> {
        self.inner.id()
    }

    fn cluster(&self) -> Option<&str> {
        self.inner.cluster()
    }

    fn missing(&self, peers: &BTreeSet<ServerId>) -> BTreeSet<ServerId> {
        self.inner.missing(peers)
    }

    fn disconnect(&self, peer: ServerId) {
        self.inner.disconnect(peer);
    }

    fn max_message_bytes(&self) -> Option<usize> {
        self.inner.max_message_bytes()
    }
}
