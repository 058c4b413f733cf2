//! Worlds that satisfy the invariant, drawn at random.
//!
//! A sketch is a list of small numbers. First they pick votes, leaders, a tree of entries in
//! which every log and every request is a path, and letters about them: such a world satisfies
//! the invariant by construction. Then nudges change one thing each, whatever it is, and those
//! after which the invariant still holds are kept: so worlds are reached that no tree describes.
//!
//! A wild sketch votes twice, or lets logs run backwards. Its world counts only if it satisfies
//! what is assumed; it is there to show what a conjunct that is left out would have kept away.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use veraft::figure2::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Entries, Entry, Index, Leader, Message,
    Persistent, Record, RequestVote, RequestVoteReply, Role, Server, ServerId, Term, Volatile,
};
use veraft_models::{Letter, Raft};

use super::conjuncts::{Conjunct, broken};
use super::nudge::change;
use super::world::{Vote, World, configs};

const SERVERS: usize = 5;
const TERMS: usize = 3;

/// Numbers that pick.
pub(super) type Picks = [u8; 5];

/// The numbers that stand for a world.
#[derive(Clone, Debug)]
pub struct Sketch {
    servers: usize,
    wild: Option<Wild>,
    /// Of each server: its term, its role, the votes it counts, its log, its followers.
    places: Vec<Picks>,
    /// Of each term: the favourite, whether it led, where its entries begin, how many.
    terms: Vec<Picks>,
    /// For each term, how each server votes.
    ballots: Vec<u8>,
    letters: Vec<Picks>,
    nudges: Vec<Picks>,
}

/// What no world of the invariant has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wild {
    /// A server votes for itself after it voted for another.
    SecondVotes,
    /// Entries of earlier terms stand behind those of later ones.
    BackwardLogs,
}

/// Sketches of clusters of 1 to 5 servers, three terms, and logs up to six entries.
pub fn sketch() -> impl Strategy<Value = Sketch> {
    let servers = prop_oneof![1 => Just(1), 2 => Just(2), 8 => Just(3), 2 => Just(4), 2 => Just(5)];
    let picks = || any::<Picks>();
    let wild = prop_oneof![
        6 => Just(None),
        1 => Just(Some(Wild::SecondVotes)),
        1 => Just(Some(Wild::BackwardLogs)),
    ];
    (
        servers,
        vec(picks(), SERVERS),
        vec(picks(), TERMS),
        vec(any::<u8>(), SERVERS * TERMS),
        vec(picks(), 0..10),
        vec(picks(), 0..24),
        wild,
    )
        .prop_map(|(servers, places, terms, ballots, letters, nudges, wild)| Sketch {
            servers,
            wild,
            places,
            terms,
            ballots,
            letters,
            nudges,
        })
}

impl Sketch {
    /// The world, every nudge of which keeps `assumed`.
    pub fn world(&self, assumed: &[Conjunct]) -> World {
        let wild = self.wild.map(|wild| self.drawn(Some(wild)));
        let wild = wild.filter(|world| broken(world, assumed).is_none());
        let mut world = wild.unwrap_or_else(|| self.drawn(None));
        for &nudge in &self.nudges {
            let before = world.clone();
            if change(&mut world, nudge).is_none() || broken(&world, assumed).is_some() {
                world = before;
            }
        }
        world
    }

