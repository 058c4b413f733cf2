//! Two questions that the labs leave open, answered by the core.

use std::collections::BTreeSet;
use std::sync::Arc;

use veraft::figure2::{
    AppendEntriesReply, AppendOutcome, Config, Input, Message, Output, Payload, Persistent, Record,
    RequestVoteReply, Role, Server, ServerId, Timer, TimerDuty,
};

/// A candidate of three in term 1, and what it did to become one.
fn candidate() -> (Server, Output) {
    let servers: BTreeSet<_> = (0..3).map(ServerId).collect();
    let config =
        Config { id: ServerId(0), servers: Arc::new(servers), max_append_bytes: usize::MAX };
    let (mut server, _) = Server::start(config, Persistent::default(), 0);
    let output = server.step(Input::Timeout(Timer::Election));
    (server, output)
}

fn receive(server: &mut Server, from: u64, message: Message) -> Output {
    server.step(Input::Receive { from: ServerId(from), message })
}

/// Whatever reply brings the greater term, and even if it grants a vote: the candidate follows
/// in that term at once, says nothing, and its timer runs on.
#[test]
fn a_candidate_follows_when_a_reply_carries_a_greater_term() {
    let replies = [
        Message::RequestVoteReply(RequestVoteReply { term: 4, vote_granted: false }),
        Message::RequestVoteReply(RequestVoteReply { term: 4, vote_granted: true }),
        Message::AppendEntriesReply(AppendEntriesReply {
            term: 4,
            outcome: AppendOutcome::StaleTerm,
        }),
    ];
    for reply in replies {
        let (mut server, _) = candidate();
        let output = receive(&mut server, 1, reply);
        assert_eq!(server.current_term(), 4);
        assert_eq!(server.volatile().role, Role::Follower { leader: None });
        assert_eq!(
            output,
            Output {
                persist: vec![Record::Ballot { current_term: 4, voted_for: None }],
                ..Output::default()
            }
        );
        // Votes of the election it gave up no longer make a leader of it.
        let vote = Message::RequestVoteReply(RequestVoteReply { term: 1, vote_granted: true });
        assert_eq!(receive(&mut server, 2, vote), Output::default());
        assert!(!server.is_leader());
        // Its timer does: in the next term.
        let output = server.step(Input::Timeout(Timer::Election));
        assert_eq!(server.current_term(), 5);
        assert_eq!(output.send.len(), 2);
    }
}

/// A candidate asks each peer once. Neither a refusal nor a vote makes it ask again; the next
/// election timeout does, in a new term.
#[test]
fn a_lost_request_vote_is_not_repeated_but_by_the_next_election() {
    let (mut server, first) = candidate();
    assert_eq!(first.send.len(), 2);
    assert!(first.timers.contains(&TimerDuty::Set(Timer::Election)));
    let refusal = Message::RequestVoteReply(RequestVoteReply { term: 1, vote_granted: false });
    assert_eq!(receive(&mut server, 1, refusal), Output::default());
    assert_eq!(server.step(Input::Timeout(Timer::Heartbeat)), Output::default());
    let again = server.step(Input::Timeout(Timer::Election));
    let terms: Vec<_> = again.send.iter().map(|(_, message)| message.term()).collect();
    assert_eq!(terms, [2, 2]);
}

/// AppendEntries, on the other hand, is repeated until it is answered, when the driver says so.
#[test]
fn a_lost_append_entries_is_repeated_when_the_driver_says_so() {
    let (mut server, _) = candidate();
    let vote = Message::RequestVoteReply(RequestVoteReply { term: 1, vote_granted: true });
    let _ = receive(&mut server, 1, vote);
    assert!(server.is_leader());
    let sent =
        server.step(Input::Propose { payloads: vec![Payload::Command(vec![7].into())] }).send;
    let repeats = |server: &mut Server| {
        let peers = [1, 2].map(ServerId).into_iter();
        peers.flat_map(|peer| server.step(Input::Repeat { peer }).send).collect::<Vec<_>>()
    };
    assert_eq!(repeats(&mut server), sent);
    for peer in [1, 2] {
        let outcome = AppendOutcome::Success { match_index: 1 };
        let reply = Message::AppendEntriesReply(AppendEntriesReply { term: 1, outcome });
        let _ = receive(&mut server, peer, reply);
    }
    assert_eq!(repeats(&mut server), []);
    let heartbeat = server.step(Input::Timeout(Timer::Heartbeat)).send;
    let empty = |message: &Message| matches!(message, Message::AppendEntries(request) if request.entries.is_empty());
    assert!(heartbeat.iter().all(|(_, message)| empty(message)));
}
