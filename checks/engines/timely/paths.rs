//! From the fingerprints of a path to the path itself.

use std::collections::HashSet;

use stateright::{Model, Path};

use super::space::Space;
use crate::engines::fingerprint::Fingerprint;

/// A state, the place of its predecessor in the level before, and what led here from there.
type Reached<S> = (<S as Model>::State, usize, Option<<S as Model>::Action>);

/// A path whose states have these fingerprints, and whose last satisfies `ends_well`.
///
/// Several states can share a fingerprint: renamings of each other, or twins that differ in what
/// a fingerprint leaves out, such as the letters kept for an audit. Only some of the twins need
/// to have a successor of the next fingerprint, so all that are reachable are followed.
pub fn rebuild<S: Space, F: Fingerprint>(
    space: &S,
    names: &[F],
    ends_well: impl Fn(&S::State) -> bool,
) -> Option<Path<S::State, S::Action>> {
    let (first, rest) = names.split_first()?;
    let named = |state: &S::State, name: &F| F::of(space, state) == *name;
    let starts = space.init_states().into_iter().filter(|state| named(state, first));
    let mut levels: Vec<Vec<Reached<S>>> = vec![starts.map(|state| (state, 0, None)).collect()];
    for name in rest {
        let mut level: Vec<Reached<S>> = Vec::new();
        let mut known = HashSet::new();
        for (place, (state, _, _)) in levels.last()?.iter().enumerate() {
            let mut actions = Vec::new();
            space.actions(state, &mut actions);
            for action in actions {
                let Some(next) = space.next_state(state, action.clone()) else { continue };
                let mut bytes = Vec::new();
                space.write(&next, &mut bytes);
                if named(&next, name) && known.insert(bytes) {
                    level.push((next, place, Some(action)));
                }
            }
        }
        levels.push(level);
    }
    let mut place = levels.last()?.iter().position(|(state, _, _)| ends_well(state))?;
    let mut actions = Vec::new();
    for level in levels.iter().skip(1).rev() {
        let (_, before, action) = &level[place];
        actions.extend(action.clone());
        place = *before;
    }
    actions.reverse();
    Path::from_actions(space, levels[0][place].0.clone(), &actions)
}
