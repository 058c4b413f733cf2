//! What a request asks for.

use veraft::figure2::ServerId;

use crate::machine::{Condition, Operation};
use crate::reply::{self, Frame};
use crate::request::Request;

/// Marks a connection as one on which another node forwards its clients' commands.
pub const FORWARDED: &str = "VERAFT.FORWARDED";

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// An operation on the replicated map.
    Replicate(Operation),
    /// The reply is known already.
    Reply(Frame),
    /// What this node knows about itself; of these sections, or of all.
    Info(Vec<String>),
    /// An operator lets a server come back with an empty store.
    Readmit(ServerId),
    /// From here on, another node forwards.
    Forwarded,
    /// Reply, and end the connection.
    Quit(Frame),
}

/// Understands a request.
pub fn understand(request: Request) -> Action {
    let Request { words, inline } = request;
    let mut words = words.into_iter();
    let name = words.next().unwrap_or_default().to_ascii_uppercase();
    let name = String::from_utf8_lossy(&name).into_owned();
    let arguments: Vec<Vec<u8>> = words.collect();
    match known(&name, arguments) {
        Some(Ok(action)) => action,
        Some(Err(text)) => Action::Reply(reply::error(text)),
        None => {
            let name: String = name.escape_debug().take(64).collect();
            let error = reply::error(format!(
                "ERR unknown command '{name}': this server has GET, SET, DEL, INCR, CAS, PING, \
                 ECHO, INFO, SELECT, RAFT and QUIT"
            ));
            // Words on a line that name no command come from something that speaks another
            // protocol.
            if inline { Action::Quit(error) } else { Action::Reply(error) }
        }
    }
}

/// The action, or the text of an error; none if there is no such command.
fn known(name: &str, mut arguments: Vec<Vec<u8>>) -> Option<Result<Action, String>> {
    let arity = || Err(format!("ERR wrong number of arguments for '{name}' command"));
    let reply = |frame| Ok(Action::Reply(frame));
    Some(match (name, &mut *arguments) {
        ("GET", [key]) => Ok(Action::Replicate(Operation::Get { key: take(key) })),
        ("SET", [key, value, options @ ..]) => condition(options).map(|condition| {
            Action::Replicate(Operation::Set { key: take(key), value: take(value), condition })
        }),
        ("DEL", [_, ..]) => Ok(Action::Replicate(Operation::Del { keys: arguments })),
        ("INCR", [key]) => Ok(Action::Replicate(Operation::Incr { key: take(key) })),
        ("CAS", [key, expected, new]) => Ok(Action::Replicate(Operation::Cas {
            key: take(key),
            expected: take(expected),
            new: take(new),
        })),
        ("PING", []) => reply(Frame::SimpleString("PONG".into())),
        ("PING" | "ECHO", [text]) => reply(Frame::BulkString(take(text))),
        ("INFO", sections) => {
            let section = |section: &Vec<u8>| String::from_utf8_lossy(section).to_lowercase();
            Ok(Action::Info(sections.iter().map(section).collect()))
        }
        ("QUIT", _) => Ok(Action::Quit(reply::ok())),
        ("SELECT", [index]) if index == b"0" => reply(reply::ok()),
        ("SELECT", [_]) => Err("ERR DB index is out of range: there is only database 0".into()),
        ("HELLO", [] | [_, ..]) => hello(&arguments),
        ("COMMAND", [sub]) if sub.eq_ignore_ascii_case(b"COUNT") => reply(Frame::Integer(14)),
        ("COMMAND", _) => reply(Frame::Array(Vec::new())),
        ("CLIENT", [sub, ..]) => client(&sub.to_ascii_uppercase()),
        ("RAFT", [sub, id]) if sub.eq_ignore_ascii_case(b"READMIT") => readmit(id),
        ("RAFT", _) => Err("ERR of RAFT, only READMIT with the id of a server is there".into()),
        ("CONFIG", [sub, name]) if sub.eq_ignore_ascii_case(b"GET") => config(name),
        ("CONFIG", _) => Err("ERR only CONFIG GET is there: options are given at the start".into()),
        (FORWARDED, []) => Ok(Action::Forwarded),
        (
            "GET" | "SET" | "DEL" | "INCR" | "CAS" | "PING" | "ECHO" | "SELECT" | "CLIENT"
            | FORWARDED,
            _,
        ) => arity(),
        _ => return None,
    })
}

fn readmit(id: &[u8]) -> Result<Action, String> {
    let id = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
    let id = id.ok_or("ERR RAFT READMIT takes the id of a server, a number")?;
    Ok(Action::Readmit(ServerId(id)))
}

fn take(word: &mut Vec<u8>) -> Vec<u8> {
    std::mem::take(word)
}

