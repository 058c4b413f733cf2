//! Tests: both sides of a transfer in virtual time, between them a network that loses, doubles,
//! delays and reorders parcels, and crashes of either side between any two of them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::fetch::{Fetch, FetchDuty};
use super::image::{ImageName, ImagePart, PeerParcel};
use super::pace::Pace;
use super::serve::{AskOutcome, Offer, Serve, Serving};
use crate::figure2::{Base, Index, ServerId};

const MS: Duration = Duration::from_millis(1);
const RECEIVER: ServerId = ServerId(9);

/// What can happen between two parcels.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    loss: f64,
    duplication: f64,
    /// The longest time that a parcel travels.
    delay: Duration,
    /// How often each side crashes, in a second.
    crashes: f64,
    /// How often another server leads, in a second.
    elections: f64,
}

/// A server that has an image.
struct Source {
    serve: Serve,
    pace: Pace,
    /// Its finished images, which outlive it.
    images: BTreeMap<ImageName, Vec<u8>>,
    /// It is down until then.
    up: Duration,
}

struct World {
    random: StdRng,
    trouble: Trouble,
    now: Duration,
    /// By the time of arrival.
    travelling: BTreeMap<(Duration, u64), (ServerId, ServerId, PeerParcel)>,
    parcels: u64,
    sources: BTreeMap<ServerId, Source>,
    leader: ServerId,
    fetch: Fetch,
    receiver_up: Duration,
    /// What the receiver has on its disk: synced, and not yet.
    disk: Option<(ImageName, Vec<u8>)>,
    synced: usize,
    whole: Option<(ImageName, Vec<u8>)>,
    /// How many bytes of parts were sent.
    sent: u64,
    /// From which offsets it began anew.
    begun: BTreeSet<ImageName>,
}

