//! When an image of the state machine is due, and when the log gives way to it. Pure: it counts
//! what is applied, and decides; images are captured, written and read by whoever asks.
//!
//! ```text
//!   applied ──► is an image due? ──begin──► captured, written ──► written ──► enough kept? ──ready
//!                     ▲                            └─► failed                     │
//!                     └──────────────── the log begins at it ◄────────────────────┘
//! ```
//!
//! One image at a time: while one is written, or waits for enough entries behind it, no other is
//! begun, so that each of them comes to be the base one day.

use super::room::RoomLevel;
use crate::figure2::{Base, Entry, Index};

/// How much of the log a node keeps, and when it writes an image of its state machine.
///
/// An image is due once the entries applied since the last one have
/// [`factor`](Self::factor) times its bytes, and [`at_least`](Self::at_least) bytes. The log then
/// begins at it as soon as [`kept`](Self::kept) entries stand behind it, or as many bytes as make
/// the next image due: a peer that lags by less than that needs no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    automatic: bool,
    factor: u32,
    at_least: u64,
    kept: u64,
}

impl Default for Compaction {
    /// At 4 times the last image and 16 MiB, with 10,000 entries kept.
    fn default() -> Self {
        Compaction { automatic: true, factor: 4, at_least: 16 * 1024 * 1024, kept: 10_000 }
    }
}

impl Compaction {
    /// The log is kept until the application asks for an image.
    pub fn by_hand() -> Self {
        Compaction { automatic: false, ..Compaction::default() }
    }

    /// How many times the bytes of the last image are applied before the next one. More saves
    /// writes, and costs place: with factor 4, about a fifth of what is written is images.
    #[must_use]
    pub fn factor(self, factor: u32) -> Self {
        Compaction { factor, ..self }
    }

    /// How many bytes are applied at least before an image is due.
    #[must_use]
    pub fn at_least(self, bytes: u64) -> Self {
        Compaction { at_least: bytes, ..self }
    }

    /// How many entries stay in the log behind an image.
    #[must_use]
    pub fn kept(self, entries: u64) -> Self {
        Compaction { kept: entries, ..self }
    }
}

/// What an entry counts for, in bytes: its command, and what is stored with it.
pub fn weight(entry: &Entry) -> u64 {
    const AROUND: u64 = 16;
    entry.bytes() as u64 + AROUND
}

/// While an image travels to a peer, the log behind it is kept up to so many times the bytes that
/// make an image due.
const TRAVELLING: u64 = 4;

/// After an image could not be written, the next one is tried when this part of the bytes that
/// make one due were applied again.
const RETRY: u64 = 4;

/// Where room is scarce, this part of the bytes that make an image due is enough; where there is
/// none, that part. What is behind an image as small as that would give back little.
const SCARCE: u64 = 4;
const FULL: u64 = 16;

/// Decides when a server's log is compacted.
#[derive(Clone, Debug)]
pub struct Compactor {
    policy: Compaction,
    /// What was applied up to now.
    applied: Mark,
    /// Where the log begins.
    base: Mark,
    /// The last image.
    image: Mark,
    image_bytes: u64,
    writing: bool,
    /// The last image, while the log does not begin at it yet.
    pending: Option<Mark>,
    /// An image of an earlier life behind the base, and its bytes: it counts once what is in it
    /// was applied again.
    found: Option<(Index, u64)>,
    /// Not before so many bytes, after a failure.
    not_before: u64,
}

/// An index, and how many bytes were applied from the start of this life up to there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    index: Index,
    bytes: u64,
}

impl Compactor {
    /// For a server that starts with this base, whose image has so many bytes (0 without one).
    pub fn new(policy: Compaction, base: Base, image_bytes: u64) -> Compactor {
        let base = Mark { index: base.last_index, bytes: 0 };
        Compactor {
            policy,
            applied: base,
            base,
            image: base,
            image_bytes,
            writing: false,
            pending: None,
            found: None,
            not_before: 0,
        }
    }

    /// How many bytes make an image due.
    fn due(&self) -> u64 {
        self.policy.at_least.max(self.image_bytes.saturating_mul(self.policy.factor.into()))
    }

    /// How many bytes were applied since the start.
    pub fn applied_bytes(&self) -> u64 {
        self.applied.bytes
    }

    /// How many bytes were applied since the base: what the next start has to apply again.
    pub fn log_bytes(&self) -> u64 {
        self.applied.bytes - self.base.bytes
    }

    /// At the start there is an image as of `index`, behind the base, of an earlier life.
    pub fn found(&mut self, index: Index, image_bytes: u64) {
        self.found = Some((index, image_bytes));
    }

