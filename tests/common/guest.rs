//! A node that only takes down what its transport tells it, for suites of transports.

#![allow(dead_code, reason = "each suite uses its own share")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use veraft::figure2::{Message, ServerId};
use veraft::runtime::{Closed, Inbox, ParcelRefused, Reception};

use crate::common::wait_until;

/// What a transport told its node.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Met(ServerId, Option<Vec<u8>>),
    RefusedBy(ServerId, String),
    Delivered(ServerId, Message),
}

/// A parcel that the node takes for none of a correct peer.
pub const GARBAGE: &[u8] = b"garbage";

/// Clones are the same node.
#[derive(Clone)]
pub struct Guest {
    id: ServerId,
    patience: Duration,
    state: Arc<Mutex<State>>,
    goes_on: Arc<Condvar>,
}

#[derive(Default)]
struct State {
    hello: Vec<u8>,
    events: Vec<Event>,
    parcels: Vec<(ServerId, Vec<u8>)>,
    /// Whom it refuses, and why.
    refuses: BTreeMap<ServerId, String>,
    /// Whether it takes no parcels at present.
    holds: bool,
}

impl Guest {
    /// A node that says `hello` and accepts everybody.
    pub fn new(id: u64, hello: &str) -> Guest {
        let state = State { hello: hello.into(), ..State::default() };
        let patience = Duration::from_millis(150);
        let (state, goes_on) = (Arc::new(Mutex::new(state)), Arc::default());
        Guest { id: ServerId(id), patience, state, goes_on }
    }

    pub fn with_patience(self, patience: Duration) -> Guest {
        Guest { patience, ..self }
    }

    /// Its inbox in a cluster of five.
    pub fn inbox(&self) -> Inbox {
        let servers: BTreeSet<ServerId> = (1..=5).map(ServerId).collect();
        Inbox::new(self.id, Arc::new(servers), self.clone())
    }

    pub fn refuse(&self, peer: u64, why: &str) {
        self.state.lock().unwrap().refuses.insert(ServerId(peer), why.to_string());
    }

    pub fn accept(&self, peer: u64) {
        self.state.lock().unwrap().refuses.remove(&ServerId(peer));
    }

    pub fn events(&self) -> Vec<Event> {
        self.state.lock().unwrap().events.clone()
    }

    pub fn happened(&self, event: &Event) -> bool {
        self.state.lock().unwrap().events.contains(event)
    }

    pub fn expect(&self, event: &Event) {
        wait_until(&format!("{event:?} at {}", self.id), || self.happened(event));
    }

    pub fn delivered(&self) -> Vec<(ServerId, Message)> {
        let delivered = |event| match event {
            Event::Delivered(from, message) => Some((from, message)),
            Event::Met(..) | Event::RefusedBy(..) => None,
        };
        self.events().into_iter().filter_map(delivered).collect()
    }

    /// The parcels that arrived, with the sender of each.
    pub fn parcels(&self) -> Vec<(ServerId, Vec<u8>)> {
        self.state.lock().unwrap().parcels.clone()
    }

    /// Takes no parcel until it is told to go on.
    pub fn hold_parcels(&self, hold: bool) {
        self.state.lock().unwrap().holds = hold;
        self.goes_on.notify_all();
    }
}

impl Reception for Guest {
    fn deliver(&self, from: ServerId, message: Message, _bytes: u64) -> Result<(), Closed> {
        self.state.lock().unwrap().events.push(Event::Delivered(from, message));
        Ok(())
    }

    fn deliver_parcel(&self, from: ServerId, parcel: Vec<u8>) -> Result<(), ParcelRefused> {
        let state = self.state.lock().unwrap();
        let mut state = self.goes_on.wait_while(state, |state| state.holds).unwrap();
        if parcel == GARBAGE {
            return Err(ParcelRefused::Garbage("it smells".into()));
        }
        state.parcels.push((from, parcel));
        Ok(())
    }

    fn hello(&self) -> Vec<u8> {
        self.state.lock().unwrap().hello.clone()
    }

    fn meet(&self, peer: ServerId, hello: Option<&[u8]>) -> Result<(), String> {
        let mut state = self.state.lock().unwrap();
        state.events.push(Event::Met(peer, hello.map(<[u8]>::to_vec)));
        state.refuses.get(&peer).cloned().map_or(Ok(()), Err)
    }

    fn refused_by(&self, peer: ServerId, why: &str) {
        let event = Event::RefusedBy(peer, why.to_string());
        self.state.lock().unwrap().events.push(event);
    }

    fn patience(&self) -> Duration {
        self.patience
    }
}
