//! What the batches of a store say, but for the entries themselves: what a checkpoint needs, and
//! which segments are.

use crate::runtime::std;

use std::collections::VecDeque;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::stored::{self, Written};
use crate::figure2::{Base, Entries, Index, LIMIT, Record, ServerId, Term};
use crate::runtime::storage::Notes;

/// A term, and the vote in it.
pub(super) type Ballot = (Term, Option<ServerId>);

/// What the batches say, those that are yet to be written included.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    pub(super) ballot: Option<Ballot>,
    pub(super) extent: Extent,
    pub(super) notes: Notes,
    /// Base and last index as of the last batch that was written.
    before: (Base, Index),
    /// The segments with entries that are needed, and the last such entry of each.
    spans: VecDeque<(u32, Index)>,
}

/// How the entries stand.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    /// Where the log begins.
    pub(super) base: Base,
    /// The index of the last entry; that of the base when there is none.
    pub(super) last_index: Index,
    /// The first index of each term behind the base, as far as that is known.
    terms: VecDeque<(Index, Term)>,
    /// How far the log was cut back since the last batch: which entries of older batches stay.
    cut: Index,
    /// Whether entries were added since.
    has_grown: bool,
}

impl Default for Extent {
    fn default() -> Self {
        Extent {
            base: Base::default(),
            last_index: 0,
            terms: VecDeque::new(),
            cut: Index::MAX,
            has_grown: false,
        }
    }
}

impl Extent {
    /// The log keeps the entries up to `last_index`.
    pub(super) fn truncate(&mut self, last_index: Index) -> Result<(), String> {
        let held = self.base.last_index..=self.last_index;
        if !held.contains(&last_index) {
            return Err(format!(
                "cannot keep the entries up to {last_index}: the log begins behind {}, and the \
                 last one is {}",
                self.base.last_index, self.last_index
            ));
        }
        self.cut_back(last_index);
        Ok(())
    }

    fn cut_back(&mut self, last_index: Index) {
        self.last_index = last_index;
        self.cut = self.cut.min(last_index);
        while self.terms.pop_back_if(|(first, _)| *first > last_index).is_some() {}
    }

    /// The log grows by entries of these terms.
    pub(super) fn append(&mut self, terms: impl Iterator<Item = Term>) {
        for term in terms {
            self.last_index += 1;
            self.has_grown = true;
            if self.terms.back().is_none_or(|&(_, last)| last != term) {
                self.terms.push_back((self.last_index, term));
            }
        }
    }

    /// Whether the log holds the entry of this mark.
    fn holds(&self, base: Base) -> bool {
        let known = self.terms.iter().rfind(|(first, _)| *first <= base.last_index);
        base.last_index <= self.last_index && known.is_some_and(|&(_, term)| term == base.last_term)
    }

    /// The log begins at this mark, of which it holds the entry or does not.
    pub(super) fn begin_at(&mut self, base: Base, is_held: bool) -> Result<(), String> {
        if base.last_index <= self.base.last_index || base.last_index > LIMIT {
            return Err(format!(
                "cannot begin behind {}: the log begins behind {} already",
                base.last_index, self.base.last_index
            ));
        }
        if !is_held {
            self.cut_back(0);
            self.last_index = base.last_index;
        } else if base.last_index > self.last_index {
            return Err(format!("the log ends at {} already", self.last_index));
        }
        self.base = base;
        let second = |terms: &VecDeque<(Index, Term)>| terms.get(1).map(|&(first, _)| first);
        while second(&self.terms).is_some_and(|first| first <= base.last_index + 1) {
            self.terms.pop_front();
        }
        Ok(())
    }
}

impl Contents {
    /// Takes up a record, and adds its form; what is wrong with it, if something is.
    pub(super) fn append(&mut self, record: &Record, into: &mut Vec<u8>) -> Result<(), String> {
        let written = match record {
            Record::Ballot { current_term, voted_for } => {
                self.ballot = Some((*current_term, *voted_for));
                stored::ballot((*current_term, *voted_for))
            }
            Record::Truncate { last_index } => {
                self.extent.truncate(*last_index)?;
                Written::Truncate { last_index: *last_index }
            }
            Record::Append { entries } => {
                self.extent.append(terms(entries));
                Written::Append(entries)
            }
            Record::Base(base) => {
                let is_held = self.extent.holds(*base);
                self.extent.begin_at(*base, is_held)?;
                Written::Base { base: (*base).into(), is_held }
            }
        };
        stored::write(written, into);
        Ok(())
    }

    /// Takes up a note, and adds its form.
    pub(super) fn note(&mut self, name: &str, value: &[u8], into: &mut Vec<u8>) {
        self.take_note(name, value);
        stored::write(Written::Note { name, value }, into);
    }

    pub(super) fn take_note(&mut self, name: &str, value: &[u8]) {
        match value {
            [] => drop(self.notes.remove(name)),
            value => drop(self.notes.insert(name.to_string(), value.to_vec())),
        }
    }

    /// Adds what a new segment has to say: of entries, what older batches said, for those of its
    /// first batch follow; of ballot and notes, what is so behind that batch, which is there as a
    /// whole or not at all.
    pub(super) fn checkpoint(&self, into: &mut Vec<u8>) {
        let (base, last_index) = self.before;
        stored::write(Written::Checkpoint { base: base.into(), last_index }, into);
        if let Some(known) = self.ballot {
            stored::write(stored::ballot(known), into);
        }
        for (name, value) in &self.notes {
            stored::write(Written::Note { name, value }, into);
        }
    }

    /// Whether a checkpoint says what is known here of the batches before it.
    pub(super) fn is_as_before(&self, base: Base, last_index: Index) -> bool {
        self.before == (base, last_index)
    }

    /// Begins with a checkpoint: there are entries up to `last_index`, which are in no segment
    /// that is here.
    pub(super) fn begin(&mut self, base: Base, last_index: Index) -> Result<(), String> {
        if base.last_index > last_index || last_index > LIMIT {
            return Err(format!(
                "no log begins behind {} and ends at {last_index}",
                base.last_index
            ));
        }
        self.extent = Extent { base, last_index, ..Extent::default() };
        self.before = (base, last_index);
        Ok(())
    }

    /// A batch is in this segment; the first segment that is needed, at most this one.
    pub(super) fn landed(&mut self, segment: u32) -> u32 {
        let Extent { base, last_index, terms: _, cut, has_grown } = &mut self.extent;
        for (_, last) in &mut self.spans {
            *last = (*last).min(*cut);
        }
        if *has_grown {
            let _ = self.spans.pop_back_if(|(last, _)| *last == segment);
            self.spans.push_back((segment, *last_index));
        }
        while self.spans.pop_front_if(|(_, last)| *last <= base.last_index).is_some() {}
        (*cut, *has_grown) = (Index::MAX, false);
        self.before = (*base, *last_index);
        self.spans.front().map_or(segment, |(first, _)| *first)
    }
}

fn terms(entries: &Entries) -> impl Iterator<Item = Term> {
    entries.iter().map(|entry| entry.term)
}
