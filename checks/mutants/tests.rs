//! The table itself: every text is there, every rule has a row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use stateright::Expectation;
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
    let widest = Bounds { servers: 3, terms: 2, entries: 2, restarts: 1 };
    let mut known: BTreeMap<_, _> =
        properties::of(&widest, &Environment { blanks: true, ..Environment::default() })
            .into_iter()
            .map(|p| (p.name, p.expectation))
            .collect();
    known.insert(RECOVERY, Expectation::Always);
    known.insert(INDUCTIVE, Expectation::Always);
    for mutant in all() {
        let name = mutant.name;
        assert!(deed(name), "{name} tells no deed");
        for name in [Some(name), mutant.alias].into_iter().flatten() {
            assert!(names.insert(name), "two mutants are called {name}");
        }
        for search in mutant.searches.iter().chain(mutant.blind) {
            let is_scope = scopes::find(search.scope).is_some();
            assert_eq!(is_scope, search.command != Command::Invariant, "{name}: {}", search.scope);
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
                let file = match test.suite {
                    Suite::Unit => unit_file(test.name),
                    Suite::Interleavings => "src/runtime/interleavings.rs".to_owned(),
                    Suite::File(name) => suite_file(name, test.name),
                };
                let function = test.name.rsplit("::").next().unwrap();
                let header = format!("fn {function}(");
                assert!(read(&file).contains(&header), "{name}: {file} lacks {function}");
            }
        }
    }
}

/// The file of the test `name` of an integration suite, which may have modules beside it; in one
/// of them, a test may be a demand that is made of several things.
fn suite_file(suite: &str, name: &str) -> String {
    match name.split_once("::") {
        None => format!("tests/{suite}.rs"),
        Some((module, _)) => format!("tests/{suite}/{module}.rs"),
    }
}

/// The file of the unit test `name`, whose modules are files up to `tests`, or also that.
fn unit_file(name: &str) -> String {
    let modules: Vec<&str> = name.split("::").collect();
    let of_their_own = format!("src/{}.rs", modules[..modules.len() - 1].join("/"));
    match of_their_own.strip_suffix("/tests.rs") {
        Some(module) if !Path::new(ROOT).join(&of_their_own).exists() => format!("{module}.rs"),
        Some(_) | None => of_their_own,
    }
}

#[test]
fn a_deed_and_its_short_name_are_one_row() {
    let named = |name: &str| suite::choose(&suite::Choice::Named(vec![name.to_owned()]));
    assert_eq!(named("A1").unwrap()[0].name, "vote-twice");
    assert_eq!(named("vote-twice").unwrap()[0].alias, Some("A1"));
    assert!(named("vote-thrice").unwrap_err().contains("vote-thrice"));
}

#[test]
fn there_are_many_and_dozens_go_around() {
    let count = all().count();
    assert!(count >= 45, "{count}");
    let days = count.div_ceil(12);
    let tried: BTreeSet<_> = (0..days)
        .flat_map(|day| suite::choose(&suite::Choice::Dozen(day)).unwrap())
        .map(|mutant| mutant.name)
        .collect();
    assert_eq!(tried.len(), count);
}
