//! What comes from peers beside the messages, on a thread of its own: parts go to the disk, and
//! once an image is whole the InstallSnapshot goes to the server that waited for it.

use crate::runtime::std;

use std::boxed::Box;
use std::sync::Arc;
use std::time::Duration;
use std::vec::Vec;

use super::super::log;
use super::super::mailbox::{Queue, Taken};
use super::Transfers;
use crate::driver::{
    Arrival, Awaiting, Fetch, FetchDuty, ImageName, ImagePart, PeerParcel, WINDOW,
};
use crate::figure2::{Index, InstallSnapshot, ServerId, Term};
use crate::runtime::storage::images::Receiving;
use crate::runtime::storage::{ImageStage, StorageError};

/// How many bytes of parts wait at most: what is asked for, and what was asked for before a part
/// was lost. What comes beyond that is lost, and asked for again.
const WAITING: u64 = 2 * WINDOW;

/// How long to wait after a failure before an image is fetched again; twice as long after each
/// that follows.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// What waits for the fetcher.
#[derive(Default)]
pub(super) struct Incoming {
    pub(super) installs: Vec<InstallSnapshot>,
    /// What was heard of leaders before the last of them.
    pub(super) heard: (Term, Index),
    /// An image is wanted that reaches so far, whoever has it.
    pub(super) wanted: Option<Index>,
    parts: Vec<(ServerId, ImagePart)>,
    bytes: u64,
    nones: Vec<(ServerId, u32)>,
}

impl Incoming {
    pub(super) fn part(&mut self, from: ServerId, part: ImagePart) {
        let bytes = part.bytes.len() as u64;
        if self.bytes + bytes <= WAITING && self.parts.len() < 4096 {
            self.bytes += bytes;
            self.parts.push((from, part));
        }
    }

    pub(super) fn none(&mut self, from: ServerId, stream: u32) {
        if !self.nones.contains(&(from, stream)) && self.nones.len() < 64 {
            self.nones.push((from, stream));
        }
    }
}

impl Queue for Incoming {
    fn is_empty(&self) -> bool {
        let Incoming { installs, heard: _, wanted, parts, bytes: _, nones } = self;
        installs.is_empty() && wanted.is_none() && parts.is_empty() && nones.is_empty()
    }
}

/// What the fetcher needs of its node.
pub(in crate::runtime::machinery) struct Surroundings {
    /// Gives a message to the server.
    pub(in crate::runtime::machinery) hand: Box<dyn FnMut(InstallSnapshot) + Send>,
    /// Up to where entries are committed, as users are told.
    pub(in crate::runtime::machinery) commit_index: Box<dyn Fn() -> Index + Send>,
    /// An image is whole that somebody [wanted](Transfers::want).
    pub(in crate::runtime::machinery) whole: Box<dyn FnMut(ImageName) + Send>,
}

/// The thread that fetches.
pub(in crate::runtime::machinery) struct Fetcher {
    transfers: Arc<Transfers>,
    around: Surroundings,
    /// Random.
    run: u64,
    awaiting: Awaiting,
    /// Whether somebody wants an image for another reason than an InstallSnapshot.
    wanted: Option<Index>,
    fetch: Fetch,
    receiving: Option<Receiving>,
    /// For how long it was waited after the last failure.
    backoff: Duration,
}

impl Fetcher {
    /// `run` is a random number.
    pub(in crate::runtime::machinery) fn new(
        transfers: Arc<Transfers>,
        around: Surroundings,
        run: u64,
    ) -> Self {
        let (awaiting, fetch) = (Awaiting::default(), Fetch::new(run, None));
        Fetcher {
            transfers,
            around,
            run,
            awaiting,
            wanted: None,
            fetch,
            receiving: None,
            backoff: Duration::ZERO,
        }
    }

    /// The life of the thread.
    pub(in crate::runtime::machinery) fn run(mut self) {
        if let Err(error) = self.look_for_what_is_here() {
            log::warn!(%error, "what is here of images from peers is of no use");
        }
        let transfers = self.transfers.clone();
        loop {
            let next = self.fetch.next().map(|at| transfers.moment(at));
            match transfers.incoming.take(next) {
                Taken::All(incoming) => self.take(incoming),
                Taken::TimedOut => {
                    let duties = self.fetch.due(self.now());
                    self.carry_out(duties);
                }
                Taken::Closed => break,
            }
        }
    }

    fn now(&self) -> Duration {
        self.transfers.now()
    }

    /// Images that came in an earlier life: one that is whole is enough for whatever needs no
    /// more, and one that came in part is gone on with.
    fn look_for_what_is_here(&mut self) -> Result<(), StorageError> {
        let stored = self.transfers.desk.place.list()?;
        let committed = (self.around.commit_index)();
        for image in stored.iter().filter(|image| image.stage == ImageStage::Finished) {
            if image.name.base.last_index > committed {
                self.awaiting.whole(image.name.base);
            }
        }
        let partial = stored.iter().filter(|image| image.stage == ImageStage::Received);
        let mut partial: Vec<ImageName> = partial.map(|image| image.name).collect();
        let Some(newest) = partial.pop() else { return Ok(()) };
        for older in partial {
            self.transfers.desk.place.remove(older, ImageStage::Received)?;
        }
        let receiving = Receiving::resume(&*self.transfers.desk.place, newest)?;
        if receiving.is_whole() {
            receiving.finish()?;
            self.awaiting.whole(newest.base);
            return Ok(());
        }
        let offset = receiving.offset();
        log::info!(image = %newest, bytes = offset, "an image has come in part");
        self.fetch = Fetch::new(self.run, Some((newest, offset)));
        self.receiving = Some(receiving);
        Ok(())
    }

