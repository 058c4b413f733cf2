//! What ends a search by several processes before its end: a process that is lost, or a worker
//! that died.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, OnceLock};
use std::thread;

use timely::communication::allocator::zero_copy::stream::Stream;

/// Why a search cannot be finished, if it cannot.
#[derive(Debug)]
pub struct Lost {
    why: OnceLock<String>,
    sockets: Vec<TcpStream>,
}

impl Lost {
    /// Nothing is lost yet of these connections.
    ///
    /// # Errors
    /// When the system has no handles left.
    pub fn new(sockets: &[Option<TcpStream>]) -> io::Result<Arc<Lost>> {
        let sockets = sockets.iter().flatten().map(TcpStream::try_clone);
        Ok(Arc::new(Lost { why: OnceLock::new(), sockets: sockets.collect::<Result<_, _>>()? }))
    }

    /// Why the search cannot be finished; none if nothing is lost.
    pub fn why(&self) -> Option<&str> {
        self.why.get().map(String::as_str)
    }

    /// The search cannot be finished. The other processes notice, for their connections to this
    /// one end without a farewell.
    pub fn lose(&self, why: String) {
        // Before anybody hears of it: a farewell must not come in between.
        for socket in &self.sockets {
            // It may have ended already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        // The first reason is the reason; the others follow from it.
        let _ = self.why.set(why);
    }
}

/// The connection to another process, for timely's threads.
///
/// Those would panic when a connection ends without a farewell, and the workers with them. So
/// such an end is not shown to them: the search is lost, and the thread waits for the end of the
/// program.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    /// The other process.
    process: usize,
    lost: Arc<Lost>,
    /// How many bytes that were read last are zero.
    zeros: usize,
}

/// timely says farewell with a header of six numbers, all of them zero.
const FAREWELL: usize = 6 * size_of::<u64>();

impl Connection {
    /// The connection to `process`.
    pub fn new(socket: TcpStream, process: usize, lost: Arc<Lost>) -> Connection {
        Connection { socket, process, lost, zeros: 0 }
    }

    fn is_lost(&self) -> ! {
        self.lost.lose(format!("lost process {}", self.process));
        loop {
            thread::park();
        }
    }

    /// What came of reading or writing, unless the connection failed.
    fn unless_lost<T>(&self, result: io::Result<T>) -> io::Result<T> {
        match result {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => self.is_lost(),
            result => result,
        }
    }
}

impl Read for Connection {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        // timely does not try again.
        let read = loop {
            match self.socket.read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break self.unless_lost(result)?,
            }
        };
        if read == 0 && self.zeros < FAREWELL {
            self.is_lost();
        }
        let zeros = bytes[..read].iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros = if zeros == read { self.zeros + zeros } else { zeros };
        Ok(read)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.socket.write(bytes);
        self.unless_lost(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.socket.flush();
        self.unless_lost(result)
    }
}

impl Stream for Connection {
    fn try_clone(&self) -> io::Result<Connection> {
        let socket = self.socket.try_clone()?;
        Ok(Connection::new(socket, self.process, Arc::clone(&self.lost)))
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.unless_lost(self.socket.shutdown(how))
    }
}
