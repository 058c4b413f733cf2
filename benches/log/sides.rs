//! The two sides: the log as it ships, and one on `im::Vector`, which copies few entries and
//! cuts its tree for many.

use std::hash::{Hash, Hasher};

use im::Vector;
use veraft::figure2::{Entries, Entry, Persistent, Record};

/// What is asked of a log.
pub trait Side: Clone + Default + Eq + Hash + FromIterator<Entry> {
    const NAME: &str;

    fn len(&self) -> usize;
    fn append(&mut self, entries: &Self);
    /// The entries at the positions from `from` on and before `to`.
    fn part(&self, from: usize, to: usize) -> Self;
    fn truncate(&mut self, len: usize);
    fn term(&self, position: usize) -> u64;
    fn sum_of_terms(&self) -> u64;
}

/// The log, through the door by which records enter it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Runs(Persistent);

impl FromIterator<Entry> for Runs {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Runs::from(Entries::from_iter(entries))
    }
}

impl From<Entries> for Runs {
    fn from(entries: Entries) -> Self {
        let mut runs = Runs::default();
        runs.0.write(Record::Append { entries });
        runs
    }
}

impl Hash for Runs {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.log().hash(state);
    }
}

impl Side for Runs {
    const NAME: &str = "runs";

    fn len(&self) -> usize {
        self.0.log().last_index() as usize
    }

    fn append(&mut self, entries: &Self) {
        self.0.write(Record::Append { entries: entries.0.log().entries().clone() });
    }

    fn part(&self, from: usize, to: usize) -> Self {
        Runs::from(self.0.log().range(from as u64 + 1, to as u64))
    }

    fn truncate(&mut self, len: usize) {
        self.0.write(Record::Truncate { last_index: len as u64 });
    }

    fn term(&self, position: usize) -> u64 {
        self.0.log().term_at(position as u64 + 1).held().unwrap()
    }

    fn sum_of_terms(&self) -> u64 {
        self.0.log().entries().iter().map(|entry| entry.term).sum()
    }
}

/// A log on a tree.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tree(Vector<Entry>);

impl FromIterator<Entry> for Tree {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Tree(entries.into_iter().collect())
    }
}

impl Hash for Tree {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.0.len());
        self.0.hash(state);
    }
}

impl Side for Tree {
    const NAME: &str = "im";

    fn len(&self) -> usize {
        self.0.len()
    }

    fn append(&mut self, entries: &Self) {
        self.0.extend(entries.0.iter().cloned());
    }

    fn part(&self, from: usize, to: usize) -> Self {
        // Where both take as long, on a log of 100,000 entries.
        const FEW: usize = 4096;
        match to - from {
            0..=FEW => self.0.focus().narrow(from..to).into_iter().cloned().collect(),
            _ => Tree(self.0.clone().slice(from..to)),
        }
    }

    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    fn term(&self, position: usize) -> u64 {
        self.0[position].term
    }

    fn sum_of_terms(&self) -> u64 {
        self.0.iter().map(|entry| entry.term).sum()
    }
}
