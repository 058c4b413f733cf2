//! The part of a drawing that the invariant has the most to say about: terms, votes, leaders, the
//! logs of terms, who holds how much of them, and what was committed.

use std::collections::BTreeMap;

use veraft::figure2::{Entry, Index, ServerId, Term};

use super::sketch::{Sketch, last_term, pick};
use super::universe::{LAST_INDEX, LAST_TERM, PAYLOADS, payload, payload_number, quorums};
use super::wild::Wild;
use super::world::World;
use crate::evidence::proof::evaluate::Datum;
use crate::evidence::proof::symbols::Symbol;

/// An entry that has to stand at an index: that of this term.
pub(super) type Demand = (Index, Term);

/// A world that is being drawn.
pub(super) struct Drawing<'a> {
    pub sketch: &'a Sketch,
    pub wild: Option<Wild>,
    pub world: World,
    /// Of each server, its term.
    pub current: Vec<Term>,
    /// Who leads its term,
    pub leads: Vec<bool>,
    /// and who stands in it.
    pub stands: Vec<bool>,
    /// Of each term that was led, its log.
    pub logs: BTreeMap<Term, Vec<Entry>>,
    /// Of each, how long its leader's log was at first.
    pub bases: BTreeMap<Term, Index>,
}

impl<'a> Drawing<'a> {
    pub fn new(sketch: &'a Sketch, wild: Option<Wild>) -> Drawing<'a> {
        let servers = sketch.servers;
        // Of later terms there is more to tell.
        let term = |pick: u8| [0, 1, 1, 2, 2, 2, 3, 3, 3, 3][usize::from(pick % 10)];
        let current = (0..servers).map(|s| term(sketch.places[s][0]));
        let mut drawing = Drawing {
            sketch,
            wild,
            world: World::boot(servers),
            current: current.collect(),
            leads: vec![false; servers],
            stands: vec![false; servers],
            logs: BTreeMap::new(),
            bases: BTreeMap::new(),
        };
        drawing.vote();
        drawing.elect();
        drawing.assume_roles();
        for term in drawing.terms() {
            drawing.fill(term);
        }
        if wild == Some(Wild::OtherBeginnings) {
            let term = drawing.bases.iter().find(|(_, base)| **base > 0).map(|(term, _)| *term);
            if let Some(term) = term {
                let number = drawing.world.get(Symbol::TermPayload, [term, 1]);
                drawing.world.set(Symbol::TermPayload, [term, 1], (number + 1) % PAYLOADS);
            }
        }
        if wild == Some(Wild::BorrowedEntries) {
            for s in 0..servers {
                let log = drawing.logs.get(&drawing.current[s]).cloned().unwrap_or_default();
                drawing.leads[s] &= log.iter().all(|entry| drawing.is_led(entry.term));
            }
        }
        drawing
    }

    /// What there is to tell of a term.
    fn fill(&mut self, term: Term) {
        let led = self.is_led(term);
        match self.wild {
            Some(Wild::EntriesBeforeLeaders | Wild::BorrowedEntries) if !led => {
                self.grow(term, term > 0);
                self.world.set(Symbol::TermLast, [term], 0);
            }
            Some(Wild::LogsBeforeLeaders) if !led => {
                self.grow(term, false);
                self.hold(term);
            }
            Some(_) | None if led => {
                self.grow(term, term > 0);
                self.hold(term);
                self.commit(term);
            }
            Some(_) | None => {}
        }
    }

    /// The terms that servers may vote and lead in.
    pub fn terms(&self) -> std::ops::RangeInclusive<Term> {
        let first = if self.wild == Some(Wild::TermZero) { 0 } else { 1 };
        first..=LAST_TERM
    }

    pub fn is_led(&self, term: Term) -> bool {
        self.world.is(Symbol::Begun, [term])
    }

    pub fn servers(&self) -> impl Iterator<Item = u64> + Clone + use<> {
        0..self.world.servers().len() as u64
    }

    /// The terms that were led.
    pub fn led(&self) -> impl Iterator<Item = Term> {
        self.terms().filter(|&term| self.is_led(term))
    }

    pub fn leader_of(&self, term: Term) -> u64 {
        self.world.get(Symbol::LeaderOf, [term])
    }

    /// Whoever gets a vote has voted for itself.
    fn vote(&mut self) {
        for term in self.terms() {
            let favourite = self.sketch.term(term)[0];
            let choice = |voter: u64| {
                let ballot = self.sketch.ballot(term, voter);
                let choice = match ballot % 8 {
                    0 => return None,
                    1 => ballot / 8,
                    _ => favourite,
                };
                let reached = self.current[voter as usize] >= term;
                reached.then_some(u64::from(choice) % self.sketch.servers as u64)
            };
            let stood: Vec<u64> = self.servers().filter(|&c| choice(c) == Some(c)).collect();
            let votes: Vec<_> = self.servers().filter_map(|v| Some((v, choice(v)?))).collect();
            for (voter, candidate) in votes {
                if !stood.contains(&candidate) {
                    continue;
                }
                self.world.set(Symbol::Vote, [voter, term, candidate], 1);
                let again = self.wild == Some(Wild::SecondVotes);
                let other = stood.iter().find(|&&other| other != candidate);
                if let Some(&other) = other
                    && again
                    && self.current[voter as usize] > term
                {
                    self.world.set(Symbol::Vote, [voter, term, other], 1);
                }
            }
        }
    }

    fn elect(&mut self) {
        for term in self.terms() {
            let picks = self.sketch.term(term);
            for candidate in self.servers() {
                let cast =
                    |voter: &ServerId| self.world.is(Symbol::Vote, [voter.0, term, candidate]);
                let all = quorums(self.sketch.servers);
                let numbered = (0..).zip(&all).filter(|(_, quorum)| quorum.iter().all(cast));
                let mut elected = pick(numbered.map(|(number, _)| number).collect(), picks[1] / 8);
                if self.wild == Some(Wild::ElectedByFew) && cast(&ServerId(candidate)) {
                    elected = elected.or(Some(0));
                }
                let Some(electors) = elected.filter(|_| !picks[1].is_multiple_of(8)) else {
                    continue;
                };
                if self.world.is(Symbol::Begun, [term]) {
                    continue;
                }
                self.world.set(Symbol::Led, [term, candidate], 1);
                self.world.set(Symbol::Begun, [term], 1);
                self.world.set(Symbol::LeaderOf, [term], candidate);
                self.world.set(Symbol::Electors, [term], electors);
            }
        }
    }

    fn assume_roles(&mut self) {
        for s in self.servers() {
            let (server, term) = (s as usize, self.current[s as usize]);
            let idle = self.sketch.places[server][1].is_multiple_of(8);
            let led =
                self.world.is(Symbol::Led, [term, s]) && self.wild != Some(Wild::SecondElections);
            self.leads[server] = led && !idle;
            self.stands[server] = !led && !idle && self.world.is(Symbol::Vote, [s, term, s]);
        }
    }

    /// The log of a term: its leader's when it was elected, and what it made then.
    fn grow(&mut self, term: Term, makes_entries: bool) {
        let picks = self.sketch.term(term);
        let demands = match self.wild {
            Some(Wild::ForgetfulLeaders) => Vec::new(),
            Some(_) | None => self.demands_before(term),
        };
        let base = pick(self.paths(term, &demands), picks[2]).unwrap_or_default();
        self.bases.insert(term, base.len() as Index);
        let mut log = base;
        for number in 0..[0, 1, 2, 1, 2, 1][usize::from(picks[3] % 6)] {
            if makes_entries && (log.len() as Index) < LAST_INDEX {
                let kind = u64::from(picks[4] >> (2 * number)) + term;
                log.push(Entry { term, payload: payload(kind % PAYLOADS) });
            }
        }
        self.world.set(Symbol::TermLast, [term], log.len() as Index);
        for (index, entry) in (1..).zip(&log) {
            self.world.set(Symbol::TermTerm, [term, index], entry.term);
            let payload = payload_number(&entry.payload);
            self.world.set(Symbol::TermPayload, [term, index], payload);
        }
        self.logs.insert(term, log);
    }

    /// What a log has to hold if its server is to lead `term`: what may yet be committed in the
    /// terms before.
    pub fn demands_before(&self, term: Term) -> Vec<Demand> {
        let before = self.logs.keys().copied().filter(|&earlier| earlier < term);
        before.flat_map(|earlier| self.demands_of(earlier, self.choosable(earlier, None))).collect()
    }

    /// The entries that were made in `term`, up to an index.
    pub fn demands_of(&self, term: Term, up_to: Index) -> impl Iterator<Item = Demand> + use<> {
        let last = self.logs[&term].len() as Index;
        (self.bases[&term] + 1..=up_to.min(last)).map(move |index| (index, term))
    }

    /// Up to where a quorum may yet commit the log of `term`; one that `member` is in, if given.
    pub fn choosable(&self, term: Term, member: Option<u64>) -> Index {
        let up_to = |s: &ServerId| match self.current[s.0 as usize] <= term {
            true => LAST_INDEX,
            false => self.world.get(Symbol::Held, [s.0, term]),
        };
        let all = quorums(self.sketch.servers);
        let among =
            all.iter().filter(|quorum| member.is_none_or(|s| quorum.contains(&ServerId(s))));
        among.filter_map(|quorum| quorum.iter().map(up_to).min()).max().unwrap_or(0)
    }

    /// The beginnings of logs, up to those of `term`, that hold what is demanded.
    pub fn paths(&self, term: Term, demands: &[Demand]) -> Vec<Vec<Entry>> {
        let cut = |log: &'_ Vec<Entry>| (1..=log.len()).map(|len| log[..len].to_vec()).collect();
        let all = self.logs.values().flat_map(|log| -> Vec<Vec<Entry>> { cut(log) });
        let fits = |path: &Vec<Entry>| {
            let at = |&(index, term): &Demand| {
                path.get(index as usize - 1).is_some_and(|entry| entry.term == term)
            };
            last_term(path) <= term && demands.iter().all(at)
        };
        let mut fitting: Vec<Vec<Entry>> =
            std::iter::once(Vec::new()).chain(all).filter(fits).collect();
        fitting.sort();
        fitting.dedup();
        fitting
    }

    /// How much each server has said to hold of the log of a term. Some leaders were cut off, and
    /// nobody else has what they made.
    fn hold(&mut self, term: Term) {
        let last = self.logs[&term].len() as Index;
        let cut_off = self.sketch.term(term)[5] % 4 < 2;
        let most = if cut_off { self.bases[&term] } else { last };
        let made = if self.bases[&term] < last { last } else { 0 };
        let careful = self.wild != Some(Wild::NegligentLeaders);
        for s in self.servers() {
            let server = s as usize;
            let held = match self.current[server] {
                current if current < term || current == term && self.stands[server] => 0,
                _ if self.leader_of(term) == s && careful => made,
                _ => match self.sketch.holding(term, s) {
                    pick if pick % 4 != 0 => most,
                    pick => Index::from(pick / 4) % (most + 1),
                },
            };
            self.world.set(Symbol::Held, [s, term], held);
        }
    }

    /// What a quorum holds of the leader's own entries may have been committed.
    fn commit(&mut self, term: Term) {
        let picks = self.sketch.term(term);
        let held = |quorum: &std::collections::BTreeSet<ServerId>| {
            quorum.iter().map(|s| self.world.get(Symbol::Held, [s.0, term])).min().unwrap_or(0)
        };
        let all = quorums(self.sketch.servers);
        let most = (0..).zip(&all).map(|(q, quorum)| (held(quorum), q)).max();
        let Some((most, q)) = most else { return };
        for index in self.bases[&term] + 1..=most {
            if picks[5] >> (index % 6 + 2) & 1 == 1 {
                self.world.set(Symbol::Committed, [term, index], 1);
                self.world.set(Symbol::Holders, [term, index], q as Datum);
            }
        }
    }
}
