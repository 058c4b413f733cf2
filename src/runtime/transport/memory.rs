//! A network in memory that a test can disturb.

use crate::runtime::std;

use std::boxed::Box;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::vec::Vec;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Inbox, Link, Transport, TransportError};
use crate::figure2::{Message, ServerId};
use crate::runtime::sync::{Condvar, Mutex, lock};

/// How well a [`MemoryNetwork`] works. The default is perfect: nothing is lost, doubled or
/// late.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// How long a message travels, drawn evenly for each. Messages may so overtake each other.
    pub delay: RangeInclusive<Duration>,
    /// The share of messages that are lost, from 0 to 1.
    pub loss: f64,
    /// The share of messages that arrive twice, from 0 to 1.
    pub duplication: f64,
}

impl Default for Conditions {
    fn default() -> Self {
        Conditions { delay: Duration::ZERO..=Duration::ZERO, loss: 0.0, duplication: 0.0 }
    }
}

impl Conditions {
    fn are_perfect(&self) -> bool {
        self.delay.end().is_zero() && self.loss == 0.0 && self.duplication == 0.0
    }
}

/// A network between nodes of one process. Clones are the same network.
#[derive(Clone)]
pub struct MemoryNetwork {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    conditions: Conditions,
    random: StdRng,
    inboxes: BTreeMap<ServerId, Inbox>,
    disconnected: BTreeSet<ServerId>,
    cut: BTreeSet<(ServerId, ServerId)>,
    sent: BTreeMap<(ServerId, ServerId), u64>,
    /// What is under way, by the time of arrival.
    travelling: BinaryHeap<Reverse<Letter>>,
    letters: u64,
    /// Whether the thread that delivers late messages runs.
    carrier: bool,
}

/// A message under way. Ordered by arrival, then by age.
struct Letter {
    arrives: Instant,
    number: u64,
    from: ServerId,
    to: ServerId,
    message: Message,
}

impl Letter {
    fn key(&self) -> (Instant, u64) {
        (self.arrives, self.number)
    }
}

impl PartialEq for Letter {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Letter {}

impl PartialOrd for Letter {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Letter {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl MemoryNetwork {
    /// A perfect network; `seed` is for what is lost, doubled or late once conditions get
    /// worse.
    pub fn new(seed: u64) -> Self {
        let state = State {
            conditions: Conditions::default(),
            random: StdRng::seed_from_u64(seed),
            inboxes: BTreeMap::new(),
            disconnected: BTreeSet::new(),
            cut: BTreeSet::new(),
            sent: BTreeMap::new(),
            travelling: BinaryHeap::new(),
            letters: 0,
            carrier: false,
        };
        let shared = Shared { state: Mutex::new(state), changed: Condvar::new() };
        MemoryNetwork { shared: Arc::new(shared) }
    }

    /// The access of server `id` to this network. Each node needs a new one, also after a
    /// restart of the same server.
    pub fn transport(&self, id: ServerId) -> MemoryTransport {
        MemoryTransport { id, network: self.clone(), started: AtomicBool::new(false) }
    }

    /// Changes how well the network works, for messages sent from now on.
    ///
    /// # Panics
    /// When a share is not between 0 and 1, or the range of delays is empty.
    pub fn set_conditions(&self, conditions: Conditions) {
        let shares = [conditions.loss, conditions.duplication];
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "a share from 0 to 1");
        assert!(!conditions.delay.is_empty(), "an empty range of delays");
        lock(&self.shared.state).conditions = conditions;
    }

    /// Cuts `server` off: everything to and from it is lost, also what is under way.
    pub fn disconnect(&self, server: ServerId) {
        lock(&self.shared.state).disconnected.insert(server);
    }

    /// Undoes [`disconnect`](Self::disconnect).
    pub fn connect(&self, server: ServerId) {
        lock(&self.shared.state).disconnected.remove(&server);
    }

    /// Whether `server` is not [disconnected](Self::disconnect).
    pub fn is_connected(&self, server: ServerId) -> bool {
        !lock(&self.shared.state).disconnected.contains(&server)
    }

    /// Loses everything from `from` to `to`, in this direction only, also what is under way.
    pub fn cut(&self, from: ServerId, to: ServerId) {
        lock(&self.shared.state).cut.insert((from, to));
    }

    /// Undoes every [`cut`](Self::cut) and [`disconnect`](Self::disconnect).
    pub fn heal(&self) {
        let mut state = lock(&self.shared.state);
        state.cut.clear();
        state.disconnected.clear();
    }

    /// How many messages `from` has given to the network for `to`, lost ones included.
    pub fn sent(&self, from: ServerId, to: ServerId) -> u64 {
        lock(&self.shared.state).sent.get(&(from, to)).copied().unwrap_or(0)
    }

    /// How many messages all servers have given to the network, lost ones included.
    pub fn sent_in_all(&self) -> u64 {
        lock(&self.shared.state).sent.values().sum()
    }

