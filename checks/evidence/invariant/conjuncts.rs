//! The conjuncts of the invariant, and what follows from them.
//!
//! Entries stand in logs and travel in AppendEntries; both are segments here.

use std::cmp::Ordering;

use veraft::figure2::{
    AppendEntriesReply, AppendOutcome, Entry, Leader, Message, Role, Server, Term,
};
use veraft_models::Letter;
use veraft_models::properties::{
    self, Segment, logs_match, one_leader_per_term, one_vote_per_term,
};

use super::world::{Vote, World};

/// A predicate of worlds.
#[derive(Clone, Copy, Debug)]
pub struct Conjunct {
    /// What it says, in a few words.
    pub name: &'static str,
    /// Whether it holds.
    pub holds: fn(&World) -> bool,
}

/// The invariant: all of these.
pub const CONJUNCTS: &[Conjunct] = &[
    Conjunct { name: "letters are well-formed", holds: well_formed },
    Conjunct { name: "votes told were cast", holds: votes_were_cast },
    Conjunct { name: "one vote per term", holds: one_vote },
    Conjunct { name: "votes are remembered", holds: votes_remembered },
    Conjunct { name: "votes counted were cast", holds: counted_were_cast },
    Conjunct { name: "a leader has a majority's votes", holds: leaders_were_elected },
    Conjunct { name: "whoever leads has led", holds: leading_is_recorded },
    Conjunct { name: "no candidate has led its term", holds: candidates_have_not_led },
    Conjunct { name: "entries come from a leader", holds: entries_have_a_leader },
    Conjunct { name: "a leader holds all entries of its term", holds: leader_holds_its_term },
    Conjunct { name: "segments match", holds: segments_match },
    Conjunct { name: "terms are in order", holds: terms_in_order },
    Conjunct { name: "requests are parts of the leader's log", holds: requests_are_parts },
    Conjunct { name: "answers are within the leader's log", holds: answers_are_within },
    Conjunct { name: "next_index is within the log", holds: next_index_within },
];

/// What the invariant is for.
pub const CONCLUSIONS: &[Conjunct] = &[
    Conjunct { name: "Election Safety", holds: election_safety },
    Conjunct { name: "Log Matching", holds: log_matching },
];

/// The first of `conjuncts` that does not hold in `world`.
pub fn broken<'a>(world: &World, conjuncts: &'a [Conjunct]) -> Option<&'a Conjunct> {
    conjuncts.iter().find(|conjunct| !(conjunct.holds)(world))
}

/// Every segment, and the term that its entries' terms do not exceed.
fn segments(world: &World) -> impl Iterator<Item = (Segment<'_>, Term)> + Clone {
    let logs = world.servers.iter().map(|s| (Segment::from(s.log()), s.current_term()));
    logs.chain(world.letters.iter().filter_map(segment))
}

/// That of a letter, if it is an AppendEntries.
fn segment(letter: &Letter) -> Option<(Segment<'_>, Term)> {
    match &letter.message {
        Message::AppendEntries(request) => Some((Segment::from(request), request.term)),
        Message::AppendEntriesReply(_) | Message::RequestVote(_) | Message::RequestVoteReply(_) => {
            None
        }
    }
}

fn entries(world: &World) -> impl Iterator<Item = &Entry> {
    segments(world).flat_map(|(segment, _)| segment.entries.iter())
}

fn leaders(world: &World) -> impl Iterator<Item = &Server> {
    world.servers.iter().filter(|server| server.is_leader())
}

/// A letter names its sender, goes to a peer, and before the first entry there is no term.
fn well_formed(world: &World) -> bool {
    world.letters.iter().all(|Letter { from, to, message }| {
        from != to
            && match message {
                Message::RequestVote(request) => request.candidate_id == *from && request.term > 0,
                Message::AppendEntries(request) => {
                    let starts = (request.prev_log_index == 0) == (request.prev_log_term == 0);
                    request.leader_id == *from && request.term > 0 && starts
                }
                Message::RequestVoteReply(reply) => reply.term > 0,
                Message::AppendEntriesReply(reply) => reply.term > 0,
            }
    }) && entries(world).all(|entry| entry.term > 0)
}

/// What a server or a letter says of a vote is true: the server's own, one that is granted, and
/// that of a candidate for itself.
fn votes_were_cast(world: &World) -> bool {
    let told = world.letters.iter().filter_map(|letter| match &letter.message {
        Message::RequestVote(request) => {
            Some(Vote { term: request.term, voter: letter.from, candidate: letter.from })
        }
        Message::RequestVoteReply(reply) if reply.vote_granted => {
            Some(Vote { term: reply.term, voter: letter.from, candidate: letter.to })
        }
        Message::RequestVoteReply(_)
        | Message::AppendEntries(_)
        | Message::AppendEntriesReply(_) => None,
    });
    let held = world.servers.iter().filter_map(|server| {
        let (term, voter) = (server.current_term(), server.config().id);
        let candidate = server.persistent().voted_for()?;
        Some(Vote { term, voter, candidate })
    });
    told.chain(held).all(|vote| world.votes.contains(&vote))
}

/// No server casts two votes in a term.
fn one_vote(world: &World) -> bool {
    let votes = world.votes.iter().map(|vote| ((vote.term, vote.voter), vote.candidate));
    one_vote_per_term(votes).is_ok()
}

/// A vote is cast in a term that the voter has reached; while it is there, it knows its vote.
fn votes_remembered(world: &World) -> bool {
    world.votes.iter().all(|vote| {
        let voter = world.server(vote.voter);
        match vote.term.cmp(&voter.current_term()) {
            Ordering::Less => true,
            Ordering::Equal => voter.persistent().voted_for() == Some(vote.candidate),
            Ordering::Greater => false,
        }
    })
}

