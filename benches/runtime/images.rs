//! What a node takes up that compacts its log, and how fast images are written and read.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use im::HashMap;
use veraft::figure2::{Command, Index, ServerId};
use veraft::runtime::{
    Compaction, DiskStorage, Image, MemoryNetwork, Node, NodeBuilder, StateMachine, Timing,
};

use crate::Outcome;

const KEYS: u64 = 100_000;
const S1: ServerId = ServerId(1);

/// Keeps the last value of each key: a command is 8 bytes of key, and the value.
#[derive(Clone, Default)]
struct Keys(HashMap<u64, Command>);

fn key(command: &Command) -> u64 {
    command.as_bytes().first_chunk().map_or(0, |key| u64::from_le_bytes(*key))
}

impl StateMachine for Keys {
    type Response = u64;

    fn apply(&mut self, index: Index, command: &Command) -> u64 {
        self.0.insert(key(command), command.clone());
        index
    }

    fn capture(&mut self) -> Option<Box<dyn Image>> {
        Some(Box::new(self.clone()))
    }

    fn restore(&mut self, image: &mut dyn Read) -> io::Result<()> {
        self.0.clear();
        let mut length = [0; 4];
        while image.read(&mut length[..1])? == 1 {
            image.read_exact(&mut length[1..])?;
            let mut command = vec![0; u32::from_le_bytes(length) as usize];
            image.read_exact(&mut command)?;
            let command = Command::from(command);
            self.0.insert(key(&command), command);
        }
        Ok(())
    }
}

impl Image for Keys {
    fn write(self: Box<Self>, to: &mut dyn Write) -> io::Result<()> {
        self.0.values().try_for_each(|command| {
            to.write_all(&(command.as_bytes().len() as u32).to_le_bytes())?;
            to.write_all(command.as_bytes())
        })
    }
}

/// A node of one on the disk there.
fn start(directory: &Path, policy: Compaction, machine: Keys) -> Node<u64> {
    let timing = Timing::new(
        Duration::from_millis(10)..=Duration::from_millis(20),
        Duration::from_millis(3),
    );
    let builder = NodeBuilder::new(S1, [S1]).timing(timing.unwrap()).compaction(policy);
    let storage = DiskStorage::open(directory).unwrap();
    let node = builder.start(storage, MemoryNetwork::new(1).transport(S1), machine).unwrap();
    node.wait_for_leader(Duration::from_secs(10)).unwrap();
    node
}

/// Commits commands of `bytes` bytes, the keys one after the other.
fn commit(node: &Node<u64>, numbers: std::ops::Range<u64>, keys: u64, bytes: usize) {
    const WINDOW: usize = 4096;
    let mut flying = VecDeque::with_capacity(WINDOW);
    for number in numbers {
        let mut command = vec![b'x'; bytes];
        command[..8].copy_from_slice(&(number % keys).to_le_bytes());
        flying.push_back(node.propose(command));
        if flying.len() == WINDOW {
            let oldest: veraft::runtime::PendingProposal<u64> = flying.pop_front().unwrap();
            oldest.wait().unwrap();
        }
    }
    flying.into_iter().for_each(|one| assert!(one.wait().is_ok()));
}

fn on_disk(path: &Path) -> u64 {
    match path.is_dir() {
        true => path.read_dir().unwrap().map(|entry| on_disk(&entry.unwrap().path())).sum(),
        // An image may go meanwhile.
        false => path.metadata().map_or(0, |file| file.len()),
    }
}

/// What this process has in memory, in bytes.
fn in_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

pub fn growth() -> Outcome {
    const MILLION: u64 = 1_000_000;
    const MILLIONS: u64 = 20;
    let directory = tempfile::tempdir_in(".").unwrap();
    let node = start(directory.path(), Compaction::default(), Keys::default());
    let mut measured = Vec::new();
    println!("commits (millions)   memory (MB)   disk (MB)   images");
    for million in 0..MILLIONS {
        commit(&node, million * MILLION..(million + 1) * MILLION, KEYS, 64);
        let (memory, disk) = (in_memory(), on_disk(directory.path()));
        let images = node.metrics().unwrap().images_written;
        println!("{:18}   {:11}   {:9}   {images:6}", million + 1, memory >> 20, disk >> 20);
        measured.push((memory, disk));
    }
    let (tenth, last) = (measured[9], measured[measured.len() - 1]);
    let (memory, disk) = (last.0 as f64 / tenth.0 as f64, last.1 as f64 / tenth.1 as f64);
    Outcome {
        measured: format!(
            "memory {memory:.2} times, disk {disk:.2} times after {MILLIONS} million commits what \
             it was after 10 (64 bytes, {KEYS} keys)"
        ),
        target: "1.3 times",
        reached: memory <= 1.3 && disk <= 1.3,
    }
}

pub fn restart() -> Outcome {
    const BYTES: usize = 64 * 1024;
    const COUNT: u64 = 16 * 1024;
    const BEHIND: u64 = 10_000;
    let directory = tempfile::tempdir_in(".").unwrap();
    let policy = Compaction::by_hand();
    let node = start(directory.path(), policy, Keys::default());
    commit(&node, 0..COUNT, COUNT, BYTES);
    let begin = Instant::now();
    node.compact().unwrap();
    let wrote = begin.elapsed();
    commit(&node, 0..BEHIND, COUNT, 64);
    drop(node);
    let image = directory.path().join("images").read_dir().unwrap().next().unwrap().unwrap();
    let plain = Instant::now();
    let mut file = io::BufReader::with_capacity(64 * 1024, fs::File::open(image.path()).unwrap());
    let mut data = Vec::new();
    file.read_to_end(&mut data).unwrap();
    let read = plain.elapsed();
    // As it would be without headers and checksums.
    let mut bare = Vec::new();
    for number in 0..COUNT {
        bare.extend((BYTES as u32).to_le_bytes());
        bare.extend(number.to_le_bytes());
        bare.resize(bare.len() + BYTES - 8, b'x');
    }
    drop(data);
    let plain = Instant::now();
    Keys::default().restore(&mut &bare[..]).unwrap();
    let restored = plain.elapsed();
    drop(bare);
    let begin = Instant::now();
    let node = start(directory.path(), policy, Keys::default());
    while node.status().unwrap().applied_index < COUNT + BEHIND {
        std::thread::yield_now();
    }
    let took = begin.elapsed();
    let share = took.as_secs_f64() / (read + restored).as_secs_f64();
    Outcome {
        measured: format!(
            "{took:.2?} to start with an image of {} MB and {BEHIND} entries behind it, {share:.2} \
             times what its file ({read:.2?}) and its state machine ({restored:.2?}) take; written \
             in {wrote:.2?}",
            image.metadata().unwrap().len() >> 20,
        ),
        target: "1.3 times",
        reached: share <= 1.3,
    }
}
