//! The log: what Figure 2 calls `log[]`, and the runs of entries that travel between servers.
//!
//! A clone shares what its original holds, so a message, a stored log and the state of a model
//! checker hold the same entries without copying them.

mod runs;

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use runs::Runs;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A term: a period with at most one leader, numbered from 1; 0 before the first election.
pub type Term = u64;

/// A position in the log, from 1; 0 stands before the first entry.
pub type Index = u64;

/// How many entries one message holds at most.
pub const MAX_ENTRIES: usize = 1 << 18;

/// What the application's state machine executes; opaque bytes to Raft.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Command(Arc<[u8]>);

impl Command {
    /// The bytes, as they were proposed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Command {
    fn from(bytes: Vec<u8>) -> Self {
        Command(bytes.into())
    }
}

impl From<&[u8]> for Command {
    fn from(bytes: &[u8]) -> Self {
        Command(bytes.into())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Bytes at once, where the format has them: one by one a large command takes long.
impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

/// From bytes, or from a sequence of numbers, as JSON has it.
impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: Cow<'de, [u8]> = serde_bytes::deserialize(deserializer)?;
        Ok(Command(bytes.into()))
    }
}

/// What an entry is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Payload {
    /// A command for the state machine.
    Command(Command),
    /// Nothing: an entry of a leader's own term, with which it can commit those before it
    /// (thesis, 6.4). It never reaches the state machine, but counts as applied.
    Blank,
}

impl Payload {
    /// The command, if it is one.
    pub fn command(&self) -> Option<&Command> {
        match self {
            Payload::Command(command) => Some(command),
            Payload::Blank => None,
        }
    }
}

/// One entry of the log, with the term in which a leader received it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// The term in which a leader received it; at least 1.
    pub term: Term,
    /// What it is for.
    pub payload: Payload,
}

impl Entry {
    /// An entry with a command.
    pub fn command(term: Term, command: impl Into<Command>) -> Entry {
        Entry { term, payload: Payload::Command(command.into()) }
    }

    /// The bytes of its command; none for a blank.
    pub fn bytes(&self) -> usize {
        self.payload.command().map_or(0, |command| command.as_bytes().len())
    }
}

/// Consecutive entries of a log. A clone or a part of them copies no entry, but one reference
/// for every few hundred entries.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Entries(Runs<Entry>);

impl Entries {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// The entries in the order of the log.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.0.iter()
    }

    /// Whether `longer` starts with these entries.
    pub fn is_prefix_of(&self, longer: &Entries) -> bool {
        self.len() <= longer.len() && self.iter().eq(longer.iter().take(self.len()))
    }

    /// All but the first `count` entries.
    pub(super) fn skip(&self, count: usize) -> Entries {
        self.slice(count, self.len())
    }

    fn slice(&self, from: usize, to: usize) -> Entries {
        Entries(self.0.slice(from..to))
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl FromIterator<Entry> for Entries {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Entries(entries.into_iter().collect())
    }
}

/// Where a log begins: what stands before is compacted, and lives on in an image of the state
/// machine as of this mark (§7). The default is the beginning of a whole log.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Base {
    /// The index of the last entry that is compacted; 0 when none is.
    pub last_index: Index,
    /// The term of that entry; 0 when none is.
    pub last_term: Term,
}

/// What a log says of the term at an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermAt {
    /// The index lies before the base: an entry was committed there, and is compacted.
    Compacted,
    /// The term of the entry there, or of the base.
    Term(Term),
    /// The log ends before that index.
    Absent,
}

impl TermAt {
    /// The term, if the log still holds it.
    pub fn held(self) -> Option<Term> {
        match self {
            TermAt::Term(term) => Some(term),
            TermAt::Compacted | TermAt::Absent => None,
        }
    }

    /// `SN.13`: whether the log has an entry of `term` there, or had: what is compacted was
    /// committed, and agrees with every later leader's log.
    pub fn agrees_with(self, term: Term) -> bool {
        match self {
            TermAt::Compacted => true,
            TermAt::Term(held) => held == term,
            TermAt::Absent => false,
        }
    }
}

