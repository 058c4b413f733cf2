//! Which scope, and what is different from it, as the command line says it.

use clap::Args;

use veraft_models::Environment;

use crate::scopes::Scope;

/// A scope, and bounds of one's own.
#[derive(Clone, Debug, Args)]
pub struct ScopeArgs {
    /// The scope: see `check list`
    pub scope: String,
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
    /// Compactions of logs in all
    #[arg(long, value_name = "C")]
    compactions: Option<u32>,
}

impl ScopeArgs {
    /// Gives `scope` the bounds that were asked for.
    pub fn set_bounds(&self, scope: &mut Scope) {
        let bounds = &mut scope.bounds;
        bounds.servers = self.servers.unwrap_or(bounds.servers);
        bounds.terms = self.terms.unwrap_or(bounds.terms);
        bounds.entries = self.entries.unwrap_or(bounds.entries);
        bounds.restarts = self.restarts.unwrap_or(bounds.restarts);
        bounds.compactions = self.compactions.unwrap_or(bounds.compactions);
    }
}

/// An environment that is different from the scope's.
#[derive(Clone, Debug, Args)]
pub struct EnvironmentArgs {
    /// Tell renamed servers apart
    #[arg(long)]
    no_symmetry: bool,
    /// Keep letters that make no difference any more, and all that mean the same
    #[arg(long)]
    keep_dead_letters: bool,
    /// Try dropped letters again on every later state of a path
    #[arg(long)]
    audit: bool,
    /// Take what changes no server at once, and nowhere else
    #[arg(long, value_name = "ON|OFF", value_parser = on_or_off)]
    saturation: Option<bool>,
    /// Of states that differ in letters alone, keep those with the most
    #[arg(long, value_name = "ON|OFF", value_parser = on_or_off)]
    antichain: Option<bool>,
    /// At most this many commands in an AppendEntries
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    batch: Option<usize>,
}

impl EnvironmentArgs {
    /// The environment of the scope, with what was asked for.
    ///
    /// # Errors
    /// When that does not fit together.
    pub fn change(&self, environment: Environment) -> Result<Environment, String> {
        let Environment {
            symmetry,
            keep_dead_letters,
            audit,
            torn,
            blanks,
            proposals,
            vouched,
            repeats,
            pipelines,
            saturation,
            antichain,
            batch,
        } = environment;
        let changed = Environment {
            symmetry: symmetry && !self.no_symmetry,
            keep_dead_letters: keep_dead_letters || self.keep_dead_letters,
            audit: audit || self.audit,
            torn,
            blanks,
            proposals,
            vouched,
            repeats,
            pipelines,
            saturation: self.saturation.unwrap_or(saturation),
            antichain: self.antichain.unwrap_or(antichain),
            batch: self.batch.or(batch),
        };
        match changed.audit && changed.keep_dead_letters {
            true => Err("--audit is for dropped letters, and all are kept".to_owned()),
            false => Ok(changed),
        }
    }

    /// Complains about the first option that the actor model has no use for.
    ///
    /// # Errors
    /// When there is one.
    pub fn refuse_for_actor_model(&self) -> Result<(), String> {
        let Self { no_symmetry, keep_dead_letters, audit, saturation, antichain, batch } = self;
        let given = [
            ("--no-symmetry", *no_symmetry, "has no reductions to switch"),
            ("--keep-dead-letters", *keep_dead_letters, "has no reductions to switch"),
            ("--audit", *audit, "has no reductions to switch"),
            ("--saturation", saturation.is_some(), "has no reductions to switch"),
            ("--antichain", antichain.is_some(), "has no reductions to switch"),
            ("--batch", batch.is_some(), "sends batches of any size"),
        ];
        match given.into_iter().find(|(_, given, _)| *given) {
            Some((option, _, why)) => Err(format!("{option}: actor-model {why}")),
            None => Ok(()),
        }
    }
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("it must be on or off".to_owned()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("it must be a whole number".to_owned()),
    }
}
