//! The folders of this crate are an order: each uses those before it and itself, and no other.

use std::fs;
use std::path::{Path, PathBuf};

/// From the lowest; the list in `lib.rs` is the same.
const ROOMS: [&str; 7] =
    ["terminal", "engines", "scopes", "evidence", "telling", "commands", "cli"];

/// The Rust files in `folder` and below.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The first segment behind each `crate::`, comments left out; a group after it is one that no
/// room is called.
fn used(source: &str) -> Vec<&str> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let paths = code.flat_map(|line| line.split("crate::").skip(1));
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    paths.map(|path| path.split(|c| !is_name(c)).next().unwrap_or_default()).collect()
}

/// What a file of the room at `place` uses and must not.
fn forbidden(place: usize, source: &str) -> Vec<&str> {
    let below = |room: &&str| !ROOMS[..=place].contains(room);
    used(source).into_iter().filter(below).collect()
}

#[test]
fn no_room_uses_one_above_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut uses = 0;
    for (place, room) in ROOMS.iter().enumerate() {
        for file in sources(&root.join(room)) {
            let source = fs::read_to_string(&file).unwrap();
            uses += used(&source).len();
            let name = file.strip_prefix(root).unwrap().display();
            found.extend(forbidden(place, &source).iter().map(|to| format!("{name} uses {to:?}")));
        }
    }
    assert!(uses > 100, "only {uses} uses were found");
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_list_of_rooms_is_whole_and_that_of_the_crate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lib = fs::read_to_string(root.join("lib.rs")).unwrap();
    let listed = lib.lines().filter_map(|line| {
        let (_, room) = line.strip_prefix("//! ")?.split_once(". [`")?;
        room.split_once('`').map(|(room, _)| room)
    });
    assert_eq!(listed.collect::<Vec<_>>(), ROOMS);
    let mut modules: Vec<_> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    modules.sort_unstable();
    let mut rooms = ROOMS;
    rooms.sort_unstable();
    assert_eq!(modules, rooms);
}

#[test]
fn a_use_of_a_higher_room_is_seen_however_it_is_written() {
    assert_eq!(forbidden(1, "use crate::engines::x;\nuse crate::terminal::y;"), [""; 0]);
    assert_eq!(forbidden(1, "let x = crate::scopes::x;"), ["scopes"]);
    assert_eq!(forbidden(1, "pub(crate) use crate::{terminal, scopes};"), [""]);
    assert_eq!(forbidden(1, "// crate::scopes"), [""; 0]);
}

#[test]
fn engines_know_models_not_raft_and_end_with_a_value() {
    let engines = Path::new(env!("CARGO_MANIFEST_DIR")).join("engines");
    for file in sources(&engines) {
        let source = fs::read_to_string(&file).unwrap();
        for word in ["veraft::", "veraft_models", "veraft_labs", "process::exit"] {
            assert!(!source.contains(word), "{} has {word}", file.display());
        }
    }
}
