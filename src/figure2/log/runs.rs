//! A sequence that shares its parts: what holds the entries of logs and messages.
//!
//! ```text
//!   log      [ 1 .. 256 ][ 257 .. 400 ][ 401 .. 407 ]     runs: parts of shared arrays
//!                        └──────┬─────┘└─────┬──────┘
//!   message                [ 390 .. 400 ][ 401 .. 407 ]   the same arrays, a part of the first
//! ```
//!
//! No item is copied to cut out a part, and none to append many. Few items at the end are
//! copied into a longer run, so that a sequence that grows one by one has few runs too.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::hash::{Hash, Hasher};
use core::ops::Range;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// No runs are joined to more items than this: of a run that a message holds, at most so many
/// stay in memory with it.
const LONGEST: usize = 256;

/// A run of at most so many items is joined with whatever follows.
const SHORT: usize = 8;

/// Items one after another. A clone or a part copies references to arrays, no items.
pub(super) struct Runs<T> {
    /// All runs but the last: none in most messages, so that those need no list.
    front: Vec<Run<T>>,
    last: Option<Run<T>>,
}

/// A part of a shared array; never empty.
struct Run<T> {
    array: Arc<[T]>,
    part: Range<usize>,
    /// How many items of the sequence are in the runs before.
    before: usize,
}

impl<T> Run<T> {
    fn items(&self) -> &[T] {
        &self.array[self.part.clone()]
    }

    /// How many items of the sequence are in this run and those before.
    fn end(&self) -> usize {
        self.before + self.part.len()
    }
}

impl<T> Runs<T> {
    pub(super) fn len(&self) -> usize {
        self.last.as_ref().map_or(0, Run::end)
    }

    pub(super) fn get(&self, position: usize) -> Option<&T> {
        let run = self.run(self.run_of(position))?;
        run.items().get(position - run.before)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        Counted { items: self.runs().flat_map(Run::items), left: self.len() }
    }

    /// How many items at the front are `before` some point, if those behind it are not.
    pub(super) fn partition_point(&self, before: impl Fn(&T) -> bool) -> usize {
        let passed = |run: &Run<T>| run.items().last().is_some_and(&before);
        let run = self.run(self.front.partition_point(passed));
        run.map_or(0, |run| run.before + run.items().partition_point(before))
    }

    /// The items at the positions of `part`, which must be held.
    pub(super) fn slice(&self, part: Range<usize>) -> Self {
        if part.is_empty() {
            return Runs::default();
        }
        let cut = |run: &Run<T>| {
            let start = part.start.max(run.before);
            let end = part.end.min(run.end());
            let within = |position: usize| run.part.start + position - run.before;
            Run {
                array: run.array.clone(),
                part: within(start)..within(end),
                before: start - part.start,
            }
        };
        let touched = self.run_of(part.start)..=self.run_of(part.end - 1);
        let mut parts = touched.filter_map(|place| self.run(place)).map(cut);
        let last = parts.next_back();
        Runs { front: parts.collect(), last }
    }

    /// Keeps the first `len` items; all, when there are fewer.
    pub(super) fn truncate(&mut self, len: usize) {
        if self.last.as_ref().is_some_and(|last| len <= last.before) {
            self.front.truncate(self.front.partition_point(|run| run.before < len));
            self.last = self.front.pop();
        }
        if let Some(last) = &mut self.last {
            last.part.end = last.part.end.min(last.part.start + len - last.before);
        }
    }

    fn runs(&self) -> impl DoubleEndedIterator<Item = &Run<T>> {
        self.front.iter().chain(&self.last)
    }

    fn run(&self, place: usize) -> Option<&Run<T>> {
        self.front.get(place).or(self.last.as_ref())
    }

    /// Where the run is that holds `position`; where the last one is, when none does.
    fn run_of(&self, position: usize) -> usize {
        self.front.partition_point(|run| run.end() <= position)
    }
}

impl<T: Clone> Runs<T> {
    /// Adds the items of `other` at the end.
    pub(super) fn append(&mut self, other: &Self) {
        other.runs().for_each(|run| self.push(run));
    }

