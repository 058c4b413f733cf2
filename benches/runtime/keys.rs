//! A node of one on disk, whose state machine keeps the last value of each key.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use im::HashMap;
use veraft::figure2::{Command, Index, ServerId};
use veraft::runtime::{
    Compaction, DiskStorage, Image, MemoryNetwork, Node, NodeBuilder, PendingProposal,
    StateMachine, Timing,
};

const S1: ServerId = ServerId(1);

/// A command is 8 bytes of key, and the value.
#[derive(Clone, Default)]
pub struct Keys(HashMap<u64, Command>);

fn key(command: &Command) -> u64 {
    command.as_bytes().first_chunk().map_or(0, |key| u64::from_le_bytes(*key))
}

/// A command for this key.
fn command(key: u64, bytes: usize) -> Vec<u8> {
    let mut command = vec![b'x'; bytes];
    command[..8].copy_from_slice(&key.to_le_bytes());
    command
}

/// Writes the image of so many keys, each with a command of so many bytes.
pub fn write_image(keys: u64, bytes: usize, to: &mut dyn Write) -> io::Result<()> {
    (0..keys).try_for_each(|key| write_command(&command(key, bytes), to))
}

fn write_command(command: &[u8], to: &mut dyn Write) -> io::Result<()> {
    to.write_all(&(command.len() as u32).to_le_bytes())?;
    to.write_all(command)
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
        self.0.values().try_for_each(|command| write_command(command.as_bytes(), to))
    }
}

/// A node of one on the disk there; it leads.
pub fn start(directory: &Path, policy: Compaction) -> Node<u64> {
    let timing = Timing::new(
        Duration::from_millis(10)..=Duration::from_millis(20),
        Duration::from_millis(3),
    );
    let builder = NodeBuilder::new(S1, [S1]).timing(timing.unwrap()).compaction(policy);
    let storage = DiskStorage::open(directory).unwrap();
    let transport = MemoryNetwork::new(1).transport(S1);
    let node = builder.start(storage, transport, Keys::default()).unwrap();
    node.wait_for_leader(Duration::from_secs(10)).unwrap();
    node
}

/// Commits commands of `bytes` bytes, the keys one after the other, with at most `window` in
/// flight.
pub fn commit(node: &Node<u64>, numbers: Range<u64>, keys: u64, bytes: usize, window: usize) {
    let mut flying = VecDeque::with_capacity(window);
    for number in numbers {
        flying.push_back(node.propose(command(number % keys, bytes)));
        if flying.len() == window {
            let oldest: PendingProposal<u64> = flying.pop_front().unwrap();
            oldest.wait().unwrap();
        }
    }
    flying.into_iter().for_each(|one| assert!(one.wait().is_ok()));
}
