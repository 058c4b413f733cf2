//! docs/assumptions.md has a row for each assumption of the model, and the tests that it names
//! are there.

use std::fs;

use veraft_models::assumptions::ASSUMPTIONS;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn read(file: &str) -> String {
    fs::read_to_string(format!("{ROOT}/{file}")).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The cells of each row.
fn rows(page: &str) -> Vec<Vec<String>> {
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(1);
    let cells = |row: &str| row.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
    rows.map(cells).collect()
}

#[test]
fn each_assumption_has_its_row_and_each_row_its_tests() {
    let rows = rows(&read("docs/assumptions.md"));
    let named: Vec<&str> = rows.iter().map(|cells| cells[0].as_str()).collect();
    let expected: Vec<&str> = ASSUMPTIONS.iter().map(|assumption| assumption.name).collect();
    assert_eq!(named, expected);
    for cells in &rows {
        assert!(cells.len() == 4 && cells.iter().all(|cell| !cell.is_empty()), "{cells:?}");
        for test in cells[3].split(", ") {
            let (file, function) = test.trim_matches('`').split_once("::").expect(test);
            let header = format!("fn {function}(");
            assert!(read(file).contains(&header), "{file} has no {function}");
        }
    }
}
