//! Maximal states: of each kin those that no other covers.
//!
//! A state costs its name, its parent's, a link to the next of its kin, and its sets, in blocks
//! that never move; a kin costs a place in a table: 45 bytes a state in `replication-huge`, with three
//! sets a state. States that were covered later keep their place, for others may have them for
//! a parent.

use std::io::{self, Read, Write};

use super::fingerprint::Fingerprint;
use super::visited::Visited;

/// The states found so far, maximal when they were found.
#[derive(Debug)]
pub struct Antichain<F> {
    /// How many sets a state has.
    width: usize,
    /// The last that was found of each kin.
    heads: Visited<F, u32>,
    names: Blocks<F>,
    parents: Blocks<F>,
    /// The one of its kin that was found before it, and whether it is covered itself.
    links: Blocks<u32>,
    sets: Blocks<u32>,
    /// The number of the first that lies deep enough to be stood for by one found later.
    level: u32,
}

/// There is no other of its kin.
const END: u32 = COVERED - 1;
/// A bit of a link: the state is covered by one that was found later.
const COVERED: u32 = 1 << 31;

impl<F: Fingerprint> Antichain<F> {
    /// For states of `width` sets.
    pub fn new(width: usize) -> Antichain<F> {
        Antichain {
            width,
            heads: Visited::default(),
            names: Blocks::new(1),
            parents: Blocks::new(1),
            links: Blocks::new(1),
            sets: Blocks::new(width),
            level: 0,
        }
    }

    /// All states found so far lie less deep than those to come, and no such one stands for them
    /// if it covers them: the way on from there would be longer. So which states are looked at is
    /// the same in whatever order those of a level are found.
    pub fn begin_level(&mut self) {
        self.level = self.names.len() as u32;
    }

    /// Adds a state; answers its number, or none if it is covered. Those that it covers are
    /// from now on, unless they lie less deep.
    ///
    /// # Panics
    /// When there are 2^31 states.
    pub fn insert(
        &mut self,
        kin: F,
        sets: &[u32],
        name: F,
        parent: F,
        mut contains: impl FnMut(u32, u32) -> bool,
    ) -> Option<u32> {
        let mut covers = |all: &[u32], part: &[u32]| {
            all.iter().zip(part).all(|(&all, &part)| all == part || contains(all, part))
        };
        let head = self.heads.get(kin).unwrap_or(END);
        let (mut before, mut place, mut first) = (END, head, head);
        while place != END {
            let next = self.link(place) & !COVERED;
            let there = self.sets.get(place as usize);
            if covers(there, sets) {
                return None;
            }
            if covers(sets, there) {
                let covered = if place >= self.level { COVERED } else { 0 };
                *self.links.get_mut(place as usize) = next | covered;
                match before {
                    END => first = next,
                    before => *self.links.get_mut(before as usize) = next,
                }
            } else {
                before = place;
            }
            place = next;
        }
        let number = self.names.len() as u32;
        assert!(number < END, "a worker holds less than 2^31 states");
        self.heads.set(kin, number);
        self.names.push(&[name]);
        self.parents.push(&[parent]);
        self.links.push(&[first]);
        self.sets.push(sets);
        Some(number)
    }

    fn link(&self, place: u32) -> u32 {
        self.links.get(place as usize)[0]
    }

    /// Whether a state is covered by one that was found later, and stands for it.
    pub fn is_covered(&self, number: u32) -> bool {
        self.link(number) & COVERED != 0
    }

    /// How many states were found.
    pub fn len(&self) -> u64 {
        self.names.len() as u64
    }

    /// How many kins there are.
    pub fn kins(&self) -> u64 {
        self.heads.len()
    }

    /// The bytes that all of it takes.
    pub fn bytes(&self) -> u64 {
        let Antichain { width: _, heads, names, parents, links, sets, level: _ } = self;
        heads.bytes() + names.bytes() + parents.bytes() + links.bytes() + sets.bytes()
    }

