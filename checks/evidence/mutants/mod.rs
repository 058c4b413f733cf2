//! Mutants: variants of the shipped source with one rule removed or bent, which a search must
//! tell from the original. A rule with no mutant is a rule nobody has shown to be needed.

mod answers;
mod application;
pub mod choice;
mod cluster;
mod door;
mod drawn;
mod elections;
mod gate;
mod guards;
mod inductive;
mod judge;
mod leaders;
mod log;
mod persistence;
mod places;
mod proof;
mod properties;
mod refinement;
mod refines;
mod room;
mod runtime;
mod saturation;
mod silence;
mod snapshots;
mod source;
mod steps;
mod storage;
pub mod suite;
#[cfg(test)]
mod tests;
mod verdicts;
mod votes;
mod workshop;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};

/// One rule, removed or bent, and how that shows.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// The deed, which is the name on the command line.
    pub name: &'static str,
    /// The short name that it also has.
    pub alias: Option<&'static str>,
    /// The rule of Figure 2 that it breaks, by its id; outside of Figure 2, the part of the
    /// runtime.
    pub rule: &'static str,
    /// What the mutant does instead.
    pub about: &'static str,
    /// The changes of the source.
    pub edits: &'static [Edit],
    /// What `check` is asked to explore. Each search must show what is expected; steps and
    /// states are those of the first. None for what a test shows.
    pub searches: &'static [Search],
    /// Searches in which no property falls: a reduction hides it (the reason why every default
    /// run holds scopes without reductions), or it only keeps the cluster from recovering.
    pub blind: &'static [Search],
    /// What the searches must show.
    pub expected: Expected,
}

/// One change of one file.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    /// The file, from the root of the workspace.
    pub file: &'static str,
    /// The item of it, by its path in the file: `f`, `Type::f`, `<Type as Trait>::f`.
    pub item: &'static str,
    /// A text that occurs in the item exactly once, whatever the layout.
    pub before: &'static str,
    /// What stands there in the mutant.
    pub after: &'static str,
}

/// What `check` is asked to explore: a scope, and its options.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// What it is asked to do with the scope.
    pub command: Verb,
    /// The scope; what is tried instead, by the command that knows none.
    pub scope: &'static str,
    /// Servers, terms, entries and restarts, where they are not the scope's own.
    pub bounds: Option<[u32; 4]>,
    /// Further options.
    pub options: &'static [&'static str],
}

/// A command of `check` that explores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `check run`: does every state have the properties?
    Run,
    /// `check recover`: does the cluster recover from every state, once faults stop?
    Recover,
    /// `check invariant`: does every step keep the inductive invariant?
    Invariant,
}

/// What tests are asked.
#[derive(Clone, Copy, Debug)]
pub struct Test {
    /// Where the test is.
    pub suite: TestSuite,
    /// Its full name.
    pub name: &'static str,
}

/// Tests that are built together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestSuite {
    /// Those beside the code of the library.
    Unit,
    /// Those that run under a scheduler which explores interleavings of its threads.
    Interleavings,
    /// A file of its `tests/`, without its ending.
    File(&'static str),
    /// Those beside the code of what checks it. None may run the program `check`: where mutants
    /// are built, that is the next one's.
    UnitOf(Evidence),
    /// A file of the `tests/` there.
    FileOf(Evidence, &'static str),
}

/// What checks the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The cluster as a model.
    Models,
    /// Engines, scopes and evidence.
    Checks,
}

impl Evidence {
    /// Its folder.
    pub fn folder(self) -> &'static str {
        match self {
            Evidence::Models => "models",
            Evidence::Checks => "checks",
        }
    }
}

/// What a mutant must show.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// This property is violated, and the shortest trace has so many steps. [`RECOVERY`] is
    /// violated by a state from which the cluster does not recover, [`INDUCTIVE`] by a step that
    /// leads out of the invariant.
    ///
    /// [`RECOVERY`]: places::RECOVERY
    /// [`INDUCTIVE`]: places::INDUCTIVE
    Falls {
        /// The property.
        property: &'static str,
        /// The length of the trace.
        steps: usize,
    },
    /// The space is exhausted, and nothing of this kind is reached any more.
    Unreached {
        /// The reachability.
        property: &'static str,
    },
    /// No property is violated and the space is exhausted: the mutant is safe there.
    Survives {
        /// How many states it has; equal to the original's where nothing changes at all.
        states: u64,
        /// Why nothing falls.
        reason: &'static str,
    },
    /// This test fails: what is bent lies outside of what a search explores.
    FailsTest(Test),
}

