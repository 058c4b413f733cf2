//! What each scope counted when it was last reviewed. `check pins` prints this file anew.

/// The name of a scope, its distinct states, and its depth: the length of the longest shortest
/// path, in states.
pub const PINS: &[(&str, u64, u64)] = &[
    ("election", 31_335, 17),
    ("replication", 806_076, 31),
    ("torn", 50_013, 26),
    ("torn-log", 4_072, 22),
    ("single", 50, 8),
    ("pair", 8_468, 23),
    ("even", 6_269, 17),
    ("blank", 2_043_126, 31),
    ("proposals", 107_817, 27),
    ("batch", 372, 19),
    ("entries", 94_968, 29),
    ("even-log", 31_474, 29),
    ("plain", 1_279_461, 24),
    ("plain-log", 20_369, 19),
    ("actor-model", 132_056, 20),
    ("figure-8", 162_043, 27),
    ("figure-7", 32_448, 26),
    ("figure-7-all", 3_504_385, 36),
    ("election-deep", 152_327, 20),
    ("replication-deep", 351_558, 28),
    ("replication-huge", 262_431_159, 41),
    ("five", 70_976, 20),
];
