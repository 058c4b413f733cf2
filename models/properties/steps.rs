//! What must hold of one step of Figure 2, from the server before it, what happened, what it
//! returned and the server behind it. What these rules say costs no safety where it is broken, so
//! no state shows it: a cluster only becomes slower, or disturbs itself.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use veraft::figure2::{
    AppendEntriesReply, AppendOutcome, Base, Index, Input, Leader, Message, Output, Role, Server,
    ServerId, Term, TermAt, Timer, TimerDuty,
};

/// What a server did in a step that it should not, or should have done and did not.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Error,
)]
pub enum Misstep {
    /// Its term is not the greatest that it has heard of, or that it made.
    #[error("its term is not the greatest that it heard of or made")]
    Term,
    /// It learnt of a greater term, or of the leader of its own, and does not follow.
    #[error("it learnt of a greater term, or of its term's leader, and does not follow")]
    Role,
    /// As a follower it takes another server for the leader of its term than the one it has heard
    /// in it.
    #[error("it takes another for the leader than the one it has heard")]
    Leader,
    /// It set its election timer without a reason, or had one and did not.
    #[error("its election timer was set without a reason, or not set with one")]
    ElectionTimer,
    /// It set its heartbeat timer without a reason, or had one and did not.
    #[error("its heartbeat timer was set without a reason, or not set with one")]
    HeartbeatTimer,
    /// It answered with another term than its own, or not at all.
    #[error("a request was not answered in its own term")]
    Reply,
    /// It hints at another place where the logs part than the one that its log shows.
    #[error("what it answered is not true of its log")]
    Hint,
    /// What it sends to a peer next does not follow from what the peer answered.
    #[error("nextIndex does not follow from the answers")]
    NextIndex,
    /// It sent a peer another AppendEntries than was due, or none, or one too many.
    #[error("it sent another AppendEntries than was due, or none, or one too many")]
    Sends,
}

/// A step of Figure 2.
#[derive(Clone, Copy, Debug)]
pub struct Stepped<'a> {
    /// The server before.
    pub before: &'a Server,
    /// What happened.
    pub input: &'a Input,
    /// What came of it.
    pub output: &'a Output,
    /// The server behind it.
    pub after: &'a Server,
}

/// All that is wrong with a step.
pub fn missteps(step: Stepped<'_>) -> BTreeSet<Misstep> {
    let wrong = [
        (Misstep::Term, term_is_learnt(step)),
        (Misstep::Role, learner_follows(step)),
        (Misstep::Leader, leader_is_the_one_heard(step)),
        (Misstep::ElectionTimer, election_timer_is_set_when_due(step)),
        (Misstep::HeartbeatTimer, heartbeat_timer_is_set_when_due(step)),
        (Misstep::Reply, requests_are_answered_in_the_own_term(step)),
        (Misstep::Hint, hints_are_true(step)),
        (Misstep::NextIndex, next_index_follows_the_answers(step)),
        (Misstep::Sends, what_is_due_is_sent(step)),
    ];
    wrong.into_iter().filter(|(_, holds)| !holds).map(|(misstep, _)| misstep).collect()
}

impl<'a> Stepped<'a> {
    /// The message that arrived, if it was carried out.
    fn heard(self) -> Option<(ServerId, &'a Message)> {
        match self.input {
            Input::Receive { from, message } if self.output.breach.is_none() => {
                Some((*from, message))
            }
            Input::Receive { .. }
            | Input::Timeout(_)
            | Input::Propose { .. }
            | Input::Compacted { .. }
            | Input::Stored { .. }
            | Input::Repeat { .. }
            | Input::Pipeline { .. } => None,
        }
    }

    fn stands(self) -> bool {
        *self.input == Input::Timeout(Timer::Election) && !self.before.is_leader()
    }

    fn is_elected(self) -> bool {
        !self.before.is_leader() && self.after.is_leader()
    }

    fn is_deposed(self) -> bool {
        self.before.is_leader() && !self.after.is_leader()
    }

