//! Where mutants are built: a copy of the workspace, one build cache for all.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::source::{Misplaced, Source};
use super::{Edit, Expected, Mutant, TestSuite};

/// The workspace that this binary was built from.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Why a mutant could not be built.
#[derive(Debug)]
pub enum Unbuilt {
    /// A file could not be read or written.
    Io(PathBuf, io::Error),
    /// Another process builds mutants in this workspace.
    Busy,
    /// The text of an edit is not where the edit says.
    Misplaced(&'static Edit, Misplaced),
    /// Two edits of this file bend the same text.
    Overlap(String),
    /// The compiler's complaint.
    DoesNotCompile(String),
}

impl std::fmt::Display for Unbuilt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unbuilt::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Unbuilt::Busy => write!(f, "another `check mutants` is at work in this workspace"),
            Unbuilt::Misplaced(Edit { file, item, before, after: _ }, lost) => {
                write!(f, "{file}, {item}: {lost}:\n{before}")
            }
            Unbuilt::Overlap(file) => write!(f, "two of its edits overlap in {file}"),
            Unbuilt::DoesNotCompile(complaint) => write!(f, "does not compile:\n{complaint}"),
        }
    }
}

impl std::error::Error for Unbuilt {}

/// A copy of the workspace to bend rules in. One at a time: it is locked while this lives.
pub struct Workshop {
    place: PathBuf,
    _lock: File,
}

impl Workshop {
    /// Opens the workshop, in the workspace's `target`.
    pub fn open() -> Result<Workshop, Unbuilt> {
        let place = Path::new(ROOT).join("target/mutants");
        fs::create_dir_all(&place).map_err(|error| Unbuilt::Io(place.clone(), error))?;
        let lock_path = place.join("lock");
        let lock = File::create(&lock_path).map_err(|error| Unbuilt::Io(lock_path, error))?;
        lock.try_lock().map_err(|_| Unbuilt::Busy)?;
        Ok(Workshop { place, _lock: lock })
    }

    /// Builds what shows the mutant, its `check` or its tests, and says where that is.
    pub fn build(&self, mutant: &Mutant) -> Result<PathBuf, Unbuilt> {
        let source = self.place.join("source");
        mirror(Path::new(ROOT), &source)?;
        for file in mutant.edits.iter().map(|edit| edit.file) {
            let path = Path::new(ROOT).join(file);
            let original = fs::read_to_string(&path).map_err(|error| Unbuilt::Io(path, error))?;
            write(&source.join(file), patch(mutant, file, original)?.as_bytes())?;
        }
        let mut cargo = cargo(&source);
        let (build, kept) = match mutant.expected {
            Expected::FailsTest(test) => (tests(&mut cargo, test.suite), "tests"),
            Expected::Falls { .. } | Expected::Unreached { .. } | Expected::Survives { .. } => {
                cargo.args(["build", "--profile", "mutants"]);
                cargo.args(["--package", "veraft-checks", "--bin", "check"]);
                ("build", "check")
            }
        };
        // Never the workspace's own `target`: to cargo, the copy is the same package.
        cargo.env("CARGO_TARGET_DIR", self.place.join(build));
        let built = compile(&mut cargo, kept == "tests")?;
        let kept = self.place.join(format!("{kept}-{}", mutant.name));
        fs::copy(&built, &kept).map_err(|error| Unbuilt::Io(built, error))?;
        Ok(kept)
    }
}

fn cargo(source: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(source).stdin(Stdio::null());
    cargo
}

