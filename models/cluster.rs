//! The environment: a cluster of actors, and everything that can happen to it.
//!
//! * **Network**: the set of every message sent and not yet dead. Each may be delivered any
//!   number of times, in any order, or never: loss, duplication, delay and reordering at once.
//! * **Timers** fire at any time while they run.
//! * **Restarts** have a budget: a server comes back with what its disk folds to. Downtime
//!   needs no state of its own, for it looks like delay.
//! * **Torn steps**, where they are asked for: what a step owes to disk and network is carried
//!   out one by one, while the server goes on, and a restart can fall between any two.

use std::fmt;

use dashmap::DashMap;
use stateright::actor::{Actor, Out};
use stateright::{Model, Property};
use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use veraft::figure2::{Index, ServerId, Term, Timer};

use crate::actor::{Raft, actor_id};
use crate::dead_letters;
use crate::history::{Event, Letter};
use crate::node::{Duty, Node};
use crate::orbit::{Lanes, Ref, Renaming, Table, hash_of};
use crate::properties;

/// How far a search goes. What lies beyond is not claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Servers in the cluster; at least 1.
    pub servers: usize,
    /// No election starts a term above this; at least 1.
    pub terms: Term,
    /// No leader with this many entries in its log is given another.
    pub entries: Index,
    /// How many restarts there are in all.
    pub restarts: u32,
}

/// How the environment behaves, and which reductions are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Environment {
    /// One state stands for all renamings of its servers.
    pub symmetry: bool,
    /// Dead letters stay in the network.
    pub keep_dead_letters: bool,
    /// Dead letters are kept beside the state and tried again on every later state of the path.
    pub audit: bool,
    /// The duties of a step are carried out one by one.
    pub torn: bool,
    /// See [`Raft::max_append_bytes`].
    pub max_append_bytes: usize,
}

impl Default for Environment {
    fn default() -> Self {
        Environment {
            symmetry: true,
            keep_dead_letters: false,
            audit: false,
            torn: false,
            max_append_bytes: usize::MAX,
        }
    }
}

/// A cluster of actors as a `stateright::Model`.
#[derive(Debug)]
pub struct Cluster {
    /// How far the search goes.
    pub bounds: Bounds,
    /// How the environment behaves.
    pub environment: Environment,
    actor: Raft,
    renamings: Vec<Renaming>,
    nodes: Table<Node>,
    letters: Table<Letter>,
    events: Table<Event>,
    effects: DashMap<(Ref<Node>, Stimulus), &'static Effect>,
}

/// What can happen to the cluster in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A message arrives; it stays in the network and may arrive again.
    Deliver(Ref<Letter>),
    /// A timer fires.
    Timeout(ServerId, Timer),
    /// A client proposes a command.
    Propose(ServerId),
    /// The server crashes and starts again from its disk.
    Restart(ServerId),
    /// The disk or the network carries out the first duty that waits.
    CarryOut(ServerId),
}

/// What a node reacts to: an action, without the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stimulus {
    Deliver(Ref<Letter>),
    Timeout(Timer),
    Propose,
    Restart,
    CarryOut,
}

/// What a stimulus does to a node: a function of the two, so it is computed once.
#[derive(Debug)]
struct Effect {
    node: Ref<Node>,
    sent: Vec<Ref<Letter>>,
}

/// The state of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterState {
    /// The servers, by id.
    pub nodes: Vec<Ref<Node>>,
    /// The messages that may still be delivered, ordered by fingerprint.
    pub network: Vec<Ref<Letter>>,
    /// Dead letters under audit: beside the state, outside its fingerprint.
    pub dropped: Vec<Ref<Letter>>,
    /// Who led which term.
    pub led: Vec<Ref<Event>>,
    /// What was committed, by index from 1.
    pub committed: Vec<Ref<Event>>,
    /// How many restarts there were.
    pub restarts: u32,
    /// Whether something was committed after a restart.
    pub committed_after_restart: bool,
    lanes: Lanes,
}

impl ClusterState {
    /// The state's name: equal for equal states and, under symmetry, for renamed ones. Two
    /// others share one with a probability of 2^-64.
    pub fn fingerprint(&self) -> u64 {
        let same_in_all_lanes = hash_of(&(self.restarts, self.committed_after_restart));
        self.lanes.smallest().wrapping_add(same_in_all_lanes)
    }

    /// The node of server `id`.
    pub fn node(&self, id: ServerId) -> Ref<Node> {
        self.nodes[id.0 as usize]
    }

