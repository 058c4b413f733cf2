//! The connection on which a node forwards its clients' operations to the leader.
//!
//! A follower forwards, rather than answer with `MOVED`: every client then works with any node
//! of the cluster. `MOVED` is followed by `redis-cli -c` and by libraries in cluster mode alone,
//! and those first ask for a map of slots; all else shows it to the user as an error.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame as Frame;
use veraft::figure2::ServerId;

use crate::command::{FORWARDED, FORWARDED_VERSION, RUN};
use crate::execute::Outcome;
use crate::operation::Operation;
use crate::reply::{self, NOT_LEADER, Reply, Version};

/// How long to wait for a connection to be accepted.
const CONNECT: Duration = Duration::from_millis(500);

/// How many bytes of requests are under way before their replies are read. They fit into the
/// buffers of the system, so that the two ends never wait for each other.
const WINDOW: usize = 64 * 1024;

/// How many bytes of replies are taken from the system at once.
const READ: RangeInclusive<usize> = 4 * 1024..=1024 * 1024;

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
                    let hello = encode(&[FORWARDED.as_bytes(), FORWARDED_VERSION.as_bytes()])?;
                    upstream.stream.write_all(&hello)?;
                    return match upstream.receive(deadline)? {
                        reply if reply == reply::ok() => Ok(upstream),
                        other => Err(io::Error::other(format!("it refuses: {other:?}"))),
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
            let request = request(operation).map_err(unsent)?;
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
            let reply = self.receive(deadline).map_err(broken)?;
            let text = if let Reply::Error(text) = &reply { Some(text) } else { None };
            let reason = text.and_then(|text| text.strip_prefix(NOT_LEADER));
            outcomes.push(match reason {
                Some(reason) => Outcome::NotExecuted(reason.trim_start().into()),
                None => Outcome::Done(reply),
            });
        }
        Ok(())
    }

    fn receive(&mut self, deadline: Instant) -> io::Result<Reply> {
        loop {
            if let Some((frame, bytes)) = decode(&self.buffer).map_err(io::Error::other)? {
                self.buffer.drain(..bytes);
                return Ok(reply_of(frame));
            }
            self.stream.set_read_timeout(Some(left(deadline)?))?;
            let filled = self.buffer.len();
            // Each piece is parsed from the beginning: the larger it is, the larger the pieces.
            self.buffer.resize(filled + filled.clamp(*READ.start(), *READ.end()), 0);
            let result = self.stream.read(&mut self.buffer[filled..]);
            self.buffer.truncate(filled + result.as_ref().map_or(0, |&bytes| bytes));
            if result? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// A reply as it was before it was written in version 2, which nodes speak with each other; the
/// client gets it in its own.
fn reply_of(frame: Frame) -> Reply {
    match frame {
        Frame::SimpleString(text) => {
            Reply::Status(String::from_utf8_lossy(&text).into_owned().into())
        }
        Frame::Error(text) => Reply::Error(text),
        Frame::Integer(integer) => Reply::Integer(integer),
        Frame::BulkString(bytes) => Reply::Bulk(bytes.into()),
        Frame::Array(frames) => Reply::Array(frames.into_iter().map(reply_of).collect()),
        Frame::Null => Reply::Null,
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
    Reply::Array(words.iter().map(reply::bulk).collect()).write_to(&mut bytes, Version::Two)?;
    Ok(bytes)
}

/// The request that asks for an operation.
fn request(operation: &Operation) -> io::Result<Vec<u8>> {
    let operation = postcard::to_allocvec(operation).map_err(io::Error::other)?;
    encode(&[RUN.as_bytes(), &operation])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Action, understand};
    use crate::operation::{Answer, Condition, Expiry};
    use crate::request::Requests;

    #[test]
    fn what_is_forwarded_asks_for_the_same_operation() {
        let key = || b"k\r\n".to_vec();
        for operation in [
            Operation::Get { key: key() },
            Operation::Set {
                key: key(),
                value: Vec::new(),
                condition: Condition::Absent,
                expiry: Expiry::After { milliseconds: 7 },
                get: true,
            },
            Operation::Cas { key: key(), expected: b"NX".to_vec(), new: b"XX".to_vec() },
        ] {
            let bytes = request(&operation).unwrap();
            let mut requests = Requests::default();
            requests.read_from(&mut &*bytes).unwrap();
            let request = requests.next().unwrap().unwrap();
            assert_eq!(understand(request, true), Action::Replicate(operation));
        }
    }

    #[test]
    fn a_reply_comes_through_as_it_was() {
        for answer in [
            Answer::Ok,
            Answer::Nothing,
            Answer::Value((*b"a\r\nb").into()),
            Answer::Values(vec![None, Some((*b"").into())]),
            Answer::Integer(-2),
            Answer::Word("string"),
            Answer::Error("ERR no".into()),
        ] {
            let reply = Reply::from(answer);
            let mut bytes = Vec::new();
            reply.write_to(&mut bytes, Version::Two).unwrap();
            assert_eq!(reply_of(decode(&bytes).unwrap().unwrap().0), reply);
        }
    }
}
