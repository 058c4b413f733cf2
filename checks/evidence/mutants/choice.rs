//! Which mutants are tried.

use std::collections::BTreeSet;
use std::path::Path;

use super::workshop::ROOT;
use super::{Expected, Mutant, TABLES, Test, TestSuite, all};
use crate::evidence::rules::citations::citations;

/// Which mutants to try.
#[derive(Clone, Debug)]
pub enum Choice {
    /// Every one.
    All,
    /// Those of these names, or short names.
    Named(Vec<String>),
    /// Those that a change touches, and others in turn.
    InTurn {
        /// The files that the change touches, from the root of the workspace.
        touching: Vec<String>,
        /// How many of those that they touch; the turn says which.
        at_most: Option<usize>,
        /// The dozen of this number besides, counted around and around the table.
        dozen: Option<usize>,
    },
}

/// The mutants of a choice.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// Those to try.
    pub rows: Vec<&'static Mutant>,
    /// How many the change touches, if files were named.
    pub touched: Option<usize>,
    /// Those of them that wait for their turn.
    pub left: Vec<&'static Mutant>,
}

impl Choice {
    /// Its mutants.
    ///
    /// # Errors
    /// When no mutant is called so.
    pub fn mutants(&self) -> Result<Chosen, String> {
        let named = |name: &String| {
            let found = all().find(|row| row.name == name || row.alias == Some(&**name));
            found.ok_or_else(|| format!("no mutant is called {name:?}: see `check list`"))
        };
        let rows = match self {
            Choice::All => all().collect(),
            Choice::Named(names) => names.iter().map(named).collect::<Result<_, _>>()?,
            Choice::InTurn { touching, at_most, dozen } => {
                return Ok(in_turn(touching, *at_most, *dozen));
            }
        };
        Ok(Chosen { rows, ..Chosen::default() })
    }
}

fn in_turn(touching: &[String], at_most: Option<usize>, dozen: Option<usize>) -> Chosen {
    let touched = touched(touching);
    let width = at_most.unwrap_or(touched.len());
    let mut rows = turn(&touched, dozen.unwrap_or(0), width);
    let dozen = dozen.map(|number| turn(&all().collect::<Vec<_>>(), number, 12));
    for row in dozen.into_iter().flatten() {
        if !has(&rows, row) {
            rows.push(row);
        }
    }
    let left = touched.iter().copied().filter(|row| !has(&rows, row)).collect();
    Chosen { rows, touched: (!touching.is_empty()).then_some(touched.len()), left }
}

/// So many of these, from where the turns before this one ended.
fn turn(rows: &[&'static Mutant], number: usize, width: usize) -> Vec<&'static Mutant> {
    let count = rows.len();
    let first = (number % count.max(1)) * width % count.max(1);
    rows.iter().copied().cycle().skip(first).take(width.min(count)).collect()
}

fn has(rows: &[&Mutant], row: &Mutant) -> bool {
    rows.iter().any(|other| other.name == row.name)
}

/// The mutants that a change of these files touches: those that bend such a file, break a rule
/// that is cited in it, are caught by a test in it, or whose row stands in it.
fn touched(files: &[String]) -> Vec<&'static Mutant> {
    let files: BTreeSet<&str> =
        files.iter().map(|file| file.strip_prefix("./").unwrap_or(file)).collect();
    let holds = |file: String| files.contains(&*file);
    let rules: BTreeSet<String> = citations()
        .into_iter()
        .filter(|citation| holds(format!("src/figure2/{}", citation.file)))
        .map(|citation| citation.id)
        .collect();
    let is_touched = |row: &Mutant| {
        let test = match row.expected {
            Expected::FailsTest(test) => Some(test.file()),
            Expected::Falls { .. } | Expected::Unreached { .. } | Expected::Survives { .. } => None,
        };
        row.edits.iter().any(|edit| files.contains(edit.file))
            || rules.contains(row.rule)
            || test.is_some_and(holds)
    };
    let of_table = |(name, rows): &(&str, &'static [Mutant])| {
        let whole = holds(format!("{}/{name}.rs", folder()));
        rows.iter().filter(|row| whole || is_touched(row)).collect::<Vec<_>>()
    };
    TABLES.iter().flat_map(of_table).collect()
}

/// Where the tables are, from the root of the workspace.
fn folder() -> &'static str {
    file!().trim_end_matches("/choice.rs")
}

