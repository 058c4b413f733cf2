//! The scopes: how far `check` looks, and what it must find there.

pub mod actor_model;
pub mod args;
pub mod extent;
pub mod pins;
pub mod script;
mod space;
pub mod story;
pub mod trace;

use serde::Serialize;
use stateright::{Expectation, Model, Property};
use veraft_models::{Bounds, Cluster, Environment, Move, properties};

use crate::scopes::pins::PINS;
use crate::scopes::script::Script;

/// What is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A [`Cluster`] in this environment.
    Cluster(Environment),
    /// stateright's own `ActorModel`, each of its states compared with those of a cluster.
    ActorModel,
}

/// The counts that a scope must reproduce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pinned {
    /// Distinct states; in a scope of the antichain, those with different visible parts.
    pub unique_states: u64,
    /// Distinct visible parts of states, where that is pinned: whatever is reduced.
    pub visible_states: Option<u64>,
    /// The length of the longest shortest path, in states; not looked at where the search is
    /// not strictly by levels.
    pub depth: Option<u64>,
}

/// A named search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The name on the command line.
    pub name: &'static str,
    /// What it is there for.
    pub about: &'static str,
    /// How far it looks.
    pub bounds: Bounds,
    /// What it looks at.
    pub kind: Kind,
    /// The [script] after which the search begins; none to begin at the first boot.
    pub start: Option<&'static str>,
    /// What it counted when it was last reviewed; none for bounds of one's own.
    pub pinned: Option<Pinned>,
    /// Whether it is part of the default run.
    pub default: bool,
}

const REDUCED: Environment = Environment::REDUCED;
pub(crate) const PLAIN: Environment =
    Environment { symmetry: false, keep_dead_letters: true, repeats: true, ..REDUCED };
const TORN: Environment = Environment { torn: true, ..REDUCED };
const BLANKS: Environment = Environment { blanks: true, ..REDUCED };
const PROPOSALS: Environment = Environment { proposals: true, ..REDUCED };
/// Silent steps at once, and maximal states alone: for what is large without it.
const MAXIMAL: Environment = Environment { saturation: true, antichain: true, ..REDUCED };
const MAXIMAL_VOUCHED: Environment = Environment { vouched: true, ..MAXIMAL };
const MAXIMAL_PIPELINES: Environment = Environment { pipelines: true, ..MAXIMAL };
const MAXIMAL_BLANKS: Environment = Environment { blanks: true, ..MAXIMAL };

const fn bounds(servers: usize, terms: u64, entries: u64, restarts: u32) -> Bounds {
    Bounds { servers, terms, entries, restarts, compactions: 0 }
}

const fn compacting(bounds: Bounds, compactions: u32) -> Bounds {
    Bounds { compactions, ..bounds }
}

const fn scope(
    name: &'static str,
    about: &'static str,
    bounds: Bounds,
    environment: Environment,
) -> Scope {
    let kind = Kind::Cluster(environment);
    Scope { name, about, bounds, kind, start: None, pinned: pinned(name), default: true }
}

/// What [`PINS`] has for the scope called `name`; none for what was never exhausted yet.
const fn pinned(name: &str) -> Option<Pinned> {
    let mut place = 0;
    while place < PINS.len() {
        let (pinned, unique_states, visible, depth) = PINS[place];
        if is_same(pinned, name) {
            let visible_states = if visible > 0 { Some(visible) } else { None };
            let depth = if depth > 0 { Some(depth) } else { None };
            return Some(Pinned { unique_states, visible_states, depth });
        }
        place += 1;
    }
    None
}

/// `==` of texts is not for constants yet.
const fn is_same(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while let ([first, rest @ ..], [second, others @ ..]) = (one, other) {
        if *first != *second {
            return false;
        }
        (one, other) = (rest, others);
    }
    one.is_empty() && other.is_empty()
}

const fn from(scope: Scope, start: &'static str) -> Scope {
    Scope { start: Some(start), ..scope }
}

/// Too large for every run.
const fn on_request(scope: Scope) -> Scope {
    Scope { default: false, ..scope }
}

/// Servers with different pasts have few renamings that would make two states one.
const APART: Environment = Environment { symmetry: false, ..REDUCED };
const FIGURE_7: &str = include_str!("../traces/figure-7.txt");
const FIGURE_8_OF_THREE: &str = include_str!("../traces/figure-8-of-three.txt");
const FIGURE_8: &str = include_str!("../traces/figure-8.txt");

