//! What must hold of one step of Figure 2, from the server before it, what happened, what it
//! returned and the server behind it. What these rules say costs no safety where it is broken, so
//! no state shows it: a cluster only becomes slower, or disturbs itself.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use veraft::figure2::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Input, Leader, Message, Output, Role, Server,
    ServerId, Timer, TimerDuty,
};

/// What a server did in a step that it should not, or should have done and did not.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Error,
)]
pub enum Misstep {
    /// Its term is not the greatest that it has heard of, or that it made.
    #[error("its term is not the greatest that it heard of or made")]
    Term,
    /// It learnt of a greater term and does not follow in it.
    #[error("it learnt of a greater term, and does not follow")]
    Role,
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
        (Misstep::ElectionTimer, election_timer_is_set_when_due(step)),
        (Misstep::HeartbeatTimer, heartbeat_timer_is_set_when_due(step)),
        (Misstep::Reply, requests_are_answered_in_the_own_term(step)),
        (Misstep::Hint, hints_are_true(step)),
        (Misstep::NextIndex, next_index_follows_the_answers(step)),
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
            Input::Receive { .. } | Input::Timeout(_) | Input::Propose { .. } => None,
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
    fn heard_leader(self) -> Option<&'a AppendEntries> {
        match self.heard() {
            Some((_, Message::AppendEntries(request))) => {
                (request.term == self.after.current_term()).then_some(request)
            }
            Some((
                _,
                Message::RequestVote(_)
                | Message::RequestVoteReply(_)
                | Message::AppendEntriesReply(_),
            ))
            | None => None,
        }
    }

    fn grants_a_vote(self) -> bool {
        self.output.send.iter().any(|(_, message)| match message {
            Message::RequestVoteReply(reply) => reply.vote_granted,
            Message::RequestVote(_)
            | Message::AppendEntries(_)
            | Message::AppendEntriesReply(_) => false,
        })
    }
}

/// Whoever hears of a greater term adopts it; a candidate makes the next; else the term stays.
fn term_is_learnt(step: Stepped<'_>) -> bool {
    let before = step.before.current_term();
    let heard = step.heard().map_or(0, |(_, message)| message.term());
    step.after.current_term() == (before + u64::from(step.stands())).max(heard)
}

/// Whoever hears of a greater term follows, in that step.
fn learner_follows(step: Stepped<'_>) -> bool {
    let greater = |(_, message): (_, &Message)| message.term() > step.before.current_term();
    let follows = matches!(step.after.volatile().role, Role::Follower { .. });
    !step.heard().is_some_and(greater) || follows
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
    let fires = *step.input == Input::Timeout(Timer::Heartbeat) && step.before.is_leader();
    let duty = match (step.is_elected() || fires, step.is_deposed()) {
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
        | (Message::AppendEntries(_), Message::AppendEntriesReply(_)) => Some((*to, answer.term())),
        _ => None,
    });
    let own = (from, step.after.current_term());
    match message {
        Message::RequestVote(_) | Message::AppendEntries(_) => answers.eq([own]),
        Message::RequestVoteReply(_) | Message::AppendEntriesReply(_) => true,
    }
}

/// A refusal says that the leader's term is over, or where the logs part: the term of the entry
/// that conflicts and the first index of that term, or the end of the log (§5.3).
fn hints_are_true(step: Stepped<'_>) -> bool {
    let Some((_, Message::AppendEntries(request))) = step.heard() else { return true };
    let log = step.before.log();
    let is_true = |reply: &AppendEntriesReply| match reply.outcome {
        AppendOutcome::Success { match_index } => {
            match_index == request.prev_log_index + request.entries.len() as u64
        }
        AppendOutcome::StaleTerm => request.term < step.before.current_term(),
        AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index } => {
            let first = |term| (1..=prev_log_index).find(|&i| log.term_at(i) == Some(term));
            prev_log_index == request.prev_log_index
                && conflict_term == log.term_at(prev_log_index)
                && conflict_term != Some(request.prev_log_term)
                && Some(conflict_index) == conflict_term.map_or(Some(log.last_index() + 1), first)
        }
    };
    step.output.send.iter().all(|(_, message)| match message {
        Message::AppendEntriesReply(reply) => is_true(reply),
        Message::RequestVote(_) | Message::RequestVoteReply(_) | Message::AppendEntries(_) => true,
    })
}

