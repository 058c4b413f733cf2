//! How long a start takes with a large image.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::time::{Duration, Instant};

use veraft::runtime::{Compaction, StateMachine};

use crate::keys::{Keys, commit, start, write_image};
use crate::{Outcome, median};

const BYTES: usize = 64 * 1024;
const COUNT: u64 = 16 * 1024;
const BEHIND: u64 = 10_000;

/// The node, and its state machine from a bare file of the same content, take turns. Both read
/// from the cache of the system whatever it keeps.
pub fn restart() -> Outcome {
    const TURNS: usize = 5;
    let directory = tempfile::tempdir_in(".").unwrap();
    let (store, bare) = (directory.path().join("store"), directory.path().join("bare"));
    let node = start(&store, Compaction::by_hand());
    commit(&node, 0..COUNT, COUNT, BYTES, 256);
    let last_index = node.compact().unwrap();
    // In so many batches that the store has time to give back what lies before its base.
    commit(&node, 0..BEHIND, COUNT, 64, 64);
    drop(node);
    let mut file = BufWriter::new(File::create(&bare).unwrap());
    // What the commands behind the image have written over is in it as it was.
    write_image(COUNT, BYTES, &mut file).unwrap();
    file.into_inner().unwrap().sync_all().unwrap();
    let turns: Vec<(Duration, Duration)> = (0..TURNS)
        .map(|_| (node_starts(&store, last_index + BEHIND), restores(&bare)))
        .inspect(|(node, bare)| println!("{node:.2?} beside {bare:.2?}"))
        .collect();
    let share = median(turns.iter().map(|(node, bare)| node.as_secs_f64() / bare.as_secs_f64()));
    let seconds = |of: fn(&(Duration, Duration)) -> Duration| {
        median(turns.iter().map(|turn| of(turn).as_secs_f64()))
    };
    Outcome {
        measured: format!(
            "{:.2} s to start with an image of {} MiB and {BEHIND} entries behind it, beside {:.2} \
             s to restore the state machine from a bare file: {share:.2} times (medians of \
             {TURNS} turns)",
            seconds(|(node, _)| *node),
            bare.metadata().unwrap().len() >> 20,
            seconds(|(_, bare)| *bare),
        ),
        target: "1.3 times",
        reached: share <= 1.3,
    }
}

/// Until everything is applied that is in the store.
fn node_starts(store: &Path, last_index: u64) -> Duration {
    let begin = Instant::now();
    let node = start(store, Compaction::by_hand());
    while node.status().unwrap().applied_index < last_index {
        std::thread::sleep(Duration::from_micros(100));
    }
    begin.elapsed()
}

fn restores(bare: &Path) -> Duration {
    let (begin, mut machine) = (Instant::now(), Keys::default());
    let mut file = BufReader::with_capacity(64 * 1024, File::open(bare).unwrap());
    machine.restore(&mut file).unwrap();
    begin.elapsed()
}
