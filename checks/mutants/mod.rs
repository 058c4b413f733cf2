//! Mutants: variants of the shipped source with one rule removed or bent, which a search must
//! tell from the original. A rule with no mutant is a rule nobody has shown to be needed.

mod elections;
mod judge;
mod places;
pub mod suite;
mod workshop;

use comfy_table::{ContentArrangement, Table, presets};

/// One rule, removed or bent, and how that shows.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// The name on the command line.
    pub name: &'static str,
    /// The rule of Figure 2 that it breaks, by its id.
    pub rule: &'static str,
    /// What the mutant does instead.
    pub about: &'static str,
    /// The changes of the source.
    pub edits: &'static [Edit],
    /// What `check run` is asked to explore. Each search must show what is expected; steps and
    /// states are those of the first.
    pub searches: &'static [Search],
    /// Searches that cannot see it, because a reduction hides it: the reason why every default
    /// run holds scopes without reductions.
    pub blind: &'static [Search],
    /// What the searches must show.
    pub expected: Expected,
}

/// One change of one file.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    /// The file, from the root of the workspace.
    pub file: &'static str,
    /// A text that occurs in it exactly once.
    pub before: &'static str,
    /// What stands there in the mutant.
    pub after: &'static str,
}

/// What `check run` is asked to explore: a scope, and its options.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// The scope.
    pub scope: &'static str,
    /// Servers, terms, entries and restarts, where they are not the scope's own.
    pub bounds: Option<[u32; 4]>,
    /// Further options.
    pub options: &'static [&'static str],
}

/// What a mutant must show.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// This property is violated, and the shortest trace has so many steps.
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
}

impl Search {
    /// The arguments of `check` for it.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["run".to_owned(), self.scope.to_owned()];
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
            if self.scope.starts_with("torn") {
                words = format!("torn {words}");
            }
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
        words
    }
}

/// Every mutant, in the order of the table.
pub fn all() -> impl Iterator<Item = &'static Mutant> {
    [elections::MUTANTS].into_iter().flatten()
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
            Expected::Survives { .. } => "no safety property falls".to_owned(),
        };
        let Mutant { name, rule, about, .. } = *mutant;
        table.add_row([name.to_owned(), rule.to_owned(), about.to_owned(), shows]);
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use stateright::Expectation;
    use veraft_models::{Bounds, properties};

    use super::workshop::{ROOT, patch};
    use super::*;
    use crate::scopes;

    #[test]
    fn every_text_occurs_once_in_the_source_as_it_is() {
        let read = |file| std::fs::read_to_string(format!("{ROOT}/{file}")).unwrap();
        for mutant in all() {
            let files: BTreeSet<_> = mutant.edits.iter().map(|edit| edit.file).collect();
            assert!(!files.is_empty(), "{} changes nothing", mutant.name);
            for file in files {
                let before = read(file);
                let after = patch(mutant, file, before.clone()).unwrap_or_else(|problem| {
                    panic!("{}: {problem}", mutant.name);
                });
                assert_ne!(before, after, "{}", mutant.name);
            }
        }
    }

    #[test]
    fn names_are_unique_and_scopes_and_properties_exist() {
        let mut names = BTreeSet::new();
        let widest = Bounds { servers: 3, terms: 2, entries: 2, restarts: 1 };
        let known: BTreeMap<_, _> =
            properties::of(&widest).into_iter().map(|p| (p.name, p.expectation)).collect();
        for mutant in all() {
            let name = mutant.name;
            assert!(names.insert(name), "two mutants are called {name}");
            assert!(!mutant.searches.is_empty(), "{name} is never searched");
            for search in mutant.searches.iter().chain(mutant.blind) {
                assert!(scopes::find(search.scope).is_some(), "{name}: {}", search.scope);
            }
            match mutant.expected {
                Expected::Falls { property, steps } => {
                    assert_eq!(known.get(property), Some(&Expectation::Always), "{name}");
                    assert!(steps > 0, "{name}");
                }
                Expected::Unreached { property } => {
                    assert_eq!(known.get(property), Some(&Expectation::Sometimes), "{name}");
                }
                Expected::Survives { states, reason } => {
                    assert!(states > 0 && !reason.is_empty(), "{name}");
                }
            }
        }
    }
}
