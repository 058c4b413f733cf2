//! The table itself: every text is there, every rule has a row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use stateright::Expectation;
use veraft::figure2::Server;
use veraft_models::{Bounds, Environment, properties};

use super::places::{INDUCTIVE, RECOVERY, edit};
use super::workshop::{ROOT, patch};
use super::*;
use crate::scopes;

fn read(file: &str) -> String {
    fs::read_to_string(format!("{ROOT}/{file}")).unwrap()
}

#[test]
fn every_text_occurs_once_in_the_source_as_it_is() {
    let mut problems = Vec::new();
    for mutant in all() {
        let files: BTreeSet<_> = mutant.edits.iter().map(|edit| edit.file).collect();
        assert!(!files.is_empty(), "{} changes nothing", mutant.name);
        for file in files {
            let before = read(file);
            match patch(mutant, file, before.clone()) {
                Ok(after) => assert_ne!(before, after, "{}", mutant.name),
                Err(problem) => problems.push(format!("{}: {problem}", mutant.name)),
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

const EMPTY: Mutant = Mutant {
    name: "bend-nothing",
    alias: None,
    rule: "",
    about: "",
    edits: &[],
    searches: &[],
    blind: &[],
    expected: Expected::Falls { property: "", steps: 0 },
};

#[test]
fn a_row_that_does_not_fit_the_source_is_an_error_that_names_the_place() {
    const FILE: &str = "src/figure2/rules.rs";
    let text = || "impl Server { fn f(&self) { g(1); h(2) } }".to_owned();
    let patched = |edits| {
        patch(&Mutant { edits, ..EMPTY }, FILE, text()).map_err(|problem| problem.to_string())
    };
    const GOOD: &[Edit] =
        &[edit(FILE, "Server::f", "h(2)", "i(3)"), edit(FILE, "Server::f", "g( 1 );", "")];
    assert_eq!(patched(GOOD).unwrap(), "impl Server { fn f(&self) {  i(3) } }");
    const BAD: &[(&[Edit], &str)] = &[
        (&[edit(FILE, "Server::k", "g(1)", "")], "Server::k: there is no such item"),
        (&[edit(FILE, "Server::f", "g(2)", "")], "Server::f: its text occurs 0 times"),
        (&[edit(FILE, "Server::f", "(", "")], "Server::f: its text occurs 3 times"),
        (&[edit(FILE, "Server::f", "g(1)", ""), edit(FILE, "Server::f", "1", "2")], "overlap"),
    ];
    for &(edits, said) in BAD {
        let problem = patched(edits).unwrap_err();
        assert!(problem.contains(FILE) && problem.contains(said), "{problem}");
    }
}

#[test]
fn names_are_unique_and_scopes_properties_and_tests_exist() {
    let mut names = BTreeSet::new();
    let deed = |name: &str| {
        let words: Vec<&str> = name.split('-').collect();
        let lower = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase());
        words.len() > 1 && words.iter().all(lower)
    };
    let widest = Bounds { servers: 3, terms: 2, entries: 3, restarts: 1, compactions: 1 };
    let mut known: BTreeMap<_, _> =
        properties::of::<Server>(&widest, &Environment { blanks: true, ..Environment::default() })
            .into_iter()
            .chain(properties::partly_held(&widest, &Environment::default()))
            .map(|p| (p.name, p.expectation))
            .collect();
    known.insert(RECOVERY, Expectation::Always);
    known.insert(INDUCTIVE, Expectation::Always);
    for mutant in all() {
        let name = mutant.name;
        assert!(deed(name) && name.len() <= 26, "{name} tells no deed in short");
        for name in [Some(name), mutant.alias].into_iter().flatten() {
            assert!(names.insert(name), "two mutants are called {name}");
        }
        for search in mutant.searches.iter().chain(mutant.blind) {
            let is_scope = scopes::find(search.scope).is_some();
            assert_eq!(is_scope, search.command != Verb::Invariant, "{name}: {}", search.scope);
        }
        let is_test = matches!(mutant.expected, Expected::FailsTest(_));
        assert_eq!(mutant.searches.is_empty(), is_test, "{name} is never tried, or twice");
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
            Expected::FailsTest(test) => {
                let file = test.file();
                let function = test.name.rsplit("::").next().unwrap();
                let header = format!("fn {function}(");
                assert!(read(&file).contains(&header), "{name}: {file} lacks {function}");
            }
        }
    }
}
