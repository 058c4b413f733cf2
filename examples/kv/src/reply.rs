//! Replies, in either version of the protocol.
//!
//! Written here rather than by `redis_protocol`, which parses what arrives: it would copy each
//! value into a frame and the frame into a buffer, where values are written from where they are;
//! and it keeps no order among the fields of a map. The tests let it read what is written.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;

use crate::operation::Answer;

/// The start of the error that a node gives to another one that forwards to it, when it has not
/// executed the command.
pub const NOT_LEADER: &str = "NOTLEADER";

/// The version of the protocol that a client speaks; it asks for 3 by `HELLO 3`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    #[default]
    Two,
    Three,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Status(Cow<'static, str>),
    /// A line.
    Error(String),
    Integer(i64),
    Bulk(Arc<[u8]>),
    /// Text for people.
    Text(String),
    Null,
    Array(Vec<Reply>),
    /// In version 2, keys and values in turn.
    Map(Vec<(Reply, Reply)>),
    /// In version 2, an array.
    Set(Vec<Reply>),
}

pub fn ok() -> Reply {
    Reply::Status("OK".into())
}

pub fn bulk(text: impl AsRef<[u8]>) -> Reply {
    Reply::Bulk(text.as_ref().into())
}

/// An error is a line: whatever would end it is replaced.
pub fn error(text: impl AsRef<str>) -> Reply {
    Reply::Error(text.as_ref().replace(['\r', '\n'], " "))
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Reply {
        match answer {
            Answer::Ok => ok(),
            Answer::Nothing => Reply::Null,
            Answer::Value(value) => Reply::Bulk(value),
            Answer::Values(values) => Reply::Array(
                values.into_iter().map(|value| value.map_or(Reply::Null, Reply::Bulk)).collect(),
            ),
            Answer::Integer(integer) => Reply::Integer(integer),
            Answer::Word(word) => Reply::Status(word.into()),
            Answer::Error(text) => error(text),
        }
    }
}

impl Reply {
    /// Writes the reply.
    ///
    /// # Errors
    /// When `out` does.
    pub fn write_to(&self, out: &mut impl Write, version: Version) -> io::Result<()> {
        let three = version == Version::Three;
        match self {
            Reply::Status(text) => write!(out, "+{text}\r\n"),
            Reply::Error(text) => write!(out, "-{text}\r\n"),
            Reply::Integer(integer) => write!(out, ":{integer}\r\n"),
            Reply::Bulk(bytes) => write_bulk(out, bytes),
            Reply::Text(text) if three => write!(out, "={}\r\ntxt:{text}\r\n", text.len() + 4),
            Reply::Text(text) => write_bulk(out, text.as_bytes()),
            Reply::Null if three => out.write_all(b"_\r\n"),
            Reply::Null => out.write_all(b"$-1\r\n"),
            Reply::Array(replies) => write_all(out, '*', replies, version),
            Reply::Set(replies) => write_all(out, if three { '~' } else { '*' }, replies, version),
            Reply::Map(pairs) => {
                match three {
                    true => write!(out, "%{}\r\n", pairs.len())?,
                    false => write!(out, "*{}\r\n", 2 * pairs.len())?,
                }
                pairs.iter().try_for_each(|(key, value)| {
                    key.write_to(out, version)?;
                    value.write_to(out, version)
                })
            }
        }
    }

    /// How many bytes of values it holds.
    pub fn value_bytes(&self) -> usize {
        match self {
            Reply::Bulk(bytes) => bytes.len(),
            Reply::Array(replies) => replies.iter().map(Reply::value_bytes).sum(),
            Reply::Status(_)
            | Reply::Error(_)
            | Reply::Integer(_)
            | Reply::Text(_)
            | Reply::Null
            | Reply::Map(_)
            | Reply::Set(_) => 0,
        }
    }
}

fn write_bulk(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    write!(out, "${}\r\n", bytes.len())?;
    out.write_all(bytes)?;
    out.write_all(b"\r\n")
}

fn write_all(
    out: &mut impl Write,
    kind: char,
    replies: &[Reply],
    version: Version,
) -> io::Result<()> {
    write!(out, "{kind}{}\r\n", replies.len())?;
    replies.iter().try_for_each(|reply| reply.write_to(out, version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis_protocol::{resp2, resp3};

    fn text(reply: &Reply, version: Version) -> String {
        let mut buffer = Vec::new();
        reply.write_to(&mut buffer, version).unwrap();
        // An independent parser takes all of it for one reply.
        let length = match version {
            Version::Two => resp2::decode::decode(&buffer).unwrap().unwrap().1,
            Version::Three => resp3::decode::complete::decode(&buffer).unwrap().unwrap().1,
        };
        assert_eq!(length, buffer.len());
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn replies_are_what_redis_sends_in_either_version() {
        let values = Answer::Values(vec![Some((*b"a\r\nb").into()), None]);
        let map = Reply::Map(vec![(bulk("b"), Reply::Integer(1)), (bulk("a"), Reply::Null)]);
        for (reply, two, three) in [
            (Answer::Ok.into(), "+OK\r\n", "+OK\r\n"),
            (Answer::Word("none").into(), "+none\r\n", "+none\r\n"),
            (Answer::Nothing.into(), "$-1\r\n", "_\r\n"),
            (Answer::Integer(-7).into(), ":-7\r\n", ":-7\r\n"),
            (Answer::Value((*b"").into()).into(), "$0\r\n\r\n", "$0\r\n\r\n"),
            (values.into(), "*2\r\n$4\r\na\r\nb\r\n$-1\r\n", "*2\r\n$4\r\na\r\nb\r\n_\r\n"),
            (error("ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n"),
            (Reply::Text("a".into()), "$1\r\na\r\n", "=5\r\ntxt:a\r\n"),
            (
                map,
                "*4\r\n$1\r\nb\r\n:1\r\n$1\r\na\r\n$-1\r\n",
                "%2\r\n$1\r\nb\r\n:1\r\n$1\r\na\r\n_\r\n",
            ),
            (Reply::Set(vec![bulk("x")]), "*1\r\n$1\r\nx\r\n", "~1\r\n$1\r\nx\r\n"),
        ] {
            assert_eq!(text(&reply, Version::Two), two);
            assert_eq!(text(&reply, Version::Three), three);
        }
    }
}
