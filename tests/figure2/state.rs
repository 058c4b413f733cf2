//! The State box: what survives a crash, and its one writer.

use veraft::figure2::{BadRecord, LIMIT};

use super::*;

#[test]
fn records_fold_to_what_was_written() {
    let mut log = vec![ballot(3, Some(S2)), Record::Append { entries: entries(&[1, 1, 3]) }];
    log.push(Record::Truncate { last_index: 1 });
    log.push(Record::Append { entries: entries(&[2]) });
    // The bound of terms, the end of the log, a term that goes on.
    log.push(Record::Truncate { last_index: 2 });
    log.push(Record::Append { entries: entries(&[2, 3]) });
    log.push(ballot(LIMIT, None));
    log.push(ballot(LIMIT, Some(S1)));
    let persistent = Persistent::fold(log.clone()).unwrap();
    assert_eq!(persistent.current_term(), LIMIT);
    assert_eq!(persistent.voted_for(), Some(S1));
    assert_eq!(persistent.log().entries(), &entries(&[1, 2, 2, 3]));
    assert_eq!(log.into_iter().collect::<Persistent>(), persistent);
}

#[test]
fn the_same_vote_may_be_recorded_twice_but_no_vote_is_given_in_term_0() {
    let twice = [ballot(2, Some(S2)), ballot(2, Some(S2))];
    assert!(Persistent::fold(twice).is_ok());
    assert!(Persistent::fold([ballot(0, None)]).is_ok());
    assert_eq!(Persistent::fold([ballot(0, Some(S2))]), Err(BadRecord::Vote { term: 0 }));
    // A vote for S2 in term 2 says nothing of term 3.
    assert!(Persistent::fold([ballot(2, Some(S2)), ballot(3, Some(S3))]).is_ok());
    assert!(Persistent::fold([ballot(2, Some(S2)), ballot(3, None)]).is_ok());
}

#[test]
#[should_panic(expected = "the term falls from 2 to 1")]
fn a_term_that_falls_is_not_written() {
    persistent(2, None, &[]).write(ballot(1, None));
}

#[test]
#[should_panic(expected = "ends at 1 is cut at 2")]
fn a_log_is_not_cut_behind_its_end() {
    persistent(2, None, &[1]).write(Record::Truncate { last_index: 2 });
}

#[test]
fn a_server_starts_with_a_log_that_reaches_to_the_floor_and_in_its_own_cluster() {
    let start = |config, floor| {
        let persistent = persistent(2, None, &[1, 2]);
        std::panic::catch_unwind(|| Server::start(config, persistent, floor).0)
    };
    assert_eq!(start(config(3), 2).unwrap().volatile().floor, 2);
    assert!(start(config(3), 3).is_err());
    assert!(start(Config { id: ServerId(4), ..config(3) }, 0).is_err());
}
