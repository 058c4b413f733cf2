//! The AppendEntries box: the receiver.

use veraft::figure2::{AppendOutcome, Output};

use super::*;

/// What a follower of S2 owes in `term` that changes nothing of its log.
fn answers(term: Term, outcome: AppendOutcome) -> Output {
    let send = vec![(S2, reply(term, outcome))];
    Output { send, timers: vec![SET_ELECTION], ..Output::default() }
}

fn accepts(term: Term, match_index: Index) -> Output {
    answers(term, AppendOutcome::Success { match_index })
}

fn refuses(
    term: Term,
    prev_log_index: Index,
    conflict_term: Option<Term>,
    conflict_index: Index,
) -> Output {
    answers(term, AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index })
}

#[test]
fn a_leader_of_an_older_term_is_told_the_term() {
    for mut server in [follower(5, &[1]), candidate(5, &[1]), leader(5, &[1])] {
        let before = server.clone();
        let output = receive(&mut server, S2, append(4, (1, 1), &[4], 1));
        let send = vec![(S2, reply(5, AppendOutcome::StaleTerm))];
        assert_eq!(output, Output { send, ..Output::default() });
        assert_eq!(server, before);
    }
}

#[test]
fn followers_and_candidates_follow_the_leader_of_their_term() {
    for mut server in [follower(5, &[1]), candidate(5, &[1])] {
        assert_eq!(server.leader(), None);
        assert_eq!(receive(&mut server, S2, append(5, (1, 1), &[], 0)), accepts(5, 1));
        assert_eq!(server.leader(), Some(S2));
        assert!(!server.is_leader());
    }
}

#[test]
fn a_log_without_the_entry_before_is_refused_with_where_the_logs_part() {
    let server = || follower(5, &[1, 1, 3, 3, 3]);
    let asked = |prev| receive(&mut server(), S2, append(5, prev, &[5], 9));
    assert_eq!(asked((6, 3)), refuses(5, 6, None, 6));
    assert_eq!(asked((9, 3)), refuses(5, 9, None, 6));
    assert_eq!(asked((5, 4)), refuses(5, 5, Some(3), 3));
    assert_eq!(asked((2, 2)), refuses(5, 2, Some(1), 1));
}

/// The terms of a log, what the request names before its entries and the terms of those; the
/// records that are owed, and the terms of the log behind it.
type Appended<'r> = (&'r [Term], (Index, Term), &'r [Term], &'r [Record], &'r [Term]);

#[test]
fn what_is_missing_is_appended_and_nothing_else() {
    let rows: [Appended<'_>; 7] = [
        // In an empty log, at its end, and nothing at all.
        (&[], (0, 0), &[1, 5], &[Record::Append { entries: entries(&[1, 5]) }], &[1, 5]),
        (&[1], (1, 1), &[5], &[Record::Append { entries: entries(&[5]) }], &[1, 5]),
        (&[1], (1, 1), &[], &[], &[1]),
        // A part of the request is held, at its beginning or behind.
        (
            &[1, 1, 3],
            (1, 1),
            &[1, 3, 5],
            &[Record::Append { entries: entries(&[5]) }],
            &[1, 1, 3, 5],
        ),
        // All of it, and more.
        (&[1, 1, 3], (0, 0), &[1], &[], &[1, 1, 3]),
        (&[1, 1, 3], (1, 1), &[1, 3], &[], &[1, 1, 3]),
        // The log of another leader is held from index 3 on.
        (
            &[1, 1, 3, 3],
            (1, 1),
            &[1, 4, 5],
            &[Record::Truncate { last_index: 2 }, Record::Append { entries: entries(&[4, 5]) }],
            &[1, 1, 4, 5],
        ),
    ];
    for (held, prev, sent, persist, then) in rows {
        let mut server = follower(5, held);
        let output = receive(&mut server, S2, append(5, prev, sent, 0));
        let covered = prev.0 + sent.len() as Index;
        let expected = Output { persist: persist.to_vec(), ..accepts(5, covered) };
        assert_eq!(output, expected, "{held:?} {prev:?} {sent:?}");
        assert_eq!(terms(&server), then);
    }
}

#[test]
fn what_the_leader_committed_is_applied_once_and_in_order() {
    let mut server = follower(5, &[1, 3, 3]);
    let mut hears = |prev, sent: &[Term], leader_commit| {
        let output = receive(&mut server, S2, append(5, prev, sent, leader_commit));
        (server.volatile().commit_index, server.volatile().last_applied, applied(&output))
    };
    assert_eq!(hears((3, 3), &[], 0), (0, 0, vec![]));
    assert_eq!(hears((3, 3), &[], 2), (2, 2, vec![(1, 1), (2, 3)]));
    assert_eq!(hears((3, 3), &[], 2), (2, 2, vec![]));
    // Never backwards, by a request that is late.
    assert_eq!(hears((3, 3), &[], 1), (2, 2, vec![]));
    assert_eq!(hears((0, 0), &[1], 3), (2, 2, vec![]));
    // No further than the logs are known to agree.
    assert_eq!(hears((3, 3), &[5], 9), (4, 4, vec![(3, 3), (4, 5)]));
}

#[test]
fn a_refusal_commits_nothing() {
    let mut server = follower(5, &[1, 3, 3]);
    assert_eq!(receive(&mut server, S2, append(5, (3, 4), &[], 3)), refuses(5, 3, Some(3), 2));
    assert_eq!(server.volatile().commit_index, 0);
}
