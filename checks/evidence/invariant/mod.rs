//! An inductive invariant: a conjunction that implies Election Safety and Log Matching, holds at
//! the first boot, and is kept by every step from any world that satisfies it, reachable or not.
//! So it reaches past the bounds of every scope. `docs/invariant.md` gives each conjunct's
//! reason.
//!
//! There are too many small worlds to try them all, so worlds are drawn at random ([`sketch`]),
//! and from each every possible step is made. What is stepped is [`Server::step`] itself.
//!
//! [`Server::step`]: veraft::figure2::Server::step

pub mod conjuncts;
mod nudge;
pub mod sketch;
#[cfg(test)]
mod tests;
pub mod world;

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestCaseError, TestError, TestRunner};
use serde::Serialize;

use conjuncts::{CONCLUSIONS, CONJUNCTS, Conjunct, broken};
use world::{World, WorldEvent};

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
    /// The world after it, or what the assertion said that failed in it.
    pub outcome: String,
}

/// Draws `worlds` worlds of `seed` that satisfy all of `assumed`, makes every step from each, and
/// tells of the smallest way out that shrinking finds.
pub fn check(assumed: &[Conjunct], worlds: u32, seed: u64) -> Result<Trials, Exit> {
    let config = Config {
        cases: worlds,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    let steps = Cell::new(0);
    let found = Cell::new(None);
    let outcome = TestRunner::new(config).run(&sketch::sketch(), |sketch| {
        let world = sketch.world(assumed);
        match leave(&world, assumed) {
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
            let smallest = leave(&sketch.world(assumed), assumed).err().or(last);
            Err(smallest.unwrap_or_else(|| Exit::of_the_drawing(format!("{sketch:?}"))))
        }
        (Err(TestError::Abort(reason)), _) => Err(Exit::of_the_drawing(reason.to_string())),
    }
}

impl Exit {
    fn of_the_drawing(outcome: String) -> Exit {
        Exit { broken: "the drawing", world: String::new(), event: None, outcome }
    }
}

/// Looks for a step out of `world`; counts the steps if there is none.
fn leave(world: &World, assumed: &[Conjunct]) -> Result<u64, Exit> {
    let exit = |broken, event: Option<&WorldEvent>, outcome| Exit {
        broken,
        world: world.to_string(),
        event: event.map(WorldEvent::to_string),
        outcome,
    };
    if let Some(Conjunct { name, .. }) = broken(world, CONCLUSIONS) {
        return Err(exit(name, None, String::new()));
    }
    let events = world.events();
    for event in &events {
        let next = world.after(event).map_err(|panic| exit("Assertions", Some(event), panic))?;
        if let Some(Conjunct { name, .. }) = broken(&next, assumed) {
            return Err(exit(name, Some(event), next.to_string()));
        }
    }
    Ok(events.len() as u64)
}

/// The names of the conjuncts without which the others are not kept, among `worlds` worlds.
pub fn needed(worlds: u32, seed: u64) -> BTreeSet<&'static str> {
    let without = |left_out: &&Conjunct| {
        let others: Vec<Conjunct> =
            CONJUNCTS.iter().copied().filter(|other| other.name != left_out.name).collect();
        check(&others, worlds, seed).is_err()
    };
    CONJUNCTS.iter().filter(without).map(|conjunct| conjunct.name).collect()
}
