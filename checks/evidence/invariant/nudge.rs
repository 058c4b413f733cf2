//! One change of a world, whatever it does to the invariant.

use veraft::figure2::{
    AppendEntries, AppendOutcome, Entry, Index, Leader, Message, RequestVote, RequestVoteReply,
    Role, ServerId, Term,
};
use veraft_models::Letter;

use super::letters::{conflict, ends, reply};
use super::servers::server;
use super::sketch::{Picks, last_term, pick};
use super::universe::{LAST_INDEX, LAST_TERM, PAYLOADS, payload, quorums};
use super::world::World;
use crate::evidence::proof::evaluate::{Datum, Structure};
use crate::evidence::proof::formula::Sort;
use crate::evidence::proof::symbols::{Subject, Symbol};

/// The world with something changed, if there is such a thing to change.
pub(super) fn change(world: &World, picks: Picks) -> Option<World> {
    let [kind, who, a, b, c, _] = picks;
    let mut changed = world.clone();
    match kind % 16 {
        0..=5 => change_server(&mut changed, picks)?,
        6 | 7 => {
            let id = pick(world.ids().collect(), who)?;
            let to = pick(world.ids().filter(|&to| to != id).collect(), c)?;
            let message = message(world, id, picks)?;
            if let Message::AppendEntries(request) = &message {
                let number = changed.request_number(request);
                changed.set(Symbol::ToldTerm, [number], term(a));
                changed.set(Symbol::ToldUpTo, [number], index(b));
            }
            let letter = Letter { from: id, to, message, image: None };
            changed.send(letter);
        }
        8 => {
            let letter = pick(world.letters().iter().cloned().collect(), a)?;
            changed.lose(&letter);
        }
        9 => {
            let commit = [term(who), index(a)];
            changed.set(Symbol::Committed, commit, u64::from(b % 4 != 0));
            let all = quorums(world.servers().len()).len() as u64;
            changed.set(Symbol::Holders, commit, u64::from(c) % all);
        }
        10 => {
            let applied = [index(who), u64::from(a) % PAYLOADS];
            changed.set(Symbol::Applied, applied, u64::from(b % 4 != 0));
            changed.set(Symbol::AppliedTerm, applied, term(b / 4));
            changed.set(Symbol::AppliedUpTo, applied, index(c));
        }
        _ => change_history(&mut changed, picks)?,
    }
    Some(changed)
}

fn term(pick: u8) -> Term {
    Term::from(pick) % (LAST_TERM + 1)
}

fn index(pick: u8) -> Index {
    Index::from(pick) % (LAST_INDEX + 1)
}

/// Changes one thing of one server, with what belongs to it.
fn change_server(world: &mut World, [kind, who, a, b, c, d]: Picks) -> Option<()> {
    let id = pick(world.ids().collect(), who)?;
    let before = world.server(id);
    let mut ballot = (before.current_term(), before.persistent().voted_for());
    let mut volatile = before.volatile().clone();
    let mut log: Vec<Entry> = before.log().entries().iter().cloned().collect();
    match (kind / 16 % 2, kind % 16) {
        (0, 0) => ballot.0 = term(a),
        (_, 0) => ballot.1 = pick(world.ids().collect(), a).filter(|_| b % 4 != 0),
        (_, 1) => {
            let last = log.len() as Index;
            volatile.role = match a % 3 {
                0 => Role::Follower { leader: pick(world.ids().collect(), b) },
                1 => Role::Candidate {
                    votes_granted: world.ids().filter(|v| b >> v.0 & 1 == 1).collect(),
                },
                _ => leader(world, id, last, [b, c]),
            }
        }
        (0, 2) if (log.len() as Index) < LAST_INDEX => {
            let payload = payload(u64::from(b) % PAYLOADS);
            log.push(Entry { term: term(a).max(1), payload });
        }
        (_, 2) => log.truncate(usize::from(a) % (log.len() + 1)),
        (0, 3) => {
            let place = usize::from(b).checked_rem(log.len())?;
            log[place].term = term(a);
        }
        (_, 3) => {
            let place = usize::from(b).checked_rem(log.len())?;
            log[place].payload = payload(u64::from(a) % PAYLOADS);
        }
        (0, _) => {
            volatile.commit_index = index(a).min(log.len() as Index);
            world.set(Symbol::CommitTerm, [id.0], term(b));
            world.set(Symbol::CommitUpTo, [id.0], index(c));
        }
        _ => volatile.last_applied = index(a),
    }
    if d.is_multiple_of(4) {
        volatile.last_applied = volatile.commit_index;
    }
    let changed = server(world.servers().len(), id, ballot, log, volatile)?;
    world.put(changed);
    Some(())
}