/// A new leader begins behind its log. An acknowledgement of more than was known moves
/// `next_index` behind it; the refusal of a request that counts moves it back; nothing else moves
/// it.
fn next_index_follows_the_answers(step: Stepped<'_>) -> bool {
    let Role::Leader(after) = &step.after.volatile().role else { return true };
    let Role::Leader(before) = &step.before.volatile().role else {
        let behind = step.after.log().last_index() + 1;
        return after.next_index.values().all(|&next| next == behind);
    };
    let moved = |peer: ServerId| match step.heard() {
        Some((from, Message::AppendEntriesReply(reply)))
            if from == peer && reply.term == step.after.current_term() =>
        {
            moves(before, after, peer, &reply.outcome)
        }
        Some(_) | None => after.next_index.get(&peer) == before.next_index.get(&peer),
    };
    step.after.config().peers().all(moved)
}

/// Whether the answer of `peer` to the leader of this term moved `next_index` as it should.
fn moves(before: &Leader, after: &Leader, peer: ServerId, outcome: &AppendOutcome) -> bool {
    let next = after.next_index.get(&peer).copied().unwrap_or(0);
    let known = before.match_index.get(&peer).copied().unwrap_or(0);
    let stays = Some(&next) == before.next_index.get(&peer);
    match *outcome {
        AppendOutcome::Success { match_index } if match_index > known => next == match_index + 1,
        AppendOutcome::Conflict { prev_log_index, .. } if prev_log_index > known => {
            next <= prev_log_index
        }
        AppendOutcome::Success { .. }
        | AppendOutcome::Conflict { .. }
        | AppendOutcome::StaleTerm => stays,
    }
}

#[cfg(test)]
mod tests {
    use veraft::figure2::{
        Config, Entries, Persistent, Record, RequestVote, RequestVoteReply, Term, Volatile,
    };

    use super::super::fixtures::{entries, server, stored};
    use super::*;

    const A: ServerId = ServerId(0);
    const B: ServerId = ServerId(1);

    fn follower(term: Term, log: &[(Term, u64)]) -> Server {
        server(A, false, stored(term, log))
    }

    /// A leader of term 2 that has entries of two terms and knows nothing of its peers' logs.
    fn leader() -> Server {
        let follower = follower(1, &[(1, 7), (1, 8)]);
        let stands = after(&follower, &Input::Timeout(Timer::Election)).1;
        after(&stands, &hear(vote(2))).1
    }

    fn after(before: &Server, input: &Input) -> (Output, Server) {
        let mut server = before.clone();
        (server.step(input.clone()), server)
    }

    fn hear(message: Message) -> Input {
        Input::Receive { from: B, message }
    }

    fn ask(term: Term, last_log_index: u64) -> Message {
        let last_log_term = last_log_index.min(1);
        Message::RequestVote(RequestVote { term, candidate_id: B, last_log_index, last_log_term })
    }

    fn vote(term: Term) -> Message {
        Message::RequestVoteReply(RequestVoteReply { term, vote_granted: true })
    }

    fn append(term: Term, prev_log_index: u64, prev_log_term: Term, entries: Entries) -> Message {
        let (leader_id, leader_commit) = (B, 0);
        Message::AppendEntries(AppendEntries {
            term,
            leader_id,
            prev_log_index,
            prev_log_term,
            entries,
            leader_commit,
        })
    }

    fn reply(term: Term, outcome: AppendOutcome) -> Message {
        Message::AppendEntriesReply(AppendEntriesReply { term, outcome })
    }

    fn success(match_index: u64) -> Message {
        reply(2, AppendOutcome::Success { match_index })
    }

    fn conflict(prev_log_index: u64) -> Message {
        let outcome =
            AppendOutcome::Conflict { prev_log_index, conflict_term: None, conflict_index: 1 };
        reply(2, outcome)
    }

