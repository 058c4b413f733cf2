//! Recovery in a trace: whether the cluster recovers from where faults stop in it.

use stateright::Model;
use veraft_models::{Move, Stuck};

use super::game::Game;
use super::{LostAfter, ROUNDS};
use crate::scopes::story::Setting;

/// How a cluster that made `moves` does not recover within [`ROUNDS`] rounds from where it last
/// lost all letters; none if it recovers, or never lost them.
///
/// # Errors
/// When a move before that cannot be made.
pub fn lost(setting: Setting, moves: &[Move]) -> Result<Option<LostAfter>, Stuck> {
    let Some(steps) = moves.iter().rposition(|happened| *happened == Move::LoseAll) else {
        return Ok(None);
    };
    let cluster = setting.cluster().after(&moves[..steps])?;
    let state = cluster.init_states().remove(0);
    let lost = Game::default().play(&cluster, &state, ROUNDS).err();
    Ok(lost.map(|lost| LostAfter { steps, why: lost.failure.to_string() }))
}
