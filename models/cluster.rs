//! The environment: a cluster of actors, and everything that can happen to it.
//!
//! * **Network**: the set of every message sent and not yet dead. Each may be delivered any
//!   number of times, in any order, or never: loss, duplication, delay and reordering at once.
//! * **Timers** fire at any time while they run.
//! * **Restarts** have a budget: a server comes back with what its disk folds to. Downtime
//!   needs no state of its own, for it looks like delay.
//! * **Torn steps**, where they are asked for: the disk takes its time for each record while the
//!   server goes on, messages wait for the records before them, and a restart can fall between
//!   any two.

use serde::{Deserialize, Serialize};
use stateright::actor::{Actor, Out};
use stateright::{Model, Path, Property};
use veraft::figure2::{Index, Server, ServerId, Term, Timer};

use crate::actor::{COMMAND_BYTES, Proposes, Raft, actor_id};
use crate::effects::{Effect, KnownEffects, Stimulus};
use crate::history::Event;
use crate::letters::{Letter, Shared};
use crate::modelled::{LetterRef, Modelled};
use crate::node::ModelNode;
use crate::orbit::{Lanes, Ref, Renaming, Table};
use crate::properties;
use crate::state::ClusterState;
use crate::successors::Effects;
use crate::words;

/// How far a search goes. What lies beyond is not claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// How the environment behaves, and which reductions are on. The results of searches and saved
/// traces hold it under the names of its fields; one that older traces lack has a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// One state stands for all renamings of its servers.
    pub symmetry: bool,
    /// Dead letters stay in the network.
    pub keep_dead_letters: bool,
    /// Dead letters are kept beside the state and tried again on every later state of the path.
    pub audit: bool,
    /// A step's records become durable one by one, each before the messages that wait for it.
    pub torn: bool,
    /// A leader without an entry of its own term may be given a blank, at any moment: drivers
    /// do so after an election.
    #[serde(default)]
    pub blanks: bool,
    /// Clients propose two commands at once, too, and to servers that do not lead.
    #[serde(default)]
    pub proposals: bool,
    /// How many commands an AppendEntries carries at most, at least one; none for as many as
    /// there are. A blank takes half the room of a command.
    pub batch: Option<usize>,
}

impl Environment {
    /// Every reduction, no torn steps, no blanks, single proposals to leaders, batches of any size.
    pub const REDUCED: Environment = Environment {
        symmetry: true,
        keep_dead_letters: false,
        audit: false,
        torn: false,
        blanks: false,
        proposals: false,
        batch: None,
    };

    /// How many bytes such a batch takes: see [`Raft::max_append_bytes`].
    pub fn max_append_bytes(&self) -> usize {
        self.batch.map_or(usize::MAX, |commands| commands.saturating_mul(COMMAND_BYTES))
    }
}

/// [`Environment::REDUCED`].
impl Default for Environment {
    fn default() -> Self {
        Environment::REDUCED
    }
}

/// A cluster of actors as a `stateright::Model`.
#[derive(Debug)]
pub struct Cluster<P: Modelled = Server> {
    /// How far the search goes.
    pub bounds: Bounds,
    /// How the environment behaves.
    pub environment: Environment,
    pub(crate) actor: Raft<P>,
    property: Option<String>,
    start: Option<ClusterState<P>>,
    draw: Option<Draw<P>>,
    pub(crate) renamings: Vec<Renaming>,
    pub(crate) nodes: Table<ModelNode<P>>,
    pub(crate) letters: Table<Letter<P::Message>>,
    pub(crate) shared: Table<Shared>,
    pub(crate) events: Table<Event>,
    pub(crate) effects: KnownEffects<P>,
}

/// Draws a path, as SVG.
pub type Draw<P = Server> = fn(&Cluster<P>, Path<ClusterState<P>, Action<LetterRef<P>>>) -> String;

/// What can happen to the cluster in one step. `L` is a reference to a letter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Action<L = Ref<Letter>> {
    /// A message arrives; it stays in the network and may arrive again.
    Deliver(L),
    /// A timer fires.
    Timeout(ServerId, Timer),
    /// A client proposes a command, or two at once, or the driver of a leader a blank.
    Propose(ServerId, Proposes),
    /// The server crashes and starts again from its disk.
    Restart(ServerId),
    /// The disk finishes a write, and the messages that waited for it leave.
    CarryOut(ServerId),
}

