//! Commands that a node answers by itself.

use veraft::figure2::ServerId;

use super::{Action, Session, Understood, arity, table};
use crate::reply::{self, Reply, Version, bulk};

/// The action. The number of words is right.
pub fn understand(name: &str, arguments: &[Vec<u8>]) -> Understood {
    let reply = |reply| Ok(Action::Reply(reply));
    match (name, arguments) {
        ("ping", []) => reply(Reply::Status("PONG".into())),
        ("ping" | "echo", [text]) => reply(bulk(text)),
        ("info", sections) => {
            let section = |section: &Vec<u8>| String::from_utf8_lossy(section).to_lowercase();
            Ok(Action::Info(sections.iter().map(section).collect()))
        }
        ("quit", _) => Ok(Action::Quit(reply::ok())),
        ("reset", _) => Ok(Action::Session(Session::Reset)),
        ("select", [index]) => match number(index) {
            Some(0) => reply(reply::ok()),
            Some(_) => Err("ERR DB index is out of range".into()),
            None => Err("ERR value is not an integer or out of range".into()),
        },
        ("hello", _) => hello(arguments),
        ("auth", [_]) => {
            Err("ERR AUTH <password> called without any password configured for the default user. \
             Are you sure your configuration is correct?"
                .into())
        }
        ("auth", [_, _]) => Err(WRONG_PASSWORD.into()),
        ("auth", _) => Err("ERR syntax error".into()),
        ("command", []) => {
            reply(Reply::Array(table::TABLE.iter().map(table::Entry::info).collect()))
        }
        ("command", [sub, rest @ ..]) => command(sub, rest),
        ("client", [sub, rest @ ..]) => client(sub, rest),
        ("config", [sub, rest @ ..]) => config(sub, rest),
        ("save", []) => Ok(Action::Save),
        ("bgsave", []) => Ok(Action::SaveBehind),
        // There is nothing that it would have to wait for.
        ("bgsave", [schedule]) if schedule.eq_ignore_ascii_case(b"SCHEDULE") => {
            Ok(Action::SaveBehind)
        }
        ("bgsave", _) => Err("ERR syntax error".into()),
        ("lastsave", []) => Ok(Action::LastSave),
        ("raft", [sub, id]) if sub.eq_ignore_ascii_case(b"READMIT") => readmit(id),
        ("raft", _) => Err("ERR of RAFT, only READMIT with the id of a server is there".into()),
        _ => Err(arity(name)),
    }
}

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok().and_then(crate::machine::number)
}

fn unknown_sub(name: &str, sub: &[u8]) -> String {
    let upper = name.to_ascii_uppercase();
    let sub = String::from_utf8_lossy(&sub[..sub.len().min(128)]);
    format!("ERR unknown subcommand '{sub}'. Try {upper} HELP.")
}

fn readmit(id: &[u8]) -> Understood {
    let id = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
    let id = id.ok_or("ERR RAFT READMIT takes the id of a server, a number")?;
    Ok(Action::Readmit(ServerId(id)))
}

/// There are no users and passwords, so nobody can prove to be one.
fn hello(arguments: &[Vec<u8>]) -> Understood {
    let (version, mut options) = match arguments {
        [] => (None, &[][..]),
        [version, options @ ..] => match number(version) {
            Some(2) => (Some(Version::Two), options),
            Some(3) => (Some(Version::Three), options),
            Some(_) => return Err("NOPROTO unsupported protocol version".into()),
            None => return Err("ERR Protocol version is not an integer or out of range".into()),
        },
    };
    let mut name = None;
    loop {
        options = match options {
            [] => return Ok(Action::Session(Session::Hello { version, name })),
            [option, _, _, ..] if option.eq_ignore_ascii_case(b"AUTH") => {
                return Err(WRONG_PASSWORD.into());
            }
            [option, given, rest @ ..] if option.eq_ignore_ascii_case(b"SETNAME") => {
                name = Some(printable(given, NAME)?);
                rest
            }
            [option, ..] => {
                let option = String::from_utf8_lossy(option);
                return Err(format!("ERR Syntax error in HELLO option '{option}'"));
            }
        };
    }
}

