//! Messages over TCP: one connection for each peer and direction, and one more for parcels.
//!
//! A node connects to each peer, says which cluster it belongs to, who it is and whom it
//! expects, and lets the two nodes accept each other; then it only sends, and answers travel on a
//! connection of their own. The first parcel for a peer opens a second connection, with the same
//! first words, so that no message ever waits behind the bytes of an image. Whatever arrives that a peer would not send closes its connection and
//! touches nothing else. The log gets a line of it, but of a flood only the first few and sums.

mod breach;
mod complaints;
mod counters;
mod dialer;
mod frame;
mod handshake;
mod hub;
mod link;
mod listener;
mod messages;
mod parcels;
mod peer;
mod security;
#[cfg(feature = "tls")]
mod tls;

use crate::runtime::std;

use std::boxed::Box;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::string::{String, ToString};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::vec::Vec;

use mio::{Poll, Waker};

use self::complaints::Complaints;
pub use self::counters::{TcpCounters, TcpMetrics};
use self::handshake::Channel;
use self::hub::{Connection, Hub};
use self::link::TcpLink;
use self::parcels::TcpParcels;
use self::security::{Security, Stream};
#[cfg(feature = "tls")]
pub use self::tls::{Tls, TlsError};
use super::{Inbox, Link, ParcelLink, Transport, TransportError};
use crate::figure2::{Message, ServerId};
use crate::runtime::machinery::log;
use crate::runtime::machinery::sync::{Mutex, lock};

/// The longest frame, in bytes, if nothing else is said.
const MAX_FRAME: usize = 16 * 1024 * 1024;

/// How many times a peer's patience it may be silent in TCP before its connection counts as dead,
/// and for how long at least: in a second TCP repeats what was lost three times.
const PATIENCES: u32 = 4;
const SHORTEST: Duration = Duration::from_secs(1);

/// Messages over TCP, for one node.
///
/// Without [`tls`](Self::tls) whoever reaches the address can say that it is a peer, and read
/// and change what travels. What can be done against mistakes is done: another cluster's node, a
/// wrong address and a node that this one does not accept are refused, and a second connection in
/// the name of a peer that is well connected waits until the first one falls silent. But an
/// impostor that comes first keeps the peer out in the same way, and one that repeats a peer's
/// own words passes for it: it can then send any message in its name, which Raft believes. Use
/// TLS, or a network that nobody else reaches.
///
/// Each side of a connection may speak an older version of the protocol by one, so that a cluster
/// can be upgraded node by node.
///
/// ```
/// use veraft::figure2::ServerId;
/// use veraft::runtime::TcpTransport;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = TcpTransport::listen("my cluster", ServerId(1), "127.0.0.1:0")?
///     .peer(ServerId(2), "10.0.0.2:7000")
///     .peer(ServerId(3), "10.0.0.3:7000");
/// println!("peers reach this node at {}", transport.address());
/// # Ok(())
/// # }
/// ```
pub struct TcpTransport {
    shared: Shared,
    addresses: BTreeMap<ServerId, String>,
    /// What is wrong with how peers were listed: an error at the start.
    mistake: Mutex<Option<TransportError>>,
    address: SocketAddr,
    waker: Waker,
    /// What the accepting thread takes over when it starts.
    listener: Mutex<Option<(Poll, mio::net::TcpListener)>>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpTransport")
            .field("id", &self.shared.id)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// What the threads of the transport share.
#[derive(Clone)]
struct Shared {
    id: ServerId,
    cluster: String,
    /// How many bytes a message may have.
    max_frame: usize,
    security: Security,
    /// For how long a peer may leave TCP without an answer, if that was said.
    dead_after: Option<Duration>,
    /// The names that peers prove, where they prove any.
    names: BTreeMap<ServerId, String>,
    /// Tells this life of the node from others; never 0.
    run: u64,
    hub: Arc<Hub>,
    counters: TcpCounters,
    complaints: Arc<Complaints>,
    /// The node, from start to close.
    inbox: Arc<Mutex<Option<Inbox>>>,
}

impl Shared {
    fn inbox(&self) -> Option<Inbox> {
        lock(&self.inbox).clone()
    }

    /// For how long a peer may leave TCP without an answer.
    fn dead_after(&self, inbox: &Inbox) -> Duration {
        self.dead_after.unwrap_or_else(|| SHORTEST.max(inbox.patience() * PATIENCES))
    }

