//! The command line: stable, for scripts rely on it.

mod args;

use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Parser;

use args::{BenchArgs, Cli, Command, OutputArgs, ReplayArgs, RunArgs, SimulateArgs, TraceArgs};

use crate::bench;
use crate::explore;
use crate::invariant;
use crate::mutants;
use crate::mutants::suite;
use crate::recovery::args::RecoverArgs;
use crate::replay::{self, Format};
use crate::report;
use crate::rules;
use crate::run::{self, Options};
use crate::scopes::{self, Kind, SCOPES, Scope};
use crate::verdict::{NOT_EXHAUSTED, Verdict};

/// Bad usage.
const USAGE: u8 = 2;

/// Runs the command line, and answers with its exit status.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let status = match cli.command {
        None => search(&default_scopes(), &Options::default(), &cli.output),
        Some(Command::List) => list(),
        Some(Command::Run(args)) => run_scope(&args, &cli.output),
        Some(Command::Recover(args)) => recover(&args, &cli.output),
        Some(Command::Bench(args)) => bench(&args),
        Some(Command::Mutants(args)) => suite::run(&args.choice()),
        Some(Command::Simulate(args)) => simulate(&args),
        Some(Command::Trace(args)) => trace(&args),
        Some(Command::Invariant(args)) => {
            Ok(invariant::report::run(args.worlds, args.seed, cli.output.json))
        }
        Some(Command::Rules) => print(&rules::page::page()),
        Some(Command::Replay(args)) => replay(&args, &cli.output),
        Some(Command::Explore(args)) => named(&args.scope).and_then(|scope| {
            explore::serve(&scope, &args.address).map_err(|error| error.to_string())?;
            Ok(0)
        }),
    };
    match status {
        Ok(status) => ExitCode::from(status),
        Err(problem) => {
            eprintln!("check: {problem}");
            ExitCode::from(USAGE)
        }
    }
}

fn default_scopes() -> Vec<Scope> {
    SCOPES.iter().copied().filter(|scope| scope.default).collect()
}

fn list() -> Result<u8, String> {
    print(&format!("{}\n{}\n", scopes::list(), mutants::list()))
}

/// Writes to stdout. A closed pipe (`check list | head`) is no failure.
fn print(text: &str) -> Result<u8, String> {
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(0)
}

fn replay(args: &ReplayArgs, output: &OutputArgs) -> Result<u8, String> {
    let format = match (args.emit_test, output.json) {
        (true, _) => Format::Test,
        (false, true) => Format::Json,
        (false, false) => args.format,
    };
    let (text, violated) = replay::tell(&args.file, format).map_err(|error| error.to_string())?;
    if let Some(path) = &output.report {
        replay::report(&args.file, path)?;
    }
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(u8::from(violated))
}

fn named(scope: &str) -> Result<Scope, String> {
    let names = || SCOPES.iter().map(|scope| scope.name).collect::<Vec<_>>().join(", ");
    scopes::find(scope)
        .ok_or_else(|| format!("no scope is called {scope:?}; there are {}", names()))
}

fn bench(args: &BenchArgs) -> Result<u8, String> {
    let scope = named(&args.scope)?;
    if scope.kind == Kind::ActorModel {
        return Err("actor-model does not grow: measure a cluster".to_owned());
    }
    match bench::report(&scope, args.rounds, args.plot.as_deref()) {
        Ok(tables) => {
            // A closed pipe is no failure.
            let _ = io::stdout().write_all(tables.as_bytes());
            Ok(0)
        }
        Err(error) => {
            eprintln!("check: {error}");
            Ok(NOT_EXHAUSTED)
        }
    }
}