    /// Each kind of step: the server before it, and what happens.
    fn steps() -> Vec<(Server, Input)> {
        let empty = Entries::default;
        let two = || entries(&[(2, 9)]);
        let candidate = after(&follower(1, &[]), &Input::Timeout(Timer::Election)).1;
        vec![
            (follower(1, &[]), Input::Timeout(Timer::Election)),
            (follower(1, &[]), Input::Timeout(Timer::Heartbeat)),
            (leader(), Input::Timeout(Timer::Election)),
            (leader(), Input::Timeout(Timer::Heartbeat)),
            (candidate.clone(), hear(vote(2))),
            (candidate.clone(), hear(append(2, 0, 0, empty()))),
            (candidate, hear(reply(3, AppendOutcome::StaleTerm))),
            (follower(1, &[(1, 7)]), hear(ask(2, 1))),
            (follower(1, &[(1, 7)]), hear(ask(2, 0))),
            (follower(3, &[]), hear(ask(2, 0))),
            (follower(2, &[(1, 7)]), hear(append(2, 1, 1, two()))),
            (follower(2, &[(1, 7), (1, 8)]), hear(append(2, 2, 2, two()))),
            (follower(2, &[(1, 7)]), hear(append(2, 3, 2, empty()))),
            (follower(3, &[]), hear(append(2, 1, 1, empty()))),
            (follower(3, &[]), hear(success(1))),
            (leader(), hear(success(2))),
            (leader(), hear(success(0))),
            (leader(), hear(conflict(2))),
            (leader(), hear(reply(1, AppendOutcome::Success { match_index: 2 }))),
            (leader(), hear(reply(3, AppendOutcome::StaleTerm))),
            (leader(), hear(ask(3, 2))),
            (leader(), hear(append(3, 2, 1, empty()))),
            (
                leader(),
                Input::Propose {
                    payloads: vec![entries(&[(2, 9)]).iter().next().unwrap().payload.clone()],
                },
            ),
        ]
    }

    #[test]
    fn the_steps_of_the_core_are_right() {
        for (before, input) in steps() {
            let (output, after) = after(&before, &input);
            let step = Stepped { before: &before, input: &input, output: &output, after: &after };
            assert_eq!(missteps(step), BTreeSet::new(), "{input:?}");
        }
    }

    /// What is wrong once `bend` has bent what the step returned.
    fn bent(place: usize, bend: impl FnOnce(&mut Output, &mut Server)) -> Vec<Misstep> {
        let (before, input) = steps().remove(place);
        let (mut output, mut after) = after(&before, &input);
        bend(&mut output, &mut after);
        let step = Stepped { before: &before, input: &input, output: &output, after: &after };
        missteps(step).into_iter().collect()
    }

    fn place(of: &Input, leads: bool) -> usize {
        let is = |(before, input): &(Server, Input)| input == of && before.is_leader() == leads;
        steps().iter().position(is).expect("a step of the list")
    }

    fn with(server: &Server, change: impl FnOnce(&mut Persistent, &mut Volatile)) -> Server {
        let config: Config = server.config().clone();
        let (mut persistent, mut volatile) =
            (server.persistent().clone(), server.volatile().clone());
        change(&mut persistent, &mut volatile);
        Server::from_parts(config, persistent, volatile)
    }

    fn next_is(server: &mut Server, peer: ServerId, next: u64) {
        *server = with(server, |_, volatile| {
            if let Role::Leader(leader) = &mut volatile.role {
                leader.next_index.insert(peer, next);
            }
        });
    }

    #[test]
    fn a_timer_that_is_set_without_a_reason_or_not_with_one_is_seen() {
        let set = TimerDuty::Set(Timer::Election);
        let silent = |output: &mut Output, _: &mut Server| output.timers.clear();
        let waits = |output: &mut Output, _: &mut Server| output.timers.push(set);
        let refused = place(&hear(ask(2, 0)), false);
        assert_eq!(bent(refused, waits), [Misstep::ElectionTimer]);
        let granted = place(&hear(ask(2, 1)), false);
        assert_eq!(bent(granted, silent), [Misstep::ElectionTimer]);
        let led = place(&hear(append(2, 1, 1, entries(&[(2, 9)]))), false);
        assert_eq!(bent(led, silent), [Misstep::ElectionTimer]);
        let both = [Misstep::ElectionTimer, Misstep::HeartbeatTimer];
        assert_eq!(bent(place(&hear(vote(2)), false), silent), both);
        assert_eq!(bent(place(&hear(reply(3, AppendOutcome::StaleTerm)), true), silent), both);
        let beats = place(&Input::Timeout(Timer::Heartbeat), true);
        assert_eq!(bent(beats, silent), [Misstep::HeartbeatTimer]);
        let late = |output: &mut Output, _: &mut Server| {
            output.timers.push(TimerDuty::Set(Timer::Heartbeat));
        };
        assert_eq!(bent(place(&hear(success(2)), true), late), [Misstep::HeartbeatTimer]);
    }

