//! What the threads of a node know of the room in its store, and what follows from it.
//!
//! The disk thread looks; the server loop refuses commands, and compacts early.

use crate::runtime::std;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use std::vec::Vec;

use super::log;
use super::server_loop::ServerLoop;
use super::sync::{Mutex, lock};
use super::writer::{Failure, Writer};
use crate::driver::{RoomLevel, RoomLimits, weight};
use crate::figure2::{Payload, Record};
use crate::runtime::proposal::{ProposeError, Waiter};
use crate::runtime::stopped::StopReason;
use crate::runtime::storage::{Room, Storage, StorageError};

/// How large a log is at most, in bytes, from which it does not take long to give back what is
/// not needed: what is live is moved together, some 300 MiB a second.
const SMALL_LOG: u64 = 64 * 1024 * 1024;

/// How many bytes of room, the reserve included, it takes to make more: what is moved is written
/// before the place where it stood is given back.
const TO_MAKE_ROOM: u64 = 1024 * 1024;

/// Whether the store can be asked to give back what it can.
fn can_make_room(Room { free, reserve }: Room) -> bool {
    free.saturating_add(reserve) >= TO_MAKE_ROOM
}

/// What a compaction takes beside the bytes of an image.
const BESIDE_IMAGE: u64 = 4 * 1024 * 1024;

/// The room in the store of one node, as it was last seen.
#[derive(Debug, Default)]
pub(in crate::runtime) struct RoomWatch {
    limits: RoomLimits,
    seen: Mutex<Seen>,
}

/// None where the storage cannot tell.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    room: Option<Room>,
    level: RoomLevel,
    /// The worst that was told since there was plenty.
    told: RoomLevel,
}

/// When the disk thread looks how much room there is: the system is asked some times a second.
#[derive(Debug)]
pub(super) struct Looks {
    /// None where the storage cannot tell.
    last: Option<Instant>,
    /// The bytes that were written since.
    written: u64,
    /// Whether the store may have something to give back: the log has come to begin later, or there
    /// is less room than there was.
    wants_room: bool,
}

/// After which time it is asked again, and after how many bytes in any case.
const LOOK: Duration = Duration::from_millis(250);
const LOOK_BYTES: u64 = 1024 * 1024;

impl Looks {
    /// The storage was asked now, and could tell or not.
    pub(super) fn new(can_tell: bool) -> Looks {
        Looks { last: can_tell.then(Instant::now), written: 0, wants_room: false }
    }

    /// When to look if nothing is written.
    pub(super) fn next(&self) -> Option<Instant> {
        self.last.map(|last| last + LOOK)
    }

    pub(super) fn wrote(&mut self, records: &[Record]) {
        for record in records {
            match record {
                Record::Append { entries } => {
                    self.written += entries.iter().map(weight).sum::<u64>();
                }
                Record::Base(_) => self.wants_room = true,
                Record::Ballot { .. } | Record::Truncate { .. } => {}
            }
        }
    }

    /// Whether it is time.
    pub(super) fn is_due(&self) -> bool {
        self.last.is_some_and(|last| {
            self.wants_room || self.written >= LOOK_BYTES || last.elapsed() >= LOOK
        })
    }

    fn looked(&mut self) {
        (self.last, self.written) = (Some(Instant::now()), 0);
    }
}

impl RoomWatch {
    pub(super) fn new(limits: RoomLimits) -> RoomWatch {
        RoomWatch { limits, seen: Mutex::default() }
    }

    /// There is so much room; whether there is less than before, by a level. Each level is logged
    /// once until there is plenty again: a node that compacts comes and goes.
    pub(super) fn saw(&self, room: Room) -> bool {
        let mut seen = lock(&self.seen);
        let (before, told) = (seen.level, seen.told);
        let level = self.limits.level(before, room.free);
        let tells = if level == RoomLevel::Plenty { told != level } else { level > told };
        let told = if tells { level } else { told };
        *seen = Seen { room: Some(room), level, told };
        drop(seen);
        let (Room { free, reserve }, RoomLimits { scarce, full }) = (room, self.limits);
        if !tells {
            return level > before;
        }
        match level {
            RoomLevel::Plenty => log::info!(free, "there is room again where the store is"),
            RoomLevel::Scarce => log::warn!(
                free,
                scarce,
                full,
                "room is scarce where the store is: the log is compacted early. Make room"
            ),
            RoomLevel::Full => log::error!(
                free,
                full,
                reserve,
                "the store is full: commands are refused whenever it is. Make room"
            ),
        }
        level > before
    }

