//! Puts the threads of a node together, from the parts that the builder was given.

use crate::runtime::std;

use std::boxed::Box;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::vec::Vec;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::application::Application;
use super::arrived::Arrived;
use super::breaches::Logged;
use super::clock::Clock;
use super::compacting::Compacting;
use super::digests::DigestDesk;
use super::errands::{Errand, Errands};
use super::gate::Gate;
use super::identity::Asked;
use super::images::ImageDesk;
use super::log;
use super::mailbox::Mailbox;
use super::opening::{self, Opened};
use super::outlets::Outlets;
use super::reception::{Front, Identities};
use super::restoring::restore_at_start;
use super::room::{RoomWatch, look_at_start};
use super::server_loop::ServerLoop;
use super::threads::{Machinery, Shared, spawn};
use super::transfers::{Carrier, Fetcher, Surroundings, Transfers};
use super::watch::Watch;
use super::writer::Writer;
use crate::driver::{Compactor, Driver};
use crate::figure2::{InstallSnapshot, Message, Server, ServerId};
use crate::runtime::builder::{NodeBuilder, StartError};
use crate::runtime::compact::CompactError;
use crate::runtime::metrics::Counters;
use crate::runtime::recorder::{FORMAT, Line, Recorder};
use crate::runtime::state_machine::StateMachine;
use crate::runtime::stopped::StopReason;
use crate::runtime::storage::Storage;
use crate::runtime::transport::{Inbox, ParcelLink, Transport};

/// What a user of the library brings.
pub(in crate::runtime) struct Parts<S, T, M> {
    pub(in crate::runtime) storage: S,
    pub(in crate::runtime) transport: T,
    pub(in crate::runtime) state_machine: M,
}

