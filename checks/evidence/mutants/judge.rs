//! Lets a mutant's `check` explore, or its tests run, and compares what they show with what its
//! row states.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::places::{INDUCTIVE, RECOVERY};
use super::{Expected, Mutant, Search, Test, Verb};
use crate::evidence::verdict::{NOT_EXHAUSTED, Word};

/// No row's search takes this long.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a mutant showed.
#[derive(Clone, Debug)]
pub struct Showing {
    /// What fell, or that nothing did.
    pub fell: String,
    /// The length of the trace, if there is one.
    pub steps: Option<usize>,
    /// Distinct states, if a search counted them.
    pub states: Option<u64>,
    /// How long the first search, or the test, took.
    pub seconds: f64,
    /// How that differs from what was expected; empty if it does not.
    pub surprises: Vec<String>,
}

/// What is read of a verdict of `check run --json`, `check recover --json` or
/// `check invariant --json`.
#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    unique_states: u64,
    exhausted: bool,
    seconds: f64,
    properties: Vec<SeenProperty>,
    #[serde(default)]
    stopped: Option<String>,
    #[serde(default)]
    changed: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SeenProperty {
    name: String,
    verdict: Word,
    pub(super) trace: Option<Vec<Box<RawValue>>>,
}

/// Tries what was built from `mutant`: its `check` or its tests, at `binary`.
pub fn judge(mutant: &Mutant, binary: &Path) -> Result<Showing, String> {
    let property = match mutant.expected {
        Expected::FailsTest(test) => return try_test(test, binary),
        Expected::Falls { property: RECOVERY | INDUCTIVE, .. } | Expected::Survives { .. } => None,
        Expected::Falls { property, .. } | Expected::Unreached { property } => Some(property),
    };
    let [first, others @ ..] = mutant.searches else {
        return Err("the row names no search".to_owned());
    };
    let seen = explore(first, property, binary)?;
    let violated = seen.with(Word::Violated);
    let mut showing = Showing {
        fell: fallen(mutant.expected, &seen),
        steps: violated.and_then(|property| property.trace.as_ref()).map(Vec::len),
        states: Some(seen.unique_states),
        seconds: seen.seconds,
        surprises: surprises(mutant.expected, &seen, true, first),
    };
    for search in others {
        let seen = explore(search, property, binary)?;
        showing.surprises.extend(surprises(mutant.expected, &seen, false, search));
    }
    for search in mutant.blind {
        let seen = explore(search, property, binary)?;
        if !seen.exhausted || seen.with(Word::Violated).is_some() {
            showing.surprises.push(format!("is not hidden from {}", search.words()));
        }
    }
    Ok(showing)
}

/// The exit status of a test that fails, as Rust's harness has it.
const TEST_FAILED: i32 = 101;

/// The test must be there, and fail: a program that crashes has shown nothing.
fn try_test(test: Test, binary: &Path) -> Result<Showing, String> {
    let started = Instant::now();
    let arguments = [test.name.to_owned(), "--exact".to_owned()];
    let (text, status) = run(binary, &arguments, PATIENCE)
        .map_err(|error| format!("{}: {error}", binary.display()))?;
    if !text.contains("running 1 test\n") {
        return Err(format!("no test of {} is called {}", test.suite.words(), test.name));
    }
    let failed = text.contains("test result: FAILED. 0 passed; 1 failed;");
    let (fell, surprises) = match status.code() {
        Some(0) => ("nothing", vec![format!("survived: {} passes", test.name)]),
        Some(TEST_FAILED) if failed => ("the test", Vec::new()),
        _ => return Err(format!("{} neither passed nor failed: {status}", test.name)),
    };
    Ok(Showing {
        fell: fell.to_owned(),
        steps: None,
        states: None,
        seconds: started.elapsed().as_secs_f64(),
        surprises,
    })
}

fn fallen(expected: Expected, seen: &Seen) -> String {
    let missing = seen.with(Word::NotFound).map(|property| format!("unreached: {}", property.name));
    let violated = seen.with(Word::Violated).map(|property| property.name.clone());
    let otherwise = match expected {
        Expected::Survives { .. } => "(safe)",
        Expected::Falls { .. } | Expected::Unreached { .. } | Expected::FailsTest(_) => "nothing",
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
        Expected::FailsTest(_) => {}
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
    /// Distinct states.
    pub(super) fn unique_states(&self) -> u64 {
        self.unique_states
    }

    /// How long it took.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// How a command ends that shows this: see `check --help`.
    fn exit_status(&self, command: Verb) -> i32 {
        let bad =
            |property: &SeenProperty| matches!(property.verdict, Word::Violated | Word::NotFound);
        // A sample that was asked for is complete when nothing stopped it.
        let complete = self.exhausted || (command != Verb::Run && self.stopped.is_none());
        match (self.properties.iter().any(bad) || !self.changed.is_empty(), complete) {
            (true, _) => 1,
            (false, true) => 0,
            (false, false) => i32::from(NOT_EXHAUSTED),
        }
    }

    /// A property of which this was shown.
    pub(super) fn with(&self, verdict: Word) -> Option<&SeenProperty> {
        self.properties.iter().find(|property| property.verdict == verdict)
    }
}

/// What `binary` finds in a search: of all properties but the refinement, or of one alone.
pub(super) fn explore(
    search: &Search,
    property: Option<&str>,
    binary: &Path,
) -> Result<Seen, String> {
    let mut arguments = search.arguments();
    arguments.push("--json".to_owned());
    match (property, search.command) {
        (Some(property), _) => arguments.extend(["--property".to_owned(), property.to_owned()]),
        // What harms nobody may still be none of the system's actions.
        (None, Verb::Run) => arguments.push("--no-refinement".to_owned()),
        (None, Verb::Recover | Verb::Invariant) => {}
    }
    let (text, status) = run(binary, &arguments, PATIENCE)
        .map_err(|error| format!("{}: {error}", binary.display()))?;
    let arguments = arguments.join(" ");
    let seen: Seen = serde_json::from_str(&text)
        .map_err(|error| format!("{arguments} gave no verdict ({status}): {error}"))?;
    // Whatever crashed after it spoke may have spoken of another space.
    match status.code() == Some(seen.exit_status(search.command)) {
        true => Ok(seen),
        false => Err(format!("{arguments} ended with {status}, which is not that of its verdict")),
    }
}

/// What the binary prints, and how it ends. It is ended if it takes longer than `patience`.
fn run(
    binary: &Path,
    arguments: &[String],
    patience: Duration,
) -> io::Result<(String, ExitStatus)> {
    // A file, for nobody reads a pipe meanwhile.
    let printed = binary.with_file_name("printed");
    let mut child = Command::new(binary)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(File::create(&printed)?)
        // Assertions of the core that fail are told here, each time.
        .stderr(Stdio::null())
        .spawn()?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(io::ErrorKind::TimedOut, "takes too long"));
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    Ok((fs::read_to_string(&printed)?, status))
}

#[cfg(test)]
mod tests;
