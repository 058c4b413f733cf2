//! Fingerprints, each with a value: the states that a worker has seen, each with its parent.
//!
//! Open addressing in order: a fingerprint's home slot rises with its value, and the slots hold
//! fingerprints in ascending order, so a search for one that is absent ends at the first larger.
//! The table is cut into segments that grow one by one, each by a fifth at a load of 0.85: never
//! more than 16 / 0.70 = 22.9 bytes a state (twice that for 128 bits), and while one grows, a
//! hundredth of that more.

use super::fingerprint::Fingerprint;

const SEGMENT_BITS: u32 = 8;
/// The load at which a segment grows.
const FULL: f64 = 0.85;
const GROWTH: f64 = 1.2;
/// Slots behind the last home, so that nothing wraps around.
const SPARE: usize = 16;

/// States seen, each with its parent, or with something else.
#[derive(Debug)]
pub struct Visited<F, V = F> {
    segments: Vec<Segment<F, V>>,
    len: u64,
}

#[derive(Debug)]
struct Segment<F, V> {
    /// A fingerprint and its value; empty where the fingerprint is `NONE`.
    slots: Vec<(F, V)>,
    homes: usize,
    len: usize,
}

impl<F: Fingerprint, V: Copy + Default> Default for Visited<F, V> {
    fn default() -> Self {
        let segment = |_| Segment { slots: Vec::new(), homes: 0, len: 0 };
        Visited { segments: (0..1 << SEGMENT_BITS).map(segment).collect(), len: 0 }
    }
}

impl<F: Fingerprint, V: Copy + Default> Visited<F, V> {
    /// Adds a state; answers whether it is new. The value of a known one stays.
    pub fn insert(&mut self, state: F, value: V) -> bool {
        debug_assert!(state != F::NONE, "NONE marks empty slots");
        let (_, new) = self.segment(state).place(state, value);
        self.len += u64::from(new);
        new
    }

    /// Gives a state this value, whether it is known or not.
    pub fn set(&mut self, state: F, value: V) {
        debug_assert!(state != F::NONE, "NONE marks empty slots");
        let segment = self.segment(state);
        let (place, new) = segment.place(state, value);
        segment.slots[place].1 = value;
        self.len += u64::from(new);
    }

    fn segment(&mut self, state: F) -> &mut Segment<F, V> {
        &mut self.segments[(state.top() >> (u64::BITS - SEGMENT_BITS)) as usize]
    }

    /// The value of a state that was added.
    pub fn get(&self, state: F) -> Option<V> {
        self.segments[(state.top() >> (u64::BITS - SEGMENT_BITS)) as usize].get(state)
    }

    /// How many states there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Every state with its value.
    pub fn iter(&self) -> impl Iterator<Item = (F, V)> + '_ {
        let slots = self.segments.iter().flat_map(|segment| &segment.slots);
        slots.copied().filter(|(state, _)| *state != F::NONE)
    }

    /// The bytes that the slots take.
    pub fn bytes(&self) -> u64 {
        let slots: usize = self.segments.iter().map(|segment| segment.slots.capacity()).sum();
        (slots * size_of::<(F, V)>()) as u64
    }
}

impl<F: Fingerprint, V: Copy + Default> Segment<F, V> {
    fn home(&self, state: F) -> usize {
        let within = u128::from(state.top() << SEGMENT_BITS);
        ((within * self.homes as u128) >> u64::BITS) as usize
    }

    /// The first slot from the state's home on that is empty, or holds it or a larger one.
    fn seek(&self, state: F) -> usize {
        let mut place = self.home(state);
        while let Some((there, _)) = self.slots.get(place) {
            if *there == F::NONE || *there >= state {
                break;
            }
            place += 1;
        }
        place
    }

    fn get(&self, state: F) -> Option<V> {
        let (there, value) = self.slots.get(self.seek(state))?;
        (*there == state).then_some(*value)
    }

    /// Where a state is, and whether it was put there just now.
    fn place(&mut self, state: F, value: V) -> (usize, bool) {
        loop {
            let place = self.seek(state);
            if self.slots.get(place).is_some_and(|(there, _)| *there == state) {
                return (place, false);
            }
            if self.len as f64 >= FULL * self.homes as f64 {
                self.grow();
                continue;
            }
            let mut rest = self.slots.iter().skip(place);
            let Some(free) = rest.position(|(there, _)| *there == F::NONE) else {
                // A crowd at the very end, where nothing wraps around.
                self.slots.resize(self.slots.len() + SPARE, (F::NONE, V::default()));
                continue;
            };
            self.slots.copy_within(place..place + free, place + 1);
            self.slots[place] = (state, value);
            self.len += 1;
            return (place, true);
        }
    }

    /// Moves everything into a larger segment, in one pass: the order stays.
    fn grow(&mut self) {
        let homes = ((self.homes as f64 * GROWTH) as usize).max(SPARE);
        let mut larger = Segment { slots: Vec::new(), homes, len: self.len };
        larger.slots.resize(homes + SPARE, (F::NONE, V::default()));
        let mut free = 0;
        for slot in self.slots.iter().filter(|(state, _)| *state != F::NONE) {
            free = free.max(larger.home(slot.0));
            if free == larger.slots.len() {
                larger.slots.resize(free + SPARE, (F::NONE, V::default()));
            }
            larger.slots[free] = *slot;
            free += 1;
        }
        *self = larger;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Numbers that look random: multiples of an odd constant.
    fn number(i: u64) -> u64 {
        (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1)
    }

    #[test]
    fn it_holds_what_a_map_holds() {
        let mut visited = Visited::<u64>::default();
        let mut map = HashMap::new();
        for i in 0..200_000 {
            let (state, parent) = (number(i % 70_000) >> (i % 3), number(i));
            let new = !map.contains_key(&state);
            map.entry(state).or_insert(parent);
            assert_eq!(visited.insert(state, parent), new);
        }
        assert_eq!(visited.len(), map.len() as u64);
        assert!(map.iter().all(|(state, parent)| visited.get(*state) == Some(*parent)));
        let mut absent = (0..1000).map(|i| number(i) ^ 1).filter(|state| !map.contains_key(state));
        assert!(absent.clone().count() > 900);
        assert!(absent.all(|state| visited.get(state).is_none()));
        assert_eq!(visited.iter().collect::<HashMap<_, _>>(), map);
    }

    #[test]
    fn the_ends_of_the_range_are_ordinary_numbers() {
        let mut visited = Visited::<u128>::default();
        let ends = [1, 2, 3, u128::MAX, u128::MAX - 1, 1 << 120, (1 << 120) - 1];
        assert!(ends.iter().all(|&state| visited.insert(state, 7)));
        assert!((0..5000).all(|i| visited.insert(u128::MAX - 10 - i, 8)), "one crowded home");
        assert!(ends.iter().all(|&state| !visited.insert(state, 9)));
        assert!(ends.iter().all(|&state| visited.get(state) == Some(7)));
    }

    #[test]
    fn a_state_takes_at_most_24_bytes_whatever_their_number() {
        let mut visited = Visited::<u64>::default();
        for i in 0..2_000_000 {
            visited.insert(number(i), 1);
            let large = visited.len() > 100_000;
            assert!(!(large && i % 1000 == 0) || visited.bytes() <= 24 * visited.len(), "{i}");
        }
    }
}
