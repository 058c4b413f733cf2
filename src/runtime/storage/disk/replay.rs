//! What the batches of a store fold to.

use crate::runtime::std;

use std::collections::VecDeque;
use std::format;
use std::string::{String, ToString};

use super::contents::Contents;
use super::segments::{Damage, Reading};
use super::stored::{self, Stored};
use crate::figure2::{BadRecord, Entry, Index, Persistent, Record, ServerId};

/// What the batches say that were read so far.
#[derive(Debug, Default)]
pub(super) struct Replay {
    pub(super) contents: Contents,
    /// Whether the store was closed with the last of them.
    pub(super) is_closed: bool,
    has_begun: bool,
    /// The index of the first of `entries`. Those behind the base and before it are in segments
    /// that are gone.
    first_index: Index,
    entries: VecDeque<Entry>,
}

impl Replay {
    fn take(&mut self, record: Stored<'_>) -> Result<(), String> {
        if !self.has_begun && !matches!(record, Stored::Checkpoint { .. }) {
            return Err("it does not begin with a checkpoint".into());
        }
        let contents = &mut self.contents;
        let extent = &mut contents.extent;
        match record {
            Stored::Checkpoint { base, last_index } if self.has_begun => {
                if !contents.is_as_before(base.into(), last_index) {
                    return Err("what stands before a checkpoint is not what it says".into());
                }
            }
            Stored::Checkpoint { base, last_index } => {
                contents.begin(base.into(), last_index)?;
                self.has_begun = true;
                self.first_index = last_index + 1;
            }
            Stored::Ballot { current_term, voted_for } => {
                contents.ballot = Some((current_term, voted_for.map(ServerId)));
            }
            Stored::Truncate { last_index } => {
                extent.truncate(last_index)?;
                let kept = (last_index + 1).saturating_sub(self.first_index);
                self.entries.truncate(kept as usize);
                self.first_index = self.first_index.min(last_index + 1);
            }
            Stored::Append(entries) => {
                extent.append(entries.iter().map(|entry| entry.term));
                self.entries.extend(entries.into_iter().map(Entry::from));
            }
            Stored::Base { base, is_held } => {
                extent.begin_at(base.into(), is_held)?;
                let next = extent.base.last_index + 1;
                let dropped = match is_held {
                    true => next.saturating_sub(self.first_index) as usize,
                    false => self.entries.len(),
                };
                self.entries.drain(..dropped.min(self.entries.len()));
                self.first_index = match is_held {
                    true => self.first_index.max(next),
                    false => next,
                };
            }
            Stored::Note { name, value } => contents.take_note(name, value),
            Stored::Closed => self.is_closed = true,
        }
        Ok(())
    }

    /// What the server is, once all is read. The entries go along.
    ///
    /// # Errors
    /// At a record that no server writes.
    pub(super) fn fold(&mut self) -> Result<Persistent, Damage> {
        let Contents { ballot, extent, .. } = &self.contents;
        let ballot =
            ballot.map(|(current_term, voted_for)| Record::Ballot { current_term, voted_for });
        let begins = (extent.base.last_index > 0).then_some(Record::Base(extent.base));
        let entries = Record::Append { entries: self.entries.drain(..).collect() };
        self.entries.shrink_to_fit();
        Persistent::fold(ballot.into_iter().chain(begins).chain([entries]))
            .map_err(|bad| Damage { position: place(bad), what: bad.to_string() })
    }
}

/// Where a record stands that no server writes.
pub(super) fn place(bad: BadRecord) -> String {
    match bad {
        BadRecord::Entry { index, .. } => format!("entry {index}"),
        BadRecord::Term { .. } | BadRecord::Vote { .. } => "the ballot".into(),
        BadRecord::Truncate { .. } => "a truncation".into(),
        BadRecord::Base { .. } => "the base".into(),
    }
}

impl Reading for Replay {
    fn batch(&mut self, segment: u32, batch: &[u8]) -> Result<(), String> {
        self.is_closed = false;
        let mut rest = batch;
        while !rest.is_empty() {
            let (record, behind) = stored::read(rest)?;
            self.take(record)?;
            rest = behind;
        }
        self.contents.landed(segment);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Damage> {
        let next = self.contents.extent.base.last_index + 1;
        match self.first_index > next {
            false => Ok(()),
            true => Err(Damage {
                position: format!("entry {next}"),
                what: format!("the segments up to entry {} are missing", self.first_index - 1),
            }),
        }
    }
}