    /// For how long a peer's connection has to be silent before another may take its place. Not
    /// at all where peers prove who they are: then the later one is the peer's own choice. A
    /// leader is never silent for so long, and a peer whose connection broke unnoticed gets in
    /// again before this node loses its patience.
    fn silence(&self, patience: Duration) -> Duration {
        match self.security.is_by_name() {
            true => Duration::ZERO,
            false => patience / 2,
        }
    }

    /// Lets an incoming connection that says it is `peer` wait, for a short time, while another
    /// one of that peer is alive; whether it is its turn then.
    fn waits_its_turn(
        &self,
        connection: Connection,
        channel: Channel,
        peer: ServerId,
        patience: Duration,
    ) -> bool {
        self.hub.is_free(connection, channel, peer, self.silence(patience))
    }

    /// Whether the other end of `stream` is `peer`, as far as can be told.
    fn proves(&self, stream: &dyn Stream, peer: ServerId) -> bool {
        let goes_by = |name: &String| stream.goes_by(name);
        !self.security.is_by_name() || self.names.get(&peer).is_some_and(goes_by)
    }
}

impl TcpTransport {
    /// Listens at `address` (`host:port`; port 0 for any) for the peers of server `id` of the
    /// cluster with that name. Connections wait until the node starts.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn listen(
        cluster: &str,
        id: ServerId,
        address: &str,
    ) -> Result<TcpTransport, TransportError> {
        let bind = || -> io::Result<TcpTransport> {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            let poll = Poll::new()?;
            let waker = Waker::new(poll.registry(), listener::WAKE)?;
            let listener = mio::net::TcpListener::from_std(listener);
            Ok(TcpTransport {
                shared: Shared {
                    id,
                    cluster: cluster.to_string(),
                    max_frame: MAX_FRAME,
                    security: Security::default(),
                    dead_after: None,
                    names: BTreeMap::new(),
                    run: rand::random_range(1..=u64::MAX),
                    hub: Arc::default(),
                    counters: TcpCounters::default(),
                    complaints: Arc::default(),
                    inbox: Arc::default(),
                },
                addresses: BTreeMap::new(),
                mistake: Mutex::new(None),
                address,
                waker,
                listener: Mutex::new(Some((poll, listener))),
                acceptor: Mutex::new(None),
            })
        };
        bind().map_err(|source| TransportError::Listen { address: address.to_string(), source })
    }

    /// Where `peer` listens: `host:port`. A name is looked up at every attempt to connect. A peer
    /// that is listed twice, at different addresses, is an error at the start, and so is an
    /// address without a port.
    #[must_use]
    pub fn peer(mut self, peer: ServerId, address: impl ToString) -> Self {
        let address = address.to_string();
        let first = self.addresses.entry(peer).or_insert_with(|| address.clone());
        if *first != address {
            self.mistake = Mutex::new(Some(TransportError::ListedTwice {
                peer,
                first: first.clone(),
                second: address,
            }));
            return self;
        }
        let Some(host) = host(&address) else {
            self.mistake = Mutex::new(Some(TransportError::NoAddress { peer, address }));
            return self;
        };
        self.shared.names.entry(peer).or_insert_with(|| host.to_string());
        self
    }