    /// The world before any nudge.
    fn drawn(&self, wild: Option<Wild>) -> World {
        let mut world = World::boot(self.servers);
        let current: Vec<Term> = (0..self.servers)
            .map(|s| Term::from(self.places[s][0]) % (TERMS as Term + 1))
            .collect();
        self.vote(&mut world, &current, wild == Some(Wild::SecondVotes));
        self.elect(&mut world, &current);
        let logs = self.grow(&world, wild == Some(Wild::BackwardLogs));
        for (id, config) in (0..).map(ServerId).zip(configs(self.servers)) {
            let (server, picks) = (id.0 as usize, self.places[id.0 as usize]);
            let term = current[server];
            let vote = world.votes.iter().find(|vote| vote.term == term && vote.voter == id);
            let voted_for = vote.map(|vote| vote.candidate);
            let led = world.led.contains(&(term, id));
            let leads = led && picks[1] % 4 != 0;
            let log = match leads && logs.contains_key(&term) {
                true => logs[&term].clone(),
                false => {
                    let fit = paths(&logs).into_iter().filter(|path| last_term(path) <= term);
                    // A leader whose term has no entries holds older ones.
                    pick(fit.collect(), picks[3]).unwrap_or_default()
                }
            };
            let role = if leads {
                leader(&config.servers, id, log.len() as Index, picks)
            } else if voted_for == Some(id) && !led && picks[1] % 4 != 0 {
                let counts = |vote: &&Vote| vote.term == term && vote.candidate == id;
                let voters = world.votes.iter().filter(counts).map(|vote| vote.voter);
                let votes_granted = voters.filter(|v| picks[2] >> v.0 & 1 == 1).collect();
                Role::Candidate { votes_granted }
            } else {
                Role::Follower { leader: None }
            };
            let ballot = Record::Ballot { current_term: term, voted_for };
            let persistent = Persistent::from_iter([ballot, append(log)]);
            let volatile = Volatile { role, ..Volatile::default() };
            world.servers[server] = Server::from_parts(config, persistent, volatile);
        }
        for &picks in &self.letters {
            let letter = self.letter(&world, &logs, picks);
            world.letters.extend(letter);
        }
        world
    }

    fn vote(&self, world: &mut World, current: &[Term], again: bool) {
        for (place, picks) in self.terms.iter().enumerate() {
            let term = place as Term + 1;
            for voter in world.ids().filter(|id| current[id.0 as usize] >= term) {
                let ballot = self.ballots[place * SERVERS + voter.0 as usize];
                let candidate = match ballot % 8 {
                    0 => None,
                    1 | 2 => Some(ballot / 8),
                    _ => Some(picks[0]),
                };
                let candidate = candidate.map(|c| ServerId(u64::from(c) % self.servers as u64));
                let vote = candidate.map(|candidate| Vote { term, voter, candidate });
                world.votes.extend(vote);
                let second = vote.filter(|_| again && current[voter.0 as usize] > term);
                world.votes.extend(second.map(|vote| Vote { candidate: voter, ..vote }));
            }
        }
    }

    fn elect(&self, world: &mut World, current: &[Term]) {
        for (place, picks) in self.terms.iter().enumerate() {
            let term = place as Term + 1;
            let elected = world.ids().filter(|&candidate| {
                let cast =
                    |&voter: &ServerId| world.votes.contains(&Vote { term, voter, candidate });
                let count = world.ids().filter(cast).count();
                cast(&candidate)
                    && count > self.servers / 2
                    && current[candidate.0 as usize] >= term
            });
            let led: Vec<_> = elected.filter(|_| picks[1] % 4 != 0).collect();
            world.led.extend(led.into_iter().map(|leader| (term, leader)));
        }
    }

    /// For each term that has entries, the longest log that ends with one of them.
    fn grow(&self, world: &World, backwards: bool) -> BTreeMap<Term, Vec<Entry>> {
        let mut logs = BTreeMap::new();
        let mut led: Vec<_> = world.led.iter().copied().collect();
        if backwards {
            led.reverse();
        }
        for (term, leader) in led {
            let picks = self.terms[term as usize - 1];
            let count = usize::from(picks[3] % 3);
            if count == 0 {
                continue;
            }
            let mut log = pick(paths(&logs), picks[2]).unwrap_or_default();
            for _ in 0..count {
                let command = Raft::command_to(leader, log.len() as Index + 1);
                log.push(Entry::command(term, command));
            }
            logs.insert(term, log);
        }
        logs
    }

