//! Who proposed what, and what became of it.

use alloc::collections::VecDeque;
use core::cmp::Ordering;

use crate::figure2::{Base, Index, Term};

/// The proposals whose entries are not applied yet: one run of them for each term, in the order
/// of the terms. `W` is whoever waits.
#[derive(Clone, Debug)]
pub struct Waiters<W> {
    runs: VecDeque<Run<W>>,
}

/// Waiters for consecutive indices, accepted in one term.
#[derive(Clone, Debug)]
pub struct Run<W> {
    /// The term in which they were accepted.
    pub term: Term,
    /// The index of the entry of the first of them.
    pub first_index: Index,
    /// They, in the order of their entries.
    pub waiters: VecDeque<W>,
}

/// What became of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its own entry was applied.
    Applied,
    /// Another entry took the place of its own, which never will be.
    Superseded {
        /// The term in which it was accepted.
        term: Term,
        /// The index at which it stood.
        index: Index,
    },
    /// The state machine went past its place with an image: its own entry may be in there, or
    /// another in its place. Nobody here can know.
    Skipped {
        /// The term in which it was accepted.
        term: Term,
        /// The index at which it stood.
        index: Index,
    },
}

impl<W> Run<W> {
    fn goes_on_with(&self, next: &Run<W>) -> bool {
        self.term == next.term && self.first_index + self.waiters.len() as Index == next.first_index
    }
}

impl<W> Default for Waiters<W> {
    fn default() -> Self {
        Waiters { runs: VecDeque::new() }
    }
}

impl<W> Waiters<W> {
    /// A leader never removes entries, so what it accepts in one term is one run, but for the
    /// entries of its own in between.
    pub fn add(&mut self, new: Run<W>) {
        match self.runs.back_mut() {
            Some(run) if run.goes_on_with(&new) => run.waiters.extend(new.waiters),
            Some(_) | None => self.runs.push_back(new),
        }
    }

    /// The entry at `index`, of `term`, was applied: tells the one that waits for it, and those
    /// that it rules out: the ones at the same index, and all of earlier terms, since terms never
    /// decrease along a log.
    pub fn applied(&mut self, index: Index, term: Term, mut tell: impl FnMut(W, Fate)) {
        for run in &mut self.runs {
            while run.first_index <= index || run.term < term {
                let Some(waiter) = run.waiters.pop_front() else { break };
                let at = run.first_index;
                run.first_index += 1;
                let own = run.term == term && at == index;
                tell(
                    waiter,
                    match own {
                        true => Fate::Applied,
                        false => Fate::Superseded { term: run.term, index: at },
                    },
                );
            }
        }
        self.runs.retain(|run| !run.waiters.is_empty());
    }

    /// The state machine became the image of this base: tells all that wait for an entry in it,
    /// and those of earlier terms than its last one, which it rules out.
    pub fn restored(&mut self, base: Base, mut tell: impl FnMut(W, Fate)) {
        let Base { last_index, last_term } = base;
        for run in &mut self.runs {
            while run.first_index <= last_index || run.term < last_term {
                let Some(waiter) = run.waiters.pop_front() else { break };
                let (term, index) = (run.term, run.first_index);
                run.first_index += 1;
                // Terms never decrease along a log, and this one holds the last entry of the image.
                let ruled_out = match index.cmp(&last_index) {
                    Ordering::Less => term > last_term,
                    Ordering::Equal => term != last_term,
                    Ordering::Greater => true,
                };
                tell(
                    waiter,
                    match ruled_out {
                        true => Fate::Superseded { term, index },
                        false => Fate::Skipped { term, index },
                    },
                );
            }
        }
        self.runs.retain(|run| !run.waiters.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn run(term: Term, first_index: Index, waiters: &[u64]) -> Run<u64> {
        Run { term, first_index, waiters: waiters.iter().copied().collect() }
    }

    fn told(waiters: &mut Waiters<u64>, index: Index, term: Term) -> Vec<(u64, Fate)> {
        let mut told = Vec::new();
        waiters.applied(index, term, |waiter, fate| told.push((waiter, fate)));
        told
    }

    /// Each entry that is applied looks at every run: there are no more of them than are needed.
    #[test]
    fn what_is_accepted_in_one_term_is_one_run_but_for_the_leaders_own_entries() {
        let mut waiters = Waiters::default();
        let runs = [run(3, 5, &[50, 60]), run(3, 7, &[70]), run(3, 9, &[90]), run(4, 10, &[100])];
        let counts = runs.map(|run| {
            waiters.add(run);
            waiters.runs.len()
        });
        assert_eq!(counts, [1, 1, 2, 3]);
        for (index, waiter) in [(5, Some(50)), (6, Some(60)), (7, Some(70)), (8, None)] {
            let expected: Vec<_> =
                waiter.map(|waiter| (waiter, Fate::Applied)).into_iter().collect();
            assert_eq!(told(&mut waiters, index, 3), expected, "at {index}");
        }
        assert_eq!(waiters.runs.len(), 2, "nobody waits in the first any more");
        let superseded = Fate::Superseded { term: 3, index: 9 };
        assert_eq!(told(&mut waiters, 9, 4), [(90, superseded)]);
        assert_eq!(told(&mut waiters, 10, 4), [(100, Fate::Applied)]);
        assert!(waiters.runs.is_empty());
    }

    #[test]
    fn an_image_tells_all_whose_entries_it_may_hold_and_those_that_it_rules_out() {
        let mut waiters = Waiters::default();
        let runs = [run(2, 4, &[24]), run(3, 5, &[35, 36, 37]), run(4, 7, &[47]), run(6, 6, &[66])];
        runs.into_iter().for_each(|run| waiters.add(run));
        let mut told = Vec::new();
        waiters.restored(Base { last_index: 6, last_term: 4 }, |waiter, fate| {
            told.push((waiter, fate));
        });
        let superseded = |term, index| Fate::Superseded { term, index };
        let expected = [
            (24, Fate::Skipped { term: 2, index: 4 }),
            (35, Fate::Skipped { term: 3, index: 5 }),
            // At the mark itself, another term is another entry.
            (36, superseded(3, 6)),
            (37, superseded(3, 7)),
            (66, superseded(6, 6)),
        ];
        assert_eq!(told, expected);
        // Behind the mark, an entry of its term may still come.
        let mut later = Vec::new();
        waiters.applied(7, 4, |waiter, fate| later.push((waiter, fate)));
        assert_eq!(later, [(47, Fate::Applied)]);
    }
}
