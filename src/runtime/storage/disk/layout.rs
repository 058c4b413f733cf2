//! The tables of the file, and how a file of an earlier layout becomes one of this.
//!
//! | table | key | value |
//! |---|---|---|
//! | `entries` | index of the first | a run of consecutive entries |
//! | `base` | nothing | where the log begins; nothing in a whole log |
//! | `ballot` | nothing | term and vote |
//! | `notes` | name | the note |
//! | `format` | nothing | the version of this layout, 3 |
//!
//! Runs that end at the base or before are dead: nobody reads them, and they go by and by. The
//! one in which the base lies stays as it is; what it holds up to there is not read.
//!
//! Layout 1 had no notes, and entries that could only be commands; layouts 1 and 2 had no base.

use crate::runtime::std;

use std::string::{String, ToString};
use std::vec::Vec;

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError,
    WriteTransaction,
};

use super::records::{self, Extent};
use super::stored;
use super::trouble::Trouble;
use crate::figure2::{BadRecord, Base, Entry, Index, Persistent, Record, ServerId, Term};
use crate::runtime::storage::Notes;

/// A term, and the vote in it.
pub(super) type Ballot = (Term, Option<ServerId>);

pub(super) const ENTRIES: TableDefinition<Index, &[u8]> = TableDefinition::new("entries");
pub(super) const BASE: TableDefinition<(), &[u8]> = TableDefinition::new("base");
pub(super) const BALLOT: TableDefinition<(), &[u8]> = TableDefinition::new("ballot");
const NOTES: TableDefinition<&str, &[u8]> = TableDefinition::new("notes");
const FORMAT: TableDefinition<(), u32> = TableDefinition::new("format");

/// The newest layout, which is the one that is written.
const NEWEST: u32 = 3;

/// A transaction whose commit is durable, and never replaced by the state before it: in one
/// phase, damage to the last commit looks like a commit that was cut off.
pub(super) fn begin(store: &Database) -> Result<WriteTransaction, Trouble> {
    let mut transaction = store.begin_write()?;
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

/// Brings the file to the newest layout, in one transaction; refuses a newer one. Whether it
/// had an older one.
pub(super) fn prepare(store: &Database) -> Result<bool, Trouble> {
    match found(store)? {
        None => create(store).map(|()| false),
        Some(NEWEST) => Ok(false),
        // What has no base only gets a place for one.
        Some(2) => create(store).map(|()| true),
        Some(1) => migrate_from_1(store).map(|()| true),
        Some(found) => Err(Trouble::Layout { found, newest: NEWEST }),
    }
}

/// The layout of the file; none if it is new.
fn found(store: &Database) -> Result<Option<u32>, Trouble> {
    let transaction = store.begin_read()?;
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

fn create(store: &Database) -> Result<(), Trouble> {
    let transaction = begin(store)?;
    finish(transaction)
}

/// Every run of entries is written anew, once all of them are known to be sound.
fn migrate_from_1(store: &Database) -> Result<(), Trouble> {
    let old = store.begin_read()?;
    let runs = read_entries(&old, Base::default(), stored::read_run_1)?;
    let persistent = fold(read_ballot(&old)?, Base::default(), runs)?;
    let transaction = begin(store)?;
    let empty =
        records::write(&transaction, Extent::default(), &Record::Truncate { last_index: 0 })?;
    let entries = persistent.log().entries().clone();
    records::write(&transaction, empty, &Record::Append { entries })?;
    finish(transaction)
}

/// Commits a file of the newest layout: all its tables, and its version.
fn finish(transaction: WriteTransaction) -> Result<(), Trouble> {
    transaction.open_table(ENTRIES)?;
    transaction.open_table(BASE)?;
    transaction.open_table(BALLOT)?;
    transaction.open_table(NOTES)?;
    transaction.open_table(FORMAT)?.insert((), NEWEST)?;
    transaction.commit()?;
    Ok(())
}

/// What the file holds of a server, once it is known to be sound, and how its entries stand in it.
pub(super) fn read(transaction: &ReadTransaction) -> Result<(Persistent, Extent), Trouble> {
    let base = read_base(transaction)?;
    let runs = read_entries(transaction, base, stored::read_run)?;
    let persistent = fold(read_ballot(transaction)?, base, runs)?;
    let last_index = persistent.log().last_index();
    Ok((persistent, Extent { base, last_index, has_dead: base != Base::default() }))
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
    let first_live = records::first_live(&table, base)?;
    let stored = table.range(first_live.unwrap_or(begin)..)?;
    let mut next = first_live.unwrap_or(begin);
    Ok(stored.map(move |item| {
        let (first, run) = item?;
        if first.value() != next {
            return Err(Trouble::record(
                std::format!("entry {}", next.max(begin)),
                std::format!("entry {} stands in its place", first.value()),
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

fn place(bad: BadRecord) -> String {
    match bad {
        BadRecord::Entry { index, .. } => std::format!("entry {index}"),
        BadRecord::Term { .. } | BadRecord::Vote { .. } => "the ballot".into(),
        BadRecord::Truncate { .. } => "a truncation".into(),
        BadRecord::Base { .. } => "the base".into(),
    }
}

/// None before the first record.
fn read_ballot(transaction: &ReadTransaction) -> Result<Option<Ballot>, Trouble> {
    let table = transaction.open_table(BALLOT)?;
    let ballot = table.get(())?;
    ballot.map(|ballot| stored::read_ballot(ballot.value())).transpose()
}

pub(super) fn read_notes(transaction: &ReadTransaction) -> Result<Notes, Trouble> {
    let table = transaction.open_table(NOTES)?;
    let mut notes = Notes::new();
    for item in table.iter()? {
        let (name, value) = item?;
        notes.insert(name.value().to_string(), value.value().to_vec());
    }
    Ok(notes)
}

/// Writes a note; an empty one is removed.
pub(super) fn write_note(
    transaction: &WriteTransaction,
    name: &str,
    value: &[u8],
) -> Result<(), Trouble> {
    let mut table = transaction.open_table(NOTES)?;
    match value {
        [] => table.remove(name)?,
        value => table.insert(name, value)?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::records::RUN;
    use super::*;
    use core::cell::Cell;
    use std::vec;

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
        assert_eq!((position, read.replace(0)), (std::format!("entry {first}"), 2));

        let unread = Err(Trouble::record("the third", "cut off"));
        let unread =
            fold(ballot, Base::default(), [entries(1), unread, entries(3)].into_iter().map(run));
        let Err(Trouble::Record { position, .. }) = unread else { panic!("folded") };
        assert_eq!((&*position, read.get()), ("the third", 2));
    }
}
