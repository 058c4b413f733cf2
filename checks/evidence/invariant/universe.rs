//! What there is in a world: so many servers, terms, indices and payloads, and how the parts of
//! real servers and requests are told in numbers.

use std::collections::BTreeSet;

use veraft::figure2::{
    AppendEntries, Index, Leader, Payload, Role, Server, ServerId, Term, Volatile,
};

use crate::evidence::proof::evaluate::Datum;
use crate::evidence::proof::formula::Sort;
use crate::evidence::proof::symbols::{Subject, Symbol};
use crate::evidence::proof::tables::Tables;

/// The last term that anybody has reached.
pub const LAST_TERM: Term = 3;

/// The last index of the longest log that is drawn.
pub const LAST_INDEX: Index = 5;

/// Terms rise by one in a step, and letters may tell of one that nobody has reached.
const TERMS: u64 = LAST_TERM + 2;

/// A step appends two entries at most, and one index is behind all logs.
const INDICES: u64 = LAST_INDEX + 4;

/// How many different payloads there are: a blank, and commands.
pub const PAYLOADS: u64 = 5;

/// The state of the abstract system in which nothing ever happened.
pub fn empty(servers: usize) -> Tables {
    let quorums = quorums(servers);
    let mut tables = Tables::new([
        (Sort::Server, servers as u64),
        (Sort::Quorum, quorums.len() as u64),
        (Sort::Payload, PAYLOADS),
        (Sort::Term, TERMS),
        (Sort::Index, INDICES),
    ]);
    let numbered = || (0..).zip(&quorums);
    for (q, quorum) in numbered() {
        for member in quorum {
            tables.set(Symbol::Member, &[member.0, q], 1);
        }
        for (p, other) in numbered() {
            if let Some(shared) = quorum.intersection(other).next() {
                tables.set(Symbol::Shared, &[q, p], shared.0);
            }
        }
    }
    tables
}

/// The smallest majorities of so many servers: every other has one of them in it.
pub fn quorums(servers: usize) -> Vec<BTreeSet<ServerId>> {
    let size = servers / 2 + 1;
    let sets = (0_u32..1 << servers).filter(|set| set.count_ones() as usize == size);
    let members = |set: u32| (0..servers as u64).filter(move |server| set >> server & 1 == 1);
    sets.map(|set| members(set).map(ServerId).collect()).collect()
}

/// The payload of this number.
pub fn payload(number: Datum) -> Payload {
    match number {
        0 => Payload::Blank,
        _ => Payload::Command([b'`' + number as u8].as_slice().into()),
    }
}

/// The number of a payload.
///
/// # Panics
/// When no world has such a one.
pub fn payload_number(of: &Payload) -> Datum {
    let found = (0..PAYLOADS).find(|&number| payload(number) == *of);
    found.unwrap_or_else(|| panic!("a payload of no world: {of:?}"))
}

/// Tells in `tables` what `server` keeps.
pub fn show(tables: &mut Tables, server: &Server) {
    let id = server.config().id.0;
    for &symbol in Symbol::ALL.iter().filter(|symbol| symbol.kind() == Subject::Server) {
        tables.clear(symbol, id);
    }
    let persistent = server.persistent();
    let Volatile { role, commit_index, last_applied, stored: _, floor: _ } = server.volatile();
    let mut set = |symbol, args: &[Datum], value| tables.set(symbol, args, value);
    set(Symbol::CurrentTerm, &[id], persistent.current_term());
    if let Some(candidate) = persistent.voted_for() {
        set(Symbol::VotedFor, &[id, candidate.0], 1);
    }
    set(Symbol::LastIndex, &[id], persistent.log().last_index());
    for (index, entry) in (1..).zip(persistent.log().entries().iter()) {
        set(Symbol::LogTerm, &[id, index], entry.term);
        set(Symbol::LogPayload, &[id, index], payload_number(&entry.payload));
    }
    set(Symbol::CommitIndex, &[id], *commit_index);
    set(Symbol::LastApplied, &[id], *last_applied);
    match role {
        Role::Follower { leader: _ } => {}
        Role::Candidate { votes_granted } => {
            set(Symbol::Candidate, &[id], 1);
            votes_granted.iter().for_each(|voter| set(Symbol::VotesGranted, &[id, voter.0], 1));
        }
        Role::Leader(Leader { next_index, match_index }) => {
            set(Symbol::Leader, &[id], 1);
            next_index.iter().for_each(|(peer, &i)| set(Symbol::NextIndex, &[id, peer.0], i));
            match_index.iter().for_each(|(peer, &i)| set(Symbol::MatchIndex, &[id, peer.0], i));
        }
    }
}

/// Tells in `tables` what the request of this number says.
pub fn show_request(tables: &mut Tables, number: Datum, request: &AppendEntries) {
    let AppendEntries { term, leader_id, prev_log_index, prev_log_term, entries, leader_commit } =
        request;
    let end = prev_log_index + entries.len() as Index;
    for (symbol, value) in [
        (Symbol::RequestTerm, *term),
        (Symbol::RequestLeader, leader_id.0),
        (Symbol::PrevIndex, *prev_log_index),
        (Symbol::PrevTerm, *prev_log_term),
        (Symbol::EndIndex, end),
        (Symbol::LeaderCommit, *leader_commit),
    ] {
        tables.set(symbol, &[number], value);
    }
    for (index, entry) in (prev_log_index + 1..).zip(entries.iter()) {
        tables.set(Symbol::EntryTerm, &[number, index], entry.term);
        let payload = payload_number(&entry.payload);
        tables.set(Symbol::EntryPayload, &[number, index], payload);
    }
}
