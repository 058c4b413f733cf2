//! Shorter traces. A search that takes silent steps at once finds a path with the fewest other
//! steps, at best; one of maximal states alone finds some path. Where either might have missed a
//! shorter one, the violated property is searched for again, up to the length that is known:
//! first with the same reductions and level by level, then one step at a time. If that takes too
//! much, the trace stays, as one of *at most* so many steps.

use veraft_models::{Cluster, Environment};

use crate::engines::timely::{SearchError, TimelySettings};
use crate::engines::{Ended, Engine, cores};
use crate::evidence::search::{self, Options};
use crate::evidence::verdict::{PropertyVerdict, Verdict, Word};
use crate::scopes::{Kind, Scope};
use crate::terminal::progress;

/// How much more memory a second search may take, in bytes: some ten million states.
const MORE_MEMORY: u64 = 512 << 20;

/// Looks for shorter traces of what is violated.
///
/// # Errors
/// When a search ended without anything to say.
pub fn shorten(scope: &Scope, verdict: &mut Verdict, options: &Options) -> Result<(), SearchError> {
    let environment = scope.environment();
    let one_by_one = Environment { saturation: false, antichain: false, ..environment };
    for property in &mut verdict.properties {
        for environment in [environment, one_by_one] {
            if property.verdict == Word::Violated && !property.shortest {
                again(scope, environment, property, options)?;
            }
        }
    }
    Ok(())
}

/// Searches for a violation that is shorter than the one that is known.
fn again(
    scope: &Scope,
    environment: Environment,
    property: &mut PropertyVerdict,
    options: &Options,
) -> Result<(), SearchError> {
    let Some(known) = property.trace.as_ref().map(Vec::len) else { return Ok(()) };
    let scope = Scope { kind: Kind::Cluster(environment), pinned: None, ..*scope };
    let options = Options { property: Some(property.name.to_owned()), ..options.clone() };
    let cluster = options.judged(Cluster::new(scope.bounds, environment)).only(Some(property.name));
    let one_by_one = !environment.saturation;
    let settings = TimelySettings {
        max_memory: Some(progress::memory() + MORE_MEMORY),
        // As many states as a path has that is a step shorter. Steps that are silent there count
        // for nothing, so a path with as few others may lie as deep as the known one.
        max_depth: Some(known as u64 + u64::from(!one_by_one)),
        ..TimelySettings::new(cores(), scope.identity(Some(property.name)))
    };
    let engine = Engine::Timely(Box::new(settings));
    let found = search::search(&scope, scope.begin(cluster).keeping_depth(), &engine, &options)?;
    let Some(other) = found.properties.into_iter().find(|other| other.trace.is_some()) else {
        // One step at a time, all paths that are shorter were looked at.
        property.shortest |= one_by_one && found.stopped == Some(Ended::Depth.to_string());
        return Ok(());
    };
    if other.trace.as_ref().is_some_and(|trace| trace.len() <= known) {
        property.trace = other.trace;
        property.shortest |= other.shortest;
    }
    Ok(())
}