/// Opens the storage, and starts every thread.
///
/// # Errors
/// When a part cannot be used. No thread is left running.
pub(in crate::runtime) fn start<S, T, M>(
    builder: NodeBuilder,
    parts: Parts<S, T, M>,
) -> Result<Machinery<M::Response>, StartError>
where
    S: Storage,
    T: Transport,
    M: StateMachine,
{
    // What it limits is checked where a command is proposed.
    let NodeBuilder {
        config,
        timing,
        seed,
        max_command_bytes: _,
        max_in_flight: _,
        max_in_flight_bytes: _,
        max_backlog_bytes,
        window,
        room,
        compaction,
        recording,
        cluster,
        blanks,
        image_rate,
        image_write_rate,
    } = builder;
    let Parts { mut storage, transport, mut state_machine } = parts;
    let id = config.id;
    let span = tracing::info_span!("node", %id);
    let entered = span.clone().entered();
    let cluster = opening::check_transport(&transport, &config, cluster)?;
    let asked = Asked { server: id, cluster, servers: (*config.servers).clone() };
    let Opened { persistent, registry, floor, images, newer } = opening::open(&mut storage, asked)?;
    let room = Arc::new(RoomWatch::new(room));
    let looks = look_at_start(&mut storage, &room)?;
    let base = persistent.log().base();
    log::info!(
        term = persistent.current_term(),
        base_index = base.last_index,
        last_log_index = persistent.log().last_index(),
        "starting"
    );
    let counters = Arc::new(Counters::new(config.peers()));
    let transport: Arc<dyn Transport> = Arc::new(transport);
    let ways: BTreeMap<ServerId, Box<dyn ParcelLink>> =
        config.peers().filter_map(|peer| Some((peer, transport.parcels(peer)?))).collect();
    // Without the bytes of an image, there is none, and it has to come from a peer.
    let helped = !ways.is_empty();
    let image_bytes =
        restore_at_start(&mut state_machine, images.as_deref(), base, &counters, helped)?;
    let lacks_image = image_bytes.is_none();

    let recording = match recording {
        Some(recording) => {
            let out = recording.open()?;
            let recorder = Recorder::new();
            recorder.record(Line::Start {
                format: FORMAT,
                config: config.clone(),
                persistent: persistent.clone(),
                floor,
            });
            let thread = recorder.clone();
            let handle = spawn("recorder", move || thread.run(out))?;
            Some((recorder, handle))
        }
        None => None,
    };
    let recorder = recording.as_ref().map(|(recorder, _)| recorder.clone());

    let peers: Vec<ServerId> = config.peers().collect();
    let (shortest, longest) = (*timing.election().start(), *timing.election().end());
    let servers = config.servers.clone();
    let (driver, mut started) = Driver::<Server>::start(config, persistent, floor, timing);
    let driver = driver.with_window(window);
    // Done above: a state machine that cannot be restored is an error of the start.
    started.restore = None;
    let standing = driver.standing();
    let mut compactor = Compactor::new(compaction, base, image_bytes.unwrap_or(0));
    if let Some(newer) = newer {
        compactor.found(newer.name.base.last_index, newer.bytes);
    }
    let desk = images.map(|place| Arc::new(ImageDesk::new(place)));
    if let Some(desk) = &desk {
        desk.is_lacking.store(lacks_image, Ordering::Release);
    }
    let refusal = desk.is_none().then_some(CompactError::NoPlace);
    let outlets = Outlets::new(peers.iter().copied(), counters.clone(), standing, desk.clone());
    outlets.given.store(base.last_index, Ordering::Release);
    let outlets = Arc::new(outlets);
    let identities = Arc::new(Identities::new(registry));
    let arrived = Arc::new(Mailbox::new(Arrived::default()));
    let transfers = desk.clone().filter(|_| !peers.is_empty()).map(|desk| {
        let disconnecting = transport.clone();
        let disconnect = Box::new(move |peer| disconnecting.disconnect(peer));
        let ways = ways.keys().copied();
        let telling = arrived.clone();
        let hand = move |comparison| {
            telling.put(|arrived| arrived.errands.push(Errand::Compared(comparison)));
        };
        let digests = DigestDesk::new(id, servers.len(), hand);
        Arc::new(Transfers::new(desk, ways, image_rate, counters.clone(), disconnect, digests))
    });
    let shared = Arc::new(Shared {
        life: Arc::default(),
        arrived,
        gate: Arc::new(Gate::new()),
        noticeboard: outlets.noticeboard.clone(),
        outlets,
        counters,
        identities: identities.clone(),
        room: room.clone(),
        longest_election: longest,
        transfers: transfers.clone(),
        transport,
    });
    let mut random = match seed {
        Some(seed) => StdRng::seed_from_u64(seed),
        None => rand::make_rng(),
    };
    let disconnecting = shared.clone();
    let errands = Errands {
        disconnect: Box::new(move |peer| disconnecting.transport.disconnect(peer)),
        readmissions: Vec::new(),
    };
    let run = random.random();
    let mut server_loop = ServerLoop {
        driver,
        clock: Clock::new(random),
        arrived: shared.arrived.clone(),
        gate: shared.gate.clone(),
        outlets: shared.outlets.clone(),
        counters: shared.counters.clone(),
        recorder: recorder.clone(),
        write_here: None,
        identities: identities.clone(),
        errands,
        watch: Watch::new(longest),
        shown: BTreeMap::new(),
        stops: false,
        logged: Logged::new(),
        blanks,
        room: room.clone(),
        compacting: Compacting::new(compactor, refusal),
        max_backlog_bytes,
    };
    // A recording is a file, whatever the storage is.
    let may_block = storage.may_block() || recorder.is_some();
    let mut writer = Writer {
        storage,
        gate: shared.gate.clone(),
        arrived: shared.arrived.clone(),
        outlets: shared.outlets.clone(),
        counters: shared.counters.clone(),
        recorder,
        identities: identities.clone(),
        floor,
        batches: 0,
        room: room.clone(),
        looks,
    };

    // From here on, dropping it ends what was started.
    let mut machinery = Machinery::new(shared.clone(), recording);
    let front = Front {
        identities,
        arrived: shared.arrived.clone(),
        counters: shared.counters.clone(),
        patience: shortest,
        transfers: transfers.clone(),
        said_that_none_travel: AtomicBool::new(false),
    };
    shared.transport.start(Inbox::new(id, servers, front))?;
    drop(entered);
    for peer in peers {
        let (outbox, link) = (shared.outlets.outboxes[&peer].clone(), shared.transport.link(peer));
        machinery.spawn("sender", &span, move |_| outbox.run(link))?;
    }
    let telling = transfers.clone();
    if let Some(transfers) = transfers {
        for (peer, way) in ways {
            let carrier = Carrier::new(transfers.clone(), peer, way);
            machinery.spawn("carrier", &span, move |_| carrier.run())?;
        }
        if lacks_image {
            match newer {
                // One that came in an earlier life.
                Some(newer) => {
                    shared.outlets.jobs.put(|work| work.spare = Some(newer.name.base));
                }
                None => transfers.want(base.last_index),
            }
        }
        let fetcher = Fetcher::new(transfers, surroundings(&shared), run);
        machinery.spawn("fetcher", &span, move |_| fetcher.run())?;
    }
    let mut application = Application::new(
        state_machine,
        base,
        shared.counters.clone(),
        desk.clone(),
        shared.arrived.clone(),
    )
    .telling(telling);
    if lacks_image {
        application = application.lacking_its_image();
    }
    machinery.spawn("application", &span, move |shared| {
        if let Err(error) = application.run(&shared.outlets.jobs) {
            shared.stop(StopReason::Restore(Arc::new(error)));
        }
    })?;
    if let Some(desk) = desk {
        machinery.spawn("images", &span, move |shared| {
            let ends = || shared.life.check().is_err();
            let (arrived, counters) = (&shared.arrived, &shared.counters);
            desk.run(arrived, counters, image_write_rate, &ends);
        })?;
    }
    if may_block {
        machinery.spawn("disk", &span, move |shared| shared.stop_on_failure(writer.run()))?;
    } else {
        let shared = shared.clone();
        server_loop.write_here = Some(Box::new(move || shared.stop_on_failure(writer.run_once())));
    }
    machinery.spawn("server", &span, move |_| server_loop.run(started))?;
    Ok(machinery)
}

/// What the thread that fetches images needs of the others.
fn surroundings<R: Send + 'static>(shared: &Arc<Shared<R>>) -> Surroundings {
    let (arrived, noticeboard) = (shared.arrived.clone(), shared.noticeboard.clone());
    let outlets = shared.outlets.clone();
    let hand = move |message: InstallSnapshot| {
        let from = message.leader_id;
        // A node that has stopped has no use for it.
        let _ = arrived.put(|arrived| arrived.add(from, Message::InstallSnapshot(message), 0));
    };
    Surroundings {
        hand: Box::new(hand),
        commit_index: Box::new(move || noticeboard.read().commit_index),
        whole: Box::new(move |image| {
            outlets.jobs.put(|work| work.spare = Some(image.base));
        }),
    }
}