    /// Every state with its parent.
    pub fn iter(&self) -> impl Iterator<Item = (F, F)> + '_ {
        self.names.iter().zip(self.parents.iter())
    }

    /// Writes all of it, its sets by the numbers of this process.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let counts = [self.width as u32, self.heads.len() as u32, self.names.len() as u32];
        counts.into_iter().try_for_each(|count| put(out, count))?;
        for (kin, head) in self.heads.iter() {
            kin.save(out)?;
            put(out, head)?;
        }
        for (name, parent) in self.iter() {
            name.save(out)?;
            parent.save(out)?;
        }
        self.links.iter().chain(self.sets.iter()).try_for_each(|number| put(out, number))
    }

    /// Reads what another process wrote; `numbers` are those here of its sets.
    ///
    /// # Errors
    /// Those of `from`, and `InvalidData` where that is no such thing.
    pub fn read(from: &mut impl Read, numbers: &[u32]) -> io::Result<Antichain<F>> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let [width, kins, states] = [take(from)?, take(from)?, take(from)?];
        let mut read = Antichain::new(width as usize);
        let known = |state: u32| if state < states { Ok(state) } else { Err(invalid()) };
        for _ in 0..kins {
            let kin = F::load(from)?.some().ok_or_else(invalid)?;
            read.heads.set(kin, known(take(from)?)?);
        }
        for _ in 0..states {
            read.names.push(&[F::load(from)?]);
            read.parents.push(&[F::load(from)?]);
        }
        for _ in 0..states {
            let link = take(from)?;
            if link & !COVERED != END {
                known(link & !COVERED)?;
            }
            read.links.push(&[link]);
        }
        let mut sets = Vec::new();
        for _ in 0..states {
            sets.clear();
            for _ in 0..width {
                sets.push(*numbers.get(take(from)? as usize).ok_or_else(invalid)?);
            }
            read.sets.push(&sets);
        }
        Ok(read)
    }
}

fn put(out: &mut impl Write, number: u32) -> io::Result<()> {
    out.write_all(&number.to_le_bytes())
}

