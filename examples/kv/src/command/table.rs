//! The commands that there are, as `COMMAND` tells of them.

use crate::reply::{Reply, bulk};

/// A command.
#[derive(Debug)]
pub struct Entry {
    pub name: &'static str,
    /// How many words a request has, the name included; negative: at least so many.
    pub arity: i64,
    pub flags: &'static [&'static str],
    /// The first and last key among the words, and the step from one to the next; the last is
    /// counted from the end if it is negative.
    pub keys: (i64, i64, i64),
    pub group: &'static str,
    pub summary: &'static str,
}

const READ: &[&str] = &["readonly", "fast"];
const WRITE: &[&str] = &["write", "denyoom", "fast"];
const REMOVE: &[&str] = &["write", "fast"];
const LOCAL: &[&str] = &["fast", "loading", "stale"];

const ADMIN: &[&str] = &["admin"];

const NONE: (i64, i64, i64) = (0, 0, 0);
const ONE: (i64, i64, i64) = (1, 1, 1);
const ALL: (i64, i64, i64) = (1, -1, 1);

const fn entry(
    name: &'static str,
    arity: i64,
    flags: &'static [&'static str],
    keys: (i64, i64, i64),
    group: &'static str,
    summary: &'static str,
) -> Entry {
    Entry { name, arity, flags, keys, group, summary }
}

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    entry("append", 3, WRITE, ONE, "string", "Adds to the end of a value."),
    entry("auth", -2, LOCAL, NONE, "connection", "Refused: there are no users and passwords."),
    entry("bgsave", -1, ADMIN, NONE, "server", "Begins to write an image of this node's keys."),
    entry("cas", 4, WRITE, ONE, "string", "Writes a key that holds an expected value."),
    entry("client", -2, LOCAL, NONE, "connection", "Names a connection."),
    entry("command", -1, LOCAL, NONE, "server", "Tells of the commands that there are."),
    entry("config", -2, LOCAL, NONE, "server", "Tells of the configuration."),
    entry("dbsize", 1, READ, NONE, "server", "Counts the keys."),
    entry("decr", 2, WRITE, ONE, "string", "Takes one from a number."),
    entry("decrby", 3, WRITE, ONE, "string", "Takes from a number."),
    entry("del", -2, REMOVE, ALL, "generic", "Removes keys."),
    entry("echo", 2, LOCAL, NONE, "connection", "Says what it is told."),
    entry("exists", -2, READ, ALL, "generic", "Counts keys that are there."),
    entry("expire", -3, REMOVE, ONE, "generic", "Lets a key expire, in seconds."),
    entry("get", 2, READ, ONE, "string", "Reads a key."),
    entry("getdel", 2, REMOVE, ONE, "string", "Reads a key and removes it."),
    entry("getset", 3, WRITE, ONE, "string", "Writes a key and answers what it held."),
    entry("hello", -1, LOCAL, NONE, "connection", "Chooses the version of the protocol."),
    entry("incr", 2, WRITE, ONE, "string", "Adds one to a number."),
    entry("incrby", 3, WRITE, ONE, "string", "Adds to a number."),
    entry("info", -1, LOCAL, NONE, "server", "What this node knows of itself and its cluster."),
    entry("lastsave", 1, LOCAL, NONE, "server", "When this node's keys were last in an image."),
    entry("mget", -2, READ, ALL, "string", "Reads keys at one moment."),
    entry("mset", -3, WRITE, (1, -1, 2), "string", "Writes keys at one moment."),
    entry("persist", 2, REMOVE, ONE, "generic", "Lets a key expire no more."),
    entry("pexpire", -3, REMOVE, ONE, "generic", "Lets a key expire, in milliseconds."),
    entry("ping", -1, LOCAL, NONE, "connection", "Answers."),
    entry("psetex", 4, WRITE, ONE, "string", "Writes a key that expires, in milliseconds."),
    entry("pttl", 2, READ, ONE, "generic", "How long until a key expires, in milliseconds."),
    entry("quit", -1, LOCAL, NONE, "connection", "Ends the connection."),
    entry("raft", -2, LOCAL, NONE, "server", "READMIT: lets an emptied server come back."),
    entry("reset", 1, LOCAL, NONE, "connection", "Makes a connection as it was when it began."),
    entry("save", 1, ADMIN, NONE, "server", "Writes an image of this node's keys."),
    entry("select", 2, LOCAL, NONE, "connection", "Chooses database 0, the only one."),
    entry("set", -3, WRITE, ONE, "string", "Writes a key."),
    entry("setex", 4, WRITE, ONE, "string", "Writes a key that expires, in seconds."),
    entry("setnx", 3, WRITE, ONE, "string", "Writes a key that is absent."),
    entry("strlen", 2, READ, ONE, "string", "The length of a value."),
    entry("ttl", 2, READ, ONE, "generic", "How long until a key expires, in seconds."),
    entry("type", 2, READ, ONE, "generic", "What a key holds."),
];

/// A command by its name, in small letters.
pub fn find(name: &str) -> Option<&'static Entry> {
    let at = TABLE.binary_search_by_key(&name, |entry| entry.name).ok()?;
    TABLE.get(at)
}

impl Entry {
    /// Whether so many words can be a request for it, the name included.
    pub fn takes(&self, words: usize) -> bool {
        let words = i64::try_from(words).unwrap_or(i64::MAX);
        words == self.arity || self.arity < 0 && words >= -self.arity
    }

    /// What `COMMAND INFO` says of it.
    pub fn info(&self) -> Reply {
        let word = |word: &&'static str| Reply::Status((*word).into());
        let (first, last, step) = self.keys;
        Reply::Array(vec![
            bulk(self.name),
            Reply::Integer(self.arity),
            Reply::Set(self.flags.iter().map(word).collect()),
            Reply::Integer(first),
            Reply::Integer(last),
            Reply::Integer(step),
            // Categories of access, tips, specifications of keys, and commands below it.
            Reply::Set(Vec::new()),
            Reply::Array(Vec::new()),
            Reply::Array(Vec::new()),
            Reply::Array(Vec::new()),
        ])
    }

    /// What `COMMAND DOCS` says of it.
    pub fn docs(&self) -> (Reply, Reply) {
        let fields = [("summary", self.summary), ("since", "1.0.0"), ("group", self.group)];
        let fields = fields.map(|(name, text)| (bulk(name), bulk(text)));
        (bulk(self.name), Reply::Map(fields.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_by_its_name() {
        assert!(TABLE.is_sorted_by_key(|entry| entry.name));
        for entry in TABLE {
            assert_eq!(find(entry.name).unwrap().name, entry.name);
        }
        assert!(find("lpush").is_none() && find("GET").is_none());
    }

    #[test]
    fn the_number_of_words_is_exact_or_a_least() {
        let takes = |name, words| find(name).unwrap().takes(words);
        assert!(takes("get", 2) && !takes("get", 1) && !takes("get", 3));
        assert!(takes("del", 2) && takes("del", 9000) && !takes("del", 1));
    }
}