/// Every scope, in the order of the default run.
pub const SCOPES: &[Scope] = &[
    scope("election", "elections with restarts", bounds(3, 3, 0, 2), REDUCED),
    scope("replication", "log replication with a restart", bounds(3, 2, 2, 1), REDUCED),
    scope("torn", "crashes between the parts of a step", bounds(3, 2, 0, 1), TORN),
    scope("torn-log", "the same, with an entry", bounds(3, 1, 1, 1), TORN),
    scope("single", "a server alone", bounds(1, 3, 2, 2), REDUCED),
    scope("pair", "two servers", bounds(2, 3, 2, 1), REDUCED),
    scope("even", "four servers", bounds(4, 2, 0, 1), REDUCED),
    scope("blank", "leaders that append blanks", bounds(3, 2, 2, 1), MAXIMAL_BLANKS),
    scope("proposals", "proposals of two, and to any server", bounds(3, 2, 2, 0), PROPOSALS),
    scope("batch", "two servers: a batch partly held", bounds(2, 1, 3, 0), REDUCED),
    scope("entries", "more entries, and two at once", bounds(2, 2, 4, 1), PROPOSALS),
    scope("pipeline", "entries sent ahead", bounds(3, 2, 3, 0), MAXIMAL_PIPELINES),
    on_request(scope(
        "pipeline-on",
        "the same, with a restart and another term",
        bounds(3, 3, 2, 1),
        MAXIMAL_PIPELINES,
    )),
    scope("even-log", "four servers with an entry", bounds(4, 2, 1, 0), REDUCED),
    scope("plain", "elections without any reduction", bounds(3, 2, 0, 0), PLAIN),
    scope("plain-log", "replication without any reduction", bounds(3, 1, 1, 0), PLAIN),
    Scope {
        name: "actor-model",
        about: "the Actor in stateright's ActorModel",
        bounds: bounds(3, 1, 1, 0),
        kind: Kind::ActorModel,
        start: None,
        pinned: pinned("actor-model"),
        default: true,
    },
    from(scope("figure-8", "from Figure 8 (c)", bounds(3, 4, 2, 0), APART), FIGURE_8_OF_THREE),
    from(
        scope("figure-7", "from Figure 7: b, e and f catch up", bounds(7, 8, 10, 0), APART),
        FIGURE_7,
    ),
    on_request(from(
        scope("figure-7-all", "from Figure 7: a to f catch up", bounds(7, 8, 10, 0), APART),
        FIGURE_7,
    )),
    on_request(from(
        scope("figure-8-five", "Figure 8 (c) among five", bounds(5, 5, 1, 0), APART),
        FIGURE_8,
    )),
    on_request(scope("election-deep", "elections up to term 4", bounds(3, 4, 0, 1), REDUCED)),
    on_request(scope(
        "replication-deep",
        "log replication up to term 3",
        bounds(3, 3, 1, 1),
        REDUCED,
    )),
    on_request(scope("blank-in-full", "`blank`, every state", bounds(3, 2, 2, 1), BLANKS)),
    scope("terms", "log replication up to term 3", bounds(3, 3, 2, 1), MAXIMAL),
    scope("four-terms", "log replication up to term 4", bounds(3, 4, 1, 1), MAXIMAL),
    scope("even-terms", "four servers up to term 3", bounds(4, 3, 1, 0), MAXIMAL),
    scope("five-log", "five servers with an entry", bounds(5, 2, 1, 0), MAXIMAL),
    on_request(scope("replication-huge", "more entries, restarts", bounds(3, 2, 3, 2), MAXIMAL)),
    on_request(scope("terms-restarts", "`terms`, two restarts", bounds(3, 3, 2, 2), MAXIMAL)),
    on_request(scope("terms-huge", "the largest exhausted", bounds(3, 3, 3, 2), MAXIMAL)),
    on_request(scope("five-restart", "`five-log`, a restart", bounds(5, 2, 1, 1), MAXIMAL)),
    scope("five", "elections among five servers", bounds(5, 2, 0, 1), REDUCED),
    scope(
        "snapshots",
        "compaction and InstallSnapshot",
        compacting(bounds(3, 2, 2, 1), 1),
        MAXIMAL,
    ),
    scope("snap-terms", "the same up to term 3", compacting(bounds(3, 3, 1, 1), 1), MAXIMAL),
    scope("snap-log", "every state of one term", compacting(bounds(3, 1, 2, 0), 1), REDUCED),
    scope("snap-torn", "crashes between image and mark", compacting(bounds(3, 1, 1, 1), 1), TORN),
    scope("snap-alone", "a server alone, torn steps", compacting(bounds(1, 3, 3, 2), 3), TORN),
    scope("snap-pair", "two servers", compacting(bounds(2, 3, 2, 1), 2), REDUCED),
    scope("snap-even", "four servers", compacting(bounds(4, 2, 1, 0), 1), MAXIMAL),
    scope(
        "snap-others",
        "images of anybody, as leaders vouch",
        compacting(bounds(3, 2, 2, 0), 1),
        MAXIMAL_VOUCHED,
    ),
    scope("snap-plain", "without any reduction", compacting(bounds(3, 1, 1, 0), 1), PLAIN),
    on_request(scope(
        "snap-blank",
        "behind blanks",
        compacting(bounds(3, 2, 2, 0), 1),
        MAXIMAL_BLANKS,
    )),
    on_request(scope(
        "snap-others-on",
        "`snap-others`, a restart",
        compacting(bounds(3, 2, 2, 1), 1),
        MAXIMAL_VOUCHED,
    )),
    on_request(scope(
        "snap-twice",
        "`snapshots`, two compactions",
        compacting(bounds(3, 2, 2, 1), 2),
        MAXIMAL,
    )),
    on_request(scope(
        "snap-huge",
        "two restarts, two compactions",
        compacting(bounds(3, 2, 2, 2), 2),
        MAXIMAL,
    )),
    on_request(scope(
        "snap-batch",
        "three entries, one a message",
        compacting(bounds(3, 2, 3, 0), 1),
        Environment { batch: Some(1), ..MAXIMAL },
    )),
    on_request(scope(
        "snap-torn-log",
        "torn steps, two entries",
        compacting(bounds(3, 1, 2, 0), 1),
        Environment { torn: true, ..MAXIMAL },
    )),
];

