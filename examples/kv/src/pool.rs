//! The connections to the leader, on which a node forwards what its clients ask.
//!
//! A few for all clients, each used by one of them at a time: so that thousands of clients of a
//! follower are not thousands of connections of the leader.

use std::io::{self, ErrorKind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use veraft::figure2::ServerId;

use crate::upstream::Upstream;

/// How many there are at once, for light turns and for heavy ones: who waits for a heavy turn
/// keeps no light one waiting.
const LIGHT: usize = 32;
const HEAVY: usize = 8;

/// How many connections a node has to another one.
pub const MOST: usize = LIGHT + HEAVY;

/// Connections of either kind.
pub struct Pools {
    light: Pool,
    heavy: Pool,
}

impl Default for Pools {
    fn default() -> Self {
        Pools { light: Pool::new(LIGHT), heavy: Pool::new(HEAVY) }
    }
}

impl Pools {
    pub fn of(&self, light: bool) -> &Pool {
        if light { &self.light } else { &self.heavy }
    }
}

pub struct Pool {
    most: usize,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    used: usize,
    idle: Vec<Upstream>,
}

/// A connection in use. Dropped without [`Lent::give_back`], it is closed.
pub struct Lent<'a> {
    upstream: Upstream,
    place: Place<'a>,
}

/// One of the connections that may be in use.
struct Place<'a> {
    pool: &'a Pool,
}

impl Pool {
    fn new(most: usize) -> Pool {
        Pool { most, state: Mutex::default(), returned: Condvar::new() }
    }

    /// A connection to this node, once one may be used.
    ///
    /// # Errors
    /// When the time is over, or the node cannot be reached.
    pub fn lend(&self, leader: ServerId, address: &str, deadline: Instant) -> io::Result<Lent<'_>> {
        let mut state = self.lock();
        while state.used >= self.most {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::new(ErrorKind::TimedOut, "too many clients ask at once"));
            }
            let waited = self.returned.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.used += 1;
        // From here on, dropping it makes room.
        let place = Place { pool: self };
        while let Some(upstream) = state.idle.pop() {
            if upstream.leader == leader && upstream.is_alive() {
                return Ok(Lent { place, upstream });
            }
        }
        drop(state);
        Ok(Lent { upstream: Upstream::connect(leader, address, deadline)?, place })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A number and a list, each whole at every point where a thread can die.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent<'_> {
    pub fn upstream(&mut self) -> &mut Upstream {
        &mut self.upstream
    }

    /// What was asked on it was answered: others may use it.
    pub fn give_back(self) {
        let Lent { place, upstream } = self;
        place.pool.lock().idle.push(upstream);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.pool.lock().used -= 1;
        self.pool.returned.notify_one();
    }
}
