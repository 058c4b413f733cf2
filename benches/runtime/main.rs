//! What the runtime must reach, measured, with the target beside each number:
//! `cargo bench --bench runtime [-- NAME...]`. Numbers mean something on a machine that does
//! nothing else. Exits with 1 when a target is missed.

mod cluster;
mod echo;
mod failover;
mod far;
mod growth;
mod image;
mod keys;
mod lagging;
mod load;
mod restart;
mod slow;
mod throttle;
mod usage;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use veraft::figure2::{Command, Entry, Record};
use veraft::runtime::{DiskStorage, MemoryNetwork, MemoryStorage, Storage};

/// A measurement and whether it reached its target.
struct Outcome {
    measured: String,
    target: &'static str,
    reached: bool,
}

type Bench = (&'static str, fn() -> Outcome);

const BENCHES: [Bench; 20] = [
    ("memory", memory),
    ("disk", disk),
    ("latency", echo::latency),
    ("failover", failure),
    ("idle", idle),
    ("slow-link", slow::memory),
    ("slow-tcp", slow::tcp),
    ("far-bytes", far::bytes),
    ("round-trip", far::round_trip),
    ("bytes", bytes),
    ("start", start),
    ("growth", growth::growth),
    ("policies", growth::policies),
    ("restart", restart::restart),
    ("image", image::image),
    ("writing", image::writing),
    ("writing-3", image::all_writing),
    ("laggard", image::laggard),
    ("elections", image::elections),
    ("restarts", image::restarts),
];

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let names: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let chosen = |(name, _): &&Bench| names.is_empty() || names.iter().any(|one| one == name);
    let mut all_reached = true;
    for (name, run) in BENCHES.iter().filter(chosen) {
        let Outcome { measured, target, reached } = run();
        all_reached &= reached;
        let verdict = if reached { "reached" } else { "MISSED" };
        println!("{name:9} {verdict:8} {measured}; target: {target}");
    }
    if all_reached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn memory() -> Outcome {
    let network = MemoryNetwork::new(1);
    let nodes = cluster::start(|_| MemoryStorage::new(), cluster::memory(&network));
    let leader = cluster::leader(&nodes);
    let rate = cluster::throughput(leader, 256, 64, Duration::from_secs(5));
    Outcome {
        measured: format!("{rate:.0} commits/s (3 nodes, 64 bytes, 256 in flight)"),
        target: "150,000",
        reached: rate >= 150_000.0,
    }
}

/// The cluster and the bare store take turns, so that a disk that is slower for a while is so
/// for both.
fn disk() -> Outcome {
    const TURN: Duration = Duration::from_secs(2);
    let directory = tempfile::tempdir_in(".").unwrap();
    let network = MemoryNetwork::new(1);
    let place = |name: &str| DiskStorage::open(directory.path().join(name)).unwrap();
    let nodes = cluster::start(|id| place(&id.to_string()), cluster::memory(&network));
    let leader = cluster::leader(&nodes);
    let mut stores = ["bare", "second", "third"].map(place);
    stores.iter_mut().for_each(|store| assert!(store.load().is_ok()));
    let mut turns: Vec<Turn> = (0..5)
        .map(|_| {
            let before = leader.metrics().unwrap();
            let rate = cluster::throughput(leader, 256, 64, TURN);
            let after = leader.metrics().unwrap();
            let commands = after.proposal_batch.sum - before.proposal_batch.sum;
            let syncs = after.sync_batch.count - before.sync_batch.count;
            let batch = commands / syncs.max(1);
            let bare = bare_rate(&mut stores[0], batch, TURN);
            Turn { rate, bare, three: side_by_side(&mut stores, batch, TURN), batch }
        })
        .collect();
    turns.sort_unstable_by(|one, other| one.share().total_cmp(&other.share()));
    let median = &turns[turns.len() / 2];
    let &Turn { rate, bare, three, batch } = median;
    let share = median.share();
    Outcome {
        measured: format!(
            "{rate:.0} commits/s of 3 nodes beside {three:.0} records/s of each of 3 bare stores at \
             once with the same {batch} in a sync: {share:.0}%; one bare store alone: {bare:.0} \
             (median of 5 turns)"
        ),
        target: "60%",
        reached: share >= 60.0,
    }
}

/// What one turn measured: commits a second of the cluster; records a second of a bare store
/// alone, and of each of three at once; how many were in a sync.
struct Turn {
    rate: f64,
    bare: f64,
    three: f64,
    batch: u64,
}

impl Turn {
    fn share(&self) -> f64 {
        self.rate / self.three * 100.0
    }
}

/// Records a second of each store, when all write at once: what three nodes on one disk could
/// reach if Raft cost nothing.
fn side_by_side(stores: &mut [DiskStorage], batch: u64, time: Duration) -> f64 {
    let rates: Vec<f64> = thread::scope(|scope| {
        let threads = stores.iter_mut().map(|store| scope.spawn(|| bare_rate(store, batch, time)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    rates.iter().sum::<f64>() / rates.len() as f64
}

/// Records a second that a store alone makes durable, `batch` at a time.
fn bare_rate(store: &mut DiskStorage, batch: u64, time: Duration) -> f64 {
    let (start, mut written) = (Instant::now(), 0);
    while start.elapsed() < time {
        store.append(&[entries(batch)]).unwrap();
        store.sync().unwrap();
        written += batch;
    }
    written as f64 / start.elapsed().as_secs_f64()
}

fn entries(count: u64) -> Record {
    let entry = Entry::command(1, Command::from(vec![b'x'; 64]));
    Record::Append { entries: (0..count).map(|_| entry.clone()).collect() }
}

fn failure() -> Outcome {
    let gaps = failover::run(200);
    let at = |share: f64| gaps[((gaps.len() - 1) as f64 * share) as usize];
    println!("share of failures   time without a leader (ms)");
    for share in [0.0, 0.1, 0.5, 0.9, 0.99, 1.0] {
        println!("{:16.0}%   {:.0}", share * 100.0, at(share));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/leader-failure.svg");
    failover::plot(&gaps, &path).unwrap();
    println!("plot: {}", fs::canonicalize(&path).unwrap().display());
    let expected = failover::expected_smallest_timeout(2);
    Outcome {
        measured: format!(
            "median {:.2} times the expected smallest timeout ({expected:.0} ms), 99th \
             percentile {:.0} ms (200 failures)",
            at(0.5) / expected,
            at(0.99)
        ),
        target: "median 1.2 times, 99th percentile 1000 ms",
        reached: at(0.5) <= 1.2 * expected && at(0.99) < 1000.0,
    }
}

fn idle() -> Outcome {
    let nodes = cluster::start(|_| MemoryStorage::new(), cluster::tcp());
    cluster::leader(&nodes);
    let time = Duration::from_secs(10);
    let before = processor_time();
    thread::sleep(time);
    let share = (processor_time() - before).as_secs_f64() / time.as_secs_f64() * 100.0;
    Outcome {
        measured: format!("{share:.2}% of one core (3 nodes, TCP)"),
        target: "under 1%",
        reached: share < 1.0,
    }
}

/// What the threads of this process have used of the processors so far.
fn processor_time() -> Duration {
    let nanoseconds = |task: fs::DirEntry| -> u64 {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    Duration::from_nanos(tasks.map(|task| nanoseconds(task.unwrap())).sum())
}

fn bytes() -> Outcome {
    const SIZE: usize = 5000;
    const COMMANDS: usize = 10_000;
    let nodes = cluster::start(|_| MemoryStorage::new(), cluster::tcp());
    let leader = cluster::leader(&nodes);
    let sent = || leader.metrics().unwrap().peers.values().map(|peer| peer.bytes_sent).sum::<u64>();
    let before = sent();
    for _ in 0..COMMANDS / 50 {
        let pending: Vec<_> = (0..50).map(|_| leader.propose(vec![b'x'; SIZE])).collect();
        pending.into_iter().for_each(|one| assert!(one.wait().is_ok()));
    }
    // What is on its way to the slower follower counts too.
    thread::sleep(Duration::from_millis(500));
    let ratio = (sent() - before) as f64 / 2.0 / (COMMANDS * SIZE) as f64;
    Outcome {
        measured: format!("{ratio:.3} bytes sent for each byte of a {SIZE}-byte command"),
        target: "under 1.1",
        reached: ratio < 1.1,
    }
}

fn start() -> Outcome {
    const ENTRIES: u64 = 1_000_000;
    let directory = tempfile::tempdir_in(".").unwrap();
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    storage.load().unwrap();
    storage.append(&[Record::Ballot { current_term: 1, voted_for: None }]).unwrap();
    for _ in 0..100 {
        storage.append(&[entries(ENTRIES / 100)]).unwrap();
        storage.sync().unwrap();
    }
    drop(storage);
    let start = Instant::now();
    let mut storage = DiskStorage::open(directory.path()).unwrap();
    let persistent = storage.load().unwrap();
    let took = start.elapsed();
    assert_eq!(persistent.log().last_index(), ENTRIES);
    Outcome {
        measured: format!("{took:.2?} to start with {ENTRIES} entries on disk"),
        target: "under 5 s",
        reached: took < Duration::from_secs(5),
    }
}

fn median(of: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = of.collect();
    all.sort_unstable_by(f64::total_cmp);
    all[all.len() / 2]
}
