//! The lines that a node writes into the application's log: `tracing`'s macros, behind a guard.
//!
//! What takes the lines is the application's. It may panic: `tracing-subscriber`, for one, does
//! when neither its writer nor standard error can be written to, as when both are a pipe whose
//! reader has gone. A node does not die of that.

use crate::runtime::std;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Writes a line; if that panics, the line is lost.
///
/// Nothing that `write` borrows can be left half changed: it only reads.
pub(in crate::runtime) fn guarded(write: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(write));
}

macro_rules! error {
    ($($line:tt)*) => { $crate::runtime::machinery::log::guarded(|| ::tracing::error!($($line)*)) };
}

macro_rules! warning {
    ($($line:tt)*) => { $crate::runtime::machinery::log::guarded(|| ::tracing::warn!($($line)*)) };
}

macro_rules! info {
    ($($line:tt)*) => { $crate::runtime::machinery::log::guarded(|| ::tracing::info!($($line)*)) };
}

macro_rules! debug {
    ($($line:tt)*) => { $crate::runtime::machinery::log::guarded(|| ::tracing::debug!($($line)*)) };
}

#[cfg(feature = "tcp")]
macro_rules! trace {
    ($($line:tt)*) => { $crate::runtime::machinery::log::guarded(|| ::tracing::trace!($($line)*)) };
}

#[cfg(feature = "tcp")]
pub(in crate::runtime) use trace;
pub(in crate::runtime) use {debug, error, info, warning as warn};
