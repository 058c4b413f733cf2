//! A cluster whose only property is that it recovers: any engine that searches a model can
//! search it, and what it finds is a path like any other.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stateright::{Model, Path, Property};
use veraft::figure2::Server;
use veraft_models::interned::hash_of;
use veraft_models::{
    Action, Cluster, ClusterState, Environment, LetterRef, LetterSets, Modelled, Move,
};

use super::calm::in_every_order;
use super::failure::Unrecovered;
use super::game::{Game, LostGame};
use super::{Settings, Tried};
use crate::engines::covering::Covering;
use crate::scopes::Scope;
use crate::scopes::story::{Setting, Story};
use crate::scopes::trace::{Narrate, Step};

/// From every state the cluster recovers.
pub const RECOVERY: &str = "Recovery";

/// A cluster whose only property is [`RECOVERY`].
pub struct Recovering<P: Modelled = Server> {
    cluster: Cluster<P>,
    /// What happens before the search begins.
    prefix: Vec<Move<P::Message>>,
    settings: Settings,
    played: Mutex<Played<P>>,
}

struct Played<P: Modelled> {
    game: Game<P>,
    /// The servers of all states, by their fingerprints.
    starts: HashSet<u64>,
    games: u64,
    most_rounds: u32,
}

impl Recovering {
    /// The cluster of `scope`, from whose states it is tried.
    pub fn new(scope: &Scope, settings: Settings) -> Recovering {
        // In the calm, drivers send again what is not acknowledged, with each heartbeat.
        let environment = Environment { repeats: false, ..scope.environment() };
        Recovering::of(scope.cluster(environment), scope.prefix(), settings)
    }
}

impl<P: Modelled> Recovering<P> {
    /// `cluster`, from whose states it is tried; `prefix` is what happened before the first.
    pub fn of(
        cluster: Cluster<P>,
        prefix: Vec<Move<P::Message>>,
        settings: Settings,
    ) -> Recovering<P> {
        let (game, starts) = (Game::default(), HashSet::new());
        let played = Mutex::new(Played { game, starts, games: 0, most_rounds: 0 });
        Recovering { cluster, prefix, settings, played }
    }

    /// What was tried so far.
    pub fn tried(&self) -> Tried {
        let played = self.played();
        let Settings { rounds, one_in, seed } = self.settings;
        Tried {
            starts: played.starts.len() as u64,
            played: played.games,
            positions: played.game.positions() as u64,
            moments: played.game.moments(),
            rounds,
            most_rounds: played.most_rounds,
            every_order: in_every_order(self.cluster.bounds.servers),
            one_in,
            seed,
            lost: None,
        }
    }

    /// Why the cluster does not recover from `state`, and what happens then; none if it does.
    pub fn lost(&self, state: &ClusterState<P>) -> Option<(Unrecovered, Vec<Move<P::Message>>)> {
        let lost = self.played().game.play(&self.cluster, state, self.settings.rounds).err();
        lost.map(|LostGame { failure, trail }| {
            let moves = trail.into_iter().map(Move::from);
            (failure, [Move::LoseAll].into_iter().chain(moves).collect())
        })
    }

    /// The steps of a path, silent ones among them where it needs them.
    pub fn way(
        &self,
        path: Path<ClusterState<P>, Action<LetterRef<P>>>,
    ) -> Vec<Action<LetterRef<P>>> {
        self.cluster.unfold(&path.into_actions()).actions
    }

    /// Nothing panics between two writes of what the lock guards.
    fn played(&self) -> MutexGuard<'_, Played<P>> {
        self.played.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recovers(&self, state: &ClusterState<P>) -> bool {
        let Settings { rounds, one_in, seed } = self.settings;
        // When the disks have written, the state is another, and begins a game itself.
        if state.visible.nodes.iter().any(|node| !node.pending.is_empty()) {
            return true;
        }
        let start = state.servers_fingerprint();
        let mut played = self.played();
        if !played.starts.insert(start) || hash_of(&(seed, start)) % one_in != 0 {
            return true;
        }
        played.games += 1;
        match played.game.play(&self.cluster, state, rounds) {
            Ok(rounds) => {
                played.most_rounds = played.most_rounds.max(rounds);
                true
            }
            Err(LostGame { .. }) => false,
        }
    }
}

/// Whether the servers recover is a matter of the visible part.
impl<P: Modelled> Covering for Recovering<P> {
    type Sets = LetterSets;

    fn is_antichain(&self) -> bool {
        self.cluster.environment.antichain
    }

    fn kin(&self, state: &ClusterState<P>) -> Option<u128> {
        Some(state.visible_fingerprint().0)
    }

    fn sets(&self, sets: &mut LetterSets, state: &ClusterState<P>, out: &mut Vec<u32>) {
        self.cluster.letter_sets(sets, state, out);
    }

    fn contains(&self, sets: &mut LetterSets, all: u32, part: u32) -> bool {
        self.cluster.set_contains(sets, all, part)
    }
}

impl<P: Modelled> Model for Recovering<P> {
    type State = ClusterState<P>;
    type Action = Action<LetterRef<P>>;

    fn init_states(&self) -> Vec<Self::State> {
        self.cluster.init_states()
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        self.cluster.actions(state, actions);
    }

    fn next_state(&self, state: &Self::State, action: Self::Action) -> Option<Self::State> {
        self.cluster.next_state(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(RECOVERY, Recovering::recovers)]
    }
}

impl Narrate for Recovering {
    /// The way to a state, and how it does not recover from there.
    fn narrate(&self, path: Path<ClusterState, Action>) -> Vec<Step> {
        let Some((_, recovery)) = self.lost(path.last_state()) else {
            return self.cluster.narrate(path);
        };
        let way = self.way(path).into_iter().map(Move::from);
        let moves: Vec<Move> = self.prefix.iter().cloned().chain(way).chain(recovery).collect();
        let story = Story::tell(Setting::of(&self.cluster), &moves);
        let mut steps = story.expect("what happened to one cluster can happen to another").steps();
        steps.split_off(self.prefix.len())
    }
}
