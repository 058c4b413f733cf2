//! The service of one node: one thread accepts clients, each client has a thread.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token, Waker};
use veraft::figure2::ServerId;
use veraft::runtime::Node;

use crate::client;
use crate::machine::Answer;

/// How many clients may be connected at once; each has a thread.
const MAX_CLIENTS: usize = 4096;

/// How long a shutdown waits for the answers to what clients have asked.
const GRACE: Duration = Duration::from_secs(1);

/// How long to wait when the system has no more sockets to give.
const EXHAUSTED: Duration = Duration::from_millis(100);

const ACCEPT: Token = Token(0);
const WAKE: Token = Token(1);

/// What the threads of a service share.
pub struct Shared {
    pub node: Node<Answer>,
    /// Where each node listens for clients.
    pub clients: BTreeMap<ServerId, String>,
    /// How long a command may take.
    pub timeout: Duration,
    pub started: Instant,
    pub address: SocketAddr,
    closed: AtomicBool,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    next: u64,
    open: BTreeMap<u64, TcpStream>,
    threads: Vec<JoinHandle<()>>,
}

impl Shared {
    pub fn connected_clients(&self) -> usize {
        self.connections().open.len()
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        // A count, a map and a list: whole at every point where a thread can die.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
}

impl Service {
    pub fn start(
        listener: Listener,
        node: Node<Answer>,
        clients: BTreeMap<ServerId, String>,
        timeout: Duration,
    ) -> io::Result<Service> {
        let Listener { mut listener, address } = listener;
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        poll.registry().register(&mut listener, ACCEPT, Interest::READABLE)?;
        let shared = Arc::new(Shared {
            node,
            clients,
            timeout,
            started: Instant::now(),
            address,
            closed: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let span = tracing::info_span!("kv", id = %shared.node.id());
        let accepting = shared.clone();
        let acceptor = thread::Builder::new().name("accept".into()).spawn(move || {
            let _entered = span.entered();
            if let Err(error) = accept(poll, &listener, &accepting) {
                tracing::error!(%error, "no more clients are accepted");
            }
        })?;
        Ok(Service { shared, waker, acceptor })
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
        for stream in self.shared.connections().open.values() {
            // A client that is gone already is what is wanted.
            let _ = stream.shutdown(Shutdown::Read);
        }
        let give_up = Instant::now() + GRACE;
        while self.shared.connected_clients() > 0 && Instant::now() < give_up {
            thread::sleep(Duration::from_millis(5));
        }
        self.shared.node.shutdown();
        let threads = std::mem::take(&mut self.shared.connections().threads);
        for stream in self.shared.connections().open.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
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
                    if let Err(error) = welcome(stream.into(), address, shared) {
                        tracing::warn!(%address, %error, "client refused");
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
fn welcome(stream: TcpStream, address: SocketAddr, shared: &Arc<Shared>) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    if shared.connected_clients() >= MAX_CLIENTS {
        client::refuse(stream, "ERR max number of clients reached")?;
        return Err(io::Error::other(format!("{MAX_CLIENTS} are connected")));
    }
    let clone = stream.try_clone()?;
    let mut connections = shared.connections();
    connections.threads.retain(|thread| !thread.is_finished());
    let connection = connections.next;
    connections.next += 1;
    connections.open.insert(connection, clone);
    drop(connections);
    let guard = Guard { shared: shared.clone(), connection };
    let span = tracing::Span::current();
    let serve = move || {
        let _entered = span.entered();
        let Guard { shared, .. } = &guard;
        match client::serve(&stream, shared) {
            Ok(()) => tracing::debug!(%address, "client gone"),
            Err(error) => tracing::warn!(%address, %error, "client disconnected"),
        }
    };
    // A thread that does not start drops the guard, and with it the connection.
    let thread = thread::Builder::new().name("client".into()).spawn(serve)?;
    shared.connections().threads.push(thread);
    Ok(())
}

/// Forgets a connection when its thread ends, also by a panic.
struct Guard {
    shared: Arc<Shared>,
    connection: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(stream) = self.shared.connections().open.remove(&self.connection) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
