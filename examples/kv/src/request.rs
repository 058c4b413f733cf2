//! Requests as they arrive: arrays of bulk strings, or words on a line.
//!
//! `redis_protocol` parses them. It sets no limits, and follows arrays within arrays until the
//! stack ends; so it only sees what [`measure`] has found to be whole, flat and short enough.

use std::io::{self, Read};

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;
use thiserror::Error;

use crate::inline;

/// The longest request, in bytes.
pub const MAX_REQUEST: usize = 1024 * 1024;

/// From how many bytes on, the beginning of a request needs room before the rest is taken.
pub const LARGE: usize = 64 * 1024;

/// The greatest number of words in a request, the command included.
const MAX_WORDS: usize = 16 * 1024;

/// The longest request on a line, in bytes.
const MAX_LINE: usize = 4 * 1024;

/// The longest header of an array or a bulk string: a kind, a number, an end of line.
const MAX_HEADER: usize = 24;

/// How many bytes are taken from the system at once: few from who sends little, so that thousands
/// of connections take little room.
const READ: std::ops::RangeInclusive<usize> = 4 * 1024..=64 * 1024;

/// A request: the command and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// At least one.
    pub words: Vec<Vec<u8>>,
    /// Whether it came as words on a line, as from a person or from something that does not
    /// speak the protocol.
    pub inline: bool,
}

/// What no client of this protocol would send. The connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Breach {
    #[error("invalid multibulk length: at most {MAX_WORDS} arguments are allowed")]
    Words,
    #[error("invalid bulk length: a request has at most {MAX_REQUEST} bytes")]
    Length,
    #[error("expected '$', got '{}': a request is an array of bulk strings", got.escape_ascii())]
    NotBulk { got: u8 },
    #[error("a bulk string does not end where its length says")]
    End,
    #[error("too big inline request: a request on a line has at most {MAX_LINE} bytes")]
    Line,
    #[error("unbalanced quotes in request")]
    Quotes,
}

/// The requests that arrive on one connection.
#[derive(Default)]
pub struct Requests {
    buffer: Vec<u8>,
    /// Where in the buffer the next request begins.
    start: usize,
    /// How many bytes to take from the system next.
    read: usize,
}

impl Requests {
    /// Waits for more bytes; how many came, 0 at the end of the connection.
    pub fn read_from(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.is_empty() {
            // Whoever sends nothing takes no room.
            self.buffer = Vec::new();
        }
        let size = self.read.clamp(*READ.start(), *READ.end());
        let filled = self.buffer.len();
        self.buffer.resize(filled + size, 0);
        let result = stream.read(&mut self.buffer[filled..]);
        let bytes = result.as_ref().map_or(0, |&bytes| bytes);
        self.buffer.truncate(filled + bytes);
        self.read = if bytes == size { size * 4 } else { bytes };
        result
    }

    /// Whether there is something to take: a request, or what cannot become one.
    pub fn is_whole(&self) -> bool {
        let rest = &self.buffer[self.start..];
        match rest.first() {
            None => false,
            Some(b'*') => !matches!(measure(rest), Ok(None)),
            Some(_) => !matches!(line(rest), Ok(None)),
        }
    }

    /// How many bytes arrived that belong to no request taken yet.
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// The next request, if all of it is here.
    ///
    /// # Errors
    /// When what is here cannot become a request.
    pub fn next(&mut self) -> Result<Option<Request>, Breach> {
        loop {
            let rest = &self.buffer[self.start..];
            let (words, inline, bytes) = match rest.first() {
                None => return Ok(None),
                Some(b'*') => {
                    let Some(bytes) = measure(rest)? else { return Ok(None) };
                    // Redis passes over a number below 0 as it does over 0.
                    let empty = rest.get(1) == Some(&b'-');
                    let words = if empty { Vec::new() } else { parse(&rest[..bytes])? };
                    (words, false, bytes)
                }
                Some(_) => {
                    let Some(bytes) = line(rest)? else { return Ok(None) };
                    (inline::split(&rest[..bytes]).ok_or(Breach::Quotes)?, true, bytes)
                }
            };
            self.start += bytes;
            if !words.is_empty() {
                return Ok(Some(Request { words, inline }));
            }
        }
    }
}

fn parse(request: &[u8]) -> Result<Vec<Vec<u8>>, Breach> {
    match decode(request) {
        Ok(Some((OwnedFrame::Array(frames), _))) => {
            let word = |frame| match frame {
                OwnedFrame::BulkString(word) => Ok(word),
                OwnedFrame::SimpleString(_)
                | OwnedFrame::Error(_)
                | OwnedFrame::Integer(_)
                | OwnedFrame::Array(_)
                | OwnedFrame::Null => Err(Breach::Length),
            };
            frames.into_iter().map(word).collect()
        }
        Ok(_) | Err(_) => Err(Breach::Length),
    }
}

