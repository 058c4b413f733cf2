//! One change of a world, whatever it does to the invariant.

use veraft::figure2::{
    AppendEntries, AppendOutcome, Entry, Index, Message, Persistent, Record, RequestVote,
    RequestVoteReply, Role, Server, ServerId, Term, Volatile,
};
use veraft_models::{Letter, Raft};

use super::sketch::{Picks, append, conflict, ends, last_term, leader, pick, reply};
use super::world::{Vote, World};

/// Changes something, if there is such a thing to change.
pub(super) fn change(world: &mut World, [kind, who, a, b, c]: Picks) -> Option<()> {
    let id = pick(world.ids().collect(), who)?;
    let server = world.server(id);
    let (mut term, mut voted_for) = (server.current_term(), server.persistent().voted_for());
    let mut role = server.volatile().role.clone();
    let mut log: Vec<Entry> = server.log().entries().iter().cloned().collect();
    let config = server.config().clone();
    let small = Term::from(a % 4);
    match kind % 9 {
        0 => term = small,
        1 => voted_for = pick(world.ids().collect(), a).filter(|_| b % 4 != 0),
        2 => {
            role = match a % 3 {
                0 => Role::Follower { leader: pick(world.ids().collect(), b) },
                1 => {
                    let votes_granted = world.ids().filter(|v| b >> v.0 & 1 == 1).collect();
                    Role::Candidate { votes_granted }
                }
                _ => leader(&config.servers, id, log.len() as Index, [a, b, c, b, c]),
            }
        }
        3 => log.push(Entry::command(small, Raft::command_to(ServerId(0), b.into()))),
        4 => log.truncate(usize::from(a) % (log.len() + 1)),
        5 => {
            let place = usize::from(b).checked_rem(log.len())?;
            log[place].term = small;
        }
        6 => {
            let to = pick(world.ids().filter(|&to| to != id).collect(), c)?;
            world.letters.insert(Letter { from: id, to, message: message(world, id, a, b, c)? });
            return Some(());
        }
        7 => {
            let voted = Vote { term: small, voter: id, candidate: pick(world.ids().collect(), b)? };
            let led = (small, id);
            match c % 4 {
                0 => world.votes.insert(voted),
                1 => world.votes.remove(&voted),
                2 => world.led.insert(led),
                _ => world.led.remove(&led),
            };
            return Some(());
        }
        _ => {
            let letter = pick(world.letters.iter().cloned().collect(), a)?;
            world.letters.remove(&letter);
            return Some(());
        }
    }
    let ballot = Record::Ballot { current_term: term, voted_for };
    let persistent = Persistent::from_iter([ballot, append(log)]);
    let volatile = Volatile { role, ..Volatile::default() };
    world.servers[id.0 as usize] = Server::from_parts(config, persistent, volatile);
    Some(())
}

/// Any message of `from`, true or not.
fn message(world: &World, from: ServerId, a: u8, b: u8, c: u8) -> Option<Message> {
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
                entries.push(Entry::command(Term::from(c % 4), Raft::command_to(from, 9)));
            }
            let prev_log_term = if b % 16 == 1 { term } else { last_term(&log[..first]) };
            Message::AppendEntries(AppendEntries {
                term,
                leader_id: if b % 8 == 2 { holder } else { from },
                prev_log_index: first as Index,
                prev_log_term,
                entries: entries.into_iter().collect(),
                leader_commit: 0,
            })
        }
        _ => match b % 3 {
            0 => reply(term, AppendOutcome::Success { match_index: Index::from(c % 5) }),
            1 => reply(term, conflict(Index::from(c % 5), b)),
            _ => reply(term, AppendOutcome::StaleTerm),
        },
    })
}