const NAME: &str = "ERR Client names cannot contain spaces, newlines or special characters.";

fn printable(text: &[u8], otherwise: &str) -> Result<Vec<u8>, String> {
    let printable = text.iter().all(u8::is_ascii_graphic);
    printable.then(|| text.to_vec()).ok_or_else(|| otherwise.into())
}

/// What client libraries say about themselves is checked, and taken note of by nobody.
fn client(sub: &[u8], rest: &[Vec<u8>]) -> Understood {
    let few = |name: &str| Err(arity(&format!("client|{name}")));
    match (&*sub.to_ascii_uppercase(), rest) {
        (b"SETINFO", [attribute, value]) => {
            let attribute = String::from_utf8_lossy(attribute).to_lowercase();
            if !matches!(&*attribute, "lib-name" | "lib-ver") {
                return Err(format!("ERR Unrecognized option '{attribute}'"));
            }
            let text =
                format!("ERR {attribute} cannot contain spaces, newlines or special characters.");
            printable(value, &text)?;
            Ok(Action::Reply(reply::ok()))
        }
        (b"SETINFO", _) => few("setinfo"),
        (b"SETNAME", [name]) => Ok(Action::Session(Session::SetName(printable(name, NAME)?))),
        (b"SETNAME", _) => few("setname"),
        (b"GETNAME", []) => Ok(Action::Session(Session::GetName)),
        (b"GETNAME", _) => few("getname"),
        (b"ID", []) => Ok(Action::Session(Session::Id)),
        (b"ID", _) => few("id"),
        _ => Err(unknown_sub("client", sub)),
    }
}

fn command(sub: &[u8], names: &[Vec<u8>]) -> Understood {
    let found = |name: &Vec<u8>| table::find(&String::from_utf8_lossy(name).to_lowercase());
    let all = || table::TABLE.iter();
    let reply = match (&*sub.to_ascii_uppercase(), names) {
        (b"COUNT", []) => Reply::Integer(table::TABLE.len() as i64),
        (b"COUNT", _) => return Err(arity("command|count")),
        (b"LIST", []) => Reply::Array(all().map(|entry| bulk(entry.name)).collect()),
        (b"LIST", _) => return Err("ERR syntax error".into()),
        (b"INFO", []) => Reply::Array(all().map(table::Entry::info).collect()),
        (b"INFO", names) => {
            let info = |name| found(name).map_or(Reply::Null, table::Entry::info);
            Reply::Array(names.iter().map(info).collect())
        }
        (b"DOCS", []) => Reply::Map(all().map(table::Entry::docs).collect()),
        (b"DOCS", names) => {
            Reply::Map(names.iter().filter_map(found).map(table::Entry::docs).collect())
        }
        _ => return Err(unknown_sub("command", sub)),
    };
    Ok(Action::Reply(reply))
}

/// What `redis-benchmark` asks before it starts.
fn config(sub: &[u8], names: &[Vec<u8>]) -> Understood {
    if !sub.eq_ignore_ascii_case(b"GET") {
        return Err("ERR only CONFIG GET is there: options are given at the start".into());
    }
    if names.is_empty() {
        return Err(arity("config|get"));
    }
    let known = [
        ("save", ""),
        // Every write is on the disks of a majority before it is answered.
        ("appendonly", "yes"),
    ];
    let asked = |(name, _): &(&str, &str)| {
        names.iter().any(|given| given.eq_ignore_ascii_case(name.as_bytes()))
    };
    let pairs = known.into_iter().filter(asked).map(|(name, value)| (bulk(name), bulk(value)));
    Ok(Action::Reply(Reply::Map(pairs.collect())))
}
