//! Recovery: from every state of a scope, once faults stop, the cluster has a leader within a
//! few rounds, and that leader brings a new entry to every state machine.
//!
//! stateright's `eventually` gives false answers where paths have cycles or end at a bound, so
//! this is no temporal property. It is a finite game against an adversary, played to its end
//! from every state, and so a property of states like any other.
//!
//! It is played with clusters of any protocol; [`check`] plays with the scopes, of Figure 2.
//!
//! # What is claimed
//!
//! Faults stop in some state that the search of a scope reached. From then on
//! * no server restarts, every letter that is sent arrives, once, and disks write;
//! * broadcasts are fast (§5.6): letters arrive before the next timer fires; among up to
//!   [`calm::IN_EVERY_ORDER`] servers in every order, among more in the order of sending;
//! * heartbeats are faster than election timers: each leader beats before the next round;
//! * election timers fire in every order that a bounded skew allows: at the earliest one
//!   *round* after they were set, at the latest [`clock::LONGEST`]. When a timer was set that
//!   runs already, nobody knows: it may fire at once, or as late as one that is set now.
//!
//! Then, whatever the adversary chooses,
//! * within [`Settings::rounds`] rounds one server leads, every other knows it, and its
//!   heartbeats set their timers, so that no election can follow. A server that leads the latest
//!   term when faults stop stays leader: nobody stands for election at all;
//! * an entry proposed to that leader is committed, and with it all before: a client's, or,
//!   where drivers give blanks, a blank, if the leader holds no entry of its term yet. After two heartbeats
//!   at most every log and every disk hold what the leader's log holds, and every state machine
//!   was given all of it, in order.
//!
//! # Four rounds are enough
//!
//! In the first two every server stands for election, or sets its timer because it hears a
//! leader or grants a vote. A server that could win by its log but does not has learnt a greater
//! term from the refusals, the greatest there is, for a term that is made now is told to all. In
//! the next two its timer fires again, or another like it is faster; and that one wins. Scopes
//! with two servers, or with three terms and an entry, do need four ([`ROUNDS`]).
//!
//! # Why it is enough to begin without letters
//!
//! Each game begins with the loss of all that is under way, and where all disks have written.
//! That leaves nothing out: to deliver a letter, or to let a disk write, costs a search nothing
//! of its bounds. So for each state, each choice of letters that still arrive, and each order in
//! which they do, the state behind them is a state of the search too, and a game begins there.
//! (A letter that a reduction dropped would have changed no server.) It is the same whether a
//! search takes silent steps one by one or at once, and whether it looks at maximal states alone:
//! the visible parts of its states are the same, and with them the servers.
//!
//! So the future of a state depends on its servers alone, and one game is played for all states
//! whose servers are the same, up to renaming.

pub mod calm;
pub mod clock;
pub mod failure;
pub mod game;
mod model;
pub mod position;
pub mod replayed;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

pub use model::{RECOVERY, Recovering};

use crate::engines;
use crate::evidence::verdict::{Verdict, Word};
use crate::scopes::Scope;
use crate::terminal::progress::Progress;

/// How many rounds a cluster may be without a leader, if nothing else is said: twice the longest
/// election timeout.
pub const ROUNDS: u32 = 4;

/// How to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many rounds a cluster may be without a leader.
    pub rounds: u32,
    /// Games begin in one of so many states; 1 for all.
    pub one_in: u64,
    /// Chooses which.
    pub seed: u64,
}

/// What was tried, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// Distinct sets of servers, up to renaming, among the states.
    pub starts: u64,
    /// From how many of these a game was played.
    pub played: u64,
    /// Distinct positions, servers with their clocks, in which an adversary had a choice.
    pub positions: u64,
    /// The moments between these, at which letters were under way.
    pub moments: u64,
    /// The rounds that a cluster may be without a leader.
    pub rounds: u32,
    /// The most that it was.
    pub most_rounds: u32,
    /// Whether letters arrived in every order, and not in that of sending alone: see
    /// [`calm::IN_EVERY_ORDER`].
    pub every_order: bool,
    /// If this is a sample: it was to be one in so many starts.
    pub one_in: u64,
    /// What chose them.
    pub seed: u64,
    /// How the cluster does not recover; none if it does.
    pub lost: Option<LostAfter>,
}

/// How a cluster does not recover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostAfter {
    /// How many steps of the trace there are before faults stop.
    pub steps: usize,
    /// What is wrong at its end.
    pub why: String,
}

impl fmt::Display for LostAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faults stop after step {}; in the end\n  {}", self.steps, self.why)
    }
}

/// Searches `scope`, and plays from its states. Ends early at the first from which the cluster
/// does not recover, or once `interrupted` is set.
pub fn check(
    scope: &Scope,
    settings: Settings,
    progress: &mut Progress,
    interrupted: &Arc<AtomicBool>,
) -> Verdict {
    let orbit = engines::timely::Space::orbit(&scope.cluster(scope.environment()));
    let model = Recovering::new(scope, settings);
    let outcome = engines::stateright::search(model, 1, orbit, progress, interrupted);
    let model = Arc::clone(&outcome.model);
    let lost = outcome.discoveries.first().and_then(|(_, path)| {
        let (why, _) = model.lost(path.last_state())?;
        Some(LostAfter { steps: model.way(path.clone()).len(), why: why.to_string() })
    });
    let mut verdict = Verdict::new(scope, "recovery", outcome);
    if settings.one_in > 1 {
        verdict.exhausted = false;
        for property in &mut verdict.properties {
            if property.verdict == Word::Holds {
                property.verdict = Word::Unknown;
            }
        }
    }
    verdict.recovery = Some(Tried { lost, ..model.tried() });
    verdict
}
