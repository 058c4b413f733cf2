//! The hook for snapshots: compaction, and the InstallSnapshot RPC.

use veraft::figure2::{BadRecord, Base, InstallSnapshot, LIMIT, Output, Role};

use super::*;

fn base(last_index: Index, last_term: Term) -> Base {
    Base { last_index, last_term }
}

fn install(term: Term, last_index: Index, last_term: Term) -> Message {
    let base = base(last_index, last_term);
    Message::InstallSnapshot(InstallSnapshot { term, leader_id: S2, base })
}

fn compacted(server: &mut Server, last_index: Index) -> Output {
    step(server, Input::Compacted { last_index })
}

/// What a follower of S2 owes that was told of a snapshot up to `match_index`.
fn acknowledges(term: Term, match_index: Index) -> Output {
    let send = vec![(S2, success(term, match_index))];
    Output { send, timers: vec![SET_ELECTION], ..Output::default() }
}

fn restores(base: Base) -> Output {
    let persist = vec![Record::Base(base)];
    Output { persist, restore: Some(base), ..acknowledges(5, base.last_index) }
}

/// A follower in term 5 that has applied the first `applied` of its entries, and compacted as
/// many as `last_index` says.
fn behind_a_base(log: &[Term], applied: Index, last_index: Index) -> Server {
    let mut server = follower(5, log);
    let prev = (applied, log[applied as usize - 1]);
    let _ = receive(&mut server, S2, append(5, prev, &[], applied));
    let _ = compacted(&mut server, last_index);
    assert_eq!(server.log().base().last_index, last_index);
    server
}

/// A leader of term 6 behind that.
fn leader_behind_a_base(log: &[Term], applied: Index, last_index: Index) -> Server {
    let mut server = behind_a_base(log, applied, last_index);
    let _ = timeout(&mut server, Timer::Election);
    let _ = receive(&mut server, S2, vote(6, true));
    assert!(server.is_leader());
    server
}

#[test]
fn an_image_of_what_was_applied_takes_the_place_of_the_log_up_to_it() {
    let mut server = behind_a_base(&[1, 1, 3, 3], 3, 2);
    assert_eq!((server.log().base(), terms(&server)), (base(2, 1), vec![3, 3]));
    assert_eq!((server.volatile().commit_index, server.volatile().last_applied), (3, 3));
    let output = compacted(&mut server, 3);
    let persist = vec![Record::Base(base(3, 3))];
    assert_eq!(output, Output { persist, ..Output::default() });
    // An older image, or the same, changes nothing.
    for late in [0, 2, 3] {
        assert_eq!(compacted(&mut server, late), Output::default());
    }
}

#[test]
#[should_panic = "an image at 3, and only 2 is applied"]
fn what_is_not_applied_is_not_compacted() {
    let mut server = follower(5, &[1, 1, 3]);
    let _ = receive(&mut server, S2, append(5, (2, 1), &[], 2));
    let _ = compacted(&mut server, 3);
}

#[test]
fn a_snapshot_ahead_of_the_log_takes_its_place_and_is_restored() {
    for log in [&[][..], &[1], &[1, 1, 3]] {
        let mut server = follower(5, log);
        assert_eq!(receive(&mut server, S2, install(5, 4, 3)), restores(base(4, 3)));
        assert_eq!((server.log().base(), terms(&server)), (base(4, 3), vec![]));
        assert_eq!((server.volatile().commit_index, server.volatile().last_applied), (4, 4));
        assert_eq!(server.leader(), Some(S2));
        // Twice, or late: it is acknowledged, and that is all.
        assert_eq!(receive(&mut server, S2, install(5, 4, 3)), acknowledges(5, 4));
        assert_eq!(receive(&mut server, S2, install(5, 2, 1)), acknowledges(5, 2));
    }
}

