//! `check explore`: stateright's Explorer, in a browser.

use std::fmt;
use std::io;
use std::net::{TcpListener, ToSocketAddrs};

use askama::Template;
use clap::Args;
use stateright::{Model, Path};
use veraft_models::{Action, Cluster, ClusterState, Environment};

use crate::scopes::story::Story;
use crate::scopes::{Kind, Scope, named};
use crate::telling::report::Diagram;
use crate::terminal::printer::note;

/// What to explore, and where.
#[derive(Debug, Args)]
pub struct ExploreArgs {
    /// The scope: see `check list`
    scope: String,
    /// Where to listen
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:3000")]
    address: String,
}

/// Why there is nothing to look at.
#[derive(Debug)]
enum ExploreError {
    /// The address is none, or something listens there already.
    Address(String, io::Error),
    /// The scope is no cluster.
    NoCluster(&'static str),
}

impl std::error::Error for ExploreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ExploreError::Address(_, error) => Some(error),
            ExploreError::NoCluster(_) => None,
        }
    }
}

impl fmt::Display for ExploreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExploreError::Address(address, error) => {
                write!(f, "cannot listen at {address:?}: {error}")
            }
            ExploreError::NoCluster(name) => {
                write!(f, "{name} is stateright's own model; explore a scope of the cluster")
            }
        }
    }
}

/// Serves the Explorer for as long as the process lives.
///
/// # Errors
/// When there is no such scope, or it cannot be served there.
pub fn run(args: &ExploreArgs) -> Result<u8, String> {
    let scope = named(&args.scope)?;
    serve(&scope, &args.address).map_err(|error| error.to_string())?;
    Ok(0)
}

/// Serves the Explorer at `address` for as long as the process lives.
fn serve(scope: &Scope, address: &str) -> Result<(), ExploreError> {
    let Kind::Cluster(environment) = scope.kind else {
        return Err(ExploreError::NoCluster(scope.name));
    };
    // The Explorer would panic at an address it cannot have.
    let problem = |error| ExploreError::Address(address.to_owned(), error);
    let addresses: Vec<_> = address.to_socket_addrs().map_err(problem)?.collect();
    let free = TcpListener::bind(addresses.as_slice()).map_err(problem)?;
    let here = free.local_addr().map_err(problem)?;
    drop(free);
    note(format_args!("exploring {} at http://{here}/ until Ctrl-C", scope.name));
    // Whoever explores wants to see each step.
    let environment = Environment { saturation: false, antichain: false, ..environment };
    let cluster = scope.cluster(environment).drawn_by(draw);
    cluster.checker().serve(here);
    Ok(())
}

fn draw(cluster: &Cluster, path: Path<ClusterState, Action>) -> String {
    let diagram = Diagram::new(&Story::of(cluster, path), 0, None).alone();
    diagram.render().unwrap_or_else(|error| error.to_string())
}
