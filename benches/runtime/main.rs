//! What the runtime must reach, measured: `cargo bench --bench runtime`.

mod cluster;

use std::time::Duration;

use veraft::runtime::MemoryStorage;

fn main() {
    let nodes = cluster::start(3, |_| MemoryStorage::new(), cluster::memory_network());
    let leader = cluster::leader(&nodes);
    let rate = cluster::throughput(leader, 256, 64, Duration::from_secs(3));
    println!("memory, 3 nodes, 64 bytes, 256 in flight: {rate:.0} commits/s");
    let l = cluster::latencies(leader, 5000);
    println!("one in flight: median {:?} p99 {:?}", l[l.len() / 2], l[l.len() * 99 / 100]);
}
