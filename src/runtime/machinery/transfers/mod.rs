//! Images on their way between nodes, beside the messages: what `src/driver/` decides about them,
//! with threads, files and the transport around it.
//!
//! ```text
//!  reception ──InstallSnapshot──► fetcher ──whole──► server loop
//!      │   └──parts──────────────► ▲  │ asks
//!      └──asks──► carrier per peer ◄──┘
//!                   └──► parts and asks, to the peer
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `codec.rs` | parcels as bytes |
//! | `carrier.rs` | a thread for each peer: what goes there |
//! | `fetcher.rs` | a thread: what comes, for whatever waits for it |

mod carrier;
mod codec;
mod fetcher;
#[cfg(all(test, not(veraft_shuttle)))]
mod tests;

use crate::runtime::std;

use std::boxed::Box;
use std::collections::BTreeMap;
use std::string::ToString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::vec::Vec;

use self::carrier::Outgoing;
use self::fetcher::Incoming;
use super::digests::DigestDesk;
use super::images::ImageDesk;
use super::log;
use super::mailbox::Mailbox;
use super::sync::{Mutex, lock};
use crate::driver::{DIGEST_EVERY, ImageName, Pace, ParcelBreach, PeerParcel};
use crate::figure2::{Index, InstallSnapshot, ServerId, Term};
use crate::runtime::metrics::Counters;
use crate::runtime::transport::ParcelRefused;

pub(super) use self::carrier::Carrier;
pub(super) use self::fetcher::{Fetcher, Surroundings};

/// How many bytes of images may leave a node in a second if nothing else is said.
pub(in crate::runtime) const DEFAULT_RATE: u64 = 32 * 1024 * 1024;

/// What the threads around images share, and what others see of them.
pub(in crate::runtime) struct Transfers {
    desk: Arc<ImageDesk>,
    peers: BTreeMap<ServerId, Mailbox<Outgoing>>,
    incoming: Mailbox<Incoming>,
    /// How fast images leave, to all peers together.
    pace: Mutex<Pace>,
    began: Instant,
    /// What travels to whom at present.
    leaving: Mutex<BTreeMap<ServerId, ImageName>>,
    /// The latest term whose leader was heard, and what it said of its commit index.
    heard: Mutex<(Term, Index)>,
    /// Whether an image comes at present.
    coming: AtomicBool,
    /// Whether it was said that there is no way to a peer.
    said_no_way: AtomicBool,
    counters: Arc<Counters>,
    /// Breaks the connections with a peer.
    disconnect: Box<dyn Fn(ServerId) + Send + Sync>,
    digests: DigestDesk,
}

impl Transfers {
    /// Between this node and `peers`, to which there is a way; `rate` is how many bytes of images
    /// leave in a second.
    pub(super) fn new(
        desk: Arc<ImageDesk>,
        peers: impl IntoIterator<Item = ServerId>,
        rate: Option<u64>,
        counters: Arc<Counters>,
        disconnect: Box<dyn Fn(ServerId) + Send + Sync>,
        digests: DigestDesk,
    ) -> Self {
        let mailbox = |peer| (peer, Mailbox::new(Outgoing::default()));
        Transfers {
            desk,
            peers: peers.into_iter().map(mailbox).collect(),
            incoming: Mailbox::new(Incoming::default()),
            pace: Mutex::new(Pace::new(rate)),
            began: Instant::now(),
            leaving: Mutex::default(),
            coming: AtomicBool::new(false),
            heard: Mutex::default(),
            said_no_way: AtomicBool::new(false),
            counters,
            disconnect,
            digests,
        }
    }

    /// An InstallSnapshot has arrived: it waits here until its image is whole.
    pub(super) fn install(&self, message: InstallSnapshot) {
        let heard = *lock(&self.heard);
        // A node that has stopped has no use for it.
        let _ = self.incoming.put(|incoming| {
            incoming.heard = heard;
            incoming.installs.push(message);
        });
    }

