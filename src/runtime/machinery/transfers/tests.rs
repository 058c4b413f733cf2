//! The threads around images on a network in memory, without nodes.

use crate::runtime::std;

use std::boxed::Box;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::vec;
use std::vec::Vec;

use super::super::digests::DigestDesk;
use super::super::images::ImageDesk;
use super::{Carrier, Fetcher, Surroundings, Transfers, codec};
use crate::driver::{Ask, IMAGE_PART, ImageName, ImagePart, PeerParcel};
use crate::figure2::{Base, Index, InstallSnapshot, Message, ServerId};
use crate::runtime::metrics::Counters;
use crate::runtime::storage::images::{ImageReader, write_image};
use crate::runtime::storage::{ImageStage, Images, MemoryDisk, Storage};
use crate::runtime::transport::{
    Closed, Inbox, MemoryNetwork, MemoryTransport, ParcelLink, ParcelRefused, Reception, Transport,
};

const LONG: Duration = Duration::from_secs(60);

const A: ServerId = ServerId(1);
const B: ServerId = ServerId(2);
const C: ServerId = ServerId(3);

/// A node that has nothing but images.
struct Station {
    place: Arc<dyn Images>,
    transfers: Arc<Transfers>,
    counters: Arc<Counters>,
    transport: Arc<MemoryTransport>,
    committed: Arc<AtomicU64>,
    handed: Receiver<InstallSnapshot>,
    whole: Receiver<ImageName>,
    disconnected: Arc<Mutex<Vec<ServerId>>>,
    threads: Vec<JoinHandle<()>>,
    /// Kept, so that its disk stays open.
    _storage: Box<dyn Storage>,
}

struct Doorstep(Arc<Transfers>);

impl Reception for Doorstep {
    fn deliver(&self, _from: ServerId, _message: Message, _bytes: u64) -> Result<(), Closed> {
        Ok(())
    }

    fn deliver_parcel(&self, from: ServerId, parcel: Vec<u8>) -> Result<(), ParcelRefused> {
        self.0.parcel(from, &parcel)
    }
}

impl Station {
    fn start(network: &MemoryNetwork, disk: &MemoryDisk, id: ServerId) -> Station {
        let storage = disk.open().unwrap();
        let place = storage.images().unwrap();
        let transport = Arc::new(network.transport(id));
        let peers: Vec<ServerId> = [A, B, C].into_iter().filter(|&peer| peer != id).collect();
        let counters = Arc::new(Counters::new(peers.clone()));
        let disconnected: Arc<Mutex<Vec<ServerId>>> = Arc::default();
        let notes = disconnected.clone();
        let transfers = Arc::new(Transfers::new(
            Arc::new(ImageDesk::new(place.clone())),
            peers.clone(),
            None,
            counters.clone(),
            Box::new(move |peer| notes.lock().unwrap().push(peer)),
            DigestDesk::new(id, 3, |comparison| panic!("nobody tells digests: {comparison:?}")),
        ));
        let servers = Arc::new([A, B, C].into());
        transport.start(Inbox::new(id, servers, Doorstep(transfers.clone()))).unwrap();
        let committed: Arc<AtomicU64> = Arc::default();
        let ((hand, handed), (tell, whole)) = (mpsc::channel(), mpsc::channel());
        let commit_index = committed.clone();
        let around = Surroundings {
            // Nobody listens any more at the end of a test.
            hand: Box::new(move |message| {
                let _ = hand.send(message);
            }),
            commit_index: Box::new(move || commit_index.load(Ordering::SeqCst)),
            whole: Box::new(move |image| {
                let _ = tell.send(image);
            }),
        };
        let fetcher = Fetcher::new(transfers.clone(), around, id.0);
        let mut threads = vec![thread::spawn(move || fetcher.run())];
        for peer in peers {
            let link = transport.parcels(peer).unwrap();
            let carrier = Carrier::new(transfers.clone(), peer, link);
            threads.push(thread::spawn(move || carrier.run()));
        }
        let _storage = Box::new(storage);
        Station {
            place,
            transfers,
            counters,
            transport,
            committed,
            handed,
            whole,
            disconnected,
            threads,
            _storage,
        }
    }

    fn write(&self, image: ImageName, data: &[u8]) {
        write_image(&*self.place, image, |to| to.write_all(data), &|| false).unwrap();
    }

