//! The invariant: lemmas that hold at the first start and that every action keeps. They come in
//! layers; the lemmas of a layer are proved from those of the same layer and below.

mod commits;
mod logs;
mod machines;
mod votes;

use super::formula::Expr;
use super::symbols::AbstractState;

/// A predicate of states, which holds of every state that can be reached.
#[derive(Clone, Copy, Debug)]
pub struct Lemma {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
    /// Why it is there.
    pub reason: &'static str,
    /// Which lemmas it stands with.
    pub layer: Layer,
    /// How it is proved.
    pub proof: Proof,
    /// The formula.
    pub holds: fn(&AbstractState) -> Expr,
}

/// A layer of the invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// Terms, votes and leaders.
    Votes,
    /// Logs and requests.
    Logs,
    /// What a quorum holds.
    Commits,
    /// What servers commit and apply.
    Machines,
}

/// How a lemma is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By induction over the actions.
    Induction,
    /// It follows, in the same state, from these lemmas.
    Follows(&'static [&'static str]),
}

/// What Raft promises: each of these is one of the lemmas.
pub const PROMISES: &[(&str, &str)] = &[
    ("Election Safety", "election_safety"),
    ("Log Matching", "log_matching"),
    ("Leader Completeness", "leader_completeness"),
    ("State Machine Safety", "state_machine_safety"),
];

/// Every lemma, layer by layer.
pub fn all() -> impl Iterator<Item = &'static Lemma> + Clone {
    [votes::LEMMAS, logs::LEMMAS, commits::LEMMAS, machines::LEMMAS].into_iter().flatten()
}

/// The lemma called `name`.
///
/// # Panics
/// When there is none.
pub fn lemma(name: &str) -> &'static Lemma {
    let found = all().find(|lemma| lemma.name == name);
    found.unwrap_or_else(|| panic!("there is no lemma {name}"))
}