/// The log of one server. The first entry of a whole log has index 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Log {
    base: Base,
    entries: Entries,
}

impl Log {
    /// Where the log begins.
    pub fn base(&self) -> Base {
        self.base
    }

    /// The index of the first entry held, or of the next one when none is.
    pub fn first_index(&self) -> Index {
        self.base.last_index + 1
    }

    /// The index of the last entry; that of the base when there is none.
    pub fn last_index(&self) -> Index {
        self.base.last_index + self.entries.len() as Index
    }

    /// The term of the last entry; that of the base when there is none.
    pub fn last_term(&self) -> Term {
        self.get(self.last_index()).map_or(self.base.last_term, |entry| entry.term)
    }

    /// The entry at `index`, if the log holds it.
    pub fn get(&self, index: Index) -> Option<&Entry> {
        self.entries.0.get(index.checked_sub(self.first_index())? as usize)
    }

    /// The term at `index`. At index 0, where every log agrees, it is 0.
    pub fn term_at(&self, index: Index) -> TermAt {
        if index < self.base.last_index {
            TermAt::Compacted
        } else if index == self.base.last_index {
            TermAt::Term(self.base.last_term)
        } else {
            self.get(index).map_or(TermAt::Absent, |entry| TermAt::Term(entry.term))
        }
    }

    /// All entries behind the base.
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// The entries from index `first` to index `last`, both included. Empty when `first` is
    /// past `last`.
    ///
    /// # Panics
    /// When the log does not reach to `last`, or begins behind `first`.
    pub fn range(&self, first: Index, last: Index) -> Entries {
        let held = self.first_index() <= first && last <= self.last_index();
        assert!(held, "entries {first} to {last} are not held");
        let from = first.min(last + 1) - self.first_index();
        self.entries.slice(from as usize, (last - self.base.last_index) as usize)
    }

    /// The entries from index `first` on, as many as fit in `max_bytes` of commands, but at
    /// least one if there is one. An empty command, or a blank, counts as one byte, and no more
    /// than [`MAX_ENTRIES`] are taken.
    ///
    /// # Panics
    /// When the log begins behind `first`.
    pub fn batch(&self, first: Index, max_bytes: usize) -> Entries {
        let mut bytes = 0;
        let mut last = first.saturating_sub(1);
        let most = last.saturating_add(MAX_ENTRIES as Index);
        while let Some(entry) = self.get(last + 1).filter(|_| last < most) {
            bytes += entry.bytes().max(1);
            if bytes > max_bytes && last >= first {
                break;
            }
            last += 1;
        }
        self.range(first, last.min(self.last_index()))
    }

    /// The index of the first entry of `term` or of a later one; one past the end when there
    /// is none. Terms never decrease along a log.
    pub fn first_index_from_term(&self, term: Term) -> Index {
        self.first_index() + self.entries.0.partition_point(|entry| entry.term < term) as Index
    }

    /// The index of the last entry of `term`, if the log holds one of that term; the base counts
    /// as one.
    pub fn last_index_of_term(&self, term: Term) -> Option<Index> {
        let last = self.first_index_from_term(term + 1) - 1;
        (last > 0 && self.term_at(last) == TermAt::Term(term)).then_some(last)
    }

    /// Keeps the entries up to `last_index` and drops the rest.
    pub(super) fn truncate(&mut self, last_index: Index) {
        self.entries.0.truncate((last_index - self.base.last_index) as usize);
    }

    /// Adds `entries` at the end.
    pub(super) fn append(&mut self, entries: Entries) {
        self.entries.0.append(&entries.0);
    }

