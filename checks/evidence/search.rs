//! A search of one scope, by an engine or by a game of recovery.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use veraft_models::Cluster;

use crate::engines::timely::{SearchError, Space};
use crate::engines::{self, Engine};
use crate::evidence::recovery;
use crate::evidence::verdict::Verdict;
use crate::scopes::trace::Narrate;
use crate::scopes::{Kind, Scope, actor_model};
use crate::terminal::progress::Progress;

/// How to search.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What searches.
    pub engine: Engine,
    /// Only this property, if one is named.
    pub property: Option<String>,
    /// Whether the cluster is to recover from every state, and how that is tried; none to look
    /// at each state alone.
    pub recovery: Option<recovery::Settings>,
    /// Which of how many scopes it is, from 1, to show that it goes on.
    pub place: Option<(usize, usize)>,
    /// Ends the search when it is set.
    pub interrupted: Arc<AtomicBool>,
}

impl Options {
    /// The line that shows how far the search of `scope` has come.
    pub fn progress(&self, scope: &Scope) -> Progress {
        match self.place {
            Some((place, of)) if of > 1 => {
                Progress::new(&format!("{place} of {of} {}", scope.name))
            }
            _ => Progress::new(scope.name),
        }
    }
}

/// Searches one scope.
///
/// # Errors
/// When the search ended without anything to say about the scope.
pub fn scope(scope: &Scope, options: &Options) -> Result<Verdict, SearchError> {
    if let Some(settings) = options.recovery {
        let mut progress = options.progress(scope);
        return Ok(recovery::check(scope, settings, &mut progress, &options.interrupted));
    }
    match scope.kind {
        Kind::Cluster(environment) => {
            let cluster = Cluster::new(scope.bounds, environment);
            let cluster = cluster.only(options.property.as_deref());
            let wide = match &options.engine {
                Engine::Timely(settings) => settings.wide_fingerprints,
                Engine::Stateright { .. } => false,
            };
            search(scope, scope.begin(if wide { cluster.wide() } else { cluster }), options)
        }
        Kind::ActorModel => search(scope, actor_model::model(scope.bounds), options),
    }
}

fn search<S>(scope: &Scope, space: S, options: &Options) -> Result<Verdict, SearchError>
where
    S: Space + Narrate,
{
    let mut progress = options.progress(scope);
    let interrupted = &options.interrupted;
    Ok(match &options.engine {
        Engine::Stateright { workers } => {
            let orbit = space.orbit();
            let outcome =
                engines::stateright::search(space, *workers, orbit, &mut progress, interrupted);
            Verdict::new(scope, "stateright", outcome)
        }
        Engine::Timely(settings) => {
            let outcome = engines::timely::search(space, settings, &mut progress, interrupted)?;
            Verdict::new(scope, "timely", outcome)
        }
    })
}