/// The length of the request at the front of `bytes`; none while a part of it is missing.
fn measure(bytes: &[u8]) -> Result<Option<usize>, Breach> {
    if bytes.get(1) == Some(&b'-') {
        // The sign stands where the kind of a header does.
        return Ok(header(&bytes[1..], Breach::Words)?.map(|(_, length)| 1 + length));
    }
    let Some((words, mut at)) = header(bytes, Breach::Words)? else { return Ok(None) };
    if words > MAX_WORDS {
        return Err(Breach::Words);
    }
    for _ in 0..words {
        match bytes.get(at) {
            None => return Ok(None),
            Some(b'$') => {}
            Some(&got) => return Err(Breach::NotBulk { got }),
        }
        let Some((length, header)) = header(&bytes[at..], Breach::Length)? else {
            return Ok(None);
        };
        if length > MAX_REQUEST || at + header + length > MAX_REQUEST {
            return Err(Breach::Length);
        }
        let end = at + header + length;
        match bytes.get(end..end + 2) {
            Some(b"\r\n") => at = end + 2,
            Some(_) => return Err(Breach::End),
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// The number in the header at the front of `bytes`, and the length of the header.
fn header(bytes: &[u8], breach: Breach) -> Result<Option<(usize, usize)>, Breach> {
    let window = &bytes[..bytes.len().min(MAX_HEADER)];
    let Some(end) = window.windows(2).position(|two| two == b"\r\n") else {
        return if window.len() < MAX_HEADER { Ok(None) } else { Err(breach) };
    };
    let digits = &window[1..end];
    let text = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit));
    let number = text.and_then(|text| text.parse().ok()).ok_or(breach)?;
    Ok(Some((number, end + 2)))
}

/// The length of the line at the front of `bytes`; none while its end is missing.
fn line(bytes: &[u8]) -> Result<Option<usize>, Breach> {
    match bytes.iter().take(MAX_LINE).position(|&byte| byte == b'\n') {
        Some(end) => Ok(Some(end + 1)),
        None if bytes.len() < MAX_LINE => Ok(None),
        None => Err(Breach::Line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(bytes: &[u8]) -> Requests {
        Requests { buffer: bytes.to_vec(), ..Requests::default() }
    }

    fn request(words: &[&str], inline: bool) -> Request {
        Request { words: words.iter().map(|word| word.as_bytes().to_vec()).collect(), inline }
    }

    #[test]
    fn requests_come_out_in_order_however_they_are_cut() {
        let bytes = b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n*0\r\n*-1\r\nPING  'x y' \r\n\r\n\
                      \n*1\r\n$0\r\n\r\n";
        let expected = [
            request(&["GET", "a\r\nb"], false),
            request(&["PING", "x y"], true),
            request(&[""], false),
        ];
        for size in 1..bytes.len() {
            let mut all = Requests::default();
            let mut found = Vec::new();
            for mut part in bytes.chunks(size) {
                let length = part.len();
                assert_eq!(all.read_from(&mut part).unwrap(), length);
                while let Some(request) = all.next().unwrap() {
                    found.push(request);
                }
            }
            assert_eq!(found, expected, "in parts of {size}");
        }
    }

    #[test]
    fn what_cannot_become_a_request_is_refused_at_once() {
        let long = "x".repeat(MAX_LINE);
        for (bytes, breach) in [
            ("*1000000000\r\n", Breach::Words),
            ("*-x\r\n", Breach::Words),
            ("*-1111111111111111111111111", Breach::Words),
            ("PING \"x\r\n", Breach::Quotes),
            ("*+1\r\n", Breach::Words),
            ("*x\r\n", Breach::Words),
            ("*11111111111111111111111111", Breach::Words),
            ("*1\r\n$1000000000\r\n", Breach::Length),
            ("*1\r\n$18446744073709551615\r\n", Breach::Length),
            ("*1\r\n$-1\r\n", Breach::Length),
            ("*1\r\n*1\r\n*1\r\n", Breach::NotBulk { got: b'*' }),
            ("*1\r\n:1\r\n", Breach::NotBulk { got: b':' }),
            ("*1\r\n$1\r\nabc", Breach::End),
            (&long, Breach::Line),
        ] {
            assert_eq!(requests(bytes.as_bytes()).next(), Err(breach), "{bytes}");
        }
    }

    #[test]
    fn many_short_words_are_no_way_around_the_limit() {
        let word = "x".repeat(100 * 1024);
        let word = format!("${}\r\n{word}\r\n", word.len());
        let bytes = format!("*20\r\n{}", word.repeat(10));
        assert_eq!(requests(bytes.as_bytes()).next(), Ok(None));
        let bytes = format!("*20\r\n{}", word.repeat(11));
        assert_eq!(requests(bytes.as_bytes()).next(), Err(Breach::Length));
    }
}
