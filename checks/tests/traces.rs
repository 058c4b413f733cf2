//! Golden traces: the scripts in `checks/traces/`, played through the core, against what stands
//! under their lines. After a change on purpose, `UPDATE_TRACES=1 cargo test --test traces`
//! writes them anew, and the difference is there to be reviewed.

use std::fs;
use std::path::{Path, PathBuf};

use veraft_checks::scopes::script::Script;

fn traces() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|e| e == "txt")).collect();
    files.sort();
    files
}

#[test]
fn every_golden_trace_is_told_as_it_stands() {
    let files = traces();
    assert!(files.len() >= 6, "only {} traces were found", files.len());
    let mut changed = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().display().to_string();
        let text = fs::read_to_string(&file).unwrap();
        let script = Script::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let told = script.told(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        if std::env::var_os("UPDATE_TRACES").is_some() {
            fs::write(&file, &told).unwrap();
        }
        let violations: Vec<_> = script.play().unwrap().violations().collect();
        assert!(violations.is_empty(), "{name}: {violations:?}");
        if let Some(line) = first_difference(&text, &told) {
            changed.push(format!("{name}, line {line}"));
        }
    }
    assert!(changed.is_empty(), "no longer as they stand: {changed:#?}");
}

fn first_difference(before: &str, after: &str) -> Option<usize> {
    let (mut before, mut after) = (before.lines(), after.lines());
    (1..)
        .map_while(|line| match (before.next(), after.next()) {
            (None, None) => None,
            (one, other) => Some((line, one == other)),
        })
        .find_map(|(line, same)| (!same).then_some(line))
}
