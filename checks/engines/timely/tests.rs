//! The engine on a model whose shortest paths are known.

use std::net::TcpListener;
use std::path::Path;

use stateright::{Model, Property};

use super::*;
use crate::engines::covering::Covering;

/// A grid of 60 by 60, walked from a corner by steps to the right, down, or both at once
/// (`hasty` alone), with a trap at (40, 30).
pub(super) struct Grid {
    pub(super) hasty: bool,
    pub(super) trap: bool,
}

impl Model for Grid {
    type State = (u8, u8);
    type Action = (u8, u8);

    fn init_states(&self) -> Vec<(u8, u8)> {
        vec![(0, 0)]
    }

    fn actions(&self, _: &(u8, u8), actions: &mut Vec<(u8, u8)>) {
        actions.extend([(1, 0), (0, 1)]);
        actions.extend(self.hasty.then_some((1, 1)));
    }

    fn next_state(&self, &(x, y): &(u8, u8), (dx, dy): (u8, u8)) -> Option<(u8, u8)> {
        Some((x + dx, y + dy))
    }

    fn within_boundary(&self, &(x, y): &(u8, u8)) -> bool {
        x < 60 && y < 60
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no trap", |grid, state| !grid.trap || *state != (40, 30)),
            Property::sometimes("the far corner", |_, state| *state == (59, 59)),
            Property::sometimes("the beginning", |_, state| *state == (0, 0)),
            Property::sometimes("nowhere", |_, state| *state == (60, 60)),
        ]
    }
}

impl Covering for Grid {
    type Sets = ();
}

impl Space for Grid {
    type Memo = ();
    type Names = ();
    type Told = ();

    fn fingerprint(&self, &(x, y): &(u8, u8)) -> u64 {
        u64::from(x) << 8 | u64::from(y)
    }

    fn wide_fingerprint(&self, state: &(u8, u8)) -> u128 {
        u128::from(self.fingerprint(state))
    }

    fn orbit(&self) -> usize {
        1
    }

    fn successors(&self, (): &mut (), state: &(u8, u8), visit: impl FnMut(&(u8, u8))) {
        let next = self.next_states(state);
        next.iter().filter(|next| self.within_boundary(next)).for_each(visit);
    }

    fn write(&self, &(x, y): &(u8, u8), out: &mut Vec<u8>) {
        out.extend([x, y]);
    }

    fn read(
        &self,
        (): &mut (),
        bytes: &mut &[u8],
        state: &mut (u8, u8),
    ) -> Result<(), UnreadableState> {
        self.read_foreign(&(), bytes, state)
    }

    fn tell(&self, (): &mut (), (): &mut ()) -> Vec<u8> {
        Vec::new()
    }

    fn learn(&self, (): &mut (), _: &[u8]) -> Result<(), UnreadableState> {
        Ok(())
    }

    fn read_foreign(
        &self,
        (): &(),
        bytes: &mut &[u8],
        state: &mut (u8, u8),
    ) -> Result<(), UnreadableState> {
        let (&[x, y], rest) = bytes.split_first_chunk().ok_or(UnreadableState)?;
        *bytes = rest;
        *state = (x, y);
        Ok(())
    }
}

fn settings(workers: usize) -> TimelySettings {
    TimelySettings {
        workers,
        hosts: None,
        wide_fingerprints: false,
        frontier_memory: u64::MAX,
        spill_folder: std::env::temp_dir(),
        max_memory: None,
        max_depth: None,
        checkpoint: None,
        checkpoint_interval: Duration::ZERO,
        resume: false,
        subject: b"grid".to_vec(),
    }
}

fn run(grid: Grid, workers: usize, wide_fingerprints: bool) -> Outcome<Grid> {
    let settings = TimelySettings { wide_fingerprints, ..settings(workers) };
    let interrupted = Arc::new(AtomicBool::new(false));
    search(grid, &settings, &mut Progress::silent(), &interrupted).unwrap()
}

#[test]
fn counterexamples_are_shortest_whatever_the_number_of_workers() {
    for (hasty, shortest) in [(false, 70), (true, 40)] {
        for workers in [1, 2, 3, 5] {
            let outcome = run(Grid { hasty, trap: true }, workers, workers == 3);
            assert_eq!(outcome.stopped, Some(crate::engines::Ended::Violation));
            let mut discoveries = outcome.discoveries.iter();
            let (_, path) = discoveries.find(|(name, _)| *name == "no trap").unwrap();
            assert_eq!(path.last_state(), &(40, 30));
            assert_eq!(path.clone().into_actions().len(), shortest, "{workers} workers");
            assert_eq!(outcome.discoveries.len(), 2, "the corner is farther away");
        }
    }
}

