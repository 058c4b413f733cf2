//! What leaves while the disk does not have it yet, and what the judge makes of it all.

use veraft::figure2::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Entries, Entry, Index, Input, Message,
    Payload, Persistent, Record, RequestVote, RequestVoteReply, Role, ServerId, Term, Timer,
};
use veraft_models::Judge;

use super::{S1, S2, server};
use crate::evidence::proof::refinement::durable::leaving;
use crate::evidence::proof::refinement::{NotDurable, Refinement, Saying};

fn disk(current_term: Term, voted_for: Option<ServerId>, terms: &[Term]) -> Persistent {
    let records =
        [Record::Ballot { current_term, voted_for }, Record::Append { entries: entries(terms) }];
    records.into_iter().collect()
}

fn entries(terms: &[Term]) -> Entries {
    terms.iter().map(|&term| Entry { term, payload: Payload::Blank }).collect()
}

/// What S1, in term 3 with entries of terms 1, 2 and 3, says too early.
fn early(disk: &Persistent, message: Message) -> Option<Saying> {
    let ahead = server(S1, 3, &[1, 2, 3], Role::default());
    let left = leaving(disk, &ahead, &[(S2, message)]);
    left.err().map(|NotDurable { server, said }| {
        assert_eq!(server, S1);
        said
    })
}

#[test]
fn a_vote_leaves_when_it_is_on_the_disk() {
    let asks = |term| {
        Message::RequestVote(RequestVote {
            term,
            candidate_id: S1,
            last_log_index: 0,
            last_log_term: 0,
        })
    };
    let grants = |term| Message::RequestVoteReply(RequestVoteReply { term, vote_granted: true });
    for (vote, candidate) in [(asks(3), S1), (grants(3), S2)] {
        let early = |disk| early(&disk, vote.clone());
        assert_eq!(early(disk(3, Some(candidate), &[])), None);
        assert_eq!(early(disk(4, None, &[])), None, "the term is over");
        assert_eq!(early(disk(3, None, &[])), Some(Saying::Vote(3, candidate)));
        assert_eq!(early(disk(3, Some(ServerId(9)), &[])), Some(Saying::Vote(3, candidate)));
        assert_eq!(early(disk(2, Some(candidate), &[])), Some(Saying::Term(3)));
    }
    let refuses = Message::RequestVoteReply(RequestVoteReply { term: 3, vote_granted: false });
    assert_eq!(early(&disk(3, None, &[]), refuses.clone()), None);
    assert_eq!(early(&disk(2, None, &[]), refuses), Some(Saying::Term(3)));
}

#[test]
fn what_a_log_holds_is_said_when_the_disk_holds_it() {
    let holds = |match_index| {
        let outcome = AppendOutcome::Success { match_index };
        Message::AppendEntriesReply(AppendEntriesReply { term: 3, outcome })
    };
    let full = disk(3, None, &[1, 2, 3]);
    assert_eq!(early(&full, holds(3)), None);
    assert_eq!(early(&disk(3, None, &[1, 2]), holds(2)), None);
    assert_eq!(early(&disk(4, None, &[]), holds(3)), None, "the term is over");
    let said = |index| Some(Saying::Entry(3, index));
    assert_eq!(early(&disk(3, None, &[1, 2]), holds(3)), said(3));
    assert_eq!(early(&disk(3, None, &[1, 1, 1]), holds(3)), said(3));
    let sends = |prev: (Index, Term), terms: &[Term], leader_commit| {
        Message::AppendEntries(AppendEntries {
            term: 3,
            leader_id: S1,
            prev_log_index: prev.0,
            prev_log_term: prev.1,
            entries: entries(terms),
            leader_commit,
        })
    };
    // What a leader sends, its disk may get later.
    for disk in [full, disk(3, None, &[1, 2]), disk(3, None, &[])] {
        assert_eq!(early(&disk, sends((1, 1), &[2, 3], 0)), None);
        assert_eq!(early(&disk, sends((2, 2), &[], 2)), None);
    }
    assert_eq!(early(&disk(2, None, &[]), sends((0, 0), &[], 0)), Some(Saying::Term(3)));
}

#[test]
fn the_judge_counts_what_it_lets_pass_and_tells_what_it_does_not() {
    let judge = Refinement::new();
    let before = server(S1, 1, &[], Role::default());
    let mut after = before.clone();
    let input = Input::Timeout(Timer::Election);
    let output = after.step(input.clone());
    assert_eq!(judge.step(&before, &input, &output, &after), None);
    let stands = |judge: &Refinement| judge.occurred().find(|(name, _)| *name == "stand").unwrap();
    assert_eq!((judge.judged(), stands(&judge).1), (1, 1));
    let objection = judge.step(&before, &input, &output, &before);
    assert!(objection.is_some_and(|text| text.starts_with("S1 takes a step that no actions")));
    assert_eq!((judge.judged(), stands(&judge).1), (2, 1));
    assert_eq!(judge.restart(before.persistent(), &before), None);
    let objection = judge.restart(before.persistent(), &after);
    assert!(objection.is_some_and(|text| text.contains("restart(S1)")));
    let objection = judge.leaving(before.persistent(), &after, &output.send);
    let objection = objection.unwrap_or_default();
    assert!(objection.contains("S1 says that it is in term 2"), "{objection}");
    assert_eq!(judge.leaving(after.persistent(), &after, &output.send), None);
}