    #[test]
    fn a_term_that_is_not_learnt_and_a_learner_that_does_not_follow_are_seen() {
        let ignored = place(&hear(reply(3, AppendOutcome::StaleTerm)), true);
        let wrong = bent(ignored, |_, after| *after = leader());
        assert!(wrong.starts_with(&[Misstep::Term, Misstep::Role]), "{wrong:?}");
        let stays = |_: &mut Output, after: &mut Server| {
            *after = with(after, |_, volatile| {
                volatile.role = Role::Candidate { votes_granted: [A].into() };
            });
        };
        let candidate = place(&hear(reply(3, AppendOutcome::StaleTerm)), false);
        assert_eq!(bent(candidate, stays), [Misstep::Role]);
        let leaps = |_: &mut Output, after: &mut Server| {
            *after = with(after, |persistent, _| {
                persistent.write(Record::Ballot { current_term: 9, voted_for: Some(A) });
            });
        };
        let stands = place(&Input::Timeout(Timer::Election), false);
        assert_eq!(bent(stands, leaps), [Misstep::Term]);
    }

    #[test]
    fn an_answer_that_is_missing_or_untrue_is_seen() {
        let silent = |output: &mut Output, _: &mut Server| output.send.clear();
        assert!(bent(place(&hear(ask(2, 1)), false), silent).contains(&Misstep::Reply));
        let says = |message: Message| {
            move |output: &mut Output, _: &mut Server| output.send = vec![(B, message)]
        };
        let stale = place(&hear(append(2, 1, 1, Entries::default())), false);
        assert_eq!(bent(stale, says(reply(2, AppendOutcome::StaleTerm))), [Misstep::Reply]);
        let parts = place(&hear(append(2, 2, 2, entries(&[(2, 9)]))), false);
        let hint = |conflict_term, conflict_index| {
            reply(2, AppendOutcome::Conflict { prev_log_index: 2, conflict_term, conflict_index })
        };
        assert_eq!(bent(parts, says(hint(Some(1), 1))), []);
        for untrue in [hint(Some(1), 2), hint(None, 2), hint(Some(2), 2)] {
            assert_eq!(bent(parts, says(untrue)), [Misstep::Hint]);
        }
        let covers = place(&hear(append(2, 1, 1, entries(&[(2, 9)]))), false);
        assert_eq!(bent(covers, says(success(1))), [Misstep::Hint]);
        assert_eq!(bent(covers, says(reply(2, AppendOutcome::StaleTerm))), [Misstep::Hint]);
    }

    #[test]
    fn a_next_index_that_moves_otherwise_than_by_an_answer_is_seen() {
        let moves = |to| move |_: &mut Output, after: &mut Server| next_is(after, B, to);
        let next = |input: &Input, leads, to| bent(place(input, leads), moves(to));
        let wrong = [Misstep::NextIndex];
        assert_eq!(next(&hear(success(2)), true, 3), []);
        assert_eq!(next(&hear(success(2)), true, 2), wrong);
        assert_eq!(next(&hear(success(0)), true, 1), wrong);
        assert_eq!(next(&hear(conflict(2)), true, 2), []);
        assert_eq!(next(&hear(conflict(2)), true, 3), wrong);
        assert_eq!(next(&Input::Timeout(Timer::Heartbeat), true, 1), wrong);
        assert_eq!(next(&hear(vote(2)), false, 2), wrong);
        let older = hear(reply(1, AppendOutcome::Success { match_index: 2 }));
        assert_eq!(next(&older, true, 1), wrong);
    }
}
