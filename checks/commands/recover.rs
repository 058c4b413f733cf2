//! `check recover`, as the command line says it.

use clap::Args;

use crate::commands::output::OutputArgs;
use crate::evidence::recovery::{ROUNDS, Settings};
use crate::scopes::args::ScopeArgs;

/// What to recover from.
#[derive(Clone, Debug, Args)]
pub struct RecoverArgs {
    /// The scope from whose states the cluster is to recover.
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// How many rounds may pass without a leader; a round is the shortest election timeout
    #[arg(long, value_name = "N", default_value_t = ROUNDS)]
    rounds: u32,
    /// Try one in N of the states that differ in their servers, not all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,
    /// Chooses the sample [default: 0]
    #[arg(long, value_name = "S", requires = "sample")]
    seed: Option<u64>,
    /// What is written.
    #[command(flatten)]
    pub output: OutputArgs,
}

impl RecoverArgs {
    /// How to try.
    pub fn settings(&self) -> Settings {
        Settings {
            rounds: self.rounds,
            one_in: self.sample.unwrap_or(1),
            seed: self.seed.unwrap_or_default(),
        }
    }
}
