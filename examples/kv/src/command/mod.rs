//! What a request asks for.

use veraft::figure2::ServerId;

use crate::operation::Operation;
use crate::reply::{self, Reply, Version};
use crate::request::Request;

mod connection;
mod data;
mod table;

/// Marks a connection as one on which another node forwards its clients' operations; the word
/// behind it is the version of how it does so.
pub const FORWARDED: &str = "VERAFT.FORWARDED";

/// The version in which nodes forward to each other: operations in postcard, by [`RUN`]. Version
/// 1, without a word, sent commands as clients do.
pub const FORWARDED_VERSION: &str = "2";

/// Runs an operation of a client of another node.
pub const RUN: &str = "VERAFT.RUN";

/// Asks a node for a backup: see `backup.rs`. Not for clients, which would get replies that they
/// did not ask for.
pub const BACKUP: &str = "VERAFT.BACKUP";

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// An operation on the replicated map.
    Replicate(Operation),
    /// The reply is known already.
    Reply(Reply),
    /// Something about the connection itself.
    Session(Session),
    /// What this node knows about itself; of these sections, or of all.
    Info(Vec<String>),
    /// An image of this node's map is to be durable before the reply; or at some time.
    Save,
    SaveBehind,
    /// When that was last so.
    LastSave,
    /// A backup of this node follows.
    Backup,
    /// An operator lets a server come back with an empty store.
    Readmit(ServerId),
    /// Reply, and end the connection.
    Quit(Reply),
}

/// What is asked about a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Session {
    /// Which version to speak from here on, and the name of the client, if it gives them.
    Hello {
        version: Option<Version>,
        name: Option<Vec<u8>>,
    },
    SetName(Vec<u8>),
    GetName,
    Id,
    /// Everything is as it was at the beginning.
    Reset,
    /// From here on, another node forwards.
    Forwarded,
}

/// A text for an error, or an action.
type Understood = Result<Action, String>;

/// Understands a request, on a connection on which another node forwards or not.
pub fn understand(request: Request, forwarded: bool) -> Action {
    let Request { words, inline } = request;
    let mut words = words.into_iter();
    let given = words.next().unwrap_or_default();
    let arguments: Vec<Vec<u8>> = words.collect();
    let name = String::from_utf8_lossy(&given).to_ascii_lowercase();
    if let Some(action) = between_nodes(&name, &arguments, forwarded) {
        return action;
    }
    let understood = match table::find(&name) {
        None => {
            let error = reply::error(format!("ERR {}", unknown(&given, &arguments)));
            // The first words of something that speaks HTTP, perhaps on behalf of a page that
            // somebody else wrote.
            let foreign = inline && matches!(&*name, "post" | "host:");
            return if foreign { Action::Quit(error) } else { Action::Reply(error) };
        }
        Some(entry) if !entry.takes(1 + arguments.len()) => Err(arity(&name)),
        Some(_) => {
            let mut arguments = arguments;
            data::understand(&name, &mut arguments)
                .unwrap_or_else(|| connection::understand(&name, &arguments))
        }
    };
    understood.unwrap_or_else(|text| Action::Reply(reply::error(text)))
}

/// What only nodes say to each other, and this program to a node.
fn between_nodes(name: &str, arguments: &[Vec<u8>], forwarded: bool) -> Option<Action> {
    let is = |word: &str| name.eq_ignore_ascii_case(word);
    match arguments {
        [] if is(FORWARDED) => Some(Action::Session(Session::Forwarded)),
        [version] if is(FORWARDED) => Some(match version == FORWARDED_VERSION.as_bytes() {
            true => Action::Session(Session::Forwarded),
            false => Action::Reply(reply::error("ERR this node forwards by another version")),
        }),
        [] if is(BACKUP) => Some(Action::Backup),
        [operation] if is(RUN) && forwarded => Some(match postcard::from_bytes(operation) {
            Ok(operation) => Action::Replicate(operation),
            Err(_) => Action::Reply(reply::error(
                "ERR the node that leads does not know this operation: install one version on all",
            )),
        }),
        _ => None,
    }
}

/// As Redis says it; clients look for these words.
fn unknown(name: &[u8], arguments: &[Vec<u8>]) -> String {
    let most = |bytes: &[u8], most: usize| {
        String::from_utf8_lossy(&bytes[..bytes.len().min(most)]).into_owned()
    };
    let mut beginning = String::new();
    for argument in arguments {
        if beginning.len() >= 128 {
            break;
        }
        let room = 128 - beginning.len();
        beginning += &format!("'{}' ", most(argument, room));
    }
    format!("unknown command '{}', with args beginning with: {beginning}", most(name, 128))
}

/// The same for a known one with too many or too few words.
fn arity(name: &str) -> String {
    format!("ERR wrong number of arguments for '{name}' command")
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
