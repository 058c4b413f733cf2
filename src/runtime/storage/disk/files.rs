//! The files of a node, as far as its store needs them: those of the operating system, or of a
//! disk in a test whose power fails.

use crate::runtime::std;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::older::Trouble;
use super::reserve::Reserve;

/// What a store asks of a file system. What is written to a file survives a crash once the file
/// is synced, and a name once its directory is.
pub(super) trait Files: Clone {
    /// How large a segment of a log becomes, in bytes, unless one batch needs more.
    const SEGMENT: usize = 4 * 1024 * 1024;
    /// By how much a segment grows at least and at most, in bytes; in between, by as much as it
    /// has.
    const GROWTH: [usize; 2] = [64 * 1024, 512 * 1024];

    /// An open file, which is written anywhere.
    type File;
    /// A file of an earlier version.
    type Older: StorageBackend;

    /// The names in a directory; none if there is no such directory.
    fn names(&self, directory: &Path) -> io::Result<Option<Vec<String>>>;
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    fn open(&self, path: &Path) -> io::Result<Self::File>;
    /// A new file, in the place of one that is there.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    fn write(&self, file: &mut Self::File, at: u64, bytes: &[u8]) -> io::Result<()>;
    fn sync(&self, file: &mut Self::File) -> io::Result<()>;
    /// How many bytes a file has.
    fn length(&self, file: &mut Self::File) -> io::Result<u64>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn make_directory(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// Opens a file that an earlier version wrote, which has locked it if it runs.
    fn older(&self, path: &Path) -> Result<Self::Older, Trouble>;
}

/// The files of the operating system; what finds the disk full uses the reserve.
#[derive(Clone, Debug)]
pub(super) struct SystemFiles {
    pub(super) reserve: Arc<Reserve>,
}

impl Files for SystemFiles {
    type File = File;
    type Older = FileBackend;

    fn names(&self, directory: &Path) -> io::Result<Option<Vec<String>>> {
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entries => entries?,
        };
        let name =
            |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        entries.map(name).collect::<io::Result<_>>().map(Some)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(path)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        self.reserve.sparing(|| options.open(path))
    }

    fn write(&self, file: &mut File, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.reserve.sparing(|| {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(bytes)
        })
    }

    /// Never tried again: after a sync that failed, nobody knows what is on the disk.
    fn sync(&self, file: &mut File) -> io::Result<()> {
        file.sync_data()
    }

    fn length(&self, file: &mut File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.reserve.sparing(|| fs::rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.reserve.sparing(|| fs::create_dir(path))
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn older(&self, path: &Path) -> Result<FileBackend, Trouble> {
        let file = self.open(path).map_err(redb::StorageError::from)?;
        Ok(FileBackend::new(file)?)
    }
}