    /// The entry at `index` goes to the state machine.
    pub fn applied(&mut self, index: Index, weight: u64) {
        self.applied = Mark { index, bytes: self.applied.bytes + weight };
        if let Some((_, image_bytes)) = self.found.take_if(|(found, _)| *found <= index) {
            self.written(index, self.applied.bytes, image_bytes);
        }
    }

    /// The state machine becomes the image of this base.
    pub fn restored(&mut self, base: Base) {
        self.applied.index = base.last_index;
        (self.base, self.image) = (self.applied, self.applied);
        self.pending = self.pending.filter(|pending| pending.index > base.last_index);
        self.found = self.found.filter(|(found, _)| *found > base.last_index);
    }

    /// How many bytes the last image has, when that is learned later.
    pub fn image_has(&mut self, bytes: u64) {
        self.image_bytes = bytes;
    }

    /// Whether an image is to be captured now. If so, none is until it is [written](Self::written)
    /// or has [failed](Self::failed). `asked` is whether somebody asks for one.
    pub fn begin(&mut self, asked: bool) -> bool {
        let since = self.applied.bytes - self.image.bytes;
        let due = self.policy.automatic
            && self.pending.is_none()
            && since >= self.due()
            && self.applied.bytes >= self.not_before;
        let begins = !self.writing && (asked || due);
        self.writing |= begins;
        begins
    }

    /// Whether an image is worth while before it is due, as there is little room, of a state machine
    /// that has yet to apply so many bytes of what was [given](Self::applied) to it. Failures do not
    /// count here.
    pub fn is_due_early(&self, level: RoomLevel, backlog: u64) -> bool {
        let part = match level {
            RoomLevel::Plenty => return false,
            RoomLevel::Scarce => SCARCE,
            RoomLevel::Full => FULL,
        };
        let since = (self.applied.bytes - self.image.bytes).saturating_sub(backlog);
        self.policy.automatic && self.pending.is_none() && since >= (self.due() / part).max(1)
    }

    /// An image as of `index` is durable; so many bytes had been applied then, and it has
    /// `image_bytes`.
    pub fn written(&mut self, index: Index, applied_bytes: u64, image_bytes: u64) {
        self.writing = false;
        self.image_bytes = image_bytes;
        let mark = Mark { index, bytes: applied_bytes };
        if index > self.image.index {
            (self.image, self.pending) = (mark, Some(mark));
        }
    }

    /// The image that was begun was not written.
    pub fn failed(&mut self) {
        self.writing = false;
        self.not_before = self.applied.bytes + self.due() / RETRY;
    }

