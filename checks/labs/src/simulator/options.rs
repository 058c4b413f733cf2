//! What a simulated cluster is like, apart from its seed.

use std::ops::RangeInclusive;

use veraft::runtime::{Compaction, Timing};
use veraft_models::Judge;

use super::network::Weather;

/// How a simulated cluster behaves.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// How long the timers run.
    pub timing: Timing,
    /// The network while it is reliable.
    pub reliable: Weather,
    /// The network while it is not.
    pub unreliable: Weather,
    /// The network at its worst.
    pub straggling: Weather,
    /// How long a sync of the disk takes, in microseconds.
    pub sync: RangeInclusive<u64>,
    /// The chance that a sync stalls, and for how long at most, in microseconds.
    pub stalls: (f64, u64),
    /// How many lines of the journal are kept.
    pub journal: usize,
    /// Whether the servers record what they do, for [`trace`](crate::trace).
    pub record: bool,
    /// When logs are compacted; never, if none.
    pub compaction: Option<Compaction>,
    /// How many bytes of images leave a server in a second.
    pub image_rate: u64,
    /// How long it takes to write an image, in microseconds.
    pub image: RangeInclusive<u64>,
    /// Who looks at each step, each start and each message that leaves, if somebody does.
    pub judge: Option<&'static dyn Judge>,
}

impl Default for ClusterOptions {
    /// The cluster of the labs.
    fn default() -> ClusterOptions {
        ClusterOptions {
            timing: Timing::lab(),
            reliable: Weather::RELIABLE,
            unreliable: Weather::UNRELIABLE,
            straggling: Weather::STRAGGLING,
            sync: 100..=2_000,
            stalls: (0.0, 0),
            journal: 200,
            record: false,
            compaction: None,
            image_rate: 20_000,
            image: 1_000..=50_000,
            judge: None,
        }
    }
}
