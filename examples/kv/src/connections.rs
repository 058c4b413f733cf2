//! Who is connected, and how many may be.

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::pool;
use crate::service::Shared;

/// How many connections may wait, beyond the clients, to prove that they are from nodes.
const UNPROVEN: usize = 64;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Client,
    /// Another node forwards. However many clients there are, they leave room for these.
    Node,
    /// It came when there were as many clients as there may be: it must prove to be from a node.
    Unproven,
}

pub struct Connections {
    most: Counts,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    clients: usize,
    nodes: usize,
    unproven: usize,
}

impl Counts {
    fn of(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Client => &mut self.clients,
            Kind::Node => &mut self.nodes,
            Kind::Unproven => &mut self.unproven,
        }
    }
}

#[derive(Default)]
struct State {
    next: u64,
    open: BTreeMap<u64, (Kind, Arc<TcpStream>)>,
    counts: Counts,
    threads: Vec<JoinHandle<()>>,
}

/// The connections that there may be beside those of clients, in a cluster of so many nodes.
pub fn beside_clients(servers: usize) -> usize {
    // Twice: those of a node that has died may still look open when it comes back.
    2 * pool::MOST * servers.saturating_sub(1) + UNPROVEN
}

impl Connections {
    /// For so many clients, in a cluster of so many nodes.
    pub fn new(clients: usize, servers: usize) -> Connections {
        let nodes = beside_clients(servers) - UNPROVEN;
        let most = Counts { clients, nodes, unproven: UNPROVEN };
        Connections { most, state: Mutex::default() }
    }

    pub fn clients(&self) -> usize {
        self.lock().counts.clients
    }

    pub fn all(&self) -> usize {
        self.lock().open.len()
    }

    pub fn shut_down(&self, how: Shutdown) {
        for (_, stream) in self.lock().open.values() {
            // A client that is gone already is what is wanted.
            let _ = stream.shutdown(how);
        }
    }

    /// Remembers the thread of a connection, and forgets those that have ended.
    pub fn add_thread(&self, thread: JoinHandle<()>) {
        let mut state = self.lock();
        // Seldom enough that it costs little for each.
        if state.threads.len() >= 2 * state.open.len().max(8) {
            state.threads.retain(|thread| !thread.is_finished());
        }
        state.threads.push(thread);
    }

    pub fn take_threads(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut self.lock().threads)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Counts, a map and a list: whole at every point where a thread can die.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a connection, until it is dropped, also by a panic; the connection then ends.
pub struct Place {
    shared: Arc<Shared>,
    number: u64,
}

impl Place {
    /// A place for a new connection; none if there is none left.
    pub fn take(shared: &Arc<Shared>, stream: &Arc<TcpStream>) -> Option<Place> {
        let Connections { most, state: _ } = &shared.connections;
        let mut state = shared.connections.lock();
        let kind = match state.counts {
            counts if counts.clients < most.clients => Kind::Client,
            counts if counts.unproven < most.unproven => Kind::Unproven,
            _ => return None,
        };
        let number = state.next;
        state.next += 1;
        *state.counts.of(kind) += 1;
        state.open.insert(number, (kind, stream.clone()));
        Some(Place { shared: shared.clone(), number })
    }

    /// Tells connections apart; never the same twice.
    pub fn number(&self) -> u64 {
        self.number
    }

    pub fn kind(&self) -> Kind {
        let state = self.shared.connections.lock();
        state.open.get(&self.number).map_or(Kind::Client, |(kind, _)| *kind)
    }

    /// The connection is from another node; whether there is a place for it as such.
    pub fn becomes_node(&self) -> bool {
        let connections = &self.shared.connections;
        let mut state = connections.lock();
        let State { open, counts, .. } = &mut *state;
        let Some((kind, _)) = open.get_mut(&self.number) else { return false };
        if *kind != Kind::Node && counts.nodes >= connections.most.nodes {
            return false;
        }
        *counts.of(*kind) -= 1;
        *kind = Kind::Node;
        counts.nodes += 1;
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.shared.connections.lock();
        if let Some((kind, stream)) = state.open.remove(&self.number) {
            *state.counts.of(kind) -= 1;
            // A client that is gone already is what is wanted.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