    /// The last that is to be done with a timer.
    fn duty(self, timer: Timer) -> Option<TimerDuty> {
        let of = |duty: &TimerDuty| match duty {
            TimerDuty::Set(set) => *set == timer,
            TimerDuty::Cancel(cancelled) => *cancelled == timer,
        };
        self.output.timers.iter().copied().rfind(of)
    }

    /// The leader of its term that the server heard, if it did.
    fn heard_leader(self) -> Option<ServerId> {
        let (term, leader) = match self.heard()?.1 {
            Message::AppendEntries(request) => (request.term, request.leader_id),
            Message::InstallSnapshot(request) => (request.term, request.leader_id),
            Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::AppendEntriesReply(_) => return None,
        };
        (term == self.after.current_term()).then_some(leader)
    }

    fn grants_a_vote(self) -> bool {
        self.output.send.iter().any(|(_, message)| match message {
            Message::RequestVoteReply(reply) => reply.vote_granted,
            Message::RequestVote(_)
            | Message::AppendEntries(_)
            | Message::AppendEntriesReply(_)
            | Message::InstallSnapshot(_) => false,
        })
    }
}

/// Whoever hears of a greater term adopts it; a candidate makes the next; else the term stays.
fn term_is_learnt(step: Stepped<'_>) -> bool {
    let before = step.before.current_term();
    let heard = step.heard().map_or(0, |(_, message)| message.term());
    step.after.current_term() == (before + u64::from(step.stands())).max(heard)
}

/// Whoever hears of a greater term, or the leader of its own, follows, in that step.
fn learner_follows(step: Stepped<'_>) -> bool {
    let greater = |(_, message): (_, &Message)| message.term() > step.before.current_term();
    let learns = step.heard().is_some_and(greater) || step.heard_leader().is_some();
    !learns || matches!(step.after.volatile().role, Role::Follower { .. })
}

/// A follower knows the leader of its term once it has heard it, and no other.
fn leader_is_the_one_heard(step: Stepped<'_>) -> bool {
    let same_term = step.before.current_term() == step.after.current_term();
    let known = if same_term { step.before.leader() } else { None };
    let heard = step.heard_leader();
    match step.after.volatile().role {
        Role::Follower { leader } => leader == heard.or(known),
        Role::Candidate { .. } | Role::Leader(_) => true,
    }
}

/// The election timer starts anew when a server stands, gives a vote, hears the leader of its
/// term or leads no longer, and at no other time (§5.2): who cannot win keeps nobody from
/// standing. It stops when the server is elected.
fn election_timer_is_set_when_due(step: Stepped<'_>) -> bool {
    let is_due =
        step.stands() || step.grants_a_vote() || step.heard_leader().is_some() || step.is_deposed();
    let duty = match (step.is_elected(), is_due) {
        (true, _) => Some(TimerDuty::Cancel(Timer::Election)),
        (false, true) => Some(TimerDuty::Set(Timer::Election)),
        (false, false) => None,
    };
    step.duty(Timer::Election) == duty
}

/// The heartbeat timer starts when a server is elected, and anew when it fires; it stops when the
/// server leads no longer.
fn heartbeat_timer_is_set_when_due(step: Stepped<'_>) -> bool {
    let duty = match (step.beats(), step.is_deposed()) {
        (true, _) => Some(TimerDuty::Set(Timer::Heartbeat)),
        (false, true) => Some(TimerDuty::Cancel(Timer::Heartbeat)),
        (false, false) => None,
    };
    step.duty(Timer::Heartbeat) == duty
}

/// Each request is answered, once, in the term that the receiver then has.
fn requests_are_answered_in_the_own_term(step: Stepped<'_>) -> bool {
    let Some((from, message)) = step.heard() else { return true };
    let answers = step.output.send.iter().filter_map(|(to, answer)| match (message, answer) {
        (Message::RequestVote(_), Message::RequestVoteReply(_))
        | (
            Message::AppendEntries(_) | Message::InstallSnapshot(_),
            Message::AppendEntriesReply(_),
        ) => Some((*to, answer.term())),
        _ => None,
    });
    let own = (from, step.after.current_term());
    match message {
        Message::RequestVote(_) | Message::AppendEntries(_) | Message::InstallSnapshot(_) => {
            answers.eq([own])
        }
        Message::RequestVoteReply(_) | Message::AppendEntriesReply(_) => true,
    }
}

