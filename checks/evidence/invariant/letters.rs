//! The letters of a drawing: what servers and history allow to be under way.

use veraft::figure2::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Index, Message, RequestVote,
    RequestVoteReply, ServerId, Term,
};
use veraft_models::Letter;

use super::drawing::Drawing;
use super::sketch::{Picks, last_term, pick};
use crate::evidence::proof::symbols::Symbol;

impl Drawing<'_> {
    /// A letter that what is already in the world allows; none if there is no such.
    pub fn letter(&mut self, picks: Picks) -> Option<Letter> {
        let [kind, who, other, a, b, _] = picks;
        let peer = |of: u64| pick(self.servers().filter(|&s| s != of).collect(), other);
        let (from, to, message) = match kind % 8 {
            0 => {
                let (candidate, term) = pick(self.asked(), who)?;
                let request = Message::RequestVote(RequestVote {
                    term,
                    candidate_id: ServerId(candidate),
                    last_log_index: self.world.get(Symbol::AskedIndex, [candidate, term]),
                    last_log_term: self.world.get(Symbol::AskedTerm, [candidate, term]),
                });
                (candidate, peer(candidate)?, request)
            }
            1 | 2 => {
                let (voter, term, candidate) = pick(self.votes_told(), who)?;
                let reply = RequestVoteReply { term, vote_granted: true };
                (voter, candidate, Message::RequestVoteReply(reply))
            }
            3 => {
                let from = pick(self.servers().collect(), who)?;
                let term = Term::from(a % 4) + 1;
                let message = match b % 2 {
                    0 => Message::RequestVoteReply(RequestVoteReply { term, vote_granted: false }),
                    _ => reply(term, AppendOutcome::StaleTerm),
                };
                (from, peer(from)?, message)
            }
            4 | 5 => {
                let term = pick(self.led().collect(), who)?;
                let leader = self.leader_of(term);
                (leader, peer(leader)?, Message::AppendEntries(self.request(term, picks)))
            }
            6 => {
                let term = pick(self.led().collect(), who)?;
                let leader = self.leader_of(term);
                let from = peer(leader)?;
                let held = self.world.get(Symbol::Held, [from, term]);
                let match_index = match b % 4 {
                    0 => Index::from(a) % (held + 1),
                    _ => held,
                };
                (from, leader, reply(term, AppendOutcome::Success { match_index }))
            }
            _ => {
                let term =
                    pick(self.led().filter(|term| !self.logs[term].is_empty()).collect(), who)?;
                let leader = self.leader_of(term);
                let last = self.logs[&term].len() as Index;
                (peer(leader)?, leader, reply(term, conflict(Index::from(a) % last + 1, b)))
            }
        };
        Some(Letter { from: ServerId(from), to: ServerId(to), message, image: None })
    }

    fn asked(&self) -> Vec<(u64, Term)> {
        let all = self.servers().flat_map(|c| self.terms().map(move |term| (c, term)));
        all.filter(|&(c, term)| self.world.is(Symbol::Asked, [c, term])).collect()
    }

    /// The votes that others than the candidate have cast.
    fn votes_told(&self) -> Vec<(u64, Term, u64)> {
        let mut told = Vec::new();
        for (candidate, term) in self.asked() {
            let voted =
                |&v: &u64| v != candidate && self.world.is(Symbol::Vote, [v, term, candidate]);
            told.extend(self.servers().filter(voted).map(|v| (v, term, candidate)));
        }
        told
    }

    /// A part of the log of `term`, with a commit index that some commit covers.
    fn request(&mut self, term: Term, [_, _, other, a, b, c]: Picks) -> AppendEntries {
        let log = &self.logs[&term];
        let (first, last) = ends(log.len(), a);
        let commit = pick(self.commits(term), c).filter(|_| b % 4 != 0);
        let (of, up_to) = commit.unwrap_or_default();
        let request = AppendEntries {
            term,
            leader_id: ServerId(self.leader_of(term)),
            prev_log_index: first as Index,
            prev_log_term: last_term(&log[..first]),
            entries: log[first..last].iter().cloned().collect(),
            leader_commit: match other % 4 {
                0 => Index::from(b / 4) % (up_to + 1),
                _ => up_to,
            },
        };
        let number = self.world.request_number(&request);
        self.world.set(Symbol::ToldTerm, [number], of);
        self.world.set(Symbol::ToldUpTo, [number], up_to);
        request
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

/// Two ends of a part of a log.
pub(super) fn ends(len: usize, pick: u8) -> (usize, usize) {
    let first = usize::from(pick % 16) % (len + 1);
    (first, first + usize::from(pick / 16) % (len - first + 1))
}