    fn replace(&mut self, new: Ref<Node>) {
        let place = &mut self.nodes[new.id().0 as usize];
        self.lanes.remove(*place);
        self.lanes.add(new);
        *place = new;
    }

    fn remember(&mut self, event: Ref<Event>) {
        self.lanes.add(event);
        match event.value {
            Event::Led { .. } => self.led.push(event),
            Event::Committed { .. } => self.committed.push(event),
        }
    }
}

impl Hash for ClusterState {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.fingerprint());
    }
}

/// Puts `letter` in its place in a list ordered by fingerprint; false if it is there already.
fn insert(letters: &mut Vec<Ref<Letter>>, letter: Ref<Letter>) -> bool {
    match letters.binary_search_by_key(&letter.fingerprint(), |l| l.fingerprint()) {
        Ok(_) => false,
        Err(place) => {
            letters.insert(place, letter);
            true
        }
    }
}

impl Cluster {
    /// A cluster within `bounds`.
    pub fn new(bounds: Bounds, environment: Environment) -> Cluster {
        let renamings = match environment.symmetry {
            true => Renaming::all(bounds.servers),
            false => vec![Renaming::identity(bounds.servers)],
        };
        Cluster {
            bounds,
            environment,
            actor: Raft::cluster(bounds.servers, environment.max_append_bytes),
            renamings,
            nodes: Table::default(),
            letters: Table::default(),
            events: Table::default(),
            effects: DashMap::new(),
        }
    }

    /// How many servers are the smallest majority.
    pub fn majority(&self) -> usize {
        self.bounds.servers / 2 + 1
    }

    /// How many distinct nodes, letters, events and effects were met.
    pub fn sizes(&self) -> [usize; 4] {
        [self.nodes.len(), self.letters.len(), self.events.len(), self.effects.len()]
    }

    fn effect(&self, node: Ref<Node>, stimulus: Stimulus) -> &'static Effect {
        if let Some(known) = self.effects.get(&(node, stimulus)) {
            return *known;
        }
        let new = Box::leak(Box::new(self.react(node, stimulus)));
        *self.effects.entry((node, stimulus)).or_insert(new)
    }

    /// Asks the actor.
    fn react(&self, node: Ref<Node>, stimulus: Stimulus) -> Effect {
        let id = node.id();
        let me = actor_id(id);
        let mut replica = Cow::Borrowed(&node.replica);
        let mut next = node.value.clone();
        let mut out = Out::<Raft>::new();
        let sent = match stimulus {
            Stimulus::Restart => {
                let replica = self.actor.on_start(me, &Some(node.disk.clone()), &mut out);
                next.restart(replica, out)
            }
            Stimulus::CarryOut => next.carry_out(),
            Stimulus::Deliver(_) | Stimulus::Timeout(_) | Stimulus::Propose => {
                match stimulus {
                    Stimulus::Deliver(letter) => {
                        let Letter { from, to: _, message } = letter.value.clone();
                        self.actor.on_msg(me, &mut replica, actor_id(from), message, &mut out);
                    }
                    Stimulus::Timeout(timer) => {
                        next.timers.remove(&timer);
                        self.actor.on_timeout(me, &mut replica, &timer, &mut out);
                    }
                    _ => self.actor.on_random(me, &mut replica, &Raft::command_to(id), &mut out),
                }
                next.replica = replica.into_owned();
                next.interpret(out, self.environment.torn)
            }
        };
        let letter =
            |(to, message)| self.letters.intern(Letter { from: id, to, message }, &self.renamings);
        Effect {
            sent: sent.into_iter().map(letter).collect(),
            node: self.nodes.intern(next, &self.renamings),
        }
    }

    /// A letter joins the network, unless it is there or dead on arrival.
    fn send(&self, state: &mut ClusterState, letter: Ref<Letter>) {
        if self.may_drop(letter, state.node(letter.to)) {
            self.audit(state, letter);
        } else if insert(&mut state.network, letter) {
            state.lanes.add(letter);
        }
    }

    /// The letters to `receiver` that have died leave the network.
    fn drop_dead_letters(&self, state: &mut ClusterState, receiver: Ref<Node>) {
        let id = receiver.id();
        let mut network = std::mem::take(&mut state.network);
        network.retain(|&letter| {
            let dead = letter.to == id && self.may_drop(letter, receiver);
            if dead {
                state.lanes.remove(letter);
                self.audit(state, letter);
            }
            !dead
        });
        state.network = network;
    }

    /// That a letter is dead is itself a claim about the code, so it is delivered on trial, and
    /// dropped only if it changes nothing.
    fn may_drop(&self, letter: Ref<Letter>, receiver: Ref<Node>) -> bool {
        !self.environment.keep_dead_letters && dead_letters::is_dead(letter, receiver) && {
            let effect = self.effect(receiver, Stimulus::Deliver(letter));
            effect.node == receiver && effect.sent.is_empty()
        }
    }

    fn audit(&self, state: &mut ClusterState, letter: Ref<Letter>) {
        if self.environment.audit {
            insert(&mut state.dropped, letter);
        }
    }

    /// Remembers who leads, and what a step committed. A commit whose records still wait has
    /// not happened for anybody else.
    fn record(&self, state: &mut ClusterState, node: Ref<Node>) {
        let server = &node.replica.server;
        let term = server.current_term();
        if server.is_leader() {
            let led = Event::Led { term, server: node.id() };
            if !state.led.iter().any(|event| event.value == led) {
                let led = self.events.intern(led, &self.renamings);
                state.remember(led);
            }
        }
        let waits = node.pending.iter().any(|duty| matches!(duty, Duty::Save(_)));
        let known = state.committed.len() as Index;
        let newly = if waits { known } else { server.volatile().commit_index };
        for index in known + 1..=newly {
            // A server with a bug may believe in a commit that its log does not reach.
            let Some(entry) = server.log().get(index).cloned() else { break };
            let committed = Event::Committed { index, entry, term };
            state.remember(self.events.intern(committed, &self.renamings));
            state.committed_after_restart |= state.restarts > 0;
        }
    }
}