impl<M> Action<Ref<Letter<M>>> {
    pub(crate) fn parts(self) -> (ServerId, Stimulus<Ref<Letter<M>>>) {
        match self {
            Action::Deliver(letter) => (letter.to, Stimulus::Deliver(letter)),
            Action::Timeout(id, timer) => (id, Stimulus::Timeout(timer)),
            Action::Propose(id, proposes) => (id, Stimulus::Propose(proposes)),
            Action::Restart(id) => (id, Stimulus::Restart),
            Action::CarryOut(id) => (id, Stimulus::CarryOut),
        }
    }

    /// The server that it happens to.
    pub fn server(self) -> ServerId {
        self.parts().0
    }
}

impl Cluster {
    /// A cluster of servers of Figure 2 within `bounds`.
    pub fn new(bounds: Bounds, environment: Environment) -> Cluster {
        Cluster::of(bounds, environment)
    }
}

impl<P: Modelled> Cluster<P> {
    /// A cluster within `bounds`.
    pub fn of(bounds: Bounds, environment: Environment) -> Cluster<P> {
        let renamings = match environment.symmetry {
            true => Renaming::all(bounds.servers),
            false => vec![Renaming::identity(bounds.servers)],
        };
        Cluster {
            bounds,
            environment,
            actor: Raft::of(bounds.servers, environment.max_append_bytes()),
            property: None,
            start: None,
            draw: None,
            renamings,
            nodes: Table::default(),
            letters: Table::default(),
            shared: Table::default(),
            events: Table::default(),
            effects: KnownEffects::default(),
        }
    }

    /// The same cluster, in which an AppendEntries carries so many bytes of commands: for traces
    /// that were saved when bytes were counted.
    pub fn with_max_append_bytes(mut self, bytes: usize) -> Cluster<P> {
        self.actor.max_append_bytes = bytes;
        self
    }

    /// How many bytes of commands an AppendEntries carries at most.
    pub fn max_append_bytes(&self) -> usize {
        self.actor.max_append_bytes
    }

    /// The same cluster with the property called `name` alone, if one is named.
    pub fn only(mut self, name: Option<&str>) -> Cluster<P> {
        self.property = name.map(str::to_owned);
        self
    }

    /// The same cluster, whose paths stateright's Explorer shows as `draw` draws them.
    pub fn drawn_by(mut self, draw: Draw<P>) -> Cluster<P> {
        self.draw = Some(draw);
        self
    }

    /// The state in which every server starts for the first time.
    pub(crate) fn boot(&self) -> ClusterState<P> {
        let start = |id: &ServerId| {
            let mut out = Out::new();
            let replica = self.actor.on_start(actor_id(*id), &None, &mut out);
            self.nodes.intern(ModelNode::new(replica, out), &self.renamings)
        };
        let nodes = self.actor.servers.iter().map(start).collect();
        ClusterState::new(nodes, Lanes::zero(&self.renamings))
    }

    /// Lets every search begin at `state`, with all restarts still to come.
    pub(crate) fn begin_at(&mut self, mut state: ClusterState<P>) {
        let letters: Vec<_> = state.letters().collect();
        state.lose_all();
        letters.into_iter().for_each(|letter| self.send(None, &mut state, letter));
        state.restarts = 0;
        state.committed_after_restart = false;
        self.start = Some(state);
    }

    /// The same cluster with fingerprints of 128 bits beside those of 64.
    pub fn wide(mut self) -> Cluster<P> {
        let second = self.renamings.iter().map(Renaming::with_second_key).collect::<Vec<_>>();
        self.renamings.extend(second);
        self
    }

    /// How many distinct nodes, letters, events and effects were met.
    pub fn sizes(&self) -> [usize; 4] {
        [self.nodes.len(), self.letters.len(), self.events.len(), self.effects.len()]
    }

    /// What `node` may be asked to append.
    fn proposals(&self, node: &ModelNode<P>) -> [Option<Proposes>; 3] {
        let Environment { blanks, proposals, .. } = self.environment;
        let server = node.server();
        let (last_index, entries) = (server.log().last_index(), self.bounds.entries);
        // One that takes what it has to refuse is asked no more, so that its log has an end.
        let refuses = proposals && !server.is_leader() && node.replica.untrue_answer.is_none();
        let room = server.is_leader() && last_index < entries;
        let room_for_two = room && proposals && last_index + 1 < entries;
        let blank = room && blanks && server.log().last_term() < server.current_term();
        [
            (room || refuses).then_some(Proposes::Command),
            room_for_two.then_some(Proposes::TwoCommands),
            blank.then_some(Proposes::Blank),
        ]
    }