    fn send(&self, from: ServerId, to: ServerId, messages: Vec<Message>) {
        let mut state = lock(&self.shared.state);
        *state.sent.entry((from, to)).or_default() += messages.len() as u64;
        if !state.passes(from, to) {
            return;
        }
        if state.conditions.are_perfect() {
            let inbox = state.inboxes.get(&to).cloned();
            drop(state);
            if let Some(inbox) = inbox {
                deliver(&inbox, from, messages);
            }
            return;
        }
        let now = Instant::now();
        for message in messages {
            state.post(now, from, to, message);
        }
        self.start_carrier(&mut state);
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Starts the thread that delivers late messages, once.
    fn start_carrier(&self, state: &mut State) {
        if state.carrier {
            return;
        }
        let weak = Arc::downgrade(&self.shared);
        let run = move || {
            while let Some(shared) = weak.upgrade() {
                shared.carry();
            }
        };
        let carrier = thread::Builder::new().name("memory network".into()).spawn(run);
        state.carrier = carrier.is_ok();
    }
}

fn deliver(inbox: &Inbox, from: ServerId, messages: Vec<Message>) {
    for message in messages {
        if let Err(refused) = inbox.deliver(from, message, 0) {
            tracing::debug!(%from, to = %inbox.id(), %refused, "message dropped");
            return;
        }
    }
}

impl State {
    fn passes(&self, from: ServerId, to: ServerId) -> bool {
        let connected = |server| !self.disconnected.contains(&server);
        connected(from) && connected(to) && !self.cut.contains(&(from, to))
    }

    /// Sends a message on its way: never, once or twice.
    fn post(&mut self, now: Instant, from: ServerId, to: ServerId, message: Message) {
        if self.random.random_bool(self.conditions.loss) {
            return;
        }
        let copies = 1 + usize::from(self.random.random_bool(self.conditions.duplication));
        for _ in 0..copies {
            let arrives = now + self.random.random_range(self.conditions.delay.clone());
            let message = message.clone();
            let letter = Letter { arrives, number: self.letters, from, to, message };
            self.letters += 1;
            self.travelling.push(Reverse(letter));
        }
    }

    /// The next letter that has arrived, unless its way is cut, and the inbox it is for.
    fn arrived(&mut self) -> Option<(Inbox, ServerId, Message)> {
        let now = Instant::now();
        while self.travelling.peek().is_some_and(|Reverse(letter)| letter.arrives <= now) {
            let Some(Reverse(letter)) = self.travelling.pop() else { break };
            let inbox = self.inboxes.get(&letter.to).cloned();
            if let Some(inbox) = inbox.filter(|_| self.passes(letter.from, letter.to)) {
                return Some((inbox, letter.from, letter.message));
            }
        }
        None
    }
}

impl Shared {
    /// Delivers what has arrived, then sleeps until the next arrival, for a short time at most:
    /// the thread looks now and then whether the network still exists.
    fn carry(&self) {
        const LOOK: Duration = Duration::from_millis(100);
        let mut state = lock(&self.state);
        while let Some((inbox, from, message)) = state.arrived() {
            drop(state);
            deliver(&inbox, from, Vec::from([message]));
            state = lock(&self.state);
        }
        let next = state.travelling.peek().map(|Reverse(letter)| letter.arrives);
        let left = next.map_or(LOOK, |next| next.saturating_duration_since(Instant::now()));
        drop(
            self.changed
                .wait_timeout(state, left.min(LOOK))
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

/// The access of one node to a [`MemoryNetwork`].
pub struct MemoryTransport {
    id: ServerId,
    network: MemoryNetwork,
    started: AtomicBool,
}

impl Transport for MemoryTransport {
    fn start(&self, inbox: Inbox) -> Result<(), TransportError> {
        let mut state = lock(&self.network.shared.state);
        if state.inboxes.contains_key(&self.id) {
            return Err(TransportError::InUse(self.id));
        }
        state.inboxes.insert(self.id, inbox);
        self.started.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn link(&self, peer: ServerId) -> Box<dyn Link> {
        Box::new(MemoryLink { from: self.id, to: peer, network: self.network.clone() })
    }

    fn close(&self) {
        if self.started.swap(false, Ordering::SeqCst) {
            let gone = lock(&self.network.shared.state).inboxes.remove(&self.id);
            drop(gone);
        }
    }

    fn join(&self) {}
}

struct MemoryLink {
    from: ServerId,
    to: ServerId,
    network: MemoryNetwork,
}

impl Link for MemoryLink {
    fn send(&mut self, messages: Vec<Message>) -> u64 {
        self.network.send(self.from, self.to, messages);
        0
    }

    fn try_send(&mut self, messages: Vec<Message>) -> Result<u64, Vec<Message>> {
        Ok(self.send(messages))
    }
}
