//! Recordings of earlier formats. In format 1 every entry was a command, and nothing was a
//! breach; up to format 2 a log was the list of its entries, and had no base; up to format 3 a
//! step was not over before the disk had written, and heartbeats repeated what was not
//! acknowledged.

use serde_json::{Map, Value, json};
use std::ops::RangeInclusive;
use veraft::driver::Protocol;
use veraft::figure2::{Input, Message, Output, Timer};
use veraft::runtime::recorder::{FORMAT, Line};

/// The formats that are read.
pub const READ: RangeInclusive<u32> = 1..=FORMAT;

/// The last format in which the disk was part of a step.
pub const SERIAL: u32 = 3;

/// What a step was up to format [`SERIAL`], in steps of today.
pub fn serial_step<P: Protocol<Message = Message>>(server: &mut P, input: Input) -> Output {
    let beats = input == Input::Timeout(Timer::Heartbeat);
    let mut whole = server.step(input);
    if beats {
        let peers: Vec<_> = server.figure2().config().peers().collect();
        let repeats = peers.into_iter().flat_map(|peer| server.step(Input::Repeat { peer }).send);
        whole.send.extend(repeats);
        // Each peer's heartbeat came right before what was repeated to it.
        whole.send.sort_by_key(|(to, _)| *to);
    }
    if !whole.persist.is_empty() {
        let log = server.figure2().log();
        let (last_index, last_term) = (log.last_index(), log.last_term());
        let Output { apply, .. } = server.step(Input::Stored { last_index, last_term });
        whole.apply.extend(apply);
    }
    whole
}

/// Reads a line of any of them.
pub fn read(line: &[u8]) -> Result<Line, serde_json::Error> {
    serde_json::from_slice(line).or_else(|error| {
        let mut value: Value = serde_json::from_slice(line)?;
        match upgrade(&mut value) {
            true => serde_json::from_value(value),
            false => Err(error),
        }
    })
}

/// Gives each entry, and each proposal, payloads in the place of commands, and each log its
/// base; whether there were any to change.
fn upgrade(value: &mut Value) -> bool {
    match value {
        Value::Array(values) => values.iter_mut().fold(false, |any, one| upgrade(one) | any),
        Value::Object(fields) => {
            let mut any =
                rename(fields, "command", "payload", |command| json!({ "Command": command }));
            any |= rename(fields, "commands", "payloads", |mut commands| {
                let all = commands.as_array_mut().into_iter().flatten();
                all.for_each(|one| *one = json!({ "Command": one.take() }));
                commands
            });
            if fields.get("log").is_some_and(Value::is_array) {
                any |= rename(
                    fields,
                    "log",
                    "log",
                    |entries| json!({ "base": { "last_index": 0, "last_term": 0 }, "entries": entries }),
                );
            }
            any | fields.values_mut().fold(false, |any, one| upgrade(one) | any)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn rename(
    fields: &mut Map<String, Value>,
    from: &str,
    to: &str,
    change: impl FnOnce(Value) -> Value,
) -> bool {
    let Some(value) = fields.remove(from) else { return false };
    fields.insert(to.to_owned(), change(value));
    true
}
