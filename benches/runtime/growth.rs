//! What a node takes up that compacts its log, and what other policies would cost.

use std::time::Instant;

use veraft::runtime::Compaction;

use crate::keys::{commit, start};
use crate::usage::{Usage, Watch};
use crate::{Outcome, median};

const MILLION: u64 = 1_000_000;
const MIB: u64 = 1024 * 1024;
/// How many commands are in flight at most.
const WINDOW: usize = 4096;

pub fn growth() -> Outcome {
    const MILLIONS: u64 = 20;
    const KEYS: u64 = 100_000;
    let directory = tempfile::tempdir_in(".").unwrap();
    let node = start(directory.path(), Compaction::default());
    let watch = Watch::begin(directory.path());
    let mut measured: Vec<(Usage, Usage)> = Vec::new();
    println!("commits     commits/s   memory (peak), MiB   disk (peak), MiB   images");
    for million in 0..MILLIONS {
        let begin = Instant::now();
        commit(&node, million * MILLION..(million + 1) * MILLION, KEYS, 64, WINDOW);
        let rate = MILLION as f64 / begin.elapsed().as_secs_f64();
        let (now, peak) = watch.take();
        let images = node.metrics().unwrap().images_written;
        println!(
            "{:2} million {rate:12.0}   {:10} ({:5})   {:8} ({:5})   {images:6}",
            million + 1,
            now.memory / MIB,
            peak.memory / MIB,
            now.disk / MIB,
            peak.disk / MIB,
        );
        measured.push((now, peak));
    }
    let (tenth, last) = (measured[9], measured[measured.len() - 1]);
    let times = |of: fn(&(Usage, Usage)) -> u64| of(&last) as f64 / of(&tenth) as f64;
    let memory = [times(|(now, _)| now.memory), times(|(_, peak)| peak.memory)];
    let disk = [times(|(now, _)| now.disk), times(|(_, peak)| peak.disk)];
    Outcome {
        measured: format!(
            "memory {:.2} times (peak {:.2}), disk {:.2} times (peak {:.2}) after {MILLIONS} \
             million commits what it was after 10 (64 bytes, {KEYS} keys)",
            memory[0], memory[1], disk[0], disk[1]
        ),
        target: "1.3 times",
        reached: memory.iter().chain(&disk).all(|times| *times <= 1.3),
    }
}

/// The default policy beside others, in turns: with many keys the factor decides when an image is
/// due, with few the minimum.
pub fn policies() -> Outcome {
    const TURNS: usize = 3;
    const COMMITS: u64 = MILLION;
    let factors = [2, 4, 8].map(|factor| {
        let policy = Compaction::default().factor(factor).at_least(4 * MIB);
        (format!("{factor} times the image"), policy, 100_000)
    });
    let minima = [4, 16, 64].map(|mib| {
        let policy = Compaction::default().at_least(mib * MIB);
        (format!("{mib} MiB at least"), policy, 1000)
    });
    let policies: Vec<_> = factors.into_iter().chain(minima).collect();
    let mut measured: Vec<Vec<(f64, Usage, u64)>> = vec![Vec::new(); policies.len()];
    for _ in 0..TURNS {
        for ((_, policy, keys), measured) in policies.iter().zip(&mut measured) {
            let directory = tempfile::tempdir_in(".").unwrap();
            let node = start(directory.path(), *policy);
            let (watch, begin) = (Watch::begin(directory.path()), Instant::now());
            commit(&node, 0..COMMITS, *keys, 64, WINDOW);
            let rate = COMMITS as f64 / begin.elapsed().as_secs_f64();
            measured.push((rate, watch.take().1, node.metrics().unwrap().images_written));
        }
    }
    println!(
        "policy                 keys      commits/s   peak on disk, MiB   images (medians of {TURNS})"
    );
    for ((name, _, keys), measured) in policies.iter().zip(&measured) {
        let of = |of: fn(&(f64, Usage, u64)) -> f64| median(measured.iter().map(of));
        println!(
            "{name:20}   {keys:6}   {:10.0}   {:17.0}   {:6.0}",
            of(|(rate, _, _)| *rate),
            of(|(_, peak, _)| (peak.disk / MIB) as f64),
            of(|(_, _, images)| *images as f64),
        );
    }
    let rate = |at: usize| median(measured[at].iter().map(|(rate, _, _)| *rate));
    let best = (0..policies.len()).map(|at| rate(at) / rate(if at < 3 { 1 } else { 4 }));
    let best = best.fold(0.0, f64::max);
    Outcome {
        measured: format!("the best alternative has {best:.2} times the commits of the default"),
        target: "1.2 times, or the default should change",
        reached: best <= 1.2,
    }
}
