//! The refinement as a judge of every step that somebody makes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use veraft::figure2::{Base, Input, Message, Output, Persistent, Server, ServerId};
use veraft_models::Judge;
use veraft_models::properties::Stepped;

use super::durable::leaving;
use super::{NoAction, TakenAction, actions_of, restart};
use crate::evidence::proof::actions::ACTIONS;

/// Judges steps by [`actions_of`], restarts by [`restart`] and letters by what is durable, and
/// counts what it saw.
#[derive(Debug, Default)]
pub struct Refinement {
    judged: AtomicU64,
    /// By action, in the order of [`ACTIONS`]: in how many steps it occurred.
    occurred: [AtomicU64; ACTIONS.len()],
}

/// The one that all searches share who do not ask what it counts.
pub static REFINEMENT: Refinement = Refinement::new();

impl Refinement {
    /// One that has seen nothing yet.
    pub const fn new() -> Refinement {
        Refinement {
            judged: AtomicU64::new(0),
            occurred: [const { AtomicU64::new(0) }; ACTIONS.len()],
        }
    }

    /// How many steps and restarts it has judged.
    pub fn judged(&self) -> u64 {
        self.judged.load(Ordering::Relaxed)
    }

    /// Each action, and in how many of those it occurred.
    pub fn occurred(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.occurred.iter().map(|count| count.load(Ordering::Relaxed));
        ACTIONS.iter().map(|action| action.name).zip(counts)
    }

    fn count(&self, judged: Result<Vec<TakenAction>, NoAction>) -> Option<String> {
        self.judged.fetch_add(1, Ordering::Relaxed);
        let taken = match judged {
            Ok(taken) => taken,
            Err(problem) => return Some(problem.to_string()),
        };
        let names: BTreeSet<&str> = taken.iter().map(|taken| taken.action.action.name).collect();
        for (action, count) in ACTIONS.iter().zip(&self.occurred) {
            if names.contains(action.name) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        None
    }
}

impl Judge for Refinement {
    /// The logs of the system that is proved are whole, and nobody in it sends snapshots.
    fn knows(&self, server: &Server, input: Option<&Input>) -> bool {
        let snapshot = match input {
            Some(Input::Receive { from: _, message: Message::InstallSnapshot(_) }) => true,
            Some(Input::Compacted { .. }) => true,
            Some(
                Input::Receive { .. }
                | Input::Timeout(_)
                | Input::Propose { .. }
                | Input::Stored { .. }
                | Input::Repeat { .. }
                | Input::Pipeline { .. },
            )
            | None => false,
        };
        !snapshot && server.log().base() == Base::default()
    }

    fn step(
        &self,
        before: &Server,
        input: &Input,
        output: &Output,
        after: &Server,
    ) -> Option<String> {
        self.count(actions_of(Stepped { before, input, output, after }))
    }

    fn restart(&self, disk: &Persistent, after: &Server) -> Option<String> {
        self.count(restart(disk, after))
    }

    fn leaving(
        &self,
        disk: &Persistent,
        server: &Server,
        letters: &[(ServerId, Message)],
    ) -> Option<String> {
        leaving(disk, server, letters).err().map(|problem| problem.to_string())
    }
}
