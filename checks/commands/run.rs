//! `check run`: one scope, within bounds and with switches of one's own.

use clap::Args;

use crate::commands::engine::EngineArgs;
use crate::commands::output::OutputArgs;
use crate::commands::search::search;
use crate::evidence::search::Options;
use crate::scopes::args::{EnvironmentArgs, ScopeArgs};
use crate::scopes::{self, Kind, named};
use crate::terminal::printer::Printer;

/// What to explore, and how.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Look at this property alone
    #[arg(long, value_name = "NAME")]
    property: Option<String>,
    /// Do not ask whether each step is one of the system that is proved to be safe
    #[arg(long, conflicts_with = "property")]
    no_refinement: bool,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Explores the scope; answers with the exit status.
///
/// # Errors
/// When there is no such scope, or options do not fit.
pub fn run(args: RunArgs, before: OutputArgs, out: &mut Printer) -> Result<u8, String> {
    let output = args.output.clone().with(before)?;
    let named = named(&args.scope.scope)?;
    let mut scope = named;
    args.scope.set_bounds(&mut scope);
    if scope != named {
        scope.pinned = None;
    }
    match scope.kind {
        Kind::Cluster(environment) => {
            scope = scope.within(args.environment.change(environment)?);
        }
        Kind::ActorModel => {
            args.refuse_for_actor_model(&output)?;
            if scope.bounds.restarts > 0 {
                return Err("--restarts: actor-model has none".to_owned());
            }
            if scope.bounds.compactions > 0 {
                return Err("--compactions: actor-model has none".to_owned());
            }
        }
    }
    if let Some(problem) = scope.problem() {
        return Err(problem);
    }
    if let Some(property) = &args.property {
        scopes::check_property(&scope, property)?;
    }
    let engine = args.engine.engine(&scope, args.property.as_deref())?;
    let options = Options {
        engine: Some(engine),
        property: args.property,
        without_refinement: args.no_refinement,
        ..Options::default()
    };
    search(&[scope], &options, &output, out)
}

impl RunArgs {
    /// Complains about the first option that the actor model has no use for.
    fn refuse_for_actor_model(&self, output: &OutputArgs) -> Result<(), String> {
        self.environment.refuse_for_actor_model()?;
        let given = [
            ("--property", self.property.is_some(), "is always searched for all"),
            ("--no-refinement", self.no_refinement, "is never asked about it"),
            ("--save", output.save.is_some(), "has no traces that `check replay` can make again"),
        ];
        match given.into_iter().find(|(_, given, _)| *given) {
            Some((option, _, why)) => Err(format!("{option}: actor-model {why}")),
            None => Ok(()),
        }
    }
}
