//! Rules for Servers: all servers, followers and candidates.

use veraft::figure2::{LIMIT, Output, Proposal, Role, Volatile};

use super::*;

fn asks(term: Term, last: (Index, Term), peers: &[ServerId]) -> Vec<(ServerId, Message)> {
    peers.iter().map(|&peer| (peer, request_vote(S1, term, last))).collect()
}

#[test]
fn a_server_starts_as_a_follower_with_its_election_timer() {
    let (server, output) = Server::start(config(3), persistent(4, Some(S2), &[1, 3]), 0);
    assert_eq!(output, Output { timers: vec![SET_ELECTION], ..Output::default() });
    let stored = server.log().last_index();
    assert_eq!(server.volatile(), &Volatile { stored, ..Volatile::default() });
    assert_eq!((server.current_term(), server.leader()), (4, None));
}

#[test]
fn a_follower_or_candidate_that_hears_nobody_stands_in_the_next_term() {
    let mut server = follower(4, &[1, 3]);
    for term in [5, 6] {
        let output = timeout(&mut server, Timer::Election);
        let expected = Output {
            persist: vec![ballot(term, Some(S1))],
            send: asks(term, (2, 3), &[S2, S3]),
            timers: vec![SET_ELECTION],
            ..Output::default()
        };
        assert_eq!(output, expected);
        let own = Role::Candidate { votes_granted: [S1].into() };
        assert_eq!(server.volatile().role, own);
        assert_eq!((server.is_leader(), server.leader()), (false, None));
    }
}

#[test]
fn a_leader_has_no_election_timeout() {
    let mut server = leader(5, &[1, 3]);
    let before = server.clone();
    assert_eq!(timeout(&mut server, Timer::Election), Output::default());
    assert_eq!(server, before);
}

#[test]
fn who_does_not_lead_has_no_heartbeat() {
    for mut server in [follower(5, &[1]), candidate(5, &[1])] {
        let before = server.clone();
        assert_eq!(timeout(&mut server, Timer::Heartbeat), Output::default());
        assert_eq!(server, before);
    }
}

/// Of five: its own and two others, each once, of its very term.
#[test]
fn votes_of_a_majority_make_a_leader() {
    let mut server = Server::start(config(5), persistent(4, None, &[]), 0).0;
    let _ = timeout(&mut server, Timer::Election);
    for (from, message) in
        [(S2, vote(5, true)), (S2, vote(5, true)), (S3, vote(4, true)), (S3, vote(5, false))]
    {
        assert_eq!(receive(&mut server, from, message), Output::default());
        assert!(!server.is_leader());
    }
    let _ = receive(&mut server, ServerId(5), vote(5, true));
    assert!(server.is_leader());
    assert_eq!(server.leader(), Some(S1));
}

#[test]
fn a_cluster_of_one_elects_itself() {
    let mut server = Server::start(config(1), Persistent::default(), 0).0;
    let output = timeout(&mut server, Timer::Election);
    assert!(server.is_leader());
    assert_eq!(output.timers, [SET_ELECTION, CANCEL_ELECTION, SET_HEARTBEAT]);
}

#[test]
fn a_follower_counts_no_votes() {
    let mut server = follower(5, &[]);
    assert_eq!(receive(&mut server, S2, vote(5, true)), Output::default());
    assert_eq!(server, follower(5, &[]));
}

#[test]
fn whoever_hears_of_a_greater_term_follows_in_it() {
    let later = [
        vote(6, true),
        vote(6, false),
        success(6, 1),
        request_vote(S2, 6, (0, 0)),
        append(6, (1, 1), &[], 0),
    ];
    for message in later {
        for mut server in [follower(5, &[1]), candidate(5, &[1]), leader(5, &[1])] {
            let led = server.is_leader();
            let output = receive(&mut server, S2, message.clone());
            assert_eq!(output.persist, [ballot(6, None)]);
            let stops = [CANCEL_HEARTBEAT, SET_ELECTION];
            assert_eq!(output.timers.starts_with(&stops), led);
            // A leader that shows itself sets the timer once more; nothing else does.
            let shows = matches!(message, Message::AppendEntries(_));
            let set = if led { 2 } else { 0 } + usize::from(shows);
            assert_eq!(output.timers.len(), set);
            let leader = shows.then_some(S2);
            assert_eq!(server.volatile().role, Role::Follower { leader });
        }
    }
}

#[test]
fn who_does_not_lead_names_the_leader_it_knows() {
    let refuses = |server: &mut Server, term, leader| {
        let before = server.clone();
        let output = propose(server, 1);
        let proposal = Some(Proposal::NotLeader { term, leader });
        assert_eq!(output, Output { proposal, ..Output::default() });
        assert_eq!(*server, before);
    };
    refuses(&mut candidate(5, &[]), 5, None);
    let mut server = follower(5, &[]);
    refuses(&mut server, 5, None);
    let _ = receive(&mut server, S2, append(5, (0, 0), &[], 0));
    refuses(&mut server, 5, Some(S2));
}

#[test]
fn a_quorum_is_more_than_half_and_strangers_never_count() {
    for (servers, least) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)] {
        let config = config(servers);
        for many in 0..=servers {
            let holds = config.is_quorum(|server| server.0 <= many);
            assert_eq!(holds, many >= least, "{many} of {servers}");
        }
        assert!(!config.is_quorum(|server| server.0 > servers));
    }
    assert_eq!(config(3).peers().collect::<Vec<_>>(), [S2, S3]);
}

#[test]
fn the_last_term_is_stood_in() {
    let mut server = follower(LIMIT - 1, &[]);
    let _ = timeout(&mut server, Timer::Election);
    assert_eq!(server.current_term(), LIMIT);
}

#[test]
#[should_panic(expected = "no more terms")]
fn no_term_follows_the_last() {
    let _ = timeout(&mut follower(LIMIT, &[]), Timer::Election);
}
