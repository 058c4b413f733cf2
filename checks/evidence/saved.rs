//! A trace in a file: which scope it is from, and every step by value, so that it can be made
//! again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use veraft_models::{Move, Stuck};

use crate::evidence::proof::refinement::REFINEMENT;
use crate::evidence::recovery::RECOVERY;
use crate::scopes;
use crate::scopes::extent::Extent;
use crate::scopes::story::{Setting, Story};

/// The format of the files that are written; older ones can be read.
pub const FORMAT: u32 = 2;

fn first_format() -> u32 {
    1
}

/// What every format has.
#[derive(Deserialize)]
struct Formatted {
    #[serde(default = "first_format")]
    format: u32,
}

/// A trace as `--save` writes it and `check replay` reads it, in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// The format of the file, [`FORMAT`] of the `check` that wrote it. Files of the first say
    /// nothing of it, and count bytes in `bounds.batch` where later ones count commands.
    #[serde(default = "first_format")]
    pub format: u32,
    /// The scope that was searched.
    pub scope: String,
    /// The property that is violated, or found, at the end.
    pub property: String,
    /// How far the search went, and in what environment.
    #[serde(rename = "bounds")]
    pub extent: Extent,
    /// What happened before the search began, where it did not begin at the first boot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefix: Vec<Move>,
    /// What happened then.
    pub steps: Vec<Move>,
}

/// Why a saved trace cannot be kept or made again.
#[derive(Debug)]
pub enum SavedError {
    /// The file cannot be read or written.
    Io(PathBuf, io::Error),
    /// It does not hold a trace.
    NotATrace(PathBuf, serde_json::Error),
    /// A later `check` wrote it, in this format.
    Later(PathBuf, u32),
    /// There is no scope of that name.
    Scope(PathBuf, String),
    /// No scope has a property of that name.
    Property(PathBuf, String),
    /// A cluster of that many servers cannot be.
    Servers(PathBuf, usize),
    /// A step is not possible.
    Stuck(PathBuf, Stuck),
}

impl std::error::Error for SavedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SavedError::Io(_, error) => Some(error),
            SavedError::NotATrace(_, error) => Some(error),
            SavedError::Later(..)
            | SavedError::Scope(..)
            | SavedError::Property(..)
            | SavedError::Servers(..) => None,
            SavedError::Stuck(_, error) => Some(error),
        }
    }
}

impl std::fmt::Display for SavedError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SavedError::Io(path, error) => write!(f, "{}: {error}", path.display()),
            SavedError::NotATrace(path, error) => {
                write!(f, "{} is not a saved trace: {error}", path.display())
            }
            SavedError::Later(path, format) => write!(
                f,
                "{} was written by a later check, in format {format}: this one reads up to {FORMAT}",
                path.display()
            ),
            SavedError::Scope(path, scope) => {
                write!(f, "{}: no scope is called {scope:?}: see `check list`", path.display())
            }
            SavedError::Property(path, name) => {
                write!(f, "{}: no property is called {name:?}: see `check list`", path.display())
            }
            SavedError::Servers(path, servers) => {
                write!(f, "{}: a cluster of {servers} servers cannot be", path.display())
            }
            SavedError::Stuck(path, stuck) => write!(f, "{}: {stuck}", path.display()),
        }
    }
}

impl Saved {
    /// What matters of the bounds to a story.
    pub fn setting(&self) -> Setting {
        let Extent { bounds, environment, .. } = &self.extent;
        let max_append_bytes = match self.format {
            1 => environment.batch.unwrap_or(usize::MAX),
            _ => environment.max_append_bytes(),
        };
        Setting {
            servers: bounds.servers,
            torn: environment.torn,
            max_append_bytes,
            compactions: bounds.compactions > 0,
            vouched: environment.vouched,
            judge: Some(&REFINEMENT),
        }
    }

    /// All that happened, from the first boot on.
    pub fn moves(&self) -> Vec<Move> {
        [self.prefix.as_slice(), &self.steps].concat()
    }

    /// Makes every step again.
    pub fn tell(&self) -> Result<Story, Stuck> {
        Story::tell(self.setting(), &self.moves())
    }

    /// Reads a trace, and makes every step again.
    pub fn read(path: &Path) -> Result<(Saved, Story), SavedError> {
        let named = || path.to_owned();
        let text = fs::read(path).map_err(|error| SavedError::Io(named(), error))?;
        let no_trace = |error| SavedError::NotATrace(named(), error);
        let Formatted { format } = serde_json::from_slice(&text).map_err(no_trace)?;
        if format > FORMAT {
            return Err(SavedError::Later(named(), format));
        }
        let saved: Saved = serde_json::from_slice(&text).map_err(no_trace)?;
        if scopes::find(&saved.scope).is_none() {
            return Err(SavedError::Scope(named(), saved.scope));
        }
        if saved.property != RECOVERY && !scopes::is_property(&saved.property) {
            return Err(SavedError::Property(named(), saved.property));
        }
        if !(1..=usize::from(u8::MAX)).contains(&saved.extent.bounds.servers) {
            return Err(SavedError::Servers(named(), saved.extent.bounds.servers));
        }
        let story = saved.tell().map_err(|stuck| SavedError::Stuck(named(), stuck))?;
        Ok((saved, story))
    }

    /// Writes the trace into `folder`, in a file named after scope and property; answers its
    /// path.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, SavedError> {
        let path = folder.join(format!("{}.json", slug(&[&self.scope, &self.property])));
        let io = |error| SavedError::Io(path.clone(), error);
        let json = serde_json::to_string_pretty(self).map_err(io::Error::other).map_err(io)?;
        fs::create_dir_all(folder).and_then(|()| fs::write(&path, json + "\n")).map_err(io)?;
        Ok(path)
    }
}

/// Words as one that a file or an element of a page can be called by.
pub fn slug(words: &[&str]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let text: String = words.join("-").chars().filter(|&c| c != '\'').map(plain).collect();
    text.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}
