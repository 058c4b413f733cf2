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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use super::*;

    /// The other end of a connection to process 3, and a thread that reads it to the end.
    fn connect() -> (TcpStream, Arc<Lost>, JoinHandle<io::Result<Vec<u8>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        let lost = Lost::new(&[None, Some(socket.try_clone().unwrap())]).unwrap();
        let mut connection = Connection::new(socket, 3, Arc::clone(&lost));
        let read = thread::spawn(move || {
            let mut bytes = Vec::new();
            connection.read_to_end(&mut bytes).map(|_| bytes)
        });
        (other, lost, read)
    }

    /// Waits until the reader came to the end, or gave up and waits for ever.
    fn ended(lost: &Lost, read: JoinHandle<io::Result<Vec<u8>>>) -> Result<Vec<u8>, String> {
        while !read.is_finished() {
            if let Some(why) = lost.why() {
                return Err(why.to_owned());
            }
            thread::yield_now();
        }
        Ok(read.join().unwrap().unwrap())
    }

    #[test]
    fn a_connection_may_end_behind_a_farewell_alone() {
        let said = [&[1, 0, 2][..], &[0; FAREWELL]].concat();
        for (length, whole) in [(said.len(), true), (said.len() - 1, false), (2, false), (0, false)]
        {
            let (mut other, lost, read) = connect();
            // Each byte alone: a farewell may come in parts.
            said[..length].iter().for_each(|byte| other.write_all(&[*byte]).unwrap());
            other.shutdown(Shutdown::Write).unwrap();
            let ended = ended(&lost, read);
            match whole {
                true => assert_eq!(ended.as_deref(), Ok(&said[..])),
                false => assert_eq!(ended.unwrap_err(), "lost process 3"),
            }
        }
    }
}
