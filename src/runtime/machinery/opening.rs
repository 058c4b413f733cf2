//! What is checked and written before a node starts.

use crate::runtime::std;

use std::borrow::ToOwned;
use std::collections::BTreeSet;
use std::string::String;
use std::sync::Arc;

use rand::RngExt;
use rand::rngs::StdRng;

use super::identity::{Asked, Registry, check_floor};
use super::images::tidy;
use super::log;
use crate::figure2::{Base, Config, Index, Persistent, ServerId};
use crate::runtime::builder::StartError;
use crate::runtime::storage::images::ImageReader;
use crate::runtime::storage::{ImageStage, Images, Storage, StorageError, StoredImage};
use crate::runtime::transport::Transport;

/// Whether the transport is that of this server, in the cluster of this name, and has a way to
/// each peer; returns the name.
///
/// # Errors
/// When not.
pub(super) fn check_transport(
    transport: &impl Transport,
    config: &Config,
    cluster: Option<String>,
) -> Result<String, StartError> {
    if let Some(transport) = transport.id().filter(|&id| id != config.id) {
        return Err(StartError::OtherId { node: config.id, transport });
    }
    let others: BTreeSet<ServerId> = config.peers().collect();
    let missing = transport.missing(&others);
    if !missing.is_empty() {
        return Err(StartError::NoAddress { missing });
    }
    match (cluster, transport.cluster()) {
        (Some(node), Some(transport)) if node != transport => {
            Err(StartError::OtherCluster { node, transport: transport.to_owned() })
        }
        (Some(cluster), _) => Ok(cluster),
        (None, cluster) => Ok(cluster.unwrap_or_default().to_owned()),
    }
}

/// What a storage holds, at a new start of its node.
pub(super) struct Opened {
    pub(super) persistent: Persistent,
    pub(super) registry: Registry,
    /// The highest index known to have been given to the application.
    pub(super) floor: Index,
    /// The place for images.
    pub(super) images: Option<Arc<dyn Images>>,
    /// The last finished image that lies behind the base; it is sound.
    pub(super) newer: Option<StoredImage>,
}

/// Reads the storage, checks that it is this server's, and counts the start, durably: no hello
/// says anything before.
///
/// # Errors
/// When the storage fails, or is not one that this node may start on.
pub(super) fn open(storage: &mut impl Storage, asked: Asked) -> Result<Opened, StartError> {
    let persistent = storage.load()?;
    let notes = storage.notes()?;
    // Never from the seed of a test: two equal numbers are a clone.
    let mut random: StdRng = rand::make_rng();
    let mut registry = Registry::open(&notes, &persistent, asked, || random.random())?;
    let floor = check_floor(&notes, persistent.log().last_index())?;
    for (name, value) in registry.unwritten(true) {
        storage.note(name, &value)?;
    }
    storage.sync()?;
    let images = storage.images();
    let newer = match &images {
        Some(images) => sort_images(&**images, persistent.log().base())?,
        None => None,
    };
    Ok(Opened { persistent, registry, floor, images, newer })
}

/// Removes images that a log that begins at `base` does not need; the last one behind it.
///
/// A crash has left that one there before the log began at it. Soon it will, and then nothing else
/// holds what is in it: so it is read once, and one that is damaged goes.
fn sort_images(images: &dyn Images, base: Base) -> Result<Option<StoredImage>, StartError> {
    tidy(images, base, true);
    let mut newer = images.list()?;
    newer.retain(|StoredImage { name, stage, bytes: _ }| {
        name.base.last_index > base.last_index && *stage == ImageStage::Finished
    });
    for image in newer.into_iter().rev() {
        match ImageReader::open(images, image.name).and_then(ImageReader::finish) {
            Ok(_) => return Ok(Some(image)),
            Err(damage @ StorageError::DamagedImage { .. }) => {
                log::error!("{damage} The log does not begin there: the image is removed");
                images.remove(image.name, ImageStage::Finished)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
