//! A backup of a running node, over its port for clients; and a directory for a node of a new
//! cluster, made from it.
//!
//! The node answers [`BACKUP`] with bulk strings, each a part of the backup, and then with a
//! status, or with an error. The file gets its name once all of it is there and has been checked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use veraft::runtime::{Backup, BackupError, DiskStorage, StorageError, UnusableBackup};

use crate::command::BACKUP;
use crate::outgoing::Outgoing;
use crate::reply::{self, Version};
use crate::service::Shared;

/// How long the node may send nothing: it writes an image first.
const PATIENCE: Duration = Duration::from_secs(600);

/// The longest part.
const MOST: usize = 1024 * 1024;

/// Why there is no backup, or no directory made from one.
#[derive(Debug, Error)]
pub enum Failure {
    #[error("{} is there already: a backup is never written over another file", .0.display())]
    Exists(PathBuf),
    #[error("cannot {action} {}: {source}", path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot reach {address}: {source}")]
    Connection { address: String, source: io::Error },
    #[error("{address} refuses: {text}")]
    Refused { address: String, text: String },
    #[error("{address} answers what is no backup: is another program there, or an older version?")]
    Nonsense { address: String },
    #[error("{}: {source:?}", path.display())]
    Unusable { path: PathBuf, source: UnusableBackup },
    #[error("{0:?}")]
    Storage(#[from] StorageError),
}

/// Answers a request for a backup.
///
/// # Errors
/// When the client does not take it.
pub fn send(shared: &Shared, out: &mut BufWriter<Outgoing<'_>>) -> io::Result<()> {
    out.flush()?;
    let mut parts = Parts { out, begun: false };
    let reply = match shared.node.backup(&mut parts) {
        Ok(_) => reply::ok(),
        Err(BackupError::Write(error)) => return Err(error),
        Err(error) => reply::error(format!("ERR not backed up: {error:?}")),
    };
    if !parts.begun {
        parts.out.get_mut().begin();
    }
    reply.write_to(parts.out, Version::Two)
}

/// Sends what is written as bulk strings.
struct Parts<'a, 'b> {
    out: &'a mut BufWriter<Outgoing<'b>>,
    begun: bool,
}

impl Write for Parts<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if !self.begun {
            // The client could not read while the image was written.
            self.begun = true;
            self.out.get_mut().begin();
        }
        let part = &bytes[..bytes.len().min(MOST)];
        write!(self.out, "${}\r\n", part.len())?;
        self.out.write_all(part)?;
        self.out.write_all(b"\r\n")?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Gets a backup of the node at this address into a new file; what to tell of it.
///
/// # Errors
/// When there is none. No file of that name is left then.
pub fn fetch(address: &str, path: &Path) -> Result<String, Failure> {
    if path.exists() {
        return Err(Failure::Exists(path.into()));
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let backup = receive(address, &partial).and_then(|()| {
        let backup = verify(&partial)?;
        let renamed = fs::rename(&partial, path).and_then(|()| sync_parent(path));
        renamed.map_err(|source| file("name", path, source))?;
        Ok(backup)
    });
    if backup.is_err() {
        // Of no use to anybody; what cannot be removed is written over the next time.
        let _ = fs::remove_file(&partial);
    }
    Ok(format!(
        "{}: {}\na new cluster begins with it: kv --restore FILE --data DIR for each of its nodes\n",
        path.display(),
        told(&backup?)
    ))
}

fn told(backup: &Backup) -> String {
    let Backup { cluster, server, base, image_bytes, .. } = backup;
    format!(
        "cluster {cluster:?}, as {server} had it up to entry {} of term {}; {image_bytes} bytes",
        base.last_index, base.last_term
    )
}

fn file(action: &'static str, path: &Path, source: io::Error) -> Failure {
    Failure::File { action, path: path.into(), source }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn receive(address: &str, path: &Path) -> Result<(), Failure> {
    let connection = |source| Failure::Connection { address: address.into(), source };
    let mut stream = TcpStream::connect(address).map_err(connection)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(connection)?;
    stream.write_all(format!("{BACKUP}\r\n").as_bytes()).map_err(connection)?;
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).open(path);
    let mut to = opened.map_err(|error| file("create", path, error))?;
    let mut from = BufReader::new(stream);
    let mut part = Vec::new();
    loop {
        match receive_part(&mut from, &mut part).map_err(connection)? {
            Received::Part => to.write_all(&part).map_err(|error| file("write", path, error))?,
            Received::End => return to.sync_all().map_err(|error| file("sync", path, error)),
            Received::Error(text) => {
                return Err(Failure::Refused { address: address.into(), text });
            }
            Received::Nonsense => return Err(Failure::Nonsense { address: address.into() }),
        }
    }
}

enum Received {
    Part,
    End,
    Error(String),
    Nonsense,
}

fn receive_part(from: &mut impl BufRead, part: &mut Vec<u8>) -> io::Result<Received> {
    const LINE: u64 = 64 * 1024;
    let mut line = Vec::new();
    from.take(LINE).read_until(b'\n', &mut line)?;
    let Some(line) = line.strip_suffix(b"\r\n") else {
        return match line.len() as u64 == LINE {
            true => Ok(Received::Nonsense),
            false => Err(ErrorKind::UnexpectedEof.into()),
        };
    };
    let text = String::from_utf8_lossy(line);
    let length = match text.split_at_checked(1) {
        Some(("+", "OK")) => return Ok(Received::End),
        Some(("-", error)) => return Ok(Received::Error(error.into())),
        Some(("$", length)) => length.parse().ok().filter(|&length| length <= MOST),
        Some(_) | None => None,
    };
    let Some(length) = length else { return Ok(Received::Nonsense) };
    part.resize(length + 2, 0);
    from.read_exact(part)?;
    match part.ends_with(b"\r\n") {
        true => {
            part.truncate(length);
            Ok(Received::Part)
        }
        false => Ok(Received::Nonsense),
    }
}

fn verify(path: &Path) -> Result<Backup, Failure> {
    let mut opened = File::open(path).map_err(|error| file("open", path, error))?;
    let unusable = |source| Failure::Unusable { path: path.into(), source };
    Backup::verify(&mut opened).map_err(unusable)
}

/// Makes an empty directory that of a node of a new cluster; what to tell of it.
///
/// # Errors
/// When that cannot be done. A damaged backup, or a directory that is not empty, changes nothing.
pub fn restore(path: &Path, directory: &Path) -> Result<String, Failure> {
    // To its end, before anything is made of it.
    verify(path)?;
    let mut opened = File::open(path).map_err(|error| file("open", path, error))?;
    let storage = DiskStorage::open(directory)?;
    let unusable = |source| Failure::Unusable { path: directory.into(), source };
    let backup = Backup::restore(&mut opened, storage).map_err(unusable)?;
    Ok(format!("{}: {}\n", directory.display(), told(&backup)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_until_the_end_or_an_error() {
        let mut from = &b"$3\r\na\nb\r\n+OK\r\n-ERR no\r\n$9999999\r\n$1\r\nxyz"[..];
        let mut part = Vec::new();
        assert!(matches!(receive_part(&mut from, &mut part), Ok(Received::Part)));
        assert_eq!(part, b"a\nb");
        assert!(matches!(receive_part(&mut from, &mut part), Ok(Received::End)));
        let error = receive_part(&mut from, &mut part).unwrap();
        assert!(matches!(error, Received::Error(text) if text == "ERR no"));
        assert!(matches!(receive_part(&mut from, &mut part), Ok(Received::Nonsense)));
        assert!(matches!(receive_part(&mut from, &mut part), Ok(Received::Nonsense)));
        assert!(receive_part(&mut from, &mut part).is_err(), "the connection ended");
    }
}
