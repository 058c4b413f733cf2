//! How records change the tables of the file.

use crate::runtime::std;

use std::vec::Vec;

use redb::{ReadableTable, WriteTransaction};

use super::layout::{BALLOT, BASE, ENTRIES};
use super::stored;
use super::trouble::Trouble;
use crate::figure2::{Base, Entry, Index, Record};

/// How many entries are stored under one key at most. Runs rather than single entries: what the
/// store does for each key costs more than the entries of a batch.
pub(super) const RUN: usize = 256;

/// How many dead runs go in one transaction at most: a log that is compacted does not keep the
/// next records waiting.
const AT_ONCE: usize = 512;

/// How the entries stand in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Where the log begins.
    pub(super) base: Base,
    /// The index of the last entry; that of the base when there is none.
    pub(super) last_index: Index,
    /// Whether there may be dead runs.
    pub(super) has_dead: bool,
}

/// Writes a record behind those that left this extent; the new extent.
pub(super) fn write(
    transaction: &WriteTransaction,
    extent: Extent,
    record: &Record,
) -> Result<Extent, Trouble> {
    let Extent { base, last_index, has_dead: _ } = extent;
    match record {
        Record::Ballot { current_term, voted_for } => {
            let ballot = stored::ballot(*current_term, *voted_for);
            transaction.open_table(BALLOT)?.insert((), &*ballot)?;
            Ok(extent)
        }
        Record::Truncate { last_index: kept } => {
            if !(base.last_index..=last_index).contains(kept) {
                return Err(Trouble::Misfit(std::format!(
                    "cannot keep the entries up to {kept}: the log begins behind {}, and the last \
                     one is {last_index}",
                    base.last_index
                )));
            }
            truncate(transaction, *kept)?;
            Ok(Extent { last_index: *kept, ..extent })
        }
        Record::Append { entries } => {
            let last_index = append(transaction, last_index, entries.iter())?;
            Ok(Extent { last_index, ..extent })
        }
        Record::Base(new) if new.last_index <= base.last_index => {
            Err(Trouble::Misfit(std::format!("the log begins behind {} already", base.last_index)))
        }
        Record::Base(new) => begin_at(transaction, extent, *new),
    }
}

fn truncate(transaction: &WriteTransaction, last_index: Index) -> Result<(), Trouble> {
    let mut table = transaction.open_table(ENTRIES)?;
    table.retain_in(last_index + 1.., |_, _| false)?;
    // The last run may reach past the new end.
    let cut = match table.last()? {
        None => None,
        Some((first, run)) => {
            let kept = (last_index + 1 - first.value()) as usize;
            Some((first.value(), stored::cut_run(first.value(), run.value(), kept)?))
        }
    };
    if let Some((first, run)) = cut {
        table.insert(first, &*run)?;
    }
    Ok(())
}

fn append<'a>(
    transaction: &WriteTransaction,
    mut last_index: Index,
    entries: impl Iterator<Item = &'a Entry>,
) -> Result<Index, Trouble> {
    let mut table = transaction.open_table(ENTRIES)?;
    let entries: Vec<&Entry> = entries.collect();
    for run in entries.chunks(RUN) {
        table.insert(last_index + 1, &*stored::run(run))?;
        last_index += run.len() as Index;
    }
    Ok(last_index)
}

/// Begins the log at `base`, by the rule of [`Record::Base`]: what follows its own entry stays;
/// if there is no such entry, all go.
fn begin_at(transaction: &WriteTransaction, extent: Extent, base: Base) -> Result<Extent, Trouble> {
    let Base { last_index, last_term } = base;
    let mut table = transaction.open_table(ENTRIES)?;
    let held = match table.range(..=last_index)?.next_back().transpose()? {
        None => None,
        Some((first, run)) => stored::term_in_run(first.value(), run.value(), last_index)?,
    };
    transaction.open_table(BASE)?.insert((), &*stored::base(base))?;
    match held == Some(last_term) {
        true => Ok(Extent { base, last_index: extent.last_index, has_dead: true }),
        false => {
            table.retain(|_, _| false)?;
            Ok(Extent { base, last_index, has_dead: false })
        }
    }
}

/// The index under which the first run stands that is read: those before it are dead.
pub(super) fn first_live(
    table: &impl ReadableTable<Index, &'static [u8]>,
    base: Base,
) -> Result<Option<Index>, Trouble> {
    let last = table.range(..=base.last_index + 1)?.next_back().transpose()?;
    Ok(last.map(|(first, _)| first.value()))
}

/// Removes some dead runs, if there are any.
pub(super) fn bury(transaction: &WriteTransaction, extent: Extent) -> Result<Extent, Trouble> {
    if !extent.has_dead {
        return Ok(extent);
    }
    let mut table = transaction.open_table(ENTRIES)?;
    let first_live = first_live(&table, extent.base)?.unwrap_or(0);
    let some = table.range(..first_live)?.nth(AT_ONCE).transpose()?;
    let rest = some.map(|(first, _)| first.value());
    table.retain_in(..rest.unwrap_or(first_live), |_, _| false)?;
    Ok(Extent { has_dead: rest.is_some(), ..extent })
}