    /// The messages that leave a server when `action` happens in `state`.
    pub fn sent(
        &self,
        state: &ClusterState<P>,
        action: Action<LetterRef<P>>,
    ) -> &'static [LetterRef<P>] {
        let (id, stimulus) = action.parts();
        &self.effect(None, state.node(id), stimulus).sent
    }

    /// What `action` does in `state`, if it does anything.
    pub(crate) fn change(
        &self,
        memo: Option<&Effects<P>>,
        state: &ClusterState<P>,
        action: Action<LetterRef<P>>,
    ) -> Option<&'static Effect<P>> {
        let (id, stimulus) = action.parts();
        let node = state.node(id);
        let effect = self.effect(memo, node, stimulus);
        let restarted = stimulus == Stimulus::Restart;
        (effect.node != node || !effect.sent.is_empty() || restarted).then_some(effect)
    }

    /// Turns the state before `action` into the one behind it.
    pub(crate) fn apply(
        &self,
        memo: Option<&Effects<P>>,
        state: &mut ClusterState<P>,
        action: Action<LetterRef<P>>,
        effect: &'static Effect<P>,
    ) {
        let (id, stimulus) = action.parts();
        state.restarts += u32::from(stimulus == Stimulus::Restart);
        if effect.node != state.node(id) {
            state.replace(effect.node);
            self.reconsider(memo, state, id);
            self.record(state, effect.node);
        }
        for &letter in &effect.sent {
            self.send(memo, state, letter);
        }
    }

    /// Remembers who leads, and what a step committed. A commit whose records still wait has
    /// not happened for anybody else.
    fn record(&self, state: &mut ClusterState<P>, node: Ref<ModelNode<P>>) {
        let server = node.server();
        let term = server.current_term();
        if server.is_leader() {
            let led = Event::Led { term, server: node.id() };
            if !state.led.iter().any(|event| event.value == led) {
                let led = self.events.intern(led, &self.renamings);
                state.remember(led);
            }
        }
        let known = state.committed.len() as Index;
        let waits = !node.pending.is_empty();
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

impl<P: Modelled> Model for Cluster<P> {
    type State = ClusterState<P>;
    type Action = Action<LetterRef<P>>;

    fn init_states(&self) -> Vec<Self::State> {
        vec![self.start.clone().unwrap_or_else(|| self.boot())]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        let alive = |letter: &LetterRef<P>| state.node(letter.to).failed.is_none();
        actions.extend(state.letters().filter(alive).map(Action::Deliver));
        for node in &state.nodes {
            let id = node.id();
            if node.failed.is_some() {
                continue;
            }
            let server = node.server();
            for &timer in &node.timers {
                let within = match timer {
                    Timer::Election => server.current_term() < self.bounds.terms,
                    Timer::Heartbeat => true,
                };
                if within {
                    actions.push(Action::Timeout(id, timer));
                }
            }
            let proposes = self.proposals(node).into_iter().flatten();
            actions.extend(proposes.map(|proposes| Action::Propose(id, proposes)));
            if !node.pending.is_empty() {
                actions.push(Action::CarryOut(id));
            }
            if state.restarts < self.bounds.restarts {
                actions.push(Action::Restart(id));
            }
        }
    }

    fn next_state(&self, state: &Self::State, action: Self::Action) -> Option<Self::State> {
        let effect = self.change(None, state, action)?;
        let mut next = state.clone();
        self.apply(None, &mut next, action, effect);
        Some(next)
    }

    fn format_action(&self, action: &Self::Action) -> String {
        action.to_string()
    }

    fn format_step(&self, state: &Self::State, action: Self::Action) -> Option<String> {
        self.next_state(state, action).map(|next| words::difference(state, &next))
    }

    fn as_svg(&self, path: Path<Self::State, Self::Action>) -> Option<String> {
        self.draw.map(|draw| draw(self, path))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = properties::of(&self.bounds, &self.environment);
        match self.start {
            Some(_) => all.push(properties::logs_agree()),
            None => all.extend(properties::partly_held(&self.bounds, &self.environment)),
        }
        let all = all.into_iter();
        all.filter(|p| self.property.as_ref().is_none_or(|only| only == p.name)).collect()
    }
}
