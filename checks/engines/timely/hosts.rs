//! A search by several processes: sockets, and a handshake.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;

/// The processes of a search, as one of them sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// Where each listens, as `host:port`.
    pub addresses: Vec<String>,
    /// Which of them this process is, from 0.
    pub process: usize,
}

/// Why the processes did not come together.
#[derive(Debug, Error)]
pub enum HostsError {
    /// The list of hosts cannot be used.
    #[error("cannot read the hosts from {}: {problem}", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A connection failed.
    #[error("cannot reach process {process} at {address}: {error}")]
    Connect {
        /// Which process.
        process: usize,
        /// Where it should listen.
        address: String,
        /// What went wrong.
        error: io::Error,
    },
    /// This process cannot listen.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Where.
        address: String,
        /// What went wrong.
        error: io::Error,
    },
    /// The others never came.
    #[error("{missing} of the processes did not connect within {} s", WAIT.as_secs())]
    Missing {
        /// How many.
        missing: usize,
    },
    /// Another process searches something else.
    #[error(
        "process {process} makes another search: the scope, its switches, the number of workers \
         and the program must be the same"
    )]
    OtherSearch {
        /// Which process.
        process: usize,
    },
}

/// How long the processes wait for each other at the start.
const WAIT: Duration = Duration::from_secs(60);
/// A host that vanished without a word is noticed after this long.
const KEEPALIVE: Duration = Duration::from_secs(10);

impl Hosts {
    /// Reads a list of hosts: one `host:port` a line.
    ///
    /// # Errors
    /// When there is no such list, or no such process in it.
    pub fn read(path: &Path, process: usize) -> Result<Hosts, HostsError> {
        let unusable = |problem: String| HostsError::List { path: path.to_owned(), problem };
        let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let addresses: Vec<String> = lines.map(str::to_owned).collect();
        match process < addresses.len() {
            true => Ok(Hosts { addresses, process }),
            false => {
                Err(unusable(format!("there is no process {process} among {}", addresses.len())))
            }
        }
    }

    /// Connects to every other process, and makes sure that all make the same search, named by
    /// `digest`. The socket to oneself is none.
    ///
    /// # Errors
    /// When one cannot be reached, or makes another search.
    pub fn connect(&self, digest: u64) -> Result<Vec<Option<TcpStream>>, HostsError> {
        let deadline = Instant::now() + WAIT;
        let address = &self.addresses[self.process];
        let listen = |error| HostsError::Listen { address: address.clone(), error };
        let listener = TcpListener::bind(address.as_str()).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let mut sockets: Vec<Option<TcpStream>> = (0..self.addresses.len()).map(|_| None).collect();
        // Each connects to those before it, and is connected to by those behind it.
        for (process, address) in self.addresses[..self.process].iter().enumerate() {
            let failed = |error| HostsError::Connect { process, address: address.clone(), error };
            let mut socket = reach(address, deadline).map_err(failed)?;
            self.greet(&mut socket, digest).map_err(failed)?;
            self.check(&mut socket, digest).map_err(failed)?.same_search()?;
            sockets[process] = Some(socket);
        }
        while sockets[self.process + 1..].iter().any(Option::is_none) {
            match listener.accept() {
                Ok((mut socket, _)) => {
                    // Whoever does not speak our language is not one of us.
                    let Ok(greeting) = self.check(&mut socket, digest) else { continue };
                    if self.greet(&mut socket, digest).is_err() {
                        continue;
                    }
                    let process = greeting.same_search()?;
                    if process > self.process && process < sockets.len() {
                        sockets[process] = Some(socket);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if Instant::now() > deadline {
                        let missing = sockets[self.process + 1..].iter().filter(|s| s.is_none());
                        return Err(HostsError::Missing { missing: missing.count() });
                    }
                    thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(listen(error)),
            }
        }
        Ok(sockets)
    }

    fn greet(&self, socket: &mut TcpStream, digest: u64) -> io::Result<()> {
        socket.write_all(MAGIC)?;
        socket.write_all(&digest.to_le_bytes())?;
        socket.write_all(&(self.process as u64).to_le_bytes())
    }

    fn check(&self, socket: &mut TcpStream, digest: u64) -> io::Result<Greeting> {
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
        SockRef::from(&*socket).set_tcp_keepalive(&keepalive)?;
        socket.set_read_timeout(Some(WAIT))?;
        let mut bytes = [[0; 8]; 3];
        for part in &mut bytes {
            socket.read_exact(part)?;
        }
        socket.set_read_timeout(None)?;
        if bytes[0] != *MAGIC {
            return Err(io::Error::other("it speaks another language"));
        }
        let process = u64::from_le_bytes(bytes[2]) as usize;
        Ok(Greeting { process, same: u64::from_le_bytes(bytes[1]) == digest })
    }
}

const MAGIC: &[u8; 8] = b"veraft-1";

/// What another process said first.
struct Greeting {
    process: usize,
    same: bool,
}

impl Greeting {
    fn same_search(self) -> Result<usize, HostsError> {
        match self.same {
            true => Ok(self.process),
            false => Err(HostsError::OtherSearch { process: self.process }),
        }
    }
}

/// Tries until somebody listens.
fn reach(address: &str, deadline: Instant) -> io::Result<TcpStream> {
    loop {
        let found = address.to_socket_addrs().and_then(|mut found| {
            found.next().ok_or_else(|| io::Error::other("the name has no address"))
        });
        match found.and_then(|found| TcpStream::connect_timeout(&found, Duration::from_secs(5))) {
            Ok(socket) => return Ok(socket),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}
