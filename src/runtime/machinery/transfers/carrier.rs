//! What goes to one peer beside the messages: the parts of an image that it asked for, and what
//! this node asks of it. A thread of its own, so that a slow peer holds up nobody.

use crate::runtime::std;

use std::boxed::Box;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;
use std::vec;
use std::vec::Vec;

use super::super::log;
use super::super::mailbox::{Queue, Taken};
use super::super::sync::lock;
use super::{Transfers, codec};
use crate::driver::{
    Ask, AskOutcome, ImageName, ImagePart, Offer, PeerParcel, QUIET, Serve, Serving,
};
use crate::figure2::{Index, ServerId};
use crate::runtime::storage::{ImageFile, ImageStage, StorageError};
use crate::runtime::transport::ParcelLink;

/// How many asks of a peer wait at most. Each stands for all before it.
const ASKS: usize = 16;

/// How many digests for a peer wait at most; the oldest go first.
const DIGESTS: usize = 16;

/// What waits to go to a peer, and what the peer asks for.
#[derive(Default)]
pub(super) struct Outgoing {
    asks: VecDeque<Ask>,
    digests: VecDeque<PeerParcel>,
    pub(super) parcels: Vec<PeerParcel>,
}

impl Outgoing {
    pub(super) fn asked(&mut self, ask: Ask) {
        self.asks.push_back(ask);
        if self.asks.len() > ASKS {
            self.asks.pop_front();
        }
    }

    pub(super) fn digest(&mut self, index: Index, digest: u64) {
        self.digests.push_back(PeerParcel::Digest { index, digest });
        if self.digests.len() > DIGESTS {
            self.digests.pop_front();
        }
    }
}

impl Queue for Outgoing {
    fn is_empty(&self) -> bool {
        self.asks.is_empty() && self.parcels.is_empty() && self.digests.is_empty()
    }
}

/// The thread that sends to one peer.
pub(in crate::runtime::machinery) struct Carrier {
    peer: ServerId,
    transfers: Arc<Transfers>,
    link: Box<dyn ParcelLink>,
    serve: Serve,
    /// The image that travels; it can be read to its end even if it is removed meanwhile.
    open: Option<(ImageName, Box<dyn ImageFile>)>,
}

impl Carrier {
    pub(in crate::runtime::machinery) fn new(
        transfers: Arc<Transfers>,
        peer: ServerId,
        link: Box<dyn ParcelLink>,
    ) -> Self {
        Carrier { peer, transfers, link, serve: Serve::default(), open: None }
    }

    /// The life of the thread.
    pub(in crate::runtime::machinery) fn run(mut self) {
        let transfers = self.transfers.clone();
        let Some(waiting) = transfers.peers.get(&self.peer) else { return };
        loop {
            let deadline = match self.serve_next() {
                // What arrived meanwhile goes first.
                Next::AtOnce => Some(Instant::now()),
                Next::At(at) => Some(at),
                Next::Never => None,
            };
            match waiting.take(deadline) {
                Taken::All(Outgoing { asks, digests, parcels }) => {
                    for parcel in parcels.iter().chain(&digests) {
                        self.send(parcel);
                    }
                    asks.into_iter().for_each(|ask| self.asked(ask));
                }
                Taken::TimedOut => {}
                Taken::Closed => break,
            }
        }
    }

    fn asked(&mut self, ask: Ask) {
        let now = self.transfers.now();
        let (transfers, open) = (self.transfers.clone(), &self.open);
        let outcome = self.serve.ask(now, ask, || {
            let open = open.as_ref();
            let open = open.map(|(image, file)| Offer { image: *image, length: file.bytes() });
            offers(&transfers).into_iter().chain(open).collect()
        });
        match outcome {
            Ok(AskOutcome::Serves | AskOutcome::Late) => {}
            Ok(AskOutcome::NoImage { stream }) => {
                log::info!(
                    peer = %self.peer,
                    at_least = ask.at_least,
                    "a peer asks for an image, and there is none that reaches so far"
                );
                self.send(&PeerParcel::NoImage { stream });
            }
            Err(breach) => self.transfers.breached(self.peer, breach),
        }
    }

    /// Sends the next part, if it is time.
    fn serve_next(&mut self) -> Next {
        let now = self.transfers.now();
        let serving = self.serve.next(now, &mut lock(&self.transfers.pace));
        let next = match serving {
            Serving::Send { stream, image, length, offset, bytes } => {
                let mut part = ImagePart { stream, image, length, offset, bytes: vec![0; bytes] };
                match self.read(image, offset, &mut part.bytes) {
                    Ok(()) => self.send_part(part),
                    Err(error) => {
                        log::error!(peer = %self.peer, %image, %error, "an image cannot be sent");
                        self.serve.lost();
                        self.open = None;
                    }
                }
                Next::AtOnce
            }
            Serving::Wait(until) => Next::At(self.transfers.moment(until)),
            Serving::Idle => match self.serve.tidy(now) {
                true => Next::Never,
                false => Next::At(self.transfers.moment(now + QUIET)),
            },
        };
        let travels = self.serve.under_way(now);
        if travels.is_none() {
            self.open = None;
        }
        self.transfers.shows(self.peer, travels);
        next
    }

    fn send_part(&mut self, part: ImagePart) {
        let (bytes, is_last) =
            (part.bytes.len() as u64, part.offset + part.bytes.len() as u64 == part.length);
        match self.send(&PeerParcel::Part(part)) {
            true => self.transfers.counters.peer(self.peer).image_sent(bytes, is_last),
            // The peer asks again.
            false => self.serve.lost(),
        }
    }

    /// Whether it left.
    fn send(&mut self, parcel: &PeerParcel) -> bool {
        let Some(bytes) = codec::encode(parcel) else { return false };
        match self.link.send(&bytes) {
            Ok(_) => true,
            Err(error) => {
                log::debug!(peer = %self.peer, %error, "a parcel was not sent");
                false
            }
        }
    }

    fn read(
        &mut self,
        image: ImageName,
        offset: u64,
        bytes: &mut [u8],
    ) -> Result<(), StorageError> {
        let file = match &mut self.open {
            Some((open, file)) if *open == image => file,
            other => &mut other.insert((image, self.transfers.desk.place.open(image)?)).1,
        };
        let (count, wanted) = (file.read_at(offset, bytes)?, bytes.len());
        match count == wanted {
            true => Ok(()),
            false => Err(StorageError::other(std::format!(
                "the image ends at byte {}",
                offset + count as u64
            ))),
        }
    }
}

/// When to look again.
enum Next {
    AtOnce,
    At(Instant),
    Never,
}

/// The finished images of this node.
fn offers(transfers: &Transfers) -> Vec<Offer> {
    let stored = transfers.desk.place.list().unwrap_or_else(|error| {
        log::error!(%error, "the images of this node cannot be listed");
        Vec::new()
    });
    let finished = stored.into_iter().filter(|image| image.stage == ImageStage::Finished);
    finished.map(|image| Offer { image: image.name, length: image.bytes }).collect()
}