#[test]
fn every_state_is_counted_once_whatever_the_number_of_workers() {
    for workers in [1, 2, 3, 5] {
        let outcome = run(Grid { hasty: false, trap: false }, workers, false);
        assert_eq!(outcome.stopped, None);
        assert_eq!(outcome.unique_states, 3600);
        assert_eq!(outcome.generated_states, 1 + 2 * 60 * 59);
        assert_eq!(outcome.depth, Some(119));
        let names: Vec<_> = outcome.discoveries.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["the beginning", "the far corner"]);
    }
}

/// The other process is a thread of this one, which leaves after the handshake.
#[test]
fn a_lost_process_ends_the_search_and_not_the_program() {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = listeners.map(|listener| listener.local_addr().unwrap().to_string()).to_vec();
    let hosts = |process| Hosts { addresses: addresses.clone(), process };
    let settings = TimelySettings { hosts: Some(hosts(0)), ..settings(2) };
    let digest = digest::<u64>(&settings, addresses.len());
    let other = hosts(1);
    let leaves = thread::spawn(move || other.connect(digest).map(|_| ()));
    let interrupted = Arc::new(AtomicBool::new(false));
    let grid = Grid { hasty: false, trap: false };
    let outcome = search(grid, &settings, &mut Progress::silent(), &interrupted);
    leaves.join().unwrap().unwrap();
    match outcome {
        Err(SearchError::Lost(why)) => assert_eq!(why, "lost process 1"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("half of the states were not looked at"),
    }
}

/// Settings of a search to `max_depth` that saves each level in `folder`.
fn saving(folder: &Path, max_depth: u64, resume: bool) -> TimelySettings {
    let (checkpoint, max_depth) = (Some(folder.to_owned()), Some(max_depth));
    TimelySettings { checkpoint, max_depth, resume, ..settings(2) }
}

#[test]
fn one_worker_that_cannot_save_stops_all_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let settings = saving(folder.path(), 5, false);
    // Where the second worker would write.
    let taken = format!("search-{:016x}-worker-1-unfinished", digest::<u64>(&settings, 1));
    std::fs::create_dir(folder.path().join(taken)).unwrap();
    for max_depth in [1, 5] {
        let settings = TimelySettings { max_depth: Some(max_depth), ..settings.clone() };
        let interrupted = Arc::new(AtomicBool::new(false));
        let grid = Grid { hasty: false, trap: false };
        let outcome = search(grid, &settings, &mut Progress::silent(), &interrupted).unwrap();
        let Some(Ended::Disk(why)) = outcome.stopped else { panic!("{:?}", outcome.stopped) };
        assert!(why.contains(folder.path().to_str().unwrap()), "{why}");
        for file in std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()) {
            if file.is_file() {
                std::fs::remove_file(file).unwrap();
            }
        }
    }
}

/// The beginning is found before the checkpoint, so whoever resumes knows of a path to name.
#[test]
fn one_worker_that_cannot_resume_stops_all_at_once() {
    let resume = |folder: &Path| {
        let interrupted = Arc::new(AtomicBool::new(false));
        let grid = Grid { hasty: false, trap: false };
        let settings = saving(folder, 200, true);
        match search(grid, &settings, &mut Progress::silent(), &interrupted) {
            Err(SearchError::NotBegun(why)) => Err(why.to_string()),
            Err(other) => panic!("{other}"),
            Ok(outcome) => Ok(outcome.unique_states),
        }
    };
    for worker in [0, 1] {
        let folder = tempfile::tempdir().unwrap();
        let interrupted = Arc::new(AtomicBool::new(false));
        let grid = Grid { hasty: false, trap: false };
        let settings = saving(folder.path(), 99, false);
        search(grid, &settings, &mut Progress::silent(), &interrupted).unwrap();
        let name = format!("worker-{worker}-level-");
        let of_worker = |folder: &Path| {
            let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
            files.filter(|path| path.to_str().unwrap().contains(&name)).collect::<Vec<_>>()
        };
        let mut files = of_worker(folder.path());
        files.sort();
        assert_eq!(files.len(), 2, "{files:?}");
        let last = files.pop().unwrap();
        std::fs::write(&last, b"").unwrap();
        let why = resume(folder.path()).unwrap_err();
        assert!(why.starts_with(&format!("{} is damaged", last.display())), "{why}");
        // As it says: the level before is there for all.
        std::fs::remove_file(&last).unwrap();
        assert_eq!(resume(folder.path()), Ok(3600));
        for file in of_worker(folder.path()) {
            std::fs::remove_file(file).unwrap();
        }
        let why = resume(folder.path()).unwrap_err();
        assert!(why.contains(&format!("no checkpoint of worker {worker}")), "{why}");
    }
}
