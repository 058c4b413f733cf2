//! A backup of what a cluster holds, from a running node; and the stores of a new cluster made
//! of it.
//!
//! ```text
//!   "vrft-bak"  version: u32  length: u32  what it is, in JSON  checksum: u32  an image, as its file is
//! ```
//!
//! Numbers are little-endian; the checksum is a CRC-32 of all before it.

mod error;

use crate::runtime::std;

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read, Write};
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use rand::RngExt;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

pub use error::{BackupError, UnusableBackup};

use super::machinery::identity::{INCARNATION, Identity, RESTORING, incarnation_note};
use super::storage::images::{Damage, pass_image};
use super::storage::{ImageName, ImageStage, Images, Storage, StorageError, StoredImage};
use crate::figure2::{Base, Persistent, Record, ServerId};

const MAGIC: [u8; 8] = *b"vrft-bak";

/// The version of this form.
const VERSION: u32 = 1;

/// More than any list of servers takes, in bytes.
const MOST: u32 = 1024 * 1024;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Backup {
    /// The name of the cluster that it was made of.
    pub cluster: String,
    /// The servers of that cluster.
    pub servers: BTreeSet<ServerId>,
    /// The one whose node made it.
    pub server: ServerId,
    /// The last entry in it.
    pub base: Base,
    /// How many bytes its image has.
    pub image_bytes: u64,
    /// The incarnation of a cluster that is made of it: a random number, by which its servers
    /// know each other.
    pub incarnation: u64,
    /// The number of the image.
    number: u64,
}

/// Writes the newest of these images, with what tells whose it is.
///
/// # Errors
/// When it cannot be read, or the backup cannot be written.
pub(super) fn write(
    images: &dyn Images,
    identity: &Identity,
    to: &mut dyn Write,
) -> Result<Backup, BackupError> {
    let mut tried = None;
    let (name, mut file) = loop {
        let newest = newest(images)?.ok_or(BackupError::Nothing)?;
        match images.open(newest.name) {
            Ok(file) => break (newest.name, file),
            // It may have given way to a newer one.
            Err(error) if tried == Some(newest) => return Err(error.into()),
            Err(_) => tried = Some(newest),
        }
    };
    let mut random: StdRng = rand::make_rng();
    let backup = Backup {
        cluster: identity.cluster.clone(),
        servers: identity.genesis.clone(),
        server: identity.server,
        base: name.base,
        image_bytes: file.bytes(),
        incarnation: random.random_range(1..=u64::MAX),
        number: name.number,
    };
    to.write_all(&backup.head()).map_err(BackupError::Write)?;
    let (place, mut offset) = (file.place(), 0);
    let read = |buffer: &mut [u8]| {
        let count = file.read_at(offset, buffer)?;
        offset += count as u64;
        Ok(count)
    };
    let keep = |part: &[u8]| to.write_all(part).map_err(Uncopied::Write);
    let copied = pass_image::<Uncopied>(name, read, keep);
    copied.map_err(|uncopied| match uncopied {
        Uncopied::Damage(Damage { position, what }) => {
            BackupError::Storage(StorageError::DamagedImage { file: place, position, what })
        }
        Uncopied::Storage(error) => BackupError::Storage(error),
        Uncopied::Write(error) => BackupError::Write(error),
    })?;
    to.flush().map_err(BackupError::Write)?;
    Ok(backup)
}

/// The finished image with the greatest index.
fn newest(images: &dyn Images) -> Result<Option<StoredImage>, StorageError> {
    let all = images.list()?;
    Ok(all.into_iter().rfind(|image| image.stage == ImageStage::Finished))
}

enum Uncopied {
    Damage(Damage),
    Storage(StorageError),
    Write(io::Error),
}

impl From<Damage> for Uncopied {
    fn from(damage: Damage) -> Uncopied {
        Uncopied::Damage(damage)
    }
}

impl From<StorageError> for Uncopied {
    fn from(error: StorageError) -> Uncopied {
        Uncopied::Storage(error)
    }
}

impl From<Damage> for UnusableBackup {
    fn from(Damage { position, what }: Damage) -> UnusableBackup {
        UnusableBackup::Damaged { position, what }
    }
}

impl Backup {
    /// Reads a backup to its end; what it says of itself, if all of it is sound.
    ///
    /// # Errors
    /// When it is not, or cannot be read.
    pub fn verify(from: &mut dyn Read) -> Result<Backup, UnusableBackup> {
        let (backup, head) = Backup::read_head(from)?;
        backup.pass(head, from, |_| Ok(()))?;
        Ok(backup)
    }

