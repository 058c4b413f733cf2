//! `check replay`: a saved trace, made again and told.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::commands::output::{OutputArgs, Page};
use crate::evidence::recovery::{LostAfter, RECOVERY, ROUNDS, replayed};
use crate::evidence::saved::{Saved, SavedError};
use crate::scopes::story::Story;
use crate::scopes::trace::{Step, conversation};
use crate::telling::{mermaid, regression, report};
use crate::terminal::printer::Printer;

/// Which trace, and how to tell it.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// A file that `--save` wrote
    file: PathBuf,
    /// How to tell it [default: text]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The same as `--format test`
    #[arg(long, conflicts_with = "format")]
    emit_test: bool,
    /// The same as `--format json`
    #[arg(long, conflicts_with_all = ["format", "emit_test"])]
    json: bool,
    /// Write a self-contained page with the trace
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

/// How to tell a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A conversation, for a terminal
    Text,
    /// A Mermaid sequence diagram
    Mermaid,
    /// One JSON object
    Json,
    /// A regression test in Rust
    Test,
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Replayed<'a> {
    scope: &'a str,
    property: &'a str,
    violations: Vec<Violation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery: Option<LostAfter>,
    trace: Vec<Step>,
}

#[derive(Serialize)]
struct Violation {
    step: usize,
    property: &'static str,
}

/// Tells the trace; answers with the exit status.
///
/// # Errors
/// When the file is no trace, options do not fit, or the page cannot be written.
pub fn run(args: ReplayArgs, before: OutputArgs, out: &mut Printer) -> Result<u8, String> {
    let ReplayArgs { file, format, emit_test, json, report } = args;
    let output = OutputArgs { json, report, save: None }.with(before)?;
    let format = match (format, emit_test, output.json) {
        (None, false, true) => Format::Json,
        (None, true, false) => Format::Test,
        (format, false, false) => format.unwrap_or(Format::Text),
        _ => return Err("--json excludes --format and --emit-test".to_owned()),
    };
    let (text, violated) = tell(&file, format).map_err(|error| error.to_string())?;
    if let Some(path) = &output.report {
        report_to(&file, path)?;
    }
    out.text(text);
    Ok(u8::from(violated))
}

/// The trace in `file`, told; and whether an invariant is violated in it, or the cluster does not
/// recover where that is what it is about.
fn tell(file: &Path, format: Format) -> Result<(String, bool), SavedError> {
    let (saved, story) = Saved::read(file)?;
    let lost = match saved.property == RECOVERY {
        true => replayed::lost(saved.setting(), &saved.moves()),
        false => Ok(None),
    };
    let lost = lost.map_err(|stuck| SavedError::Stuck(file.to_owned(), stuck))?;
    let violated = story.violations().next().is_some() || lost.is_some();
    let text = match format {
        Format::Text => text(&saved, &story) + &recovery_text(&saved, lost.as_ref()),
        Format::Mermaid => mermaid::diagram(&story),
        Format::Test => regression::test(&saved),
        Format::Json => {
            let violation = |(step, property)| Violation { step, property };
            let replayed = Replayed {
                scope: &saved.scope,
                property: &saved.property,
                violations: story.violations().map(violation).collect(),
                recovery: lost,
                trace: story.steps(),
            };
            let json = serde_json::to_string_pretty(&replayed);
            json.map_err(|error| SavedError::NotATrace(file.to_owned(), error))? + "\n"
        }
    };
    Ok((text, violated))
}

fn text(saved: &Saved, story: &Story) -> String {
    let Saved { scope, property, prefix, steps, format: _, extent: _ } = saved;
    let mut text = format!("{scope}: {property}, {} steps", steps.len());
    if !prefix.is_empty() {
        text += &format!(" after {} that the scope begins with", prefix.len());
    }
    text += &format!("\n\n{}\n", conversation(&story.steps()));
    for (step, name) in story.violations() {
        text += &format!("{name} is violated by step {step}\n");
    }
    if story.violations().next().is_none() {
        text += "every invariant holds after every step\n";
    }
    text
}

/// Whether the cluster recovers, if that is what the trace is about.
fn recovery_text(saved: &Saved, lost: Option<&LostAfter>) -> String {
    match lost {
        Some(lost) => format!("{lost}\n"),
        None if saved.property == RECOVERY => {
            format!("the cluster recovers within {ROUNDS} rounds after faults stop\n")
        }
        None => String::new(),
    }
}

/// Writes the page for the trace in `file`.
///
/// # Errors
/// When the file is no trace, or the page cannot be written.
fn report_to(file: &Path, path: &Path) -> Result<(), String> {
    let (saved, story) = Saved::read(file).map_err(|error| error.to_string())?;
    let page = report::page_of(&saved, &story).map_err(|error| error.to_string())?;
    Page::open(path)?.write(&page)
}
