//! Is the service linearizable while its nodes are killed, paused, cut off and slowed?
//!
//! Five processes, links through this one, clients that write down what they see, and a checker
//! that looks for an order that explains it, key by key.
//!
//! | variable | meaning |
//! |---|---|
//! | `KV_OPERATIONS`, `KV_FAULTS` | at least so many answered operations, and so many faults |
//! | `KV_SEED` | the seed of what clients do and of what happens to the nodes |
//! | `KV_RECORDINGS` | a directory that keeps what the nodes recorded, for `check trace` |
//!
//! What the nodes recorded, those that were killed included, must replay through the core.

mod checker;
mod clients;
mod cluster;
#[path = "../common/mod.rs"]
mod common;
mod faults;
mod link;

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use checker::{Input, Operation, Output, Rejected};
use clients::Board;
use cluster::Cluster;
use faults::Faults;
use veraft_labs::trace::{Endings, validate};

const CLIENTS: u64 = 8;
const LANES: u64 = 2;

fn variable(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn histories_under_faults_are_linearizable() {
    let (operations, faults) = (variable("KV_OPERATIONS", 2_000), variable("KV_FAULTS", 10));
    let seed = variable("KV_SEED", 1) as u64;
    let directory = tempfile::tempdir().unwrap();
    let recordings = env::var_os("KV_RECORDINGS").map(PathBuf::from);
    let recordings = recordings.unwrap_or_else(|| directory.path().join("recordings"));
    let cluster = Cluster::start(directory.path(), &recordings);
    let (board, happening) = (Board::default(), Faults::new(faults));
    let start = Instant::now();
    thread::scope(|scope| {
        let (board, happening, cluster) = (&board, &happening, &cluster);
        for client in 0..CLIENTS {
            scope.spawn(move || board.work(cluster, seed * 1000 + client));
        }
        // The faults begin once there is work to disturb, and the work outlasts them.
        wait_for(|| board.answered() > 100);
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| scope.spawn(move || happening.lane(cluster, seed * 1000 + 500 + lane)))
            .collect();
        lanes.into_iter().for_each(|lane| lane.join().unwrap());
        let healed = board.answered();
        wait_for(|| board.answered() > operations.max(healed + 100));
        board.stop();
    });
    let took = start.elapsed();
    let answered = board.answered();
    let history = board.into_history();
    let open = history.iter().filter(|(_, operation)| operation.outcome.is_none()).count();
    let mut by_key: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
    for (key, operation) in history {
        by_key.entry(key).or_default().push(operation);
    }
    let longest = by_key.values().map(Vec::len).max().unwrap_or(0);
    let start = Instant::now();
    for (key, history) in &by_key {
        if let Err(rejected) = checker::check(history) {
            panic!("{key} (seed {seed}, {} operations): {rejected}", history.len());
        }
    }
    println!(
        "{answered} operations answered and {open} open in {took:.1?} under {:?}; {} keys, at \
         most {longest} operations each, checked in {:.1?}",
        happening.counts(),
        by_key.len(),
        start.elapsed()
    );
    cluster.wait_until_equal();
    for node in 0..cluster::NODES {
        let first = cluster.info(node).and_then(|info| info["first_log_index"].parse::<u64>().ok());
        assert!(first.is_some_and(|first| first > 1), "node {node}: its log is whole");
    }
    assert_eq!(happening.counts().values().sum::<usize>(), faults);
    let files = cluster.kill_all();
    let validated = validate(&files, Endings::Whole).unwrap_or_else(|found| panic!("{found:#?}"));
    println!(
        "{} lives and {} steps of what the nodes recorded replayed to the same states",
        validated.lives, validated.steps
    );
    assert!(validated.applied >= operations && validated.lives > cluster::NODES as u64);
    // To reject takes a search to its end, which operations of unknown outcome make long.
    let mut histories: Vec<&Vec<Operation>> = by_key.values().collect();
    let open =
        |history: &&Vec<Operation>| history.iter().filter(|one| one.outcome.is_none()).count();
    histories.sort_by_key(open);
    let rejected =
        histories.iter().take(10).filter(|history| rejects_a_stale_read(history)).count();
    println!("with one stale read in each, {rejected} histories were rejected");
    assert!(rejected > 0, "no history was fit for a stale read");
}

/// Adds one read of a value that was written over before the read began; whether the history
/// has such a value. The checker must then reject it.
fn rejects_a_stale_read(history: &[Operation]) -> bool {
    let writes = |operation: &&Operation| {
        matches!(operation.input, Input::Set(_)) && operation.outcome.is_some()
    };
    let sets: Vec<&Operation> = history.iter().filter(writes).collect();
    let Some(old) = sets.iter().min_by_key(|set| set.outcome.map(|(returned, _)| returned)) else {
        return false;
    };
    let (Input::Set(value), Some((returned, _))) = (old.input, old.outcome) else { return false };
    if !sets.iter().any(|set| set.call > returned) {
        return false;
    }
    let end = history.iter().filter_map(|one| one.outcome.map(|(at, _)| at)).max().unwrap_or(0);
    let outcome = Some((end + 2, Output::Value(value)));
    let mut stale = history.to_vec();
    stale.push(Operation { input: Input::Get, call: end + 1, outcome });
    let verdict = checker::check(&stale);
    assert!(matches!(verdict, Err(Rejected::NotLinearizable { .. })), "accepted a stale read");
    true
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(600);
    while !condition() {
        assert!(Instant::now() < give_up, "the cluster does not answer any more");
        thread::sleep(Duration::from_millis(10));
    }
}
