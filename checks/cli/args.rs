//! What the command line says.

use clap::{Parser, Subcommand};

use crate::commands::bench::BenchArgs;
use crate::commands::explore::ExploreArgs;
use crate::commands::invariant::InvariantArgs;
use crate::commands::mutants::MutantsArgs;
use crate::commands::output::OutputArgs;
use crate::commands::pins::PinsArgs;
use crate::commands::prove::ProveArgs;
use crate::commands::recover::RecoverArgs;
use crate::commands::replay::ReplayArgs;
use crate::commands::rules::RulesArgs;
use crate::commands::run::RunArgs;
use crate::commands::simulate::SimulateArgs;
use crate::commands::trace::TraceArgs;

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
    /// Counts scopes anew, and prints checks/scopes/pins.rs as it must be
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
    /// Has solvers prove safety, for any number of servers, terms and entries
    Prove(ProveArgs),
    /// Prints a page that is written from the source: docs/figure2.md, docs/thesis.md or docs/proof.md
    Rules(RulesArgs),
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
            Command::Prove(_) => "prove",
            Command::Rules(_) => "rules",
        }
    }
}
