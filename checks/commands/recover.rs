//! `check recover`: whether the cluster recovers from every state of a scope.

use clap::Args;

use crate::commands::output::OutputArgs;
use crate::commands::search::search;
use crate::evidence::recovery::{ROUNDS, Settings};
use crate::evidence::search::Options;
use crate::scopes::args::ScopeArgs;
use crate::scopes::{Kind, named};
use crate::terminal::printer::Printer;

/// What to recover from.
#[derive(Clone, Debug, Args)]
pub struct RecoverArgs {
    /// The scope from whose states the cluster is to recover.
    #[command(flatten)]
    scope: ScopeArgs,
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
    output: OutputArgs,
}

impl RecoverArgs {
    /// How to try.
    fn settings(&self) -> Settings {
        Settings {
            rounds: self.rounds,
            one_in: self.sample.unwrap_or(1),
            seed: self.seed.unwrap_or_default(),
        }
    }
}

/// Plays from the states of the scope; answers with the exit status.
///
/// # Errors
/// When there is no such scope, or options do not fit.
pub fn run(args: RecoverArgs, before: OutputArgs, out: &mut Printer) -> Result<u8, String> {
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
