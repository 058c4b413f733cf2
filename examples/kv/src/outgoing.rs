//! What goes to a client: it must read, or the connection ends.

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How many bytes a client has to read in a second, once it has been waited for.
const PACE: u64 = 64 * 1024;

/// How much goes to the system at once.
const PIECE: usize = 256 * 1024;

/// The replies of one turn on their way. They stay in memory until the client has taken them, so
/// it has [`Outgoing::PATIENCE`], and the time that they take at a modest pace. What it has taken
/// may lie in buffers of the system, megabytes of it; so at no time may it do nothing for longer
/// than [`Outgoing::PATIENCE`].
pub struct Outgoing<'a> {
    stream: &'a TcpStream,
    began: Instant,
    bytes: u64,
}

impl<'a> Outgoing<'a> {
    pub const PATIENCE: Duration = Duration::from_secs(10);

    pub fn new(stream: &'a TcpStream) -> Outgoing<'a> {
        Outgoing { stream, began: Instant::now(), bytes: 0 }
    }

    /// What goes to the client begins now: there was nothing that it could have read.
    pub fn begin(&mut self) {
        (self.began, self.bytes) = (Instant::now(), 0);
    }
}

impl Write for Outgoing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let earned = Duration::from_secs(self.bytes / PACE);
        let left = (Self::PATIENCE + earned).saturating_sub(self.began.elapsed());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let left = left.clamp(Duration::from_millis(1), Self::PATIENCE);
        self.stream.set_write_timeout(Some(left))?;
        let written = (&*self.stream).write(&bytes[..bytes.len().min(PIECE)])?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
