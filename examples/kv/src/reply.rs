//! Replies, as frames of the protocol.

use std::io;

use redis_protocol::resp2::encode::encode;
pub use redis_protocol::resp2::types::OwnedFrame as Frame;
use redis_protocol::resp2::types::Resp2Frame;

use crate::machine::Answer;

/// The start of the error that a node gives to another one that forwards to it, when it has not
/// executed the command.
pub const NOT_LEADER: &str = "NOTLEADER";

pub fn ok() -> Frame {
    Frame::SimpleString("OK".into())
}

pub fn bulk(text: impl AsRef<[u8]>) -> Frame {
    Frame::BulkString(text.as_ref().to_vec())
}

/// An error is a line: whatever would end it is replaced.
pub fn error(text: impl AsRef<str>) -> Frame {
    Frame::Error(text.as_ref().replace(['\r', '\n'], " "))
}

pub fn answer(answer: Answer) -> Frame {
    match answer {
        Answer::Ok => ok(),
        Answer::Nothing => Frame::Null,
        Answer::Value(value) => bulk(value),
        Answer::Integer(integer) => Frame::Integer(integer),
        Answer::Error(text) => error(text),
    }
}

/// Writes a frame behind what is in the buffer.
pub fn put(buffer: &mut Vec<u8>, frame: &Frame) -> io::Result<()> {
    let start = buffer.len();
    buffer.resize(start + frame.encode_len(false), 0);
    encode(&mut buffer[start..], frame, false).map_err(io::Error::other)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frame: &Frame) -> String {
        let mut buffer = b"before ".to_vec();
        put(&mut buffer, frame).unwrap();
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn answers_become_the_frames_that_redis_sends() {
        assert_eq!(text(&answer(Answer::Ok)), "before +OK\r\n");
        assert_eq!(text(&answer(Answer::Nothing)), "before $-1\r\n");
        assert_eq!(text(&answer(Answer::Value((*b"a\r\nb").into()))), "before $4\r\na\r\nb\r\n");
        assert_eq!(text(&answer(Answer::Integer(-7))), "before :-7\r\n");
        assert_eq!(text(&error("ERR a\r\nb")), "before -ERR a  b\r\n");
    }
}
