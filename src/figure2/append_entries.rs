//! The AppendEntries box of Figure 2: invoked by the leader to replicate log entries (§5.3);
//! also used as heartbeat (§5.2).

use serde::{Deserialize, Serialize};

use super::log::{Entries, Index, Term};
use super::{Message, Output, Record, Role, Server, ServerId, Timer, TimerDuty};

/// Arguments of the AppendEntries RPC.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AppendEntries {
    /// The leader's term.
    pub term: Term,
    /// The leader, so that followers can redirect clients.
    pub leader_id: ServerId,
    /// The index of the entry right before the new ones.
    pub prev_log_index: Index,
    /// The term of the entry at `prev_log_index`.
    pub prev_log_term: Term,
    /// The entries to store; none in a heartbeat.
    pub entries: Entries,
    /// The leader's `commit_index`.
    pub leader_commit: Index,
}

/// Results of the AppendEntries RPC.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AppendEntriesReply {
    /// The receiver's current term, for a leader that is behind.
    pub term: Term,
    /// What became of the request.
    pub outcome: AppendOutcome,
}

/// What became of an AppendEntries: the paper's `success`, with what a leader has to know when
/// replies are not tied to their requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AppendOutcome {
    /// The receiver's log agrees with the leader's up to `match_index`.
    Success {
        /// The index of the last entry that the request covered.
        match_index: Index,
    },
    /// The request came from a leader of an older term.
    StaleTerm,
    /// The receiver does not hold the entry at `prev_log_index`, or holds one of another term.
    Conflict {
        /// The request's `prev_log_index`.
        prev_log_index: Index,
        /// The term of the receiver's entry at `prev_log_index`; none past the end of its log.
        conflict_term: Option<Term>,
        /// The index of the receiver's first entry of `conflict_term`; without one, its last
        /// index + 1.
        conflict_index: Index,
    },
}

impl Server {
    /// Receiver implementation. `AE.1`: refuses a leader of an older term.
    ///
    /// `CA.3`: a candidate that hears from the leader of its term follows it.
    pub(super) fn receive_append_entries(&mut self, request: AppendEntries, output: &mut Output) {
        let leader = request.leader_id;
        let outcome = if request.term < self.current_term() {
            AppendOutcome::StaleTerm
        } else {
            assert!(!self.is_leader(), "another leader in the term that this server leads");
            self.volatile.role = Role::Follower { leader: Some(leader) };
            output.timers.push(TimerDuty::Set(Timer::Election));
            self.store_entries(request, output)
        };
        let reply = AppendEntriesReply { term: self.current_term(), outcome };
        output.send.push((leader, Message::AppendEntriesReply(reply)));
    }

    /// `AE.2`: refuses unless the log holds an entry at `prev_log_index` whose term is
    /// `prev_log_term`.
    fn store_entries(&mut self, request: AppendEntries, output: &mut Output) -> AppendOutcome {
        let prev_log_index = request.prev_log_index;
        if !self.log().term_at(prev_log_index).agrees_with(request.prev_log_term) {
            return self.conflict(prev_log_index);
        }
        let match_index = prev_log_index + request.entries.len() as Index;
        self.store_missing(prev_log_index, request.entries, output);
        self.follow_commit(request.leader_commit, match_index);
        AppendOutcome::Success { match_index }
    }

    /// `AE.3`: an entry that conflicts with a new one (same index, other term) goes, and all
    /// that follow it. `AE.4`: entries not yet in the log are appended.
    ///
    /// Entries held already stay, and so do those behind the last new one: the request may be
    /// older than they are.
    fn store_missing(&mut self, prev_log_index: Index, entries: Entries, output: &mut Output) {
        let log = self.persistent.log();
        let last_index = log.last_index();
        let held = (prev_log_index + 1..)
            .zip(entries.iter())
            .take_while(|&(index, entry)| log.term_at(index).agrees_with(entry.term))
            .count();
        if held == entries.len() {
            return;
        }
        let agreed = prev_log_index + held as Index;
        if agreed < last_index {
            self.write(Record::Truncate { last_index: agreed }, output);
        }
        let entries = entries.skip(held);
        self.write(Record::Append { entries }, output);
    }

    /// `AE.5`: commits what the leader has committed, up to the last entry known to agree.
    ///
    /// Never backwards: a delayed request may cover less than is committed already.
    fn follow_commit(&mut self, leader_commit: Index, match_index: Index) {
        let commit_index = leader_commit.min(match_index);
        self.volatile.commit_index = self.volatile.commit_index.max(commit_index);
    }

    /// The hint with which a leader passes over a whole term at a time (§5.3). `SN.14`: it lies
    /// behind the base.
    fn conflict(&self, prev_log_index: Index) -> AppendOutcome {
        let log = self.persistent.log();
        let conflict_term = log.term_at(prev_log_index).held();
        let conflict_index = match conflict_term {
            Some(term) => log.first_index_from_term(term),
            None => log.last_index() + 1,
        };
        AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index }
    }
}
