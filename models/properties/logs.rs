//! What must hold of logs (§5.3), and of the parts of logs that travel.

use veraft::figure2::{AppendEntries, Base, Entries, Entry, Index, Log, Server, Term};

use super::view::View;

/// Consecutive entries, and the term of the entry before them.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The index of the entry before.
    pub prev_index: Index,
    /// Its term; 0 before the first entry of a log.
    pub prev_term: Term,
    /// The entries.
    pub entries: &'a Entries,
}

impl<'a> From<&'a Log> for Segment<'a> {
    fn from(log: &'a Log) -> Self {
        let Base { last_index, last_term } = log.base();
        Segment { prev_index: last_index, prev_term: last_term, entries: log.entries() }
    }
}

impl<'a> From<&'a AppendEntries> for Segment<'a> {
    fn from(request: &'a AppendEntries) -> Self {
        Segment {
            prev_index: request.prev_log_index,
            prev_term: request.prev_log_term,
            entries: &request.entries,
        }
    }
}

impl<'a> Segment<'a> {
    /// The index of the last entry, or of the one before if there is none.
    pub fn last_index(self) -> Index {
        self.prev_index + self.entries.len() as Index
    }

    /// Each entry in its place.
    pub fn placed(self) -> impl Iterator<Item = Placed<'a>> {
        let (mut index, mut term) = (self.prev_index, self.prev_term);
        self.entries.iter().map(move |entry| {
            index += 1;
            let prev_term = std::mem::replace(&mut term, entry.term);
            Placed { index, prev_term, entry }
        })
    }

    /// The entry at `index`, if it is one of these.
    pub fn get(self, index: Index) -> Option<&'a Entry> {
        let place = index.checked_sub(self.prev_index + 1)?;
        self.entries.iter().nth(place as usize)
    }

    /// The term at `index`, if it is that of one of these or of the one before.
    pub fn term_at(self, index: Index) -> Option<Term> {
        match index == self.prev_index {
            true => Some(self.prev_term),
            false => self.get(index).map(|entry| entry.term),
        }
    }
}

/// An entry in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed<'a> {
    /// The place.
    pub index: Index,
    /// The term of the entry before.
    pub prev_term: Term,
    /// The entry.
    pub entry: &'a Entry,
}

impl Placed<'_> {
    /// Log Matching, for one index: of the same index and term there is one entry, behind one
    /// term. Where this holds of all entries ever seen, index and term name a whole log.
    ///
    /// # Errors
    /// The index at which the two differ: this one, or the one before.
    pub fn matches(self, other: Placed<'_>) -> Result<(), Index> {
        if self.index != other.index || self.entry.term != other.entry.term {
            Ok(())
        } else if self.prev_term != other.prev_term {
            Err(self.index - 1)
        } else if self.entry != other.entry {
            Err(self.index)
        } else {
            Ok(())
        }
    }
}

/// Two logs that are the same at an index, and are not before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogsDiffer {
    /// The last index at which both have an entry of the same term.
    pub agree: Index,
    /// An index at or before it at which they differ.
    pub differ: Index,
}

/// Log Matching: two logs, or parts of logs, that hold an entry of the same index and term are
/// the same up to it.
///
/// # Errors
/// When they are not.
pub fn logs_match<'a>(
    one: impl Into<Segment<'a>>,
    other: impl Into<Segment<'a>>,
) -> Result<(), LogsDiffer> {
    let (one, other) = (one.into(), other.into());
    let prev_index = one.prev_index.max(other.prev_index);
    if one.last_index().min(other.last_index()) <= prev_index {
        return Ok(());
    }
    let common = |part: Segment<'a>| part.placed().skip((prev_index - part.prev_index) as usize);
    let (mut agree, mut differ) = (0, None);
    for (one, other) in common(one).zip(common(other)) {
        if one.entry.term == other.entry.term {
            agree = one.index;
        }
        differ = differ.or(one.matches(other).err());
    }
    match differ {
        Some(differ) => Err(LogsDiffer { agree, differ }),
        None => Ok(()),
    }
}

/// Log Matching, of every two servers.
///
/// # Errors
/// The first two logs that do not match.
pub fn log_matching(view: &impl View) -> Result<(), LogsDiffer> {
    let mut others = view.servers().map(Server::log);
    while let Some(one) = others.next() {
        others.clone().try_for_each(|other| logs_match(one, other))?;
    }
    Ok(())
}

/// Terms never decrease along a log.
///
/// # Errors
/// The first index at which they do.
pub fn terms_in_order<'a>(log: impl Into<Segment<'a>>) -> Result<(), Index> {
    match log.into().placed().find(|placed| placed.entry.term < placed.prev_term) {
        Some(placed) => Err(placed.index),
        None => Ok(()),
    }
}

