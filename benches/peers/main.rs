//! veraft beside its peers: three nodes in one process that pass messages in memory, one client,
//! commands of 64 bytes. `cargo bench --manifest-path benches/peers/Cargo.toml [-- NAME...]`, with
//! `--turns N` and `--seconds N` for others than 9 turns of 2 s each.
//!
//! In each turn each side starts a new cluster, warms it up for a fifth of the time, and is measured.
//! Who begins changes from turn to turn. What is printed are medians, and the least and the most.
//! Numbers mean something on a machine that does nothing else.
//!
//! | side | versions | settings other than its defaults |
//! |---|---|---|
//! | veraft | this one, default features | - |
//! | raft-rs | raft 0.7.0, raft-engine 0.4.2 | `max_size_per_msg` 1 MiB as in TiKV, `batch_append` (without it: twice the processor time with 256 in flight); one thread a node with the loop of its documentation, in which a leader's messages leave before its own sync; a state in which nothing but the commit index is new is written with the next entries; entries are read from `MemStorage`, raft-engine only makes them durable |
//! | openraft | 0.10.0-alpha.37, on tokio with a worker for each core | `max_payload_entries` 1024 as in its own benchmark; `Raft::stream_append`; one leader a term; no snapshots; the log is in memory and in a file, to which a thread appends with one fdatasync for all that waits |
//!
//! All have election timeouts of 1 to 2 s and heartbeats every 50 ms, and keep their logs whole on
//! disk. The client keeps a queue of what is in flight and waits for the oldest. veraft and openraft
//! (`client_write_ff`, faster here than a task for each command, as its own benchmark has) answer each
//! proposal by itself; for raft-rs, whose users bring that along, all answers come by one channel.
//!
//! * `commits/s` and `p50`, as the client sees them;
//! * `CPU s/M`: seconds of processor time per million commits, of the whole process, client included;
//! * `B/commit`: bytes that the process caused to be written to disk (`write_bytes`);
//! * `x`: a side's quantity as a multiple of veraft's in the same turn.

mod openraft_side;
mod raft_rs_side;
mod side;
mod table;
mod usage;
mod veraft_side;

use std::time::Duration;

use side::{Side, Store};
use table::{Measured, print};
use usage::Usage;

struct Workload {
    name: &'static str,
    store: fn(&std::path::Path) -> Store,
    in_flight: usize,
}

const WORKLOADS: [Workload; 6] = [
    Workload { name: "disk-1", store: disk, in_flight: 1 },
    Workload { name: "disk-16", store: disk, in_flight: 16 },
    Workload { name: "disk-256", store: disk, in_flight: 256 },
    Workload { name: "memory-1", store: |_| Store::Memory, in_flight: 1 },
    Workload { name: "memory-256", store: |_| Store::Memory, in_flight: 256 },
    Workload { name: "sync-1ms", store: |_| Store::Slow, in_flight: 1 },
];

fn disk(directory: &std::path::Path) -> Store {
    Store::Disk(directory.to_path_buf())
}

const SIDES: [Side; 3] = [veraft_side::SIDE, raft_rs_side::SIDE, openraft_side::SIDE];

/// What to run.
struct Options {
    names: Vec<String>,
    turns: usize,
    time: Duration,
}

impl Options {
    fn given() -> Options {
        let mut options = Options { names: Vec::new(), turns: 9, time: Duration::from_secs(2) };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|number| number.parse::<f64>().ok());
            match argument.as_str() {
                // Cargo adds it.
                "--bench" => {}
                "--turns" => options.turns = number().expect("--turns N").max(1.0) as usize,
                "--seconds" => {
                    options.time = Duration::from_secs_f64(number().expect("--seconds N"));
                }
                name if WORKLOADS.iter().any(|one| one.name == name) => {
                    options.names.push(name.to_string());
                }
                other => {
                    let known = WORKLOADS.map(|one| one.name).join(", ");
                    eprintln!("no workload {other}: there are {known}");
                    std::process::exit(2);
                }
            }
        }
        options
    }
}

fn main() {
    let Options { names, turns, time } = Options::given();
    let chosen = |one: &&Workload| names.is_empty() || names.iter().any(|name| name == one.name);
    for workload in WORKLOADS.iter().filter(chosen) {
        let mut measured: Vec<Vec<Measured>> = SIDES.iter().map(|_| Vec::new()).collect();
        for turn in 0..turns {
            for place in 0..SIDES.len() {
                let at = (turn + place) % SIDES.len();
                measured[at].push(measure(&SIDES[at], workload, time));
            }
        }
        print(workload.name, &SIDES.map(|side| side.name), &measured);
    }
}

fn measure(side: &Side, workload: &Workload, time: Duration) -> Measured {
    // Not in the folder for temporary files, which may be in memory.
    let directory = tempfile::tempdir_in(".").unwrap();
    let mut cluster = (side.start)(&(workload.store)(directory.path()));
    cluster.load(workload.in_flight, time / 5);
    let (before, start) = (Usage::now(), std::time::Instant::now());
    let mut latencies = cluster.load(workload.in_flight, time);
    let (took, used) = (start.elapsed(), Usage::now().since(before));
    latencies.sort_unstable();
    let commits = latencies.len() as f64;
    Measured {
        rate: commits / took.as_secs_f64(),
        p50: latencies[latencies.len() / 2].as_secs_f64() * 1e6,
        cpu: used.cpu.as_secs_f64() / commits * 1e6,
        bytes: used.written as f64 / commits,
    }
}