    /// Begins the log at `base`. `SN.8`: if it holds that very entry, what follows it stays.
    /// `SN.9`: otherwise all entries go, also those behind it.
    pub(super) fn begin_at(&mut self, base: Base) {
        let holds_it = self.term_at(base.last_index) == TermAt::Term(base.last_term);
        self.entries = match holds_it {
            true => self.entries.skip((base.last_index - self.base.last_index) as usize),
            false => Entries::default(),
        };
        self.base = base;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn log(terms: &[Term]) -> Log {
        let entry = |&term| Entry::command(term, vec![b'x'; 10]);
        whole(terms.iter().map(entry).collect())
    }

    fn whole(entries: Entries) -> Log {
        Log { base: Base::default(), entries }
    }

    fn compacted(terms: &[Term], last_index: Index) -> Log {
        let mut log = log(terms);
        let last_term = log.term_at(last_index).held().unwrap();
        log.begin_at(Base { last_index, last_term });
        log
    }

    #[test]
    fn the_empty_log_ends_at_index_0_of_term_0() {
        let log = Log::default();
        assert_eq!((log.last_index(), log.last_term()), (0, 0));
        assert_eq!((log.term_at(0), log.term_at(1)), (TermAt::Term(0), TermAt::Absent));
        assert!(log.batch(1, 100).is_empty());
        assert!(log.range(1, 0).is_empty());
    }

    #[test]
    fn a_batch_is_bounded_by_bytes_and_never_empty_while_entries_wait() {
        let log = log(&[1, 1, 1, 2]);
        assert_eq!(log.batch(1, 0).len(), 1);
        assert_eq!(log.batch(1, 29).len(), 2);
        assert_eq!(log.batch(1, 30).len(), 3);
        assert_eq!(log.batch(3, 1000).len(), 2);
        assert_eq!(log.batch(5, 1000).len(), 0);
        let empty = Entry { term: 1, payload: Payload::Blank };
        let long = whole((0..MAX_ENTRIES + 1).map(|_| empty.clone()).collect());
        assert_eq!(long.batch(1, usize::MAX).len(), MAX_ENTRIES);
        assert_eq!(whole((0..9).map(|_| empty.clone()).collect()).batch(1, 4).len(), 4);
    }

    #[test]
    fn ranges_short_and_long_hold_the_entries_between_their_ends() {
        let terms: Vec<Term> = (1..=1000).collect();
        let log = log(&terms);
        for (first, last) in [(1, 0), (1, 1), (500, 627), (500, 628), (1, 1000), (1000, 1000)] {
            let range = log.range(first, last);
            assert!(range.iter().map(|entry| entry.term).eq(first..=last), "{first} to {last}");
        }
        assert!(log.range(1001, 1000).is_empty());
    }

    #[test]
    fn commands_keep_their_form_in_postcard_and_in_json() {
        let command = Command::from(&b"\x00a\xff"[..]);
        let stored = postcard::to_allocvec(&command).unwrap();
        assert_eq!(stored, [3, 0x00, b'a', 0xff]);
        assert_eq!(postcard::from_bytes(&stored), Ok(command.clone()));
        let long = Command::from(vec![7; 300]);
        let stored = postcard::to_allocvec(&long).unwrap();
        assert_eq!((&stored[..2], stored.len()), (&[0xac, 0x02][..], 302));
        assert_eq!(postcard::from_bytes(&stored), Ok(long));
        let text = serde_json::to_string(&command).unwrap();
        assert_eq!(text, "[0,97,255]");
        assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command);
        assert!(serde_json::from_str::<Command>("[256]").is_err());
    }

    #[test]
    fn entries_keep_their_form_in_postcard_and_in_json() {
        let mut log = Log::default();
        log.append([Entry::command(1, &b"a"[..])].into_iter().collect());
        log.append([Entry { term: 2, payload: Payload::Blank }].into_iter().collect());
        let entries = log.entries().clone();
        let stored = postcard::to_allocvec(&entries).unwrap();
        assert_eq!(stored, [2, 1, 0, 1, b'a', 2, 1]);
        assert_eq!(postcard::from_bytes(&stored), Ok(entries.clone()));
        let text = r#"[{"term":1,"payload":{"Command":[97]}},{"term":2,"payload":"Blank"}]"#;
        assert_eq!(serde_json::to_string(&entries).unwrap(), text);
        assert_eq!(serde_json::from_str::<Entries>(text).unwrap(), entries);
    }

