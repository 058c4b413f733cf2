//! Parcels in memory: a short queue for each pair of nodes, and a thread that carries them, so
//! that a receiver that takes none holds up its sender, and no message.

use crate::runtime::std;

use std::boxed::Box;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::vec::Vec;

use rand::RngExt;

use super::{MemoryNetwork, Sender, State, Step};
use crate::figure2::ServerId;
use crate::runtime::machinery::log;
use crate::runtime::machinery::sync::{Condvar, Mutex, lock, wait};
use crate::runtime::transport::{MAX_PARCEL, ParcelLink, Refused, Undelivered};

/// How many parcels are under way between two nodes at most.
const UNDER_WAY: usize = 8;

/// The way of parcels from one node to another.
pub(super) struct MemoryParcels {
    pub(super) id: ServerId,
    pub(super) life: Arc<AtomicU64>,
    pub(super) to: ServerId,
    pub(super) network: MemoryNetwork,
    queue: Option<Arc<Queue>>,
}

/// What is under way, in order.
struct Queue {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    parcels: VecDeque<(Instant, Vec<u8>)>,
    closed: bool,
}

impl MemoryParcels {
    pub(super) fn new(
        id: ServerId,
        life: Arc<AtomicU64>,
        to: ServerId,
        network: MemoryNetwork,
    ) -> Self {
        MemoryParcels { id, life, to, network, queue: None }
    }

    /// The queue, and a thread that empties it.
    fn queue(&mut self) -> Result<Arc<Queue>, Undelivered> {
        if let Some(queue) = &self.queue {
            return Ok(queue.clone());
        }
        let from = Sender { id: self.id, life: self.life.load(Ordering::SeqCst) };
        let queue =
            Arc::new(Queue { state: Mutex::new(Waiting::default()), changed: Condvar::new() });
        lock(&self.network.shared.state).parcels.entry(from.life).or_default().push(queue.closer());
        let carried = queue.clone();
        let (to, network) = (self.to, self.network.clone());
        let carry = move || {
            while let Some(parcel) = carried.next() {
                if let Err(refused) = network.bring_parcel(from, to, parcel) {
                    log::warn!(from = %from.id, %to, error = %refused, "connection closed");
                    lock(&carried.state).parcels.clear();
                    carried.changed.notify_all();
                }
            }
        };
        let carrier = thread::Builder::new().name("memory parcels".into()).spawn(carry);
        carrier.map_err(|_| Undelivered::NoConnection)?;
        self.queue = Some(queue.clone());
        Ok(queue)
    }
}

impl ParcelLink for MemoryParcels {
    fn send(&mut self, parcel: &[u8]) -> Result<u64, Undelivered> {
        if parcel.len() > MAX_PARCEL {
            return Err(Undelivered::TooLong(parcel.len()));
        }
        let queue = self.queue()?;
        let mut state = lock(&self.network.shared.state);
        if !state.passes(self.id, self.to) || !state.inboxes.contains_key(&self.to) {
            return Err(Undelivered::NoConnection);
        }
        let arrivals = state.post_parcel(Instant::now());
        drop(state);
        for arrives in arrivals {
            queue.put(arrives, parcel)?;
        }
        Ok(0)
    }
}

impl Drop for MemoryParcels {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            queue.close();
        }
    }
}

/// Ends a queue.
pub(super) type Closer = Box<dyn Fn() + Send>;

impl Queue {
    fn closer(self: &Arc<Self>) -> Closer {
        let queue = self.clone();
        Box::new(move || queue.close())
    }

    fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_all();
    }

    /// Waits for room.
    fn put(&self, arrives: Instant, parcel: &[u8]) -> Result<(), Undelivered> {
        let mut state = lock(&self.state);
        while !state.closed && state.parcels.len() >= UNDER_WAY {
            state = wait(&self.changed, state);
        }
        if state.closed {
            return Err(Undelivered::NoConnection);
        }
        // Parcels do not overtake each other.
        let arrives = state.parcels.back().map_or(arrives, |(last, _)| arrives.max(*last));
        state.parcels.push_back((arrives, parcel.into()));
        self.changed.notify_all();
        Ok(())
    }

    /// The next parcel, when it arrives.
    fn next(&self) -> Option<Vec<u8>> {
        let mut state = lock(&self.state);
        loop {
            let left = state
                .parcels
                .front()
                .map(|(arrives, _)| arrives.saturating_duration_since(Instant::now()));
            state = match left {
                _ if state.closed => return None,
                None => wait(&self.changed, state),
                Some(Duration::ZERO) => {
                    let (_, parcel) = state.parcels.pop_front()?;
                    self.changed.notify_all();
                    return Some(parcel);
                }
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl State {
    /// When a parcel arrives that is sent now: never, once or twice.
    fn post_parcel(&mut self, now: Instant) -> Vec<Instant> {
        if self.random.random_bool(self.conditions.loss) {
            return Vec::new();
        }
        let copies = 1 + usize::from(self.random.random_bool(self.conditions.duplication));
        let delay = self.random.random_range(self.conditions.delay.clone());
        Vec::from_iter((0..copies).map(|_| now + delay))
    }
}

impl MemoryNetwork {
    /// Delivers a parcel that has reached `to`, unless its way is cut by now or the nodes do not
    /// want each other.
    ///
    /// # Errors
    /// When the receiver does not take it.
    fn bring_parcel(&self, from: Sender, to: ServerId, parcel: Vec<u8>) -> Result<(), Refused> {
        /// How often to look whether two nodes have met that do so on another thread.
        const LOOK: Duration = Duration::from_millis(1);
        let mut state = lock(&self.shared.state);
        while state.passes(from.id, to) {
            match state.next_step(from, to) {
                Step::Introduce => self.shared.bring(state, from, to, []),
                Step::Wait => {
                    drop(state);
                    thread::sleep(LOOK);
                }
                Step::Deliver | Step::Lose => break,
            }
            state = lock(&self.shared.state);
        }
        let passes = state.passes(from.id, to) && state.next_step(from, to) == Step::Deliver;
        let inbox = state.inboxes.get(&to).filter(|_| passes).map(|(inbox, _)| inbox.clone());
        drop(state);
        inbox.map_or(Ok(()), |inbox| inbox.deliver_parcel(from.id, parcel))
    }
}
