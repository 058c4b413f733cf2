//! What a start finds in the directory of a node, and the store that it makes of it.
//!
//! The store is the directory `log`. It is made under another name, and gets its own once it is
//! whole and synced. So whenever the process or the machine stops, there is no store or a whole
//! one.
//!
//! Stores of earlier layouts are a file, `raft.redb`. A new one with the same in it is made beside
//! it in the same way; then that file gives way to a short text, at which earlier versions stop,
//! and which tells this one that there has been a log. Between the two steps there are both, with
//! the same in them.

use crate::runtime::std;

use std::io;
use std::path::Path;
use std::string::ToString;

use super::files::Files;
use super::older::{self, End, Older};
use super::replay::Replay;
use super::segments::{self, Damage};
use super::store::{Left, Store};
use crate::figure2::Persistent;
use crate::runtime::machinery::log;
use crate::runtime::storage::{Notes, StorageError};

/// The directory of the log, in that of a node.
const LOG: &str = "log";
/// The same while it is made.
const UNFINISHED: &str = "log.new";
/// The file of an earlier layout, or the text in its place.
pub(super) const OLDER: &str = "raft.redb";
const UNFINISHED_TEXT: &str = "raft.redb.new";

/// What stands in the place of the file of an earlier layout. No such file is that short.
const TEXT: &str = "The store of this node is the directory `log` beside this file, of layout 4.\n\
                    Versions of veraft that look for it here are too old for it.\n";

fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> StorageError + 'a {
    move |source| StorageError::refused(action, path.into(), source)
}

/// What is under the name of the file of an earlier layout.
enum Found {
    /// Nothing, or a file in which nothing was ever written.
    Nothing,
    Text,
    Older,
}

/// Whether there is a store, of any layout, in the directory of a node.
pub(super) fn has_store<F: Files>(files: &F, node: &Path) -> Result<bool, StorageError> {
    let names = files.names(node).map_err(io("list the files in", node))?.unwrap_or_default();
    Ok(names.iter().any(|name| name == LOG || name == OLDER))
}

/// Opens the store in the directory of a node that nobody else has open; makes one if there is
/// none, or if there is one of an earlier layout.
pub(super) fn open<F: Files>(files: &F, node: &Path) -> Result<Store<F>, StorageError> {
    let directory = node.join(LOG);
    remove_unfinished(files, node)?;
    let has_log = files.names(&directory).map_err(io("open", &directory))?.is_some();
    let (found, file) = (look(files, node)?, node.join(OLDER));
    let older = match found {
        Found::Nothing | Found::Text => None,
        Found::Older => {
            let older =
                older::read(|| files.older(&file)).map_err(|error| error.at("open", &file))?;
            tell_older(&file, older.end);
            Some(older)
        }
    };
    match (&found, &older) {
        _ if has_log => {}
        (Found::Text, _) => {
            let what = "it is missing: there has been one".to_string();
            return Err(Damage { position: "the directory".into(), what }.at(&directory));
        }
        (_, Some(Older { persistent, notes, .. })) => make(files, node, persistent, notes)?,
        (_, None) => make(files, node, &Persistent::default(), &Notes::new())?,
    }
    if let Some(older) = older.as_ref().filter(|_| has_log) {
        was_made_from(files, &directory, older)?.map_err(|damage| damage.at(&file))?;
    }
    let (store, left) = Store::open(files.clone(), &directory)?;
    if older.is_some() {
        log::info!(file = %file.display(), "brought to the layout of this version");
    }
    if !matches!(found, Found::Text) {
        write_text(files, node)?;
    }
    tell(&directory, left);
    Ok(store)
}

fn look<F: Files>(files: &F, node: &Path) -> Result<Found, StorageError> {
    let path = node.join(OLDER);
    let length = files.open(&path).and_then(|mut file| files.length(&mut file));
    match length {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        length => match length.map_err(io("open", &path))? {
            0 => Ok(Found::Nothing),
            length if length == TEXT.len() as u64 => Ok(Found::Text),
            _ => Ok(Found::Older),
        },
    }
}

/// A store under its name, whole and synced.
fn make<F: Files>(
    files: &F,
    node: &Path,
    persistent: &Persistent,
    notes: &Notes,
) -> Result<(), StorageError> {
    let (unfinished, directory) = (node.join(UNFINISHED), node.join(LOG));
    Store::make(files.clone(), &unfinished, persistent, notes)?;
    files.rename(&unfinished, &directory).map_err(io("rename", &unfinished))?;
    files.sync_directory(node).map_err(io("sync the directory", node))
}

/// Removes what a start that was cut off has left.
fn remove_unfinished<F: Files>(files: &F, node: &Path) -> Result<(), StorageError> {
    let directory = node.join(UNFINISHED);
    let names = files.names(&directory).map_err(io("open", &directory))?;
    let Some(names) = names else { return Ok(()) };
    for path in names.iter().map(|name| directory.join(name)) {
        files.remove(&path).map_err(io("remove", &path))?;
    }
    files.remove_directory(&directory).map_err(io("remove", &directory))
}

/// Whether the log beside a file of an earlier layout was made from it, and nothing was written
/// since.
fn was_made_from<F: Files>(
    files: &F,
    directory: &Path,
    older: &Older,
) -> Result<Result<(), Damage>, StorageError> {
    let mut replay = Replay::default();
    segments::look(files, directory, &mut replay)?;
    let is_same = replay.contents.notes == older.notes
        && replay.fold().is_ok_and(|found| found == older.persistent);
    Ok(match is_same {
        true => Ok(()),
        false => Err(Damage {
            position: "the file".into(),
            what: "it is of an earlier layout, and the log beside it was not made from it".into(),
        }),
    })
}

fn write_text<F: Files>(files: &F, node: &Path) -> Result<(), StorageError> {
    let (new, path) = (node.join(UNFINISHED_TEXT), node.join(OLDER));
    let mut file = files.create(&new).map_err(io("create", &new))?;
    files.write(&mut file, 0, TEXT.as_bytes()).map_err(io("write", &new))?;
    files.sync(&mut file).map_err(io("sync", &new))?;
    files.rename(&new, &path).map_err(io("rename", &new))?;
    files.sync_directory(node).map_err(io("sync the directory", node))
}

/// Says how the store was left, if not in order.
fn tell(directory: &Path, left: Left) {
    let directory = directory.display();
    match left {
        Left::Closed => {}
        Left::Cut => {
            log::info!(%directory, "not closed in order; nothing that was synced is missing");
        }
        Left::Dropped => {
            log::warn!(
                %directory,
                "not closed in order; a write that had not been synced is dropped"
            );
        }
    }
}

/// The same of a store of an earlier layout.
fn tell_older(file: &Path, end: End) {
    let file = file.display();
    match end {
        End::Closed => {}
        End::Cut => {
            log::info!(%file, "not closed in order; nothing that was synced is missing");
        }
        End::Completed => {
            log::warn!(%file, "not closed in order; the last write was whole and is kept");
        }
        End::Dropped => {
            log::warn!(
                %file,
                "not closed in order; a write that had not been synced is dropped"
            );
        }
        End::Unknown => {
            log::warn!(
                %file,
                "not closed in order by an earlier version, or while the file was made smaller: if \
                 its last write was cut off or damaged, which cannot be told apart, it is dropped"
            );
        }
    }
}
