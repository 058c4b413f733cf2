//! A network in memory that a test can disturb.

mod access;
mod acquaintance;
mod parcels;

use crate::runtime::std;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fmt;
use std::ops::RangeInclusive;
use std::string::String;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::vec::Vec;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub use self::access::MemoryTransport;
use self::acquaintance::{Acquaintance, Lives};
use self::parcels::Closer;
use super::{Inbox, is_urgent};
use crate::figure2::{Message, ServerId};
use crate::runtime::machinery::log;
use crate::runtime::machinery::sync::{Condvar, Mutex, MutexGuard, lock};

/// How well a [`MemoryNetwork`] works. The default is perfect: nothing is lost, doubled or
/// late. There may be more of them one day: end what you write with `..Conditions::default()`.
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

impl fmt::Debug for MemoryNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryNetwork").finish_non_exhaustive()
    }
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    conditions: Conditions,
    random: StdRng,
    /// The nodes that are there, each with the number of its life.
    inboxes: BTreeMap<ServerId, (Inbox, u64)>,
    lives: u64,
    acquaintances: BTreeMap<Lives, Acquaintance>,
    disconnected: BTreeSet<ServerId>,
    cut: BTreeSet<(ServerId, ServerId)>,
    sent: BTreeMap<(ServerId, ServerId), u64>,
    /// The bytes of commands in what was sent.
    sent_bytes: BTreeMap<(ServerId, ServerId), u64>,
    /// How many bytes a second pass on a way, where that is limited.
    rates: BTreeMap<(ServerId, ServerId), u64>,
    /// Until when a limited way is taken.
    taken: BTreeMap<(ServerId, ServerId), Instant>,
    /// What is under way, by the time of arrival.
    travelling: BinaryHeap<Reverse<Letter>>,
    letters: u64,
    /// Whether the thread that delivers late messages runs.
    carrier: bool,
    /// What ends the parcels of each life under way.
    parcels: BTreeMap<u64, Vec<Closer>>,
}

/// A message under way. Ordered by arrival, then by age.
struct Letter {
    arrives: Instant,
    number: u64,
    from: Sender,
    to: ServerId,
    message: Message,
}