fn take(from: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// A list in blocks: it grows without a copy, and takes no more than it holds and a block.
#[derive(Debug)]
struct Blocks<T> {
    /// How many items belong together.
    width: usize,
    blocks: Vec<Vec<T>>,
}

/// Groups of items in a block.
const BLOCK: usize = 1 << 14;

impl<T: Copy> Blocks<T> {
    fn new(width: usize) -> Blocks<T> {
        Blocks { width, blocks: Vec::new() }
    }

    fn len(&self) -> usize {
        let last = self.blocks.last().map_or(0, |block| block.len() / self.width.max(1));
        self.blocks.len().saturating_sub(1) * BLOCK + last
    }

    fn push(&mut self, group: &[T]) {
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK * self.width) {
            self.blocks.push(Vec::with_capacity(BLOCK * self.width));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.extend_from_slice(group);
        }
    }

    fn get(&self, place: usize) -> &[T] {
        let start = place % BLOCK * self.width;
        &self.blocks[place / BLOCK][start..start + self.width]
    }

    /// The first of a group.
    fn get_mut(&mut self, place: usize) -> &mut T {
        &mut self.blocks[place / BLOCK][place % BLOCK * self.width]
    }

    fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.blocks.iter().flatten().copied()
    }

    fn bytes(&self) -> u64 {
        (self.blocks.len() * BLOCK * self.width * size_of::<T>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets of six things, as bits.
    fn contains(all: u32, part: u32) -> bool {
        all & part == part
    }

    /// Pairs of sets in an order that looks random.
    fn pairs() -> impl Iterator<Item = [u32; 2]> {
        (0..4096_u32).map(|i| i.wrapping_mul(2_654_435_761) >> 20).map(|n| [n >> 6, n & 63])
    }

    #[test]
    fn what_is_left_are_the_maximal_states_of_each_kin() {
        let mut found = Antichain::<u64>::new(2);
        let all: Vec<(u64, [u32; 2])> =
            pairs().step_by(3).enumerate().map(|(i, sets)| (1 + i as u64 % 7, sets)).collect();
        let mut numbers = Vec::new();
        for (i, (kin, sets)) in all.iter().enumerate() {
            let name = 100 + i as u64;
            if let Some(number) = found.insert(*kin, sets, name, 1, contains) {
                numbers.push((number, *kin, *sets));
            }
        }
        let covers = |one: &[u32; 2], other: &[u32; 2]| {
            contains(one[0], other[0]) && contains(one[1], other[1])
        };
        for (number, kin, sets) in &numbers {
            let others = all.iter().filter(|(k, other)| k == kin && other != sets);
            let maximal = others.clone().all(|(_, other)| !covers(other, sets));
            assert_eq!(found.is_covered(*number), !maximal, "{number}");
        }
        let left: Vec<_> = numbers.iter().filter(|(n, ..)| !found.is_covered(*n)).collect();
        for (kin, sets) in &all {
            assert!(left.iter().any(|(_, k, there)| k == kin && covers(there, sets)));
        }
        assert_eq!((found.kins(), found.len()), (7, numbers.len() as u64));
        assert!(left.len() > 20 && left.len() < numbers.len(), "some are covered later");
    }

    /// Two that one of the next level covers.
    #[test]
    fn a_state_waits_for_its_turn_whatever_covers_it_deeper() {
        let mut found = Antichain::<u64>::new(1);
        let insert = |found: &mut Antichain<u64>, set| found.insert(1, &[set], 1, 1, contains);
        let first = insert(&mut found, 1).unwrap();
        found.begin_level();
        let second = insert(&mut found, 2).unwrap();
        assert_eq!(insert(&mut found, 0), None);
        let third = insert(&mut found, 7).unwrap();
        assert_eq!([first, second, third].map(|n| found.is_covered(n)), [false, true, false]);
        assert_eq!(insert(&mut found, 5), None, "what covers one of an earlier level is there");
    }

    #[test]
    fn it_is_read_as_it_was_written_and_goes_on() {
        let mut written = Antichain::<u64>::new(2);
        let half: Vec<_> = pairs().take(2000).collect();
        for (i, sets) in half.iter().enumerate() {
            written.insert(1 + i as u64 % 5, sets, 9 + i as u64, 3, contains);
        }
        let mut bytes = Vec::new();
        written.write(&mut bytes).unwrap();
        // There, each set has another number.
        let numbers: Vec<u32> = (0..64).map(|set| set | 1 << 10).collect();
        let mut read = Antichain::<u64>::read(&mut bytes.as_slice(), &numbers).unwrap();
        assert_eq!((read.len(), read.kins()), (written.len(), written.kins()));
        assert!(read.iter().eq(written.iter()));
        for (i, sets) in pairs().skip(2000).enumerate() {
            let kin = 1 + i as u64 % 5;
            let there = sets.map(|set| set | 1 << 10);
            let number = written.insert(kin, &sets, 1, 2, contains);
            assert_eq!(read.insert(kin, &there, 1, 2, contains), number);
        }
        for cut in [0, 3, 11, bytes.len() / 2, bytes.len() - 1] {
            assert!(Antichain::<u64>::read(&mut &bytes[..cut], &numbers).is_err(), "{cut}");
        }
        assert!(Antichain::<u64>::read(&mut bytes.as_slice(), &numbers[..3]).is_err());
    }

    #[test]
    fn a_state_takes_at_most_48_bytes_at_three_of_a_kin() {
        let mut found = Antichain::<u64>::new(3);
        for i in 0..1_500_000_u64 {
            let kin = (i / 3 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let sets = [1 << (i % 3), 1, 1];
            found.insert(kin, &sets, i + 1, i, contains).unwrap();
        }
        assert!(found.bytes() <= 48 * found.len(), "{}", found.bytes() as f64 / found.len() as f64);
    }
}