/// The scopes of the default run.
pub fn default_run() -> Vec<Scope> {
    SCOPES.iter().copied().filter(|scope| scope.default).collect()
}

/// The scope called `name`.
pub fn find(name: &str) -> Option<Scope> {
    SCOPES.iter().copied().find(|scope| scope.name == name)
}

/// The scope called `name`.
///
/// # Errors
/// When there is none.
pub fn named(name: &str) -> Result<Scope, String> {
    let names = || SCOPES.iter().map(|scope| scope.name).collect::<Vec<_>>().join(", ");
    find(name).ok_or_else(|| format!("no scope is called {name:?}; there are {}", names()))
}

/// The most servers whose renamings are all tried: 7! = 5040.
pub const MOST_SYMMETRIC_SERVERS: usize = 7;

impl Scope {
    /// The same scope in another environment, held to what is pinned of it and stays.
    pub fn within(self, environment: Environment) -> Scope {
        let (before, kind) = (self.environment(), Kind::Cluster(environment));
        if environment == before {
            return self;
        }
        // Neither reduction changes what is visible, nor does it matter which letters are kept.
        let Environment { saturation, antichain, keep_dead_letters, audit, .. } = environment;
        let alike = Environment { saturation, antichain, keep_dead_letters, audit, ..before };
        let visible = self.pinned.and_then(|pinned| pinned.visible_states);
        let pinned = visible.filter(|_| environment == alike && antichain).map(|visible| Pinned {
            unique_states: visible,
            visible_states: Some(visible),
            depth: None,
        });
        Scope { kind, pinned, ..self }
    }

    /// Whether one state stands for others that differ in their letters alone.
    pub fn is_antichain(&self) -> bool {
        self.environment().antichain
    }

    /// The environment; the reductions do not apply to [`Kind::ActorModel`].
    pub fn environment(&self) -> Environment {
        match self.kind {
            Kind::Cluster(environment) => environment,
            Kind::ActorModel => PLAIN,
        }
    }

    /// What happens before the search begins.
    pub fn prefix(&self) -> Vec<Move> {
        let Some(start) = self.start else { return Vec::new() };
        let moves = Script::parse(start).and_then(|script| script.before(self.name));
        let moves = moves.expect("the scripts of all scopes are played by a test");
        moves.expect("the script of each scope says where it begins: a test asks for it")
    }

