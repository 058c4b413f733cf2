//! A state machine becomes the one of an image.

use crate::runtime::std;

use std::io::{self, Read};

use super::log;
use crate::figure2::Base;
use crate::runtime::restore::RestoreError;
use crate::runtime::state_machine::StateMachine;
use crate::runtime::storage::images::{ImageReader, find};
use crate::runtime::storage::{ImageName, Images, StorageError};

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
    let mut damage = None;
    for image in find(images, base)? {
        match restore_from(machine, images, image.name) {
            Ok(()) => return Ok(image.bytes),
            // Another one of the same mark may be sound.
            Err(RestoreError::Storage(error @ StorageError::DamagedImage { .. })) => {
                log::error!("{error}");
                damage = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(RestoreError::Storage(damage.unwrap_or(StorageError::MissingImage { base })))
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
