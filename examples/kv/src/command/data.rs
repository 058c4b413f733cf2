//! Commands on the map.

use std::mem::take;

use super::{Action, Understood, arity};
use crate::machine::number;
use crate::operation::{Condition, Expiry, Only, Operation, Unit};

const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
const SYNTAX: &str = "ERR syntax error";

/// The greatest time to live, in milliseconds: far more than a log will see, and no sum overflows.
const MAX_MILLISECONDS: i64 = i64::MAX / 4;

/// The operation; none if this is another kind of command. The number of words is right.
pub fn understand(name: &str, arguments: &mut Vec<Vec<u8>>) -> Option<Understood> {
    let operation = match (name, &mut **arguments) {
        ("get", [key]) => Ok(Operation::Get { key: take(key) }),
        ("set", [key, value, options @ ..]) => set(key, value, options),
        ("setnx", [key, value]) => Ok(Operation::SetAbsent { key: take(key), value: take(value) }),
        ("setex" | "psetex", [key, ttl, value]) => {
            let unit = if name == "setex" { Unit::Seconds } else { Unit::Milliseconds };
            after(ttl, unit, name).map(|expiry| plain_set(key, value, expiry, false))
        }
        ("getset", [key, value]) => Ok(plain_set(key, value, Expiry::Never, true)),
        ("getdel", [key]) => Ok(Operation::GetDel { key: take(key) }),
        ("del", _) => Ok(Operation::Del { keys: take(arguments) }),
        ("exists", _) => Ok(Operation::Exists { keys: take(arguments) }),
        ("mget", _) => Ok(Operation::GetMany { keys: take(arguments) }),
        ("mset", words) if words.len() % 2 == 1 => Err(arity(name)),
        ("mset", words) => {
            let pair = |pair: &mut [Vec<u8>]| (take(&mut pair[0]), take(&mut pair[1]));
            Ok(Operation::SetMany { pairs: words.chunks_exact_mut(2).map(pair).collect() })
        }
        ("incr", [key]) => Ok(Operation::Add { key: take(key), amount: 1 }),
        ("decr", [key]) => Ok(Operation::Add { key: take(key), amount: -1 }),
        ("incrby", [key, amount]) => {
            integer(amount).map(|amount| Operation::Add { key: take(key), amount })
        }
        ("decrby", [key, amount]) => integer(amount).and_then(|amount| {
            let amount = amount.checked_neg().ok_or("ERR decrement would overflow")?;
            Ok(Operation::Add { key: take(key), amount })
        }),
        ("append", [key, value]) => Ok(Operation::Append { key: take(key), value: take(value) }),
        ("strlen", [key]) => Ok(Operation::Length { key: take(key) }),
        ("type", [key]) => Ok(Operation::Type { key: take(key) }),
        ("dbsize", _) => Ok(Operation::Size),
        ("cas", [key, expected, new]) => {
            Ok(Operation::Cas { key: take(key), expected: take(expected), new: take(new) })
        }
        ("expire" | "pexpire", [key, ttl, options @ ..]) => expire(name, key, ttl, options),
        ("ttl", [key]) => Ok(Operation::TimeLeft { key: take(key), unit: Unit::Seconds }),
        ("pttl", [key]) => Ok(Operation::TimeLeft { key: take(key), unit: Unit::Milliseconds }),
        ("persist", [key]) => Ok(Operation::Persist { key: take(key) }),
        _ => return None,
    };
    Some(operation.map(Action::Replicate))
}

fn plain_set(key: &mut Vec<u8>, value: &mut Vec<u8>, expiry: Expiry, get: bool) -> Operation {
    let condition = Condition::Always;
    Operation::Set { key: take(key), value: take(value), condition, expiry, get }
}

fn set(key: &mut Vec<u8>, value: &mut Vec<u8>, options: &[Vec<u8>]) -> Result<Operation, String> {
    let mut condition = Condition::Always;
    let mut expiry = None;
    let mut get = false;
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let name = String::from_utf8_lossy(option).to_uppercase();
        match (&*name, condition, &expiry) {
            ("NX", Condition::Always | Condition::Absent, _) => condition = Condition::Absent,
            ("XX", Condition::Always | Condition::Present, _) => condition = Condition::Present,
            ("GET", _, _) => get = true,
            ("KEEPTTL", _, None | Some(Expiry::Keep)) => expiry = Some(Expiry::Keep),
            ("EX" | "PX", _, None) => {
                let ttl = options.next().ok_or(SYNTAX)?;
                let unit = if name == "EX" { Unit::Seconds } else { Unit::Milliseconds };
                expiry = Some(after(ttl, unit, "set")?);
            }
            ("EXAT" | "PXAT", _, None) => {
                return Err(format!(
                    "ERR SET with {name} is not supported: keys expire by the time of the log, \
                     which has no date; give EX or PX"
                ));
            }
            ("IFEQ" | "IFNE" | "IFDEQ" | "IFDNE", _, _) => {
                return Err(format!("ERR SET with {name} is not supported: see CAS"));
            }
            _ => return Err(SYNTAX.into()),
        }
    }
    let expiry = expiry.unwrap_or(Expiry::Never);
    Ok(Operation::Set { key: take(key), value: take(value), condition, expiry, get })
}

fn expire(
    name: &str,
    key: &mut Vec<u8>,
    ttl: &[u8],
    options: &[Vec<u8>],
) -> Result<Operation, String> {
    let mut only = Only::default();
    for option in options {
        let flag = match &*option.to_ascii_uppercase() {
            b"NX" => &mut only.lasting,
            b"XX" => &mut only.expiring,
            b"GT" => &mut only.later,
            b"LT" => &mut only.earlier,
            _ => {
                let option = String::from_utf8_lossy(option);
                return Err(format!("ERR Unsupported option {option}"));
            }
        };
        *flag = true;
    }
    if only.lasting && (only.expiring || only.later || only.earlier) {
        let text = "ERR NX and XX, GT or LT options at the same time are not compatible";
        return Err(text.into());
    }
    if only.later && only.earlier {
        return Err("ERR GT and LT options at the same time are not compatible".into());
    }
    let unit = if name == "expire" { Unit::Seconds } else { Unit::Milliseconds };
    let milliseconds = milliseconds(integer(ttl)?, unit).ok_or_else(|| invalid(name))?;
    Ok(Operation::Expire { key: take(key), milliseconds, only })
}

fn after(ttl: &[u8], unit: Unit, name: &str) -> Result<Expiry, String> {
    let milliseconds = milliseconds(integer(ttl)?, unit).filter(|milliseconds| *milliseconds > 0);
    let milliseconds = milliseconds.and_then(|milliseconds| u64::try_from(milliseconds).ok());
    Ok(Expiry::After { milliseconds: milliseconds.ok_or_else(|| invalid(name))? })
}

fn invalid(name: &str) -> String {
    format!("ERR invalid expire time in '{name}' command")
}

fn milliseconds(ttl: i64, unit: Unit) -> Option<i64> {
    let factor = if unit == Unit::Seconds { 1000 } else { 1 };
    let milliseconds = ttl.checked_mul(factor)?;
    (milliseconds.unsigned_abs() <= MAX_MILLISECONDS.unsigned_abs()).then_some(milliseconds)
}

fn integer(text: &[u8]) -> Result<i64, String> {
    let integer = std::str::from_utf8(text).ok().and_then(number);
    integer.ok_or_else(|| NOT_AN_INTEGER.into())
}
