//! Stores of layouts 1 to 3: one file of [redb](https://docs.rs/redb), which is read and never
//! written.
//!
//! | table | key | value |
//! |---|---|---|
//! | `entries` | index of the first | a run of consecutive entries |
//! | `base` | nothing | where the log begins; nothing in a whole log |
//! | `ballot` | nothing | term and vote |
//! | `notes` | name | the note |
//! | `format` | nothing | the version of the layout |
//!
//! Runs that end at the base or before are dead. The one in which the base lies stays as it is;
//! what it holds up to there is not read.
//!
//! Layout 1 had no notes, and entries that could only be commands; layouts 1 and 2 had no base.

use crate::runtime::std;

use std::format;
use std::string::ToString;
use std::vec::Vec;

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
    TableError,
};

use super::contents::Ballot;
use super::replay::place;
use crate::figure2::{Base, Entry, Index, Persistent, Record};
use crate::runtime::storage::Notes;

pub(super) use self::roots::End;
pub(super) use self::trouble::Trouble;

mod roots;
mod stored;
mod trouble;

const ENTRIES: TableDefinition<Index, &[u8]> = TableDefinition::new("entries");
const BASE: TableDefinition<(), &[u8]> = TableDefinition::new("base");
const BALLOT: TableDefinition<(), &[u8]> = TableDefinition::new("ballot");
const NOTES: TableDefinition<&str, &[u8]> = TableDefinition::new("notes");
const FORMAT: TableDefinition<(), u32> = TableDefinition::new("format");

/// What an older store holds. The file is locked as long as this is there.
#[derive(Debug)]
pub(super) struct Older {
    /// How the node that had it has left it.
    pub(super) end: End,
    pub(super) persistent: Persistent,
    pub(super) notes: Notes,
    _store: Database,
}

/// Reads the file that `open` opens, each time it is called. Every page is checked.
///
/// # Errors
/// When a node has it open, when it is damaged, or when a later version wrote it.
pub(super) fn read<B: StorageBackend>(
    open: impl Fn() -> Result<B, Trouble>,
) -> Result<Older, Trouble> {
    let (end, store) = roots::open(&open)?;
    let transaction = store.begin_read()?;
    let (persistent, notes) = match layout(&transaction)? {
        None => (Persistent::default(), Notes::new()),
        Some(1) => {
            let runs = read_entries(&transaction, Base::default(), stored::read_run_1)?;
            (fold(read_ballot(&transaction)?, Base::default(), runs)?, Notes::new())
        }
        Some(2) => (read_behind(&transaction, Base::default())?, read_notes(&transaction)?),
        Some(3) => {
            let base = read_base(&transaction)?;
            (read_behind(&transaction, base)?, read_notes(&transaction)?)
        }
        Some(found) => return Err(Trouble::Layout { found }),
    };
    Ok(Older { end, persistent, notes, _store: store })
}

/// The layout of the file; none if nothing was ever written in it.
fn layout(transaction: &ReadTransaction) -> Result<Option<u32>, Trouble> {
    let mut tables = transaction.list_tables()?;
    if tables.next().is_none() {
        return Ok(None);
    }
    let missing = || Trouble::record("its layout", "no version is given");
    let table = match transaction.open_table(FORMAT) {
        Err(TableError::TableDoesNotExist(_)) => return Err(missing()),
        table => table?,
    };
    let version = table.get(())?.ok_or_else(missing)?;
    Ok(Some(version.value()))
}

fn read_behind(transaction: &ReadTransaction, base: Base) -> Result<Persistent, Trouble> {
    let runs = read_entries(transaction, base, stored::read_run)?;
    fold(read_ballot(transaction)?, base, runs)
}

/// The index under which the first run stands that is read: those before it are dead.
fn first_live(
    table: &impl ReadableTable<Index, &'static [u8]>,
    base: Base,
) -> Result<Option<Index>, Trouble> {
    let last = table.range(..=base.last_index + 1)?.next_back().transpose()?;
    Ok(last.map(|(first, _)| first.value()))
}

fn read_base(transaction: &ReadTransaction) -> Result<Base, Trouble> {
    let table = transaction.open_table(BASE)?;
    let base = table.get(())?;
    base.map_or(Ok(Base::default()), |base| stored::read_base(base.value()))
}

