//! The connection on which a node forwards its clients' operations to the leader.
//!
//! A follower forwards, rather than answer with `MOVED`: every client then works with any node
//! of the cluster. `MOVED` is followed by `redis-cli -c` and by libraries in cluster mode alone,
//! and those first ask for a map of slots; all else shows it to the user as an error.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use redis_protocol::resp2::decode::decode;
use veraft::figure2::ServerId;

use crate::command::FORWARDED;
use crate::execute::Outcome;
use crate::machine::{Condition, Operation};
use crate::reply::{self, Frame, NOT_LEADER};

/// How long to wait for a connection to be accepted.
const CONNECT: Duration = Duration::from_millis(500);

/// How many bytes of requests are under way before their replies are read. They fit into the
/// buffers of the system, so that the two ends never wait for each other.
const WINDOW: usize = 64 * 1024;

/// A connection to a node that leads, or did so a moment ago.
pub struct Upstream {
    pub leader: ServerId,
    stream: TcpStream,
    /// What arrived and was not taken yet.
    buffer: Vec<u8>,
}

impl Upstream {
    /// Connects to the leader, which then knows that it must not forward in turn.
    pub fn connect(leader: ServerId, address: &str, deadline: Instant) -> io::Result<Upstream> {
        let mut last = io::Error::new(ErrorKind::NotFound, "the host has no address");
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, left(deadline)?.min(CONNECT)) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    let mut upstream = Upstream { leader, stream, buffer: Vec::new() };
                    upstream.stream.set_write_timeout(Some(left(deadline)?))?;
                    upstream.stream.write_all(&encode(&[FORWARDED.as_bytes()])?)?;
                    return match upstream.receive(deadline)? {
                        frame if frame == reply::ok() => Ok(upstream),
                        other => Err(io::Error::other(format!("not a node: {other:?}"))),
                    };
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Whether the other end has not closed the connection while it was idle.
    pub fn is_alive(&self) -> bool {
        let peek = || {
            self.stream.set_nonblocking(true)?;
            let peeked = self.stream.peek(&mut [0]);
            self.stream.set_nonblocking(false)?;
            peeked
        };
        matches!(peek(), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Runs operations on the leader. An outcome for each that was answered, and how the
    /// connection ended if it did.
    pub fn run(
        &mut self,
        operations: &[&Operation],
        deadline: Instant,
    ) -> (Vec<Outcome>, Result<(), Broken>) {
        let mut outcomes = Vec::new();
        while outcomes.len() < operations.len() {
            if let Err(broken) = self.window(operations, &mut outcomes, deadline) {
                return (outcomes, Err(broken));
            }
        }
        (outcomes, Ok(()))
    }

    /// Sends as many operations as a window holds, then takes their replies.
    fn window(
        &mut self,
        operations: &[&Operation],
        outcomes: &mut Vec<Outcome>,
        deadline: Instant,
    ) -> Result<(), Broken> {
        let unsent = |error| Broken { error, sent: outcomes.len() };
        let mut bytes = Vec::new();
        let mut sent = outcomes.len();
        for operation in &operations[outcomes.len()..] {
            let request = encode(&words(operation)).map_err(unsent)?;
            if !bytes.is_empty() && bytes.len() + request.len() > WINDOW {
                break;
            }
            bytes.extend(request);
            sent += 1;
        }
        let left = left(deadline).map_err(unsent)?;
        self.stream.set_write_timeout(Some(left)).map_err(unsent)?;
        let broken = |error| Broken { error, sent };
        self.stream.write_all(&bytes).map_err(broken)?;
        while outcomes.len() < sent {
            let frame = self.receive(deadline).map_err(broken)?;
            outcomes.push(match &frame {
                Frame::Error(text) => match text.strip_prefix(NOT_LEADER) {
                    Some(reason) => Outcome::NotExecuted(reason.trim_start().into()),
                    None => Outcome::Done(frame),
                },
                Frame::SimpleString(_)
                | Frame::Integer(_)
                | Frame::BulkString(_)
                | Frame::Array(_)
                | Frame::Null => Outcome::Done(frame),
            });
        }
        Ok(())
    }

    fn receive(&mut self, deadline: Instant) -> io::Result<Frame> {
        loop {
            if let Some((frame, bytes)) = decode(&self.buffer).map_err(io::Error::other)? {
                self.buffer.drain(..bytes);
                return Ok(frame);
            }
            self.stream.set_read_timeout(Some(left(deadline)?))?;
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => self.buffer.extend(&bytes[..count]),
            }
        }
    }
}

/// How a connection to the leader ended.
pub struct Broken {
    pub error: io::Error,
    /// How many operations may have reached the leader, those with an outcome included.
    pub sent: usize,
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn encode(words: &[&[u8]]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let frame = Frame::Array(words.iter().map(reply::bulk).collect());
    reply::put(&mut bytes, &frame)?;
    Ok(bytes)
}

/// The request that asks for an operation.
fn words(operation: &Operation) -> Vec<&[u8]> {
    match operation {
        Operation::Get { key } => vec![b"GET", key],
        Operation::Set { key, value, condition } => {
            let mut words: Vec<&[u8]> = vec![b"SET", key, value];
            match condition {
                Condition::Always => {}
                Condition::Absent => words.push(b"NX"),
                Condition::Present => words.push(b"XX"),
            }
            words
        }
        Operation::Del { keys } => {
            std::iter::once(&b"DEL"[..]).chain(keys.iter().map(Vec::as_slice)).collect()
        }
        Operation::Incr { key } => vec![b"INCR", key],
        Operation::Cas { key, expected, new } => vec![b"CAS", key, expected, new],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Action, understand};
    use crate::request::Requests;

    #[test]
    fn what_is_forwarded_asks_for_the_same_operation() {
        let key = || b"k\r\n".to_vec();
        let set = |condition| Operation::Set { key: key(), value: Vec::new(), condition };
        for operation in [
            Operation::Get { key: key() },
            set(Condition::Always),
            set(Condition::Absent),
            set(Condition::Present),
            Operation::Del { keys: vec![key(), b"b".to_vec()] },
            Operation::Incr { key: key() },
            Operation::Cas { key: key(), expected: b"NX".to_vec(), new: b"XX".to_vec() },
        ] {
            let bytes = encode(&words(&operation)).unwrap();
            let mut requests = Requests::default();
            requests.read_from(&mut &*bytes).unwrap();
            let request = requests.next().unwrap().unwrap();
            assert_eq!(understand(request), Action::Replicate(operation));
        }
    }
}
