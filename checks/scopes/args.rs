//! Which scope, as the command line says it.

use clap::Args;

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
}

impl ScopeArgs {
    /// Gives `scope` the bounds that were asked for.
    pub fn set_bounds(&self, scope: &mut Scope) {
        let bounds = &mut scope.bounds;
        bounds.servers = self.servers.unwrap_or(bounds.servers);
        bounds.terms = self.terms.unwrap_or(bounds.terms);
        bounds.entries = self.entries.unwrap_or(bounds.entries);
        bounds.restarts = self.restarts.unwrap_or(bounds.restarts);
    }
}
