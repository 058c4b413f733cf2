//! The RequestVote box of Figure 2: invoked by candidates to gather votes (§5.2, §5.4).

use serde::{Deserialize, Serialize};

use super::log::{Index, Term};
use super::{Message, Output, Record, Server, ServerId, Timer, TimerDuty};

/// Arguments of the RequestVote RPC.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestVote {
    /// The candidate's term.
    pub term: Term,
    /// The candidate that asks for the vote.
    pub candidate_id: ServerId,
    /// The index of the candidate's last log entry; 0 if it has none.
    pub last_log_index: Index,
    /// The term of the candidate's last log entry; 0 if it has none.
    pub last_log_term: Term,
}

/// Results of the RequestVote RPC.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestVoteReply {
    /// The receiver's current term, for a candidate that is behind.
    pub term: Term,
    /// Whether the candidate got the vote.
    pub vote_granted: bool,
}

impl Server {
    /// Receiver implementation. `FO.1`: the request is answered, whatever the answer.
    ///
    /// A vote given restarts the election timer; a refusal does not, so a candidate that
    /// cannot win does not keep others from standing.
    pub(super) fn receive_request_vote(&mut self, request: RequestVote, output: &mut Output) {
        let vote_granted = self.grants_vote(&request);
        if vote_granted {
            self.vote_for(request.candidate_id, output);
            output.timers.push(TimerDuty::Set(Timer::Election));
        }
        let reply = RequestVoteReply { term: self.current_term(), vote_granted };
        output.send.push((request.candidate_id, Message::RequestVoteReply(reply)));
    }

    /// `RV.1`: no vote for a candidate of an older term. `RV.2`: one vote a term, first come
    /// first served, and only for a candidate whose log is up to date.
    fn grants_vote(&self, request: &RequestVote) -> bool {
        let voted_for = self.persistent.voted_for();
        request.term >= self.current_term()
            && voted_for.is_none_or(|candidate| candidate == request.candidate_id)
            && self.is_up_to_date(request)
    }

    /// Whether the candidate's log is at least as up to date as this one's (§5.4.1): the later
    /// last term wins; with equal last terms, the longer log.
    fn is_up_to_date(&self, request: &RequestVote) -> bool {
        let log = self.persistent.log();
        (request.last_log_term, request.last_log_index) >= (log.last_term(), log.last_index())
    }

    /// Records the vote, unless it already stands.
    fn vote_for(&mut self, candidate: ServerId, output: &mut Output) {
        if self.persistent.voted_for() != Some(candidate) {
            let current_term = self.current_term();
            self.write(Record::Ballot { current_term, voted_for: Some(candidate) }, output);
        }
    }
}
