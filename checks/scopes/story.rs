//! Moves made one after the other: what left, and where each led.

use stateright::{Expectation, Model, Path};
use veraft_models::moves::Followed;
use veraft_models::{
    Action, Bounds, Cluster, ClusterState, Environment, Impossible, Judge, Letter, Move, Stuck,
};

use crate::scopes;
use crate::scopes::trace::{self, Step};

/// A cluster that is led through moves. Nothing is bounded or reduced in it: whatever some
/// search made of a cluster can be made here.
pub struct Teller {
    cluster: Cluster,
    story: Story,
}

/// What happened to a cluster, from its first boot.
#[derive(Clone, Debug)]
pub struct Story {
    /// The state before the first scene.
    pub start: ClusterState,
    /// What happened then, in order.
    pub scenes: Vec<Scene>,
}

/// One move and what came of it.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The move.
    pub happened: Move,
    /// The letters that left because of it.
    pub sent: Vec<Letter>,
    /// The state that it led to.
    pub after: ClusterState,
    /// The invariants that hold no longer, and did before.
    pub violates: Vec<&'static str>,
}

/// What matters to a story about a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// How many servers there are.
    pub servers: usize,
    /// See [`Environment::torn`].
    pub torn: bool,
    /// How many bytes of commands an AppendEntries carries at most: see
    /// [`Cluster::max_append_bytes`].
    pub max_append_bytes: usize,
    /// Whether servers compact their logs.
    pub compactions: bool,
    /// See [`Environment::vouched`].
    pub vouched: bool,
    /// Who looks at each step, if somebody does.
    pub judge: Option<&'static dyn Judge>,
}

impl Setting {
    /// That of `cluster`.
    pub fn of(cluster: &Cluster) -> Setting {
        Setting {
            servers: cluster.bounds.servers,
            torn: cluster.environment.torn,
            max_append_bytes: cluster.max_append_bytes(),
            compactions: cluster.bounds.compactions > 0,
            vouched: cluster.environment.vouched,
            judge: cluster.judge(),
        }
    }

    /// A cluster in which nothing is reduced.
    pub fn cluster(self) -> Cluster {
        let Setting { servers, torn, max_append_bytes, compactions, vouched, judge } = self;
        let compactions = u32::from(compactions);
        let bounds = Bounds { servers, terms: 1, entries: 1, restarts: 1, compactions };
        // Searches that reduce repeats have them with heartbeats.
        let environment = Environment { torn, vouched, repeats: false, ..scopes::PLAIN };
        let cluster = Cluster::new(bounds, environment).with_max_append_bytes(max_append_bytes);
        match judge {
            Some(judge) => cluster.judged_by(judge),
            None => cluster,
        }
    }
}

impl Teller {
    /// A cluster of which nobody has heard.
    pub fn new(setting: Setting) -> Teller {
        let cluster = setting.cluster();
        let start = cluster.init_states().remove(0);
        Teller { cluster, story: Story { start, scenes: Vec::new() } }
    }

    /// What happened so far.
    pub fn story(&self) -> &Story {
        &self.story
    }

    /// All that happened.
    pub fn into_story(self) -> Story {
        self.story
    }

    /// Makes the next move.
    pub fn next(&mut self, happened: Move) -> Result<&Scene, Impossible> {
        let before = self.story.last();
        let Followed { sent, state: after } = self.cluster.follow(before, &happened)?;
        let sent = sent.iter().map(|letter| letter.value.clone()).collect();
        let violates = newly_violated(&self.cluster, before, &after);
        self.story.scenes.push(Scene { happened, sent, after, violates });
        Ok(self.story.scenes.last().expect("one was pushed just now"))
    }
}

/// The invariants that a step violates and that held before.
fn newly_violated(
    cluster: &Cluster,
    before: &ClusterState,
    after: &ClusterState,
) -> Vec<&'static str> {
    let invariants = cluster.properties().into_iter();
    let invariants = invariants.filter(|p| p.expectation == Expectation::Always);
    let newly = invariants.filter(|property| {
        let holds = |state| (property.condition)(cluster, state);
        holds(before) && !holds(after)
    });
    newly.map(|property| property.name).collect()
}

impl Story {
    /// Tells what `moves` lead to.
    pub fn tell(setting: Setting, moves: &[Move]) -> Result<Story, Stuck> {
        let mut teller = Teller::new(setting);
        for (step, next) in (1..).zip(moves) {
            teller.next(next.clone()).map_err(|why| Stuck { step, why })?;
        }
        Ok(teller.story)
    }

    /// The story of a path through `cluster`.
    pub fn of(cluster: &Cluster, path: Path<ClusterState, Action>) -> Story {
        let path = path.into_vec();
        let scenes = path.windows(2).filter_map(|pair| match pair {
            [(before, Some(action)), (after, _)] => {
                let sent = cluster.sent(before, *action).iter();
                Some(Scene {
                    happened: (*action).into(),
                    sent: sent.map(|letter| letter.value.clone()).collect(),
                    after: after.clone(),
                    violates: newly_violated(cluster, before, after),
                })
            }
            _ => None,
        });
        Story { start: path[0].0.clone(), scenes: scenes.collect() }
    }

    /// The state after all that happened.
    pub fn last(&self) -> &ClusterState {
        self.before(self.scenes.len())
    }

    /// The state before scene `place`, from 0.
    pub fn before(&self, place: usize) -> &ClusterState {
        match place.checked_sub(1) {
            Some(previous) => &self.scenes[previous].after,
            None => &self.start,
        }
    }

    /// Each invariant that was violated, with the number of the step, from 1.
    pub fn violations(&self) -> impl Iterator<Item = (usize, &'static str)> + '_ {
        let scenes = (1..).zip(&self.scenes);
        scenes.flat_map(|(step, scene)| scene.violates.iter().map(move |name| (step, *name)))
    }

    /// The story in words.
    pub fn steps(&self) -> Vec<Step> {
        let step = |(place, scene): (usize, &Scene)| {
            trace::step(scene.happened.clone(), &scene.sent, self.before(place), &scene.after)
        };
        self.scenes.iter().enumerate().map(step).collect()
    }
}