    /// A letter that what is already in the world would allow.
    fn letter(
        &self,
        world: &World,
        logs: &BTreeMap<Term, Vec<Entry>>,
        [kind, who, other, a, b]: Picks,
    ) -> Option<Letter> {
        let peer = |of: ServerId| pick(world.ids().filter(|&id| id != of).collect(), other);
        let votes: Vec<Vote> = world.votes.iter().copied().collect();
        let led: Vec<(Term, ServerId)> = world.led.iter().copied().collect();
        match kind % 6 {
            0 => {
                let own = votes.into_iter().filter(|vote| vote.voter == vote.candidate).collect();
                let Vote { term, voter, .. } = pick(own, who)?;
                let (last_log_index, last_log_term) = (Index::from(a % 4), Term::from(b % 4));
                let request =
                    RequestVote { term, candidate_id: voter, last_log_index, last_log_term };
                Some(Letter {
                    from: voter,
                    to: peer(voter)?,
                    message: Message::RequestVote(request),
                })
            }
            1 => {
                let others =
                    votes.into_iter().filter(|vote| vote.voter != vote.candidate).collect();
                let Vote { term, voter, candidate } = pick(others, who)?;
                let reply = RequestVoteReply { term, vote_granted: true };
                let message = Message::RequestVoteReply(reply);
                Some(Letter { from: voter, to: candidate, message })
            }
            2 => {
                let from = pick(world.ids().collect(), who)?;
                let term = Term::from(a % 4) + 1;
                let message = match b % 2 {
                    0 => Message::RequestVoteReply(RequestVoteReply { term, vote_granted: false }),
                    _ => reply(term, AppendOutcome::StaleTerm),
                };
                Some(Letter { from, to: peer(from)?, message })
            }
            3 | 4 => {
                let (term, leader) = pick(led, who)?;
                let server = world.server(leader);
                let leads = server.is_leader() && server.current_term() == term;
                let log = match leads {
                    true => server.log().entries().iter().cloned().collect(),
                    false => {
                        let fit = paths(logs).into_iter().filter(|path| last_term(path) <= term);
                        pick(fit.collect(), b).unwrap_or_default()
                    }
                };
                let (first, last) = ends(log.len(), a);
                let request = AppendEntries {
                    term,
                    leader_id: leader,
                    prev_log_index: first as Index,
                    prev_log_term: last_term(&log[..first]),
                    entries: log[first..last].iter().cloned().collect(),
                    leader_commit: 0,
                };
                let message = Message::AppendEntries(request);
                Some(Letter { from: leader, to: peer(leader)?, message })
            }
            _ => {
                let (term, leader) = pick(led, who)?;
                let last = world.server(leader).log().last_index();
                let index = Index::from(a) % (last + 1);
                let outcome = match b % 2 {
                    0 => AppendOutcome::Success { match_index: index },
                    _ if last == 0 => return None,
                    _ => conflict(Index::from(a) % last + 1, b),
                };
                Some(Letter { from: peer(leader)?, to: leader, message: reply(term, outcome) })
            }
        }
    }
}

pub(super) fn reply(term: Term, outcome: AppendOutcome) -> Message {
    Message::AppendEntriesReply(AppendEntriesReply { term, outcome })
}

/// A refusal at an index, with a hint no further.
pub(super) fn conflict(prev_log_index: Index, pick: u8) -> AppendOutcome {
    let conflict_index = Index::from(pick / 2) % prev_log_index.max(1) + 1;
    let conflict_term = (pick % 4 == 1).then_some(Term::from(pick / 4 % 3) + 1);
    AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index }
}

pub(super) fn leader(
    servers: &BTreeSet<ServerId>,
    id: ServerId,
    last: Index,
    picks: Picks,
) -> Role {
    let peers = || servers.iter().copied().filter(|&peer| peer != id);
    let next = |peer: ServerId| Index::from(picks[2] >> peer.0) % (last + 1) + 1;
    let matched = |peer: ServerId| Index::from(picks[4] >> peer.0) % (last + 1);
    Role::Leader(Leader {
        next_index: peers().map(|peer| (peer, next(peer))).collect(),
        match_index: peers().map(|peer| (peer, matched(peer))).collect(),
    })
}

pub(super) fn append(log: Vec<Entry>) -> Record {
    Record::Append { entries: log.into_iter().collect::<Entries>() }
}

/// The logs of `logs`, whole and cut short.
fn paths(logs: &BTreeMap<Term, Vec<Entry>>) -> Vec<Vec<Entry>> {
    let cut = |log: &Vec<Entry>| (1..=log.len()).map(|len| log[..len].to_vec()).collect::<Vec<_>>();
    let all: BTreeSet<Vec<Entry>> = logs.values().flat_map(cut).collect();
    std::iter::once(Vec::new()).chain(all).collect()
}

pub(super) fn last_term(log: &[Entry]) -> Term {
    log.last().map_or(0, |entry| entry.term)
}

/// Two ends of a part of a log.
pub(super) fn ends(len: usize, pick: u8) -> (usize, usize) {
    let first = usize::from(pick % 16) % (len + 1);
    (first, first + usize::from(pick / 16) % (len - first + 1))
}

pub(super) fn pick<T>(from: Vec<T>, number: u8) -> Option<T> {
    let place = usize::from(number).checked_rem(from.len())?;
    from.into_iter().nth(place)
}
