//! What images cost the others, and how fast they come.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use veraft::runtime::{Image, Node};

use crate::lagging::{Cluster, LargeImage};
use crate::load::{Answered, most, steady};
use crate::{Outcome, median};

const MIB: usize = 1024 * 1024;
/// How large an image is.
const IMAGE: usize = 1024 * MIB;

/// The nodes and the plain copy take turns.
pub fn image() -> Outcome {
    const TURNS: usize = 5;
    let directory = tempfile::tempdir_in(".").unwrap();
    let mut cluster = Cluster::over_tcp(directory.path(), IMAGE, Some(None));
    let turns: Vec<(f64, f64)> = (0..TURNS)
        .map(|_| (cluster.transfer(), plain_copy(directory.path(), IMAGE)))
        .inspect(|(image, copy)| {
            println!("{:5.0} MiB/s beside {:5.0}", image / MIB as f64, copy / MIB as f64)
        })
        .collect();
    let share = median(turns.iter().map(|(image, copy)| image / copy)) * 100.0;
    let mib = |bytes| bytes / MIB as f64;
    Outcome {
        measured: format!(
            "an image of {} MiB comes with {:.0} MiB/s, beside {:.0} MiB/s of a plain copy over \
             TCP: {share:.0}% (medians of {TURNS} turns)",
            IMAGE / MIB,
            mib(median(turns.iter().map(|(image, _)| *image))),
            mib(median(turns.iter().map(|(_, copy)| *copy))),
        ),
        target: "60%",
        reached: share >= 60.0,
    }
}

/// A load without and with an image, in turns.
struct Pairs {
    /// How many commits a second were the most just before.
    most: f64,
    turns: Vec<[Answered; 2]>,
}

impl Pairs {
    fn none(most: f64) -> Pairs {
        println!("   without: commits/s, p99, generator late   with: the same   for");
        Pairs { most, turns: Vec::new() }
    }

    fn push(&mut self, pair: [Answered; 2]) {
        let [without, with] = pair;
        println!(
            "{:20.0} {:9.1?} {:9.1?} {:16.0} {:9.1?} {:9.1?} {:8.1?}",
            without.rate, without.slow, without.late, with.rate, with.slow, with.late, with.took
        );
        self.turns.push(pair);
    }

    fn outcome(&self, what: &str) -> Outcome {
        let of = |of: fn(&[Answered; 2]) -> f64| median(self.turns.iter().map(of));
        let share = of(|[without, with]| with.rate / without.rate) * 100.0;
        let slower = of(|[without, with]| with.slow.as_secs_f64() / without.slow.as_secs_f64());
        let [slow_without, slow] = [0, 1]
            .map(|at| median(self.turns.iter().map(|turn| turn[at].slow.as_secs_f64() * 1000.0)));
        Outcome {
            measured: format!(
                "at half of {:.0} commits/s, while {what}: {share:.0}% of the commits, 99th \
                 percentile {slow:.1} ms after {slow_without:.1} ms: {slower:.1} times (medians \
                 of {} turns)",
                self.most,
                self.turns.len()
            ),
            target: "85%, 3 times",
            reached: share >= 85.0 && slower < 3.0,
        }
    }
}

const WITHOUT: Duration = Duration::from_secs(5);

/// What the image of the leader costs while it is written.
pub fn writing() -> Outcome {
    writes("the leader writes an image", |cluster| vec![cluster.leader()])
}

/// The same while all three nodes, on one disk, write theirs: what happens by default, for they
/// have applied the same.
pub fn all_writing() -> Outcome {
    writes("all three write one, on one disk", |cluster| cluster.nodes().collect())
}

fn writes(what: &str, whose: for<'a> fn(&'a Cluster<'_>) -> Vec<&'a Node<u64>>) -> Outcome {
    const TURNS: usize = 5;
    let directory = tempfile::tempdir_in(".").unwrap();
    let cluster = Cluster::over_tcp(directory.path(), IMAGE, None);
    let most = most(|| cluster.leader());
    let mut pairs = Pairs::none(most);
    for _ in 0..TURNS {
        let without = steady(most / 2.0, || cluster.leader(), |passed| passed >= WITHOUT);
        let with = thread::scope(|scope| {
            let write = |node| scope.spawn(move || Node::compact(node).unwrap());
            let written: Vec<_> = whose(&cluster).into_iter().map(write).collect();
            let over = |_| written.iter().all(|thread| thread.is_finished());
            steady(most / 2.0, || cluster.leader(), over)
        });
        pairs.push([without, with]);
    }
    pairs.outcome(&format!("{what} of {} MiB", IMAGE / MIB))
}