#[test]
fn a_log_that_holds_the_snapshots_last_entry_keeps_what_follows_it() {
    let mut server = follower(5, &[1, 1, 3, 3]);
    assert_eq!(receive(&mut server, S2, install(5, 3, 3)), restores(base(3, 3)));
    assert_eq!((terms(&server), server.volatile().last_applied), (vec![3], 3));
    // Of another term there, nothing is kept, not even what follows.
    let mut server = follower(5, &[1, 1, 2, 3]);
    assert_eq!(receive(&mut server, S2, install(5, 3, 3)), restores(base(3, 3)));
    assert!(server.log().entries().is_empty());
}

#[test]
fn what_is_committed_is_not_installed_again() {
    let mut server = follower(5, &[1, 1, 3]);
    let _ = receive(&mut server, S2, append(5, (3, 3), &[], 2));
    let before = server.clone();
    assert_eq!(receive(&mut server, S2, install(5, 2, 1)), acknowledges(5, 2));
    assert_eq!(server, before);
}

#[test]
fn a_stale_leaders_snapshot_is_refused_and_a_new_one_is_followed() {
    for mut server in [follower(5, &[1]), candidate(5, &[1]), leader(5, &[1])] {
        let before = server.clone();
        let send = vec![(S2, reply(5, AppendOutcome::StaleTerm))];
        let output = receive(&mut server, S2, install(4, 3, 3));
        assert_eq!((output, &server), (Output { send, ..Output::default() }, &before));
        let _ = receive(&mut server, S2, install(6, 3, 3));
        assert_eq!((server.current_term(), server.leader()), (6, Some(S2)));
        assert_eq!(server.log().base(), base(3, 3));
    }
}

#[test]
fn a_start_behind_a_base_restores_its_image_and_applies_from_there() {
    let stored = behind_a_base(&[1, 1, 3, 3], 3, 2).persistent().clone();
    let (mut server, output) = Server::start(config(3), stored, 3);
    let timers = vec![SET_ELECTION];
    let restore = Some(base(2, 1));
    assert_eq!(output, Output { timers, restore, ..Output::default() });
    assert_eq!((server.volatile().commit_index, server.volatile().last_applied), (2, 2));
    let output = receive(&mut server, S2, append(5, (4, 3), &[], 4));
    assert_eq!(applied(&output), [(3, 3), (4, 3)]);
}

#[test]
fn entries_that_overlap_the_base_are_taken_for_agreeing() {
    let mut server = behind_a_base(&[1, 1, 3, 3], 3, 3);
    // All of it below the base; up to it; across it, with something new.
    let mut hears = |prev, sent: &[Term]| receive(&mut server, S2, append(5, prev, sent, 3));
    assert_eq!(hears((0, 0), &[1, 1]), acknowledges(5, 2));
    assert_eq!(hears((1, 1), &[1, 3]), acknowledges(5, 3));
    assert_eq!(hears((1, 1), &[1, 3, 3]), acknowledges(5, 4));
    let persist = vec![Record::Append { entries: entries(&[5]) }];
    assert_eq!(hears((1, 1), &[1, 3, 3, 5]), Output { persist, ..acknowledges(5, 5) });
    assert_eq!(terms(&server), [3, 5]);
}

#[test]
fn a_hint_lies_behind_the_base() {
    let mut server = behind_a_base(&[3, 3, 3, 3], 2, 2);
    let output = receive(&mut server, S2, append(5, (4, 4), &[], 0));
    assert_eq!(output.send, [(S2, conflict(5, 4, Some(3), 3))]);
    let output = receive(&mut server, S2, append(5, (9, 4), &[], 0));
    assert_eq!(output.send, [(S2, conflict(5, 9, None, 5))]);
}

#[test]
fn a_log_that_is_all_compacted_ends_with_its_base() {
    let mut server = behind_a_base(&[1, 1, 3], 3, 3);
    assert!(matches!(
        receive(&mut server, S3, request_vote(S3, 6, (9, 2))),
        Output { send, .. } if send == [(S3, vote(6, false))]
    ));
    let output = receive(&mut server, S3, request_vote(S3, 7, (3, 3)));
    assert_eq!(output.send, [(S3, vote(7, true))]);
    let output = timeout(&mut server, Timer::Election);
    assert_eq!(output.send[0], (S2, request_vote(S1, 8, (3, 3))));
}

