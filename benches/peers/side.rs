//! What the three have in common: a cluster of three nodes, and one client that loads it.

use std::path::PathBuf;
use std::time::Duration;

/// Where a cluster keeps its log.
#[derive(Clone)]
pub enum Store {
    /// On disk, each node in a directory of its own in this one.
    Disk(PathBuf),
    /// In memory: a sync costs nothing.
    Memory,
    /// In memory, with a sync that takes [`SLOW_SYNC`].
    Slow,
}

/// How long a sync of [`Store::Slow`] sleeps.
pub const SLOW_SYNC: Duration = Duration::from_millis(1);

/// The election timeout of every side, at least and at most, and its heartbeat. Nothing is measured
/// here of elections, so none has to come because a disk stands still.
pub const ELECTION: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));
pub const HEARTBEAT: Duration = Duration::from_millis(50);

/// The bytes of a command.
pub const COMMAND: usize = 64;

/// How long a client waits for one answer before it takes its cluster for broken.
pub const BROKEN: Duration = Duration::from_secs(20);

/// A cluster that leads and commits. It ends when it is dropped.
pub trait Cluster {
    /// Keeps so many commands in flight for so long, and waits for all their answers: how long each
    /// took that was answered.
    fn load(&mut self, in_flight: usize, time: Duration) -> Vec<Duration>;
}

/// One of those that are compared.
pub struct Side {
    pub name: &'static str,
    pub start: fn(&Store) -> Box<dyn Cluster>,
}

/// Commands of bytes that no compression makes shorter (raft-engine compresses).
#[derive(Default)]
pub struct Commands(u64);

impl Commands {
    pub fn next(&mut self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(COMMAND);
        while bytes.len() < COMMAND {
            // SplitMix64.
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend((mixed ^ (mixed >> 31)).to_le_bytes());
        }
        bytes
    }
}
