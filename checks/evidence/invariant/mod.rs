//! The invariant that is proved of the abstract system, tried on the code itself: worlds are drawn
//! at random that satisfy every lemma ([`sketch`]), reachable or not, and from each every possible
//! step is made. What is stepped is [`Server::step`] itself; what must hold behind the step are the
//! lemmas, the same formulas that solvers are told. `docs/proof.md` gives each lemma's reason.
//!
//! | file | what it is |
//! |---|---|
//! | `world.rs` | real servers and letters, and all that happened, as a state of the system |
//! | `universe.rs` | what there is in a world, in numbers |
//! | `events.rs` | what can happen, and the world after it |
//! | `sketch.rs` | worlds drawn at random |
//! | `drawing.rs` | of these: votes, leaders, the logs of terms, commits |
//! | `servers.rs` | servers |
//! | `letters.rs` | letters |
//! | `wild.rs` | what no world has, unless a lemma is left out |
//! | `nudge.rs` | one change, whatever it is |
//! | `assumed.rs` | lemmas that are to hold |
//! | `words.rs` | worlds in Raft's words |
//!
//! [`Server::step`]: veraft::figure2::Server::step

pub mod assumed;
#[cfg(test)]
mod census;
mod drawing;
pub mod events;
mod letters;
mod nudge;
mod servers;
pub mod sketch;
#[cfg(test)]
mod tests;
pub mod universe;
mod wild;
mod words;
pub mod world;

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestCaseError, TestError, TestRunner};
use serde::Serialize;
use veraft_models::properties::{ASSERTIONS, REFINEMENT};

use assumed::Assumed;
use events::{NoWorld, WorldEvent};
use world::World;

/// The name of the property.
pub const INDUCTIVE: &str = "Inductive invariant";

/// What was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Trials {
    /// Worlds drawn.
    pub worlds: u64,
    /// Steps made from them.
    pub steps: u64,
}

/// A step that leads out of the invariant, or a world in which it does not mean what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// What is broken.
    pub broken: &'static str,
    /// The world, in Raft's words.
    pub world: String,
    /// The step, if it takes one.
    pub event: Option<String>,
    /// The world after it, or what the assertion said that failed in it, or why the step is no
    /// sequence of actions.
    pub outcome: String,
}

/// Draws `worlds` worlds of `seed` that satisfy all of `assumed`, makes every step from each, and
/// tells of the smallest way out that shrinking finds.
pub fn check(assumed: &Assumed, worlds: u32, seed: u64) -> Result<Trials, Exit> {
    let consequences = Assumed::consequences();
    let leave = |world: &World| leave(world, assumed, &consequences);
    let steps = Cell::new(0);
    let found = Cell::new(None);
    let sketches = sketch::sketch(assumed.left_out());
    let outcome = TestRunner::new(config(worlds, seed)).run(&sketches, |sketch| {
        let world = sketch.world(assumed);
        match leave(&world) {
            Ok(made) => {
                steps.set(steps.get() + made);
                Ok(())
            }
            Err(exit) => {
                let reason = exit.broken;
                found.set(Some(exit));
                Err(TestCaseError::fail(reason))
            }
        }
    });
    match (outcome, found.into_inner()) {
        (Ok(()), _) => Ok(Trials { worlds: u64::from(worlds), steps: steps.get() }),
        (Err(TestError::Fail(_, sketch)), last) => {
            // The last one found need not be the smallest.
            let smallest = leave(&sketch.world(assumed)).err().or(last);
            Err(smallest.unwrap_or_else(|| Exit::of_the_drawing(format!("{sketch:?}"))))
        }
        (Err(TestError::Abort(reason)), _) => Err(Exit::of_the_drawing(reason.to_string())),
    }
}

fn config(worlds: u32, seed: u64) -> Config {
    Config {
        cases: worlds,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    }
}

impl Exit {
    fn of_the_drawing(outcome: String) -> Exit {
        Exit { broken: "the drawing", world: String::new(), event: None, outcome }
    }
}

/// Looks for a step out of `world`; counts the steps if there is none.
fn leave(world: &World, assumed: &Assumed, consequences: &Assumed) -> Result<u64, Exit> {
    let exit = |broken, event: Option<&WorldEvent>, outcome| Exit {
        broken,
        world: world.to_string(),
        event: event.map(WorldEvent::to_string),
        outcome,
    };
    // A drawing that is wrong about itself would try nothing.
    if let Some(broken) = assumed.broken(world).or_else(|| consequences.broken(world)) {
        return Err(exit(broken, None, String::new()));
    }
    let events = world.events();
    for event in &events {
        let next = world.after(event).map_err(|none| match none {
            NoWorld::Assertion(said) => exit(ASSERTIONS, Some(event), said),
            NoWorld::NoAction(why) => exit(REFINEMENT, Some(event), why),
        })?;
        if let Some(broken) = assumed.broken_since(world, &next) {
            return Err(exit(broken, Some(event), next.to_string()));
        }
    }
    Ok(events.len() as u64)
}

/// The names of the lemmas of the invariant without which the others are not kept, among `worlds`
/// worlds.
pub fn needed(worlds: u32, seed: u64) -> BTreeSet<&'static str> {
    let all = Assumed::invariant();
    all.names().filter(|name| check(&Assumed::without(name), worlds, seed).is_err()).collect()
}
