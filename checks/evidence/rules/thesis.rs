//! The rules of snapshots: §7 of the extended paper, its Figure 13, chapter 5 of the thesis, and
//! what those who built them learnt. And those of a leader that writes and sends at once: its
//! section 10.2.1.

use super::{Rule, Section};

const fn rule(id: &'static str, about: &'static str) -> Rule {
    Rule { id, about, beyond: None }
}

/// A rule that the core cannot keep, and who does.
const fn beyond(id: &'static str, about: &'static str, why: &'static str) -> Rule {
    Rule { id, about, beyond: Some(why) }
}

/// Every rule beyond Figure 2.
pub const THESIS: &[Section] = &[
    Section {
        title: "Compaction",
        rules: &[
            rule("SN.1", "each server compacts on its own, and only what it has applied"),
            rule(
                "SN.2",
                "the image is durable first, then its mark, by index and term; then the entries go",
            ),
            beyond(
                "SN.3",
                "an image holds the membership as of its mark, never a later one",
                "there is no change of membership yet: every base has that of the genesis",
            ),
            beyond(
                "SN.4",
                "a start uses no image that was not completed",
                "the core knows marks alone. An image is written aside, synced and renamed by \
                 `src/runtime/storage/disk/images.rs`; its tests cut it short and bend its bytes. \
                 In the model an image without its record is none: \
                 `a_crash_between_image_and_record_leaves_the_log_and_one_after_leaves_the_image` \
                 in `models/tests/images.rs`",
            ),
            beyond(
                "SN.19",
                "entries are kept behind an image, so that most who lag need none",
                "when a driver tells the core of an image is its own choice (`src/driver/`); the \
                 model compacts up to any applied entry, at any moment",
            ),
            beyond(
                "SN.20",
                "an image is due when the log has outgrown the last one by a factor",
                "the same: it is for the driver to choose",
            ),
        ],
    },
    Section {
        title: "InstallSnapshot: leader",
        rules: &[
            rule("SN.5", "a snapshot goes only to a peer whose next entry is compacted"),
            rule("SN.15", "the term before the first entry held is that of the base"),
            beyond(
                "SN.18",
                "parts of an image continue one transfer, and the last completes it",
                "to the core an image is one slow letter. What travels beside it is the driver's \
                 (`src/driver/`), and a receiver hands the message over once the image is whole",
            ),
        ],
    },
    Section {
        title: "InstallSnapshot: receiver",
        rules: &[
            rule("SN.6", "refuse a leader of an older term, follow any other"),
            rule("SN.7", "what is committed already is acknowledged, and not installed"),
            rule("SN.8", "an entry of the mark's index and term: keep what follows it"),
            rule("SN.9", "otherwise the whole log goes, also behind the mark"),
            beyond(
                "SN.10",
                "the effective membership is computed anew",
                "there is no change of membership yet",
            ),
            rule("SN.11", "commitIndex and lastApplied reach the base, after a restart too"),
            rule("SN.12", "acknowledge up to the mark, once that is durable"),
        ],
    },
    Section {
        title: "Logs that begin at a base",
        rules: &[
            rule("SN.13", "what is compacted agrees with every leader's log"),
            rule("SN.14", "a refusal hints at no place before the first entry held"),
        ],
    },
    Section {
        title: "The state machine",
        rules: &[
            rule("SN.16", "restoring replaces the whole state"),
            beyond(
                "SN.17",
                "restoring and applying are one stream",
                "the core states the order, and owes both in no step: entries are applied behind \
                 an image from the next step on. One thread does both in \
                 `src/runtime/machinery/application.rs`",
            ),
        ],
    },
    Section {
        title: "What is sent again",
        rules: &[
            rule("FC.1", "a heartbeat repeats nothing"),
            rule("FC.2", "what a peer has not acknowledged is sent again when the driver says so"),
            rule("FC.3", "what follows may be sent before it, when the driver says so"),
        ],
    },
    Section {
        title: "The disk beside the network",
        rules: &[
            rule(
                "PD.1",
                "a leader's entries leave before its own disk has them, behind its ballot",
            ),
            rule("PD.2", "a leader counts itself as far as its own disk has the log"),
            rule("PD.3", "nothing is applied before it is durable here"),
            rule("PD.4", "what was written and is cut off does not count as durable"),
        ],
    },
];
