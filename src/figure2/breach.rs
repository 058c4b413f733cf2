//! What no correct peer sends: not in Figure 2, which takes peers to be correct. It stands guard
//! at the door, so that a peer with a bug, a lost disk or bad intent cannot make a server break
//! the rules, nor panic.
//!
//! A message that is late, doubled or overtaken by others is no breach: each check asks whether
//! a correct peer could *ever* have sent it, given what this server knows for good.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::log::{Base, Index, Term, TermAt};
use super::{
    AppendEntries, AppendOutcome, InstallSnapshot, Message, RequestVote, Server, ServerId,
};

/// Terms and indices go up to here, so that no sum of two of them overflows.
pub const LIMIT: u64 = 1 << 62;

/// How far the term of a message may lie above the receiver's, and the mark of a snapshot behind
/// its log, so that no message exhausts the terms or the indices.
pub const LEAP: u64 = 1 << 40;

/// Why a message is none that a correct peer sends. Nothing of it was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Breach {
    /// The sender is this server itself, or none of its cluster.
    Sender,
    /// The message names another server than the one that sent it.
    Name {
        /// The server that it names.
        named: ServerId,
    },
    /// A term or index is above [`LIMIT`], or the term of the message is 0 or more than
    /// [`LEAP`] above the receiver's, or a snapshot as far behind its log.
    Range {
        /// The number.
        number: u64,
    },
    /// The sender's log cannot be as the message says: terms along a log start at 1, never
    /// fall, and never exceed the sender's own.
    Log {
        /// The position in question.
        index: Index,
        /// The term that is said to stand there.
        term: Term,
    },
    /// The message comes from a leader of the term that another server leads.
    SecondLeader {
        /// The leader that the receiver knows: perhaps itself.
        leader: ServerId,
    },
    /// The reply answers nothing that the leader of this term can have sent.
    NeverSent {
        /// The position in question.
        index: Index,
    },
    /// The request contradicts an entry that was applied, here or in an earlier life: two
    /// entries were committed at one index. The server must not go on, for it may hold the last
    /// copy of what was acknowledged.
    Contradiction {
        /// The index of the entry.
        index: Index,
        /// The term of the entry that was applied.
        applied: Term,
        /// The term of the entry that the request has there.
        sent: Term,
    },
}

impl Breach {
    /// Whether the server that saw it must stop, for good.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Breach::Contradiction { .. })
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breach::Sender => write!(f, "its sender is not a peer in this cluster"),
            Breach::Name { named } => write!(f, "it names {named}, which did not send it"),
            Breach::Range { number } => write!(f, "it holds the number {number}, out of range"),
            Breach::Log { index, term } => {
                write!(f, "no log can hold an entry of term {term} at index {index} there")
            }
            Breach::SecondLeader { leader } => write!(f, "{leader} leads that term"),
            Breach::NeverSent { index } => {
                write!(f, "it answers for index {index} what was never sent")
            }
            Breach::Contradiction { index, applied, sent } => write!(
                f,
                "it has an entry of term {sent} at index {index}, where one of term {applied} was \
                 committed and applied: acknowledged entries were lost elsewhere"
            ),
        }
    }
}

fn must(holds: bool, breach: Breach) -> Result<(), Breach> {
    if holds { Ok(()) } else { Err(breach) }
}

/// A number that can be counted on from.
fn in_range(number: u64) -> Result<(), Breach> {
    must(number <= LIMIT, Breach::Range { number })
}

/// A position in a log whose terms go up to `most`: index 0 has term 0, and no other has.
fn position(index: Index, at: Term, most: Term) -> Result<(), Breach> {
    in_range(index)?;
    must((index == 0) == (at == 0) && at <= most, Breach::Log { index, term: at })
}

impl Server {
    /// Whether a correct peer can have sent `message`.
    pub(super) fn examine(&self, from: ServerId, message: &Message) -> Result<(), Breach> {
        self.examine_sender(from, message)?;
        self.examine_term(message.term())?;
        match message {
            Message::RequestVote(request) => examine_candidate(request),
            Message::RequestVoteReply(_) => Ok(()),
            Message::AppendEntries(request) => {
                examine_entries(request)?;
                self.examine_leader(request.term, request.leader_id)?;
                self.examine_committed(request)
            }
            Message::InstallSnapshot(request) => {
                examine_base(request)?;
                self.examine_leader(request.term, request.leader_id)?;
                self.examine_installed(request)
            }
            Message::AppendEntriesReply(reply) => self.examine_outcome(reply.term, &reply.outcome),
        }
    }

    /// `BR.1`: a message comes from another server of the cluster, in its own name.
    fn examine_sender(&self, from: ServerId, message: &Message) -> Result<(), Breach> {
        let is_peer = from != self.config.id && self.config.servers.contains(&from);
        must(is_peer, Breach::Sender)?;
        let named = match message {
            Message::RequestVote(request) => request.candidate_id,
            Message::AppendEntries(request) => request.leader_id,
            Message::InstallSnapshot(request) => request.leader_id,
            Message::RequestVoteReply(_) | Message::AppendEntriesReply(_) => from,
        };
        must(named == from, Breach::Name { named })
    }

