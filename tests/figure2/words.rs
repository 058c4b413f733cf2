//! Messages as those see them that carry or read them, and what is told in words.

use veraft::figure2::{BadRecord, Breach, WaitsFor};

use super::*;

#[test]
fn a_message_states_the_term_of_its_sender() {
    let all =
        [request_vote(S2, 7, (1, 1)), vote(7, false), append(7, (1, 1), &[3], 0), success(7, 1)];
    assert!(all.iter().all(|message| message.term() == 7));
}

#[test]
fn a_leader_s_requests_wait_for_ballots_and_all_else_for_all_records() {
    let requests = [append(7, (1, 1), &[], 0), append(7, (1, 1), &[3], 0)];
    assert!(requests.iter().all(|request| request.waits_for() == WaitsFor::Ballots));
    let others = [
        request_vote(S2, 7, (1, 1)),
        vote(7, false),
        vote(7, true),
        success(7, 1),
        conflict(7, 1, None, 1),
    ];
    assert!(others.iter().all(|other| other.waits_for() == WaitsFor::Records));
}

#[test]
fn only_a_contradiction_is_fatal() {
    assert!(Breach::Contradiction { index: 1, applied: 1, sent: 2 }.is_fatal());
    let others = [
        Breach::Sender,
        Breach::Name { named: S2 },
        Breach::Range { number: 1 },
        Breach::Log { index: 1, term: 1 },
        Breach::SecondLeader { leader: S2 },
        Breach::NeverSent { index: 1 },
    ];
    assert!(!others.iter().any(Breach::is_fatal));
}

#[test]
fn what_is_wrong_is_told_with_its_numbers() {
    let holds = |text: String, words: &[&str]| {
        assert!(words.iter().all(|word| text.contains(word)), "{text:?} lacks one of {words:?}");
    };
    holds(Breach::Sender.to_string(), &["sender"]);
    holds(Breach::Name { named: ServerId(77) }.to_string(), &["S77"]);
    holds(Breach::Range { number: 77 }.to_string(), &["77"]);
    holds(Breach::Log { index: 77, term: 88 }.to_string(), &["term 88", "index 77"]);
    holds(Breach::SecondLeader { leader: ServerId(77) }.to_string(), &["S77"]);
    holds(Breach::NeverSent { index: 77 }.to_string(), &["77"]);
    let contradiction = Breach::Contradiction { index: 77, applied: 88, sent: 99 };
    holds(contradiction.to_string(), &["index 77", "term 88", "term 99"]);
    holds(BadRecord::Term { term: 77 }.to_string(), &["term 77"]);
    holds(BadRecord::Vote { term: 77 }.to_string(), &["term 77"]);
    holds(BadRecord::Truncate { last_index: 77 }.to_string(), &["77"]);
    holds(BadRecord::Entry { index: 77, term: 88 }.to_string(), &["entry 77", "term 88"]);
}

#[test]
fn a_command_is_shown_as_text_and_its_other_bytes_escaped() {
    assert_eq!(format!("{:?}", Command::from(&b"x = \xff\n"[..])), r#""x = \xff\n""#);
    assert_eq!(format!("{:?}", entries(&[97])), r#"[Entry { term: 97, payload: Command("a") }]"#);
}