/// What an image on its way to a laggard costs the others, with the default rate.
pub fn laggard() -> Outcome {
    const TURNS: usize = 3;
    let directory = tempfile::tempdir_in(".").unwrap();
    let mut cluster = Cluster::over_tcp(directory.path(), IMAGE, None);
    let most = most(|| cluster.leader());
    let mut pairs = Pairs::none(most);
    for _ in 0..TURNS {
        let without = steady(most / 2.0, || cluster.leader(), |passed| passed >= WITHOUT);
        let at = cluster.leave_behind();
        let over = |_| cluster.received(at).1 > 0;
        let with = steady(most / 2.0, || cluster.leader(), over);
        pairs.push([without, with]);
        cluster.caught_up(at);
    }
    pairs.outcome(&format!("{} MiB go to a laggard", IMAGE / MIB))
}

/// An image on its way while leaders lose their links, again and again.
pub fn elections() -> Outcome {
    arrives("the links of the leader cut", |place| Cluster::in_memory(place, IMAGE))
}

/// An image on its way while leaders are stopped and started, again and again: among them whoever
/// sends it.
pub fn restarts() -> Outcome {
    arrives("the leader started anew", |place| Cluster::over_tcp(place, IMAGE, None))
}

fn arrives(what: &str, start: for<'a> fn(&'a Path) -> Cluster<'a>) -> Outcome {
    const EVERY: Duration = Duration::from_secs(5);
    const LONGEST: Duration = Duration::from_secs(300);
    let directory = tempfile::tempdir_in(".").unwrap();
    let mut cluster = start(directory.path());
    let at = cluster.leave_behind();
    let (start, mut elections) = (Instant::now(), 0);
    let arrived = |cluster: &Cluster<'_>| cluster.received(at).1 > 0;
    while !arrived(&cluster) && start.elapsed() < LONGEST {
        match start.elapsed() > EVERY * (elections + 1) {
            true => {
                cluster.depose();
                elections += 1;
            }
            false => thread::sleep(Duration::from_millis(5)),
        }
    }
    let (took, times) = (start.elapsed(), cluster.received(at).0 as f64 / IMAGE as f64);
    Outcome {
        measured: format!(
            "an image of {} MiB {} in {took:.1?} with {what} every {EVERY:?} \
             ({elections} times); its bytes \
             travelled {times:.2} times",
            IMAGE / MIB,
            if arrived(&cluster) { "came" } else { "did not come" },
        ),
        target: "it comes",
        reached: arrived(&cluster),
    }
}

/// How many bytes a second are copied from one file to another, over a connection like that of
/// nodes, and synced at the end.
fn plain_copy(place: &Path, bytes: usize) -> f64 {
    const BLOCK: usize = 64 * 1024;
    let (from, to) = (place.join("from"), place.join("to"));
    if !from.exists() {
        let image: Box<dyn Image> = Box::new(LargeImage(7, bytes));
        image.write(&mut File::create(&from).unwrap()).unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut file, mut block) = (File::open(&from).unwrap(), vec![0; BLOCK]);
            loop {
                match file.read(&mut block).unwrap() {
                    0 => break,
                    count => stream.write_all(&block[..count]).unwrap(),
                }
            }
        });
        let (mut stream, mut file) = (listener.accept().unwrap().0, File::create(&to).unwrap());
        let mut block = vec![0; BLOCK];
        loop {
            match stream.read(&mut block).unwrap() {
                0 => break,
                count => file.write_all(&block[..count]).unwrap(),
            }
        }
        file.sync_all().unwrap();
    });
    let rate = bytes as f64 / start.elapsed().as_secs_f64();
    fs::remove_file(to).unwrap();
    rate
}