fn condition(options: &[Vec<u8>]) -> Result<Condition, String> {
    let mut condition = Condition::Always;
    for option in options {
        let option = String::from_utf8_lossy(option).to_uppercase();
        condition = match (&*option, condition) {
            ("NX", Condition::Always | Condition::Absent) => Condition::Absent,
            ("XX", Condition::Always | Condition::Present) => Condition::Present,
            ("EX" | "PX" | "EXAT" | "PXAT" | "KEEPTTL", _) => {
                return Err(format!("ERR SET with {option} is not supported: keys do not expire"));
            }
            ("GET" | "IFEQ" | "IFNE" | "IFDEQ" | "IFDNE", _) => {
                return Err(format!("ERR SET with {option} is not supported: only NX and XX are"));
            }
            _ => return Err("ERR syntax error".into()),
        };
    }
    Ok(condition)
}

/// Clients that prefer version 3 of the protocol go on in version 2 after this error.
fn hello(arguments: &[Vec<u8>]) -> Result<Action, String> {
    match arguments {
        [] => {}
        [version] if version == b"2" => {}
        [version, ..] if version != b"2" => {
            return Err("NOPROTO unsupported protocol version: this server speaks version 2".into());
        }
        _ => return Err("ERR HELLO takes no options here: there are no users and passwords".into()),
    }
    let pairs = [
        ("server", reply::bulk("veraft-kv")),
        ("version", reply::bulk(env!("CARGO_PKG_VERSION"))),
        ("proto", Frame::Integer(2)),
    ];
    let pairs = pairs.into_iter().flat_map(|(name, value)| [reply::bulk(name), value]);
    Ok(Action::Reply(Frame::Array(pairs.collect())))
}

/// What client libraries say about themselves is taken note of by nobody.
fn client(sub: &[u8]) -> Result<Action, String> {
    match sub {
        b"SETINFO" | b"SETNAME" => Ok(Action::Reply(reply::ok())),
        b"GETNAME" => Ok(Action::Reply(Frame::Null)),
        _ => Err("ERR of CLIENT, only SETINFO, SETNAME and GETNAME are there".into()),
    }
}

/// What `redis-benchmark` asks before it starts.
fn config(name: &[u8]) -> Result<Action, String> {
    let value = match &*name.to_ascii_lowercase() {
        b"save" => "",
        // Every write is on the disks of a majority before it is answered.
        b"appendonly" => "yes",
        _ => return Ok(Action::Reply(Frame::Array(Vec::new()))),
    };
    Ok(Action::Reply(Frame::Array(vec![reply::bulk(name), reply::bulk(value)])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Action {
        let words = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        understand(Request { words, inline: false })
    }

    fn error(line: &str) -> String {
        let action = of(line);
        let Action::Reply(Frame::Error(text)) = action else { panic!("{line}: {action:?}") };
        text
    }

    #[test]
    fn commands_become_operations_whatever_their_case() {
        let set = |condition| {
            Action::Replicate(Operation::Set { key: "a".into(), value: "1".into(), condition })
        };
        assert_eq!(of("set a 1"), set(Condition::Always));
        assert_eq!(of("SET a 1 nx"), set(Condition::Absent));
        assert_eq!(of("SET a 1 XX"), set(Condition::Present));
        assert_eq!(of("gEt a"), Action::Replicate(Operation::Get { key: "a".into() }));
        let keys = vec!["a".into(), "b".into()];
        assert_eq!(of("DEL a b"), Action::Replicate(Operation::Del { keys }));
        let cas = Operation::Cas { key: "a".into(), expected: "1".into(), new: "2".into() };
        assert_eq!(of("CAS a 1 2"), Action::Replicate(cas));
        assert_eq!(of("raft readmit 3"), Action::Readmit(ServerId(3)));
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        assert!(error("SET a 1 EX 10").contains("EX is not supported: keys do not expire"));
        assert!(error("SET a 1 px 10").contains("PX is not supported"));
        assert!(error("SET a 1 GET").contains("only NX and XX"));
        assert_eq!(error("SET a 1 NX XX"), "ERR syntax error");
        assert!(error("GET").contains("wrong number of arguments for 'GET'"));
        assert!(error("INCR a b").contains("wrong number"));
        assert!(error("RAFT READMIT S3").contains("the id of a server, a number"));
        assert!(error("RAFT ELECT").contains("only READMIT"));
        assert!(error("SELECT 1").contains("only database 0"));
        assert!(error("HELLO 3").starts_with("NOPROTO"));
        assert!(error("FLUSHALL").contains("unknown command 'FLUSHALL'"));
    }

    #[test]
    fn a_line_that_names_no_command_ends_the_connection() {
        let words = vec!["POST".into(), "/".into(), "HTTP/1.1".into()];
        let action = understand(Request { words, inline: true });
        assert!(matches!(action, Action::Quit(Frame::Error(_))), "{action:?}");
    }
}
