//! What a search showed: the JSON object and the table row of a scope.

use indicatif::HumanCount;
use serde::{Deserialize, Serialize};
use stateright::{Expectation, Property};

use veraft_models::Move;

use crate::engines::{Level, Outcome};
use crate::evidence::recovery::Tried;
use crate::evidence::saved::{FORMAT, Saved};
use crate::scopes::extent::Extent;
use crate::scopes::trace::{Narrate, Step};
use crate::scopes::{Pinned, Scope};

/// The exit status of a search that was not exhausted.
pub const NOT_EXHAUSTED: u8 = 3;

/// The result of one scope.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The scope's name.
    pub scope: String,
    /// The engine's name.
    pub engine: &'static str,
    /// How far the search went, and in what environment.
    #[serde(rename = "bounds")]
    pub extent: Extent,
    /// Distinct states; in a scope of the antichain, those with different visible parts.
    pub unique_states: u64,
    /// Distinct visible parts of states, in a cluster.
    pub visible_states: Option<u64>,
    /// The states that were looked at.
    pub expanded_states: u64,
    /// States generated, equal ones counted each time.
    pub generated_states: u64,
    /// The length of the longest shortest path, in states, where the search tells.
    pub depth: Option<u64>,
    /// Whether every state within the bounds was looked at.
    pub exhausted: bool,
    /// Why not, if not.
    pub stopped: Option<String>,
    /// Threads of each process.
    pub workers: usize,
    /// Processes.
    pub processes: usize,
    /// The bits of a state's fingerprint.
    pub fingerprint_bits: u32,
    /// The chance that two states share a fingerprint, so that one was not looked at.
    pub collision_probability: f64,
    /// The bytes of the table of states, where the engine can tell.
    pub table_bytes: Option<u64>,
    /// The bytes of states that were spilled to disk.
    pub spilled_bytes: u64,
    /// How long it took.
    pub seconds: f64,
    /// The search level by level.
    pub levels: Vec<Level>,
    /// The most memory that the process held at any moment, in bytes.
    pub peak_rss_bytes: u64,
    /// One line for each count that is not what it was; empty where nothing is pinned.
    pub changed: Vec<String>,
    /// What was pinned, if anything.
    pub pinned: Option<Pinned>,
    /// What happened before the search began, where it does not begin at the first boot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefix: Vec<Move>,
    /// What was tried, where it is recovery that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Tried>,
    /// What became of each property.
    pub properties: Vec<PropertyVerdict>,
}

/// What became of one property.
#[derive(Clone, Debug, Serialize)]
pub struct PropertyVerdict {
    /// The property's name.
    pub name: &'static str,
    /// `always` or `sometimes`.
    pub expectation: &'static str,
    /// What was shown.
    pub verdict: Word,
    /// Whether no path there is known to be shorter, nor can be.
    pub shortest: bool,
    /// The path to the violation, or to the state that was found.
    pub trace: Option<Vec<Step>>,
}

/// The verdict on a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// It holds in every state within the bounds.
    Holds,
    /// It does not: there is a trace.
    Violated,
    /// A state of the kind was reached.
    Found,
    /// No state within the bounds is of the kind.
    NotFound,
    /// Not every state was looked at.
    Unknown,
}

impl Word {
    /// The word, as it is printed.
    pub fn text(self) -> &'static str {
        match self {
            Word::Holds => "holds",
            Word::Violated => "VIOLATED",
            Word::Found => "found",
            Word::NotFound => "NOT FOUND",
            Word::Unknown => "unknown",
        }
    }
}

