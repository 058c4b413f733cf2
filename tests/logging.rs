//! A node outlives the end of its log. A process of its own: the log belongs to the process.

mod common;

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::Cluster;
use tracing::Level;

static LINES: AtomicUsize = AtomicUsize::new(0);

/// As standard error is for `eprintln` when its reader has gone.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        LINES.fetch_add(1, Ordering::Relaxed);
        panic!("failed printing to stderr: Broken pipe");
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nodes_commit_and_stop_in_order_when_each_line_of_their_log_panics() {
    // The lines of a panic would be many.
    std::panic::set_hook(Box::new(|_| {}));
    let subscriber = tracing_subscriber::fmt().with_max_level(Level::TRACE).with_writer(|| Gone);
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    let mut cluster = Cluster::start(3);
    cluster.commit("one");
    let leader = cluster.leader();
    cluster.restart(leader);
    cluster.commit("two");
    cluster.running().for_each(|node| {
        assert!(node.status().is_ok(), "{:?}", node.status());
        node.shutdown();
    });
    assert!(LINES.load(Ordering::Relaxed) > 10, "each line was tried");
}