    /// The data in a finished image.
    fn read(&self, image: ImageName) -> Vec<u8> {
        let mut data = Vec::new();
        let mut reader = ImageReader::open(&*self.place, image).unwrap();
        std::io::Read::read_to_end(&mut reader, &mut data).unwrap();
        reader.finish().unwrap();
        data
    }

    fn received(&self) -> BTreeMap<ServerId, u64> {
        let bytes = |peer| self.counters.peer(peer).snapshot(0, false).image_bytes_received;
        [A, B, C].map(|peer| (peer, bytes(peer))).into()
    }

    /// A leader that has committed a long log sends a snapshot.
    fn hears(&self, message: InstallSnapshot) {
        self.transfers.heard(message.term, 1000);
        self.transfers.install(message);
    }

    fn handed(&self) -> InstallSnapshot {
        self.handed.recv_timeout(LONG).unwrap()
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.transfers.close();
        self.transport.close();
        for thread in self.threads.drain(..) {
            // A thread that panicked is seen by what it did not do.
            let _ = thread.join();
        }
    }
}

fn base(last_index: Index) -> Base {
    Base { last_index, last_term: 1 }
}

fn image(last_index: Index, number: u64) -> ImageName {
    ImageName { base: base(last_index), number }
}

fn data(seed: u64) -> Vec<u8> {
    (0..5_000_000_u64).map(|at| (at.wrapping_mul(seed) >> 7) as u8).collect()
}

fn install(term: u64, last_index: Index) -> InstallSnapshot {
    InstallSnapshot { term, leader_id: A, base: base(last_index) }
}

