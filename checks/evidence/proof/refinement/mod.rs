//! Refinement: every step of the code is a sequence of actions of the abstract system, and so is
//! every restart. The server before and the server behind a step are related by the guards and
//! updates of [`ACTIONS`](super::actions::ACTIONS), the formulas that were proved to keep the
//! invariant.
//!
//! ```text
//!   before, input, output, after ─► plan ─► [adopt, grant]      what may have happened: a guess
//!                                               │
//!   before ─► places ─► adopt ─► grant ─► the same as after?    verify: by the formulas
//! ```
//!
//! What is looked at is local: one server, the letter that arrived, and those that it sends. No
//! guard asks about more, nor about history, and no update changes another server: tests of the
//! formulas hold that. So what is shown of a step here is shown of it in any cluster.
//!
//! | file | what it is |
//! |---|---|
//! | `letters.rs` | what a letter is to the abstract system |
//! | `taken.rs` | an action that was taken, and with what |
//! | `plan.rs` | which actions a step may consist of |
//! | `held.rs` | what a server is to the abstract system |
//! | `places.rs` | a server and its letters, as functions of the system |
//! | `structure.rs` | the same, as formulas ask for it |
//! | `verify.rs` | whether it does |
//! | `failure.rs` | why it does not, in Raft's words |
//! | `durable.rs` | what is on the disk when a letter leaves |
//! | `judge.rs` | all of it, for whoever makes steps |

mod durable;
mod failure;
mod held;
mod judge;
mod letters;
mod places;
mod plan;
mod structure;
mod taken;
#[cfg(test)]
mod tests;
mod verify;

use veraft::figure2::{Output, Persistent, Server, Volatile};
use veraft_models::properties::Stepped;

pub use durable::{NotDurable, Saying};
pub use failure::{NoAction, Objection};
pub use judge::{REFINEMENT, Refinement};
pub use letters::Telling;
pub use taken::{Concrete, TakenAction};

use held::Held;
use letters::Heard;
use places::Places;
use plan::Planned;
use verify::verify;

/// The actions that a step of the code consists of, in order; none where nothing changed and
/// nothing was sent.
///
/// # Errors
/// When it is no such sequence.
pub fn actions_of(step: Stepped<'_>) -> Result<Vec<TakenAction>, NoAction> {
    let Stepped { before, input, output, after } = step;
    let heard = Heard::of(before.config(), input);
    let plan = plan::step(step, heard);
    let (held, then) = (Held::of(before), Held::of(after));
    let places = Places::new(before.config(), held, then, heard, output, &plan);
    verify(places, plan, held, then, output)
}

/// The actions that a restart from `disk` consists of.
///
/// # Errors
/// When the server behind it is not what a restart makes of the disk.
pub fn restart(disk: &Persistent, after: &Server) -> Result<Vec<TakenAction>, NoAction> {
    // What a crash loses does not matter: whatever it was, it is gone.
    let lost = Volatile::default();
    let config = after.config();
    let held = Held { id: config.id, persistent: disk, volatile: &lost };
    let plan = vec![Planned::new("restart", vec![taken::Given::Server(config.id)])];
    let then = Held::of(after);
    let nothing = Output::default();
    let places = Places::new(config, held, then, Heard::Nothing, &nothing, &plan);
    verify(places, plan, held, then, &nothing)
}