fn content(image: ImageName, length: usize) -> Vec<u8> {
    let byte =
        |at: usize| ((at as u64 ^ image.number).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8;
    (0..length).map(byte).collect()
}

impl World {
    fn new(seed: u64, trouble: Trouble, sources: u64, length: usize, rate: Option<u64>) -> World {
        let source = |id: u64| {
            let base = Base { last_index: 100 + id, last_term: 1 };
            let image = ImageName { base, number: id };
            let images = BTreeMap::from([(image, content(image, length))]);
            let (serve, pace) = (Serve::default(), Pace::new(rate));
            (ServerId(id), Source { serve, pace, images, up: Duration::ZERO })
        };
        World {
            random: StdRng::seed_from_u64(seed),
            trouble,
            now: Duration::ZERO,
            travelling: BTreeMap::new(),
            parcels: 0,
            sources: (1..=sources).map(source).collect(),
            leader: ServerId(1),
            fetch: Fetch::new(0, None),
            receiver_up: Duration::ZERO,
            disk: None,
            synced: 0,
            whole: None,
            sent: 0,
            begun: BTreeSet::new(),
        }
    }

    fn send(&mut self, from: ServerId, to: ServerId, parcel: &PeerParcel) {
        if self.random.random_bool(self.trouble.loss) {
            return;
        }
        let copies = 1 + usize::from(self.random.random_bool(self.trouble.duplication));
        for _ in 0..copies {
            let arrives = self.now + self.random.random_range(Duration::ZERO..=self.trouble.delay);
            self.parcels += 1;
            self.travelling.insert((arrives, self.parcels), (from, to, parcel.clone()));
        }
    }

    fn arrive(&mut self, from: ServerId, to: ServerId, parcel: PeerParcel) {
        if to == RECEIVER {
            let now = self.now;
            let duties = match parcel {
                _ if self.receiver_up > now => return,
                PeerParcel::Part(part) => self.fetch.part(now, from, part).unwrap(),
                PeerParcel::NoImage { stream } => self.fetch.no_image(now, from, stream),
                PeerParcel::Ask(_) | PeerParcel::Digest { .. } => {
                    unreachable!("nobody sends it these")
                }
            };
            return self.fetches(duties);
        }
        let PeerParcel::Ask(ask) = parcel else { unreachable!("only the receiver fetches") };
        let now = self.now;
        let source = self.sources.get_mut(&to).unwrap();
        if source.up > now {
            return;
        }
        let offer =
            |(&image, bytes): (&ImageName, &Vec<u8>)| Offer { image, length: bytes.len() as u64 };
        let offers = || source.images.iter().map(offer).collect();
        match source.serve.ask(now, ask, offers).unwrap() {
            AskOutcome::Serves | AskOutcome::Late => {}
            AskOutcome::NoImage { stream } => {
                self.send(to, RECEIVER, &PeerParcel::NoImage { stream })
            }
        }
    }

    fn fetches(&mut self, duties: Vec<FetchDuty>) {
        for duty in duties {
            match duty {
                FetchDuty::Begin(image) => {
                    self.begun.insert(image);
                    (self.disk, self.synced) = (Some((image, Vec::new())), 0);
                }
                FetchDuty::Append(bytes) => {
                    let (_, disk) = self.disk.as_mut().unwrap();
                    disk.extend(bytes);
                    if self.random.random_bool(0.1) {
                        self.synced = disk.len();
                    }
                }
                FetchDuty::Finish(image) => {
                    let (name, bytes) = self.disk.take().unwrap();
                    assert_eq!(name, image);
                    self.fetch.finished();
                    self.whole = Some((image, bytes));
                }
                FetchDuty::Ask { to, ask } => self.send(RECEIVER, to, &PeerParcel::Ask(ask)),
            }
        }
    }

    /// All that the sources can send now.
    fn serve(&mut self) {
        let ids: Vec<ServerId> = self.sources.keys().copied().collect();
        for id in ids {
            loop {
                let source = self.sources.get_mut(&id).unwrap();
                let Serving::Send { stream, image, length, offset, bytes } =
                    source.serve.next(self.now, &mut source.pace)
                else {
                    break;
                };
                let content = &source.images[&image];
                let bytes = content[offset as usize..offset as usize + bytes].to_vec();
                self.sent += bytes.len() as u64;
                let part = ImagePart { stream, image, length, offset, bytes };
                self.send(id, RECEIVER, &PeerParcel::Part(part));
            }
        }
    }

    fn chance(&mut self, per_second: f64) -> bool {
        self.random.random_bool(per_second / 200.0)
    }

    /// A crash of anybody, an election: each step is 5 ms long.
    fn trouble(&mut self) {
        let Trouble { crashes, elections, .. } = self.trouble;
        if self.chance(crashes) {
            // What was not synced may be lost, or a part of it.
            if let Some((_, disk)) = &mut self.disk {
                let kept = self.random.random_range(self.synced..=disk.len());
                disk.truncate(kept);
                self.synced = kept;
            }
            let partial = self.disk.as_ref().map(|(image, bytes)| (*image, bytes.len() as u64));
            self.fetch = Fetch::new(self.random.random(), partial);
            self.receiver_up = self.now + self.random.random_range(MS..=2000 * MS);
        }
        let ids: Vec<ServerId> = self.sources.keys().copied().collect();
        for &id in &ids {
            if self.chance(crashes) {
                let up = self.now + self.random.random_range(MS..=2000 * MS);
                let source = self.sources.get_mut(&id).unwrap();
                (source.serve, source.up) = (Serve::default(), up);
            }
        }
        if self.chance(elections) {
            self.leader = ids[self.random.random_range(0..ids.len())];
        }
    }

    /// Runs until the image is whole; returns how long it took.
    fn run(&mut self, at_least: Index, limit: Duration) -> Duration {
        let mut step = 0_u64;
        while self.whole.is_none() {
            assert!(self.now < limit, "not whole after {limit:?}: {:?}", self.fetch);
            self.now += 5 * MS;
            step += 1;
            self.trouble();
            while let Some(entry) = self.travelling.first_entry()
                && entry.key().0 <= self.now
            {
                let (from, to, parcel) = entry.remove();
                self.arrive(from, to, parcel);
            }
            if self.receiver_up <= self.now && self.whole.is_none() {
                // The leader repeats itself with each heartbeat.
                if step.is_multiple_of(10) {
                    let duties = self.fetch.want(self.now, at_least, &[self.leader]);
                    self.fetches(duties);
                }
                let duties = self.fetch.due(self.now);
                self.fetches(duties);
            }
            self.serve();
        }
        let (image, bytes) = self.whole.as_ref().unwrap();
        assert!(image.base.last_index >= at_least);
        assert!(*bytes == content(*image, bytes.len()), "altered");
        self.now
    }
}

const CALM: Trouble =
    Trouble { loss: 0.0, duplication: 0.0, delay: Duration::ZERO, crashes: 0.0, elections: 0.0 };

#[test]
fn the_image_arrives_whatever_happens_to_parcels() {
    let bad = [
        Trouble { loss: 0.1, ..CALM },
        Trouble { duplication: 0.3, ..CALM },
        Trouble { delay: 100 * MS, ..CALM },
        Trouble { loss: 0.2, duplication: 0.2, delay: 50 * MS, ..CALM },
    ];
    for (seed, trouble) in (0..).zip(bad.into_iter().cycle().take(40)) {
        World::new(seed, trouble, 1, 5_000_000, None).run(101, 600_000 * MS);
    }
}

#[test]
fn the_image_arrives_whoever_crashes_between_any_two_parts() {
    for seed in 0..60 {
        let loss = if seed % 2 == 0 { 0.0 } else { 0.02 };
        let trouble =
            Trouble { loss, duplication: 0.05, delay: 20 * MS, crashes: 0.3, elections: 0.0 };
        World::new(seed, trouble, 1, 5_000_000, Some(2_000_000)).run(101, 600_000 * MS);
    }
}

/// Each server has an image of its own, so that a change of the sender costs all that has come.
#[test]
fn an_election_every_few_seconds_costs_nothing() {
    for seed in 0..20 {
        let trouble = Trouble { elections: 0.3, ..CALM };
        let length = 20_000_000;
        let mut world = World::new(seed, trouble, 4, length, Some(1_000_000));
        let took = world.run(101, 60_000 * MS);
        assert!(took < 22_000 * MS, "{took:?}");
        assert_eq!(world.begun.len(), 1);
        assert!(world.sent < length as u64 + 100_000, "{} bytes", world.sent);
    }
}

#[test]
fn with_elections_and_crashes_it_still_arrives() {
    for seed in 0..40 {
        let trouble = Trouble {
            loss: 0.01,
            duplication: 0.01,
            delay: 20 * MS,
            crashes: 0.05,
            elections: 0.3,
        };
        World::new(seed, trouble, 4, 8_000_000, Some(1_000_000)).run(101, 600_000 * MS);
    }
}

#[test]
fn who_has_the_image_in_part_fetches_the_rest() {
    let mut world = World::new(1, CALM, 1, 5_000_000, None);
    let image = *world.sources[&ServerId(1)].images.keys().next().unwrap();
    world.disk = Some((image, content(image, 4_000_000)));
    world.fetch = Fetch::new(3, Some((image, 4_000_000)));
    world.run(101, 10_000 * MS);
    assert_eq!(world.sent, 1_000_000);
}

#[test]
fn the_limit_of_the_rate_is_kept_and_reached() {
    for rate in [100_000, 1_000_000, 10_000_000] {
        let mut world = World::new(1, CALM, 1, rate as usize * 4, Some(rate));
        let took = world.run(101, 60_000 * MS);
        assert!((3_900 * MS..4_200 * MS).contains(&took), "{took:?} at {rate}");
    }
}