impl Search {
    /// The arguments of `check` for it.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = match self.command {
            Verb::Run => vec!["run".to_owned(), self.scope.to_owned()],
            Verb::Recover => vec!["recover".to_owned(), self.scope.to_owned()],
            Verb::Invariant => vec!["invariant".to_owned()],
        };
        let names = ["--servers", "--terms", "--entries", "--restarts"];
        for (name, bound) in names.iter().zip(self.bounds.iter().flatten()) {
            arguments.extend([(*name).to_owned(), bound.to_string()]);
        }
        arguments.extend(self.options.iter().map(|&option| option.to_owned()));
        arguments
    }

    /// The scope with what differs from it, in one word.
    pub fn words(&self) -> String {
        let mut words = self.scope.to_owned();
        if let Some([servers, terms, entries, restarts]) = self.bounds {
            words = format!("{servers}/{terms}/{entries}/{restarts}");
            // Where the bounds alone would not tell it.
            let telling =
                ["torn", "figure-8", "snap"].into_iter().find(|&s| self.scope.starts_with(s));
            words = telling.map_or(words.clone(), |telling| format!("{telling} {words}"));
        }
        let options: Vec<&str> = self
            .options
            .iter()
            .map(|&option| match option {
                "--no-symmetry" => "no orbits",
                "--keep-dead-letters" => "dead letters",
                other => other.trim_start_matches('-'),
            })
            .collect();
        match options[..] {
            [] => {}
            ["dead letters", "no orbits"] => words += " plain",
            _ => words = format!("{words} {}", options.join(" ")),
        }
        match self.command {
            Verb::Run | Verb::Invariant => words,
            Verb::Recover => format!("recover {words}"),
        }
    }
}

impl TestSuite {
    /// Its name.
    pub fn words(&self) -> String {
        match self {
            TestSuite::Unit => "unit tests".to_owned(),
            TestSuite::Interleavings => "interleavings".to_owned(),
            TestSuite::File(name) => format!("tests/{name}"),
            TestSuite::UnitOf(of) => format!("{} unit", of.folder()),
            TestSuite::FileOf(of, name) => format!("{}/tests/{name}", of.folder()),
        }
    }
}

impl Mutant {
    /// Its name, with the short one if there is one.
    pub fn title(&self) -> String {
        match self.alias {
            Some(alias) => format!("{} ({alias})", self.name),
            None => self.name.to_owned(),
        }
    }

    /// Where it shows: the first search, or the tests.
    pub fn place(&self) -> String {
        match self.expected {
            Expected::FailsTest(test) => test.suite.words(),
            Expected::Falls { .. } | Expected::Unreached { .. } | Expected::Survives { .. } => {
                self.searches.first().map_or(String::new(), Search::words)
            }
        }
    }
}

/// The tables, each with the file that holds it.
const TABLES: &[(&str, &[Mutant])] = &[
    ("votes", votes::MUTANTS),
    ("elections", elections::MUTANTS),
    ("log", log::MUTANTS),
    ("leaders", leaders::MUTANTS),
    ("answers", answers::MUTANTS),
    ("application", application::MUTANTS),
    ("silence", silence::MUTANTS),
    ("steps", steps::MUTANTS),
    ("persistence", persistence::MUTANTS),
    ("inductive", inductive::MUTANTS),
    ("door", door::MUTANTS),
    ("guards", guards::MUTANTS),
    ("gate", gate::MUTANTS),
    ("runtime", runtime::MUTANTS),
    ("storage", storage::MUTANTS),
    ("room", room::MUTANTS),
    ("proof", proof::MUTANTS),
    ("refines", refines::MUTANTS),
    ("properties", properties::MUTANTS),
    ("cluster", cluster::MUTANTS),
    ("verdicts", verdicts::MUTANTS),
    ("drawn", drawn::MUTANTS),
    ("saturation", saturation::MUTANTS),
    ("snapshots", snapshots::MUTANTS),
];

/// Every mutant, in the order of the table.
pub fn all() -> impl Iterator<Item = &'static Mutant> + Clone {
    TABLES.iter().flat_map(|(_, mutants)| *mutants)
}

/// The table of `check list`.
pub fn list() -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(80);
    table.set_header(["mutant", "rule", "what it does", "what must show"]);
    for mutant in all() {
        let shows = match mutant.expected {
            Expected::Falls { property, .. } => property.to_owned(),
            Expected::Unreached { property } => format!("unreached: {property}"),
            Expected::Survives { .. } => "nothing falls".to_owned(),
            Expected::FailsTest(test) => format!("fails: {}", test.suite.words()),
        };
        let Mutant { rule, about, .. } = *mutant;
        // The short name has a line of its own, for the column is narrow.
        table.add_row([
            mutant.title().replace(' ', "\n"),
            rule.to_owned(),
            about.to_owned(),
            shows,
        ]);
    }
    if let Some(column) = table.column_mut(0) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    table.trim_fmt()
}
