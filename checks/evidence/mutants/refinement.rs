//! Whether the refinement alone shows a mutant: each of those that make a property of safety fall
//! takes a step that is no sequence of actions, whatever comes of it later.

use std::path::Path;

use veraft_models::properties::{
    COMMIT_DURABILITY, ELECTABLE, ELECTION_SAFETY, LEADER_APPEND_ONLY, LEADER_COMPLETENESS,
    LOG_MATCHING, MATCH_INDEX_TRUE, MONOTONE_COMMIT, MONOTONE_TERM, ONE_VOTE, REFINEMENT,
    STATE_MACHINE_SAFETY, TERMS_IN_ORDER,
};

use super::judge::{self, Showing};
use super::{Expected, Mutant, Search, Verb};
use crate::evidence::verdict::Word;

/// The properties of safety.
const SAFETY: &[&str] = &[
    ELECTION_SAFETY,
    ONE_VOTE,
    MONOTONE_TERM,
    LEADER_APPEND_ONLY,
    LOG_MATCHING,
    LEADER_COMPLETENESS,
    STATE_MACHINE_SAFETY,
    MONOTONE_COMMIT,
    COMMIT_DURABILITY,
    ELECTABLE,
    MATCH_INDEX_TRUE,
    TERMS_IN_ORDER,
];

/// Mutants of safety that the refinement does not show, each with the reason.
pub const UNSHOWN: &[(&str, &str)] = &[];

/// Whether a mutant makes a property of safety fall in a search of a scope.
pub fn is_of_safety(mutant: &Mutant) -> bool {
    match mutant.expected {
        Expected::Falls { property, .. } => SAFETY.contains(&property) && search(mutant).is_some(),
        Expected::Unreached { .. } | Expected::Survives { .. } | Expected::FailsTest(_) => false,
    }
}

fn search(mutant: &Mutant) -> Option<&'static Search> {
    mutant.searches.iter().find(|search| search.command == Verb::Run)
}

/// Lets what was built from `mutant` explore its first scope, and asks about the refinement alone.
///
/// # Errors
/// When there is no such scope, or no verdict.
pub fn judge(mutant: &Mutant, binary: &Path) -> Result<Showing, String> {
    let search = search(mutant).ok_or("the row searches no scope")?;
    let seen = judge::explore(search, Some(REFINEMENT), binary)?;
    let trace = seen.with(Word::Violated).and_then(|property| property.trace.as_ref());
    let unshown = UNSHOWN.iter().find(|(name, _)| *name == mutant.name);
    let surprise = match (trace, unshown) {
        (None, None) => Some("is a refinement all the same"),
        (Some(_), Some(_)) => Some("is no refinement, and is said to be one"),
        (Some(_), None) | (None, Some(_)) => None,
    };
    Ok(Showing {
        fell: if trace.is_some() { REFINEMENT } else { "nothing" }.to_owned(),
        steps: trace.map(Vec::len),
        states: Some(seen.unique_states()),
        seconds: seen.seconds(),
        surprises: surprise.into_iter().map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::mutants::all;

    #[test]
    fn many_mutants_are_of_safety_and_few_are_excepted() {
        let of_safety = all().filter(|mutant| is_of_safety(mutant)).count();
        assert!(of_safety >= 20, "{of_safety}");
        for (name, reason) in UNSHOWN {
            let row = all().find(|mutant| mutant.name == *name);
            assert!(row.is_some_and(is_of_safety), "{name}");
            assert!(reason.len() > 20, "{name}");
        }
    }
}
