//! The environment: a cluster of actors, and everything that can happen to it.
//!
//! * **Network**: the set of every message sent and not yet dead. Each may be delivered any
//!   number of times, in any order, or never: loss, duplication, delay and reordering at once.
//! * **Timers** fire at any time while they run.
//! * **Restarts** have a budget: a server comes back with what its disk folds to. Downtime
//!   needs no state of its own, for it looks like delay.
//! * **Compactions** have a budget: a server's log begins behind any index that its state machine
//!   was given, for a driver may keep some entries behind its image, or be slow to write it.
//! * **Repeats**: a leader sends its peers again what they have not acknowledged, at any time; and
//!   ahead, where that is asked for, what stands behind.
//! * **Torn steps**, where they are asked for: the disk takes its time for each record while the
//!   server goes on, messages wait for the records before them as far as they have to, and a
//!   restart can fall between any two. In other steps the disk has written before anything else
//!   happens.

use serde::{Deserialize, Serialize};
use stateright::actor::{Actor, Out};
use stateright::{Model, Path, Property};
use veraft::figure2::{Index, Role, Server, ServerId, Term, Timer};

use crate::actor::{COMMAND_BYTES, Proposes, Raft, actor_id};
use crate::covers::LetterSet;
use crate::effects::{Effect, Stimulus};
use crate::history::{Event, History};
use crate::judge::Judge;
use crate::known::{Met, WorkedOut, recall};
use crate::letters::{Letter, Shared};
use crate::mail::{Mail, Sending};
use crate::modelled::{LetterRef, Modelled};
use crate::moves::Move;
use crate::node::ModelNode;
use crate::orbit::{Ref, Renaming, Table};
use crate::properties;
use crate::state::{ClusterState, Visible};
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
    /// How many times a server compacts its log, in all.
    #[serde(default)]
    pub compactions: u32,
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
    /// Whoever waits for an image may be given any other one up to which a leader of the term has
    /// said that its log is committed: drivers take what is there. See `images.rs`.
    #[serde(default)]
    pub vouched: bool,
    /// Leaders send again what is not acknowledged to one peer at a time, at any moment; otherwise to
    /// all with each heartbeat. That comes to the same: it changes nothing but the network, and a
    /// letter more only gives abilities (see `saturation.rs`), so whatever can happen behind a
    /// heartbeat or a repeat can behind both.
    #[serde(default)]
    pub repeats: bool,
    /// Leaders send entries ahead, behind any that a peer has not acknowledged: whatever the window
    /// is.
    #[serde(default)]
    pub pipelines: bool,
    /// What leaves its node as it is, is done at once: see `saturation.rs`.
    #[serde(default)]
    pub saturation: bool,
    /// Of states that differ in their letters alone, only those are looked at whose letters are
    /// no part of another's: see `covers.rs`.
    #[serde(default)]
    pub antichain: bool,
    /// How many commands an AppendEntries carries at most, at least one; none for as many as
    /// there are. A blank takes half the room of a command.
    pub batch: Option<usize>,
}

