//! What a worker has seen: every state, or those that no other covered when they were found.

use std::collections::HashMap;
use std::io::{self, Read, Write};

use super::space::Space;
use crate::engines::antichain::Antichain;
use crate::engines::fingerprint::Fingerprint;
use crate::engines::visited::Visited;

/// What a state that was found is known by.
#[derive(Clone, Copy, Debug)]
pub struct Name<F> {
    /// Its own name.
    pub state: F,
    /// That of its kin; [`Fingerprint::NONE`] where it has none.
    pub kin: F,
    /// Its parent's.
    pub parent: F,
}

impl<F: Fingerprint> Name<F> {
    /// The name of a state.
    pub fn of<S: Space>(space: &S, state: &S::State, parent: F) -> Name<F> {
        let kin = space.kin(state).map(F::of_kin);
        Name { state: F::of(space, state), kin: kin.unwrap_or(F::NONE), parent }
    }

    /// What decides whose state it is: states of one kin are one worker's.
    pub fn belongs(self) -> F {
        if self.kin == F::NONE { self.state } else { self.kin }
    }
}

/// The states seen so far.
#[derive(Debug)]
pub enum Seen<F> {
    /// All of them, and their kins.
    All(Visited<F>, Visited<F, ()>),
    /// Maximal ones.
    Maximal(Antichain<F>),
}

/// The sets by which states are compared, as one thread knows them.
pub struct Sets<S: Space> {
    /// What it remembers of them.
    pub memo: S::Sets,
    /// Those of a state; none where states are not compared.
    of: Vec<u32>,
}

impl<S: Space> Sets<S> {
    /// Those of `state`, from now on.
    pub fn set(&mut self, space: &S, state: &S::State) {
        self.of.clear();
        if space.is_antichain() {
            space.sets(&mut self.memo, state, &mut self.of);
        }
    }

    /// Appends their numbers, which mean something in this process.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.of.iter().flat_map(|number| number.to_le_bytes()));
    }

    /// Those whose numbers stand in front of `bytes`, from now on: as many as there are now.
    pub fn read(&mut self, bytes: &mut &[u8]) -> Option<()> {
        for number in &mut self.of {
            let (read, rest) = bytes.split_first_chunk()?;
            (*number, *bytes) = (u32::from_le_bytes(*read), rest);
        }
        Some(())
    }
}

impl<S: Space> Default for Sets<S> {
    fn default() -> Self {
        Sets { memo: S::Sets::default(), of: Vec::new() }
    }
}

impl<F: Fingerprint> Seen<F> {
    /// Nothing yet of `space`, to which `any` state belongs.
    pub fn of<S: Space>(space: &S, any: &S::State, sets: &mut Sets<S>) -> Seen<F> {
        sets.set(space, any);
        match space.is_antichain() {
            true => Seen::Maximal(Antichain::new(sets.of.len())),
            false => Seen::All(Visited::default(), Visited::default()),
        }
    }

    /// Adds a state whose sets are `sets`; answers whether it has to be looked at. If so, it is
    /// encoded, as `write` does.
    pub fn add<S: Space>(
        &mut self,
        space: &S,
        sets: &mut Sets<S>,
        name: Name<F>,
        encoded: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let number = match self {
            Seen::All(states, kins) => {
                if !states.insert(name.state, name.parent) {
                    return false;
                }
                if name.kin != F::NONE {
                    kins.insert(name.kin, ());
                }
                None
            }
            Seen::Maximal(found) => {
                let Sets { memo, of } = sets;
                let contains = |all, part| space.contains(memo, all, part);
                let Name { state, kin, parent } = name;
                let Some(number) = found.insert(kin, of, state, parent, contains) else {
                    return false;
                };
                Some(number)
            }
        };
        encoded.clear();
        write(encoded);
        encoded.extend(number.into_iter().flat_map(u32::to_le_bytes));
        true
    }

    /// The states seen so far wait for their turn, which has come.
    pub fn begin_level(&mut self) {
        match self {
            Seen::All(..) => {}
            Seen::Maximal(found) => found.begin_level(),
        }
    }

    /// Whether a state that waited since it was found, as it is encoded, is covered meanwhile.
    pub fn is_covered(&self, encoded: &[u8]) -> bool {
        match (self, encoded.last_chunk()) {
            (Seen::Maximal(found), Some(number)) => found.is_covered(u32::from_le_bytes(*number)),
            _ => false,
        }
    }

    /// How many states were seen.
    pub fn len(&self) -> u64 {
        match self {
            Seen::All(states, _) => states.len(),
            Seen::Maximal(states) => states.len(),
        }
    }

    /// How many kins, where states have one.
    pub fn kins(&self) -> u64 {
        match self {
            Seen::All(_, kins) => kins.len(),
            Seen::Maximal(states) => states.kins(),
        }
    }

    /// The bytes that all of it takes.
    pub fn bytes(&self) -> u64 {
        match self {
            Seen::All(states, kins) => states.bytes() + kins.bytes(),
            Seen::Maximal(states) => states.bytes(),
        }
    }

    /// The parent of each of these states that was seen here.
    pub fn parents(&self, states: &[F]) -> HashMap<F, F> {
        match self {
            Seen::All(seen, _) => {
                let parent = |state: &F| Some((*state, seen.get(*state)?));
                states.iter().filter_map(parent).collect()
            }
            // One pass for all, for they are not in order.
            Seen::Maximal(seen) => {
                seen.iter().filter(|(state, _)| states.contains(state)).collect()
            }
        }
    }

    /// Writes all of it, for another process of the same search.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write<S: Space>(
        &self,
        space: &S,
        sets: &mut Sets<S>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        match self {
            Seen::All(states, kins) => {
                out.write_all(&states.len().to_le_bytes())?;
                for (state, parent) in states.iter() {
                    state.save(out)?;
                    parent.save(out)?;
                }
                out.write_all(&kins.len().to_le_bytes())?;
                kins.iter().try_for_each(|(kin, ())| kin.save(out))
            }
            Seen::Maximal(found) => {
                let told = space.tell_sets(&mut sets.memo);
                out.write_all(&(told.len() as u64).to_le_bytes())?;
                out.write_all(&told)?;
                found.write(out)
            }
        }
    }

    /// Reads what another process wrote.
    ///
    /// # Errors
    /// Those of `from`, and `InvalidData` where that is no such thing.
    pub fn read<S: Space>(space: &S, from: &mut impl Read) -> io::Result<Seen<F>> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let number = |from: &mut dyn Read| {
            let mut bytes = [0; 8];
            from.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes))
        };
        if space.is_antichain() {
            let (length, mut told) = (number(from)?, Vec::new());
            // Not all at once: a damaged number must not take all memory.
            from.by_ref().take(length).read_to_end(&mut told)?;
            let numbers = space.learn_sets(&told).ok_or_else(invalid)?;
            return Antichain::read(from, &numbers).map(Seen::Maximal);
        }
        let (mut states, mut kins) = (Visited::default(), Visited::default());
        for _ in 0..number(from)? {
            let state = F::load(from)?;
            states.insert(state.some().ok_or_else(invalid)?, F::load(from)?);
        }
        for _ in 0..number(from)? {
            kins.insert(F::load(from)?.some().ok_or_else(invalid)?, ());
        }
        Ok(Seen::All(states, kins))
    }
}
