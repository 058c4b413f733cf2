//! States of a level that are expanded one after the other, neighbours side by side.
//!
//! What a worker finds is spread over all workers, so of the states that share a node, each
//! worker holds a few, far apart. What is known of that node would leave the processor's caches
//! before it is needed again. An encoding begins with what a state shares with most others, so
//! states sorted by it meet what their neighbours left behind.

use std::io;
use std::ops::Range;

use super::frontier::{self, Frontier};

/// How many bytes of states are put in order at once: enough that neighbours meet, and little
/// beside the table of states.
const CHUNK: usize = 4 << 20;

/// Encoded states, in the order of their first bytes.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    /// The first bytes of each, and where it is.
    order: Vec<(u64, Range<u32>)>,
}

impl Chunk {
    /// Takes states out of `frontier`; answers whether there were any.
    ///
    /// # Errors
    /// When they are on a disk that cannot be read.
    pub fn refill(&mut self, frontier: &mut Frontier) -> io::Result<bool> {
        let Chunk { bytes, order } = self;
        bytes.clear();
        order.clear();
        while bytes.len() < CHUNK {
            let block = frontier.take()?;
            if block.is_empty() {
                break;
            }
            bytes.extend_from_slice(&block);
        }
        order.extend(frontier::states(bytes).map(|place| {
            let state = &bytes[place.clone()];
            let mut first = [0; size_of::<u64>()];
            let known = state.len().min(first.len());
            first[..known].copy_from_slice(&state[..known]);
            (u64::from_be_bytes(first), place.start as u32..place.end as u32)
        }));
        order.sort_unstable_by_key(|(first, _)| *first);
        Ok(!order.is_empty())
    }

    /// The states, neighbours side by side.
    pub fn states(&self) -> impl Iterator<Item = &[u8]> {
        self.order.iter().map(|(_, place)| &self.bytes[place.start as usize..place.end as usize])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engines::timely::frontier::Budget;

    #[test]
    fn every_state_comes_once_and_beside_its_neighbours() {
        let budget = Arc::new(Budget::new(u64::MAX, std::env::temp_dir()));
        let mut frontier = Frontier::new(budget);
        // Of all lengths from none to more than the first bytes, and more than a chunk of them.
        let all: Vec<Vec<u8>> = (0..600_000_u32)
            .map(|i| i.wrapping_mul(0x9e37_79b9).to_be_bytes().repeat(4)[..i as usize % 17].into())
            .collect();
        all.iter().for_each(|state| frontier.push(state).unwrap());
        let (mut chunk, mut found, mut chunks) = (Chunk::default(), Vec::new(), 0);
        while chunk.refill(&mut frontier).unwrap() {
            // Shorter ones as if zeros followed.
            let first = |state: &[u8]| [state, &[0; 8]].concat()[..8].to_vec();
            assert!(chunk.states().is_sorted_by_key(first));
            found.extend(chunk.states().map(<[u8]>::to_vec));
            chunks += 1;
        }
        assert!(chunks > 1);
        found.sort_unstable();
        let mut all = all;
        all.sort_unstable();
        assert!(found == all);
    }
}