/// A refusal says that the leader's term is over, or where the logs part: the term of the entry
/// that conflicts and the first index of that term, or the end of the log (§5.3).
fn hints_are_true(step: Stepped<'_>) -> bool {
    let (term, prev, covers) = match step.heard() {
        Some((_, Message::AppendEntries(request))) => {
            let prev = (request.prev_log_index, request.prev_log_term);
            (request.term, Some(prev), prev.0 + request.entries.len() as u64)
        }
        Some((_, Message::InstallSnapshot(request))) => {
            (request.term, None, request.base.last_index)
        }
        Some((
            _,
            Message::RequestVote(_) | Message::RequestVoteReply(_) | Message::AppendEntriesReply(_),
        ))
        | None => return true,
    };
    let log = step.before.log();
    let is_true = |reply: &AppendEntriesReply| match reply.outcome {
        AppendOutcome::Success { match_index } => match_index == covers,
        AppendOutcome::StaleTerm => term < step.before.current_term(),
        AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index } => {
            let held = log.first_index()..=prev_log_index;
            let first = |term| held.clone().find(|&i| log.term_at(i) == TermAt::Term(term));
            let parts = |(index, term)| {
                prev_log_index == index
                    && log.term_at(index) == conflict_term.map_or(TermAt::Absent, TermAt::Term)
                    && conflict_term != Some(term)
            };
            prev.is_some_and(parts)
                && Some(conflict_index) == conflict_term.map_or(Some(log.last_index() + 1), first)
        }
    };
    step.output.send.iter().all(|(_, message)| match message {
        Message::AppendEntriesReply(reply) => is_true(reply),
        Message::RequestVote(_)
        | Message::RequestVoteReply(_)
        | Message::AppendEntries(_)
        | Message::InstallSnapshot(_) => true,
    })
}

/// A new leader begins behind its log. An acknowledgement of more than was known moves
/// `next_index` behind it; the refusal of a request that counts moves it back, no further than
/// its hint asks; nothing else moves it.
fn next_index_follows_the_answers(step: Stepped<'_>) -> bool {
    let Role::Leader(after) = &step.after.volatile().role else { return true };
    let Role::Leader(before) = &step.before.volatile().role else {
        let behind = step.after.log().last_index() + 1;
        return after.next_index.values().all(|&next| next == behind);
    };
    let log = step.after.log();
    let follows = |peer: ServerId| match (next_index(after, peer), step.counts(peer)) {
        (next, None) => next == next_index(before, peer),
        (next, Some(Counts::Holds(match_index))) => next == match_index + 1,
        (next, Some(Counts::Parts { at, term, first })) => {
            let agrees = |index| may_agree(log.term_at(index).held(), index, term, first);
            next <= at && !(next..at).any(agrees)
        }
    };
    step.after.config().peers().all(follows)
}

fn next_index(leader: &Leader, peer: ServerId) -> Index {
    leader.next_index.get(&peer).copied().unwrap_or(0)
}

/// Whether a leader whose entry at `index` has the term `own` may agree there with a peer whose
/// first entry of `term` is at `first`, and whose log ends before `first` if it has no term.
fn may_agree(own: Option<Term>, index: Index, term: Option<Term>, first: Index) -> bool {
    match term {
        Some(term) if index < first => own.is_some_and(|own| own < term),
        Some(term) => own == Some(term),
        None => index < first,
    }
}

/// What an answer tells a leader that it did not know.
enum Counts {
    /// The peer holds everything up to there.
    Holds(Index),
    /// The logs part: see [`AppendOutcome::Conflict`].
    Parts { at: Index, term: Option<Term>, first: Index },
}

