//! One word, one thing: in `docs/vocabulary.md`, and among the names of public types.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Ident, Item, Meta, Visibility};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Names that several public types may have, and why.
const ALLOWED: &[(&str, &str)] = &[];

/// A public type, and the file that defines it.
type Named = (String, PathBuf);

/// What a file defines, and which modules of it are only for tests.
#[derive(Default)]
struct Found {
    types: Vec<String>,
    test_modules: Vec<String>,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other items define no type")]
fn collect(items: &[Item], found: &mut Found) {
    for item in items {
        let mut add = |visibility: &Visibility, name: &Ident, attributes: &[Attribute]| {
            if is_public(visibility) && !is_for_tests(attributes) {
                found.types.push(name.to_string());
            }
        };
        match item {
            Item::Enum(it) => add(&it.vis, &it.ident, &it.attrs),
            Item::Struct(it) => add(&it.vis, &it.ident, &it.attrs),
            Item::Trait(it) => add(&it.vis, &it.ident, &it.attrs),
            Item::Type(it) => add(&it.vis, &it.ident, &it.attrs),
            Item::Union(it) => add(&it.vis, &it.ident, &it.attrs),
            Item::Mod(it) if is_for_tests(&it.attrs) => {
                found.test_modules.push(it.ident.to_string());
            }
            Item::Mod(it) => {
                let items = it.content.as_ref().map(|(_, items)| &items[..]);
                collect(items.unwrap_or_default(), found);
            }
            _ => {}
        }
    }
}

/// `pub` or `pub(crate)`.
fn is_public(visibility: &Visibility) -> bool {
    match visibility {
        Visibility::Public(_) => true,
        Visibility::Restricted(within) => within.path.is_ident("crate"),
        Visibility::Inherited => false,
    }
}

/// Whether what these stand before is there in tests only.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Meta::List(list) = &attribute.meta else { return false };
        let text = list.tokens.to_string();
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        list.path.is_ident("cfg") && words.any(|word| word == "test")
    })
}

fn found_in(text: &str) -> Found {
    let mut found = Found::default();
    collect(&syn::parse_file(text).unwrap().items, &mut found);
    found
}

/// Every public type below `folder`, but for tests.
fn types_in(folder: &Path, all: &mut Vec<Named>) {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.retain(|path| path.file_stem().is_none_or(|name| name != "tests"));
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "rs");
    let files = paths.iter().filter(|path| is_rust(path));
    let files: Vec<_> =
        files.map(|path| (path, found_in(&fs::read_to_string(path).unwrap()))).collect();
    // Where the modules of a file are: beside it, or in the folder of its name.
    let beside = ["lib", "main", "mod"];
    let for_tests: BTreeSet<PathBuf> = files
        .iter()
        .flat_map(|(path, found)| {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let place = if beside.contains(&stem) { folder.to_owned() } else { folder.join(stem) };
            found.test_modules.iter().map(move |module| place.join(module))
        })
        .collect();
    for (path, found) in files {
        if !for_tests.contains(&path.with_extension("")) {
            all.extend(found.types.into_iter().map(|name| (name, path.clone())));
        }
    }
    for path in paths.iter().filter(|path| path.is_dir() && !for_tests.contains(*path)) {
        types_in(path, all);
    }
}

fn types() -> BTreeMap<String, Vec<PathBuf>> {
    let mut all = Vec::new();
    for folder in ["src", "models", "checks"] {
        types_in(&Path::new(ROOT).join(folder), &mut all);
    }
    let mut types: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for (name, path) in all {
        types.entry(name).or_default().push(path.strip_prefix(ROOT).unwrap().to_owned());
    }
    types
}

#[test]
fn what_is_public_is_found_but_for_tests() {
    let found = found_in(
        "pub struct A; pub(crate) enum B {} pub(super) struct C; struct D; pub type E = A;
         mod inner { pub trait F {} } #[cfg(test)] mod tests { pub struct G; }
         #[cfg(all(test, unix))] mod fixtures; #[cfg(unix)] pub struct H;",
    );
    assert_eq!(found.types, ["A", "B", "E", "F", "H"]);
    assert_eq!(found.test_modules, ["tests", "fixtures"]);
}

#[test]
fn no_two_public_types_have_one_name() {
    let types = types();
    assert!(types.len() > 150, "only {} were found", types.len());
    let excepted: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    assert_eq!(excepted.len(), ALLOWED.len(), "an exception stands twice");
    let mut problems = Vec::new();
    for (name, places) in &types {
        match (places.len() > 1, excepted.contains(&**name)) {
            (true, false) => problems.push(format!("{name} is several types: {places:?}")),
            (false, true) => problems.push(format!("strike {name} from the exceptions")),
            (true, true) | (false, false) => {}
        }
    }
    let gone = excepted.iter().filter(|name| !types.contains_key(**name));
    problems.extend(gone.map(|name| format!("strike {name} from the exceptions")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(ALLOWED.iter().all(|(_, reason)| reason.len() > 10));
}

#[test]
fn the_page_defines_each_word_once_and_names_types_that_there_are() {
    let page = include_str!("../../docs/vocabulary.md");
    let types = types();
    let mut words = BTreeSet::new();
    let mut named = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [word, meaning, name] = cells[..] else { panic!("three cells: {line}") };
        if word == "word" {
            continue;
        }
        assert!(words.insert(word), "{word} is defined twice");
        assert!(meaning.len() > 10, "{word} is not explained");
        let name = name.trim_matches('`');
        if !name.is_empty() {
            assert!(named.insert(name), "two words are {name}");
            assert!(types.contains_key(name), "there is no type {name}");
        }
    }
    let wanted = [
        "letter",
        "event",
        "cluster",
        "node",
        "server",
        "trace",
        "script",
        "recording",
        "told",
        "world",
        "scope",
        "position",
        "step",
        "move",
        "run",
        "life",
        "breach",
        "gate",
        "duty",
        "waiter",
        "record",
        "store",
    ];
    for word in wanted {
        assert!(words.contains(word), "{word} is missing");
    }
}