#[test]
fn a_peer_that_lacks_what_is_compacted_gets_a_snapshot_and_then_the_rest() {
    let mut server = leader_behind_a_base(&[1, 1, 3, 3], 3, 2);
    let snapshot = |server: &Server| {
        let base = server.log().base();
        let request = InstallSnapshot { term: 6, leader_id: S1, base };
        (S2, Message::InstallSnapshot(request))
    };
    // The peer has one entry: the leader holds none of what follows it.
    let output = receive(&mut server, S2, conflict(6, 4, None, 2));
    assert_eq!(output, Output { send: vec![snapshot(&server)], ..Output::default() });
    // A heartbeat names the base.
    let output = timeout(&mut server, Timer::Heartbeat);
    let heartbeat = append_from(S1, 6, (2, 1), Entries::default(), 3);
    assert_eq!(output.send[0], (S2, heartbeat));
    let repeat = |server: &mut Server| step(server, Input::Repeat { peer: S2 }).send;
    assert_eq!(repeat(&mut server), [snapshot(&server)]);
    // With the next compaction, the snapshot is the new one.
    let _ = compacted(&mut server, 3);
    assert_eq!(repeat(&mut server), [snapshot(&server)]);
    let output = receive(&mut server, S2, success(6, 3));
    let rest = append_from(S1, 6, (3, 3), server.log().range(4, 4), 3);
    assert_eq!(output.send, [(S2, rest)]);
}

#[test]
fn a_peer_that_lacks_only_what_is_held_gets_entries() {
    let mut server = leader_behind_a_base(&[1, 1, 3, 3], 3, 2);
    let output = receive(&mut server, S2, conflict(6, 4, None, 3));
    let entries = append_from(S1, 6, (2, 1), server.log().range(3, 4), 3);
    assert_eq!(output.send, [(S2, entries)]);
}

#[test]
fn what_a_server_compacts_is_no_less_committed() {
    let mut server = leader_behind_a_base(&[1, 1, 3, 3], 3, 3);
    let _ = propose(&mut server, 1);
    let output = receive(&mut server, S3, success(6, 5));
    assert_eq!(applied(&output), [(4, 3), (5, 6)]);
    assert!(matches!(server.volatile().role, Role::Leader(_)));
}

#[test]
fn a_base_that_cannot_be_is_not_read_back() {
    let before = [ballot(3, None), Record::Append { entries: entries(&[1, 2]) }];
    let fold = |last: &[Base]| {
        let bases = last.iter().map(|&base| Record::Base(base));
        Persistent::fold(before.iter().cloned().chain(bases))
    };
    assert!(fold(&[base(1, 1), base(2, 2), base(9, 3), base(LIMIT, 3)]).is_ok());
    for wrong in [base(0, 0), base(1, 0), base(1, 4), base(LIMIT + 1, 1)] {
        assert_eq!(fold(&[wrong]), Err(BadRecord::Base { base: wrong }));
    }
    for wrong in [base(2, 2), base(1, 1), base(3, 1)] {
        assert_eq!(fold(&[base(2, 2), wrong]), Err(BadRecord::Base { base: wrong }));
    }
    let cut = [Record::Base(base(2, 2)), Record::Truncate { last_index: 1 }];
    let cut = Persistent::fold(before.into_iter().chain(cut));
    assert_eq!(cut, Err(BadRecord::Truncate { last_index: 1 }));
}

#[test]
#[should_panic = "the base falls from 2 to 1"]
fn a_base_that_falls_is_not_written() {
    let mut stored = behind_a_base(&[1, 1, 3], 2, 2).persistent().clone();
    stored.write(Record::Base(base(1, 1)));
}

#[test]
#[should_panic = "a log that begins at 2 is cut at 1"]
fn what_is_compacted_is_not_cut_off() {
    let mut stored = behind_a_base(&[1, 1, 3], 2, 2).persistent().clone();
    stored.write(Record::Truncate { last_index: 1 });
}
