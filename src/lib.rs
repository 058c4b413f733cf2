//! Raft that was model checked, as the very code that applications link.
//!
//! ```text
//!                  Input                                   Output
//!   a timer fired ───────┐                      ┌───────► persist   records, in order
//!   a message arrived ───┼──► Server::step ─────┼───────► send      messages
//!   a client proposes ───┘    (figure2, pure)   ├───────► timers    to set or cancel
//!                                               ├───────► apply     entries newly committed
//!                                               └───────► proposal  accepted, or who leads
//! ```
//!
//! [`figure2`] is the whole of the protocol: a listing of that folder is Figure 2 of the Raft
//! paper. It knows no clock, thread, disk or socket. The model checker drives
//! [`figure2::Server::step`] through every schedule within its bounds; the runtime drives the
//! same function with real time, disks and sockets.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod figure2;
#[cfg(feature = "runtime")]
pub mod runtime;

/// The README's code compiles.
#[cfg(all(doctest, feature = "disk", feature = "tls"))]
#[doc = include_str!("../README.md")]
struct Readme;