    /// Makes an empty storage the store of a server of a new cluster, which begins with what is
    /// in the backup: durably, and as a whole. Then open it again and start a node on it. Do this
    /// for *every* server of the new cluster, with the same backup; the cluster may have another
    /// name, and other servers, than the one that was backed up.
    ///
    /// The store carries the incarnation of the backup: nodes on it talk to no nodes of the
    /// cluster that was backed up, nor to such as begin with another backup, or with nothing.
    ///
    /// # Errors
    /// When the backup cannot be used, or the store is not empty. If it was begun to restore, no
    /// node starts on the store until this has succeeded, which can be tried again.
    pub fn restore(
        from: &mut dyn Read,
        mut storage: impl Storage,
    ) -> Result<Backup, UnusableBackup> {
        let (backup, head) = Backup::read_head(from)?;
        let (persistent, notes) = (storage.load()?, storage.notes()?);
        let images = storage.images().ok_or(UnusableBackup::NoPlace)?;
        let begun = notes.contains_key(RESTORING);
        let is_empty = persistent == Persistent::default()
            && notes.keys().all(|name| name == RESTORING)
            && (begun || images.list()?.is_empty());
        if !is_empty {
            return Err(UnusableBackup::NotEmpty);
        }
        storage.note(RESTORING, backup.incarnation.to_string().as_bytes())?;
        storage.sync()?;
        for StoredImage { name, stage, bytes: _ } in images.list()? {
            images.remove(name, stage)?;
        }
        let mut image = images.create(backup.image(), ImageStage::Written)?;
        backup.pass(head, from, |part| Ok(image.append(part)?))?;
        image.finish()?;
        let Base { last_index: _, last_term } = backup.base;
        storage.append(&[
            Record::Ballot { current_term: last_term, voted_for: None },
            Record::Base(backup.base),
        ])?;
        storage.note(INCARNATION, &incarnation_note(backup.incarnation))?;
        storage.note(RESTORING, &[])?;
        storage.sync()?;
        Ok(backup)
    }

    fn image(&self) -> ImageName {
        ImageName { base: self.base, number: self.number }
    }

    fn head(&self) -> Vec<u8> {
        let text = serde_json::to_vec(self).expect("numbers, texts and lists have a form in JSON");
        let mut head = Vec::from(MAGIC);
        head.extend(VERSION.to_le_bytes());
        head.extend((text.len() as u32).to_le_bytes());
        head.extend(text);
        head.extend(crc32fast::hash(&head).to_le_bytes());
        head
    }

    /// What the backup says of itself, and how many bytes that takes.
    fn read_head(from: &mut dyn Read) -> Result<(Backup, u64), UnusableBackup> {
        let mut head = vec![0; MAGIC.len() + 8];
        read_exact(from, &mut head)?;
        let number =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if head[..8] != MAGIC {
            return Err(UnusableBackup::Other);
        }
        let (version, length) = (number(8), number(12));
        if version != VERSION {
            return Err(UnusableBackup::Version { found: version, newest: VERSION });
        }
        let damaged = |what: &str| UnusableBackup::Damaged { position: 0, what: what.to_string() };
        if length > MOST {
            return Err(damaged("its head has an impossible length"));
        }
        let begin = head.len();
        let end = begin + length as usize;
        head.resize(end + 4, 0);
        read_exact(from, &mut head[begin..])?;
        if head[end..] != crc32fast::hash(&head[..end]).to_le_bytes() {
            return Err(damaged("the checksum of its head is wrong"));
        }
        let backup = serde_json::from_slice(&head[begin..end]);
        let backup = backup.map_err(|error| damaged(&std::format!("its head: {error}")))?;
        Ok((backup, head.len() as u64))
    }

    /// Takes the image that follows so many bytes.
    fn pass(
        &self,
        head: u64,
        from: &mut dyn Read,
        keep: impl FnMut(&[u8]) -> Result<(), UnusableBackup>,
    ) -> Result<(), UnusableBackup> {
        let passed = pass_image(self.image(), |buffer| read(from, buffer), keep);
        match passed {
            Ok(_) => Ok(()),
            Err(UnusableBackup::Damaged { position, what }) => {
                Err(UnusableBackup::Damaged { position: head + position, what })
            }
            Err(other) => Err(other),
        }
    }
}

fn read(from: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, UnusableBackup> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result.map_err(UnusableBackup::Read),
        }
    }
}

fn read_exact(from: &mut dyn Read, buffer: &mut [u8]) -> Result<(), UnusableBackup> {
    from.read_exact(buffer).map_err(|error| match error.kind() == ErrorKind::UnexpectedEof {
        true => UnusableBackup::Damaged { position: 0, what: "it is cut off".to_string() },
        false => UnusableBackup::Read(error),
    })
}