impl Verdict {
    /// Judges an outcome.
    pub fn new<M: Narrate>(scope: &Scope, engine: &'static str, outcome: Outcome<M>) -> Verdict
    where
        M::Action: Clone,
        M::State: Clone,
    {
        let visible_states = outcome.kins;
        let unique_states = match scope.is_antichain() {
            true => visible_states.unwrap_or(outcome.unique_states),
            false => outcome.unique_states,
        };
        let exhausted = outcome.stopped.is_none();
        let resources = outcome.resources;
        let model = &outcome.model;
        let by_levels = outcome.depth.is_some();
        let judge = |property: Property<M>| {
            let discovery = outcome.discoveries.iter().find(|(name, _)| *name == property.name);
            let sometimes = property.expectation == Expectation::Sometimes;
            PropertyVerdict {
                name: property.name,
                expectation: if sometimes { "sometimes" } else { "always" },
                verdict: match (discovery.is_some(), sometimes, exhausted) {
                    (true, true, _) => Word::Found,
                    (true, false, _) => Word::Violated,
                    (false, _, false) => Word::Unknown,
                    (false, true, true) => Word::NotFound,
                    (false, false, true) => Word::Holds,
                },
                shortest: discovery.is_none_or(|(_, path)| by_levels && model.is_shortest(path)),
                trace: discovery.map(|(_, path)| model.narrate(path.clone())),
            }
        };
        let mut verdict = Verdict {
            scope: scope.name.to_owned(),
            engine,
            extent: Extent::of(scope),
            unique_states,
            visible_states,
            expanded_states: outcome.unique_states,
            generated_states: outcome.generated_states,
            // A search of maximal states may go a longer way to some.
            depth: outcome.depth.filter(|_| !scope.is_antichain()),
            exhausted,
            stopped: outcome.stopped.as_ref().map(ToString::to_string),
            workers: resources.workers,
            processes: resources.processes,
            fingerprint_bits: resources.fingerprint_bits,
            collision_probability: resources.collision_probability(outcome.unique_states),
            table_bytes: resources.table_bytes,
            spilled_bytes: resources.spilled_bytes,
            seconds: outcome.elapsed.as_secs_f64(),
            levels: outcome.levels,
            peak_rss_bytes: outcome.peak_rss_bytes,
            changed: Vec::new(),
            pinned: scope.pinned,
            prefix: scope.prefix(),
            recovery: None,
            properties: model.properties().into_iter().map(judge).collect(),
        };
        // Counts are compared once a search is exhausted.
        if exhausted {
            verdict.changed = verdict
                .compare(|what, now, then| format!("{what}: {now}, but {then} when last reviewed"));
        }
        verdict
    }

    /// One line for each count that is not what is pinned.
    fn compare(&self, tell: impl Fn(&'static str, u64, u64) -> String) -> Vec<String> {
        let Some(pinned) = self.pinned else { return Vec::new() };
        let counts = [
            ("states", Some(self.unique_states), Some(pinned.unique_states)),
            ("visible states", self.visible_states, pinned.visible_states),
            ("depth", self.depth, pinned.depth),
        ];
        let changed = |(what, now, then): (_, Option<u64>, Option<u64>)| {
            let (now, then) = now.zip(then)?;
            (now != then).then(|| tell(what, now, then))
        };
        counts.into_iter().filter_map(changed).collect()
    }

    /// The trace of a property as something to keep; none if there is no trace, or not of a
    /// cluster.
    pub fn saved(&self, property: &PropertyVerdict) -> Option<Saved> {
        let steps = property.trace.as_ref()?.iter().map(|step| step.happened.clone());
        Some(Saved {
            format: FORMAT,
            scope: self.scope.clone(),
            property: property.name.to_owned(),
            extent: self.extent,
            prefix: self.prefix.clone(),
            steps: steps.collect::<Option<_>>()?,
        })
    }

    /// The depth, as a table shows it.
    pub fn depth_in_words(&self) -> String {
        self.depth.map_or("-".to_owned(), |depth| depth.to_string())
    }

    /// Whether a property is violated or a reachability is missing.
    pub fn is_violated(&self) -> bool {
        let bad = |word| matches!(word, Word::Violated | Word::NotFound);
        self.properties.iter().any(|property| bad(property.verdict))
    }

    /// Whether a property is violated, a reachability is missing or a pinned count changed.
    pub fn is_failure(&self) -> bool {
        !self.changed.is_empty() || self.is_violated()
    }

    /// Each count that is not what is pinned, and both numbers.
    pub fn changes(&self) -> Vec<String> {
        if self.changed.is_empty() {
            return Vec::new();
        }
        self.compare(|what, found, pinned| {
            let (found, pinned) = (HumanCount(found), HumanCount(pinned));
            format!("{what}: {pinned} pinned, {found} found")
        })
    }

    /// The exit status: 0 for a full success, 1 for a failure, 3 for a search that was not
    /// exhausted. A sample that was asked for and is complete is a success.
    pub fn exit_status(&self) -> u8 {
        let complete = self.exhausted || (self.recovery.is_some() && self.stopped.is_none());
        match (self.is_failure(), complete) {
            (true, _) => 1,
            (false, false) => NOT_EXHAUSTED,
            (false, true) => 0,
        }
    }

    /// The properties with this verdict.
    pub fn with(&self, word: Word) -> impl Iterator<Item = &PropertyVerdict> {
        self.properties.iter().filter(move |property| property.verdict == word)
    }
}
