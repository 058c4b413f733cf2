//! The command line: stable, for scripts rely on it.

mod args;
mod usage;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{BenchArgs, Cli, Command, InvariantArgs, ReplayArgs, RunArgs, TraceArgs};

use crate::bench;
use crate::commands::output::OutputArgs;
use crate::commands::search::search;
use crate::commands::{pins, simulate};
use crate::explore;
use crate::invariant;
use crate::mutants;
use crate::mutants::suite;
use crate::printer::{Printer, note};
use crate::recovery::args::RecoverArgs;
use crate::replay::{self, Format};
use crate::rules;
use crate::run::{self, Options};
use crate::scopes::{self, Kind, SCOPES, Scope, named};
use crate::verdict::NOT_EXHAUSTED;

/// Bad usage.
const USAGE: u8 = 2;

/// The command line as clap knows it: which commands there are, and what each takes.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line, and answers with its exit status.
pub fn main() -> ExitCode {
    let mut out = Printer::stdout();
    let status = match Cli::try_parse() {
        Ok(cli) => match run(cli, &mut out) {
            Ok(status) => status,
            Err(problem) => complain(&problem),
        },
        // Help, or the version.
        Err(error) if !error.use_stderr() => {
            out.printed(error.print());
            0
        }
        Err(error) => complain(&usage::told(&error)),
    };
    ExitCode::from(out.end(status))
}

/// Says what is wrong with the command that was given.
fn complain(problem: &str) -> u8 {
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    match usage::command(arguments) {
        Some(command) => note(format_args!("check {command}: {problem}")),
        None => note(format_args!("check: {problem}")),
    }
    USAGE
}

fn run(cli: Cli, out: &mut Printer) -> Result<u8, String> {
    let Cli { command, output } = cli;
    let Some(command) = command else {
        return search(&default_scopes(), &Options::default(), &output, out);
    };
    if let Some(option) = usage::refused(command.name(), &output.given()) {
        return Err(format!("it takes no --{option}"));
    }
    match command {
        Command::List => list(out),
        Command::Run(args) => run_scope(*args, output, out),
        Command::Pins(args) => pins::run(&args, out),
        Command::Recover(args) => recover(args, output, out),
        Command::Bench(args) => bench(&args, out),
        Command::Mutants(args) if args.list => suite::list(&args.choice(), out),
        Command::Mutants(args) => suite::run(&args.choice(), out),
        Command::Simulate(args) => simulate::run(&args, out),
        Command::Trace(args) => trace(&args, out),
        Command::Invariant(InvariantArgs { worlds, seed, json }) => {
            Ok(invariant::report::run(worlds, seed, json || output.json, out))
        }
        Command::Rules => {
            out.text(rules::page::page());
            Ok(0)
        }
        Command::Replay(args) => replay(args, output, out),
        Command::Explore(args) => {
            let scope = named(&args.scope)?;
            explore::serve(&scope, &args.address).map_err(|error| error.to_string())?;
            Ok(0)
        }
    }
}

fn default_scopes() -> Vec<Scope> {
    SCOPES.iter().copied().filter(|scope| scope.default).collect()
}

fn list(out: &mut Printer) -> Result<u8, String> {
    out.line(format_args!("{}\n{}", scopes::list(), mutants::list()));
    Ok(0)
}

fn replay(args: ReplayArgs, before: OutputArgs, out: &mut Printer) -> Result<u8, String> {
    let ReplayArgs { file, format, emit_test, json, report } = args;
    let output = OutputArgs { json, report, save: None }.with(before)?;
    let format = match (format, emit_test, output.json) {
        (None, false, true) => Format::Json,
        (None, true, false) => Format::Test,
        (format, false, false) => format.unwrap_or(Format::Text),
        _ => return Err("--json excludes --format and --emit-test".to_owned()),
    };
    let (text, violated) = replay::tell(&file, format).map_err(|error| error.to_string())?;
    if let Some(path) = &output.report {
        replay::report(&file, path)?;
    }
    out.text(text);
    Ok(u8::from(violated))
}

fn bench(args: &BenchArgs, out: &mut Printer) -> Result<u8, String> {
    let scope = named(&args.scope)?;
    if scope.kind == Kind::ActorModel {
        return Err("actor-model does not grow: measure a cluster".to_owned());
    }
    match bench::report(&scope, args.rounds.into(), args.plot.as_deref()) {
        Ok(tables) => {
            out.text(tables);
            Ok(0)
        }
        Err(error @ bench::BenchError::Plot { .. }) => Err(error.to_string()),
        Err(error) => {
            note(format_args!("check: {error}"));
            Ok(NOT_EXHAUSTED)
        }
    }
}

fn run_scope(args: RunArgs, before: OutputArgs, out: &mut Printer) -> Result<u8, String> {
    let output = args.output.clone().with(before)?;
    let named = named(&args.scope.scope)?;
    let mut scope = named;
    args.scope.set_bounds(&mut scope);
    match &mut scope.kind {
        Kind::Cluster(environment) => {
            environment.symmetry &= !args.no_symmetry;
            environment.keep_dead_letters |= args.keep_dead_letters;
            environment.audit |= args.audit;
            environment.max_append_commands = args.batch.unwrap_or(environment.max_append_commands);
            if environment.audit && environment.keep_dead_letters {
                return Err("--audit is for dropped letters, and all are kept".to_owned());
            }
        }
        Kind::ActorModel => {
            args.refuse_for_actor_model(&output)?;
            if scope.bounds.restarts > 0 {
                return Err("--restarts: actor-model has none".to_owned());
            }
        }
    }
    if scope != named {
        scope.pinned = None;
    }
    if let Some(problem) = scope.problem() {
        return Err(problem);
    }
    if let Some(property) = &args.property {
        scopes::check_property(&scope, property)?;
    }
    let engine = args.engine.engine(&scope, args.property.as_deref())?;
    // How deep a search went is the same in every run only if it went level by level.
    if !engine.goes_by_levels() {
        scope.pinned = scope.pinned.map(|pinned| scopes::Pinned { depth: None, ..pinned });
    }
    let property = args.property;
    search(&[scope], &Options { engine, property, ..Options::default() }, &output, out)
}

fn recover(args: RecoverArgs, before: OutputArgs, out: &mut Printer) -> Result<u8, String> {
    let recovery = Some(args.settings());
    let output = args.output.with(before)?;
    let named = named(&args.scope.scope)?;
    if named.kind == Kind::ActorModel {
        return Err("actor-model does not recover: name a scope of the cluster".to_owned());
    }
    let mut scope = named;
    args.scope.set_bounds(&mut scope);
    if scope != named {
        scope.pinned = None;
    }
    if let Some(problem) = scope.problem() {
        return Err(problem);
    }
    search(&[scope], &Options { recovery, ..Options::default() }, &output, out)
}

fn trace(args: &TraceArgs, out: &mut Printer) -> Result<u8, String> {
    if let Some(missing) = args.files.iter().find(|file| !file.is_file()) {
        return Err(format!("{} is not a file", missing.display()));
    }
    Ok(run::trace(&args.files, args.whole, out))
}
