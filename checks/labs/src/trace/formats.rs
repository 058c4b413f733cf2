//! Recordings of earlier formats. In format 1 every entry was a command, and nothing was a
//! breach; up to format 2 a log was the list of its entries, and had no base.

use serde_json::{Map, Value, json};
use std::ops::RangeInclusive;
use veraft::runtime::recorder::{FORMAT, Line};

/// The formats that are read.
pub const READ: RangeInclusive<u32> = 1..=FORMAT;

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