/// A candidate voted for itself, and has counted no vote that was not cast for it.
fn counted_were_cast(world: &World) -> bool {
    world.servers.iter().all(|server| match &server.volatile().role {
        Role::Candidate { votes_granted } => {
            let (term, candidate) = (server.current_term(), server.config().id);
            let cast = |voter| world.votes.contains(&Vote { term, voter, candidate });
            cast(candidate) && votes_granted.iter().copied().all(cast)
        }
        Role::Follower { .. } | Role::Leader(_) => true,
    })
}

/// Whoever led a term has its own vote and, with it, those of a majority.
fn leaders_were_elected(world: &World) -> bool {
    world.led.iter().all(|&(term, candidate)| {
        let cast = |voter| world.votes.contains(&Vote { term, voter, candidate });
        cast(candidate) && world.server(candidate).config().is_quorum(cast)
    })
}

/// Whoever leads, or has sent entries or heartbeats, or is answered, has led that term.
fn leading_is_recorded(world: &World) -> bool {
    let told = world.letters.iter().filter_map(|letter| match &letter.message {
        Message::AppendEntries(request) => Some((request.term, letter.from)),
        Message::AppendEntriesReply(reply) => match reply.outcome {
            AppendOutcome::Success { .. } | AppendOutcome::Conflict { .. } => {
                Some((reply.term, letter.to))
            }
            AppendOutcome::StaleTerm => None,
        },
        Message::RequestVote(_) | Message::RequestVoteReply(_) => None,
    });
    let leads = leaders(world).map(|server| (server.current_term(), server.config().id));
    told.chain(leads).all(|led| world.led.contains(&led))
}

/// A candidate has not led the term that it stands in.
fn candidates_have_not_led(world: &World) -> bool {
    world.servers.iter().all(|server| match server.volatile().role {
        Role::Candidate { .. } => !world.led.contains(&(server.current_term(), server.config().id)),
        Role::Follower { .. } | Role::Leader(_) => true,
    })
}

/// A term of which there is an entry was led.
fn entries_have_a_leader(world: &World) -> bool {
    entries(world).all(|entry| world.led.iter().any(|&(term, _)| term == entry.term))
}

/// While a server leads, all entries of its term stand in its log at the same place.
fn leader_holds_its_term(world: &World) -> bool {
    leaders(world).all(|leader| {
        segments(world).flat_map(|(segment, _)| segment.placed()).all(|placed| {
            let in_log = leader.log().get(placed.index) == Some(placed.entry);
            placed.entry.term != leader.current_term() || in_log
        })
    })
}

/// Where two segments have entries of the same term, the entries are the same, and the terms
/// before them are too.
fn segments_match(world: &World) -> bool {
    every_two_match(segments(world).map(|(segment, _)| segment))
}

fn every_two_match<'a>(mut segments: impl Iterator<Item = Segment<'a>> + Clone) -> bool {
    while let Some(one) = segments.next() {
        if !segments.clone().all(|other| logs_match(one, other).is_ok()) {
            return false;
        }
    }
    true
}

/// Terms never decrease along a segment, and end at the term of the server or letter.
fn terms_in_order(world: &World) -> bool {
    segments(world).all(|(segment, term)| {
        let last_term = segment.term_at(segment.last_index());
        properties::terms_in_order(segment).is_ok() && last_term <= Some(term)
    })
}

/// While a server leads, whatever it sent in its term is part of its log.
fn requests_are_parts(world: &World) -> bool {
    world.letters.iter().all(|letter| {
        let Some((segment, term)) = segment(letter) else { return true };
        let sender = world.server(letter.from);
        if !sender.is_leader() || sender.current_term() != term {
            return true;
        }
        let log = sender.log();
        log.term_at(segment.prev_index) == Some(segment.prev_term)
            && segment.placed().all(|placed| log.get(placed.index) == Some(placed.entry))
    })
}

/// While a server leads, no answer to it speaks of what its log does not reach, and a refusal
/// does not point past what it refuses.
fn answers_are_within(world: &World) -> bool {
    world.letters.iter().all(|letter| {
        let Message::AppendEntriesReply(AppendEntriesReply { term, outcome }) = &letter.message
        else {
            return true;
        };
        let leader = world.server(letter.to);
        let last_index = leader.log().last_index();
        !leader.is_leader()
            || leader.current_term() != *term
            || match *outcome {
                AppendOutcome::Success { match_index } => match_index <= last_index,
                AppendOutcome::Conflict { prev_log_index, conflict_term: _, conflict_index } => {
                    (1..=prev_log_index).contains(&conflict_index) && prev_log_index <= last_index
                }
                AppendOutcome::StaleTerm => true,
            }
    })
}

/// A leader has a `next_index` for each peer between the first entry and one past the last, and
/// no `match_index` past the last.
fn next_index_within(world: &World) -> bool {
    leaders(world).all(|leader| {
        let Role::Leader(Leader { next_index, match_index }) = &leader.volatile().role else {
            return true;
        };
        let last_index = leader.log().last_index();
        leader.config().peers().all(|peer| {
            let next = next_index.get(&peer).copied().unwrap_or_default();
            let matched = match_index.get(&peer).copied();
            (1..=last_index + 1).contains(&next) && matched.is_some_and(|m| m <= last_index)
        })
    })
}

fn election_safety(world: &World) -> bool {
    one_leader_per_term(world.led.iter().copied()).is_ok()
}

fn log_matching(world: &World) -> bool {
    every_two_match(world.servers.iter().map(|server| Segment::from(server.log())))
}
