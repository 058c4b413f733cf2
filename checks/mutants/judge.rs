//! Lets a mutant's `check` explore, and compares what it shows with what its row states.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Expected, Mutant, Search};
use crate::verdict::Word;

/// No row's search takes this long.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a mutant showed.
#[derive(Clone, Debug)]
pub struct Showing {
    /// What fell, or that nothing did.
    pub fell: String,
    /// The length of the trace, if there is one.
    pub steps: Option<usize>,
    /// Distinct states.
    pub states: u64,
    /// How long the first search took.
    pub seconds: f64,
    /// How that differs from what was expected; empty if it does not.
    pub surprises: Vec<String>,
}

/// What is read of a verdict of `check run --json`.
#[derive(Debug, Deserialize)]
struct Seen {
    unique_states: u64,
    exhausted: bool,
    seconds: f64,
    properties: Vec<SeenProperty>,
}

#[derive(Debug, Deserialize)]
struct SeenProperty {
    name: String,
    verdict: Word,
    trace: Option<Vec<Box<RawValue>>>,
}

/// Explores with the `check` at `binary`, which was built from `mutant`.
pub fn judge(mutant: &Mutant, binary: &Path) -> Result<Showing, String> {
    let [first, others @ ..] = mutant.searches else {
        return Err("the row names no search".to_owned());
    };
    let property = match mutant.expected {
        Expected::Falls { property, .. } | Expected::Unreached { property } => Some(property),
        Expected::Survives { .. } => None,
    };
    let seen = explore(first, property, binary)?;
    let violated = seen.with(Word::Violated);
    let mut showing = Showing {
        fell: fallen(mutant.expected, &seen),
        steps: violated.and_then(|property| property.trace.as_ref()).map(Vec::len),
        states: seen.unique_states,
        seconds: seen.seconds,
        surprises: surprises(mutant.expected, &seen, true, first),
    };
    for search in others {
        let seen = explore(search, property, binary)?;
        showing.surprises.extend(surprises(mutant.expected, &seen, false, search));
    }
    for search in mutant.blind {
        if explore(search, property, binary)?.with(Word::Holds).is_none() {
            showing.surprises.push(format!("is not hidden from {}", search.words()));
        }
    }
    Ok(showing)
}

fn fallen(expected: Expected, seen: &Seen) -> String {
    let missing = seen.with(Word::NotFound).map(|property| format!("unreached: {}", property.name));
    let violated = seen.with(Word::Violated).map(|property| property.name.clone());
    let otherwise = match expected {
        Expected::Survives { .. } => "(safe)",
        Expected::Falls { .. } | Expected::Unreached { .. } => "nothing",
    };
    violated.or(missing).unwrap_or_else(|| otherwise.to_owned())
}

/// How what was seen differs from what was expected. Steps and states are those of the first
/// search.
fn surprises(expected: Expected, seen: &Seen, is_first: bool, search: &Search) -> Vec<String> {
    let words = search.words();
    let mut surprises = Vec::new();
    let mut unless = |good: bool, text: String| {
        if !good {
            surprises.push(format!("{text} ({words})"));
        }
    };
    match expected {
        Expected::Falls { property, steps } => {
            let trace = seen.with(Word::Violated).and_then(|property| property.trace.as_ref());
            unless(trace.is_some(), format!("survived: {property} holds"));
            let counted = trace.map_or(steps, Vec::len);
            let as_stated = !is_first || counted == steps;
            unless(as_stated, format!("fell after {counted} steps, not {steps}"));
        }
        Expected::Unreached { property } => {
            let missing = seen.with(Word::NotFound).is_some();
            unless(missing, format!("survived: {property} was found"));
        }
        Expected::Survives { states, reason: _ } => {
            let counted = seen.unique_states;
            unless(seen.exhausted, "was not exhausted".to_owned());
            let as_stated = !is_first || counted == states;
            unless(as_stated, format!("has {counted} states, not {states}"));
            for SeenProperty { name, verdict, .. } in &seen.properties {
                let good = matches!(verdict, Word::Holds | Word::Found);
                unless(good, format!("{name}: {}", verdict.text()));
            }
        }
    }
    surprises
}

impl Seen {
    fn with(&self, verdict: Word) -> Option<&SeenProperty> {
        self.properties.iter().find(|property| property.verdict == verdict)
    }
}

fn explore(search: &Search, property: Option<&str>, binary: &Path) -> Result<Seen, String> {
    let mut arguments = search.arguments();
    arguments.push("--json".to_owned());
    if let Some(property) = property {
        arguments.extend(["--property".to_owned(), property.to_owned()]);
    }
    let text = run(binary, &arguments).map_err(|error| format!("{}: {error}", binary.display()))?;
    serde_json::from_str(&text)
        .map_err(|error| format!("{} gave no verdict: {error}", arguments.join(" ")))
}

/// What the binary prints. It is ended if it takes too long.
fn run(binary: &Path, arguments: &[String]) -> io::Result<String> {
    // A file, for nobody reads a pipe meanwhile.
    let printed = binary.with_extension("json");
    let mut child = Command::new(binary)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(File::create(&printed)?)
        // Assertions of the core that fail are told here, each time.
        .stderr(Stdio::null())
        .spawn()?;
    let started = Instant::now();
    while child.try_wait()?.is_none() {
        if started.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(io::ErrorKind::TimedOut, "takes too long"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    fs::read_to_string(&printed)
}