    fn take(&mut self, incoming: Incoming) {
        let Incoming { installs, heard: (term, leader_commit), wanted, parts, bytes: _, nones } =
            incoming;
        self.awaiting.heard(term, leader_commit);
        self.wanted = wanted.or(self.wanted);
        installs.into_iter().for_each(|message| self.arrived(message));
        if wanted.is_some() {
            self.fetch_wanted();
        }
        for (from, part) in parts {
            let (bytes, now) = (part.bytes.len() as u64, self.now());
            match self.fetch.part(now, from, part) {
                Ok(duties) => {
                    let is_last = duties.iter().any(|duty| matches!(duty, FetchDuty::Finish(_)));
                    self.carry_out(duties);
                    let is_kept = is_last && !self.fetch.is_wanting();
                    self.transfers.counters.peer(from).image_received(bytes, is_kept);
                }
                Err(breach) => self.transfers.breached(from, breach),
            }
        }
        for (from, stream) in nones {
            let duties = self.fetch.no_image(self.now(), from, stream);
            self.carry_out(duties);
        }
        self.transfers.shows_coming(self.fetch.under_way().is_some());
    }

    /// An InstallSnapshot has arrived, perhaps once more.
    fn arrived(&mut self, message: InstallSnapshot) {
        let committed = (self.around.commit_index)();
        if !self.awaiting.committed(committed) && self.wanted.is_none() {
            self.fetch.stop();
        }
        match self.awaiting.arrived(message, committed) {
            Arrival::Hand(message) => (self.around.hand)(message),
            Arrival::Fetch(InstallSnapshot { term: _, leader_id, base }) => {
                self.fetch(base.last_index, &[leader_id]);
            }
            Arrival::Outdated => {}
        }
    }

    fn fetch_wanted(&mut self) {
        if let Some(at_least) = self.wanted {
            let everybody = self.transfers.everybody();
            self.fetch(at_least, &everybody);
        }
    }

    fn fetch(&mut self, at_least: Index, from: &[ServerId]) {
        let now = self.now();
        if !self.fetch.is_wanting() {
            log::info!(at_least, from = %from[0], "an image is fetched");
        }
        let at_least = self.wanted.unwrap_or(0).max(at_least);
        let duties = self.fetch.want(now, at_least, from);
        self.carry_out(duties);
    }

    fn carry_out(&mut self, duties: Vec<FetchDuty>) {
        for duty in duties {
            let done = match duty {
                FetchDuty::Begin(image) => self.begin(image),
                FetchDuty::Append(bytes) => match &mut self.receiving {
                    Some(receiving) => receiving.append(&bytes),
                    None => Ok(()),
                },
                FetchDuty::Finish(image) => self.finish(image),
                FetchDuty::Ask { to, ask } => {
                    self.transfers.send(to, PeerParcel::Ask(ask));
                    Ok(())
                }
            };
            if let Err(error) = done {
                return self.failed(&error);
            }
        }
    }

    fn begin(&mut self, image: ImageName) -> Result<(), StorageError> {
        if let Some(other) = self.receiving.take() {
            let name = other.name();
            drop(other);
            self.transfers.desk.place.remove(name, ImageStage::Received)?;
        }
        self.receiving = Some(Receiving::begin(&*self.transfers.desk.place, image)?);
        Ok(())
    }

    /// An image is whole: whatever waits for it goes on, once it is durable.
    fn finish(&mut self, image: ImageName) -> Result<(), StorageError> {
        let Some(receiving) = self.receiving.take() else { return Ok(()) };
        let bytes = receiving.finish()?;
        log::info!(%image, bytes, "an image has come from a peer");
        self.backoff = Duration::ZERO;
        self.fetch.finished();
        if self.wanted.take_if(|at_least| *at_least <= image.base.last_index).is_some() {
            (self.around.whole)(image);
        }
        if let Some(message) = self.awaiting.whole(image.base) {
            (self.around.hand)(message);
        }
        Ok(())
    }

    /// What came is damaged, or cannot be written: it is fetched anew after a while.
    fn failed(&mut self, error: &StorageError) {
        self.backoff = (self.backoff * 2).clamp(FIRST_BACKOFF, LONGEST_BACKOFF);
        let again = self.backoff;
        log::error!(error = ?error, ?again, "an image from a peer cannot be kept");
        if let Some(receiving) = self.receiving.take() {
            let name = receiving.name();
            drop(receiving);
            if let Err(error) = self.transfers.desk.place.remove(name, ImageStage::Received) {
                log::error!(%error, "nor can it be removed");
            }
        }
        self.fetch.spoiled(self.now(), self.backoff);
    }
}
