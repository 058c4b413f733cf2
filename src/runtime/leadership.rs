//! Who leads, and how the application hears of changes.

use crate::runtime::std;

use std::mem;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;

use super::machinery::life::Life;
use super::machinery::sync::{Condvar, Mutex, lock, wait};
use super::stopped::Stopped;
use crate::driver::{RoleName, Standing};
use crate::figure2::{ServerId, Term};

/// Who leads, as one server sees it. It may be outdated when it is read: another server may lead
/// a later term already. It is told once the server's own disk holds the term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leadership {
    /// The server's current term.
    pub term: Term,
    /// The server's role in that term.
    pub role: RoleName,
    /// The leader of that term, if known.
    pub leader: Option<ServerId>,
}

impl Leadership {
    /// What of a standing is told when it changes.
    fn of(standing: &Standing) -> Leadership {
        Leadership { term: standing.term, role: standing.role, leader: standing.leader }
    }
}

/// No leader is known, and the wait for one is over.
#[derive(Clone, Error)]
#[non_exhaustive]
pub enum NoLeader {
    /// Nobody was elected within the time given, or this node has not heard of it.
    #[error(
        "no leader within the time given: a majority of the servers must run and reach each other"
    )]
    TimedOut,
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// The changes of [`Leadership`] that one node sees; from
/// [`Node::leadership_changes`](super::Node::leadership_changes).
///
/// The first that it tells is what holds when it is asked. Whoever asks rarely is told the newest
/// only: no change is told late, but some that were over soon may be left out. It ends with the
/// node, and does not keep it running.
#[derive(Debug)]
pub struct LeadershipChanges {
    noticeboard: Arc<Noticeboard>,
    life: Arc<Life>,
    told: Option<Leadership>,
}

impl LeadershipChanges {
    pub(super) fn new(noticeboard: Arc<Noticeboard>, life: Arc<Life>) -> Self {
        LeadershipChanges { noticeboard, life, told: None }
    }

    /// Waits for the next change, for at most `timeout`; none if there is none.
    ///
    /// # Errors
    /// When the node has stopped.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Option<Leadership>, Stopped> {
        self.next_by(Some(timeout))
    }

    fn next_by(&mut self, timeout: Option<Duration>) -> Result<Option<Leadership>, Stopped> {
        let told = self.told;
        let next = |leadership| (Some(leadership) != told).then_some(leadership);
        let found = self.noticeboard.wait(&self.life, timeout, next)?;
        self.told = found.or(told);
        Ok(found)
    }
}

/// Waits for each next change; ends when the node stops.
impl Iterator for LeadershipChanges {
    type Item = Leadership;

    fn next(&mut self) -> Option<Leadership> {
        self.next_by(None).ok().flatten()
    }
}

/// Where the server stands, for all to read, and to wait for.
#[derive(Debug)]
pub(super) struct Noticeboard {
    standing: Mutex<Standing>,
    changed: Condvar,
}

impl Noticeboard {
    pub(super) fn new(standing: Standing) -> Self {
        Noticeboard { standing: Mutex::new(standing), changed: Condvar::new() }
    }

    pub(super) fn read(&self) -> Standing {
        *lock(&self.standing)
    }

    /// Shows where the server stands. One thread does at a time: whoever lets a step leave the
    /// gate.
    pub(super) fn show(&self, new: Standing) {
        let old = mem::replace(&mut *lock(&self.standing), new);
        if Leadership::of(&old) != Leadership::of(&new) {
            self.changed.notify_all();
        }
    }

    /// Wakes all who wait: the node has stopped.
    pub(super) fn close(&self) {
        // Whoever looked before the end must be asleep by now, or look again.
        drop(lock(&self.standing));
        self.changed.notify_all();
    }

    /// Waits until `wanted` finds something, for at most `timeout`.
    pub(super) fn wait<T>(
        &self,
        life: &Life,
        timeout: Option<Duration>,
        wanted: impl Fn(Leadership) -> Option<T>,
    ) -> Result<Option<T>, Stopped> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut standing = lock(&self.standing);
        loop {
            life.check()?;
            if let Some(found) = wanted(Leadership::of(&standing)) {
                return Ok(Some(found));
            }
            standing = match deadline {
                None => wait(&self.changed, standing),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(None);
                    }
                    let waited = self.changed.wait_timeout(standing, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}