impl Environment {
    /// Renamed servers and dead letters reduced, no torn steps, no blanks, single proposals to
    /// leaders, images of leaders alone, repeats with heartbeats, nothing
    /// sent ahead, batches of any size.
    pub const REDUCED: Environment = Environment {
        symmetry: true,
        keep_dead_letters: false,
        audit: false,
        torn: false,
        blanks: false,
        proposals: false,
        vouched: false,
        repeats: false,
        pipelines: false,
        saturation: false,
        antichain: false,
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
    pub(crate) prefix: Vec<Move<P::Message>>,
    keeps_depth: bool,
    draw: Option<Draw<P>>,
    pub(crate) renamings: Vec<Renaming>,
    pub(crate) nodes: Table<ModelNode<P>>,
    pub(crate) letters: Table<Letter<P::Message>>,
    pub(crate) shared: Table<Shared>,
    pub(crate) events: Table<Event>,
    pub(crate) mail: Table<Mail<LetterRef<P>>>,
    pub(crate) sendings: Table<Sending<P>>,
    pub(crate) histories: Table<History>,
    pub(crate) sets: Table<LetterSet>,
    pub(crate) known: WorkedOut<P>,
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
    /// An image of the state machine as of this index is durable, and the server is told so.
    Compact(ServerId, Index),
    /// A leader sends again what a peer has not acknowledged.
    Repeat(ServerId, ServerId),
    /// A leader sends a peer what stands behind an index that it has not acknowledged.
    Pipeline(ServerId, ServerId, Index),
}

impl<M> Action<Ref<Letter<M>>> {
    pub(crate) fn parts(self) -> (ServerId, Stimulus<Ref<Letter<M>>>) {
        match self {
            Action::Deliver(letter) => (letter.to, Stimulus::Deliver(letter)),
            Action::Timeout(id, timer) => (id, Stimulus::Timeout(timer)),
            Action::Propose(id, proposes) => (id, Stimulus::Propose(proposes)),
            Action::Restart(id) => (id, Stimulus::Restart),
            Action::CarryOut(id) => (id, Stimulus::CarryOut),
            Action::Compact(id, last_index) => (id, Stimulus::Compact(last_index)),
            Action::Repeat(id, peer) => (id, Stimulus::Repeat(peer)),
            Action::Pipeline(id, peer, after) => (id, Stimulus::Pipeline(peer, after)),
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
            actor: Raft::of(bounds.servers, environment.max_append_bytes())
                .with_slow_disk(environment.torn),
            property: None,
            start: None,
            prefix: Vec::new(),
            keeps_depth: false,
            draw: None,
            renamings,
            nodes: Table::default(),
            letters: Table::default(),
            shared: Table::default(),
            events: Table::default(),
            mail: Table::default(),
            sendings: Table::default(),
            histories: Table::default(),
            sets: Table::default(),
            known: WorkedOut::default(),
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

    /// The same cluster, of which `judge` looks at every step.
    pub fn judged_by(mut self, judge: &'static dyn Judge<P>) -> Cluster<P> {
        self.actor.judge = Some(judge);
        self
    }

    /// Who looks at every step, if somebody does.
    pub fn judge(&self) -> Option<&'static dyn Judge<P>> {
        self.actor.judge
    }

    /// The same cluster, of which a search of maximal states is to find shortest paths.
    pub fn keeping_depth(mut self) -> Cluster<P> {
        self.keeps_depth = true;
        self
    }

    /// What happened before a search begins.
    pub fn prefix(&self) -> &[Move<P::Message>] {
        &self.prefix
    }

    /// Whether a search of maximal states is to find shortest paths.
    pub fn keeps_depth(&self) -> bool {
        self.keeps_depth
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
        let history = self.histories.intern(History::default(), &self.renamings);
        let nobody = self.mail.intern(Mail::default(), &self.renamings);
        let renamings = self.renamings.iter().take_while(|renaming| renaming.key() == 0).count();
        ClusterState {
            visible: Visible { nodes, history },
            mail: vec![nobody; self.bounds.servers],
            dropped: Vec::new(),
            renamings,
        }
    }

    /// The state in which a search begins, before any silent step.
    pub(crate) fn first(&self) -> ClusterState<P> {
        self.start.clone().unwrap_or_else(|| self.boot())
    }

    /// Lets every search begin at `state`, with all restarts and compactions still to come.
    pub(crate) fn begin_at(&mut self, mut state: ClusterState<P>) {
        let under_way: Vec<_> = state.letters().collect();
        self.lose_all(&mut state);
        for &sender in &state.visible.nodes.clone() {
            let letters = under_way.iter().copied().filter(|letter| letter.from == sender.id());
            let sending = self.sendings.intern(Sending::new(sender, letters.collect()), &[]);
            self.deliver(None, &mut state, sending, false, &mut Vec::new());
        }
        let mut history = state.visible.history.value.clone();
        history.restarts = 0;
        history.compactions = 0;
        history.committed_after_restart = false;
        state.visible.history = self.histories.intern(history, &self.renamings);
        self.start = Some(state);
    }

    /// Every letter under way is lost.
    pub(crate) fn lose_all(&self, state: &mut ClusterState<P>) {
        state.mail.fill(self.mail.intern(Mail::default(), &self.renamings));
        state.dropped.clear();
    }

    /// The same cluster with fingerprints of 128 bits beside those of 64.
    pub fn wide(mut self) -> Cluster<P> {
        let second = self.renamings.iter().map(Renaming::with_second_key).collect::<Vec<_>>();
        self.renamings.extend(second);
        self
    }

    /// How many distinct nodes, letters, events and effects were met.
    pub fn sizes(&self) -> [usize; 4] {
        let effects = self.known.effects.len();
        [self.nodes.len(), self.letters.len(), self.events.len(), effects]
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
        self.effect(None, state.node(id), stimulus).sent()
    }

    /// Turns the state before a step into the one behind it.
    pub(crate) fn apply(
        &self,
        met: Option<&Met<P>>,
        state: &mut ClusterState<P>,
        stimulus: Stimulus<LetterRef<P>>,
        effect: &'static Effect<P>,
    ) {
        let id = effect.node.id();
        let mut may = Vec::new();
        let changed = effect.node != state.node(id);
        if changed {
            state.replace(effect.node);
            // What is under way to it may mean less than before.
            for &other in self.actor.servers.iter().filter(|other| **other != id) {
                let sending = self.silent(met, state, other);
                self.join(met, state, id, sending);
            }
            may.push(id);
        }
        if changed || stimulus == Stimulus::Restart {
            state.visible.history = self.history(met, state.visible.history, stimulus, effect);
        }
        self.deliver(met, state, effect.sending, changed, &mut may);
        if self.environment.saturation {
            self.saturate(met, state, may);
        }
    }

    /// What has happened behind a step.
    fn history(
        &self,
        met: Option<&Met<P>>,
        before: Ref<History>,
        stimulus: Stimulus<LetterRef<P>>,
        effect: &'static Effect<P>,
    ) -> Ref<History> {
        let restarted = stimulus == Stimulus::Restart;
        let compacted = matches!(stimulus, Stimulus::Compact(_));
        let node = effect.node;
        let spent = u64::from(restarted) << 1 | u64::from(compacted);
        let key = u64::from(before.number()) << 34 | u64::from(node.number()) << 2 | spent;
        recall(met.map(|met| &met.histories), &self.known.histories, key, || {
            let mut history = before.value.clone();
            history.restarts += u32::from(restarted);
            history.compactions += u32::from(compacted);
            self.record(&mut history, node);
            self.histories.intern(history, &self.renamings)
        })
    }

    /// Remembers who leads, and what a step committed. What a leader commits it may say at once;
    /// of others, a commit whose records still wait has not happened for anybody else, but for
    /// what the state machine was given.
    fn record(&self, history: &mut History, node: Ref<ModelNode<P>>) {
        let server = node.server();
        let term = server.current_term();
        if server.is_leader() {
            let led = Event::Led { term, server: node.id() };
            if !history.led.iter().any(|event| event.value == led) {
                history.remember(self.events.intern(led, &self.renamings));
            }
        }
        let known = history.committed.len() as Index;
        let waits = !node.pending.is_empty() && !server.is_leader();
        let newly = if waits { node.handed() } else { server.volatile().commit_index };
        for index in known + 1..=newly {
            // A server with a bug may believe in a commit that its log does not reach.
            let Some(entry) = server.log().get(index).cloned() else { break };
            let committed = Event::Committed { index, entry, term };
            history.remember(self.events.intern(committed, &self.renamings));
            history.committed_after_restart |= history.restarts > 0;
        }
    }

    /// What can happen to a node beside letters and restarts.
    pub(crate) fn stimuli(&self, node: Ref<ModelNode<P>>) -> Vec<Stimulus<LetterRef<P>>> {
        let server = node.server();
        let within = |timer: &Timer| match timer {
            Timer::Election => server.current_term() < self.bounds.terms,
            Timer::Heartbeat => true,
        };
        let timers = node.timers.iter().copied().filter(within);
        let mut stimuli: Vec<_> = timers.map(Stimulus::Timeout).collect();
        let proposes = self.proposals(&node.value).into_iter().flatten();
        stimuli.extend(proposes.map(Stimulus::Propose));
        if !node.pending.is_empty() {
            stimuli.push(Stimulus::CarryOut);
        }
        if server.is_leader() && self.environment.repeats {
            stimuli.extend(server.config().peers().map(Stimulus::Repeat));
        }
        if let Role::Leader(leader) = &server.volatile().role
            && self.environment.pipelines
        {
            let last = server.log().last_index();
            let ahead = leader.next_index.iter().flat_map(|(&peer, &next)| {
                (next..last).map(move |after| Stimulus::Pipeline(peer, after))
            });
            stimuli.extend(ahead);
        }
        stimuli
    }

    /// To whom a leader sends things again when this timer fires.
    pub(crate) fn repeats_with(
        &self,
        timer: Timer,
        server: &Server,
    ) -> impl Iterator<Item = ServerId> + use<P> {
        let all = timer == Timer::Heartbeat && !self.environment.repeats;
        let peers: Vec<_> = server.config().peers().filter(|_| all).collect();
        peers.into_iter()
    }

    /// How server `id` may compact its log: behind whatever its state machine was given.
    pub(crate) fn compactions(
        &self,
        state: &ClusterState<P>,
        id: ServerId,
    ) -> impl Iterator<Item = Stimulus<LetterRef<P>>> + use<P> {
        let node = state.node(id);
        let budget = state.visible.history.compactions < self.bounds.compactions;
        let last = if budget && node.failed.is_none() { node.handed() } else { 0 };
        (1..=last).map(Stimulus::Compact)
    }

    /// Whether server `id` may crash.
    pub(crate) fn may_restart(&self, state: &ClusterState<P>, id: ServerId) -> bool {
        let budget = state.visible.history.restarts < self.bounds.restarts;
        budget && state.node(id).failed.is_none()
    }
}

impl<P: Modelled> Model for Cluster<P> {
    type State = ClusterState<P>;
    type Action = Action<LetterRef<P>>;