/// The entries behind `base`, run by run. `read_run` takes the index of the first of a run, and
/// its bytes.
fn read_entries(
    transaction: &ReadTransaction,
    base: Base,
    read_run: impl Fn(Index, &[u8]) -> Result<Vec<Entry>, Trouble>,
) -> Result<impl Iterator<Item = Result<Vec<Entry>, Trouble>>, Trouble> {
    let table = transaction.open_table(ENTRIES)?;
    let begin = base.last_index + 1;
    let first_live = first_live(&table, base)?;
    let stored = table.range(first_live.unwrap_or(begin)..)?;
    let mut next = first_live.unwrap_or(begin);
    Ok(stored.map(move |item| {
        let (first, run) = item?;
        if first.value() != next {
            return Err(Trouble::record(
                format!("entry {}", next.max(begin)),
                format!("entry {} stands in its place", first.value()),
            ));
        }
        let mut entries = read_run(next, run.value())?;
        let dead = begin.saturating_sub(next).min(entries.len() as Index);
        next += entries.len() as Index;
        entries.drain(..dead as usize);
        Ok(entries)
    }))
}

/// Takes the runs one by one: beside the log that grows there is never more than one of them,
/// and none behind one that is unsound.
fn fold(
    ballot: Option<Ballot>,
    base: Base,
    runs: impl Iterator<Item = Result<Vec<Entry>, Trouble>>,
) -> Result<Persistent, Trouble> {
    let ballot = ballot.map(|(current_term, voted_for)| Record::Ballot { current_term, voted_for });
    let begins = (base != Base::default()).then_some(Record::Base(base));
    let mut unread = None;
    let read = runs.map_while(|run| match run {
        Ok(run) => Some(Record::Append { entries: run.into_iter().collect() }),
        Err(trouble) => {
            unread = Some(trouble);
            None
        }
    });
    let folded = Persistent::fold(ballot.into_iter().chain(begins).chain(read))
        .map_err(|bad| Trouble::record(place(bad), bad))?;
    match unread {
        Some(trouble) => Err(trouble),
        None => Ok(folded),
    }
}

/// None before the first record.
fn read_ballot(transaction: &ReadTransaction) -> Result<Option<Ballot>, Trouble> {
    let table = transaction.open_table(BALLOT)?;
    let ballot = table.get(())?;
    ballot.map(|ballot| stored::read_ballot(ballot.value())).transpose()
}

fn read_notes(transaction: &ReadTransaction) -> Result<Notes, Trouble> {
    let table = transaction.open_table(NOTES)?;
    let mut notes = Notes::new();
    for item in table.iter()? {
        let (name, value) = item?;
        notes.insert(name.value().to_string(), value.value().to_vec());
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;
    use std::vec;

    const RUN: usize = 256;

    /// The runs that were read and are not folded yet are counted where the next one is read.
    #[test]
    fn a_log_is_folded_run_by_run_and_no_further_than_to_the_first_unsound_one() {
        let read = Cell::new(0);
        let run = |run: Result<Vec<Entry>, Trouble>| {
            read.set(read.get() + 1);
            run
        };
        let entries = |term| Ok(vec![Entry::command(term, &b"x"[..]); RUN]);
        let ballot = Some((9, None));

        let sound = fold(
            ballot,
            Base::default(),
            [entries(1), entries(2), entries(9)].into_iter().map(run),
        )
        .unwrap();
        assert_eq!((sound.log().last_index(), read.replace(0)), (3 * RUN as Index, 3));

        let unsound = fold(
            ballot,
            Base::default(),
            [entries(2), entries(1), entries(3)].into_iter().map(run),
        );
        let Err(Trouble::Record { position, .. }) = unsound else { panic!("folded") };
        let first = RUN as Index + 1;
        assert_eq!((position, read.replace(0)), (format!("entry {first}"), 2));

        let unread = Err(Trouble::record("the third", "cut off"));
        let unread =
            fold(ballot, Base::default(), [entries(1), unread, entries(3)].into_iter().map(run));
        let Err(Trouble::Record { position, .. }) = unread else { panic!("folded") };
        assert_eq!((&*position, read.get()), ("the third", 2));
    }
}
