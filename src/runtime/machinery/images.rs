//! The thread that writes images of the state machine, while commands go on to be applied, and
//! removes those that nobody needs any more.

use crate::runtime::std;

use std::boxed::Box;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::{Instant, SystemTime};
use std::vec::Vec;

use rand::RngExt;
use rand::rngs::StdRng;

use super::arrived::Arrived;
use super::errands::Errand;
use super::log;
use super::mailbox::{Mailbox, Taken};
use super::paced::Paced;
use crate::figure2::{Base, Index};
use crate::runtime::compact::CompactError;
use crate::runtime::metrics::{Counters, ImageMetrics};
use crate::runtime::state_machine::Image;
use crate::runtime::storage::images::{Unwritten, write_image};
use crate::runtime::storage::{ImageName, ImageStage, Images, StorageError, StoredImage};

/// What the threads of a node share of its images.
pub(super) struct ImageDesk {
    pub(super) place: Arc<dyn Images>,
    pub(super) tasks: Mailbox<Vec<ImageTask>>,
    /// How many peers an image of this node is on its way to.
    pub(super) travelling: AtomicUsize,
    /// Whether the image at which the log begins is of no use, and none has come in its place:
    /// this node does not stand for election then.
    pub(super) is_lacking: AtomicBool,
}

/// Work for the thread.
pub(super) enum ImageTask {
    /// An image is to be written.
    Write(Captured),
    /// The log begins at this base, durably, and the state machine needs nothing from before.
    Tidy(Base),
}

/// A state that was taken hold of.
pub(super) struct Captured {
    /// Of the last entry in it.
    pub(super) base: Base,
    /// How many bytes had been applied by then.
    pub(super) applied_bytes: u64,
    pub(super) image: Box<dyn Image>,
}

/// What the server loop is told of images.
pub(super) enum ImageNews {
    /// One is durable.
    Written { last_index: Index, applied_bytes: u64, image_bytes: u64 },
    /// None was written, and why; unless there is nothing that could be in one.
    Unwritten(Option<CompactError>),
    /// The state machine became one that has so many bytes.
    Restored { image_bytes: u64 },
    /// It became one that a peer sent because this node's own was of no use. All in it is
    /// committed here.
    Recovered { last_index: Index, applied_bytes: u64, image_bytes: u64 },
}

impl ImageDesk {
    pub(super) fn new(place: Arc<dyn Images>) -> ImageDesk {
        ImageDesk {
            place,
            tasks: Mailbox::new(Vec::new()),
            travelling: AtomicUsize::new(0),
            is_lacking: AtomicBool::new(false),
        }
    }

    /// The life of the thread; `rate` is how many bytes it writes in a second, and `cancelled` whether
    /// the node ends.
    pub(super) fn run<R>(
        &self,
        arrived: &Mailbox<Arrived<R>>,
        counters: &Counters,
        rate: Option<u64>,
        cancelled: &dyn Fn() -> bool,
    ) {
        let mut random: StdRng = rand::make_rng();
        while let Taken::All(tasks) = self.tasks.take(None) {
            for task in tasks {
                match task {
                    ImageTask::Write(captured) => {
                        counters.image_begun();
                        let number = random.random();
                        let written = self.write(captured, number, rate, counters, cancelled);
                        let failed = matches!(written, Some(ImageNews::Unwritten(_)));
                        counters.image_ended(failed);
                        if let Some(news) = written {
                            arrived.put(|arrived| arrived.errands.push(Errand::Image(news)));
                        }
                    }
                    ImageTask::Tidy(base) => tidy(&*self.place, base, false),
                }
            }
        }
    }

    /// Writes an image; none is told of one that the end of the node has cut off.
    fn write(
        &self,
        captured: Captured,
        number: u64,
        rate: Option<u64>,
        counters: &Counters,
        cancelled: &dyn Fn() -> bool,
    ) -> Option<ImageNews> {
        let Captured { base, applied_bytes, image } = captured;
        let (name, start) = (ImageName { base, number }, Instant::now());
        let last_index = base.last_index;
        let write = |to: &mut dyn Write| image.write(&mut Paced::new(to, rate, cancelled));
        let written = write_image(&*self.place, name, write, cancelled);
        let why = match written {
            Ok(image_bytes) => {
                let took = start.elapsed();
                log::info!(last_index, bytes = image_bytes, ?took, "wrote an image");
                counters.image_written(ImageMetrics {
                    last_index,
                    bytes: image_bytes,
                    finished: Some(SystemTime::now()),
                });
                return Some(ImageNews::Written { last_index, applied_bytes, image_bytes });
            }
            Err(Unwritten::Cancelled) => return None,
            Err(Unwritten::Machine(error)) => CompactError::Machine(Arc::new(error)),
            Err(Unwritten::Storage(error)) => CompactError::Storage(Arc::new(error)),
        };
        log::warn!(last_index, "{why:?}");
        Some(ImageNews::Unwritten(Some(why)))
    }
}

/// Removes what a log that begins at `base` does not need: images of earlier marks, and at a
/// start also those of which only a part has come.
pub(super) fn tidy(place: &dyn Images, base: Base, starts: bool) {
    let removed = place.list().and_then(|images| {
        let old = |image: &&StoredImage| {
            let StoredImage { name, stage, bytes: _ } = image;
            let last_index = name.base.last_index;
            match stage {
                ImageStage::Finished => last_index < base.last_index,
                ImageStage::Received => starts && last_index < base.last_index,
                ImageStage::Written => false,
            }
        };
        let remove = |image: &StoredImage| place.remove(image.name, image.stage);
        images.iter().filter(old).try_for_each(remove)
    });
    if let Err(error) = removed {
        // It is tried again at the next base.
        let error: StorageError = error;
        log::warn!("an image that is not needed any more is left: {error:?}");
    }
}
