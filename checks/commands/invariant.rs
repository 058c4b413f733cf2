//! `check invariant`: what was tried, and the way out if there is one.

use std::fmt;
use std::time::Instant;

use clap::Args;
use serde_json::json;

use crate::evidence::invariant::assumed::Assumed;
use crate::evidence::invariant::{Exit, INDUCTIVE, Trials, check};
use crate::evidence::verdict::Word;
use crate::terminal::printer::{Printer, note};

/// How many worlds, and which.
#[derive(Debug, Args)]
pub struct InvariantArgs {
    /// How many worlds
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    worlds: u32,
    /// What they are drawn from
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object on stdout, and the rest on stderr
    #[arg(long)]
    json: bool,
}

/// Tries so many worlds of this seed; answers with the exit status. What was drawn at random is
/// never said to hold. `as_json`: `--json` stood before the command.
pub fn run(args: &InvariantArgs, as_json: bool, out: &mut Printer) -> u8 {
    let InvariantArgs { worlds, seed, json } = *args;
    let started = Instant::now();
    let assumed = Assumed::invariant();
    let tried = check(&assumed, worlds, seed);
    let seconds = started.elapsed().as_secs_f64();
    let told = match &tried {
        Ok(Trials { worlds, steps }) => format!(
            "{} lemmas: {worlds} worlds; each of {steps} steps from them is a sequence of\n\
             actions of the abstract system, and none leads to a world in which a lemma is broken",
            assumed.count()
        ),
        Err(exit) => format!("{} is broken (seed {seed}):\n\n{exit}", exit.broken),
    };
    match json || as_json {
        true => {
            note(told);
            out.line(as_verdict(&tried, worlds, seconds));
        }
        false => out.line(told),
    }
    u8::from(tried.is_err())
}

/// The object that `check run` prints for a scope.
fn as_verdict(tried: &Result<Trials, Exit>, worlds: u32, seconds: f64) -> serde_json::Value {
    let (word, steps, trace) = match tried {
        Ok(Trials { worlds: _, steps }) => (Word::Unknown, Some(*steps), None),
        Err(Exit { broken, world, event, outcome }) => {
            let step = json!({ "broken": broken, "world": world, "action": event,
                "outcome": outcome });
            (Word::Violated, None, Some(vec![step]))
        }
    };
    let property = json!({ "name": INDUCTIVE, "expectation": "always", "verdict": word,
        "trace": trace });
    json!({ "scope": "invariant", "engine": "random worlds", "unique_states": worlds,
        "generated_states": steps, "exhausted": false, "seconds": seconds, "properties": [property] })
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exit { broken: _, world, event, outcome } = self;
        write!(f, "{world}")?;
        if let Some(event) = event {
            writeln!(f, "then {event}")?;
        }
        writeln!(f, "{outcome}")
    }
}