impl Model for Cluster {
    type State = ClusterState;
    type Action = Action;

    fn init_states(&self) -> Vec<ClusterState> {
        let mut lanes = Lanes::zero(&self.renamings);
        let start = |id: &ServerId| {
            let mut out = Out::new();
            let replica = self.actor.on_start(actor_id(*id), &None, &mut out);
            self.nodes.intern(Node::new(replica, out), &self.renamings)
        };
        let nodes: Vec<_> = self.actor.servers.iter().map(start).collect();
        nodes.iter().for_each(|&node| lanes.add(node));
        vec![ClusterState {
            nodes,
            network: Vec::new(),
            dropped: Vec::new(),
            led: Vec::new(),
            committed: Vec::new(),
            restarts: 0,
            committed_after_restart: false,
            lanes,
        }]
    }

    fn actions(&self, state: &ClusterState, actions: &mut Vec<Action>) {
        let letters = state.network.iter().chain(&state.dropped);
        actions.extend(letters.map(|&letter| Action::Deliver(letter)));
        for node in &state.nodes {
            let id = node.id();
            let server = &node.replica.server;
            for &timer in &node.timers {
                let within = match timer {
                    Timer::Election => server.current_term() < self.bounds.terms,
                    Timer::Heartbeat => true,
                };
                if within {
                    actions.push(Action::Timeout(id, timer));
                }
            }
            if server.is_leader() && server.log().last_index() < self.bounds.entries {
                actions.push(Action::Propose(id));
            }
            if !node.pending.is_empty() {
                actions.push(Action::CarryOut(id));
            }
            if state.restarts < self.bounds.restarts {
                actions.push(Action::Restart(id));
            }
        }
    }

    fn next_state(&self, state: &ClusterState, action: Action) -> Option<ClusterState> {
        let (id, stimulus) = match action {
            Action::Deliver(letter) => (letter.to, Stimulus::Deliver(letter)),
            Action::Timeout(id, timer) => (id, Stimulus::Timeout(timer)),
            Action::Propose(id) => (id, Stimulus::Propose),
            Action::Restart(id) => (id, Stimulus::Restart),
            Action::CarryOut(id) => (id, Stimulus::CarryOut),
        };
        let node = state.node(id);
        let effect = self.effect(node, stimulus);
        let restarted = matches!(action, Action::Restart(_));
        if effect.node == node && effect.sent.is_empty() && !restarted {
            return None;
        }
        let mut next = state.clone();
        next.restarts += u32::from(restarted);
        if effect.node != node {
            next.replace(effect.node);
            self.drop_dead_letters(&mut next, effect.node);
            self.record(&mut next, effect.node);
        }
        for &letter in &effect.sent {
            self.send(&mut next, letter);
        }
        Some(next)
    }

    fn format_action(&self, action: &Action) -> String {
        action.to_string()
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::of(&self.bounds)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
