//! Promises that the simulator checks as it goes, with a view into every server.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use veraft::figure2::{Config, Entry, Index, Message, Persistent, Server, ServerId, Term};
use veraft_models::properties::{
    self, Committed, Fell, Lacks, LogsDiffer, NotStored, commit_is_durable, leader_is_complete,
    never_falls, one_leader_per_term,
};

use crate::failure::Violation;

/// A leader sends a peer at most this many heartbeats in [`HEARTBEAT_WINDOW`].
const MAX_HEARTBEATS: usize = 10;
const HEARTBEAT_WINDOW: Duration = Duration::from_secs(1);

/// What has been seen of a cluster so far.
pub struct Safety {
    /// Of any server: all have the same cluster.
    config: Config,
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
    /// The highest term in what left the server, to a peer or to a user: it must not come back
    /// with less.
    told: Term,
    commit_index: Index,
    /// The term it leads, and the end of its log.
    leads: Option<(Term, Index)>,
}

impl Safety {
    /// Nothing has been seen yet.
    pub fn new(servers: usize) -> Safety {
        let all = (0..servers as u64).map(ServerId).collect();
        let config = Config { id: ServerId(0), servers: Arc::new(all), max_append_bytes: 0 };
        Safety {
            config,
            leaders: BTreeMap::new(),
            committed: Vec::new(),
            servers: vec![Seen::default(); servers],
            heartbeats: BTreeMap::new(),
        }
    }

    /// How many terms had a leader.
    pub fn led_terms(&self) -> u64 {
        self.leaders.len() as u64
    }

    /// A server has started, with what it has stored.
    pub fn started(&mut self, id: usize, server: &Server) -> Result<(), Violation> {
        let told = self.servers[id].told;
        let term = server.current_term();
        self.servers[id] = Seen { term, told, commit_index: 0, leads: None };
        never_falls(told, term).map_err(|Fell { from, to }| Violation::TermFell {
            server: id,
            from,
            to,
        })
    }

    /// A server has taken a step.
    pub fn stepped(&mut self, id: usize, server: &Server) -> Result<(), Violation> {
        let Seen { term, told: _, commit_index, leads } = self.servers[id];
        let now = server.current_term();
        never_falls(term, now).map_err(|Fell { from, to }| Violation::TermFell {
            server: id,
            from,
            to,
        })?;
        let commit = server.volatile().commit_index;
        never_falls(commit_index, commit).map_err(|Fell { from, to }| Violation::CommitFell {
            server: id,
            from,
            to,
        })?;
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
        one_leader_per_term([(term, first), (term, id)])?;
        let committed = (1..).zip(&self.committed);
        let committed = committed.map(|(index, (entry, term))| {
            let term = *term;
            Committed { index, entry, term }
        });
        leader_is_complete(server, committed).map_err(|Lacks { server: _, index }| {
            Violation::LeaderIncomplete { server: id, term, index }
        })
    }

    /// A peer, or a user, hears of a server in this term.
    pub fn told(&mut self, server: usize, term: Term) {
        let told = &mut self.servers[server].told;
        *told = (*told).max(term);
    }

    /// A message leaves a server.
    pub fn sent(&mut self, from: usize, message: &Message) {
        self.told(from, message.term());
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
            | Message::RequestVoteReply(_)
            | Message::InstallSnapshot(_) => return Ok(()),
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
        let disks: Vec<&Persistent> = disks.collect();
        commit_is_durable(&self.config, index, entry, |server| disks[server.0 as usize]).map_err(
            |NotStored { index, stored }| Violation::NotStored { server: id, index, stored },
        )
    }
}

