//! Dead letters: messages that their receiver will ignore in every future.

use veraft::figure2::{AppendOutcome, Message, Role};

use crate::history::Letter;
use crate::node::Node;

/// Whether `letter` means nothing to `receiver`, now and ever after.
///
/// Only replies die; a request of an older term is still answered. A reply of a term below the
/// receiver's is ignored, and terms never go back. A reply of the receiver's own term counts
/// only for the candidate or leader of that term, and a server that is neither can become
/// neither in that term: it had to be a candidate at the term's beginning, and a restart makes
/// a follower. A vote that is refused or counted, an acknowledgement at or below `match_index`,
/// and a refusal at or below it, change nothing, for votes and `match_index` only grow.
///
/// A crash takes a server back to what is on its disk, so the term there must have reached the
/// letter's too.
pub fn is_dead(letter: &Letter, receiver: &Node) -> bool {
    let server = &receiver.replica.server;
    let term = letter.message.term();
    if term > receiver.disk.current_term() {
        return false;
    }
    let is_old = term < server.current_term();
    match &letter.message {
        Message::RequestVote(_) | Message::AppendEntries(_) => false,
        Message::RequestVoteReply(reply) => {
            let counts = match &server.volatile().role {
                Role::Candidate { votes_granted } => !votes_granted.contains(&letter.from),
                Role::Follower { .. } | Role::Leader { .. } => false,
            };
            is_old || !reply.vote_granted || !counts
        }
        Message::AppendEntriesReply(reply) => {
            let matched = match &server.volatile().role {
                Role::Leader { match_index, .. } => match_index[&letter.from],
                Role::Candidate { .. } => 0,
                Role::Follower { .. } => return true,
            };
            is_old
                || match reply.outcome {
                    AppendOutcome::Success { match_index } => match_index <= matched,
                    AppendOutcome::Conflict { prev_log_index, .. } => prev_log_index <= matched,
                    AppendOutcome::StaleTerm => true,
                }
        }
    }
}