impl Test {
    /// The file that holds it, from the root of the workspace.
    pub fn file(&self) -> String {
        match self.suite {
            TestSuite::Unit => unit_file("src", self.name),
            TestSuite::UnitOf(of) => unit_file(of.folder(), self.name),
            TestSuite::FileOf(of, file) => format!("{}/tests/{file}.rs", of.folder()),
            TestSuite::Interleavings => "src/runtime/machinery/interleavings.rs".to_owned(),
            // A suite may have modules beside it; in one of them, a test may be a demand that is
            // made of several things.
            TestSuite::File(suite) => match self.name.split_once("::") {
                None => format!("tests/{suite}.rs"),
                Some((module, _)) => format!("tests/{suite}/{module}.rs"),
            },
        }
    }
}

/// The file of the unit test `name` of the crate in `folder`, whose modules are files up to
/// `tests`, or also that.
fn unit_file(folder: &str, name: &str) -> String {
    let modules: Vec<&str> = name.split("::").collect();
    let of_their_own = format!("{folder}/{}.rs", modules[..modules.len() - 1].join("/"));
    match of_their_own.strip_suffix("/tests.rs") {
        Some(module) if !Path::new(ROOT).join(&of_their_own).exists() => format!("{module}.rs"),
        Some(_) | None => of_their_own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(rows: &[&Mutant]) -> Vec<&'static str> {
        rows.iter().map(|row| row.name).collect()
    }

    fn touching(file: &str, at_most: Option<usize>, dozen: Option<usize>) -> Chosen {
        Choice::InTurn { touching: vec![file.to_owned()], at_most, dozen }.mutants().unwrap()
    }

    #[test]
    fn a_deed_and_its_short_name_are_one_row() {
        let named = |name: &str| Choice::Named(vec![name.to_owned()]).mutants();
        assert_eq!(names(&named("A1").unwrap().rows), ["vote-twice"]);
        assert_eq!(named("vote-twice").unwrap().rows[0].alias, Some("A1"));
        assert!(named("vote-thrice").unwrap_err().contains("vote-thrice"));
    }

    #[test]
    fn a_file_touches_what_it_holds_of_a_row() {
        let touched = |file: &str| names(&touching(file, None, None).rows);
        assert!(touched("src/runtime/limits.rs").contains(&"accept-what-cannot-be-sent"));
        // A rule that is cited in one file and bent in another.
        let elsewhere = |row: &Mutant, file: &str| {
            row.edits.iter().all(|edit| edit.file.rsplit('/').next() != Some(file))
        };
        let found = citations().into_iter().find_map(|cited| {
            let row = all().find(|row| row.rule == cited.id && elsewhere(row, cited.file));
            row.map(|row| (row.name, cited.file))
        });
        let (row, file) = found.unwrap();
        assert!(touched(&format!("./src/figure2/{file}")).contains(&row), "{row}, {file}");
        assert!(touched("tests/blanks.rs").contains(&"append-no-blank"));
        let unit = "src/runtime/machinery/identity/tests.rs";
        assert!(touched(unit).contains(&"meet-emptied-stores"));
        let table = touched(&format!("{}/votes.rs", folder()));
        assert!(table.contains(&"vote-twice") && !table.contains(&"append-no-blank"));
        assert!(Path::new(ROOT).join(folder()).join("votes.rs").exists());
        assert!(touched("README.md").is_empty());
    }

    #[test]
    fn what_is_touched_goes_around_beside_the_dozens() {
        let file = "src/figure2/rules.rs";
        let whole = touching(file, None, None);
        assert!(whole.touched == Some(whole.rows.len()) && whole.left.is_empty());
        let mut tried = BTreeSet::new();
        for day in 0..whole.rows.len().div_ceil(5) {
            let some = touching(file, Some(5), Some(day));
            let dozen = Choice::InTurn { touching: vec![], at_most: None, dozen: Some(day) };
            let dozen = dozen.mutants().unwrap();
            assert!(dozen.touched.is_none() && dozen.rows.iter().all(|row| has(&some.rows, row)));
            let distinct: BTreeSet<_> = names(&some.rows).into_iter().collect();
            assert!(distinct.len() == some.rows.len() && (12..=17).contains(&distinct.len()));
            for row in &whole.rows {
                assert_ne!(has(&some.rows, row), has(&some.left, row), "{}", row.name);
            }
            tried.extend(names(&some.rows[..5]));
        }
        assert_eq!(tried, names(&whole.rows).into_iter().collect());
    }

    #[test]
    fn there_are_many_and_dozens_go_around() {
        let count = all().count();
        assert!(count >= 45, "{count}");
        let dozen = |day| Choice::InTurn { touching: vec![], at_most: None, dozen: Some(day) };
        let tried: BTreeSet<_> = (0..count.div_ceil(12))
            .flat_map(|day| names(&dozen(day).mutants().unwrap().rows))
            .collect();
        assert_eq!(tried.len(), count);
    }
}