/// A node in one of its lives.
#[derive(Clone, Copy)]
struct Sender {
    id: ServerId,
    life: u64,
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
            lives: 0,
            acquaintances: BTreeMap::new(),
            disconnected: BTreeSet::new(),
            cut: BTreeSet::new(),
            sent: BTreeMap::new(),
            sent_bytes: BTreeMap::new(),
            rates: BTreeMap::new(),
            taken: BTreeMap::new(),
            travelling: BinaryHeap::new(),
            letters: 0,
            carrier: false,
            parcels: BTreeMap::new(),
        };
        let shared = Shared { state: Mutex::new(state), changed: Condvar::new() };
        MemoryNetwork { shared: Arc::new(shared) }
    }

    /// The access of server `id` to this network. Each node needs a new one, also after a
    /// restart of the same server.
    pub fn transport(&self, id: ServerId) -> MemoryTransport {
        MemoryTransport { id, network: self.clone(), life: Arc::default() }
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

    /// Lets so many bytes of commands a second pass from `from` to `to`, at least 1; none for as many
    /// as there are. What is [urgent](is_urgent) passes what waits.
    pub fn limit(&self, from: ServerId, to: ServerId, bytes_per_second: Option<u64>) {
        let mut state = lock(&self.shared.state);
        match bytes_per_second {
            Some(rate) => state.rates.insert((from, to), rate.max(1)),
            None => state.rates.remove(&(from, to)),
        };
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

    /// How many bytes of commands `from` has given to the network for `to`, lost ones included.
    pub fn sent_bytes(&self, from: ServerId, to: ServerId) -> u64 {
        lock(&self.shared.state).sent_bytes.get(&(from, to)).copied().unwrap_or(0)
    }

    /// Whether this node has not closed.
    fn has(&self, node: Sender) -> bool {
        let state = lock(&self.shared.state);
        state.inboxes.get(&node.id).is_some_and(|(_, life)| *life == node.life)
    }

    /// Sends messages; the nodes may have to meet first, which may take a while. Tells when the
    /// last of them has left.
    fn send(&self, from: Sender, to: ServerId, messages: Vec<Message>) -> Option<Instant> {
        self.pass_on(lock(&self.shared.state), from, to, messages)
    }

    /// Sends a message, or gives it back if the nodes have to meet first, or it takes its time.
    fn try_send(&self, from: Sender, to: ServerId, message: Message) -> Result<(), Message> {
        let state = lock(&self.shared.state);
        let at_once = state.passes(from.id, to) && state.are_perfect(from.id, to);
        let meets = at_once && state.next_step(from, to) == Step::Introduce;
        if meets || state.rates.contains_key(&(from.id, to)) && !is_urgent(&message) {
            return Err(message);
        }
        self.pass_on(state, from, to, [message]);
        Ok(())
    }

    fn pass_on(
        &self,
        mut state: MutexGuard<'_, State>,
        from: Sender,
        to: ServerId,
        messages: impl IntoIterator<Item = Message, IntoIter: ExactSizeIterator>,
    ) -> Option<Instant> {
        let messages = messages.into_iter();
        *state.sent.entry((from.id, to)).or_default() += messages.len() as u64;
        if !state.passes(from.id, to) {
            return None;
        }
        if state.are_perfect(from.id, to) {
            let count = |message: Message| {
                *state.sent_bytes.entry((from.id, to)).or_default() += command_bytes(&message);
                message
            };
            let messages: Vec<Message> = messages.map(count).collect();
            self.shared.bring(state, from, to, messages);
            return None;
        }
        let now = Instant::now();
        let left = messages.map(|message| state.post(now, from, to, message)).max();
        self.start_carrier(&mut state);
        drop(state);
        self.shared.changed.notify_one();
        left
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

/// What is to be done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Deliver,
    /// The two nodes have to meet first.
    Introduce,
    /// Another thread lets the two nodes meet, and delivers what waits for that.
    Wait,
    Lose,
}

/// The bytes of commands in a message.
fn command_bytes(message: &Message) -> u64 {
    match message {
        Message::AppendEntries(request) => {
            request.entries.iter().map(|entry| entry.bytes() as u64).sum()
        }
        Message::RequestVote(_)
        | Message::RequestVoteReply(_)
        | Message::AppendEntriesReply(_)
        | Message::InstallSnapshot(_) => 0,
    }
}

fn deliver(inbox: &Inbox, from: ServerId, messages: impl IntoIterator<Item = Message>) {
    for message in messages {
        if let Err(refused) = inbox.deliver(from, message, 0) {
            log::debug!(%from, to = %inbox.id(), %refused, "message dropped");
            return;
        }
    }
}

impl State {
    /// Forgets whom the node of `life` has met, which is gone; but what it has under way may
    /// still reach those that are there.
    fn forget(&mut self, life: u64) {
        let there: BTreeSet<u64> = self.inboxes.values().map(|(_, life)| *life).collect();
        self.acquaintances.retain(|lives, acquaintance| match lives.other_than(life) {
            Some(other) => matches!(acquaintance, Acquaintance::Met) && there.contains(&other),
            None => true,
        });
    }

    fn passes(&self, from: ServerId, to: ServerId) -> bool {
        let connected = |server| !self.disconnected.contains(&server);
        connected(from) && connected(to) && !self.cut.contains(&(from, to))
    }

    /// What to do with a message of `from` that has reached `to`. A node that is gone may have
    /// letters under way; they pass if it had met the receiver.
    fn next_step(&self, from: Sender, to: ServerId) -> Step {
        let Some((_, life)) = self.inboxes.get(&to) else { return Step::Lose };
        let lives = Lives::of(from.life, *life);
        let alive = self.inboxes.get(&from.id).is_some_and(|(_, life)| *life == from.life);
        match self.acquaintances.get(&lives) {
            Some(Acquaintance::Met) => Step::Deliver,
            Some(Acquaintance::Meeting { .. }) => Step::Wait,
            Some(Acquaintance::Refused { again, .. }) if Instant::now() < *again => Step::Lose,
            Some(Acquaintance::Refused { .. }) | None if alive => Step::Introduce,
            Some(Acquaintance::Refused { .. }) | None => Step::Lose,
        }
    }

    /// Sends a message on its way: never, once or twice. Tells when it has left.
    fn post(&mut self, now: Instant, from: Sender, to: ServerId, message: Message) -> Instant {
        *self.sent_bytes.entry((from.id, to)).or_default() += command_bytes(&message);
        let left = self.leaves(now, from, to, &message);
        if self.random.random_bool(self.conditions.loss) {
            return left;
        }
        let copies = 1 + usize::from(self.random.random_bool(self.conditions.duplication));
        for _ in 0..copies {
            let arrives = left + self.random.random_range(self.conditions.delay.clone());
            let message = message.clone();
            let letter = Letter { arrives, number: self.letters, from, to, message };
            self.letters += 1;
            self.travelling.push(Reverse(letter));
        }
        left
    }

    fn are_perfect(&self, from: ServerId, to: ServerId) -> bool {
        self.conditions.are_perfect() && !self.rates.contains_key(&(from, to))
    }

    /// When a message has left that is sent now.
    fn leaves(&mut self, now: Instant, from: Sender, to: ServerId, message: &Message) -> Instant {
        let Some(&rate) = self.rates.get(&(from.id, to)).filter(|_| !is_urgent(message)) else {
            return now;
        };
        let taken = self.taken.entry((from.id, to)).or_insert(now);
        let takes = command_bytes(message) as f64 / rate as f64;
        *taken = now.max(*taken) + Duration::from_secs_f64(takes);
        *taken
    }

    /// The next letter that has arrived, unless its way is cut.
    fn arrived(&mut self) -> Option<Letter> {
        let now = Instant::now();
        while self.travelling.peek().is_some_and(|Reverse(letter)| letter.arrives <= now) {
            let Some(Reverse(letter)) = self.travelling.pop() else { break };
            if self.passes(letter.from.id, letter.to) {
                return Some(letter);
            }
        }
        None
    }
}

impl Shared {
    /// Delivers messages that have reached `to`, once the two nodes have met.
    fn bring(
        &self,
        mut state: MutexGuard<'_, State>,
        from: Sender,
        to: ServerId,
        messages: impl IntoIterator<Item = Message>,
    ) {
        let Some((inbox, life)) = state.inboxes.get(&to).cloned() else { return };
        let lives = Lives::of(from.life, life);
        let addressed = |message| (to, message);
        match state.next_step(from, to) {
            Step::Lose => {}
            Step::Deliver => {
                drop(state);
                deliver(&inbox, from.id, messages);
            }
            Step::Wait => {
                if let Some(Acquaintance::Meeting { waiting, said: _, anew: _ }) =
                    state.acquaintances.get_mut(&lives)
                {
                    waiting.extend(messages.into_iter().map(addressed));
                }
            }
            Step::Introduce => {
                let Some((sender, _)) = state.inboxes.get(&from.id).cloned() else { return };
                let said = match state.acquaintances.remove(&lives) {
                    Some(Acquaintance::Refused { again: _, why }) => Some(why),
                    Some(Acquaintance::Met | Acquaintance::Meeting { .. }) | None => None,
                };
                let waiting = messages.into_iter().map(addressed).collect();
                state
                    .acquaintances
                    .insert(lives, Acquaintance::Meeting { waiting, said, anew: false });
                drop(state);
                let met = acquaintance::introduce(&sender, &inbox);
                self.after_meeting(lives, [sender, inbox], met);
            }
        }
    }

    /// Notes how two nodes have met, and delivers what waited for it.
    fn after_meeting(&self, lives: Lives, nodes: [Inbox; 2], met: Result<(), String>) {
        loop {
            let mut state = lock(&self.state);
            // Nothing is there any more if one of them has closed.
            let Some(acquaintance) = state.acquaintances.get_mut(&lives) else { return };
            let Acquaintance::Meeting { waiting, said, anew } = acquaintance else { return };
            if *anew {
                state.acquaintances.remove(&lives);
                return;
            }
            if let Err(why) = met {
                let new = said.as_ref() != Some(&why);
                *acquaintance = Acquaintance::refused(why.clone());
                drop(state);
                return match new {
                    true => log::warn!("{why}"),
                    false => log::debug!("{why}"),
                };
            }
            let waiting = std::mem::take(waiting);
            if waiting.is_empty() {
                *acquaintance = Acquaintance::Met;
                return;
            }
            drop(state);
            for (to, message) in waiting {
                let [one, other] = &nodes;
                let (from, to) = if to == one.id() { (other, one) } else { (one, other) };
                deliver(to, from.id(), [message]);
            }
        }
    }

    /// Delivers what has arrived, then sleeps until the next arrival, for a short time at most:
    /// the thread looks now and then whether the network still exists.
    fn carry(&self) {
        const LOOK: Duration = Duration::from_millis(100);
        let mut state = lock(&self.state);
        while let Some(Letter { from, to, message, .. }) = state.arrived() {
            self.bring(state, from, to, [message]);
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
