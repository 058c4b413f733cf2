//! openraft on tokio, with nodes that call each other, and a file to append to.

mod log;
mod machine;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt, TryStreamExt};
use openraft::alias::{SnapshotOf, VoteOf};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::impls::{
    BoxedErrorSource, InlineBatch, OneshotResponder, TokioRuntime, Vote, leader_id_std,
};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, VoteRequest,
    VoteResponse,
};
use openraft::vote::RaftLeaderId;
use openraft::{
    Config, Entry, EntryPayload, OptionalSend, Raft, RaftNetworkFactory, RaftNetworkV2,
    RaftTypeConfig, SnapshotPolicy,
};
use tokio::runtime::{Builder, Runtime};

use self::log::Log;
use self::machine::Count;
use crate::side::{BROKEN, Cluster, Commands, ELECTION, HEARTBEAT, Side, Store};

pub const SIDE: Side = Side { name: "openraft", start };

/// As openraft's own benchmark has it; by default it is 300.
const MAX_MESSAGE: u64 = 1024;

/// A command; each copy is the same bytes.
#[derive(Clone, Debug)]
struct Command(Arc<[u8]>);

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd)]
struct Types;

impl RaftTypeConfig for Types {
    type D = Command;
    type R = u64;
    type NodeId = u64;
    type Node = ();
    type Term = u64;
    type LeaderId = leader_id_std::LeaderId<u64, u64>;
    type Vote = Vote<Self::LeaderId>;
    type Payload = EntryPayload<Command, u64, ()>;
    type Entry = Entry<<Self::LeaderId as RaftLeaderId>::Committed, Self::Payload>;
    type AsyncRuntime = TokioRuntime;
    type Responder<T>
        = OneshotResponder<Self, T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = BoxedErrorSource;
}

type Node = Raft<Types, Count>;

/// All nodes, once they are there.
#[derive(Clone, Default)]
struct Network(Arc<Mutex<BTreeMap<u64, Node>>>);

/// The way to one node.
struct Way(Node);

impl RaftNetworkFactory<Types> for Network {
    type Network = Way;

    async fn new_client(&mut self, target: u64, (): &()) -> Way {
        Way(self.0.lock().unwrap()[&target].clone())
    }
}

fn unreachable(error: impl std::error::Error + 'static) -> RPCError<Types> {
    RPCError::Unreachable(Unreachable::new(&error))
}

impl RaftNetworkV2<Types> for Way {
    type SnapshotData = ();

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        self.0.append_entries(rpc).await.map_err(unreachable)
    }

    /// The next request need not wait for the answer to the last one.
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<
        's,
        Result<BoxStream<'s, Result<StreamAppendResult<Types>, RPCError<Types>>>, RPCError<Types>>,
    >
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let answers = self.0.stream_append(input).map_err(unreachable).boxed();
        Box::pin(async move { Ok(answers) })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.0.vote(rpc).await.map_err(unreachable)
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<Types>,
        snapshot: SnapshotOf<Types, ()>,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let installed = self.0.install_full_snapshot(vote, snapshot).await;
        installed.map_err(|error| StreamingError::Unreachable(Unreachable::new(&error)))
    }
}

struct Openraft {
    runtime: Runtime,
    nodes: Vec<Node>,
    leader: Node,
    commands: Commands,
}

fn start(store: &Store) -> Box<dyn Cluster> {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let milliseconds = |time: Duration| time.as_millis() as u64;
    let config = Config {
        election_timeout_min: milliseconds(ELECTION.0),
        election_timeout_max: milliseconds(ELECTION.1),
        heartbeat_interval: milliseconds(HEARTBEAT),
        max_payload_entries: MAX_MESSAGE,
        snapshot_policy: SnapshotPolicy::Never,
        ..Config::default()
    };
    let config = Arc::new(config.validate().unwrap());
    let network = Network::default();
    let nodes: Vec<Node> = runtime.block_on(async {
        let mut nodes = Vec::new();
        for id in 1..=3 {
            let log = Log::open(store, id);
            let node = Raft::new(id, config.clone(), network.clone(), log, Count::default());
            nodes.push(node.await.unwrap());
        }
        *network.0.lock().unwrap() = (1..).zip(nodes.iter().cloned()).collect();
        nodes[0].initialize(BTreeMap::from([1, 2, 3].map(|id| (id, ())))).await.unwrap();
        nodes
    });
    let leader = runtime.block_on(async {
        let give_up = Instant::now() + BROKEN;
        loop {
            assert!(Instant::now() < give_up, "no leader");
            for (id, node) in (1..).zip(&nodes) {
                let leads = node.current_leader().await == Some(id);
                if leads && node.client_write(Command(Arc::from(&b"first"[..]))).await.is_ok() {
                    return node.clone();
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    Box::new(Openraft { runtime, nodes, leader, commands: Commands::default() })
}

impl Cluster for Openraft {
    fn load(&mut self, in_flight: usize, time: Duration) -> Vec<Duration> {
        let (leader, mut commands) = (self.leader.clone(), mem::take(&mut self.commands));
        // On a worker, for what runs elsewhere has to wake it over and over.
        let client = self.runtime.spawn(async move {
            let (start, mut flying) = (Instant::now(), VecDeque::new());
            let mut latencies = Vec::new();
            loop {
                while flying.len() < in_flight && start.elapsed() < time {
                    let (since, command) = (Instant::now(), Command(commands.next().into()));
                    let (responder, answer) = OneshotResponder::new_pair();
                    leader.client_write_ff(command, Some(responder)).await.unwrap();
                    flying.push_back((since, answer));
                }
                let Some((since, oldest)) = flying.pop_front() else {
                    return (commands, latencies);
                };
                let answered = tokio::time::timeout(BROKEN, oldest).await.unwrap();
                answered.unwrap().unwrap();
                latencies.push(since.elapsed());
            }
        });
        let (commands, latencies) = self.runtime.block_on(client).unwrap();
        self.commands = commands;
        latencies
    }
}

impl Drop for Openraft {
    fn drop(&mut self) {
        let nodes = &self.nodes;
        self.runtime.block_on(async {
            for node in nodes {
                node.shutdown().await.unwrap();
            }
        });
    }
}
