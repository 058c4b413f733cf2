//! What each scope counted when it was last reviewed. `check pins` prints this file anew.

/// The name of a scope, its distinct states, its distinct visible parts of states, and its depth:
/// the length of the longest shortest path, in states. 0 stands for what is not pinned: a search
/// of maximal states alone has no depth of its own, and its states are counted by visible parts,
/// which are the same whichever worker finds them in whatever order.
pub const PINS: &[(&str, u64, u64, u64)] = &[
    ("election", 31_335, 5_360, 17),
    ("replication", 806_076, 47_583, 31),
    ("torn", 50_013, 35_195, 26),
    ("torn-log", 4_072, 3_255, 22),
    ("single", 50, 50, 8),
    ("pair", 8_468, 4_259, 23),
    ("even", 6_269, 1_621, 17),
    ("blank", 117_895, 117_895, 0),
    ("proposals", 107_817, 7_957, 27),
    ("batch", 372, 43, 19),
    ("entries", 94_968, 4_540, 29),
    ("even-log", 31_474, 6_726, 29),
    ("plain", 1_279_461, 642, 24),
    ("plain-log", 20_369, 518, 19),
    ("actor-model", 132_056, 0, 20),
    ("figure-8", 162_043, 6_040, 27),
    ("figure-7", 32_448, 1_568, 26),
    ("figure-7-all", 3_504_385, 0, 36),
    ("election-deep", 152_327, 11_117, 20),
    ("replication-deep", 351_558, 51_969, 28),
    ("blank-in-full", 2_043_126, 117_895, 31),
    ("terms", 478_614, 478_614, 0),
    ("four-terms", 319_435, 319_435, 0),
    ("even-terms", 100_828, 100_828, 0),
    ("five-log", 183_123, 183_123, 0),
    ("replication-huge", 591_977, 591_977, 0),
    ("terms-restarts", 1_299_280, 1_299_280, 0),
    ("terms-huge", 7_666_395, 7_666_395, 0),
    ("five-restart", 1_100_914, 1_100_914, 0),
    ("five", 70_976, 11_280, 20),
];
