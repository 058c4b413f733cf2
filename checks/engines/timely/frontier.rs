//! The states of a level as bytes: in memory up to a limit that all workers of the process
//! share, and in a temporary file beyond it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes are put away at once.
const BLOCK: usize = 64 << 10;

/// The memory that frontiers may take.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    used: AtomicU64,
    spilled: AtomicU64,
    folder: PathBuf,
}

impl Budget {
    /// At most about `limit` bytes in memory; what does not fit goes to a file in `folder`.
    pub fn new(limit: u64, folder: PathBuf) -> Budget {
        Budget { limit, used: AtomicU64::new(0), spilled: AtomicU64::new(0), folder }
    }

    /// How many bytes were written to disk, in all.
    pub fn spilled(&self) -> u64 {
        self.spilled.load(Ordering::Relaxed)
    }
}

/// Encoded states, to be taken out a block at a time. Their order is that of a bag.
#[derive(Debug)]
pub struct Frontier {
    budget: Arc<Budget>,
    open: Vec<u8>,
    blocks: Vec<Vec<u8>>,
    states: u64,
    /// It has no name, so nothing is left of it however the process ends.
    file: Option<File>,
    spilled: Vec<usize>,
    /// Where the last spilled block ends.
    end: u64,
}

impl Frontier {
    /// Nothing yet.
    pub fn new(budget: Arc<Budget>) -> Frontier {
        Frontier {
            budget,
            open: Vec::with_capacity(BLOCK),
            blocks: Vec::new(),
            states: 0,
            file: None,
            spilled: Vec::new(),
            end: 0,
        }
    }

    /// Adds a state.
    ///
    /// # Errors
    /// When it has to go to disk, and cannot.
    pub fn push(&mut self, state: &[u8]) -> io::Result<()> {
        put_length(&mut self.open, state.len());
        self.open.extend_from_slice(state);
        self.states += 1;
        if self.open.len() < BLOCK {
            return Ok(());
        }
        let block = std::mem::replace(&mut self.open, Vec::with_capacity(BLOCK + 256));
        let bytes = block.capacity() as u64;
        if self.budget.used.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.budget.limit {
            self.blocks.push(block);
            return Ok(());
        }
        self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
        self.spill(&block).map_err(|error| {
            let folder = self.budget.folder.display();
            io::Error::new(
                error.kind(),
                format!("{error}; states that wait do not fit in {folder}"),
            )
        })
    }

    fn spill(&mut self, block: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.budget.folder)?),
        };
        file.seek(SeekFrom::Start(self.end))?;
        file.write_all(block)?;
        self.end += block.len() as u64;
        self.spilled.push(block.len());
        self.budget.spilled.fetch_add(block.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// How many states were added since it was empty.
    pub fn len(&self) -> u64 {
        self.states
    }

    /// Takes some [`states`] out; none are left after an empty answer.
    ///
    /// # Errors
    /// When they are on a disk that cannot be read.
    pub fn take(&mut self) -> io::Result<Vec<u8>> {
        if let Some(block) = self.blocks.pop() {
            self.budget.used.fetch_sub(block.capacity() as u64, Ordering::Relaxed);
            return Ok(block);
        }
        let (Some(length), Some(file)) = (self.spilled.pop(), &mut self.file) else {
            self.states = 0;
            return Ok(std::mem::take(&mut self.open));
        };
        self.end -= length as u64;
        file.seek(SeekFrom::Start(self.end))?;
        let mut block = vec![0; length];
        file.read_exact(&mut block)?;
        if self.end == 0 {
            file.set_len(0)?;
        }
        Ok(block)
    }

    /// Shows all [`states`], a block at a time, and keeps them.
    ///
    /// # Errors
    /// When they are on a disk that cannot be read, or `visit` fails.
    pub fn each(&mut self, mut visit: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        visit(&self.open)?;
        self.blocks.iter().try_for_each(|block| visit(block))?;
        let Some(file) = &mut self.file else { return Ok(()) };
        file.seek(SeekFrom::Start(0))?;
        for &length in &self.spilled {
            let mut block = vec![0; length];
            file.read_exact(&mut block)?;
            visit(&block)?;
        }
        Ok(())
    }
}