    fn init_states(&self) -> Vec<Self::State> {
        let mut state = self.first();
        if self.environment.saturation {
            self.saturate(None, &mut state, self.actor.servers.iter().copied().collect());
        }
        vec![state]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        let alive = |letter: &LetterRef<P>| state.node(letter.to).failed.is_none();
        actions.extend(state.letters().filter(alive).map(Action::Deliver));
        for &node in state.visible.nodes.iter().filter(|node| node.failed.is_none()) {
            let id = node.id();
            actions.extend(self.stimuli(node).into_iter().map(|stimulus| stimulus.at(id)));
            if self.may_restart(state, id) {
                actions.push(Action::Restart(id));
            }
            actions.extend(self.compactions(state, id).map(|stimulus| stimulus.at(id)));
        }
    }

    /// None if nothing comes of `action`, or if it is silent and has been taken already.
    fn next_state(&self, state: &Self::State, action: Self::Action) -> Option<Self::State> {
        let (id, stimulus) = action.parts();
        let node = state.node(id);
        let effect = self.effect(None, node, stimulus);
        let silent = effect.node == node && stimulus != Stimulus::Restart;
        if silent && (self.environment.saturation || effect.sent().is_empty()) {
            return None;
        }
        let mut next = state.clone();
        self.apply(None, &mut next, stimulus, effect);
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
        // Where nobody looks, nothing is said.
        let is_judged = self.actor.judge.is_some();
        let all = all.into_iter().filter(|p| is_judged || p.name != properties::REFINEMENT);
        all.filter(|p| self.property.as_ref().is_none_or(|only| only == p.name)).collect()
    }
}
