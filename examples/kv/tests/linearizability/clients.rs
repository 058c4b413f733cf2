//! Clients that work on a few keys at once, and write down what they see.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame as Frame;

use crate::checker::{Input, Operation, Output};
use crate::cluster::{Cluster, NODES};

/// How many keys are in use at a time, and for how many operations they are, so that the
/// history of a key stays short enough to be decided.
const KEYS: usize = 5;
const OPERATIONS_PER_ROUND: usize = 1000;

/// Longer than a node takes for any answer.
const PATIENCE: Duration = Duration::from_millis(2500);

/// What all clients share.
#[derive(Default)]
pub struct Board {
    /// A clock: calls and returns have moments of their own.
    now: AtomicU64,
    /// Values that were never used before lie a thousand apart.
    value: AtomicU64,
    answered: AtomicUsize,
    called: AtomicUsize,
    stop: AtomicBool,
    history: Mutex<Vec<(String, Operation)>>,
}

/// What became of an operation.
enum Seen {
    Answered(Output),
    /// The server says that it did not execute it, or could not be asked.
    NotExecuted,
    Unknown,
}

impl Board {
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub fn into_history(self) -> Vec<(String, Operation)> {
        self.history.into_inner().unwrap()
    }

    fn tick(&self) -> u64 {
        self.now.fetch_add(1, Ordering::SeqCst)
    }

    /// The life of a client.
    pub fn work(&self, cluster: &Cluster, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        let mut connection: Option<TcpStream> = None;
        let mut last_seen = 0;
        while !self.stop.load(Ordering::Relaxed) {
            if connection.is_none() || random.random_ratio(1, 30) {
                let address = ([127, 0, 0, 1], cluster.port(random.random_range(0..NODES)));
                connection = connect(address.into()).ok();
            }
            let Some(stream) = &mut connection else {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            };
            let round = self.called.fetch_add(1, Ordering::Relaxed) / OPERATIONS_PER_ROUND;
            let key = format!("key:{round}:{}", random.random_range(0..KEYS));
            let input = self.choose(&mut random, last_seen);
            let call = self.tick();
            let seen = ask(stream, &key, input);
            let returned = self.tick();
            let outcome = match seen {
                Ok(Seen::Answered(output)) => {
                    if let Output::Value(value) | Output::Integer(value) = output {
                        last_seen = value;
                    }
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    Some((returned, output))
                }
                Ok(Seen::NotExecuted) => continue,
                Ok(Seen::Unknown) => None,
                Err(_) => {
                    connection = None;
                    None
                }
            };
            // A read that nobody saw says nothing.
            if outcome.is_some() || input != Input::Get {
                let operation = Operation { input, call, outcome };
                self.history.lock().unwrap().push((key, operation));
            }
        }
    }

    fn choose(&self, random: &mut StdRng, last_seen: i64) -> Input {
        let value = || 1000 * (1 + self.value.fetch_add(1, Ordering::Relaxed)) as i64;
        match random.random_range(0..20) {
            0..9 => Input::Get,
            9..13 => Input::Set(value()),
            13 => Input::SetIfAbsent(value()),
            14 => Input::SetIfPresent(value()),
            15 => Input::Del,
            16 | 17 => Input::Incr,
            _ => Input::Cas { expected: last_seen, new: value() },
        }
    }
}

fn connect(address: std::net::SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_millis(300))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Asks a node, and understands its answer. An error: the connection ended before the answer.
fn ask(stream: &mut TcpStream, key: &str, input: Input) -> io::Result<Seen> {
    let request = match input {
        Input::Get => format!("GET {key}\r\n"),
        Input::Set(value) => format!("SET {key} {value}\r\n"),
        Input::SetIfAbsent(value) => format!("SET {key} {value} NX\r\n"),
        Input::SetIfPresent(value) => format!("SET {key} {value} XX\r\n"),
        Input::Del => format!("DEL {key}\r\n"),
        Input::Incr => format!("INCR {key}\r\n"),
        Input::Cas { expected, new } => format!("CAS {key} {expected} {new}\r\n"),
    };
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    let mut part = [0; 512];
    let frame = loop {
        if let Some((frame, _)) = decode(&bytes).map_err(io::Error::other)? {
            break frame;
        }
        match stream.read(&mut part)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => bytes.extend(&part[..count]),
        }
    };
    Ok(match frame {
        Frame::SimpleString(text) if text == b"OK" => Seen::Answered(Output::Ok),
        Frame::Null => Seen::Answered(Output::Nothing),
        Frame::Integer(number) => Seen::Answered(Output::Integer(number)),
        Frame::BulkString(text) => {
            let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            Seen::Answered(Output::Value(number.expect("only numbers were written")))
        }
        Frame::Error(text) if text.starts_with("CLUSTERDOWN not ") => Seen::NotExecuted,
        Frame::Error(text) if text.starts_with("UNCERTAIN ") => Seen::Unknown,
        Frame::SimpleString(_) | Frame::Error(_) | Frame::Array(_) => {
            panic!("{input:?} of {key}: {frame:?}")
        }
    })
}
