//! Rules for Servers: leaders.

use veraft::figure2::{Output, Proposal, Role};

use super::*;

/// What a leader sends in `term` to `peers`: entries of these terms behind the entry at `prev`.
fn sends(term: Term, prev: (Index, Term), entries: &Entries, to: &[ServerId]) -> Output {
    let message = append_from(S1, term, prev, entries.clone(), 0);
    let send = to.iter().map(|&peer| (peer, message.clone())).collect();
    Output { send, ..Output::default() }
}

/// To S2 alone, with the entries of the leader's log from `first` on, `count` of them.
fn sends_on(leader: &Server, first: Index, count: Index) -> Output {
    let prev = leader.log().term_at(first - 1).held().unwrap();
    let entries = leader.log().range(first, first + count - 1);
    sends(leader.current_term(), (first - 1, prev), &entries, &[S2])
}

fn next_and_match(leader: &Server, peer: ServerId) -> (Index, Index) {
    match &leader.volatile().role {
        Role::Leader(leader) => (leader.next_index[&peer], leader.match_index[&peer]),
        other @ (Role::Follower { .. } | Role::Candidate { .. }) => panic!("{other:?}"),
    }
}

#[test]
fn a_leader_shows_itself_at_once_and_assumes_that_nobody_lacks_anything() {
    let mut server = candidate(5, &[1, 3]);
    let output = receive(&mut server, S2, vote(5, true));
    let timers = vec![CANCEL_ELECTION, SET_HEARTBEAT];
    assert_eq!(output, Output { timers, ..sends(5, (2, 3), &Entries::default(), &[S2, S3]) });
    assert_eq!(next_and_match(&server, S2), (3, 0));
    assert_eq!(next_and_match(&server, S3), (3, 0));
    assert_eq!(server.volatile().commit_index, 0);
}

#[test]
fn another_vote_changes_nothing_for_a_leader() {
    let mut server = leader(5, &[1, 3]);
    let _ = propose(&mut server, 1);
    let before = server.clone();
    assert_eq!(receive(&mut server, S3, vote(5, true)), Output::default());
    assert_eq!(server, before);
}

#[test]
fn a_heartbeat_is_empty_and_repeats_nothing() {
    let mut server = leader(5, &[1, 3]);
    let output = timeout(&mut server, Timer::Heartbeat);
    let timers = vec![SET_HEARTBEAT];
    let empty = Entries::default();
    assert_eq!(output, Output { timers: timers.clone(), ..sends(5, (2, 3), &empty, &[S2, S3]) });
    let _ = propose(&mut server, 1);
    let output = timeout(&mut server, Timer::Heartbeat);
    assert_eq!(output, Output { timers, ..sends(5, (2, 3), &empty, &[S2, S3]) });
}

#[test]
fn what_is_not_acknowledged_is_sent_again_when_the_driver_says_so() {
    let mut server = leader(5, &[1, 3]);
    let repeat = |server: &mut Server| step(server, Input::Repeat { peer: S2 });
    assert_eq!(repeat(&mut server), Output::default(), "it lacks nothing");
    let _ = propose(&mut server, 2);
    assert_eq!(repeat(&mut server), sends_on(&server, 3, 2));
    let _ = receive(&mut server, S2, success(5, 3));
    assert_eq!(repeat(&mut server).send.len(), 1);
    let before = server.clone();
    let _ = repeat(&mut server);
    assert_eq!(server, before, "it may be lost again");
    let mut follower = follower(5, &[1, 3]);
    assert_eq!(repeat(&mut follower), Output::default());
}

/// Thesis, 10.2.1.
#[test]
fn a_leader_counts_itself_as_far_as_its_own_disk_has_the_log() {
    let mut server = leader(5, &[1, 3]);
    let payloads = vec![Payload::Blank; 2];
    let output = unstored_step(&mut server, Input::Propose { payloads });
    assert_eq!(output.send.len(), 2, "entries leave at once");
    let _ = receive(&mut server, S2, success(5, 4));
    assert_eq!(server.volatile().commit_index, 0, "one of three");
    let half = step(&mut server, Input::Stored { last_index: 3, last_term: 5 });
    assert_eq!((server.volatile().commit_index, applied(&half)), (3, vec![(1, 1), (2, 3), (3, 5)]));
    let other = step(&mut server, Input::Stored { last_index: 4, last_term: 3 });
    assert_eq!((server.volatile().stored, applied(&other)), (3, vec![]), "another entry");
    // Others may commit without it, and it applies only what it could give back.
    let committed = receive(&mut server, S3, success(5, 4));
    assert_eq!((server.volatile().commit_index, applied(&committed)), (4, vec![]));
    assert_eq!(applied(&store(&mut server)), [(4, 5)]);
}

