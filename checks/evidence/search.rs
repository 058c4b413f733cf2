//! A search of one scope, by an engine or by a game of recovery.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use veraft_models::properties;
use veraft_models::{Cluster, Judge};

use crate::engines::timely::{SearchError, Space, TimelySettings};
use crate::engines::{self, Engine};
use crate::evidence::proof::refinement::REFINEMENT;
use crate::evidence::recovery;
use crate::evidence::shortest;
use crate::evidence::verdict::Verdict;
use crate::scopes::trace::Narrate;
use crate::scopes::{Kind, Scope, actor_model};
use crate::terminal::progress::Progress;

/// How to search.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What searches; none for what suits the scope.
    pub engine: Option<Engine>,
    /// Only this property, if one is named.
    pub property: Option<String>,
    /// Whether the cluster is to recover from every state, and how that is tried; none to look
    /// at each state alone.
    pub recovery: Option<recovery::Settings>,
    /// Whether nobody is to ask if steps are those of the abstract system: they are, or a search
    /// is about something else.
    pub without_refinement: bool,
    /// Who judges steps; none for the one that all share.
    pub judge: Option<&'static dyn Judge>,
    /// Which of how many scopes it is, from 1, to show that it goes on.
    pub place: Option<(usize, usize)>,
    /// Ends the search when it is set.
    pub interrupted: Arc<AtomicBool>,
}

impl Options {
    /// `cluster`, with a judge of its steps if they are asked about.
    pub(super) fn judged(&self, cluster: Cluster) -> Cluster {
        let others = self.property.as_ref().is_some_and(|name| name != properties::REFINEMENT);
        match self.without_refinement || others {
            true => cluster,
            false => cluster.judged_by(self.judge.unwrap_or(&REFINEMENT)),
        }
    }

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

/// The engine that suits a scope: stateright's, or the one on timely dataflow with every core
/// where maximal states alone are looked at.
fn suitable(scope: &Scope, property: Option<&str>) -> Engine {
    match scope.is_antichain() {
        true => {
            let settings = TimelySettings::new(engines::cores(), scope.identity(property));
            Engine::Timely(Box::new(settings))
        }
        false => Engine::Stateright { workers: 1 },
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
    let property = options.property.as_deref();
    let engine = options.engine.clone().unwrap_or_else(|| suitable(scope, property));
    match scope.kind {
        Kind::Cluster(environment) => {
            let cluster = options.judged(Cluster::new(scope.bounds, environment)).only(property);
            let wide = match &engine {
                Engine::Timely(settings) => settings.wide_fingerprints,
                Engine::Stateright { .. } => false,
            };
            let cluster = scope.begin(if wide { cluster.wide() } else { cluster });
            let mut verdict = search(scope, cluster, &engine, options)?;
            shortest::shorten(scope, &mut verdict, options)?;
            Ok(verdict)
        }
        Kind::ActorModel => search(scope, actor_model::model(scope.bounds), &engine, options),
    }
}

pub(super) fn search<S>(
    scope: &Scope,
    space: S,
    engine: &Engine,
    options: &Options,
) -> Result<Verdict, SearchError>
where
    S: Space + Narrate,
{
    let mut progress = options.progress(scope);
    let interrupted = &options.interrupted;
    Ok(match engine {
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
