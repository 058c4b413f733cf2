//! What is not a whole checkpoint of the search is refused by name, and never deleted.

use std::fs;
use std::sync::Arc;

use super::*;
use crate::engines::timely::frontier::{Budget, Frontier};
use crate::engines::timely::seen::{Name, Seen, Sets};
use crate::engines::timely::tests::Grid;
use crate::engines::visited::Visited;

const GRID: Grid = Grid { hasty: false, trap: false };

fn checkpoints(folder: &tempfile::TempDir, digest: u64, resume: bool) -> Checkpoints {
    Checkpoints { folder: folder.path().to_owned(), interval: Duration::ZERO, resume, digest }
}

/// Three states, of which one is not expanded yet.
fn save(checkpoints: &Checkpoints, worker: usize, depth: u64) {
    let mut seen = Seen::<u64>::All(Visited::default(), Visited::default());
    let mut sets = Sets::default();
    for (state, parent) in [(1, 0), (2, 1), (3, 2)] {
        let name = Name { state, parent, kin: 9 };
        assert!(seen.add(&GRID, &mut sets, name, &mut Vec::new(), |_| ()));
    }
    let mut states = Frontier::new(Arc::new(Budget::new(u64::MAX, std::env::temp_dir())));
    states.push(&[0, 3]).unwrap();
    let header = Header { depth, generated: 7, expanded: 5, discoveries: vec![(1, vec![2; 8])] };
    let told = b"told".to_vec();
    let contents = Contents { header, told, seen: &seen, sets: &mut sets, states: &mut states };
    checkpoints.save(&GRID, worker, contents).unwrap();
}

fn load(checkpoints: &Checkpoints, worker: usize, depth: u64) -> Result<Part<Grid, u64>, String> {
    checkpoints.load(&GRID, worker, depth).map_err(|error| error.to_string())
}

#[test]
fn wherever_a_file_is_cut_or_changed_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = checkpoints(&folder, 1, true);
    save(&checkpoints, 0, 4);
    let path = checkpoints.file(0, 4);
    let whole = fs::read(&path).unwrap();
    let part = load(&checkpoints, 0, 4).unwrap();
    assert_eq!((part.header.depth, part.seen.len(), part.states.len()), (4, 3, 3));
    let assert_refused = |bytes: &[u8], what: String| {
        fs::write(&path, bytes).unwrap();
        let refusal = load(&checkpoints, 0, 4).err().unwrap_or_else(|| panic!("{what}"));
        let named = format!("{} is damaged: delete it", path.display());
        assert!(refusal.starts_with(&named), "{what}: {refusal}");
    };
    for length in 0..whole.len() {
        assert_refused(&whole[..length], format!("cut at {length} of {}", whole.len()));
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[length] ^= 1 << bit;
            assert_refused(&changed, format!("bit {bit} of byte {length}"));
        }
    }
    assert_refused(&[&whole[..], &[0]].concat(), "a byte too many".to_owned());
    fs::write(&path, &whole).unwrap();
    assert!(load(&checkpoints, 0, 4).is_ok());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = checkpoints(&folder, 1, true);
    let refusal = load(&checkpoints, 0, 4).err().unwrap();
    assert!(refusal.contains(checkpoints.file(0, 4).to_str().unwrap()), "{refusal}");
}

#[test]
fn a_folder_belongs_to_one_search() {
    let folder = tempfile::tempdir().unwrap();
    let [fresh, resumed] = [false, true].map(|resume| checkpoints(&folder, 1, resume));
    assert!(fresh.admit().is_ok() && resumed.admit().is_ok(), "nobody's");
    save(&fresh, 0, 4);
    assert!(resumed.admit().is_ok());
    assert!(matches!(fresh.admit(), Err(CheckpointError::SameSearch { .. })));
    for resume in [false, true] {
        let other = checkpoints(&folder, 2, resume);
        assert!(matches!(other.admit(), Err(CheckpointError::OtherSearch { .. })));
    }
    // Two that began in one empty folder harm each other no more than that.
    let other = checkpoints(&folder, 2, false);
    (5..9).for_each(|depth| save(&other, 0, depth));
    assert!(load(&resumed, 0, 4).is_ok(), "each deletes its own alone");
    assert_eq!(other.levels(0).unwrap(), [7, 8]);
    assert!(matches!(resumed.admit(), Err(CheckpointError::OtherSearch { .. })));
}

#[test]
fn checkpoints_without_a_digest_in_their_name_are_another_search() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("worker-0-level-8"), b"").unwrap();
    let checkpoints = checkpoints(&folder, 1, true);
    assert!(matches!(checkpoints.admit(), Err(CheckpointError::OtherSearch { .. })));
}

#[test]
fn a_worker_that_was_ahead_keeps_the_level_at_which_all_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = checkpoints(&folder, 1, true);
    [8, 9].into_iter().for_each(|depth| save(&checkpoints, 0, depth));
    checkpoints.forget_behind(0, 8).unwrap();
    save(&checkpoints, 0, 12);
    assert_eq!(checkpoints.levels(0).unwrap(), [8, 12]);
}