fn leader(world: &World, id: ServerId, last: Index, [a, b]: [u8; 2]) -> Role {
    let peers = || world.ids().filter(move |&peer| peer != id);
    let next = |peer: ServerId| Index::from(a >> peer.0) % (last + 2) + 1;
    let matched = |peer: ServerId| Index::from(b >> peer.0) % (last + 1);
    Role::Leader(Leader {
        next_index: peers().map(|peer| (peer, next(peer))).collect(),
        match_index: peers().map(|peer| (peer, matched(peer))).collect(),
    })
}

/// Changes what happened, or what was ever sent, at one place.
fn change_history(world: &mut World, [kind, who, a, b, c, d]: Picks) -> Option<()> {
    let told = |symbol: &Symbol| matches!(symbol.kind(), Subject::History | Subject::Letters);
    let symbols = Symbol::ALL.iter().copied().filter(told).collect();
    let symbol: Symbol = pick(symbols, kind / 16 * 16 + who % 16)?;
    let sorts = symbol.args();
    let mut args = [0; 3];
    for ((arg, &sort), pick) in args.iter_mut().zip(sorts).zip([a, b, c]) {
        *arg = member(world, sort, pick)?;
    }
    let value = member(world, symbol.result(), d)?;
    match sorts.len() {
        1 => world.set(symbol, [args[0]], value),
        2 => world.set(symbol, [args[0], args[1]], value),
        _ => world.set(symbol, args, value),
    }
    Some(())
}

/// A member of a sort that it may have in a world.
fn member(world: &World, sort: Sort, pick: u8) -> Option<Datum> {
    match sort {
        Sort::Term => Some(term(pick)),
        Sort::Index => Some(index(pick)),
        Sort::Server | Sort::Quorum | Sort::Request | Sort::Payload | Sort::Truth => {
            u64::from(pick).checked_rem(world.tables().size(sort))
        }
    }
}

/// Any message of `from`, true or not.
fn message(world: &World, from: ServerId, [_, _, a, b, c, d]: Picks) -> Option<Message> {
    let term = Term::from(a / 8 % 4);
    Some(match a % 5 {
        0 => Message::RequestVote(RequestVote {
            term,
            candidate_id: from,
            last_log_index: Index::from(b % 4),
            last_log_term: Term::from(b / 4 % 4),
        }),
        1 => {
            Message::RequestVoteReply(RequestVoteReply { term, vote_granted: !b.is_multiple_of(4) })
        }
        2 | 3 => {
            let holder = pick(world.ids().collect(), b)?;
            let log: Vec<Entry> = world.server(holder).log().entries().iter().cloned().collect();
            let (first, last) = ends(log.len(), c);
            let mut entries: Vec<Entry> = log[first..last].to_vec();
            if b.is_multiple_of(8) {
                let payload = payload(u64::from(c) % PAYLOADS);
                entries.push(Entry { term: Term::from(c % 4), payload });
            }
            let prev_log_term = if b % 16 == 1 { term } else { last_term(&log[..first]) };
            Message::AppendEntries(AppendEntries {
                term,
                leader_id: if b % 8 == 2 { holder } else { from },
                prev_log_index: first as Index,
                prev_log_term,
                entries: entries.into_iter().collect(),
                leader_commit: Index::from(d) % (LAST_INDEX + 1),
            })
        }
        _ => match b % 3 {
            0 => reply(term, AppendOutcome::Success { match_index: Index::from(c % 5) }),
            1 => reply(term, conflict(Index::from(c % 5), b)),
            _ => reply(term, AppendOutcome::StaleTerm),
        },
    })
}
