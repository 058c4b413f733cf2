//! A search of one scope or several: what is told meanwhile, and at the end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::commands::output::{Files, OutputArgs};
use crate::engines::Engine;
use crate::evidence::search::{self, Options};
use crate::evidence::verdict::{NOT_EXHAUSTED, Verdict};
use crate::scopes::{self, Scope};
use crate::telling::summary;
use crate::telling::table::VerdictTable;
use crate::terminal::printer::{Printer, note};

/// Explores the scopes of the default run; answers with the gravest exit status.
///
/// # Errors
/// When a file that is asked for cannot be written.
pub fn default_run(output: &OutputArgs, out: &mut Printer) -> Result<u8, String> {
    search(&scopes::default_run(), &Options::default(), output, out)
}

/// Explores scopes one after the other; answers with the gravest exit status.
///
/// # Errors
/// When a file that is asked for cannot be written.
pub fn search(
    scopes: &[Scope],
    options: &Options,
    output: &OutputArgs,
    out: &mut Printer,
) -> Result<u8, String> {
    let speaks = options.engine.as_ref().is_none_or(Engine::speaks);
    // Of several processes, all started alike, one writes.
    let files = if speaks { Files::open(output)? } else { Files::default() };
    listen_for_interrupts(options)?;
    let mut screen = Screen { out, aside: Printer::stderr(), json: output.json };
    let table = VerdictTable::of(scopes);
    if speaks && scopes.len() > 1 {
        screen.told().line(table.header());
    }
    let mut verdicts: Vec<Verdict> = Vec::new();
    for (place, scope) in (1..).zip(scopes) {
        if screen.out.is_lost() && files.is_empty() {
            return Ok(summary::exit_status(&verdicts, verdicts.len()));
        }
        if options.interrupted.load(Ordering::Relaxed) {
            note(format_args!("{}: not begun", scope.name));
            continue;
        }
        let options = Options { place: Some((place, scopes.len())), ..options.clone() };
        let verdict = match search::scope(scope, &options) {
            Ok(verdict) => verdict,
            Err(error) => {
                note(format_args!("check: {}: {error}", scope.name));
                return Ok(NOT_EXHAUSTED);
            }
        };
        if speaks {
            if output.json {
                screen.out.line(serde_json::to_string(&verdict).map_err(|e| e.to_string())?);
            }
            if scopes.len() > 1 {
                screen.told().line(table.row(place, &verdict));
            }
        }
        verdicts.push(verdict);
    }
    if speaks {
        summary::summarise(&verdicts, screen.told()).map_err(|error| error.to_string())?;
        for file in files.write(&verdicts)? {
            screen.told().line(format_args!("check replay {}", file.display()));
        }
    }
    Ok(summary::exit_status(&verdicts, scopes.len()))
}

/// Results go to stdout; if that takes JSON, what people read stands beside it.
struct Screen<'o> {
    out: &'o mut Printer,
    aside: Printer,
    json: bool,
}

impl Screen<'_> {
    /// Where to print what people read.
    fn told(&mut self) -> &mut Printer {
        if self.json { &mut self.aside } else { self.out }
    }
}

/// Lets Ctrl-C end the search of these options.
///
/// # Errors
/// When the system has no such thing.
pub fn listen_for_interrupts(options: &Options) -> Result<(), String> {
    let flag = Arc::clone(&options.interrupted);
    ctrlc::set_handler(move || {
        // The second Ctrl-C does not wait for the search to wind up.
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(NOT_EXHAUSTED.into());
        }
    })
    .map_err(|error| format!("cannot listen for Ctrl-C: {error}"))
}
