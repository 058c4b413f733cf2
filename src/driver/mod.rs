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
//! | `flow.rs` | how much is under way to a peer, and when it is sent again |
//! | `standing.rs` | where a server stands: what its users are told |
//! | `gate.rs` | nothing leaves before its records, and all earlier ones, are durable |
//! | `compaction.rs` | when an image is due, and when the log begins at it |
//! | `room.rs` | what the room in a store is enough for |
//! | `waiters.rs` | who proposed what, and what became of it |
//! | `image.rs` | what nodes say to each other while an image travels |
//! | `fetch.rs` | the side that fetches it |
//! | `serve.rs`, `pace.rs` | the side that has it, and how fast it sends |
//! | `awaiting.rs` | an InstallSnapshot waits for its image |
//! | `digests.rs` | digests of state machines, which must be the same everywhere |
//! | `transfer.rs` | tests: both sides, and all that can happen between them |

mod awaiting;
mod compaction;
mod digests;
mod drive;
mod fetch;
mod flow;
mod gate;
mod held;
mod image;
mod pace;
mod protocol;
mod room;
mod serve;
mod standing;
mod timers;
mod timing;
#[cfg(test)]
mod transfer;
mod waiters;

pub use awaiting::{Arrival, Awaiting};
pub use compaction::{Compaction, Compactor, weight};
pub use digests::{Comparison, DIGEST_EVERY, Digests};
pub use drive::{Driver, Owed};
pub use fetch::{AGAIN, Fetch, FetchDuty, WINDOW};
pub use flow::Outbound;
pub use gate::{Batch, Gate};
pub use held::{Exits, Held, Stored};
pub use image::{Ask, IMAGE_PART, ImageName, ImagePart, ParcelBreach, PeerParcel};
pub use pace::Pace;
pub use protocol::Protocol;
pub use room::{RoomLevel, RoomLimits};
pub use serve::{AskOutcome, Offer, QUIET, Serve, Serving};
pub use standing::{RoleName, Standing};
pub use timers::Timers;
pub use timing::{Timing, TimingError};
pub use waiters::{Fate, Run, Waiters};
