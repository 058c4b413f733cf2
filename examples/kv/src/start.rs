//! Puts nodes together as the command line asks.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use thiserror::Error;
use veraft::figure2::ServerId;
use veraft::runtime::{
    MemoryNetwork, MemoryStorage, NodeBuilder, StartError, Storage, StorageError, TcpTransport,
    TimingError, Tls, TlsError, TransportError,
};

use crate::clock::Clock;
use crate::files;
use crate::machine::Map;
use crate::options::{self, MIB, Options, Peer};
use crate::request::MAX_REQUEST;
use crate::service::{Listener, Service, Settings};

/// Why nothing was started. The library's errors tell their causes in their `Debug` form.
#[derive(Debug, Error)]
pub enum Refusal {
    #[error("--peer {0} is missing: list every node, this one (--id {0}) too")]
    NotAPeer(u64),
    #[error("--peer {0} is given twice: every node needs an id of its own")]
    Twice(u64),
    #[error("give --data DIR: a node that forgets its log must not take part")]
    NoData,
    #[error("--listen {given}: {what}")]
    Listen { given: String, what: String },
    #[error("--election-ms: {0:?}")]
    Timing(#[from] TimingError),
    #[error("cannot listen for clients on {address}: {source}{}", in_use(source))]
    Clients { address: String, source: io::Error },
    #[error("{0:?}")]
    Tls(#[from] TlsError),
    #[error("{0:?}")]
    Storage(#[from] StorageError),
    #[error("{0:?}")]
    Transport(#[from] TransportError),
    #[error("{0:?}")]
    Start(#[from] StartError),
    #[error("cannot start the thread that accepts clients: {0}")]
    Thread(#[source] io::Error),
}

fn in_use(error: &io::Error) -> &'static str {
    match error.kind() == io::ErrorKind::AddrInUse {
        true => "; is another server running there?",
        false => "",
    }
}

/// Starts the node, or the nodes.
///
/// # Errors
/// When something cannot be had.
pub fn start(options: &Options) -> Result<Vec<Service>, Refusal> {
    match (options.local, options.id) {
        (Some(count), _) => local(options, count),
        (None, Some(id)) => Ok(vec![one(options, ServerId(id))?]),
        (None, None) => unreachable!("the command line has either, where a node is to start"),
    }
}

/// This node of a cluster.
fn one(options: &Options, id: ServerId) -> Result<Service, Refusal> {
    let mut peers: BTreeMap<ServerId, Peer> = BTreeMap::new();
    for peer in &options.peers {
        if peers.insert(peer.id, peer.clone()).is_some() {
            return Err(Refusal::Twice(peer.id.0));
        }
    }
    let own = peers.get(&id).ok_or(Refusal::NotAPeer(id.0))?;
    let (for_clients, for_peers) = match &options.listen {
        None => (own.clients.clone(), own.peers.clone()),
        Some(listen) => listen_at(listen, own)?,
    };
    let listener = bind(&for_clients)?;
    let mut transport = TcpTransport::listen(&options.cluster, id, &for_peers)?;
    for peer in peers.values() {
        transport = transport.peer(peer.id, &peer.peers);
    }
    if let (Some(ca), Some(cert), Some(key)) =
        (&options.tls_ca, &options.tls_cert, &options.tls_key)
    {
        transport = transport.tls(Tls::from_pem_files(ca, cert, key)?);
    }
    let storage = options.storage(options.data.as_ref().ok_or(Refusal::NoData)?)?;
    let mut builder = builder(options, id, peers.keys().copied().collect())?;
    if let Some(file) = &options.record {
        builder = builder.record_to(file);
    }
    tracing::info!(clients = %listener.address(), peers = %transport.address(), "listening");
    let clock = Arc::new(Clock::new(Instant::now()));
    let node = builder.start(storage, transport, Map::new(clock.clone()))?;
    let clients = peers.into_iter().map(|(id, peer)| (id, peer.clients)).collect();
    Service::start(listener, node, clock, settings(options, clients, 1)).map_err(Refusal::Thread)
}

/// A whole cluster in this process.
fn local(options: &Options, count: u16) -> Result<Vec<Service>, Refusal> {
    let first = options.listen.as_deref().unwrap_or("127.0.0.1:6379");
    let wrong = |what: &str| Refusal::Listen { given: first.into(), what: what.into() };
    let first_address: SocketAddr =
        first.parse().map_err(|_| wrong("with --local, give an IP address and a port"))?;
    let ids: BTreeSet<ServerId> = (1..=count.into()).map(ServerId).collect();
    let mut listeners = Vec::new();
    let mut clients = BTreeMap::new();
    for (offset, id) in (0..count).zip(&ids) {
        let port = first_address.port().checked_add(offset);
        let port = port.ok_or_else(|| wrong("the ports end at 65535"))?;
        let listener = bind(&SocketAddr::new(first_address.ip(), port).to_string())?;
        clients.insert(*id, listener.address().to_string());
        tracing::info!(%id, clients = %listener.address(), "listening");
        listeners.push(listener);
    }
    let network = MemoryNetwork::new(0);
    let mut services = Vec::new();
    for (&id, listener) in ids.iter().zip(listeners) {
        let storage: Box<dyn Storage> = match &options.data {
            Some(data) => Box::new(options.storage(&directory(data, id))?),
            None => Box::new(MemoryStorage::new()),
        };
        let builder = builder(options, id, ids.clone())?;
        let clock = Arc::new(Clock::new(Instant::now()));
        let node = builder.start(storage, network.transport(id), Map::new(clock.clone()))?;
        let settings = settings(options, clients.clone(), ids.len());
        let service = Service::start(listener, node, clock, settings);
        services.push(service.map_err(Refusal::Thread)?);
    }
    Ok(services)
}

/// How a service goes that is one of so many in this process.
fn settings(options: &Options, clients: BTreeMap<ServerId, String>, here: usize) -> Settings {
    let max_clients = files::clients(options.max_clients as usize, clients.len(), here);
    Settings { clients, timeout: options.timeout(), idle: options.idle(), max_clients }
}

fn builder(
    options: &Options,
    id: ServerId,
    servers: BTreeSet<ServerId>,
) -> Result<NodeBuilder, Refusal> {
    // What an operation adds to the words of its request: their lengths and its kind.
    let max_command_bytes = MAX_REQUEST + 64 * 1024;
    let builder = NodeBuilder::new(id, servers).cluster(&options.cluster).timing(options.timing()?);
    let builder = builder.compaction(options.compaction()).image_rate(options.image_bytes());
    let builder = builder.scarce_below(options.scarce_below * MIB);
    let builder = builder.full_below(options.full_below * MIB);
    Ok(builder.max_command_bytes(max_command_bytes))
}

fn directory(data: &std::path::Path, id: ServerId) -> PathBuf {
    data.join(id.0.to_string())
}

fn bind(address: &str) -> Result<Listener, Refusal> {
    Listener::bind(address).map_err(|source| Refusal::Clients { address: address.into(), source })
}

/// Where to listen for clients and for peers.
fn listen_at(listen: &str, own: &Peer) -> Result<(String, String), Refusal> {
    let own_port = own.peers.rsplit_once(':').map_or("", |(_, port)| port);
    let (clients, peers) = listen.split_once('@').unwrap_or((listen, own_port));
    let peers = options::behind(clients, peers)
        .map_err(|what| Refusal::Listen { given: listen.into(), what })?;
    Ok((clients.into(), peers))
}