fn run_scope(args: &RunArgs, output: &OutputArgs) -> Result<u8, String> {
    let named = named(&args.scope.scope)?;
    let mut scope = named;
    args.scope.set_bounds(&mut scope);
    match &mut scope.kind {
        Kind::Cluster(environment) => {
            environment.symmetry &= !args.no_symmetry;
            environment.keep_dead_letters |= args.keep_dead_letters;
            environment.audit |= args.audit;
            environment.max_append_bytes = args.batch.unwrap_or(environment.max_append_bytes);
        }
        Kind::ActorModel => {
            if args.no_symmetry || args.keep_dead_letters || args.audit || args.batch.is_some() {
                return Err("actor-model has no reductions to switch".to_owned());
            }
            if scope.bounds.restarts > 0 {
                return Err("actor-model has no restarts".to_owned());
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
    let property = args.property.clone();
    search(&[scope], &Options { engine, property, ..Options::default() }, output)
}

fn recover(args: &RecoverArgs, output: &OutputArgs) -> Result<u8, String> {
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
    let recovery = Some(args.settings());
    search(&[scope], &Options { recovery, ..Options::default() }, output)
}

fn simulate(args: &SimulateArgs) -> Result<u8, String> {
    let Some(last) = args.seed.checked_add(args.seeds) else {
        return Err("--seed and --seeds together exceed 64 bits".to_owned());
    };
    let seeds = args.seed..last;
    match (veraft_labs::simulate::select(&args.name), scopes::find(&args.name)) {
        (Some(tests), _) => Ok(run::labs(tests, seeds)),
        (None, Some(Scope { kind: Kind::ActorModel, .. })) => {
            Err("actor-model has no walks: name a scope of the cluster".to_owned())
        }
        (None, Some(scope)) => Ok(run::walks(&scope, seeds, args.steps)),
        (None, None) => Err(format!(
            "{:?} is neither `all`, a lab suite or test, nor a scope: see `check list`",
            args.name
        )),
    }
}

fn trace(args: &TraceArgs) -> Result<u8, String> {
    if let Some(missing) = args.files.iter().find(|file| !file.is_file()) {
        return Err(format!("{} is not a file", missing.display()));
    }
    Ok(run::trace(&args.files, args.whole))
}

/// Explores scopes one after the other; answers with the gravest exit status.
fn search(scopes: &[Scope], options: &Options, output: &OutputArgs) -> Result<u8, String> {
    // Before the search, so that an hour's work is not lost to a misspelt folder.
    let mut report =
        match &output.report {
            Some(path) => Some(File::create(path).map_err(|error| {
                format!("cannot write the report to {}: {error}", path.display())
            })?),
            None => None,
        };
    let flag = Arc::clone(&options.interrupted);
    ctrlc::set_handler(move || {
        // The second Ctrl-C does not wait for the search to wind up.
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(3);
        }
    })
    .map_err(|error| format!("cannot listen for Ctrl-C: {error}"))?;
    let mut verdicts: Vec<Verdict> = Vec::new();
    for scope in scopes {
        if options.interrupted.load(Ordering::Relaxed) {
            eprintln!("{}: not begun", scope.name);
            continue;
        }
        let verdict = match run::scope(scope, options) {
            Ok(verdict) => verdict,
            Err(error) => {
                eprintln!("check: {}: {error}", scope.name);
                return Ok(NOT_EXHAUSTED);
            }
        };
        if output.json && options.engine.speaks() {
            println!("{}", serde_json::to_string(&verdict).map_err(|error| error.to_string())?);
        }
        verdicts.push(verdict);
    }
    if !options.engine.speaks() {
        return Ok(run::exit_status(&verdicts, scopes.len()));
    }
    let mut text = Vec::new();
    run::summarise(&verdicts, &mut text).map_err(|error| error.to_string())?;
    // A closed stderr is no failure of the search.
    let _ = io::stderr().write_all(&text);
    if let Some(folder) = &output.save {
        run::save(&verdicts, folder).map_err(|error| error.to_string())?;
    }
    if let Some(file) = &mut report {
        let page = report::page(&verdicts).map_err(|error| error.to_string())?;
        file.write_all(page.as_bytes())
            .map_err(|error| format!("cannot write the report: {error}"))?;
    }
    Ok(run::exit_status(&verdicts, scopes.len()))
}