/// Log Matching between two servers: where their logs agree in an index and its term, they
/// agree in everything before.
pub fn logs_match(
    (first, one): (usize, &Server),
    (second, other): (usize, &Server),
) -> Result<(), Violation> {
    properties::logs_match(one.log(), other.log()).map_err(|LogsDiffer { agree, differ }| {
        Violation::LogsDiffer { first, second, agree, differ }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::lab::command;
    use veraft::figure2::{AppendEntries, Leader, Record, Role, Volatile};

    fn stored(term: Term, log: &[(Term, u64)]) -> Persistent {
        let entries = log.iter().map(|&(term, number)| Entry::command(term, command(number)));
        let ballot = Record::Ballot { current_term: term, voted_for: None };
        [ballot, Record::Append { entries: entries.collect() }].into_iter().collect()
    }

    fn server(term: Term, leads: bool, log: &[(Term, u64)], commit_index: Index) -> Server {
        let servers = Arc::new([0, 1, 2].map(ServerId).into());
        let config = Config { id: ServerId(0), servers, max_append_bytes: 100 };
        let role = match leads {
            true => Role::Leader(Leader::default()),
            false => Role::default(),
        };
        let volatile =
            Volatile { role, commit_index, last_applied: commit_index, ..Volatile::default() };
        Server::from_parts(config, stored(term, log), volatile)
    }

    fn empty(term: Term) -> Message {
        Message::AppendEntries(AppendEntries {
            term,
            leader_id: ServerId(0),
            prev_log_index: 0,
            prev_log_term: 0,
            entries: [].into_iter().collect(),
            leader_commit: 0,
        })
    }

    #[test]
    fn terms_and_commit_indices_never_fall() {
        let mut safety = Safety::new(3);
        assert_eq!(safety.stepped(0, &server(3, false, &[(1, 7), (1, 8)], 2)), Ok(()));
        let fell = Violation::CommitFell { server: 0, from: 2, to: 1 };
        assert_eq!(safety.stepped(0, &server(3, false, &[(1, 7), (1, 8)], 1)), Err(fell));
        let fell = Violation::TermFell { server: 0, from: 3, to: 2 };
        assert_eq!(safety.stepped(0, &server(2, false, &[(1, 7), (1, 8)], 2)), Err(fell));
    }

    #[test]
    fn a_restart_may_forget_a_term_that_nobody_heard_of() {
        let mut safety = Safety::new(3);
        assert_eq!(safety.stepped(0, &server(2, false, &[(1, 7)], 1)), Ok(()));
        assert_eq!(safety.started(0, &server(1, false, &[(1, 7)], 0)), Ok(()));
        safety.sent(0, &empty(2));
        let fell = Violation::TermFell { server: 0, from: 2, to: 1 };
        assert_eq!(safety.started(0, &server(1, false, &[(1, 7)], 0)), Err(fell));
    }

    #[test]
    fn a_term_has_one_leader_and_its_log_never_shrinks() {
        let mut safety = Safety::new(3);
        assert_eq!(safety.stepped(0, &server(2, true, &[(1, 7), (2, 8)], 0)), Ok(()));
        assert_eq!(safety.stepped(1, &server(3, true, &[(1, 7)], 0)), Ok(()));
        let lost = Violation::LeaderLostEntries { server: 0, term: 2, from: 2, to: 1 };
        assert_eq!(safety.stepped(0, &server(2, true, &[(1, 7)], 0)), Err(lost));
        let two = Violation::TwoLeaders { term: 3, first: 1, second: 2 };
        assert_eq!(safety.stepped(2, &server(3, true, &[(1, 7)], 0)), Err(two));
    }

    #[test]
    fn a_leader_holds_what_was_committed_in_earlier_terms() {
        let mut safety = Safety::new(3);
        let entry = Entry::command(1, command(7));
        let disks = [stored(2, &[(1, 7)]), stored(2, &[(1, 7)]), stored(2, &[])];
        assert_eq!(safety.committed(0, 2, 1, &entry, disks.iter()), Ok(()));
        // Late votes may still make a leader of an old term.
        assert_eq!(safety.stepped(1, &server(2, true, &[], 0)), Ok(()));
        let incomplete = |server| Violation::LeaderIncomplete { server, term: 3, index: 1 };
        assert_eq!(safety.stepped(2, &server(3, true, &[(1, 8)], 0)), Err(incomplete(2)));
        assert_eq!(safety.stepped(2, &server(4, true, &[(1, 7), (2, 9)], 0)), Ok(()));
    }

    #[test]
    fn what_is_committed_is_durable_on_a_majority() {
        let mut safety = Safety::new(3);
        let entry = Entry::command(1, command(7));
        let disks = [stored(1, &[(1, 7)]), stored(1, &[(1, 8)]), stored(1, &[])];
        let lost = Violation::NotStored { server: 0, index: 1, stored: 1 };
        assert_eq!(safety.committed(0, 1, 1, &entry, disks.iter()), Err(lost));
    }

    #[test]
    fn ten_heartbeats_a_second_are_allowed_and_eleven_are_not() {
        let at = |tenths: u32| HEARTBEAT_WINDOW / 10 * tenths;
        let mut safety = Safety::new(3);
        for tenths in 0..30 {
            assert_eq!(safety.owes(0, 1, &empty(1), at(tenths)), Ok(()));
            assert_eq!(safety.owes(0, 2, &empty(1), at(tenths)), Ok(()));
        }
        let many = Violation::TooManyHeartbeats { from: 0, to: 1 };
        assert_eq!(safety.owes(0, 1, &empty(1), at(29)), Err(many));
    }

    #[test]
    fn logs_match_before_the_last_entry_of_the_same_term() {
        let compare = |one: &[(Term, u64)], other: &[(Term, u64)]| {
            logs_match((0, &server(9, false, one, 0)), (1, &server(9, false, other, 0)))
        };
        let differ =
            |agree, differ| Err(Violation::LogsDiffer { first: 0, second: 1, agree, differ });
        assert_eq!(compare(&[], &[(1, 1)]), Ok(()));
        assert_eq!(compare(&[(1, 1), (2, 2)], &[(1, 1), (3, 3), (3, 4)]), Ok(()));
        assert_eq!(compare(&[(1, 1), (2, 2)], &[(1, 1), (2, 5)]), differ(2, 2));
        assert_eq!(compare(&[(1, 1), (2, 2)], &[(1, 6), (2, 2)]), differ(2, 1));
        assert_eq!(compare(&[(1, 1), (3, 2)], &[(2, 1), (3, 2)]), differ(2, 1));
    }
}
