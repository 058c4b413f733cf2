//! One client: requests in, replies out, in order.

use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::backup;
use crate::budget::Held;
use crate::command::{Action, Session};
use crate::connections::{Kind, Place};
use crate::execute::Executor;
use crate::info;
use crate::operation::Operation;
use crate::outgoing::Outgoing;
use crate::reply::{self, Reply, Version};
use crate::request::{Breach, LARGE, MAX_REQUEST, Requests};
use crate::saves;
use crate::service::Shared;
use crate::turn::{Appetite, End, Turn};

/// How long a request may take to arrive, from its first byte to its last.
const ARRIVAL: Duration = Duration::from_secs(30);

/// How long whoever finds the node full has to prove that it is a node that forwards.
const PROOF: Duration = Duration::from_secs(1);

/// How long, and for how many bytes, a client whose connection ends may go on sending: closing
/// while bytes arrive would take the reply away that says why.
const LINGER: Duration = Duration::from_millis(200);
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// From how many bytes of values on, the replies of a turn need room of the node's budget.
const SMALL_REPLIES: usize = 64 * 1024;

/// What is told to whoever comes when as many clients are connected as may be.
pub const FULL: &str = "ERR max number of clients reached";

/// What is told to whoever waited in vain for room for a large request or reply.
const NO_ROOM: &str =
    "CLUSTERDOWN not executed, try again: too many large requests and replies are under way";

/// Why a connection ended.
#[derive(Debug, Error)]
pub enum Ended {
    #[error("protocol error: {0}")]
    Breach(#[from] Breach),
    #[error("it did not read its replies")]
    NotReading,
    #[error("it did not send the rest of a request")]
    NotSending,
    #[error("too many large requests and replies were under way")]
    NoRoom,
    #[error("the most clients that may be are connected")]
    Full,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A connected client.
pub struct Client<'a> {
    stream: &'a TcpStream,
    shared: &'a Arc<Shared>,
    place: &'a Place,
    requests: Requests,
    /// Room for a large request, from its arrival until it is executed.
    room: Option<Held<'a>>,
    executor: Executor,
    appetite: Appetite,
    version: Version,
    name: Option<Vec<u8>>,
}

impl<'a> Client<'a> {
    pub fn new(stream: &'a TcpStream, shared: &'a Arc<Shared>, place: &'a Place) -> Client<'a> {
        Client {
            stream,
            shared,
            place,
            requests: Requests::default(),
            room: None,
            executor: Executor::new(shared.clone()),
            appetite: Appetite::default(),
            version: Version::default(),
            name: None,
        }
    }

    /// Serves the client until it leaves.
    ///
    /// # Errors
    /// When the connection had to end.
    pub fn serve(mut self) -> Result<(), Ended> {
        loop {
            let turn = Turn::gather(&mut self.requests, &self.appetite, self.executor.serves_node);
            if turn.is_empty() {
                match self.receive()? {
                    true => continue,
                    false => return Ok(()),
                }
            }
            self.act(&turn)?;
            match turn.end {
                None => {}
                Some(End::Quit) => return Ok(linger(self.stream)?),
                Some(End::Breach(breach)) => {
                    linger(self.stream)?;
                    return Err(breach.into());
                }
            }
        }
    }

    /// Waits for bytes; whether the client may go on.
    fn receive(&mut self) -> Result<bool, Ended> {
        if self.requests.buffered() == 0 {
            let patience = match self.place.kind() {
                Kind::Unproven => Some(PROOF),
                Kind::Client | Kind::Node => self.shared.idle,
            };
            return match self.read(patience) {
                Ok(0) => Ok(false),
                Ok(_) => Ok(true),
                Err(error) if is_timeout(&error) && self.place.kind() == Kind::Unproven => {
                    Err(self.turn_away())
                }
                // A client that sent nothing for long: it is told by the end of the connection.
                Err(error) if is_timeout(&error) => Ok(false),
                Err(error) => gone(error),
            };
        }
        // The rest of a request. Large ones need room before they have arrived.
        let mut deadline = Instant::now() + ARRIVAL;
        while !self.requests.is_whole() {
            if self.requests.buffered() > LARGE && self.room.is_none() {
                let give_up = Instant::now() + ARRIVAL;
                self.room = self.shared.requests.hold(MAX_REQUEST, give_up);
                if self.room.is_none() {
                    return Err(self.end_with(NO_ROOM, Ended::NoRoom));
                }
                // The client could not send meanwhile.
                deadline = Instant::now() + ARRIVAL;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Ended::NotSending);
            }
            match self.read(Some(left)) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if is_timeout(&error) => return Err(Ended::NotSending),
                Err(error) => return gone(error),
            }
        }
        Ok(true)
    }