    pub(in crate::runtime) fn level(&self) -> RoomLevel {
        lock(&self.seen).level
    }

    pub(in crate::runtime) fn room(&self) -> Option<Room> {
        lock(&self.seen).room
    }

    /// What may enter the log of a node whose last image has so many bytes.
    fn admits(&self, image_bytes: impl FnOnce() -> u64) -> Admits {
        let Seen { room, level, told: _ } = *lock(&self.seen);
        match room.filter(|_| level == RoomLevel::Full) {
            None => Admits::All,
            Some(Room { free, reserve }) => {
                let needed = image_bytes().saturating_add(BESIDE_IMAGE);
                match free.saturating_add(reserve) >= needed {
                    true => Admits::Little { free },
                    false => Admits::Nothing { free },
                }
            }
        }
    }
}

/// Looks how much room there is before anything else is written; where there is little, the
/// storage gives back what an earlier life has left.
pub(super) fn look_at_start(
    storage: &mut impl Storage,
    watch: &RoomWatch,
) -> Result<Looks, StorageError> {
    let Some(room) = storage.room() else { return Ok(Looks::new(false)) };
    if watch.saw(room) && can_make_room(room) {
        storage.make_room()?;
        if let Some(room) = storage.room() {
            watch.saw(room);
        }
    }
    Ok(Looks::new(true))
}

impl<S: Storage, R> Writer<S, R> {
    /// Looks how much room there is. Where there is little, the store gives back what it can: once
    /// the log has come to begin later, and as there gets to be less, if that is soon done. What
    /// waits for the disk waits meanwhile.
    ///
    /// # Errors
    /// When the store cannot.
    pub(super) fn look(&mut self) -> Result<(), Failure<R>> {
        self.looks.looked();
        let Some(room) = self.storage.room() else { return Ok(()) };
        let small = self.counters.log_bytes.load(Ordering::Relaxed) <= SMALL_LOG;
        // Perhaps there is nothing to give back: not worth the reserve.
        self.looks.wants_room |= self.room.saw(room) && small && room.free >= TO_MAKE_ROOM;
        if self.room.level() == RoomLevel::Plenty {
            self.looks.wants_room = false;
        }
        if self.looks.wants_room && can_make_room(room) {
            self.looks.wants_room = false;
            self.make_room(room)?;
        }
        Ok(())
    }

    fn make_room(&mut self, before: Room) -> Result<(), Failure<R>> {
        let start = Instant::now();
        self.gate.write_begins();
        let made = self.storage.make_room();
        self.gate.write_ends();
        if let Err(error) = made {
            let reason = StopReason::Storage(Arc::new(error));
            return Err(Failure { reason, unreleased: Vec::new() });
        }
        if let Some(after) = self.storage.room() {
            log::info!(before = before.free, after = after.free, took = ?start.elapsed(), "made room");
            self.room.saw(after);
        }
        Ok(())
    }
}

/// What may enter the log.
enum Admits {
    All,
    /// What takes next to no room, and what a leader has accepted: it may have to be committed
    /// before anything can be compacted.
    Little {
        free: u64,
    },
    /// What is left on the disk, the reserve included, is what it takes to compact the log.
    Nothing {
        free: u64,
    },
}

/// What was proposed, and who waits for it.
type Proposals<R> = Vec<(Payload, Waiter<R>)>;

impl<R> ServerLoop<R> {
    fn admits(&self) -> Admits {
        self.room.admits(|| self.counters.image().map_or(0, |image| image.bytes))
    }

    /// Whether there is no room for entries of a leader.
    pub(super) fn has_no_room(&self) -> bool {
        matches!(self.admits(), Admits::Nothing { .. })
    }

    /// Fails what was proposed and has no room, if this server leads; the rest.
    pub(super) fn refuse_without_room(&self, proposals: Proposals<R>) -> Proposals<R> {
        let (free, small) = match self.admits() {
            Admits::Little { free } => (free, true),
            Admits::Nothing { free } => (free, false),
            Admits::All => return proposals,
        };
        if !self.server().is_leader() {
            return proposals;
        }
        let fits = |(_, waiter): &(Payload, Waiter<R>)| small && waiter.is_small();
        let (fit, others): (Vec<_>, Vec<_>) = proposals.into_iter().partition(fits);
        for (_, waiter) in others {
            waiter.fail(ProposeError::StoreFull { free, limit: self.room.limits.full });
        }
        fit
    }
}