    /// The index at which the log is to begin from now on. `asked` is whether somebody waits for
    /// it; `travels`, whether the image of the base is on its way to a peer.
    pub fn ready(&mut self, asked: bool, travels: bool) -> Option<Index> {
        let pending = self.pending?;
        let behind = self.applied.bytes - pending.bytes;
        let enough =
            asked || self.applied.index - pending.index >= self.policy.kept || behind >= self.due();
        let waits = travels && self.log_bytes() < TRAVELLING.saturating_mul(self.due());
        if !enough || waits {
            return None;
        }
        self.pending = None;
        self.base = pending;
        Some(pending.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At 10 times and 100 bytes, with 5 entries kept; the image of the base has 20 bytes.
    fn compactor() -> Compactor {
        let policy = Compaction::default().factor(10).at_least(100).kept(5);
        Compactor::new(policy, Base { last_index: 7, last_term: 1 }, 20)
    }

    /// Applies entries of 10 bytes until an image is begun; how many there were.
    fn applied_until_due(compactor: &mut Compactor) -> u64 {
        let mut count = 0;
        while !compactor.begin(false) {
            compactor.applied(compactor.applied.index + 1, 10);
            count += 1;
            assert!(count < 10_000, "never");
        }
        count
    }

    #[test]
    fn an_image_is_due_at_a_multiple_of_the_last_one_and_at_least_at_some_bytes() {
        let mut compactor = compactor();
        assert_eq!(applied_until_due(&mut compactor), 20);
        assert!(!compactor.begin(false) && !compactor.begin(true), "one at a time");
        compactor.written(27, 200, 3);
        compactor.applied(28, 10);
        assert_eq!(compactor.ready(true, false), Some(27));
        assert_eq!(applied_until_due(&mut compactor), 9, "100 bytes since that image");
    }

    #[test]
    fn the_log_begins_at_an_image_once_enough_entries_stand_behind_it() {
        let mut compactor = compactor();
        applied_until_due(&mut compactor);
        let (index, bytes) = (27, 200);
        // Meanwhile two were applied.
        (1..=2).for_each(|more| compactor.applied(index + more, 10));
        compactor.written(index, bytes, 20);
        for more in 3..=5 {
            assert_eq!(compactor.ready(false, false), None);
            compactor.applied(index + more, 10);
        }
        assert_eq!(compactor.log_bytes(), 250);
        assert_eq!(compactor.ready(false, false), Some(index));
        assert_eq!((compactor.ready(true, false), compactor.log_bytes()), (None, 50), "only once");
    }

    /// Otherwise a log of large entries would begin at no image, ever.
    #[test]
    fn no_image_is_begun_while_one_waits_and_many_bytes_count_like_many_entries() {
        let policy = Compaction::default().factor(10).at_least(100).kept(1000);
        let mut compactor = Compactor::new(policy, Base::default(), 0);
        assert_eq!(applied_until_due(&mut compactor), 10);
        compactor.written(10, 100, 1);
        for index in 11..=20 {
            assert!(!compactor.begin(false), "at {index}");
            assert_eq!(compactor.ready(false, false), None);
            compactor.applied(index, 10);
        }
        assert_eq!(compactor.ready(false, false), Some(10));
        assert!(compactor.begin(false));
    }

    #[test]
    fn whoever_asks_gets_an_image_at_once_and_nobody_else_by_hand() {
        let policy = Compaction::by_hand().at_least(0).factor(0).kept(1000);
        let mut compactor = Compactor::new(policy, Base::default(), 0);
        compactor.applied(1, 1 << 40);
        assert!(!compactor.begin(false));
        assert!(compactor.begin(true));
        compactor.written(1, 1 << 40, 9);
        assert_eq!(compactor.ready(true, false), Some(1));
    }

    #[test]
    fn after_a_failure_some_bytes_pass_before_the_next_attempt() {
        let mut compactor = compactor();
        applied_until_due(&mut compactor);
        compactor.failed();
        assert_eq!(applied_until_due(&mut compactor), 5, "a quarter of 200 bytes");
        compactor.failed();
        assert!(compactor.begin(true), "but not for whoever asks");
    }

    #[test]
    fn where_room_is_scarce_an_image_is_due_earlier_but_not_for_next_to_nothing() {
        let mut compactor = compactor();
        let due: u64 = 200;
        for applied in 1..=due {
            compactor.applied(7 + applied, 1);
            let early =
                [RoomLevel::Scarce, RoomLevel::Full].map(|at| compactor.is_due_early(at, 0));
            assert_eq!(early, [applied >= due / 4, applied >= due / 16], "{applied} bytes");
        }
        assert!(!compactor.is_due_early(RoomLevel::Plenty, 0));
        let backlog = [150, 151].map(|bytes| compactor.is_due_early(RoomLevel::Scarce, bytes));
        assert_eq!(backlog, [true, false], "what an image would not hold does not count");
        assert!(compactor.begin(true));
        compactor.written(8, 1, 20);
        assert!(!compactor.is_due_early(RoomLevel::Full, 0), "the last one is not the base yet");
        let mut by_hand = Compactor::new(Compaction::by_hand(), Base::default(), 0);
        by_hand.applied(1, 1 << 40);
        assert!(!by_hand.is_due_early(RoomLevel::Full, 0));
    }

    #[test]
    fn the_log_behind_an_image_that_travels_is_kept_up_to_a_bound() {
        let mut compactor = compactor();
        applied_until_due(&mut compactor);
        compactor.written(27, 200, 20);
        let mut index = 27;
        while compactor.ready(true, true).is_none() {
            index += 1;
            compactor.applied(index, 10);
        }
        assert_eq!(index, 7 + 4 * 20);
        compactor.applied(index + 1, 10);
        assert!(compactor.begin(true));
        compactor.written(index + 1, 810, 20);
        assert_eq!(compactor.ready(true, true), None);
        assert_eq!(compactor.ready(true, false), Some(index + 1), "it has arrived");
    }

    #[test]
    fn an_image_of_an_earlier_life_counts_once_it_was_passed_again() {
        let mut compactor = compactor();
        compactor.found(27, 300);
        for index in 8..=27 {
            assert_eq!(compactor.ready(true, false), None, "before {index}");
            compactor.applied(index, 10);
        }
        assert!(!compactor.begin(false), "it waits");
        assert_eq!(compactor.ready(true, false), Some(27));
        assert_eq!(compactor.due(), 3000);
    }

    #[test]
    fn an_installed_image_takes_the_place_of_what_was_written_before() {
        let mut compactor = compactor();
        applied_until_due(&mut compactor);
        compactor.restored(Base { last_index: 1000, last_term: 3 });
        compactor.image_has(5);
        assert_eq!(compactor.log_bytes(), 0);
        compactor.written(27, 200, 20);
        assert_eq!(compactor.ready(true, false), None, "it is older than the base");
        compactor.applied(1001, 10);
        assert_eq!(compactor.log_bytes(), 10);
        compactor.image_has(5);
        assert_eq!(applied_until_due(&mut compactor), 9);
    }
}
