//! The service of one node: one thread accepts clients, each client has a thread.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use mio::{Events, Interest, Poll, Token, Waker};
use veraft::figure2::ServerId;
use veraft::runtime::Node;

use crate::budget::Budget;
use crate::client::{self, Client, Ended};
use crate::clock::Clock;
use crate::connections::{Connections, Place};
use crate::lane::Lane;
use crate::operation::Answer;
use crate::pool::Pools;
use crate::saves::Saves;
use crate::ticker::Ticker;

/// How many bytes of values the replies under way may hold, and how many the large requests that
/// arrive or wait for their turn; in memory, a request is there twice or three times. More wait.
const REPLIES: usize = 64 * 1024 * 1024;
const REQUESTS: usize = 16 * 1024 * 1024;

/// How long a shutdown waits for the answers to what clients have asked.
const GRACE: Duration = Duration::from_secs(1);

/// How long to wait when the system has no more sockets to give.
const EXHAUSTED: Duration = Duration::from_millis(100);

const ACCEPT: Token = Token(0);
const WAKE: Token = Token(1);

/// What the threads of a service share.
pub struct Shared {
    pub node: Node<Answer>,
    pub clock: Arc<Clock>,
    /// Where each node listens for clients.
    pub clients: BTreeMap<ServerId, String>,
    /// How long a command may take.
    pub timeout: Duration,
    /// How long a client may send nothing; for ever if none is given.
    pub idle: Option<Duration>,
    pub started: Instant,
    pub address: SocketAddr,
    pub lane: Lane,
    pub pools: Pools,
    pub replies: Budget,
    pub requests: Budget,
    pub connections: Connections,
    pub saves: Saves,
    closed: AtomicBool,
}

/// What a service is started with.
pub struct Settings {
    pub clients: BTreeMap<ServerId, String>,
    pub timeout: Duration,
    pub idle: Option<Duration>,
    pub max_clients: usize,
}

/// A listener for clients, that no node stands behind yet.
pub struct Listener {
    listener: mio::net::TcpListener,
    address: SocketAddr,
}

impl Listener {
    pub fn bind(address: &str) -> io::Result<Listener> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Listener { listener: mio::net::TcpListener::from_std(listener), address })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A running service.
pub struct Service {
    shared: Arc<Shared>,
    waker: Waker,
    acceptor: JoinHandle<()>,
    ticker: Ticker,
}

impl Service {
    pub fn start(
        listener: Listener,
        node: Node<Answer>,
        clock: Arc<Clock>,
        settings: Settings,
    ) -> io::Result<Service> {
        let Settings { clients, timeout, idle, max_clients } = settings;
        let Listener { mut listener, address } = listener;
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        poll.registry().register(&mut listener, ACCEPT, Interest::READABLE)?;
        let shared = Arc::new(Shared {
            node,
            clock,
            connections: Connections::new(max_clients, clients.len()),
            clients,
            timeout,
            idle,
            started: Instant::now(),
            address,
            lane: Lane::default(),
            pools: Pools::default(),
            replies: Budget::new(REPLIES),
            requests: Budget::new(REQUESTS),
            saves: Saves::new(SystemTime::now()),
            closed: AtomicBool::new(false),
        });
        let span = tracing::info_span!("kv", id = %shared.node.id());
        let accepting = shared.clone();
        let acceptor = thread::Builder::new().name("accept".into()).spawn(move || {
            let _entered = span.entered();
            if let Err(error) = accept(poll, &listener, &accepting) {
                tracing::error!(%error, "no more clients are accepted");
            }
        })?;
        let ticker = Ticker::start(shared.clone())?;
        Ok(Service { shared, waker, acceptor, ticker })
    }

    pub fn node(&self) -> &Node<Answer> {
        &self.shared.node
    }

    /// Answers what clients have asked, if that is soon done; then stops the node.
    pub fn stop(self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "cannot wake the thread that accepts clients");
        } else if self.acceptor.join().is_err() {
            tracing::error!("the thread that accepts clients panicked");
        }
        self.ticker.stop();
        self.shared.connections.shut_down(Shutdown::Read);
        let give_up = Instant::now() + GRACE;
        while self.shared.connections.all() > 0 && Instant::now() < give_up {
            thread::sleep(Duration::from_millis(5));
        }
        self.shared.node.shutdown();
        let threads = self.shared.connections.take_threads();
        self.shared.connections.shut_down(Shutdown::Both);
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("the thread of a client panicked");
            }
        }
    }
}

fn accept(
    mut poll: Poll,
    listener: &mio::net::TcpListener,
    shared: &Arc<Shared>,
) -> io::Result<()> {
    let mut events = Events::with_capacity(16);
    while !shared.closed.load(Ordering::Relaxed) {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        loop {
            match listener.accept() {
                Ok((stream, address)) => {
                    match welcome(stream.into(), address, shared) {
                        Ok(()) => {}
                        // Told to the client; thousands of them are not worth as many lines.
                        Err(error @ Ended::Full) => {
                            tracing::debug!(%address, %error, "client refused");
                        }
                        Err(error) => tracing::warn!(%address, %error, "client refused"),
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client");
                    thread::sleep(EXHAUSTED);
                    if shared.closed.load(Ordering::Relaxed) {
                        break;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Gives a new client a thread.
fn welcome(stream: TcpStream, address: SocketAddr, shared: &Arc<Shared>) -> Result<(), Ended> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    let stream = Arc::new(stream);
    let Some(place) = Place::take(shared, &stream) else {
        client::refuse(&stream, client::FULL)?;
        return Err(Ended::Full);
    };
    let span = tracing::Span::current();
    let shared = shared.clone();
    let connections = shared.clone();
    let serve = move || {
        let _entered = span.entered();
        match Client::new(&stream, &shared, &place).serve() {
            Ok(()) => tracing::debug!(%address, "client gone"),
            Err(error @ Ended::Full) => tracing::debug!(%address, %error, "client refused"),
            Err(error) => tracing::warn!(%address, %error, "client disconnected"),
        }
    };
    // A thread that does not start drops the place, and with it the connection.
    let thread = thread::Builder::new().name("client".into()).spawn(serve)?;
    connections.connections.add_thread(thread);
    Ok(())
}