/// Leader Append-Only: what was `seen` of a leader's log in its term is still there.
///
/// # Errors
/// The first index that was seen and is lost, or is another entry now.
pub fn leader_appends_only(seen: &Log, log: &Log) -> Result<(), Index> {
    first_lost(seen, log).map_or(Ok(()), Err)
}

/// The first index at which a log lacks what it was `seen` to hold; none if it lacks nothing.
pub fn first_lost(seen: &Log, log: &Log) -> Option<Index> {
    let mut seen = (seen.first_index()..).zip(seen.entries().iter());
    seen.find(|(index, entry)| !holds(log, *index, entry)).map(|(index, _)| index)
}

/// Whether a log holds this entry, or held one there: what is compacted is not lost.
pub fn holds(log: &Log, index: Index, entry: &Entry) -> bool {
    index <= log.base().last_index || log.get(index) == Some(entry)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{entries, stored};
    use super::*;

    fn compare(one: &[(Term, u64)], other: &[(Term, u64)]) -> Result<(), LogsDiffer> {
        logs_match(stored(9, one).log(), stored(9, other).log())
    }

    #[test]
    fn logs_match_before_the_last_entry_of_the_same_term() {
        let differ = |agree, differ| Err(LogsDiffer { agree, differ });
        assert_eq!(compare(&[], &[(1, 1)]), Ok(()));
        assert_eq!(compare(&[(1, 1), (2, 2)], &[(1, 1), (3, 3), (3, 4)]), Ok(()));
        assert_eq!(compare(&[(1, 1), (2, 2)], &[(1, 1), (2, 5)]), differ(2, 2));
        assert_eq!(compare(&[(1, 1), (2, 2)], &[(1, 6), (2, 2)]), differ(2, 1));
        assert_eq!(compare(&[(1, 1), (3, 2)], &[(2, 1), (3, 2)]), differ(2, 1));
    }

    #[test]
    fn a_segment_matches_from_the_term_before_it_on() {
        let log = stored(9, &[(1, 1), (2, 2), (2, 3)]);
        let compare = |prev_term, held: &[(Term, u64)]| {
            logs_match(log.log(), Segment { prev_index: 1, prev_term, entries: &entries(held) })
        };
        assert_eq!(compare(1, &[(2, 2), (2, 3), (2, 4)]), Ok(()));
        assert_eq!(compare(2, &[(3, 2)]), Ok(()));
        assert_eq!(compare(2, &[(2, 2)]), Err(LogsDiffer { agree: 2, differ: 1 }));
        assert_eq!(compare(1, &[(2, 2), (2, 4)]), Err(LogsDiffer { agree: 3, differ: 3 }));
        // One that begins behind the other's end has nothing to compare.
        let beyond = Segment { prev_index: 3, prev_term: 7, entries: &entries(&[(7, 1)]) };
        assert_eq!(logs_match(log.log(), beyond), Ok(()));
    }

    #[test]
    fn a_segment_knows_its_places() {
        let held = entries(&[(2, 1), (3, 2)]);
        let segment = Segment { prev_index: 4, prev_term: 1, entries: &held };
        assert_eq!(segment.last_index(), 6);
        assert_eq!(
            [3, 4, 5, 6, 7].map(|index| segment.term_at(index)),
            [None, Some(1), Some(2), Some(3), None]
        );
        let places: Vec<_> = segment.placed().map(|p| (p.index, p.prev_term)).collect();
        assert_eq!(places, [(5, 1), (6, 2)]);
    }

    #[test]
    fn terms_rise_along_a_log() {
        assert_eq!(terms_in_order(stored(9, &[(1, 1), (1, 2), (3, 3)]).log()), Ok(()));
        assert_eq!(terms_in_order(stored(9, &[(1, 1), (3, 2), (2, 3)]).log()), Err(3));
        let held = entries(&[(2, 1)]);
        let behind = Segment { prev_index: 1, prev_term: 3, entries: &held };
        assert_eq!(terms_in_order(behind), Err(2));
    }

    #[test]
    fn a_leader_loses_and_replaces_nothing() {
        let seen = stored(9, &[(1, 1), (1, 2)]);
        let appends = |log: &[(Term, u64)]| leader_appends_only(seen.log(), stored(9, log).log());
        assert_eq!(appends(&[(1, 1), (1, 2), (2, 3)]), Ok(()));
        assert_eq!(appends(&[(1, 1)]), Err(2));
        assert_eq!(appends(&[(1, 3), (1, 2)]), Err(1));
    }
}
