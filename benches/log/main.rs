//! What the log stands on: its shared runs beside `im`'s tree of chunks, in alternating turns,
//! from the tiny logs of a search to a million entries. `cargo bench --bench log`. Also what it
//! takes to encode a large command as bytes and as a sequence of numbers.

mod sides;

use std::collections::VecDeque;
use std::fs;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::hint::black_box;
use std::time::{Duration, Instant};

use sides::{Runs, Side, Tree};
use veraft::figure2::{Command, Entry};

/// Turns of each side; the median counts.
const TURNS: usize = 9;

fn main() {
    println!("{:28} {:>10} {:>10}", "ns", Runs::NAME, Tree::NAME);
    let memory = [memory::<Runs>(), memory::<Tree>()];
    show("bytes of an entry", memory);
    compare("append 1", [append::<Runs, 1>, append::<Tree, 1>]);
    compare("append 16", [append::<Runs, 16>, append::<Tree, 16>]);
    compare("append 256", [append::<Runs, 256>, append::<Tree, 256>]);
    compare("append and send 1", [send::<Runs, 1>, send::<Tree, 1>]);
    compare("append and send 16", [send::<Runs, 16>, send::<Tree, 16>]);
    compare("append and send 256", [send::<Runs, 256>, send::<Tree, 256>]);
    compare("part of 1", [part::<Runs, 1>, part::<Tree, 1>]);
    compare("part of 16", [part::<Runs, 16>, part::<Tree, 16>]);
    compare("part of 128", [part::<Runs, 128>, part::<Tree, 128>]);
    compare("part of 256", [part::<Runs, 256>, part::<Tree, 256>]);
    compare("part of 4096", [part::<Runs, 4096>, part::<Tree, 4096>]);
    compare("tiny: clone", [clone_tiny::<Runs>, clone_tiny::<Tree>]);
    compare("tiny: clone and append", [grow_tiny::<Runs>, grow_tiny::<Tree>]);
    compare("tiny: hash and compare", [identify_tiny::<Runs>, identify_tiny::<Tree>]);
    compare("next entry", [iterate::<Runs>, iterate::<Tree>]);
    compare("entry anywhere", [get::<Runs>, get::<Tree>]);
    compare("truncate", [truncate::<Runs>, truncate::<Tree>]);
    compare("clone of 1,000,000", [clone_large::<Runs>, clone_large::<Tree>]);
    println!("{:28} {:>10} {:>10}", "ns", "bytes", "numbers");
    compare("encode 16 MiB", [|| encode(&command(LARGE)), || encode(&vec![b'x'; LARGE])]);
    compare("decode 16 MiB", [decode::<Command>, decode::<Vec<u8>>]);
}

/// Prints the medians of two sides that take turns.
fn compare(name: &str, sides: [fn() -> Duration; 2]) {
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..TURNS {
        times.iter_mut().zip(sides).for_each(|(times, side)| times.push(side()));
    }
    show(
        name,
        times.map(|mut times: Vec<Duration>| {
            times.sort_unstable();
            times[TURNS / 2].as_nanos() as f64
        }),
    );
}

fn show(name: &str, [one, other]: [f64; 2]) {
    println!("{name:28} {one:10.0} {other:10.0}   ratio {:.3}", one / other);
}

/// What one of `count` rounds takes.
fn each(count: usize, mut round: impl FnMut(usize)) -> Duration {
    let start = Instant::now();
    (0..count).for_each(&mut round);
    start.elapsed() / count as u32
}

fn command(bytes: usize) -> Command {
    Command::from(vec![b'x'; bytes])
}

fn entries<S: Side>(count: usize) -> S {
    let entry = Entry::command(1, command(16));
    (0..count).map(|_| entry.clone()).collect()
}

/// A log of `count` entries that came `batch` at a time.
fn grown<S: Side>(count: usize, batch: usize) -> S {
    let mut log = S::default();
    (0..count / batch).for_each(|_| log.append(&entries(batch)));
    log
}

/// What an entry adds to the memory of this process, its command aside.
fn memory<S: Side>() -> f64 {
    const COUNT: usize = 1_000_000;
    let resident = || {
        let status = fs::read_to_string("/proc/self/statm").unwrap();
        status.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
    };
    let before = resident();
    let batch: S = entries(1);
    let mut log = S::default();
    (0..COUNT).for_each(|_| log.append(&batch));
    (resident() - before) / log.len() as f64
}

fn append<S: Side, const BATCH: usize>() -> Duration {
    let batches: Vec<S> = (0..65536 / BATCH).map(|_| entries(BATCH)).collect();
    let mut log = S::default();
    each(batches.len(), |round| log.append(&batches[round]))
}

/// As a leader does: each batch is appended and sent, and eight messages are under way.
fn send<S: Side, const BATCH: usize>() -> Duration {
    let batches: Vec<S> = (0..65536 / BATCH).map(|_| entries(BATCH)).collect();
    let (mut log, mut flying) = (S::default(), VecDeque::new());
    each(batches.len(), |round| {
        log.append(&batches[round]);
        flying.push_back(log.part(log.len() - BATCH, log.len()));
        if flying.len() > 8 {
            flying.pop_front();
        }
    })
}

fn part<S: Side, const SIZE: usize>() -> Duration {
    let log: S = grown(100_000, 7);
    each(1000, |round| {
        let from = log.len() - SIZE - round * 3;
        black_box(log.part(from, from + SIZE));
    })
}

fn tiny<S: Side>() -> [S; 4] {
    [0, 1, 2, 3].map(entries)
}

fn clone_tiny<S: Side>() -> Duration {
    let logs: [S; 4] = tiny();
    each(100_000, |round| drop(black_box(logs[round % 4].clone())))
}

fn grow_tiny<S: Side>() -> Duration {
    let (logs, one): ([S; 4], S) = (tiny(), entries(1));
    each(100_000, |round| {
        let mut log = logs[round % 4].clone();
        log.append(&one);
        black_box(log);
    })
}

fn identify_tiny<S: Side>() -> Duration {
    let (logs, others): ([S; 4], [S; 4]) = (tiny(), tiny());
    let hasher = BuildHasherDefault::<DefaultHasher>::new();
    each(100_000, |round| {
        black_box(hasher.hash_one(&logs[round % 4]));
        black_box(logs[round % 4] == others[round % 4]);
    })
}

fn iterate<S: Side>() -> Duration {
    let log: S = grown(100_000, 7);
    let start = Instant::now();
    black_box(log.sum_of_terms());
    start.elapsed() / log.len() as u32
}

fn get<S: Side>() -> Duration {
    let log: S = grown(1_000_000, 64);
    let mut position = 1;
    each(100_000, |_| {
        position = position * 7919 % log.len();
        black_box(log.term(position));
    })
}

fn truncate<S: Side>() -> Duration {
    let mut log: S = grown(100_000, 7);
    each(1000, |round| log.truncate(99_900 - round * 97))
}

fn clone_large<S: Side>() -> Duration {
    let log: S = grown(1_000_000, 64);
    each(1, |_| drop(black_box(log.clone())))
}

const LARGE: usize = 16 << 20;

fn encode(command: &impl serde::Serialize) -> Duration {
    each(1, |_| drop(black_box(postcard::to_allocvec(command).unwrap())))
}

fn decode<T: serde::de::DeserializeOwned>() -> Duration {
    let stored = postcard::to_allocvec(&command(LARGE)).unwrap();
    each(1, |_| drop(black_box(postcard::from_bytes::<T>(&stored).unwrap())))
}
