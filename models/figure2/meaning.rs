//! What a letter of Figure 2 means, given its sender and its receiver, whatever stands around the
//! servers that wrote and read it.

use veraft::figure2::{
    AppendEntriesReply, AppendOutcome, Leader, Message, RequestVoteReply, Role, Term,
};

use crate::letters::{Letter, Meaning, Shared};
use crate::modelled::Modelled;
use crate::node::ModelNode;

/// What `letter` means to `receiver`. `last_term` is the scope's last.
///
/// Terms and votes are read on the disks, for a crash takes a server back to that; they never
/// go back further.
pub fn meaning<P: Modelled>(
    letter: &Letter<&Message>,
    sender: &ModelNode<P>,
    receiver: &ModelNode<P>,
    last_term: Term,
) -> Meaning {
    match letter.message {
        Message::RequestVoteReply(reply) => vote_meaning(letter, reply, receiver),
        Message::AppendEntriesReply(reply) => outcome_meaning(letter, reply, receiver),
        Message::RequestVote(_) | Message::AppendEntries(_) | Message::InstallSnapshot(_) => {
            request_meaning(letter, sender, receiver, last_term)
        }
    }
}

/// A request of a term below the receiver's is answered with the receiver's term, whatever else
/// it says. So is a candidate of the receiver's own term that asks for a vote already given: to
/// another, or to itself in an answer that no longer counts (the cluster asks about that one).
/// Once both servers have reached the scope's last term, the answer says nothing new.
///
/// All other requests mean what they say, a snapshot and entries below the receiver's base too,
/// although nothing of them is stored: a candidate of their term follows their sender, and each is
/// answered with an index of its own. A snapshot above the durable base is not even without effect
/// where it is committed in memory: after a crash it would be installed.
fn request_meaning<P: Modelled>(
    letter: &Letter<&Message>,
    sender: &ModelNode<P>,
    receiver: &ModelNode<P>,
    last_term: Term,
) -> Meaning {
    let term = letter.message.term();
    let receiver_term = receiver.disk.current_term();
    let vote_is_given = matches!(letter.message, Message::RequestVote(_))
        && term == receiver_term
        && term == receiver.server().current_term()
        && receiver.disk.voted_for().is_some();
    if term >= receiver_term && !vote_is_given {
        Meaning::Itself
    } else if receiver_term == last_term && sender.disk.current_term() == last_term {
        Meaning::Nothing
    } else {
        Meaning::Shared(Shared::Stale { from: letter.from, to: letter.to })
    }
}

/// A vote counts for the candidate of its term that has not counted it yet. Nobody becomes a
/// candidate in a term that it is in already, and votes counted stay so.
fn vote_meaning<P: Modelled>(
    letter: &Letter<&Message>,
    reply: &RequestVoteReply,
    receiver: &ModelNode<P>,
) -> Meaning {
    let counts = match &receiver.server().volatile().role {
        Role::Candidate { votes_granted } => !votes_granted.contains(&letter.from),
        Role::Follower { .. } | Role::Leader(_) => false,
    };
    reply_meaning(letter, !reply.vote_granted, reply.vote_granted && counts, receiver)
}

/// An acknowledgement counts for the leader of its term above `match_index`, which never falls,
/// and so does a refusal; also for a candidate of that term, which may lead it yet.
fn outcome_meaning<P: Modelled>(
    letter: &Letter<&Message>,
    reply: &AppendEntriesReply,
    receiver: &ModelNode<P>,
) -> Meaning {
    let (only_term, index) = match reply.outcome {
        AppendOutcome::Success { match_index } => (false, match_index),
        AppendOutcome::Conflict { prev_log_index, .. } => (false, prev_log_index),
        AppendOutcome::StaleTerm => (true, 0),
    };
    let counts = match &receiver.server().volatile().role {
        Role::Leader(Leader { match_index, .. }) => index > match_index[&letter.from],
        Role::Candidate { .. } => index > 0,
        Role::Follower { .. } => false,
    };
    reply_meaning(letter, only_term, counts, receiver)
}

/// A reply of a term below the receiver's is ignored, and terms never go back.
///
/// News is told by the disk too: while the receiver's own term runs ahead of it, the news means
/// nothing, but a crash makes it news again. Its meaning must not become more special meanwhile,
/// for which of several letters was kept is an accident of the path.
fn reply_meaning<P: Modelled>(
    letter: &Letter<&Message>,
    only_term: bool,
    counts: bool,
    receiver: &ModelNode<P>,
) -> Meaning {
    let term = letter.message.term();
    let current_term = receiver.server().current_term();
    if only_term && term > receiver.disk.current_term() {
        Meaning::Shared(Shared::News { to: letter.to, term })
    } else if term > receiver.disk.current_term() || (term == current_term && counts) {
        Meaning::Itself
    } else {
        Meaning::Nothing
    }
}