    /// The cluster to search, in this environment.
    pub fn cluster(&self, environment: Environment) -> Cluster {
        self.begin(Cluster::new(self.bounds, environment))
    }

    /// `cluster`, as it is when the search begins.
    pub fn begin(&self, cluster: Cluster) -> Cluster {
        if self.start.is_none() {
            return cluster;
        }
        cluster.after(&self.prefix()).expect("a script's moves can be made in any cluster")
    }

    /// How many properties hold in every state, and how many are reached.
    pub fn expected(&self) -> (usize, usize) {
        let expectations: Vec<Expectation> = match self.kind {
            Kind::Cluster(environment) => {
                self.cluster(environment).properties().into_iter().map(|p| p.expectation).collect()
            }
            Kind::ActorModel => actor_model::EXPECTATIONS.into_iter().map(|(_, e)| e).collect(),
        };
        let found = expectations.iter().filter(|e| **e == Expectation::Sometimes).count();
        (expectations.len() - found, found)
    }

    /// What the search of this property, or of all, is known by, to other processes and in
    /// checkpoints: equal for equal searches alone.
    pub fn identity(&self, property: Option<&str>) -> Vec<u8> {
        let environment = match self.kind {
            Kind::Cluster(environment) => Some(environment),
            Kind::ActorModel => None,
        };
        let identity = (self.bounds, environment, self.prefix(), property);
        serde_json::to_vec(&identity).expect("plain data, and no map with other keys than texts")
    }

    /// What is wrong with the bounds, if anything is.
    pub fn problem(&self) -> Option<String> {
        let Bounds { servers, terms, entries, restarts: _, compactions: _ } = self.bounds;
        let symmetry = self.environment().symmetry;
        if self.start.is_some()
            && find(self.name).is_some_and(|named| named.bounds.servers != servers)
        {
            Some(format!("{} begins where its own servers are: leave --servers out", self.name))
        } else if servers == 0 {
            Some("a cluster needs at least 1 server".to_owned())
        } else if symmetry && servers > MOST_SYMMETRIC_SERVERS {
            Some(format!(
                "{servers} servers have too many renamings: add --no-symmetry, or use at most \
                 {MOST_SYMMETRIC_SERVERS}"
            ))
        } else if servers > usize::from(u8::MAX) {
            Some(format!("at most {} servers can be told apart in commands", u8::MAX))
        } else if terms == 0 {
            Some("no leader is elected in term 0: --terms must be at least 1".to_owned())
        } else if terms == u64::MAX || entries == u64::MAX {
            Some("--terms and --entries must leave room to count one further".to_owned())
        } else {
            let begun = Cluster::new(self.bounds, self.environment()).after(&self.prefix());
            let stuck =
                |stuck| format!("the script before {} cannot be played: {stuck}", self.name);
            begun.err().map(stuck)
        }
    }
}

/// Every property that a scope of the cluster can have.
pub fn all_properties() -> Vec<Property<Cluster>> {
    let most = Bounds { servers: 3, terms: 2, entries: 3, restarts: 1, compactions: 1 };
    let mut all = properties::of(&most, &BLANKS);
    all.extend(properties::partly_held(&most, &BLANKS));
    all.push(properties::logs_agree());
    all
}

/// Whether some scope of the cluster has a property called `name`.
pub fn is_property(name: &str) -> bool {
    all_properties().iter().any(|property| property.name == name)
}

/// Complains if `scope` has no property called `name`.
pub fn check_property(scope: &Scope, name: &str) -> Result<(), String> {
    let names: Vec<&str> = match scope.kind {
        Kind::Cluster(environment) => {
            scope.cluster(environment).properties().iter().map(|p| p.name).collect()
        }
        Kind::ActorModel => actor_model::EXPECTATIONS.map(|(name, _)| name).to_vec(),
    };
    match names.contains(&name) {
        true => Ok(()),
        false => {
            Err(format!("no property is called {name:?} here; there are {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some differ in nothing but where they begin.
    #[test]
    fn no_two_searches_are_known_by_one_identity() {
        let all = SCOPES.iter().map(|scope| scope.identity(None));
        let one = SCOPES.iter().map(|scope| scope.identity(Some(properties::ELECTION_SAFETY)));
        let all: Vec<Vec<u8>> = all.chain(one).collect();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
