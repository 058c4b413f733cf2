//! Images on their way between simulated servers: the two sides that ship, on virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use veraft::driver::{
    Arrival, AskOutcome, Awaiting, Fetch, FetchDuty, ImageName, ImagePart, Pace, PeerParcel, Serve,
    Serving,
};
use veraft::figure2::{Index, Input, InstallSnapshot, Message, ServerId, Term};

use super::images::LabImage;
use super::journal::Happening;
use super::network::Delivery;
use super::{Event, Node, Process, Simulator};
use crate::failure::Violation;

/// What a server fetches, and what it has to do with the images of others.
pub struct Transfers {
    awaiting: Awaiting,
    fetch: Fetch,
    /// By whom it goes to.
    serves: BTreeMap<usize, Serve>,
    pace: Pace,
    /// When the fetching side looks again: one event, however often that changes.
    looks: Option<Duration>,
}

impl Transfers {
    /// Nothing is under way yet; `partial` is what came in an earlier life.
    pub fn new(run: u64, rate: u64, partial: Option<(ImageName, u64)>) -> Transfers {
        Transfers {
            awaiting: Awaiting::default(),
            fetch: Fetch::new(run, partial),
            serves: BTreeMap::new(),
            pace: Pace::new(Some(rate)),
            looks: None,
        }
    }

    /// The leader of `term` says up to where its log is committed.
    pub fn heard(&mut self, term: Term, leader_commit: Index) {
        self.awaiting.heard(term, leader_commit);
    }

    /// Whether an image is on its way to anybody.
    pub fn serves(&self, now: Duration) -> bool {
        self.serves.values().any(|serve| serve.under_way(now).is_some())
    }
}

impl<P: Process> Simulator<P> {
    /// An InstallSnapshot arrives, which waits for its image.
    pub(super) fn install(&mut self, id: usize, message: InstallSnapshot) -> Result<(), Violation> {
        let (node, now) = (&mut self.nodes[id], self.queue.now());
        let Some(driver) = &node.driver else { return Ok(()) };
        let committed = driver.standing().commit_index;
        let Transfers { awaiting, fetch, .. } = &mut node.transfers;
        if !awaiting.committed(committed) {
            fetch.stop();
        }
        match awaiting.arrived(message, committed) {
            Arrival::Hand(message) => self.hand(id, message),
            Arrival::Fetch(message) => {
                let duties = fetch.want(now, message.base.last_index, &[message.leader_id]);
                self.fetches(id, duties)
            }
            Arrival::Outdated => Ok(()),
        }
    }

    fn hand(&mut self, id: usize, message: InstallSnapshot) -> Result<(), Violation> {
        let from = message.leader_id;
        let message = Message::InstallSnapshot(message);
        self.write(id, Happening::Handed(message.clone()));
        self.step(id, Input::Receive { from, message }, Vec::new())
    }

    /// Parcels fare as messages do.
    fn post(&mut self, from: usize, to: usize, parcel: PeerParcel) {
        let now = self.queue.now();
        match self.network.send(from, to, &mut self.rng) {
            Delivery::CutOff | Delivery::Lost => {}
            Delivery::Arrives(first, second) => {
                for delay in second.into_iter().chain([first]) {
                    let parcel = parcel.clone();
                    self.queue.schedule(now + delay, Event::Parcel { from, to, parcel });
                }
            }
        }
    }

    /// A parcel arrives.
    pub(super) fn parcel(
        &mut self,
        from: usize,
        to: usize,
        parcel: PeerParcel,
    ) -> Result<(), Violation> {
        if self.nodes[to].driver.is_none() || !self.network.connects(from, to) {
            return Ok(());
        }
        let now = self.queue.now();
        let peer = ServerId(from as u64);
        let Node { transfers, images, .. } = &mut self.nodes[to];
        let breached = |breach| Violation::ParcelBreach { server: to, breach };
        match parcel {
            PeerParcel::Part(part) => {
                let duties = transfers.fetch.part(now, peer, part).map_err(breached)?;
                self.fetches(to, duties)
            }
            PeerParcel::NoImage { stream } => {
                let duties = transfers.fetch.no_image(now, peer, stream);
                self.fetches(to, duties)
            }
            PeerParcel::Ask(ask) => {
                let offers = || images.all().map(LabImage::offer).collect();
                let serve = transfers.serves.entry(from).or_default();
                match serve.ask(now, ask, offers).map_err(breached)? {
                    AskOutcome::Serves | AskOutcome::Late => self.serve(to, from),
                    AskOutcome::NoImage { stream } => {
                        self.post(to, from, PeerParcel::NoImage { stream });
                    }
                }
                Ok(())
            }
            // What is applied here is compared entry by entry.
            PeerParcel::Digest { .. } => Ok(()),
        }
    }

    /// Sends what the peer has asked for, as far as it may leave now.
    pub(super) fn serve(&mut self, id: usize, peer: usize) {
        loop {
            let now = self.queue.now();
            let Node { transfers: Transfers { serves, pace, .. }, images, life, .. } =
                &mut self.nodes[id];
            let Some(serve) = serves.get_mut(&peer) else { return };
            match serve.next(now, pace) {
                Serving::Idle => return,
                Serving::Wait(until) => {
                    let life = *life;
                    self.queue.schedule(until, Event::Serve { server: id, peer, life });
                    return;
                }
                Serving::Send { stream, image, length, offset, bytes } => {
                    let Some(held) = images.named(image) else {
                        serve.lost();
                        return;
                    };
                    let from = offset as usize;
                    let bytes = held.bytes()[from..from + bytes].to_vec();
                    let part = ImagePart { stream, image, length, offset, bytes };
                    self.post(id, peer, PeerParcel::Part(part));
                }
            }
        }
    }

    /// The fetching side may have waited for too long.
    pub(super) fn look_at_fetch(&mut self, id: usize) -> Result<(), Violation> {
        let now = self.queue.now();
        let Node { transfers, driver, .. } = &mut self.nodes[id];
        if driver.is_none() || transfers.looks != Some(now) {
            return Ok(());
        }
        transfers.looks = None;
        let duties = transfers.fetch.due(now);
        self.fetches(id, duties)
    }

    fn fetches(&mut self, id: usize, duties: Vec<FetchDuty>) -> Result<(), Violation> {
        for duty in duties {
            let Node { images, transfers, .. } = &mut self.nodes[id];
            match duty {
                FetchDuty::Begin(image) => images.begin_partial(image),
                FetchDuty::Append(bytes) => images.append_partial(&bytes),
                FetchDuty::Finish(name) => {
                    let image = images.finish_partial(name);
                    let Some(base) = image else {
                        return Err(Violation::NoImage { server: id, index: name.base.last_index });
                    };
                    transfers.fetch.finished();
                    if let Some(message) = transfers.awaiting.whole(base) {
                        self.hand(id, message)?;
                    }
                }
                FetchDuty::Ask { to, ask } => self.post(id, to.0 as usize, PeerParcel::Ask(ask)),
            }
        }
        let Transfers { fetch, looks, .. } = &mut self.nodes[id].transfers;
        if let Some(at) = fetch.next().filter(|at| looks.is_none_or(|looks| *at < looks)) {
            *looks = Some(at);
            self.queue.schedule(at, Event::Fetch { server: id });
        }
        Ok(())
    }
}