impl Stepped<'_> {
    /// What the answer of `peer` that arrived tells the leader of its term.
    fn counts(self, peer: ServerId) -> Option<Counts> {
        let Role::Leader(leader) = &self.before.volatile().role else { return None };
        let known = leader.match_index.get(&peer).copied().unwrap_or(0);
        let reply = match self.heard() {
            Some((from, Message::AppendEntriesReply(reply))) if from == peer => reply,
            Some(_) | None => return None,
        };
        match reply.outcome {
            _ if reply.term != self.before.current_term() => None,
            AppendOutcome::Success { match_index } => {
                (match_index > known).then_some(Counts::Holds(match_index))
            }
            AppendOutcome::Conflict { prev_log_index: at, conflict_term, conflict_index } => {
                let parts = Counts::Parts { at, term: conflict_term, first: conflict_index };
                (at > known).then_some(parts)
            }
            AppendOutcome::StaleTerm => None,
        }
    }

    /// Behind which index entries are sent ahead of an acknowledgement.
    fn pipelines_to(self, peer: ServerId) -> Option<Index> {
        let log = self.before.log();
        match *self.input {
            Input::Pipeline { peer: to, after } if to == peer && self.before.is_leader() => {
                (log.base().last_index..log.last_index()).contains(&after).then_some(after)
            }
            Input::Pipeline { .. }
            | Input::Receive { .. }
            | Input::Timeout(_)
            | Input::Propose { .. }
            | Input::Compacted { .. }
            | Input::Stored { .. }
            | Input::Repeat { .. } => None,
        }
    }

    fn beats(self) -> bool {
        let fires = *self.input == Input::Timeout(Timer::Heartbeat) && self.before.is_leader();
        self.is_elected() || fires
    }
}

/// A leader sends each peer an empty AppendEntries when it is elected and when its heartbeat timer
/// fires; and what the peer has not acknowledged, from `next_index` on, after an answer that
/// counts, when it appends what alone the peer lacks, and when it is to repeat it. What is
/// compacted goes as a snapshot. It sends it nothing else but what it is told to send ahead.
fn what_is_due_is_sent(step: Stepped<'_>) -> bool {
    let Role::Leader(leader) = &step.after.volatile().role else {
        return step.after.config().peers().all(|peer| step.replicates_to(peer).is_empty());
    };
    let log = step.after.log();
    let sends = |peer: ServerId| {
        let next = next_index(leader, peer);
        let held_all = next == step.before.log().last_index() + 1;
        let appends = matches!(step.input, Input::Propose { .. }) && held_all;
        let repeats = *step.input == Input::Repeat { peer };
        let lacking = step.counts(peer).is_some() || appends || repeats;
        let missing = if next < log.first_index() {
            Some(Replicates::Snapshot(log.base()))
        } else {
            (next <= log.last_index()).then_some(Replicates::Entries(next - 1))
        };
        let heartbeat = Replicates::Heartbeat((next - 1).max(log.base().last_index));
        let ahead = step.pipelines_to(peer).map(Replicates::Entries);
        let due = [step.beats().then_some(heartbeat), missing.filter(|_| lacking), ahead];
        step.replicates_to(peer).into_iter().eq(due.into_iter().flatten())
    };
    step.after.config().peers().all(sends)
}

/// What a leader sends, the index of the entry before it, or the mark of a snapshot.
#[derive(PartialEq, Eq)]
enum Replicates {
    Heartbeat(Index),
    Entries(Index),
    Snapshot(Base),
}

impl Stepped<'_> {
    /// Each AppendEntries and InstallSnapshot to `peer`.
    fn replicates_to(self, peer: ServerId) -> Vec<Replicates> {
        let to_peer = self.output.send.iter().filter(|(to, _)| *to == peer);
        let replicates = to_peer.filter_map(|(_, message)| match message {
            Message::AppendEntries(request) => Some(match request.entries.is_empty() {
                true => Replicates::Heartbeat(request.prev_log_index),
                false => Replicates::Entries(request.prev_log_index),
            }),
            Message::InstallSnapshot(request) => Some(Replicates::Snapshot(request.base)),
            Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::AppendEntriesReply(_) => None,
        });
        replicates.collect()
    }
}