    /// The name (or IP address) in the certificate of `peer`, with [`tls`](Self::tls); the host
    /// of its address otherwise.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn peer_name(mut self, peer: ServerId, name: impl ToString) -> Self {
        self.shared.names.insert(peer, name.to_string());
        self
    }

    /// The longest message that is sent or accepted, in bytes, its entries' terms and lengths
    /// included (16 MiB otherwise, of which [`max_message_bytes`](Transport::max_message_bytes)
    /// says how many are for commands). The same on all nodes. At most 4 GiB.
    #[must_use]
    pub fn max_frame_bytes(mut self, bytes: usize) -> Self {
        self.shared.max_frame = bytes;
        self
    }

    /// How long a peer's system may leave bytes unacknowledged, or keep-alive unanswered, before its
    /// connection counts as dead and is made anew (four times the node's shortest election timeout
    /// otherwise, at least a second). An idle connection is found dead after half as long again and
    /// two seconds at most, because its probes are counted in seconds. Where the network loses much, or has round trips
    /// of seconds, give more. Connections for images have at least ten seconds: a slow disk may keep
    /// them waiting.
    ///
    /// A peer that comes back, at whatever address its name leads to then, is not waited for: its
    /// own connection to this node has this one dial anew.
    #[must_use]
    pub fn dead_after(mut self, time: Duration) -> Self {
        self.shared.dead_after = Some(time.max(Duration::from_millis(1)));
        self
    }

    /// Protects every connection with mutual TLS. Each server then needs a name of its own: see
    /// [`Tls`]. With it nobody else reads or changes what travels, and nobody without a peer's
    /// key passes for that peer; without it, see [above](TcpTransport). What it does not change:
    /// a peer that was taken over is a peer.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.shared.security = Security::Tls(tls);
        self
    }

    /// What happens at the port, for whoever wants to watch it. Keep it: the transport itself
    /// goes to the node.
    pub fn counters(&self) -> TcpCounters {
        self.shared.counters.clone()
    }

    /// Refuses peers listed wrongly, and two that prove the same name: each could pass for the
    /// other.
    fn check_peers(&self) -> Result<(), TransportError> {
        if let Some(mistake) = lock(&self.mistake).take() {
            return Err(mistake);
        }
        let mut owners: BTreeMap<&str, ServerId> = BTreeMap::new();
        for (&peer, name) in self.shared.names.iter().filter(|_| self.shared.security.is_by_name())
        {
            if let Some(other) = owners.insert(name, peer) {
                return Err(TransportError::SameName {
                    one: other,
                    other: peer,
                    name: name.clone(),
                });
            }
        }
        Ok(())
    }

    /// Where this node listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The host in `host:port`; none if it is no such thing.
fn host(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)).then_some(host)
}

impl Transport for TcpTransport {
    fn start(&self, inbox: Inbox) -> Result<(), TransportError> {
        self.check_peers()?;
        let taken = lock(&self.listener).take();
        let Some((poll, listener)) = taken else { return Ok(()) };
        *lock(&self.shared.inbox) = Some(inbox.clone());
        let shared = Arc::new(self.shared.clone());
        let span = tracing::Span::current();
        let run = move || {
            let _entered = span.entered();
            if let Err(error) = listener::run(poll, listener, &shared, &inbox) {
                log::error!(%error, "no more connections are accepted");
            }
        };
        let acceptor = thread::Builder::new().name("listener".into()).spawn(run);
        *lock(&self.acceptor) = Some(acceptor.map_err(TransportError::Thread)?);
        Ok(())
    }

    fn link(&self, peer: ServerId) -> Box<dyn Link> {
        match self.addresses.get(&peer) {
            Some(address) => {
                let shared = Arc::new(self.shared.clone());
                Box::new(TcpLink::new(shared, peer, address.clone()))
            }
            None => {
                log::error!(%peer, "no address: nothing will be sent there");
                Box::new(NoAddress)
            }
        }
    }

    fn parcels(&self, peer: ServerId) -> Option<Box<dyn ParcelLink>> {
        let address = self.addresses.get(&peer)?;
        Some(Box::new(TcpParcels::new(Arc::new(self.shared.clone()), peer, address.clone())))
    }

    fn max_message_bytes(&self) -> Option<usize> {
        Some(messages::room_for_commands(self.shared.max_frame))
    }

    fn id(&self) -> Option<ServerId> {
        Some(self.shared.id)
    }

    fn cluster(&self) -> Option<&str> {
        Some(&self.shared.cluster)
    }

    fn missing(&self, peers: &BTreeSet<ServerId>) -> BTreeSet<ServerId> {
        peers.iter().copied().filter(|peer| !self.addresses.contains_key(peer)).collect()
    }

    fn disconnect(&self, peer: ServerId) {
        self.shared.hub.disconnect(peer);
    }

    fn close(&self) {
        self.shared.hub.close();
        let gone = lock(&self.shared.inbox).take();
        drop(gone);
        if let Err(error) = self.waker.wake() {
            log::error!(%error, "cannot wake the thread that accepts connections");
        }
    }

    fn join(&self) {
        let acceptor = lock(&self.acceptor).take();
        if acceptor.is_some_and(|acceptor| acceptor.join().is_err()) {
            log::error!("the listener of the TCP transport panicked");
        }
        self.shared.hub.join();
    }
}

/// The way to a peer whose address nobody gave.
struct NoAddress;

impl Link for NoAddress {
    fn send(&mut self, _messages: Vec<Message>) -> u64 {
        0
    }
}
