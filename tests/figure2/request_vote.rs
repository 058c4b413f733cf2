//! The RequestVote box: the receiver.

use veraft::figure2::{Output, ServerId, Term};

use super::*;

/// What a server owes that gives its vote for the first time.
fn granted(to: ServerId, term: Term, persist: Vec<Record>) -> Output {
    let send = vec![(to, vote(term, true))];
    Output { persist, send, timers: vec![SET_ELECTION], ..Output::default() }
}

fn refused(to: ServerId, term: Term) -> Output {
    Output { send: vec![(to, vote(term, false))], ..Output::default() }
}

#[test]
fn the_first_candidate_of_a_term_gets_the_vote_and_gets_it_again() {
    let mut server = follower(4, &[]);
    let first = receive(&mut server, S2, request_vote(S2, 4, (0, 0)));
    assert_eq!(first, granted(S2, 4, vec![ballot(4, Some(S2))]));
    // Asked once more, it answers the same; the vote is durable already.
    assert_eq!(receive(&mut server, S2, request_vote(S2, 4, (0, 0))), granted(S2, 4, vec![]));
    assert_eq!(receive(&mut server, S3, request_vote(S3, 4, (0, 0))), refused(S3, 4));
    assert_eq!(server.persistent().voted_for(), Some(S2));
}

#[test]
fn a_candidate_of_an_older_term_is_told_the_term() {
    let mut server = follower(4, &[]);
    let before = server.clone();
    assert_eq!(receive(&mut server, S2, request_vote(S2, 3, (0, 0))), refused(S2, 4));
    assert_eq!(server, before);
}

#[test]
fn a_later_term_brings_a_vote_of_its_own() {
    let mut server = follower(4, &[]);
    let _ = receive(&mut server, S2, request_vote(S2, 4, (0, 0)));
    let later = receive(&mut server, S3, request_vote(S3, 5, (0, 0)));
    assert_eq!(later, granted(S3, 5, vec![ballot(5, None), ballot(5, Some(S3))]));
}

#[test]
fn who_stands_or_leads_votes_for_nobody_else_in_its_term() {
    for mut server in [candidate(5, &[]), leader(5, &[])] {
        let before = server.clone();
        assert_eq!(receive(&mut server, S3, request_vote(S3, 5, (0, 0))), refused(S3, 5));
        assert_eq!(server, before);
    }
}

/// §5.4.1: the later last term wins; with equal last terms, the longer log.
#[test]
fn only_a_log_that_is_up_to_date_gets_the_vote() {
    let lasts = [
        ((0, 0), false),
        ((2, 1), false),
        ((9, 1), false),
        ((2, 3), false),
        ((3, 3), true),
        ((4, 3), true),
        ((1, 4), true),
    ];
    for (last, grants) in lasts {
        let mut server = follower(5, &[1, 1, 3]);
        let output = receive(&mut server, S2, request_vote(S2, 5, last));
        let expected = match grants {
            true => granted(S2, 5, vec![ballot(5, Some(S2))]),
            false => refused(S2, 5),
        };
        assert_eq!(output, expected, "{last:?}");
    }
}

#[test]
fn a_refused_candidate_of_a_later_term_is_followed_into_it() {
    let mut server = follower(5, &[1, 1, 3]);
    let output = receive(&mut server, S2, request_vote(S2, 6, (0, 0)));
    assert_eq!(output, Output { persist: vec![ballot(6, None)], ..refused(S2, 6) });
}
