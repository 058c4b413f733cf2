//! One client: requests in, replies out, in order.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::command::{Action, understand};
use crate::execute::Executor;
use crate::info;
use crate::machine::Operation;
use crate::reply::{self, Frame};
use crate::request::{Breach, Requests};
use crate::service::Shared;

/// How many requests of one client run at once. What a client sends beyond that waits, so that
/// one client cannot take up all that the node has room for.
const MAX_BATCH: usize = 1024;

/// How long a client may leave its replies unread.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long, and for how many bytes, a client whose connection ends may go on sending: closing
/// while bytes arrive would take the reply away that says why.
const LINGER: Duration = Duration::from_millis(200);
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// Why a connection ended.
#[derive(Debug, Error)]
pub enum Ended {
    #[error("protocol error: {0}")]
    Breach(#[from] Breach),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What a round of requests leads to.
struct Round {
    actions: Vec<Action>,
    end: Option<End>,
}

enum End {
    Quit,
    Breach(Breach),
}

/// Serves a client until it leaves.
///
/// # Errors
/// When the connection had to end.
pub fn serve(stream: &TcpStream, shared: &Arc<Shared>) -> Result<(), Ended> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut requests = Requests::default();
    let mut executor = Executor::new(shared.clone());
    let mut replies = Vec::new();
    loop {
        let Round { actions, end } = gather(&mut requests);
        if actions.is_empty() && end.is_none() {
            match requests.read_from(&mut &*stream) {
                Ok(0) => return Ok(()),
                Ok(_) => continue,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        replies.clear();
        act(actions, &mut executor, shared, &mut replies)?;
        if let Some(End::Breach(breach)) = &end {
            reply::put(&mut replies, &reply::error(format!("ERR Protocol error: {breach}")))?;
        }
        (&*stream).write_all(&replies)?;
        match end {
            None => {}
            Some(End::Quit) => return Ok(linger(stream)?),
            Some(End::Breach(breach)) => {
                linger(stream)?;
                return Err(breach.into());
            }
        }
    }
}

/// Takes the requests that are here.
fn gather(requests: &mut Requests) -> Round {
    let mut actions = Vec::new();
    while actions.len() < MAX_BATCH {
        match requests.next() {
            Ok(None) => break,
            Ok(Some(request)) => {
                actions.push(understand(request));
                if let Some(Action::Quit(_)) = actions.last() {
                    return Round { actions, end: Some(End::Quit) };
                }
            }
            Err(breach) => return Round { actions, end: Some(End::Breach(breach)) },
        }
    }
    Round { actions, end: None }
}

fn act(
    mut actions: Vec<Action>,
    executor: &mut Executor,
    shared: &Shared,
    replies: &mut Vec<u8>,
) -> io::Result<()> {
    executor.serves_node |= actions.contains(&Action::Forwarded);
    let operation = |action: &mut Action| match action {
        Action::Replicate(operation) => Some(std::mem::replace(operation, NOTHING)),
        Action::Reply(_)
        | Action::Info(_)
        | Action::Readmit(_)
        | Action::Forwarded
        | Action::Quit(_) => None,
    };
    let operations: Vec<Operation> = actions.iter_mut().filter_map(operation).collect();
    let mut answers = executor.run(&operations).into_iter();
    for action in actions {
        let frame = match action {
            Action::Replicate(_) => answers.next().ok_or_else(|| io::Error::other("no answer"))?,
            Action::Reply(frame) | Action::Quit(frame) => frame,
            Action::Info(sections) => Frame::BulkString(info::text(shared, &sections).into()),
            Action::Readmit(server) => match shared.node.readmit(server) {
                Ok(()) => reply::ok(),
                Err(error) => reply::error(format!("ERR not readmitted: {error}")),
            },
            Action::Forwarded => reply::ok(),
        };
        reply::put(replies, &frame)?;
    }
    Ok(())
}

/// Stands where an operation was taken out.
const NOTHING: Operation = Operation::Del { keys: Vec::new() };

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

/// Turns a client away.
pub fn refuse(mut stream: TcpStream, text: &str) -> io::Result<()> {
    stream.set_write_timeout(Some(LINGER))?;
    let mut bytes = Vec::new();
    reply::put(&mut bytes, &reply::error(text))?;
    stream.write_all(&bytes)
}
