//! A state machine that keeps every command, and knows how it came to its state.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};

use veraft::figure2::{Command, Index};
use veraft::runtime::{Image, StateMachine};

/// Clones are the same one.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    entries: Vec<Vec<u8>>,
    /// How many entries each image had from which it was restored.
    restored: Vec<usize>,
    /// How many commands were applied to it.
    applied: usize,
    last_index: Index,
}

impl Ledger {
    pub fn entries(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().entries.clone()
    }

    pub fn restored(&self) -> Vec<usize> {
        self.0.lock().unwrap().restored.clone()
    }

    pub fn applied(&self) -> usize {
        self.0.lock().unwrap().applied
    }
}

/// Answers with the index.
impl StateMachine for Ledger {
    type Response = u64;

    fn apply(&mut self, index: Index, command: &Command) -> u64 {
        let mut held = self.0.lock().unwrap();
        assert!(index > held.last_index, "{index} after {}", held.last_index);
        held.last_index = index;
        held.applied += 1;
        held.entries.push(command.as_bytes().to_vec());
        index
    }

    fn capture(&mut self) -> Option<Box<dyn Image>> {
        Some(Box::new(Copied(self.entries())))
    }

    fn restore(&mut self, image: &mut dyn Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        image.read_to_end(&mut bytes)?;
        let entries = read(&bytes).ok_or(io::ErrorKind::InvalidData)?;
        let mut held = self.0.lock().unwrap();
        held.restored.push(entries.len());
        held.entries = entries;
        Ok(())
    }
}

/// The entries of a ledger at one moment.
pub struct Copied(pub Vec<Vec<u8>>);

impl Image for Copied {
    fn write(self: Box<Self>, to: &mut dyn Write) -> io::Result<()> {
        for entry in self.0 {
            to.write_all(&(entry.len() as u32).to_le_bytes())?;
            to.write_all(&entry)?;
        }
        to.flush()
    }
}

fn read(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (entry, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        entries.push(entry.to_vec());
        bytes = rest;
    }
    bytes.is_empty().then_some(entries)
}