    /// Joins `run` with the runs before it that are no longer than what follows them. So an
    /// item is copied a few times at most, each time into a run of about twice the length, and
    /// the runs are few: they are long, but for the last ones, which get shorter and shorter.
    fn push(&mut self, run: &Run<T>) {
        let (mut joined, mut length) = (0, run.part.len());
        for previous in self.runs().rev().map(|run| run.part.len()) {
            if previous > length.max(SHORT) || previous + length > LONGEST {
                break;
            }
            (joined, length) = (joined + 1, length + previous);
        }
        let before = self.len() + run.part.len() - length;
        if joined > 0 {
            let keep = self.front.len() + 1 - joined;
            let mut items = Vec::with_capacity(length);
            self.runs().skip(keep).for_each(|run| items.extend_from_slice(run.items()));
            items.extend_from_slice(run.items());
            self.front.truncate(keep);
            self.last = Some(Run { array: items.into(), part: 0..length, before });
            return;
        }
        self.front.extend(self.last.take());
        // A run that is the lesser part of its array would keep the rest in memory.
        self.last = Some(match length * 2 < run.array.len() {
            true => Run { array: run.items().into(), part: 0..length, before },
            false => Run { before, ..run.clone() },
        });
    }
}

impl<T> From<Arc<[T]>> for Runs<T> {
    fn from(array: Arc<[T]>) -> Self {
        let part = 0..array.len();
        let last = (!part.is_empty()).then_some(Run { array, part, before: 0 });
        Runs { front: Vec::new(), last }
    }
}

impl<T> FromIterator<T> for Runs<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Runs::from(items.into_iter().collect::<Arc<[T]>>())
    }
}

impl<T> Clone for Run<T> {
    fn clone(&self) -> Self {
        Run { array: self.array.clone(), part: self.part.clone(), before: self.before }
    }
}

impl<T> Clone for Runs<T> {
    fn clone(&self) -> Self {
        Runs { front: self.front.clone(), last: self.last.clone() }
    }
}

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Runs { front: Vec::new(), last: None }
    }
}

// What a sequence is does not depend on where its runs end.

impl<T: PartialEq> PartialEq for Runs<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<T: Eq> Eq for Runs<T> {}

impl<T: PartialOrd> PartialOrd for Runs<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.iter().partial_cmp(other.iter())
    }
}

impl<T: Ord> Ord for Runs<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl<T: Hash> Hash for Runs<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.len());
        self.iter().for_each(|item| item.hash(state));
    }
}

impl<T: Serialize> Serialize for Runs<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Runs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|items| Runs::from(Arc::from(items)))
    }
}

/// `items`, of which `left` are still to come.
struct Counted<I> {
    items: I,
    left: usize,
}

impl<I: Iterator> Iterator for Counted<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let item = self.items.next()?;
        self.left -= 1;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<I: DoubleEndedIterator> DoubleEndedIterator for Counted<I> {
    fn next_back(&mut self) -> Option<I::Item> {
        let item = self.items.next_back()?;
        self.left -= 1;
        Some(item)
    }
}

impl<I: Iterator> ExactSizeIterator for Counted<I> {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use core::hash::BuildHasher;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    extern crate std;

    fn runs(items: &[u64]) -> Runs<u64> {
        items.iter().copied().collect()
    }

    fn items(runs: &Runs<u64>) -> Vec<u64> {
        runs.iter().copied().collect()
    }

    fn last(runs: &Runs<u64>) -> Arc<[u64]> {
        runs.last.as_ref().unwrap().array.clone()
    }

    /// What each method relies on.
    fn assert_in_order(runs: &Runs<u64>) {
        let mut before = 0;
        for run in runs.runs() {
            assert_eq!(run.before, before);
            assert!(!run.part.is_empty() && run.part.end <= run.array.len());
            before += run.part.len();
        }
        assert_eq!(runs.len(), before);
    }

