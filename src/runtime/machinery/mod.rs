//! What runs behind a node: its threads, and what they hand to each other. Nothing in here is
//! public; what an application meets stands one folder up.
//!
//! ```text
//!  reception ──► mailbox ──► server loop ──► gate ──► writer ──► outlets ──┬─► outbox per peer
//!  node ────────────▲            ▲ clock     (waits for the disk)          └─► application
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `assembly.rs` | puts the threads of a node together |
//! | `opening.rs` | what is checked and written before they start |
//! | `threads.rs` | starts them, ends them, and what they share |
//! | `life.rs` | whether the node runs, and how many proposals it owes an answer |
//! | `reception.rs` | in from the transport: messages, hellos |
//! | `identity/` | who this node is, and which store each peer had |
//! | `arrived.rs` | what waits for the server |
//! | `server_loop.rs` | the thread that owns the server |
//! | `clock.rs` | its timers |
//! | `errands.rs` | what it does beside the server's steps |
//! | `breaches.rs` | what it does about messages that no correct peer sends |
//! | `transfers/` | images on their way between nodes |
//! | `watch.rs` | what it notices of peers that lost their log |
//! | `gate.rs` | where its outputs wait for the disk |
//! | `writer.rs` | the thread that makes them durable |
//! | `outlets.rs` | where they go from there |
//! | `outbox.rs` | to a peer, with a thread of its own |
//! | `work.rs` | what waits for the application's thread |
//! | `application.rs` | to the state machine, on a thread of its own |
//! | `digests.rs` | digests of it, compared with those of the peers |
//! | `images.rs` | images of it, written on a thread of its own |
//! | `restoring.rs` | it becomes one of them |
//! | `declining.rs` | entries that are not taken while too many wait for it |
//! | `paced.rs` | no faster than the disk can spare |
//! | `compacting.rs` | when there is to be one, and the log begins at it |
//! | `room.rs` | what is known of the room in the store, and what follows from it |
//! | `mailbox.rs` | from one thread to another |
//! | `waiting.rs` | how one waits for another |
//! | `sync.rs` | the locks below all that |
//! | `log.rs` | lines for the application's log |
//! | `readable.rs` | how errors look as `Debug` |
//! | `told.rs` | tests: users are told nothing before it is durable |
//! | `interleavings.rs` | tests: the threads under a scheduler that tries interleavings |

mod application;
mod arrived;
pub(super) mod assembly;
mod breaches;
mod clock;
mod compacting;
mod declining;
mod digests;
mod errands;
#[cfg(test)]
mod fixtures;
mod gate;
pub(super) mod identity;
mod images;
#[cfg(all(test, veraft_shuttle))]
mod interleavings;
pub(super) mod life;
pub(super) mod log;
pub(super) mod mailbox;
mod opening;
mod outbox;
mod outlets;
pub(super) mod paced;
mod readable;
pub(super) mod reception;
mod restoring;
pub(super) mod room;
mod server_loop;
pub(super) mod sync;
pub(super) mod threads;
#[cfg(all(test, not(veraft_shuttle)))]
mod told;
pub(super) mod transfers;
pub(super) mod waiting;
mod watch;
mod work;
mod writer;
