//! What this process has used: time of the processors, and bytes written.

use std::fs;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Since the process began.
#[derive(Clone, Copy)]
pub struct Usage {
    pub cpu: Duration,
    /// Bytes that it caused to be sent to the disk.
    pub written: u64,
}

impl Usage {
    pub fn now() -> Usage {
        let used = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        let micros = used.user_time().num_microseconds() + used.system_time().num_microseconds();
        let io = fs::read_to_string("/proc/self/io").unwrap();
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).unwrap();
        Usage { cpu: Duration::from_micros(micros as u64), written: written.parse().unwrap() }
    }

    pub fn since(self, before: Usage) -> Usage {
        Usage { cpu: self.cpu - before.cpu, written: self.written - before.written }
    }
}
