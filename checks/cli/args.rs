//! What the command line says.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::output::OutputArgs;
use crate::commands::pins::PinsArgs;
use crate::commands::simulate::SimulateArgs;
use crate::engine_args::EngineArgs;
use crate::mutants::choice::Choice;
use crate::recovery::args::RecoverArgs;
use crate::replay::Format;
use crate::scope_args::ScopeArgs;

/// Explores veraft's Raft exhaustively: every schedule of messages, timers and crashes within
/// the bounds of each scope.
#[derive(Debug, Parser)]
#[command(name = "check", version, max_term_width = 80)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// Those of the default run; before a command, as if they stood behind it.
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists scopes with their bounds and pinned counts, properties, and mutants
    List,
    /// Explores one scope
    Run(Box<RunArgs>),
    /// Counts scopes anew, and prints checks/pins.rs as it then has to be
    Pins(PinsArgs),
    /// From every state of a scope, lets faults stop, and demands that the cluster recovers
    Recover(RecoverArgs),
    /// Makes the steps of a saved trace again, and tells them
    Replay(ReplayArgs),
    /// Walks through a scope in the browser, with stateright's Explorer
    Explore(ExploreArgs),
    /// Measures the timely engine on a scope, and how the scope grows with its bounds
    Bench(BenchArgs),
    /// Breaks one rule of the source after the other, and demands that a property falls
    Mutants(MutantsArgs),
    /// Simulates a lab suite in virtual time, or walks through a scope at random
    Simulate(SimulateArgs),
    /// Validates what the nodes of one cluster recorded, file by file and together
    Trace(TraceArgs),
    /// Tries the inductive invariant on worlds drawn at random
    Invariant(InvariantArgs),
    /// Prints docs/figure2.md: each rule, where it stands, what falls without it
    Rules,
}

#[derive(Debug, Args)]
pub(super) struct ExploreArgs {
    /// The scope: see `check list`
    pub(super) scope: String,
    /// Where to listen
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:3000")]
    pub(super) address: String,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// A file that `--save` wrote
    pub(super) file: PathBuf,
    /// How to tell it [default: text]
    #[arg(long, value_enum)]
    pub(super) format: Option<Format>,
    /// The same as `--format test`
    #[arg(long, conflicts_with = "format")]
    pub(super) emit_test: bool,
    /// The same as `--format json`
    #[arg(long, conflicts_with_all = ["format", "emit_test"])]
    pub(super) json: bool,
    /// Write a self-contained page with the trace
    #[arg(long, value_name = "FILE.html")]
    pub(super) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// The scope: see `check list`
    #[arg(default_value = "replication")]
    pub(super) scope: String,
    /// Measure so often, and take the fastest
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) rounds: u16,
    /// Draw the growth into this file
    #[arg(long, value_name = "FILE.svg")]
    pub(super) plot: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct TraceArgs {
    /// One file per node
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Demand the last lines too, which a machine without power loses, but no killed process
    #[arg(long)]
    pub(super) whole: bool,
}

#[derive(Debug, Args)]
pub(super) struct MutantsArgs {
    /// The mutants: see `check list`; all, if none is named
    pub(super) names: Vec<String>,
    /// The dozen of this number, counted around the table: another each day, for one
    #[arg(long, value_name = "N", conflicts_with = "names")]
    pub(super) dozen: Option<usize>,
    /// Those whose rule, source, test or row stands in one of these files
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "names")]
    pub(super) touching: Vec<String>,
    /// No more of those than so many; the others in turn, by the number of the dozen
    #[arg(long, value_name = "N", requires = "touching")]
    pub(super) at_most: Option<usize>,
    /// Only name the mutants that would be tried
    #[arg(long)]
    pub(super) list: bool,
}

#[derive(Debug, Args)]
pub(super) struct InvariantArgs {
    /// How many worlds
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) worlds: u32,
    /// What they are drawn from
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(super) seed: u64,
    /// Print one JSON object on stdout, and the rest on stderr
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) scope: ScopeArgs,
    /// Tell renamed servers apart
    #[arg(long)]
    pub(super) no_symmetry: bool,
    /// Keep letters that make no difference any more, and all that mean the same
    #[arg(long)]
    pub(super) keep_dead_letters: bool,
    /// Try dropped letters again on every later state of a path
    #[arg(long)]
    pub(super) audit: bool,
    /// At most this many commands in an AppendEntries
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(super) batch: Option<usize>,
    /// Look at this property alone
    #[arg(long, value_name = "NAME")]
    pub(super) property: Option<String>,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("it must be a whole number".to_owned()),
    }
}

impl Command {
    /// Its name on the command line.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Command::List => "list",
            Command::Run(_) => "run",
            Command::Pins(_) => "pins",
            Command::Recover(_) => "recover",
            Command::Replay(_) => "replay",
            Command::Explore(_) => "explore",
            Command::Bench(_) => "bench",
            Command::Mutants(_) => "mutants",
            Command::Simulate(_) => "simulate",
            Command::Trace(_) => "trace",
            Command::Invariant(_) => "invariant",
            Command::Rules => "rules",
        }
    }
}

impl RunArgs {
    /// Complains about the first option that the actor model has no use for.
    pub(super) fn refuse_for_actor_model(&self, output: &OutputArgs) -> Result<(), String> {
        let given = [
            ("--no-symmetry", self.no_symmetry, "has no reductions to switch"),
            ("--keep-dead-letters", self.keep_dead_letters, "has no reductions to switch"),
            ("--audit", self.audit, "has no reductions to switch"),
            ("--batch", self.batch.is_some(), "sends batches of any size"),
            ("--property", self.property.is_some(), "is always searched for all"),
            ("--save", output.save.is_some(), "has no traces that `check replay` can make again"),
        ];
        match given.into_iter().find(|(_, given, _)| *given) {
            Some((option, _, why)) => Err(format!("{option}: actor-model {why}")),
            None => Ok(()),
        }
    }
}

impl MutantsArgs {
    pub(super) fn choice(&self) -> Choice {
        let MutantsArgs { names, dozen, touching, at_most, list: _ } = self;
        match (&names[..], dozen, &touching[..]) {
            ([], None, []) => Choice::All,
            ([], ..) => {
                Choice::InTurn { touching: touching.clone(), at_most: *at_most, dozen: *dozen }
            }
            (names, ..) => Choice::Named(names.to_vec()),
        }
    }
}
