//! The servers of a drawing: their logs, roles and commit indices.

use veraft::figure2::{
    Entries, Entry, Index, Leader, Persistent, Record, Role, Server, ServerId, Term, Volatile,
};

use super::drawing::{Demand, Drawing};
use super::sketch::{last_term, pick};
use super::wild::Wild;
use super::world::configs;
use crate::evidence::proof::evaluate::Structure;
use crate::evidence::proof::symbols::Symbol;

/// A server with this state.
pub(super) fn server(
    world_of: usize,
    id: ServerId,
    ballot: (Term, Option<ServerId>),
    log: Vec<Entry>,
    volatile: Volatile,
) -> Option<Server> {
    let config = configs(world_of).nth(id.0 as usize)?;
    let (current_term, voted_for) = ballot;
    let records = [
        Record::Ballot { current_term, voted_for },
        Record::Append { entries: log.into_iter().collect::<Entries>() },
    ];
    let persistent = Persistent::from_iter(records);
    let stored = persistent.log().last_index();
    let volatile = Volatile { stored, ..volatile };
    let fits = volatile.commit_index <= stored;
    fits.then(|| Server::from_parts(config, persistent, volatile))
}

impl Drawing<'_> {
    /// Puts the servers in their places, and tells what candidates asked for.
    pub fn place_servers(&mut self) {
        for s in self.servers() {
            let log = self.log_of(s);
            let term = self.current[s as usize];
            if self.stands[s as usize] && self.wild != Some(Wild::BoastingCandidates) {
                self.ask(s, term, &log);
            }
            let voted_for = self.servers().find(|&c| self.world.is(Symbol::Vote, [s, term, c]));
            let commit_index = self.commit_index(s, &log);
            let picks = self.sketch.places[s as usize];
            let last_applied = match picks[5] % 4 {
                0 => Index::from(picks[5] / 4) % (commit_index + 1),
                _ => commit_index,
            };
            let role = self.role(s, log.len() as Index);
            let volatile = Volatile { role, commit_index, last_applied, ..Volatile::default() };
            let ballot = (term, voted_for.map(ServerId));
            let server = server(self.sketch.servers, ServerId(s), ballot, log, volatile);
            server.into_iter().for_each(|server| self.world.put(server));
        }
        for term in self.terms() {
            for candidate in self.servers() {
                if self.world.is(Symbol::Vote, [candidate, term, candidate]) {
                    self.ask_in_the_past(candidate, term);
                }
            }
        }
    }

    /// A leader has the log of its term. All others have the beginning of some log, with what they
    /// said to hold, as far as it counts.
    fn log_of(&self, s: u64) -> Vec<Entry> {
        let term = self.current[s as usize];
        if self.leads[s as usize] {
            return self.logs[&term].clone();
        }
        let mut demands: Vec<Demand> = Vec::new();
        for &of in self.logs.keys() {
            let held = self.world.get(Symbol::Held, [s, of]);
            demands.extend(self.demands_of(of, held.min(self.choosable(of, Some(s)))));
        }
        let held = self.world.get(Symbol::Held, [s, term]);
        demands.extend((1..=held).map(|i| (i, self.world.get(Symbol::TermTerm, [term, i]))));
        let modest =
            ![Some(Wild::BoastingCandidates), Some(Wild::LenientVoters)].contains(&self.wild);
        if self.stands[s as usize] && modest {
            demands.extend(self.demands_before(term));
        }
        let mut paths = self.paths(term, &demands);
        if self.wild == Some(Wild::BorrowedEntries) {
            paths.retain(|path| path.iter().all(|entry| self.is_led(entry.term)));
        }
        let number = self.sketch.places[s as usize][3];
        if !number.is_multiple_of(4) {
            // Servers have about as much as there is.
            let most = paths.iter().map(Vec::len).max().unwrap_or(0);
            paths.retain(|path| path.len() + 1 >= most);
        }
        pick(paths, number / 4).unwrap_or_default()
    }

    fn role(&self, s: u64, last: Index) -> Role {
        let (term, picks) = (self.current[s as usize], self.sketch.places[s as usize]);
        let peers = || self.servers().filter(move |&peer| peer != s);
        if self.leads[s as usize] {
            let matched = |peer: u64| {
                let held = self.world.get(Symbol::Held, [peer, term]);
                match picks[2] >> peer & 1 {
                    1 => held,
                    _ => Index::from(picks[1] >> peer) % (held + 1),
                }
            };
            let next = |peer: u64| {
                let matched = matched(peer);
                matched + 1 + Index::from((picks[1] / 8) >> peer) % (last + 1 - matched)
            };
            Role::Leader(Leader {
                next_index: peers().map(|peer| (ServerId(peer), next(peer))).collect(),
                match_index: peers().map(|peer| (ServerId(peer), matched(peer))).collect(),
            })
        } else if self.stands[s as usize] {
            let voted = self.servers().filter(|&v| self.world.is(Symbol::Vote, [v, term, s]));
            let counted = voted.filter(|v| picks[2] >> v & 1 == 1);
            Role::Candidate { votes_granted: counted.map(ServerId).collect() }
        } else {
            let known = self.world.is(Symbol::Begun, [term]) && picks[2] % 2 == 1;
            let leader = known.then(|| ServerId(self.leader_of(term)));
            Role::Follower { leader: leader.filter(|leader| leader.0 != s) }
        }
    }

    fn ask(&mut self, candidate: u64, term: Term, log: &[Entry]) {
        self.world.set(Symbol::Asked, [candidate, term], 1);
        self.world.set(Symbol::AskedIndex, [candidate, term], log.len() as Index);
        self.world.set(Symbol::AskedTerm, [candidate, term], last_term(log));
    }

    /// Whoever was elected asked with the log that its term's began as; whoever was not, with one
    /// that it might have been elected with.
    fn ask_in_the_past(&mut self, candidate: u64, term: Term) {
        if self.world.is(Symbol::Asked, [candidate, term]) {
            return;
        }
        let log = match self.logs.get(&term) {
            Some(log)
                if self.leader_of(term) == candidate
                    && self.wild != Some(Wild::ForgetfulLeaders) =>
            {
                log[..self.bases[&term] as usize].to_vec()
            }
            Some(_) | None => {
                let paths = self.paths(term.saturating_sub(1), &self.demands_before(term));
                pick(paths, self.sketch.ballot(term, candidate)).unwrap_or_default()
            }
        };
        self.ask(candidate, term, &log);
    }

    /// What was committed in terms up to `term`, as `(term, index)`.
    pub fn commits(&self, term: Term) -> Vec<(Term, Index)> {
        let all = self.logs.iter().filter(|&(&of, _)| of <= term);
        let each = all.flat_map(|(&of, log)| (1..=log.len() as Index).map(move |i| (of, i)));
        each.filter(|&(of, i)| self.world.is(Symbol::Committed, [of, i])).collect()
    }

    /// A server takes for committed what its log has of what some commit covers.
    fn commit_index(&mut self, s: u64, log: &[Entry]) -> Index {
        let picks = self.sketch.places[s as usize];
        let commits = self.commits(self.current[s as usize]);
        let Some((term, up_to)) = pick(commits, picks[4] / 4) else { return 0 };
        let same = log.iter().zip(&self.logs[&term]).take_while(|(one, other)| one == other);
        let most = up_to.min(same.count() as Index);
        let commit_index = match picks[4] % 4 {
            0 => Index::from(picks[4] / 4) % (most + 1),
            _ => most,
        };
        self.world.set(Symbol::CommitTerm, [s], term);
        self.world.set(Symbol::CommitUpTo, [s], up_to);
        commit_index
    }

    /// State machines were given the beginning of what was committed.
    pub fn apply(&mut self) {
        for (term, up_to) in self.commits(Term::MAX) {
            let applied = self.world.tables().value(Symbol::Holders, &[term, up_to]) % 2;
            for index in 1..=up_to.saturating_sub(applied) {
                let payload = self.world.get(Symbol::TermPayload, [term, index]);
                self.world.set(Symbol::Applied, [index, payload], 1);
                self.world.set(Symbol::AppliedTerm, [index, payload], term);
                self.world.set(Symbol::AppliedUpTo, [index, payload], up_to);
            }
        }
    }
}