    #[test]
    fn runs_hold_what_a_vector_holds_however_they_grew() {
        let hasher = std::collections::hash_map::RandomState::new();
        for seed in 0..200 {
            let mut random = StdRng::seed_from_u64(seed);
            let mut vector: Vec<u64> = vec![];
            let mut log = Runs::default();
            for _ in 0..100 {
                let original = log.clone();
                let held = vector.clone();
                let longest = [1, 4, 40, 400][random.random_range(0..4)];
                let length = random.random_range(0..=longest);
                let (from, to) = (random.random_range(0..=vector.len()), vector.len());
                match random.random_range(0..8) {
                    0 => {
                        log.truncate(from);
                        vector.truncate(from);
                    }
                    1 => {
                        let part = from..to.min(from + length);
                        log.append(&log.slice(part.clone()));
                        vector.extend_from_within(part);
                    }
                    _ => {
                        let next = vector.last().map_or(0, |last| last + 1);
                        let more: Vec<u64> = (next..next + length as u64).collect();
                        log.append(&runs(&more));
                        vector.extend(more);
                    }
                }
                assert_in_order(&log);
                assert_eq!(items(&log), vector);
                assert_eq!(items(&original), held, "a clone stays");
                let part = from.min(vector.len())..to.min(vector.len());
                assert_in_order(&log.slice(part.clone()));
                assert_eq!(items(&log.slice(part.clone())), vector[part]);
                assert!(log.iter().rev().eq(vector.iter().rev()));
                assert_eq!(log.iter().len(), vector.len());
                assert_eq!(log.get(from), vector.get(from));
                assert_eq!(log.get(vector.len()), None);
                let flat = runs(&vector);
                assert!(log == flat && log.cmp(&flat).is_eq());
                assert_eq!(hasher.hash_one(&log), hasher.hash_one(&flat));
                assert_eq!(log == original, vector == held);
                assert_eq!(log.partial_cmp(&original), vector.partial_cmp(&held));
            }
        }
    }

    #[test]
    fn other_items_make_another_sequence_with_another_hash() {
        let hasher = std::collections::hash_map::RandomState::new();
        assert!(runs(&[1, 2]) != runs(&[1, 3]) && runs(&[1, 2]) != runs(&[1]));
        assert_ne!(hasher.hash_one(runs(&[1, 2])), hasher.hash_one(runs(&[1, 3])));
        let parts = |one: &[u64], two: &[u64]| hasher.hash_one((runs(one), runs(two)));
        assert_ne!(parts(&[1], &[2]), parts(&[1, 2], &[]));
    }

    #[test]
    fn an_iterator_knows_how_many_items_are_left() {
        let log = runs(&[1, 2, 3, 4, 5]);
        let mut left = log.iter();
        assert_eq!((left.next(), left.len()), (Some(&1), 4));
        assert_eq!((left.next_back(), left.len()), (Some(&5), 3));
        assert_eq!((left.next(), left.size_hint()), (Some(&2), (2, Some(2))));
    }

    #[test]
    fn runs_are_joined_up_to_the_longest() {
        let mut log = runs(&[1; LONGEST / 2]);
        log.append(&runs(&[2; LONGEST / 2]));
        assert_eq!(log.runs().count(), 1);
        let mut log = runs(&[1; LONGEST / 2]);
        log.append(&runs(&[2; LONGEST / 2 + 1]));
        assert_eq!(log.runs().count(), 2);
    }

    #[test]
    fn a_point_is_found_in_the_run_that_has_it() {
        let mut log = Runs::default();
        (0..600).for_each(|item| log.append(&runs(&[2 * item])));
        for point in 0..=1200 {
            assert_eq!(log.partition_point(|&item| item < point), point.div_ceil(2) as usize);
        }
    }

    #[test]
    fn few_runs_hold_many_items_that_came_one_by_one() {
        let mut log = Runs::default();
        (0..100_000).for_each(|item| log.append(&runs(&[item])));
        assert!(log.runs().count() <= 100_000 / (LONGEST / 2), "{} runs", log.runs().count());
        let mut pairs = Runs::default();
        (0..10_000).for_each(|_| pairs.append(&runs(&[1; 200])));
        assert_eq!(pairs.runs().count(), 10_000);
    }

    #[test]
    fn parts_and_long_appends_share_the_arrays() {
        let long = runs(&[7; LONGEST]);
        let mut log = runs(&[1, 2, 3]);
        log.append(&long);
        assert!(Arc::ptr_eq(&last(&log), &last(&long)));
        assert!(Arc::ptr_eq(&last(&log.slice(100..120)), &last(&long)));
        assert!(Arc::ptr_eq(&log.slice(1..9).front[0].array, &log.front[0].array));
    }

    #[test]
    fn an_append_of_a_small_part_leaves_the_rest_of_its_array_behind() {
        let long = runs(&[7; 100]);
        let mut log = Runs::default();
        log.append(&long.slice(0..49));
        assert_eq!(last(&log).len(), 49);
        let mut log = Runs::default();
        log.append(&long.slice(0..50));
        assert!(Arc::ptr_eq(&last(&log), &last(&long)));
    }
}
