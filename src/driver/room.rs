//! What the room in a store is enough for. Pure: it judges what others have seen.

/// What a node makes of the room in its store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoomLevel {
    /// There is enough, or nobody knows.
    #[default]
    Plenty,
    /// The node warns, and compacts its log early.
    Scarce,
    /// A node that leads refuses commands.
    Full,
}

/// Below how many bytes of room a level begins; 0 is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomLimits {
    /// Where [`Scarce`](RoomLevel::Scarce) begins.
    pub scarce: u64,
    /// Where [`Full`](RoomLevel::Full) begins.
    pub full: u64,
}

impl Default for RoomLimits {
    /// 256 MiB and 64 MiB.
    fn default() -> Self {
        RoomLimits { scarce: 256 * 1024 * 1024, full: 64 * 1024 * 1024 }
    }
}

impl RoomLimits {
    /// The level at which there are `free` bytes, after another level. One that begins below a
    /// limit ends a quarter above it, so that it does not come and go with each write.
    pub fn level(self, before: RoomLevel, free: u64) -> RoomLevel {
        let RoomLimits { scarce, full } = self;
        let below = |limit: u64, level: RoomLevel| {
            let end = if before >= level { limit.saturating_add(limit / 4) } else { limit };
            free < end
        };
        if below(full, RoomLevel::Full) {
            RoomLevel::Full
        } else if below(scarce, RoomLevel::Scarce) {
            RoomLevel::Scarce
        } else {
            RoomLevel::Plenty
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_begins_below_its_limit_and_ends_a_quarter_above() {
        let limits = RoomLimits { scarce: 400, full: 100 };
        let mut level = RoomLevel::default();
        for (free, expected) in [
            (400, RoomLevel::Plenty),
            (399, RoomLevel::Scarce),
            (499, RoomLevel::Scarce),
            (100, RoomLevel::Scarce),
            (99, RoomLevel::Full),
            (124, RoomLevel::Full),
            (125, RoomLevel::Scarce),
            (0, RoomLevel::Full),
            (500, RoomLevel::Plenty),
            (499, RoomLevel::Plenty),
        ] {
            level = limits.level(level, free);
            assert_eq!(level, expected, "{free} bytes");
        }
    }

    #[test]
    fn a_limit_of_0_is_never_passed() {
        let limits = RoomLimits { scarce: 0, full: 0 };
        assert_eq!(limits.level(RoomLevel::Full, 0), RoomLevel::Plenty);
    }
}
