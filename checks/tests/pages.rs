//! What the pages name is there.

use std::fs;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What stands in backquotes on a page, outside of blocks.
fn quoted(page: &str) -> Vec<&str> {
    let mut quoted = Vec::new();
    for (number, part) in page.split("```").enumerate() {
        if number % 2 == 0 {
            quoted.extend(part.split('`').skip(1).step_by(2));
        }
    }
    quoted
}

/// Whether `file::item` or a path is in the source.
fn is_there(named: &str) -> bool {
    let (path, item) = named.split_once("::").map_or((named, None), |(p, i)| (p, Some(i)));
    let path = Path::new(ROOT).join(path);
    match item {
        None => path.exists(),
        Some(item) => fs::read_to_string(path).is_ok_and(|source| {
            source.contains(&format!("fn {item}(")) || source.contains(&format!("fn {item}<"))
        }),
    }
}

fn is_a_place(named: &&str) -> bool {
    let tops = ["src/", "models/", "checks/", "tests/", "benches/", "examples/", "docs/", ".ci/"];
    tops.iter().any(|top| named.starts_with(top)) && !named.contains([' ', '*'])
}

#[test]
fn every_place_that_a_page_names_is_there() {
    let mut named = 0;
    for page in [
        "README.md",
        "docs/architecture.md",
        "docs/extending.md",
        "docs/operations.md",
        "docs/storage.md",
    ] {
        let text = fs::read_to_string(Path::new(ROOT).join(page)).unwrap();
        for place in quoted(&text).into_iter().filter(is_a_place) {
            named += 1;
            assert!(is_there(place), "{page} names {place}");
        }
    }
    assert!(named > 60, "only {named} places were found");
}

#[test]
fn a_place_that_is_gone_is_found() {
    assert!(is_there("src/figure2/mod.rs::step") && is_there("models/properties/"));
    assert!(!is_there("src/figure2/mod.rs::stride") && !is_there("src/figure3/"));
    assert_eq!(quoted("a `src/x.rs` b\n```\n`no`\n```\n`docs/y.md`"), ["src/x.rs", "docs/y.md"]);
}
