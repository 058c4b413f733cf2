//! What stands between the core and the threads, and needs none: timers, the gate, and the
//! proposals that wait for their answers. Pure, like the core: `now` is an argument, counted from
//! the node's start, and chance is given from outside. The runtime puts locks and threads around
//! these parts; the simulator of the labs runs the same ones in virtual time.
//!
//! | file | what it is |
//! |---|---|
//! | `protocol.rs` | what is driven |
//! | `timing.rs` | how long timers run |
//! | `timers.rs` | the two timers of a server: when they fire |
//! | `drive.rs` | a server and its timers, and what its steps owe: composes the others |
//! | `held.rs` | what a step owes, while it waits at the gate, and how it leaves |
//! | `standing.rs` | where a server stands: what its users are told |
//! | `gate.rs` | nothing leaves before its records, and all earlier ones, are durable |
//! | `compaction.rs` | when an image is due, and when the log begins at it |
//! | `waiters.rs` | who proposed what, and what became of it |

mod compaction;
mod drive;
mod gate;
mod held;
mod protocol;
mod standing;
mod timers;
mod timing;
mod waiters;

pub use compaction::{Compaction, Compactor, weight};
pub use drive::{Driver, Owed};
pub use gate::{Batch, Gate, lets_heartbeats_pass};
pub use held::{Exits, Held};
pub use protocol::Protocol;
pub use standing::{RoleName, Standing};
pub use timers::Timers;
pub use timing::{Timing, TimingError};
pub use waiters::{Fate, Run, Waiters};
