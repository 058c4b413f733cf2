//! Each misstep is seen, and no step of the core is one.

use veraft::figure2::{
    AppendEntries, Config, Entries, Persistent, Record, RequestVote, RequestVoteReply, Term,
    Volatile,
};

use super::*;
use crate::properties::fixtures::{entries, server, stored};

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

fn propose() -> Input {
    let payloads = entries(&[(2, 9)]).iter().map(|entry| entry.payload.clone()).collect();
    Input::Propose { payloads }
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
        (leader(), propose()),
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
    let (mut persistent, mut volatile) = (server.persistent().clone(), server.volatile().clone());
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
fn a_follower_that_does_not_know_whom_it_heard_is_seen() {
    let takes = |leader| {
        move |_: &mut Output, after: &mut Server| {
            *after = with(after, |_, volatile| volatile.role = Role::Follower { leader });
        }
    };
    let led = place(&hear(append(2, 1, 1, entries(&[(2, 9)]))), false);
    assert_eq!(bent(led, takes(Some(B))), []);
    assert_eq!(bent(led, takes(None)), [Misstep::Leader]);
    let voted = place(&hear(ask(2, 1)), false);
    assert_eq!(bent(voted, takes(Some(B))), [Misstep::Leader]);
    let candidate = place(&hear(append(2, 0, 0, Entries::default())), false);
    let stays = |_: &mut Output, after: &mut Server| {
        *after = with(after, |_, volatile| {
            volatile.role = Role::Candidate { votes_granted: [A].into() };
        });
    };
    assert_eq!(bent(candidate, stays), [Misstep::Role]);
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
    let wrong = |input: Input, leads, to| next(&input, leads, to).contains(&Misstep::NextIndex);
    assert_eq!(next(&hear(success(2)), true, 3), []);
    assert!(wrong(hear(success(2)), true, 2));
    assert!(wrong(hear(success(0)), true, 1));
    assert!(wrong(hear(conflict(2)), true, 3));
    assert!(wrong(Input::Timeout(Timer::Heartbeat), true, 1));
    assert!(wrong(hear(vote(2)), false, 2));
    assert!(wrong(hear(reply(1, AppendOutcome::Success { match_index: 2 })), true, 1));
}

#[test]
fn a_refusal_moves_next_index_no_further_back_than_the_logs_may_part() {
    // The peer has term 3 from 5 on.
    let agrees = |own, index| may_agree(Some(own), index, Some(3), 5);
    assert!(agrees(3, 5) && agrees(3, 6) && agrees(2, 4));
    assert!(!agrees(2, 5) && !agrees(4, 5) && !agrees(3, 4));
    // Its log ends before 5.
    assert!(may_agree(Some(3), 4, None, 5) && !may_agree(Some(3), 5, None, 5));
}

#[test]
fn an_append_that_is_missing_or_sent_without_a_reason_is_seen() {
    let silent = |output: &mut Output, _: &mut Server| output.send.clear();
    let again = |output: &mut Output, _: &mut Server| {
        let sent = append(2, 0, 0, entries(&[(1, 7)]));
        output.send.push((B, sent));
    };
    let wrong = [Misstep::Sends];
    for input in [Input::Timeout(Timer::Heartbeat), hear(conflict(2)), propose()] {
        assert_eq!(bent(place(&input, true), silent), wrong, "{input:?}");
    }
    for input in [Input::Timeout(Timer::Heartbeat), hear(conflict(2)), hear(success(0))] {
        assert_eq!(bent(place(&input, true), again), wrong, "{input:?}");
    }
    let elected = place(&hear(vote(2)), false);
    assert_eq!(bent(elected, silent), wrong);
    assert_eq!(bent(place(&Input::Timeout(Timer::Heartbeat), false), again), wrong);
}
