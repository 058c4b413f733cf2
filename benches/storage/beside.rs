//! A node's own store beside the least that durability takes: an append to a bare file and
//! `fdatasync`, in turns that alternate.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use veraft::figure2::{Base, Command, Entry, Record};
use veraft::runtime::{DiskStorage, Storage};

const TURNS: usize = 11;
const TIME: Duration = Duration::from_millis(400);
/// Of 80 bytes, 128 would fill pages by halves, which flatters the bare file.
const RECORD: [u8; 79] = [7; 79];

/// What appends so many records and syncs once.
trait Side {
    fn append_and_sync(&mut self, count: u64);
}

struct Bare(File);

impl Side for Bare {
    fn append_and_sync(&mut self, count: u64) {
        self.0.write_all(&RECORD.repeat(count as usize)).unwrap();
        self.0.sync_data().unwrap();
    }
}

/// The store of a node, whose log begins anew every so many entries, if it does.
struct Ours {
    store: DiskStorage,
    last_index: u64,
    begins_every: Option<u64>,
    begun: u64,
}

impl Side for Ours {
    fn append_and_sync(&mut self, count: u64) {
        let entry = Entry::command(1, Command::from(&RECORD[..]));
        let entries = (0..count).map(|_| entry.clone()).collect();
        self.store.append(&[Record::Append { entries }]).unwrap();
        self.last_index += count;
        if self.begins_every.is_some_and(|every| self.last_index - self.begun > every) {
            self.begun = self.last_index;
            let base = Base { last_index: self.begun, last_term: 1 };
            self.store.append(&[Record::Base(base)]).unwrap();
        }
        self.store.sync().unwrap();
    }
}

fn ours(directory: &Path, begins_every: Option<u64>) -> Box<dyn Side> {
    let mut store = DiskStorage::open(directory).unwrap().reserve(0);
    store.load().unwrap();
    store.append(&[Record::Ballot { current_term: 1, voted_for: None }]).unwrap();
    let mut ours = Ours { store, last_index: 0, begins_every, begun: 0 };
    if begins_every.is_some() {
        // As after a while: there are files to be written again.
        (0..300).for_each(|_| ours.append_and_sync(1000));
    }
    Box::new(ours)
}

fn cpu() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
        .sum()
}

/// The bytes that were written to the device of this directory, by whomever; 0 where that cannot
/// be known.
fn written(directory: &Path) -> f64 {
    let device = fs::metadata(directory).unwrap().dev();
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff);
    let stat = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat"));
    let sectors = stat.ok().and_then(|stat| stat.split_whitespace().nth(6)?.parse::<f64>().ok());
    sectors.unwrap_or(0.0) * 512.0
}

/// The bytes that this process has had written, without those of the file system itself.
fn written_here() -> f64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let bytes = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or(0.0)
}

/// Per sync: how many a second, bytes, those of this process alone, microseconds of processor
/// time.
type Costs = [f64; 4];

fn turn(side: &mut dyn Side, count: u64, directory: &Path) -> Costs {
    let before = [written(directory), written_here(), cpu()];
    let begin = Instant::now();
    let mut syncs = 0.0;
    while begin.elapsed() < TIME {
        side.append_and_sync(count);
        syncs += 1.0;
    }
    [
        syncs / begin.elapsed().as_secs_f64(),
        (written(directory) - before[0]) / syncs,
        (written_here() - before[1]) / syncs,
        (cpu() - before[2]) / syncs * 1e6,
    ]
}

fn median(costs: &[Costs], place: usize) -> f64 {
    let mut values: Vec<f64> = costs.iter().map(|costs| costs[place]).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints medians, and the median of what each turn is of the bare file's beside it.
pub fn beside() {
    println!(
        "records of 79 bytes in a sync, medians of {TURNS} turns that alternate; bytes as the \
         device counts them, of all who write to it"
    );
    for count in [1, 16, 128] {
        let directory = tempfile::tempdir_in(".").unwrap();
        let place = |name: &str| {
            let path = directory.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let mut options = OpenOptions::new();
        let bare = options.create(true).append(true).open(place("bare").join("log")).unwrap();
        let mut sides: [(&str, Box<dyn Side>); 3] = [
            ("append + fdatasync", Box::new(Bare(bare))),
            ("ours, compacted", ours(&place("ours"), Some(100_000))),
            ("ours, never compacted", ours(&place("growing"), None)),
        ];
        let mut costs = [const { Vec::new() }; 3];
        for _ in 0..TURNS {
            for ((_, side), costs) in sides.iter_mut().zip(&mut costs) {
                costs.push(turn(side.as_mut(), count, directory.path()));
            }
        }
        for ((name, _), side) in sides.iter().zip(&costs) {
            let shares = side.iter().zip(&costs[0]);
            let shares: Vec<Costs> = shares
                .map(|(own, bare)| [0, 1, 2, 3].map(|place| own[place] / bare[place]))
                .collect();
            let [rate, bytes, here, time] =
                [0, 1, 2, 3].map(|place| (median(side, place), median(&shares, place)));
            println!(
                "{count:4} {name:22} {:7.0} syncs/s ({:.2})   {:7.0} bytes ({:.2}), {:.0} of this \
                 process ({:.2})   {:5.1} us of processor time ({:.2})",
                rate.0, rate.1, bytes.0, bytes.1, here.0, here.1, time.0, time.1,
            );
        }
    }
}