fn stations<const N: usize>(ids: [ServerId; N]) -> [Station; N] {
    let network = MemoryNetwork::new(1);
    ids.map(|id| Station::start(&network, &MemoryDisk::new(), id))
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let give_up = std::time::Instant::now() + LONG;
    while !condition() {
        assert!(std::time::Instant::now() < give_up, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn an_install_snapshot_waits_for_its_image_and_takes_its_mark() {
    let [a, b] = stations([A, B]);
    let (newest, data) = (image(80, 7), data(31));
    a.write(newest, &data);
    for _ in 0..5 {
        b.hears(install(3, 70));
    }
    assert_eq!(b.handed(), install(3, 80));
    assert!(b.read(newest) == data);
    let sent = a.place.list().unwrap()[0].bytes;
    wait_until("all of it is counted", || b.received()[&A] >= sent);
    assert_eq!(b.received()[&A], sent, "not a byte twice");
    // Once more, because its reply was lost; nothing has to travel for it.
    b.hears(install(4, 75));
    assert_eq!(b.handed(), install(4, 80));
    assert_eq!(b.received()[&A], sent);
    assert!(b.handed.try_recv().is_err());
    wait_until("it is seen that it leaves", || a.transfers.leaves(B));
}

#[test]
fn what_is_committed_already_needs_no_image() {
    let [a, b] = stations([A, B]);
    b.committed.store(70, Ordering::SeqCst);
    b.hears(install(3, 70));
    assert_eq!(b.handed(), install(3, 70));
    assert!(!a.transfers.leaves(B));
}

#[test]
fn a_damaged_image_is_never_finished_and_another_peer_is_asked() {
    let [a, b, c] = stations([A, B, C]);
    let (damaged, sound, good) = (image(80, 7), image(75, 8), data(31));
    // Its bytes are none of an image.
    let mut file = a.place.create(damaged, ImageStage::Received).unwrap();
    a.write(image(1, 1), &good);
    let mut bytes = vec![0; a.place.list().unwrap()[0].bytes as usize];
    a.place.open(image(1, 1)).unwrap().read_at(0, &mut bytes).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    bytes.truncate(at + IMAGE_PART * 3);
    file.append(&bytes).unwrap();
    file.finish().unwrap();
    c.write(sound, &good);
    b.transfers.want(70);
    assert_eq!(b.whole.recv_timeout(LONG).unwrap(), sound);
    assert!(b.read(sound) == good);
    let stored: Vec<_> = b.place.list().unwrap().iter().map(|image| image.name).collect();
    assert_eq!(stored, [sound], "nothing is left of the damaged one");
    assert!(b.received()[&A] > 0);
}

#[test]
fn who_finds_no_image_asks_until_there_is_one() {
    let [a, b, c] = stations([A, B, C]);
    b.transfers.want(70);
    b.hears(install(3, 70));
    a.write(image(60, 1), b"it falls short");
    thread::sleep(Duration::from_millis(100));
    c.write(image(90, 2), b"it is enough");
    assert_eq!(b.whole.recv_timeout(LONG).unwrap(), image(90, 2));
    assert_eq!(b.handed(), install(3, 90));
}

#[test]
fn a_fetcher_in_a_new_life_goes_on_with_what_it_has() {
    let (network, disk) = (MemoryNetwork::new(1), MemoryDisk::new());
    let a = Station::start(&network, &MemoryDisk::new(), A);
    let (newest, data) = (image(80, 7), data(31));
    a.write(newest, &data);
    let length = a.place.list().unwrap()[0].bytes;
    let half = {
        let b = Station::start(&network, &disk, B);
        // It has come in part, and was synced.
        let mut file = b.place.create(newest, ImageStage::Received).unwrap();
        let mut bytes = vec![0; length as usize / 2];
        a.place.open(newest).unwrap().read_at(0, &mut bytes).unwrap();
        file.append(&bytes).unwrap();
        file.sync().unwrap();
        bytes.len() as u64
    };
    let b = Station::start(&network, &disk, B);
    b.hears(install(3, 80));
    assert_eq!(b.handed(), install(3, 80));
    assert!(b.read(newest) == data);
    // What hands an image on does not wait for what counts it.
    wait_until("all of it is counted", || b.received()[&A] >= length - half);
    let received = b.received()[&A];
    // Of the last piece, what is not whole comes again.
    assert!((length - half..length - half + 2 * IMAGE_PART as u64).contains(&received));
    // A life later, it is there as a whole.
    drop(b);
    let b = Station::start(&network, &disk, B);
    b.hears(install(5, 75));
    assert_eq!(b.handed(), install(5, 80));
    assert_eq!(b.received()[&A], 0);
}

#[test]
fn an_image_that_was_whole_before_a_crash_and_not_finished_is_finished() {
    let (network, disk) = (MemoryNetwork::new(1), MemoryDisk::new());
    let newest = image(80, 7);
    {
        let b = Station::start(&network, &disk, B);
        b.write(newest, b"all of it");
        let mut bytes = vec![0; b.place.list().unwrap()[0].bytes as usize];
        b.place.open(newest).unwrap().read_at(0, &mut bytes).unwrap();
        b.place.remove(newest, ImageStage::Finished).unwrap();
        let mut file = b.place.create(newest, ImageStage::Received).unwrap();
        file.append(&bytes).unwrap();
        file.sync().unwrap();
    }
    let b = Station::start(&network, &disk, B);
    b.hears(install(3, 75));
    assert_eq!(b.handed(), install(3, 80));
    assert_eq!(b.read(newest), b"all of it");
}

#[test]
fn what_no_correct_peer_sends_is_refused_or_ends_its_connections() {
    let [a, b] = stations([A, B]);
    a.write(image(80, 7), b"short");
    let length = a.place.list().unwrap()[0].bytes;
    let refused =
        |bytes: &[u8]| matches!(a.transfers.parcel(B, bytes), Err(ParcelRefused::Garbage(_)));
    assert!(refused(b"\xff garbage"));
    let part = |length, offset| {
        let (image, bytes) = (image(80, 7), vec![0; 10]);
        codec::encode(&PeerParcel::Part(ImagePart { stream: 1, image, length, offset, bytes }))
    };
    assert!(refused(&part(100, 95).unwrap()));
    for index in [0, 4095, 4097] {
        assert!(refused(&codec::encode(&PeerParcel::Digest { index, digest: 1 }).unwrap()));
    }
    let ask = Ask {
        run: 1,
        stream: 1,
        at_least: 1,
        has: Some(image(80, 7)),
        offset: length + 1,
        window: 1000,
    };
    let mut link: Box<dyn ParcelLink> = b.transport.parcels(A).unwrap();
    link.send(&codec::encode(&PeerParcel::Ask(ask)).unwrap()).unwrap();
    wait_until("it is cut off", || *a.disconnected.lock().unwrap() == [B]);
    assert_eq!(a.counters.peer(B).snapshot(0, false).breaches, 1);
}

#[test]
fn what_the_log_brings_meanwhile_is_fetched_no_longer() {
    let [a, b] = stations([A, B]);
    b.hears(install(3, 80));
    thread::sleep(Duration::from_millis(50));
    b.committed.store(85, Ordering::SeqCst);
    b.hears(install(4, 82));
    assert_eq!(b.handed(), install(4, 82));
    a.write(image(90, 7), b"nobody needs it");
    thread::sleep(crate::driver::AGAIN * 2);
    assert_eq!(b.received()[&A], 0);
}
