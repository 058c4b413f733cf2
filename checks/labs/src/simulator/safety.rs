//! Promises that the simulator checks as it goes, with a view into every server.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use veraft::figure2::{Entry, Index, Message, Persistent, Server, Term};

use crate::failure::Violation;

/// A leader sends a peer at most this many heartbeats in [`HEARTBEAT_WINDOW`].
const MAX_HEARTBEATS: usize = 10;
const HEARTBEAT_WINDOW: Duration = Duration::from_secs(1);

/// What has been seen of a cluster so far.
pub struct Safety {
    /// Who led each term.
    leaders: BTreeMap<Term, usize>,
    /// The entries that were committed, and the term in which one was first known to be, or a
    /// later one.
    committed: Vec<(Entry, Term)>,
    servers: Vec<Seen>,
    /// When one server wanted the last heartbeats sent to another.
    heartbeats: BTreeMap<(usize, usize), VecDeque<Duration>>,
}

/// What has been seen of one server.
#[derive(Clone, Default)]
struct Seen {
    term: Term,
    /// The highest term in a message that left the server: it must not come back with less.
    told: Term,
    commit_index: Index,
    /// The term it leads, and the end of its log.
    leads: Option<(Term, Index)>,
}

impl Safety {
    /// Nothing has been seen yet.
    pub fn new(servers: usize) -> Safety {
        Safety {
            leaders: BTreeMap::new(),
            committed: Vec::new(),
            servers: vec![Seen::default(); servers],
            heartbeats: BTreeMap::new(),
        }
    }

    /// A server has started, with what it has stored.
    pub fn started(&mut self, id: usize, server: &Server) -> Result<(), Violation> {
        let told = self.servers[id].told;
        let term = server.current_term();
        self.servers[id] = Seen { term, told, commit_index: 0, leads: None };
        match told > term {
            true => Err(Violation::TermFell { server: id, from: told, to: term }),
            false => Ok(()),
        }
    }

    /// A server has taken a step.
    pub fn stepped(&mut self, id: usize, server: &Server) -> Result<(), Violation> {
        let Seen { term, told: _, commit_index, leads } = self.servers[id];
        let now = server.current_term();
        if now < term {
            return Err(Violation::TermFell { server: id, from: term, to: now });
        }
        let commit = server.volatile().commit_index;
        if commit < commit_index {
            return Err(Violation::CommitFell { server: id, from: commit_index, to: commit });
        }
        let last_index = server.log().last_index();
        let seen = &mut self.servers[id];
        (seen.term, seen.commit_index) = (now, commit);
        seen.leads = server.is_leader().then_some((now, last_index));
        match (leads, seen.leads) {
            (_, None) => Ok(()),
            (Some((old, from)), Some((new, to))) if old == new => match to < from {
                true => Err(Violation::LeaderLostEntries { server: id, term: new, from, to }),
                false => Ok(()),
            },
            (_, Some(_)) => self.elected(id, server),
        }
    }

    /// A server leads: nobody else did in its term, and its log holds what was committed in
    /// earlier ones.
    fn elected(&mut self, id: usize, server: &Server) -> Result<(), Violation> {
        let term = server.current_term();
        let first = *self.leaders.entry(term).or_insert(id);
        if first != id {
            return Err(Violation::TwoLeaders { term, first, second: id });
        }
        let lacks = (1..).zip(&self.committed).find(|&(index, (entry, committed_in))| {
            *committed_in < term && server.log().get(index) != Some(entry)
        });
        match lacks {
            Some((index, _)) => Err(Violation::LeaderIncomplete { server: id, term, index }),
            None => Ok(()),
        }
    }

    /// A message leaves a server.
    pub fn sent(&mut self, from: usize, message: &Message) {
        let told = &mut self.servers[from].told;
        *told = (*told).max(message.term());
    }

    /// A step wants a message sent; it may still have to wait for the disk.
    pub fn owes(
        &mut self,
        from: usize,
        to: usize,
        message: &Message,
        now: Duration,
    ) -> Result<(), Violation> {
        match message {
            Message::AppendEntries(request) if request.entries.is_empty() => {}
            Message::AppendEntries(_)
            | Message::AppendEntriesReply(_)
            | Message::RequestVote(_)
            | Message::RequestVoteReply(_) => return Ok(()),
        }
        let recent = self.heartbeats.entry((from, to)).or_default();
        recent.push_back(now);
        while recent.front().is_some_and(|&sent| sent + HEARTBEAT_WINDOW <= now) {
            recent.pop_front();
        }
        match recent.len() > MAX_HEARTBEATS {
            true => Err(Violation::TooManyHeartbeats { from, to }),
            false => Ok(()),
        }
    }

    /// The entry at `index` is applied for the first time, by a server in `term`: it must be
    /// durable on a majority.
    pub fn committed<'p>(
        &mut self,
        id: usize,
        term: Term,
        index: Index,
        entry: &Entry,
        disks: impl Iterator<Item = &'p Persistent>,
    ) -> Result<(), Violation> {
        self.committed.push((entry.clone(), term));
        let stored = disks.filter(|disk| disk.log().get(index) == Some(entry)).count();
        match stored > self.servers.len() / 2 {
            true => Ok(()),
            false => Err(Violation::NotStored { server: id, index, stored }),
        }
    }
}

/// Log Matching between two servers: where their logs agree in an index and its term, they
/// agree in everything before.
pub fn logs_match(
    (first, one): (usize, &Server),
    (second, other): (usize, &Server),
) -> Result<(), Violation> {
    let (one, other) = (one.log(), other.log());
    let shared = 1..=one.last_index().min(other.last_index());
    let Some(agree) = shared.rev().find(|&index| one.term_at(index) == other.term_at(index)) else {
        return Ok(());
    };
    let mut entries = (1..=agree).zip(one.entries().iter().zip(other.entries().iter()));
    match entries.find(|(_, (one, other))| one != other) {
        Some((differ, _)) => Err(Violation::LogsDiffer { first, second, agree, differ }),
        None => Ok(()),
    }
}