    /// `BR.2`: terms rise one by one from 1, so none is far above another.
    fn examine_term(&self, term: Term) -> Result<(), Breach> {
        let most = LIMIT.min(self.current_term() + LEAP);
        must(0 < term && term <= most, Breach::Range { number: term })
    }

    /// `BR.5`: nobody but its one leader sends AppendEntries or InstallSnapshot in a term.
    fn examine_leader(&self, term: Term, leader_id: ServerId) -> Result<(), Breach> {
        let known = self.leader().filter(|_| term == self.current_term());
        let other = known.filter(|&leader| leader != leader_id);
        other.map_or(Ok(()), |leader| Err(Breach::SecondLeader { leader }))
    }

    /// `BR.6`: what was committed stands in the log of every later leader. A server that was
    /// told otherwise would destroy what it applied, perhaps the last copy.
    ///
    /// `commit_index` does not survive a restart; the floor that the driver kept does.
    fn examine_committed(&self, request: &AppendEntries) -> Result<(), Breach> {
        let committed = self.committed();
        let prev = request.prev_log_index;
        if request.term < self.current_term() || prev > committed {
            return Ok(());
        }
        let terms = request.entries.iter().map(|entry| entry.term);
        let mut sent = (prev..=committed).zip([request.prev_log_term].into_iter().chain(terms));
        sent.try_for_each(|(index, sent)| self.examine_applied(index, sent))
    }

    /// The same of the mark of a snapshot.
    fn examine_installed(&self, request: &InstallSnapshot) -> Result<(), Breach> {
        let Base { last_index: index, last_term: term } = request.base;
        let committed = self.committed();
        let far = index > self.log().last_index() + LEAP;
        must(!far, Breach::Range { number: index })?;
        if request.term < self.current_term() {
            Ok(())
        } else if index > committed {
            // Behind what was committed, in a log that holds it, no term is lower.
            let before = self.log().term_at(committed).held();
            must(before.is_none_or(|before| before <= term), Breach::Log { index, term })
        } else {
            self.examine_applied(index, term)
        }
    }

    /// The highest index that is known to be committed, in this life or an earlier one.
    fn committed(&self) -> Index {
        self.volatile.commit_index.max(self.volatile.floor)
    }

    /// Of what is compacted, nothing is left to compare with.
    fn examine_applied(&self, index: Index, sent: Term) -> Result<(), Breach> {
        match self.log().term_at(index) {
            TermAt::Compacted | TermAt::Absent => Ok(()),
            TermAt::Term(applied) => {
                must(applied == sent, Breach::Contradiction { index, applied, sent })
            }
        }
    }

    /// `BR.7`: a reply fits what the leader of its term can have sent. Judged by that leader
    /// alone, whose log only grows: after a crash, one that leads no longer may get an answer
    /// for entries that it lost before they were durable.
    fn examine_outcome(&self, term: Term, outcome: &AppendOutcome) -> Result<(), Breach> {
        if term != self.current_term() || !self.is_leader() {
            return Ok(());
        }
        let log = self.log();
        let held = |index| must(index <= log.last_index(), Breach::NeverSent { index });
        match *outcome {
            AppendOutcome::StaleTerm => Ok(()),
            AppendOutcome::Success { match_index } => held(match_index),
            AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index } => {
                held(prev_log_index)?;
                let hint = 0 < conflict_index && conflict_index <= prev_log_index;
                must(hint, Breach::NeverSent { index: conflict_index })?;
                // Entries of the leader's own term are its own: there the logs agree.
                let conflicts = conflict_term.is_none_or(|other| {
                    0 < other && other < term && log.term_at(prev_log_index) != TermAt::Term(other)
                });
                must(conflicts, Breach::NeverSent { index: prev_log_index })
            }
        }
    }
}

/// `BR.3`: a candidate's log ends in a term before the one that it stands in.
fn examine_candidate(request: &RequestVote) -> Result<(), Breach> {
    let RequestVote { term, candidate_id: _, last_log_index, last_log_term } = *request;
    position(last_log_index, last_log_term, term - 1)
}

/// `BR.8`: the mark of a snapshot is that of an entry, of the leader's term at most.
fn examine_base(request: &InstallSnapshot) -> Result<(), Breach> {
    let Base { last_index: index, last_term: term } = request.base;
    must(index > 0, Breach::Log { index, term })?;
    position(index, term, request.term)
}

/// `BR.4`: terms never fall along a log, and never exceed the leader's.
fn examine_entries(request: &AppendEntries) -> Result<(), Breach> {
    let AppendEntries { term, leader_id: _, prev_log_index, prev_log_term, entries, leader_commit } =
        request;
    position(*prev_log_index, *prev_log_term, *term)?;
    in_range(*leader_commit)?;
    in_range(prev_log_index + entries.len() as Index)?;
    let mut before = (*prev_log_term).max(1);
    for (index, entry) in (prev_log_index + 1..).zip(entries.iter()) {
        let in_order = before <= entry.term && entry.term <= *term;
        must(in_order, Breach::Log { index, term: entry.term })?;
        before = entry.term;
    }
    Ok(())
}