/// Asks cargo for tests, and says which build cache they share.
fn tests(cargo: &mut Command, suite: TestSuite) -> &'static str {
    let (package, file) = match suite {
        TestSuite::Unit | TestSuite::Interleavings => ("veraft".to_owned(), None),
        TestSuite::File(name) => ("veraft".to_owned(), Some(name)),
        TestSuite::UnitOf(of) => (format!("veraft-{}", of.folder()), None),
        TestSuite::FileOf(of, name) => (format!("veraft-{}", of.folder()), Some(name)),
    };
    cargo.args(["test", "--no-run", "--package", &package]);
    match file {
        None => cargo.arg("--lib"),
        Some(name) => cargo.args(["--test", name]),
    };
    match suite {
        TestSuite::Unit | TestSuite::File(_) | TestSuite::UnitOf(_) | TestSuite::FileOf(..) => {
            cargo.args(["--profile", "mutants"]);
            "build"
        }
        TestSuite::Interleavings => {
            cargo.env("RUSTFLAGS", "--cfg veraft_shuttle").env_remove("CARGO_ENCODED_RUSTFLAGS");
            "interleavings"
        }
    }
}

/// What is read of the messages of cargo.
#[derive(Deserialize)]
struct Built {
    executable: Option<PathBuf>,
    profile: Profile,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Runs cargo, and says where the executable is that it built: of tests, or not.
fn compile(cargo: &mut Command, tests: bool) -> Result<PathBuf, Unbuilt> {
    cargo.args(["--quiet", "--locked", "--message-format=json-render-diagnostics"]);
    let output = cargo.output().map_err(|error| Unbuilt::Io("cargo".into(), error))?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Built>(line).ok())
        .filter(|built| built.profile.test == tests)
        .filter_map(|built| built.executable)
        .next_back();
    match (output.status.success(), executable) {
        (true, Some(executable)) => Ok(executable),
        _ => Err(Unbuilt::DoesNotCompile(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

/// The mutant's version of `file`.
pub fn patch(mutant: &Mutant, file: &str, mut text: String) -> Result<String, Unbuilt> {
    let mut places = Vec::new();
    for edit in mutant.edits.iter().filter(|edit| edit.file == file) {
        let find = |source: Source<'_>| source.find(edit.item, edit.before);
        let place = Source::parse(&text).and_then(find);
        places.push((place.map_err(|lost| Unbuilt::Misplaced(edit, lost))?, edit.after));
    }
    places.sort_by_key(|(place, _)| place.start);
    if places.windows(2).any(|two| two[0].0.end > two[1].0.start) {
        return Err(Unbuilt::Overlap(file.to_owned()));
    }
    // From the end, so that what is still to change stays where it was found.
    for (place, after) in places.into_iter().rev() {
        text.replace_range(place, after.trim());
    }
    Ok(text)
}

/// Makes `copy` the same as `original`, but for hidden files and build products. What is equal
/// already is left alone, or it would be built again.
fn mirror(original: &Path, copy: &Path) -> Result<(), Unbuilt> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| Unbuilt::Io(path, error)
    };
    fs::create_dir_all(copy).map_err(at(copy))?;
    let names = |folder: &Path| -> Result<Vec<_>, Unbuilt> {
        let entries = fs::read_dir(folder).map_err(at(folder))?;
        entries.map(|entry| Ok(entry.map_err(at(folder))?.file_name())).collect()
    };
    let wanted: Vec<_> = names(original)?.into_iter().filter(|name| is_source(name)).collect();
    for name in names(copy)?.iter().filter(|name| !wanted.contains(name)) {
        let stale = copy.join(name);
        let removed = match stale.is_dir() {
            true => fs::remove_dir_all(&stale),
            false => fs::remove_file(&stale),
        };
        removed.map_err(at(&stale))?;
    }
    for name in wanted {
        let (from, to) = (original.join(&name), copy.join(&name));
        match from.is_dir() {
            true => mirror(&from, &to)?,
            false => write(&to, &fs::read(&from).map_err(at(&from))?)?,
        }
    }
    Ok(())
}

fn is_source(name: &OsStr) -> bool {
    name != "target" && !name.as_encoded_bytes().starts_with(b".")
}

fn write(path: &Path, text: &[u8]) -> Result<(), Unbuilt> {
    if fs::read(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::write(path, text).map_err(|error| Unbuilt::Io(path.to_owned(), error))
}
