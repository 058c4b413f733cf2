//! What the suites share.

#![allow(dead_code, reason = "each suite uses its own share")]

pub mod cluster;
#[path = "../../../../tests/common/ports.rs"]
mod ports;

use std::process::Child;

pub use ports::free_ports;

/// Ends processes, as a test ends.
pub fn end<'a>(processes: impl IntoIterator<Item = &'a mut Child>) {
    for process in processes {
        let _ = process.kill();
        let _ = process.wait();
    }
}
