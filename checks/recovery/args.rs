//! `check recover`, as the command line says it.

use clap::Args;

use super::{ROUNDS, Settings};
use crate::scope_args::ScopeArgs;

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
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    sample: u64,
    /// Chooses the sample
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
}

impl RecoverArgs {
    /// How to try.
    pub fn settings(&self) -> Settings {
        Settings { rounds: self.rounds, one_in: self.sample, seed: self.seed }
    }
}