#[test]
fn what_is_cut_off_was_stored_in_vain() {
    let mut server = follower(5, &[1, 3, 3]);
    assert_eq!(server.volatile().stored, 3, "it starts from what its disk has");
    let message = append(6, (1, 1), &[5, 5], 3);
    let output = unstored_step(&mut server, Input::Receive { from: S2, message });
    assert_eq!((server.volatile().stored, applied(&output)), (1, vec![(1, 1)]));
    let late = step(&mut server, Input::Stored { last_index: 3, last_term: 3 });
    assert_eq!((server.volatile().stored, applied(&late)), (1, vec![]));
    assert_eq!(applied(&store(&mut server)), [(2, 5), (3, 5)]);
}

#[test]
fn a_proposal_is_appended_and_sent_to_those_that_lack_nothing_else() {
    let mut server = leader(5, &[1, 3]);
    let output = propose(&mut server, 2);
    assert_eq!(terms(&server), [1, 3, 5, 5]);
    let appended = server.log().range(3, 4);
    let expected = Output {
        persist: vec![Record::Append { entries: appended.clone() }],
        proposal: Some(Proposal::Accepted { term: 5, first_index: 3 }),
        ..sends(5, (2, 3), &appended, &[S2, S3])
    };
    assert_eq!(output, expected);
    // S2 acknowledges, S3 does not: only S2 lacks nothing but what comes next.
    let _ = receive(&mut server, S2, success(5, 4));
    let output = propose(&mut server, 1);
    assert_eq!(output.proposal, Some(Proposal::Accepted { term: 5, first_index: 5 }));
    let (to, _) = &output.send[0];
    assert_eq!((*to, output.send.len()), (S2, 1));
}

#[test]
fn an_empty_proposal_names_where_it_would_stand() {
    let mut server = leader(5, &[1, 3]);
    let before = server.clone();
    let proposal = Some(Proposal::Accepted { term: 5, first_index: 3 });
    assert_eq!(propose(&mut server, 0), Output { proposal, ..Output::default() });
    assert_eq!(server, before);
}

#[test]
fn a_batch_that_is_acknowledged_is_followed_by_the_next() {
    let mut server = leader(5, &[1, 3]);
    let _ = propose(&mut server, 9);
    // Four travelled, of eleven entries in all.
    let mut output = receive(&mut server, S2, success(5, 6));
    assert_eq!(next_and_match(&server, S2), (7, 6));
    assert_eq!((applied(&output).len(), server.volatile().commit_index), (6, 6));
    output.apply.clear();
    let entries = server.log().range(7, 10);
    let next = append_from(S1, 5, (6, 5), entries, 6);
    assert_eq!(output, Output { send: vec![(S2, next)], ..Output::default() });
    let _ = receive(&mut server, S2, success(5, 11));
    assert_eq!(next_and_match(&server, S2), (12, 11));
    // What was overtaken, or arrives twice, moves nothing back.
    for late in [6, 11] {
        let before = server.clone();
        assert_eq!(receive(&mut server, S2, success(5, late)), Output::default());
        assert_eq!(server, before);
    }
}

/// §5.4.2, Figure 8.
#[test]
fn a_quorum_commits_entries_of_the_leaders_own_term_and_with_them_those_before() {
    let mut server = leader(5, &[1, 3]);
    assert_eq!(applied(&receive(&mut server, S2, success(5, 2))), []);
    assert_eq!(applied(&receive(&mut server, S3, success(5, 2))), []);
    assert_eq!(server.volatile().commit_index, 0);
    assert_eq!(applied(&propose(&mut server, 2)), []);
    assert_eq!(applied(&receive(&mut server, S2, success(5, 3))), [(1, 1), (2, 3), (3, 5)]);
    assert_eq!(applied(&receive(&mut server, S3, success(5, 3))), []);
    assert_eq!(applied(&receive(&mut server, S3, success(5, 4))), [(4, 5)]);
    assert_eq!(server.volatile().commit_index, 4);
    // Heartbeats tell it.
    let output = timeout(&mut server, Timer::Heartbeat);
    assert_eq!(output.send[0].1, append_from(S1, 5, (3, 5), Entries::default(), 4));
}

