//! `--json`, `--report` and `--save`, and files that are tried before there is anything to write.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::evidence::saved::SavedError;
use crate::evidence::verdict::Verdict;
use crate::telling::{report, summary};

/// What is written, and where.
#[derive(Clone, Debug, Default, Args)]
pub struct OutputArgs {
    /// Print one JSON object per scope on stdout, and the rest on stderr
    #[arg(long)]
    pub json: bool,
    /// Write a self-contained page with verdicts and traces
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Write every trace into this folder, for `check replay`
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
}

impl OutputArgs {
    /// The options that are given.
    pub fn given(&self) -> Vec<&'static str> {
        let Self { json, report, save } = self;
        let given = [("json", *json), ("report", report.is_some()), ("save", save.is_some())];
        given.into_iter().filter(|(_, given)| *given).map(|(option, _)| option).collect()
    }

    /// These, and those that stood before the command.
    ///
    /// # Errors
    /// When one is given twice.
    pub fn with(self, before: OutputArgs) -> Result<OutputArgs, String> {
        let twice = self.given().into_iter().find(|option| before.given().contains(option));
        if let Some(option) = twice {
            return Err(format!("--{option} is given twice"));
        }
        Ok(OutputArgs {
            json: self.json | before.json,
            report: self.report.or(before.report),
            save: self.save.or(before.save),
        })
    }
}

/// The files that will be written, each tried before the search: an hour's work is not lost to a
/// misspelt folder.
#[derive(Debug, Default)]
pub struct Files {
    report: Option<Page>,
    folder: Option<PathBuf>,
}

impl Files {
    /// Tries what is asked for.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub fn open(output: &OutputArgs) -> Result<Files, String> {
        if let Some(folder) = &output.save {
            try_folder("--save", folder)?;
        }
        let report = output.report.as_deref().map(Page::open).transpose()?;
        Ok(Files { report, folder: output.save.clone() })
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.report.is_none() && self.folder.is_none()
    }

    /// Writes all, as far as it can be written. Answers the files of the violations.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub fn write(self, verdicts: &[Verdict]) -> Result<Vec<PathBuf>, String> {
        let saved = self.folder.map_or(Ok(Vec::new()), |folder| summary::save(verdicts, &folder));
        if let Some(page) = self.report {
            let text = report::page(verdicts).map_err(|error| error.to_string())?;
            page.write(&text)?;
        }
        saved.map_err(|error: SavedError| error.to_string())
    }
}

/// A page that can be written.
#[derive(Debug)]
pub struct Page {
    path: PathBuf,
    file: File,
}

impl Page {
    /// Opens the file; what stands in it stays until there is something to write.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(path: &Path) -> Result<Page, String> {
        let path = path.to_owned();
        match try_file(&path) {
            Ok(file) => Ok(Page { path, file }),
            Err(error) => Err(unwritten(&path, &error)),
        }
    }

    /// Writes the page.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(mut self, text: &str) -> Result<(), String> {
        let emptied = match self.file.metadata() {
            Ok(metadata) if metadata.is_file() => self.file.set_len(0),
            // A pipe or a device, which has no length.
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        emptied
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .map_err(|error| unwritten(&self.path, &error))
    }
}

fn unwritten(path: &Path, error: &io::Error) -> String {
    format!("cannot write the report to {}: {error}", path.display())
}

/// Opens a file for writing, and leaves what stands in it.
///
/// # Errors
/// When it cannot be written.
pub fn try_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).open(path)
}

/// Makes the folder of this option, if need be, and [tries](try_existing_folder) it.
///
/// # Errors
/// When it cannot be written into.
pub fn try_folder(option: &str, folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| unwritable(option, folder, &error))?;
    try_existing_folder(option, folder)
}

/// Writes something into the folder of this option that does not stay.
///
/// # Errors
/// When it cannot be written into.
pub fn try_existing_folder(option: &str, folder: &Path) -> Result<(), String> {
    let tried = tempfile::tempfile_in(folder).and_then(|mut file| file.write_all(b"tried"));
    tried.map_err(|error| unwritable(option, folder, &error))
}

fn unwritable(option: &str, folder: &Path, error: &io::Error) -> String {
    format!("{option}: cannot write into {}: {error}", folder.display())
}
