//! What the store underneath says, in terms of what the user can do.

use crate::runtime::std;

use std::io;
use std::path::Path;
use std::string::{String, ToString};

use redb::{DatabaseError, TableError, TransactionError};

use crate::runtime::storage::StorageError;
use crate::runtime::storage::disk::segments::LAYOUT;

/// Something went wrong in a file that is yet to be named.
#[derive(Debug)]
pub(in super::super) enum Trouble {
    /// The store underneath says so.
    Store(redb::Error),
    /// What it holds is no record.
    Record { position: String, what: String },
    /// It holds what another version of this code wrote.
    Layout { found: u32 },
}

impl Trouble {
    pub(super) fn record(position: impl ToString, what: impl ToString) -> Trouble {
        Trouble::Record { position: position.to_string(), what: what.to_string() }
    }

    /// Names the file, and what was tried on it.
    pub(in super::super) fn at(self, action: &'static str, file: &Path) -> StorageError {
        match self {
            Trouble::Store(error) => explain(action, file, error),
            Trouble::Record { position, what } => {
                StorageError::Damaged { file: file.into(), position, what }
            }
            Trouble::Layout { found } => {
                StorageError::Layout { file: file.into(), found, newest: LAYOUT }
            }
        }
    }
}

fn explain(action: &'static str, file: &Path, error: redb::Error) -> StorageError {
    let damaged = |position: &str, what: String| StorageError::Damaged {
        file: file.into(),
        position: position.into(),
        what,
    };
    // The store may gain errors: one that is not known here is told in its own words.
    #[allow(clippy::wildcard_enum_match_arm, reason = "another crate's, and non-exhaustive")]
    match error {
        redb::Error::DatabaseAlreadyOpen => StorageError::InUse { place: file.into() },
        redb::Error::Corrupted(what) => {
            damaged("a page (every page is checked when the file is opened)", what)
        }
        redb::Error::Io(source) if source.kind() == io::ErrorKind::InvalidData => {
            damaged("its header", source.to_string())
        }
        redb::Error::Io(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
            damaged("its end", "it goes on behind the end of the file".into())
        }
        redb::Error::UpgradeRequired(_) => damaged("its header", error.to_string()),
        redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. } => damaged("its tables", error.to_string()),
        redb::Error::Io(source) => StorageError::refused(action, file.into(), source),
        other => StorageError::Io { action, path: file.into(), source: io::Error::other(other) },
    }
}

impl From<redb::StorageError> for Trouble {
    fn from(error: redb::StorageError) -> Self {
        Trouble::Store(error.into())
    }
}

impl From<DatabaseError> for Trouble {
    fn from(error: DatabaseError) -> Self {
        Trouble::Store(error.into())
    }
}

impl From<TableError> for Trouble {
    fn from(error: TableError) -> Self {
        Trouble::Store(error.into())
    }
}

impl From<TransactionError> for Trouble {
    fn from(error: TransactionError) -> Self {
        Trouble::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_as_such_with_what_to_do() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let trouble = Trouble::from(redb::StorageError::Io(kind.into()));
            let error = trouble.at("sync", Path::new("raft.redb"));
            let text = error.to_string();
            assert!(matches!(error, StorageError::Full { action: "sync", .. }), "{text}");
            assert!(text.contains("raft.redb") && text.contains("Make room"), "{text}");
        }
        let other = redb::StorageError::Io(io::ErrorKind::PermissionDenied.into());
        let error = Trouble::from(other).at("sync", Path::new("raft.redb"));
        assert!(matches!(error, StorageError::Io { .. }), "{error}");
    }
}