    fn read(&mut self, patience: Option<Duration>) -> io::Result<usize> {
        self.stream.set_read_timeout(patience)?;
        loop {
            match self.requests.read_from(&mut &*self.stream) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Does what is asked in a turn, and writes the replies.
    fn act(&mut self, turn: &Turn) -> Result<(), Ended> {
        let shared = self.shared;
        let operations: Vec<&Operation> = turn.actions.iter().filter_map(operation).collect();
        let expected = self.appetite.expects(turn);
        let needs = if expected > SMALL_REPLIES { expected } else { 0 };
        // Whoever reads too little for the others to go on is cut off before this.
        let deadline = Instant::now() + shared.timeout + Outgoing::PATIENCE;
        let Some(mut held) = shared.replies.hold(needs, deadline) else {
            return Err(self.end_with(NO_ROOM, Ended::NoRoom));
        };
        let answers = self.executor.run(&operations);
        self.room = None;
        let bytes = answers.iter().map(Reply::value_bytes).sum();
        self.appetite.ate(turn, bytes);
        held.set(bytes);
        let mut out = BufWriter::with_capacity(16 * 1024, Outgoing::new(self.stream));
        let mut answers = answers.into_iter();
        let written = turn.actions.iter().try_for_each(|action| {
            let reply = match action {
                Action::Replicate(_) => {
                    answers.next().ok_or_else(|| io::Error::other("no answer"))?
                }
                Action::Reply(reply) | Action::Quit(reply) => reply.clone(),
                Action::Session(session) => self.session(session),
                Action::Info(sections) => Reply::Text(info::text(shared, sections)),
                Action::Save => {
                    out.flush()?;
                    let reply = saves::save(shared);
                    // It may have taken long.
                    out.get_mut().begin();
                    reply
                }
                Action::SaveBehind => saves::save_behind(shared),
                Action::LastSave => {
                    Reply::Integer(shared.saves.last(shared.node.metrics().ok().as_ref()) as i64)
                }
                Action::Backup => return backup::send(shared, &mut out),
                Action::Readmit(server) => match shared.node.readmit(*server) {
                    Ok(()) => reply::ok(),
                    Err(error) => reply::error(format!("ERR not readmitted: {error:?}")),
                },
            };
            reply.write_to(&mut out, self.version)
        });
        let written = written.and_then(|()| match &turn.end {
            Some(End::Breach(breach)) => {
                let error = reply::error(format!("ERR Protocol error: {breach}"));
                error.write_to(&mut out, self.version)
            }
            Some(End::Quit) | None => Ok(()),
        });
        let flushed = written.and_then(|()| out.flush());
        // What is left unwritten is not tried again.
        drop(out.into_parts());
        match flushed {
            Err(error) if is_timeout(&error) => Err(Ended::NotReading),
            result => Ok(result?),
        }
    }

    fn session(&mut self, session: &Session) -> Reply {
        match session {
            Session::Hello { version, name } => {
                self.version = version.unwrap_or(self.version);
                self.name = name.clone().or_else(|| self.name.take());
                self.hello()
            }
            Session::SetName(name) => {
                self.name = Some(name.clone()).filter(|name| !name.is_empty());
                reply::ok()
            }
            Session::GetName => self.name.as_ref().map_or(Reply::Null, reply::bulk),
            Session::Id => Reply::Integer(self.place.number() as i64),
            Session::Reset => {
                self.version = Version::default();
                self.name = None;
                Reply::Status("RESET".into())
            }
            Session::Forwarded => match self.place.becomes_node() {
                true => {
                    self.executor.serves_node = true;
                    reply::ok()
                }
                false => reply::error("ERR max number of nodes reached"),
            },
        }
    }

    fn hello(&self) -> Reply {
        let version = if self.version == Version::Two { 2 } else { 3 };
        let fields = [
            ("server", reply::bulk("veraft-kv")),
            ("version", reply::bulk(env!("CARGO_PKG_VERSION"))),
            ("proto", Reply::Integer(version)),
            ("id", Reply::Integer(self.place.number() as i64)),
            ("mode", reply::bulk("standalone")),
            // Every node takes every command.
            ("role", reply::bulk("master")),
            ("modules", Reply::Array(Vec::new())),
        ];
        Reply::Map(fields.into_iter().map(|(name, value)| (reply::bulk(name), value)).collect())
    }

    fn turn_away(&self) -> Ended {
        self.end_with(FULL, Ended::Full)
    }

    /// Tells an error as the last thing, and how the connection has ended.
    fn end_with(&self, text: &str, ended: Ended) -> Ended {
        let told = refuse(self.stream, text).and_then(|()| linger(self.stream));
        told.map_or_else(Ended::from, |()| ended)
    }
}

fn operation(action: &Action) -> Option<&Operation> {
    match action {
        Action::Replicate(operation) => Some(operation),
        Action::Reply(_)
        | Action::Session(_)
        | Action::Info(_)
        | Action::Readmit(_)
        | Action::Save
        | Action::SaveBehind
        | Action::LastSave
        | Action::Backup
        | Action::Quit(_) => None,
    }
}

pub fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Not worth a warning: the client has gone away.
fn gone(error: io::Error) -> Result<bool, Ended> {
    if error.kind() == ErrorKind::ConnectionReset { Ok(false) } else { Err(error.into()) }
}

/// Ends a connection so that the client gets what was sent last.
fn linger(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(LINGER))?;
    let mut bytes = vec![0; 64 * 1024];
    let mut left = LINGER_BYTES;
    while left > 0 {
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => break,
            Ok(count) => left = left.saturating_sub(count),
        }
    }
    Ok(())
}

/// Tells an error to a client that is not served.
pub fn refuse(mut stream: &TcpStream, text: &str) -> io::Result<()> {
    stream.set_write_timeout(Some(LINGER))?;
    let mut bytes = Vec::new();
    reply::error(text).write_to(&mut bytes, Version::Two)?;
    stream.write_all(&bytes)
}
