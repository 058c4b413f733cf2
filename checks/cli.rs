//! The command line: stable, for scripts rely on it.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, Parser, Subcommand};

use crate::engine_args::{Engine, EngineArgs};
use crate::run::{self, Options};
use crate::scopes::{self, Kind, SCOPES, Scope};
use crate::verdict::{NOT_EXHAUSTED, Verdict};

/// Explores veraft's Raft exhaustively: every schedule of messages, timers and crashes within
/// the bounds of each scope.
#[derive(Debug, Parser)]
#[command(name = "check", version, max_term_width = 80)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists scopes with their bounds and pinned counts, and properties
    List,
    /// Explores one scope
    Run(Box<RunArgs>),
}

#[derive(Clone, Debug, Args)]
struct OutputArgs {
    /// Print one JSON object per scope on stdout
    #[arg(long, global = true)]
    json: bool,
    /// Write a self-contained page with verdicts and traces
    #[arg(long, global = true, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The scope: see `check list`
    scope: String,
    /// Servers in the cluster
    #[arg(long, value_name = "N")]
    servers: Option<usize>,
    /// Elections start no term above this
    #[arg(long, value_name = "T")]
    terms: Option<u64>,
    /// Leaders whose log is this long get no more commands
    #[arg(long, value_name = "L")]
    entries: Option<u64>,
    /// Restarts in all
    #[arg(long, value_name = "R")]
    restarts: Option<u32>,
    /// Tell renamed servers apart
    #[arg(long)]
    no_symmetry: bool,
    /// Keep letters that make no difference any more, and all that mean the same
    #[arg(long)]
    keep_dead_letters: bool,
    /// Try dropped letters again on every later state of a path
    #[arg(long)]
    audit: bool,
    /// At most this many one-byte commands in an AppendEntries
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Look at this property alone
    #[arg(long, value_name = "NAME")]
    property: Option<String>,
    #[command(flatten)]
    engine: EngineArgs,
}

/// Bad usage.
const USAGE: u8 = 2;

/// Runs the command line, and answers with its exit status.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let status = match cli.command {
        None => explore(&default_scopes(), Engine::Stateright { workers: 1 }, None, &cli.output),
        Some(Command::List) => list(),
        Some(Command::Run(args)) => run_scope(&args, &cli.output),
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
    // A closed pipe (`check list | head`) is no failure.
    let _ = io::stdout().write_all(scopes::list().as_bytes());
    Ok(0)
}

fn run_scope(args: &RunArgs, output: &OutputArgs) -> Result<u8, String> {
    let names = || SCOPES.iter().map(|scope| scope.name).collect::<Vec<_>>().join(", ");
    let named = scopes::find(&args.scope)
        .ok_or_else(|| format!("no scope is called {:?}; there are {}", args.scope, names()))?;
    let mut scope = named;
    let bounds = &mut scope.bounds;
    bounds.servers = args.servers.unwrap_or(bounds.servers);
    bounds.terms = args.terms.unwrap_or(bounds.terms);
    bounds.entries = args.entries.unwrap_or(bounds.entries);
    bounds.restarts = args.restarts.unwrap_or(bounds.restarts);
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
    explore(&[scope], engine, args.property.clone(), output)
}

/// Explores scopes one after the other; answers with the gravest exit status.
fn explore(
    scopes: &[Scope],
    engine: Engine,
    property: Option<String>,
    output: &OutputArgs,
) -> Result<u8, String> {
    // Before the search, so that an hour's work is not lost to a misspelt folder.
    let mut report =
        match &output.report {
            Some(path) => Some(File::create(path).map_err(|error| {
                format!("cannot write the report to {}: {error}", path.display())
            })?),
            None => None,
        };
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || {
        // The second Ctrl-C does not wait for the search to wind up.
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(3);
        }
    })
    .map_err(|error| format!("cannot listen for Ctrl-C: {error}"))?;
    let options = Options { engine, property, interrupted: Arc::clone(&interrupted) };
    let mut verdicts: Vec<Verdict> = Vec::new();
    for scope in scopes {
        if interrupted.load(Ordering::Relaxed) {
            eprintln!("{}: not begun", scope.name);
            continue;
        }
        let verdict = match run::scope(scope, &options) {
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
    // Tables go to stderr; without --json nothing else is on stdout, and they are the result.
    let written = match output.json {
        true => io::stderr().write_all(&text),
        false => io::stdout().write_all(&text),
    };
    drop(written);
    if let Some(file) = &mut report {
        let page = crate::html::page(&verdicts);
        file.write_all(page.as_bytes())
            .map_err(|error| format!("cannot write the report: {error}"))?;
    }
    Ok(run::exit_status(&verdicts, scopes.len()))
}