#[test]
fn of_five_servers_two_peers_have_to_hold_an_entry() {
    let mut server = Server::start(config(5), persistent(4, None, &[]), 0).0;
    let _ = timeout(&mut server, Timer::Election);
    for voter in [S2, S3] {
        let _ = receive(&mut server, voter, vote(5, true));
    }
    let _ = propose(&mut server, 3);
    let committed = |server: &Server| server.volatile().commit_index;
    let _ = receive(&mut server, S2, success(5, 3));
    assert_eq!(committed(&server), 0);
    let _ = receive(&mut server, S3, success(5, 1));
    assert_eq!(committed(&server), 1);
    let _ = receive(&mut server, ServerId(4), success(5, 2));
    assert_eq!(committed(&server), 2);
}

#[test]
fn a_cluster_of_one_commits_at_once() {
    let mut server = Server::start(config(1), Persistent::default(), 0).0;
    let _ = timeout(&mut server, Timer::Election);
    assert_eq!(applied(&propose(&mut server, 2)), [(1, 1), (2, 1)]);
}

/// The leader's log, the entry that S2 refuses, and where it says that the logs part; from where
/// the leader tries again.
type Refused<'r> = (&'r [Term], Index, Option<Term>, Index, Index);

#[test]
fn a_refusal_moves_back_past_the_whole_conflicting_term() {
    let rows: [Refused<'_>; 7] = [
        // S2's log ends before.
        (&[1, 1, 4, 4, 4], 5, None, 3, 3),
        (&[1, 1, 4, 4, 4], 5, None, 1, 1),
        // The leader has no entry of the term that S2 has there.
        (&[1, 1, 4, 4, 4], 5, Some(3), 2, 2),
        (&[1, 1, 4, 4, 4], 5, Some(2), 5, 5),
        // It has: behind its last one the logs may part first.
        (&[1, 1, 3, 4, 4], 5, Some(3), 2, 4),
        (&[1, 1, 3, 4, 4], 5, Some(1), 1, 3),
        (&[2, 2, 2, 2, 4], 5, Some(2), 5, 5),
    ];
    for (log, prev, conflict_term, conflict_index, next) in rows {
        let mut server = leader(6, log);
        let output = receive(&mut server, S2, conflict(6, prev, conflict_term, conflict_index));
        let told = format!("{log:?} {conflict_term:?} {conflict_index}");
        assert_eq!(next_and_match(&server, S2), (next, 0), "{told}");
        assert_eq!(output, sends_on(&server, next, (6 - next).min(4)), "{told}");
    }
}

/// At the refused entry the logs cannot agree, nor behind it.
#[test]
fn a_term_that_the_leader_has_only_from_the_refused_entry_on_says_nothing_of_it() {
    let mut server = leader(6, &[1, 1, 3, 4, 4]);
    let output = receive(&mut server, S2, conflict(6, 3, Some(4), 2));
    assert_eq!(next_and_match(&server, S2), (2, 0));
    assert_eq!(output, sends_on(&server, 2, 4));
}

#[test]
fn what_was_acknowledged_is_not_sent_again() {
    let mut server = leader(5, &[1, 3, 3, 3]);
    let _ = receive(&mut server, S2, success(5, 2));
    // A late refusal of what was overtaken.
    let before = server.clone();
    for prev in [1, 2] {
        let late = conflict(5, prev, None, 1);
        assert_eq!(receive(&mut server, S2, late), Output::default());
        assert_eq!(server, before);
    }
    // One of more than that moves back no further than to what is acknowledged.
    let output = receive(&mut server, S2, conflict(5, 3, None, 1));
    assert_eq!(next_and_match(&server, S2), (3, 2));
    assert_eq!(output, sends_on(&server, 3, 2));
}

#[test]
fn answers_to_a_leader_of_another_term_and_to_nobody_mean_nothing() {
    for mut server in [leader(5, &[1, 3]), candidate(5, &[1, 3]), follower(5, &[1, 3])] {
        let before = server.clone();
        for late in [success(4, 2), conflict(4, 2, None, 1)] {
            assert_eq!(receive(&mut server, S2, late), Output::default());
            assert_eq!(server, before);
        }
    }
    for mut server in [candidate(5, &[1, 3]), follower(5, &[1, 3])] {
        let before = server.clone();
        assert_eq!(receive(&mut server, S2, success(5, 2)), Output::default());
        assert_eq!(server, before);
    }
    // An old leader's request, which this one has refused in the name of its own term.
    let mut server = leader(5, &[1, 3]);
    let before = server.clone();
    let stale = reply(5, AppendOutcome::StaleTerm);
    assert_eq!(receive(&mut server, S2, stale), Output::default());
    assert_eq!(server, before);
}