    /// The leader of `term` says in an AppendEntries up to where its log is committed.
    pub(super) fn heard(&self, term: Term, leader_commit: Index) {
        let mut heard = lock(&self.heard);
        *heard = (*heard).max((term, leader_commit));
    }

    /// An image is wanted that reaches `at_least`, from whoever has one: this node's own is
    /// damaged.
    pub(super) fn want(&self, at_least: Index) {
        let _ = self.incoming.put(|incoming| incoming.wanted = Some(at_least));
    }

    /// A parcel has arrived.
    ///
    /// # Errors
    /// When it is none that a correct peer sends.
    pub(super) fn parcel(&self, from: ServerId, bytes: &[u8]) -> Result<(), ParcelRefused> {
        match codec::decode(bytes)? {
            PeerParcel::Ask(ask) => {
                if let Some(peer) = self.peers.get(&from) {
                    let _ = peer.put(|outgoing| outgoing.asked(ask));
                }
            }
            PeerParcel::Part(part) => {
                part.examine().map_err(|breach| ParcelRefused::Garbage(breach.to_string()))?;
                let _ = self.incoming.put(|incoming| incoming.part(from, part));
            }
            PeerParcel::NoImage { stream } => {
                let _ = self.incoming.put(|incoming| incoming.none(from, stream));
            }
            PeerParcel::Digest { index, digest } => {
                if index == 0 || !index.is_multiple_of(DIGEST_EVERY) {
                    return Err(ParcelRefused::Garbage(ParcelBreach::OtherIndex.to_string()));
                }
                self.digests.told(from, index, digest);
            }
        }
        Ok(())
    }

    /// The state machine of this node comes to `digest` behind `index`.
    pub(super) fn digest(&self, index: Index, digest: u64) {
        for peer in self.peers.values() {
            let _ = peer.put(|outgoing| outgoing.digest(index, digest));
        }
        self.digests.own(index, digest);
    }

    /// Whether an image travels to this peer.
    pub(in crate::runtime) fn leaves(&self, peer: ServerId) -> bool {
        lock(&self.leaving).contains_key(&peer)
    }

    /// Whether an image comes from a peer.
    pub(in crate::runtime) fn is_coming(&self) -> bool {
        self.coming.load(Ordering::Relaxed)
    }

    fn shows_coming(&self, coming: bool) {
        self.coming.store(coming, Ordering::Relaxed);
    }

    fn shows(&self, peer: ServerId, image: Option<ImageName>) {
        let mut leaving = lock(&self.leaving);
        let before = match image {
            Some(image) => leaving.insert(peer, image),
            None => leaving.remove(&peer),
        };
        self.desk.travelling.store(leaving.len(), Ordering::Release);
        drop(leaving);
        match (before, image) {
            (before, Some(image)) if before != Some(image) => {
                log::info!(%peer, %image, "an image begins to travel to a peer");
            }
            (Some(image), None) => log::info!(%peer, %image, "no more of an image is asked for"),
            (Some(_) | None, Some(_) | None) => {}
        }
    }

    /// A peer has sent what no correct peer sends.
    fn breached(&self, peer: ServerId, breach: ParcelBreach) {
        log::error!(%peer, %breach, "a parcel that no correct peer sends: connections closed");
        self.counters.breached(peer);
        (self.disconnect)(peer);
    }

    fn send(&self, to: ServerId, parcel: PeerParcel) {
        match self.peers.get(&to) {
            Some(peer) => drop(peer.put(|outgoing| outgoing.parcels.push(parcel))),
            None if self.said_no_way.swap(true, Ordering::Relaxed) => {}
            None => log::error!(
                peer = %to,
                "this node lags behind the log of its leader, and can fetch no image: its \
                 transport has no way for one (Transport::parcels)"
            ),
        }
    }

    /// Since the node started.
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn moment(&self, at: Duration) -> Instant {
        self.began + at
    }

    /// Ends all that runs here.
    pub(super) fn close(&self) {
        self.incoming.close();
        self.peers.values().for_each(Mailbox::close);
    }

    /// Everybody but this node.
    fn everybody(&self) -> Vec<ServerId> {
        self.peers.keys().copied().collect()
    }
}
