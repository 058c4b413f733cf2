//! `check pins`: counts scopes anew, and prints `checks/scopes/pins.rs` as it then has to be.

use std::slice;

use clap::Args;
use indicatif::HumanCount;

use crate::commands::engine::EngineChoice;
use crate::commands::search::listen_for_interrupts;
use crate::evidence::search::{self, Options};
use crate::evidence::verdict::Verdict;
use crate::scopes::pins::PINS;
use crate::scopes::{self, SCOPES, Scope};
use crate::telling::summary;
use crate::terminal::printer::{Printer, note};

/// Which scopes, and how.
#[derive(Clone, Debug, Args)]
pub struct PinsArgs {
    /// The scopes to count: see `check list`; all of the default run, if none is named
    scopes: Vec<String>,
    #[command(flatten)]
    engine: EngineChoice,
}

/// A scope's name, states, visible states and depth, as in [`PINS`].
type Pin = (&'static str, u64, u64, u64);

/// The file in which the pins stand.
const SOURCE: &str = include_str!("../scopes/pins.rs");

const NO_DEPTH: &str = "--workers: depths are exact with --engine timely, or one";

/// The end of its line before the first pin.
const BEGIN: &str = " = &[\n";

/// Counts, and prints the file; answers with the exit status: 1 if a pin changed, or a property
/// fell, which leaves nothing to pin.
///
/// # Errors
/// When there is no such scope, or the engine does not count depths.
pub fn run(args: &PinsArgs, out: &mut Printer) -> Result<u8, String> {
    let scopes: Vec<Scope> = match &args.scopes[..] {
        [] => scopes::default_run(),
        names => names.iter().map(|name| scopes::named(name)).collect::<Result<_, _>>()?,
    };
    let options = Options::default();
    listen_for_interrupts(&options)?;
    let (mut counted, mut status) = (Vec::new(), 0);
    for (place, scope) in (1..).zip(&scopes) {
        let engine = args.engine.engine(scope)?;
        if !engine.goes_by_levels() && !scope.is_antichain() {
            return Err(NO_DEPTH.to_owned());
        }
        let place = Some((place, scopes.len()));
        let options = Options { engine: Some(engine), place, ..options.clone() };
        let verdict = search::scope(scope, &options).map_err(|error| error.to_string())?;
        if verdict.is_violated() || !verdict.exhausted {
            summary::summarise(slice::from_ref(&verdict), &mut Printer::stderr())
                .map_err(|e| e.to_string())?;
            return Ok(verdict.exit_status());
        }
        status = status.max(verdict.exit_status());
        note(news(scope, &verdict));
        let depth = match scope.is_antichain() {
            true => 0,
            false => verdict.depth.ok_or(NO_DEPTH)?,
        };
        let visible = verdict.visible_states.unwrap_or_default();
        counted.push((scope.name, verdict.unique_states, visible, depth));
    }
    out.text(source(&table(&counted)));
    Ok(status)
}

/// What became of the pin, in a line.
fn news(scope: &Scope, verdict: &Verdict) -> String {
    let states = HumanCount(verdict.unique_states);
    let found = format!("{}: {states} states, depth {}", scope.name, verdict.depth_in_words());
    match scope.pinned {
        None => format!("{found}: not pinned before"),
        Some(_) if verdict.changes().is_empty() => format!("{found}: as pinned"),
        Some(_) => format!("{}: changed: {}", scope.name, verdict.changes().join("; ")),
    }
}

/// The pins, those that were `counted` anew; in the order of [`SCOPES`].
fn table(counted: &[Pin]) -> Vec<Pin> {
    let named = |pins: &[Pin], name| pins.iter().copied().find(|(pinned, ..)| *pinned == name);
    let pin = |scope: &Scope| named(counted, scope.name).or_else(|| named(PINS, scope.name));
    SCOPES.iter().filter_map(pin).collect()
}

/// The file with these pins.
fn source(pins: &[Pin]) -> String {
    let head = SOURCE.split_once(BEGIN).map_or("", |(head, _)| head);
    let number = |number| HumanCount(number).to_string().replace(',', "_");
    let row = |&(name, states, visible, depth): &Pin| {
        let [states, visible, depth] = [states, visible, depth].map(number);
        format!("    ({name:?}, {states}, {visible}, {depth}),\n")
    };
    format!("{head}{BEGIN}{}];\n", pins.iter().map(row).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_printed_as_it_stands() {
        assert_eq!(source(&table(&[])), SOURCE);
        assert_eq!(source(PINS), SOURCE);
    }

    #[test]
    fn what_was_counted_anew_takes_the_place_of_its_pin() {
        let printed =
            source(&table(&[("figure-8-five", 1_234_567, 0, 30), ("pair", 8_469, 1_234, 24)]));
        let changed: Vec<&str> =
            printed.lines().filter(|line| !SOURCE.lines().any(|before| before == *line)).collect();
        assert_eq!(
            changed,
            ["    (\"pair\", 8_469, 1_234, 24),", "    (\"figure-8-five\", 1_234_567, 0, 30),"]
        );
        assert_eq!(printed.lines().count(), SOURCE.lines().count() + 1);
    }

    #[test]
    fn each_pin_is_one_of_a_scope_and_each_default_scope_has_one() {
        for (name, states, visible, depth) in PINS {
            let scope = scopes::find(name).expect(name);
            let pinned = scope.pinned.expect(name);
            let counts = (pinned.visible_states.unwrap_or(0), pinned.depth.unwrap_or(0));
            assert_eq!((pinned.unique_states, counts), (*states, (*visible, *depth)));
        }
        assert!(SCOPES.iter().all(|scope| scope.pinned.is_some() || !scope.default));
    }
}