    #[test]
    fn terms_are_found_by_their_first_and_last_entry() {
        let log = log(&[1, 1, 3, 3, 3, 6]);
        assert_eq!(log.first_index_from_term(1), 1);
        assert_eq!(log.first_index_from_term(2), 3);
        assert_eq!(log.first_index_from_term(3), 3);
        assert_eq!(log.first_index_from_term(7), 7);
        assert_eq!(log.last_index_of_term(1), Some(2));
        assert_eq!(log.last_index_of_term(2), None);
        assert_eq!(log.last_index_of_term(3), Some(5));
        assert_eq!(log.last_index_of_term(6), Some(6));
        assert_eq!(log.last_index_of_term(7), None);
        // Index 0 has term 0, and is no entry.
        assert_eq!(log.last_index_of_term(0), None);
    }

    #[test]
    fn a_compacted_log_reads_through_its_base() {
        let log = compacted(&[1, 1, 3, 3, 6], 3);
        assert_eq!((log.first_index(), log.last_index(), log.last_term()), (4, 5, 6));
        let terms = [2, 3, 4, 5, 6].map(|index| log.term_at(index));
        let [compacted, base, fourth, fifth, absent] = terms;
        assert_eq!((compacted, absent), (TermAt::Compacted, TermAt::Absent));
        assert_eq!([base, fourth, fifth], [3, 3, 6].map(TermAt::Term));
        assert_eq!((log.get(3), log.get(4).map(|entry| entry.term)), (None, Some(3)));
        assert_eq!(
            (log.range(4, 5).len(), log.range(5, 4).len(), log.range(4, 3).len()),
            (2, 0, 0)
        );
        assert_eq!((log.batch(4, 10).len(), log.batch(6, 10).len()), (1, 0));
        assert_eq!(log.last_index_of_term(3), Some(4));
        assert_eq!((log.last_index_of_term(1), log.last_index_of_term(2)), (None, None));
        assert_eq!(log.first_index_from_term(1), 4, "no hint lies before the first entry");
        let empty = compacted_to_the_end();
        assert_eq!((empty.last_index(), empty.last_term()), (5, 6));
        assert_eq!(empty.last_index_of_term(6), Some(5));
    }

    fn compacted_to_the_end() -> Log {
        compacted(&[1, 1, 3, 3, 6], 5)
    }

    #[test]
    fn what_follows_the_bases_own_entry_stays_and_all_else_goes() {
        let begun = |last_index, last_term| {
            let mut log = compacted(&[1, 1, 3, 3, 6], 2);
            log.begin_at(Base { last_index, last_term });
            (log.first_index(), log.entries().len())
        };
        assert_eq!((begun(4, 3), begun(5, 6)), ((5, 1), (6, 0)));
        assert_eq!((begun(4, 4), begun(9, 7)), ((5, 0), (10, 0)));
    }

    #[test]
    #[should_panic = "entries 3 to 4 are not held"]
    fn what_is_compacted_is_not_cut_out() {
        compacted(&[1, 1, 3, 3, 6], 3).range(3, 4);
    }

    #[test]
    fn an_appended_and_truncated_log_keeps_its_base() {
        let mut log = compacted(&[1, 1, 3], 2);
        log.append(log.range(3, 3));
        assert_eq!(log.last_index(), 4);
        log.truncate(2);
        assert_eq!((log.base().last_index, log.last_index(), log.last_term()), (2, 2, 1));
    }

    #[test]
    fn entries_are_a_prefix_of_what_begins_with_them() {
        let entries = |terms| log(terms).entries().clone();
        let long = entries(&[1, 2, 3]);
        for prefix in [&[][..], &[1], &[1, 2], &[1, 2, 3]] {
            assert!(entries(prefix).is_prefix_of(&long), "{prefix:?}");
        }
        for other in [&[2][..], &[1, 3], &[1, 2, 3, 4]] {
            assert!(!entries(other).is_prefix_of(&long), "{other:?}");
        }
    }
}
