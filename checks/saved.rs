//! A trace in a file: which scope it is from, and every step by value, so that it can be made
//! again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use veraft_models::{Move, Stuck};

use crate::story::{Setting, Story};
use crate::verdict::BoundsReport;

/// A trace as `--save` writes it and `check replay` reads it, in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// The scope that was searched.
    pub scope: String,
    /// The property that is violated, or found, at the end.
    pub property: String,
    /// How far the search went, and its switches.
    pub bounds: BoundsReport,
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
            SavedError::Servers(..) => None,
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
        Setting {
            servers: self.bounds.servers,
            torn: self.bounds.torn,
            max_append_bytes: self.bounds.batch.unwrap_or(usize::MAX),
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
        let saved: Saved =
            serde_json::from_slice(&text).map_err(|error| SavedError::NotATrace(named(), error))?;
        if !(1..=usize::from(u8::MAX)).contains(&saved.bounds.servers) {
            return Err(SavedError::Servers(named(), saved.bounds.servers));
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
