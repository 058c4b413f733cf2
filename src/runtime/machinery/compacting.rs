//! What the server loop does about images: it asks for one when one is due, and lets the log
//! begin at it.
//!
//! ```text
//!   server loop: due ──► application thread: capture ──► image thread: write ──► server loop:
//!   Compacted ──► durable ──► whoever asked is answered; image thread: older images go
//! ```

use crate::runtime::std;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use std::vec::Vec;

use super::images::{ImageNews, ImageTask};
use super::server_loop::ServerLoop;
use crate::driver::{Compactor, RoomLevel, weight};
use crate::figure2::{Index, Input, Output};
use crate::runtime::compact::{CompactAnswer, CompactError};

/// What the server loop knows of images.
pub(super) struct Compacting {
    pub(super) compactor: Compactor,
    /// Why there are none, if there are none.
    pub(super) refusal: Option<CompactError>,
    /// Who asks for an image.
    pub(super) asked: Vec<CompactAnswer>,
    /// Who waits for the one that is being written, or was: its index, once it is durable.
    pub(super) served: (Vec<CompactAnswer>, Option<Index>),
    /// Not before, after a failure, where an image is wanted because room is scarce.
    pub(super) again: Option<Instant>,
}

/// After which time an image is tried again that could not be written, where room is scarce.
const AGAIN: Duration = Duration::from_secs(10);

impl Compacting {
    pub(super) fn new(compactor: Compactor, refusal: Option<CompactError>) -> Compacting {
        let (asked, served, again) = (Vec::new(), (Vec::new(), None), None);
        Compacting { compactor, refusal, asked, served, again }
    }

    /// Counts what a step gives to the state machine.
    pub(super) fn count(&mut self, output: &Output) {
        if let Some(base) = output.restore {
            self.compactor.restored(base);
        }
        for (index, entry) in &output.apply {
            self.compactor.applied(*index, weight(entry));
        }
    }
}

fn answer(whom: Vec<CompactAnswer>, what: &Result<Index, CompactError>) {
    for one in whom {
        // Nobody hears it if whoever asked has gone.
        let _ = one.send(what.clone());
    }
}

impl<R> ServerLoop<R> {
    /// Somebody asks for an image, and for a log that begins at it.
    pub(super) fn compact(&mut self, asked: CompactAnswer) {
        match self.compacting.refusal.clone() {
            Some(why) => answer(Vec::from([asked]), &Err(why)),
            None => self.compacting.asked.push(asked),
        }
    }

    pub(super) fn hear_of_image(&mut self, news: ImageNews) {
        let Compacting { compactor, refusal, asked, served, again } = &mut self.compacting;
        match news {
            ImageNews::Written { last_index, applied_bytes, image_bytes } => {
                compactor.written(last_index, applied_bytes, image_bytes);
                served.1 = Some(last_index);
            }
            ImageNews::Unwritten(Some(why)) => {
                compactor.failed();
                *again = Some(Instant::now() + AGAIN);
                answer(std::mem::take(&mut served.0), &Err(why.clone()));
                if let CompactError::Unsupported = why {
                    answer(std::mem::take(asked), &Err(why.clone()));
                    *refusal = Some(why);
                }
            }
            // Nothing has been applied: the log begins where it can.
            ImageNews::Unwritten(None) => {
                compactor.failed();
                served.1 = Some(0);
            }
            ImageNews::Restored { image_bytes } => compactor.image_has(image_bytes),
            ImageNews::Recovered { last_index, applied_bytes, image_bytes } => {
                compactor.written(last_index, applied_bytes, image_bytes);
                // The next start must not look for the one that was of no use.
                if let Some(last_index) = compactor.ready(true, false) {
                    self.begin_log_at(last_index);
                }
            }
        }
    }

    /// Asks for an image if one is due, and compacts the log if one is there.
    pub(super) fn look_at_compaction(&mut self) {
        let Some(desk) = &self.outlets.desk else { return };
        let travels = desk.travelling.load(Ordering::Acquire) > 0;
        if self.stops || self.compacting.refusal.is_some() {
            return;
        }
        let (waits, written) = (!self.compacting.served.0.is_empty(), self.compacting.served.1);
        // Where room is scarce nothing is kept for peers that lag, and where there is none, the image
        // that travels to one does not count either: they can have the next one.
        let level = self.room.level();
        let asked = level != RoomLevel::Plenty || (waits && written.is_some());
        let ready = self.compacting.compactor.ready(asked, travels && level != RoomLevel::Full);
        if let Some(last_index) = ready {
            self.begin_log_at(last_index);
        }
        let base = self.server().log().base().last_index;
        if written.is_some_and(|written| written <= base) {
            let served = std::mem::take(&mut self.compacting.served.0);
            self.tell_compacted(served);
        }
        if base == self.server().volatile().last_applied {
            let asked = std::mem::take(&mut self.compacting.asked);
            self.tell_compacted(asked);
        }
        // Who asks now waits for an image of what is applied now.
        let Compacting { compactor, asked, served, again, .. } = &mut self.compacting;
        let backlog = self.counters.backlog_bytes.load(Ordering::Relaxed);
        let early =
            compactor.is_due_early(level, backlog) && again.is_none_or(|at| at <= Instant::now());
        if served.0.is_empty() && compactor.begin(!asked.is_empty() || early) {
            *served = (std::mem::take(asked), None);
            self.outlets.jobs.put(|work| work.capture = true);
        }
    }

    /// The log begins at an image that is durable; older ones go once that is, too.
    fn begin_log_at(&mut self, last_index: Index) {
        self.step(Input::Compacted { last_index }, Vec::new());
        let (base, desk) = (self.server().log().base(), self.outlets.desk.clone());
        self.once_durable(Vec::new(), move || {
            if let Some(desk) = desk {
                desk.tasks.put(|tasks| tasks.push(ImageTask::Tidy(base)));
            }
        });
    }

    /// Whether this server must not stand for election: it could not apply what it commits.
    pub(super) fn may_not_stand(&self) -> bool {
        self.outlets.desk.as_ref().is_some_and(|desk| desk.is_lacking.load(Ordering::Acquire))
    }

    /// Tells where the log begins, once that is durable.
    fn tell_compacted(&mut self, whom: Vec<CompactAnswer>) {
        if !whom.is_empty() {
            let base = self.server().log().base().last_index;
            self.once_durable(Vec::new(), move || answer(whom, &Ok(base)));
        }
    }
}
