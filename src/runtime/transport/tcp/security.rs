//! A stream in the clear or under TLS, behind one type.

use crate::runtime::std;

use std::boxed::Box;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};

use super::breach::Breach;
use super::handshake::Channel;

/// How long a handshake may take, that of TLS included.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(2);

/// How long a peer may keep a write waiting before the connection counts as dead: one of
/// messages, and one of parcels, which a slow disk may keep waiting.
const PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE_FOR_PARCELS: Duration = Duration::from_secs(10);

/// How many bytes the system holds of a connection at most that it has yet to send.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT: u32 = 128 * 1024;

/// How many bytes of parcels the system holds at most, where it cannot tell those that it has
/// sent from those that it has yet to send.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
const UNACKNOWLEDGED: usize = 256 * 1024;

/// A connection's stream.
pub(super) trait Stream: Read + Write + Send {
    /// Whether the other end has proved, by now, that it goes by `name`. In the clear, whoever
    /// speaks is believed.
    fn goes_by(&self, name: &str) -> bool;

    /// The socket, if bytes may be written to it as they are.
    fn socket(&self) -> Option<&TcpStream>;

    /// The handshake is over: from now on a read waits for as long as it likes, each write has a
    /// time of its own, and the connection is dead once the system at the other end was silent
    /// for `dead_after`.
    ///
    /// # Errors
    /// When the system refuses.
    fn settle(&mut self, channel: Channel, dead_after: Duration) -> io::Result<()>;
}

/// A socket in whose handshake all reads and writes together have one deadline: whoever says one
/// byte now and then gains nothing.
pub(super) struct Socket {
    stream: TcpStream,
    deadline: Option<Instant>,
}

impl Socket {
    /// A socket in its handshake, which begins now.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        bound_unsent(&stream)?;
        Ok(Socket { stream, deadline: Some(Instant::now() + HANDSHAKE) })
    }

    /// Gives the next read or write the time that is left.
    fn hurry(&self) -> io::Result<()> {
        let Some(deadline) = self.deadline else { return Ok(()) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.set_write_timeout(Some(left))
    }

    pub(super) fn settle(&mut self, channel: Channel, dead_after: Duration) -> io::Result<()> {
        self.deadline = None;
        self.stream.set_read_timeout(None)?;
        match channel {
            Channel::Messages => {
                notice_death(&self.stream, dead_after)?;
                self.stream.set_write_timeout(Some(PATIENCE.max(dead_after)))
            }
            Channel::Parcels => {
                #[cfg(not(any(target_os = "android", target_os = "linux")))]
                SockRef::from(&self.stream).set_send_buffer_size(UNACKNOWLEDGED)?;
                let patience = PATIENCE_FOR_PARCELS.max(dead_after);
                notice_death(&self.stream, patience)?;
                self.stream.set_write_timeout(Some(patience))
            }
        }
    }
}

/// Keeps the system from taking megabytes that it cannot send yet: what is written later and
/// urgent would wait behind them. Where it has no such option, that wait is longer.
fn bound_unsent(stream: &TcpStream) -> io::Result<()> {
    #[cfg(any(target_os = "android", target_os = "linux"))]
    SockRef::from(stream).set_tcp_notsent_lowat(UNSENT)?;
    let _ = stream;
    Ok(())
}

/// Has the system end the connection once the other end's was silent for `time`: it neither
/// acknowledges what was sent nor, where nothing is sent, answers probes. Those are counted in
/// seconds, and come from half of the time on.
fn notice_death(stream: &TcpStream, time: Duration) -> io::Result<()> {
    let in_seconds =
        |time: Duration| Duration::from_secs(time.as_secs_f64().ceil().max(1.0) as u64);
    let probes = TcpKeepalive::new().with_time(in_seconds(time / 2));
    #[cfg(any(target_os = "android", target_os = "linux", target_os = "macos", windows))]
    let probes = probes.with_interval(in_seconds(time / 4)).with_retries(2);
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(any(target_os = "android", target_os = "linux"))]
    socket.set_tcp_user_timeout(Some(time))?;
    Ok(())
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.hurry()?;
        self.stream.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hurry()?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Stream for Socket {
    fn goes_by(&self, _name: &str) -> bool {
        true
    }

    fn socket(&self) -> Option<&TcpStream> {
        Some(&self.stream)
    }

    fn settle(&mut self, channel: Channel, dead_after: Duration) -> io::Result<()> {
        Socket::settle(self, channel, dead_after)
    }
}

/// How connections are protected.
#[derive(Clone, Default)]
pub(super) enum Security {
    /// Not at all: anybody who reaches the address can take part.
    #[default]
    Plain,
    /// By mutual TLS.
    #[cfg(feature = "tls")]
    Tls(super::tls::Tls),
}

impl Security {
    /// Whether peers prove who they are, by their names.
    pub(super) fn is_by_name(&self) -> bool {
        match self {
            Security::Plain => false,
            #[cfg(feature = "tls")]
            Security::Tls(_) => true,
        }
    }

    /// Protects a connection that this node opened to a peer that goes by `name`.
    pub(super) fn connect(&self, stream: TcpStream, name: &str) -> Result<Box<dyn Stream>, Breach> {
        let socket = Socket::new(stream)?;
        match self {
            Security::Plain => {
                let _ = name;
                Ok(Box::new(socket))
            }
            #[cfg(feature = "tls")]
            Security::Tls(tls) => tls.connect(socket, name),
        }
    }

    /// Protects a connection that this node accepted.
    pub(super) fn accept(&self, stream: TcpStream) -> Result<Box<dyn Stream>, Breach> {
        let socket = Socket::new(stream)?;
        match self {
            Security::Plain => Ok(Box::new(socket)),
            #[cfg(feature = "tls")]
            Security::Tls(tls) => tls.accept(socket),
        }
    }
}

#[cfg(all(test, target_os = "linux", not(veraft_shuttle)))]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn both_ends_notice_a_system_that_is_silent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dialed = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let accepted = listener.accept().unwrap().0;
        let cases = [
            (Channel::Messages, Duration::from_millis(1500), Duration::from_millis(1500), [1, 1]),
            (Channel::Messages, Duration::from_secs(20), Duration::from_secs(20), [10, 5]),
            (Channel::Parcels, Duration::from_secs(1), PATIENCE_FOR_PARCELS, [5, 3]),
        ];
        for (channel, dead_after, expected, probes) in cases {
            for stream in [&dialed, &accepted] {
                let mut socket = Socket::new(stream.try_clone().unwrap()).unwrap();
                socket.settle(channel, dead_after).unwrap();
                let set = SockRef::from(stream);
                assert_eq!(set.tcp_user_timeout().unwrap(), Some(expected));
                assert!(set.keepalive().unwrap());
                let times = [set.tcp_keepalive_time(), set.tcp_keepalive_interval()];
                assert_eq!(times.map(Result::unwrap), probes.map(Duration::from_secs));
            }
        }
    }
}