/// Where in a block, or in several behind each other, the states are.
///
/// # Panics
/// When a block ends within a state: a search must not go on without it.
pub fn states(block: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut place = 0;
    std::iter::from_fn(move || {
        if place == block.len() {
            return None;
        }
        let mut length = 0;
        for shift in (0..usize::BITS).step_by(7) {
            assert!(place < block.len(), "a block of the frontier is cut off");
            let byte = block[place];
            place += 1;
            length |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        assert!(length <= block.len() - place, "a block of the frontier is cut off");
        let state = place..place + length;
        place = state.end;
        Some(state)
    })
}

/// Appends the length of a state, seven bits to the byte, the lowest first.
fn put_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

impl Drop for Frontier {
    fn drop(&mut self) {
        let bytes: usize = self.blocks.iter().map(Vec::capacity).sum();
        self.budget.used.fetch_sub(bytes as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(frontier: &mut Frontier) -> Vec<u64> {
        let mut found = Vec::new();
        loop {
            let block = frontier.take().unwrap();
            if block.is_empty() {
                break;
            }
            let number = |place: Range<usize>| block[place].try_into().map(u64::from_le_bytes);
            found.extend(states(&block).map(|place| number(place).unwrap()));
        }
        found.sort_unstable();
        found
    }

    #[test]
    fn what_goes_in_comes_out_from_memory_and_from_disk() {
        let folder = tempfile::tempdir().unwrap();
        for limit in [0, 3 * BLOCK as u64, u64::MAX] {
            let budget = Arc::new(Budget::new(limit, folder.path().to_owned()));
            let mut frontier = Frontier::new(Arc::clone(&budget));
            for round in 0..3 {
                let all: Vec<u64> = (0..50_000).map(|i| i * 3 + round).collect();
                all.iter().for_each(|number| frontier.push(&number.to_le_bytes()).unwrap());
                assert_eq!(frontier.len(), 50_000);
                let mut seen = 0;
                let mut count = |block: &[u8]| {
                    seen += states(block).count();
                    Ok(())
                };
                frontier.each(&mut count).unwrap();
                assert_eq!(seen, 50_000);
                assert_eq!(numbers(&mut frontier), all);
            }
            assert_eq!(budget.spilled() > 0, limit < u64::MAX);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file has a name");
            drop(frontier);
            assert_eq!(budget.used.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn states_of_any_length_follow_each_other() {
        let budget = Arc::new(Budget::new(u64::MAX, std::env::temp_dir()));
        let mut frontier = Frontier::new(budget);
        let lengths = [0, 1, 127, 128, 300, 0, 20_000];
        lengths.iter().for_each(|&length| frontier.push(&vec![7; length]).unwrap());
        let block = frontier.take().unwrap();
        assert!(states(&block).map(|place| place.len()).eq(lengths));
    }

    #[test]
    #[should_panic(expected = "cut off")]
    fn no_state_is_left_out_of_a_block_that_is_cut_off() {
        let mut frontier = Frontier::new(Arc::new(Budget::new(u64::MAX, std::env::temp_dir())));
        frontier.push(&[7; 300]).unwrap();
        let block = frontier.take().unwrap();
        let _ = states(&block[..block.len() - 1]).count();
    }

    #[test]
    fn a_disk_that_cannot_be_written_is_an_error() {
        let budget = Arc::new(Budget::new(0, PathBuf::from("/nowhere/at/all")));
        let mut frontier = Frontier::new(budget);
        let error = (0..BLOCK).find_map(|_| frontier.push(&[0; 8]).err()).unwrap();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}
