//! A state machine becomes the one of an image.

use crate::runtime::std;

use std::io::{self, Read};
use std::sync::atomic::Ordering;
use std::vec::Vec;

use super::log;
use crate::figure2::Base;
use crate::runtime::metrics::Counters;
use crate::runtime::restore::RestoreError;
use crate::runtime::state_machine::StateMachine;
use crate::runtime::storage::images::{ImageReader, find};
use crate::runtime::storage::{ImageName, ImageStage, Images, StorageError};

/// Restores a new state machine from the image at which the log begins, if it is not whole;
/// returns how many bytes that has. None if it is of no use, and peers may help with another.
///
/// # Errors
/// When there is no help.
pub(super) fn restore_at_start(
    machine: &mut impl StateMachine,
    images: Option<&dyn Images>,
    base: Base,
    counters: &Counters,
    peers_help: bool,
) -> Result<Option<u64>, RestoreError> {
    if base == Base::default() {
        return Ok(Some(0));
    }
    match restore(machine, images, base) {
        Ok(bytes) => {
            counters.applied_index.store(base.last_index, Ordering::Release);
            counters.image_restored(base.last_index, bytes);
            Ok(Some(bytes))
        }
        Err(error) if peers_help && is_of_no_use(&error) => {
            log::error!(
                "{error:?} It is fetched from a peer; until it is here, this node follows and \
                 votes, but applies nothing and does not stand for election"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Restores the state machine from an image of this mark; returns how many bytes the image has.
///
/// # Errors
/// When there is none that is sound, or the state machine refuses it. What the machine is then,
/// nobody knows: nothing must be applied to it.
pub(super) fn restore(
    machine: &mut impl StateMachine,
    images: Option<&dyn Images>,
    base: Base,
) -> Result<u64, RestoreError> {
    let images = images.ok_or(RestoreError::NoPlace { last_index: base.last_index })?;
    let (mut damage, mut damaged) = (None, Vec::new());
    for image in find(images, base)? {
        match restore_from(machine, images, image.name) {
            Ok(()) => {
                // What is damaged beside a sound one is of no use to anybody.
                for name in damaged {
                    images.remove(name, ImageStage::Finished)?;
                }
                return Ok(image.bytes);
            }
            // Another one of the same mark may be sound.
            Err(RestoreError::Storage(error @ StorageError::DamagedImage { .. })) => {
                log::error!("{error}");
                damage = Some(error);
                damaged.push(image.name);
            }
            Err(error) => return Err(error),
        }
    }
    Err(RestoreError::Storage(damage.unwrap_or(StorageError::MissingImage { base })))
}

/// Whether there is no sound image, so that one of a peer's can take its place.
fn is_of_no_use(error: &RestoreError) -> bool {
    match error {
        RestoreError::Storage(
            StorageError::DamagedImage { .. } | StorageError::MissingImage { .. },
        ) => true,
        RestoreError::Storage(_)
        | RestoreError::Unsupported { .. }
        | RestoreError::NoPlace { .. }
        | RestoreError::Machine { .. } => false,
    }
}

fn restore_from(
    machine: &mut impl StateMachine,
    images: &dyn Images,
    name: ImageName,
) -> Result<(), RestoreError> {
    let last_index = name.base.last_index;
    let mut reader = ImageReader::open(images, name)?;
    let restored = machine.restore(&mut reader as &mut dyn Read);
    if restored.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Unsupported) {
        return Err(RestoreError::Unsupported { last_index });
    }
    // Damage explains whatever the state machine says.
    let unread = reader.finish()?;
    restored.map_err(|source| RestoreError::Machine { last_index, source })?;
    if unread > 0 {
        log::warn!(last_index, unread, "the state machine left a part of its image unread");
    }
    Ok(())
}
