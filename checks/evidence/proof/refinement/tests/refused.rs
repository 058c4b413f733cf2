//! Steps that no actions make up, one for each rule that bears on safety, and what is told.

use std::collections::BTreeSet;

use veraft::figure2::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Entries, Entry, Index, Input, Leader,
    Message, Output, Payload, Persistent, Record, RequestVote, RequestVoteReply, Role, Server,
    ServerId, Term, Timer, Volatile,
};

use super::{S1, S2, S3, config, hears, judged, server, steps, with_commit, with_log};
use crate::evidence::proof::refinement::restart;

/// What is said against a step.
#[track_caller]
fn objection(before: &Server, input: &Input, output: &Output, after: &Server) -> String {
    match judged(before, input, output, after) {
        Ok(actions) => panic!("these actions make it up: {actions:?}"),
        Err(problem) => {
            let text = problem.to_string();
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
            text
        }
    }
}

#[track_caller]
fn says(text: &str, part: &str) {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(part), "{text}");
}

fn voted(server: &Server, current_term: Term, voted_for: Option<ServerId>) -> Server {
    let entries = server.log().entries().clone();
    let records = [Record::Ballot { current_term, voted_for }, Record::Append { entries }];
    let volatile = server.volatile().clone();
    Server::from_parts(server.config().clone(), Persistent::from_iter(records), volatile)
}

fn asks(term: Term, candidate_id: ServerId, index: Index, of: Term) -> Message {
    Message::RequestVote(RequestVote {
        term,
        candidate_id,
        last_log_index: index,
        last_log_term: of,
    })
}

fn sends(to: ServerId, message: Message) -> Output {
    Output { send: vec![(to, message)], ..Output::default() }
}

/// The same, with these records.
fn writing(output: Output, persist: impl Into<Vec<Record>>) -> Output {
    Output { persist: persist.into(), ..output }
}

fn grants(to: ServerId, term: Term) -> Output {
    sends(to, Message::RequestVoteReply(RequestVoteReply { term, vote_granted: true }))
}

#[test]
fn a_second_vote_in_a_term() {
    let before = voted(&server(S2, 1, &[], Role::default()), 1, Some(S3));
    let after = voted(&before, 1, Some(S1));
    let input = hears(S1, &asks(1, S1, 0, 0));
    let text = objection(&before, &input, &grants(S1, 1), &after);
    says(&text, "grant(S2, S1) cannot be: a server gives a candidate its vote, and says so");
    says(&text, "only if for all d: voted_for(S2, d) => d = S1 S2 has voted for S3 in its term");
}

#[test]
fn a_vote_that_is_told_and_not_kept() {
    let before = server(S2, 1, &[], Role::default());
    let text = objection(&before, &hears(S1, &asks(1, S1, 0, 0)), &grants(S1, 1), &before);
    says(&text, "by these actions, S2 has voted for S1 in its term after the step, S2 has not");
}

#[test]
fn a_vote_for_a_log_that_lacks_entries() {
    let before = server(S2, 2, &[1, 1], Role::default());
    let after = voted(&before, 2, Some(S1));
    for (index, of) in [(1, 1), (0, 0)] {
        let text = objection(&before, &hears(S1, &asks(2, S1, index, of)), &grants(S1, 2), &after);
        says(&text, "S1 said in term 2 that its log ends");
    }
    let vote = Record::Ballot { current_term: 2, voted_for: Some(S1) };
    let output = writing(grants(S1, 2), [vote]);
    judged(&before, &hears(S1, &asks(2, S1, 2, 1)), &output, &after).unwrap();
}

#[test]
fn a_vote_in_the_name_of_an_older_term() {
    let before = server(S2, 2, &[], Role::default());
    let input = hears(S1, &asks(1, S1, 0, 0));
    objection(&before, &input, &grants(S1, 1), &before);
    objection(&before, &input, &grants(S1, 2), &voted(&before, 2, Some(S1)));
}

#[test]
fn a_vote_for_whoever_did_not_ask() {
    let before = server(S2, 1, &[], Role::default());
    let after = voted(&before, 1, Some(S3));
    // The request names another than its sender: it is none of the cluster's letters.
    objection(&before, &hears(S1, &asks(1, S3, 0, 0)), &grants(S3, 1), &after);
    objection(&before, &hears(S1, &asks(1, S1, 0, 0)), &grants(S3, 1), &after);
    // Nor is its term heard.
    let ballot = Record::Ballot { current_term: 2, voted_for: None };
    let output = writing(Output::default(), [ballot]);
    let later = voted(&before, 2, None);
    let text = objection(&before, &hears(S1, &asks(2, S3, 0, 0)), &output, &later);
    says(&text, "tried: no action at all");
    judged(&before, &hears(S1, &asks(2, S1, 0, 0)), &output, &later).unwrap();
    objection(&before, &Input::Timeout(Timer::Heartbeat), &grants(S3, 1), &after);
}

#[test]
fn a_term_that_falls() {
    let before = server(S2, 3, &[], Role::default());
    let input = hears(S1, &asks(2, S1, 0, 0));
    let text = objection(&before, &input, &Output::default(), &voted(&before, 2, None));
    says(&text, "adopt(S2, 2) cannot be");
}

#[test]
fn an_election_without_a_majority() {
    let candidate = |votes: &[ServerId]| {
        let votes_granted: BTreeSet<ServerId> = votes.iter().copied().collect();
        let server = server(S1, 1, &[], Role::Candidate { votes_granted });
        voted(&server, 1, Some(S1))
    };
    let leads = |server: &Server| {
        let next_index = [(S2, 1), (S3, 1)].into();
        let leader = Leader { next_index, match_index: [(S2, 0), (S3, 0)].into() };
        let volatile = Volatile { role: Role::Leader(leader), ..Volatile::default() };
        Server::from_parts(server.config().clone(), server.persistent().clone(), volatile)
    };
    let reply = |vote_granted, term| {
        hears(S2, &Message::RequestVoteReply(RequestVoteReply { term, vote_granted }))
    };
    let one = candidate(&[S1]);
    judged(&one, &reply(true, 1), &Output::default(), &leads(&one)).unwrap();
    // A refusal, a vote of another term, and no vote at all.
    for input in [reply(false, 1), reply(true, 0), Input::Timeout(Timer::Heartbeat)] {
        objection(&one, &input, &Output::default(), &leads(&one));
    }
    let nobody = voted(&server(S1, 0, &[], Role::default()), 0, None);
    let elected = voted(&leads(&nobody), 1, Some(S1));
    let text = objection(&nobody, &Input::Timeout(Timer::Election), &Output::default(), &elected);
    says(&text, "win(S1, {S1}) cannot be: S1 are no majority");
    // A vote of the term counts once, and its candidate is no leader by it.
    objection(&one, &reply(true, 1), &Output::default(), &candidate(&[S1, S2, S3]));
}

fn request(term: Term, prev: (Index, Term), terms: &[Term], leader_commit: Index) -> Message {
    let entry = |&term| Entry { term, payload: Payload::Blank };
    Message::AppendEntries(AppendEntries {
        term,
        leader_id: S1,
        prev_log_index: prev.0,
        prev_log_term: prev.1,
        entries: terms.iter().map(entry).collect::<Entries>(),
        leader_commit,
    })
}

fn follower(term: Term, terms: &[Term]) -> Server {
    server(S2, term, terms, Role::Follower { leader: Some(S1) })
}

fn answers(term: Term, outcome: AppendOutcome) -> Output {
    sends(S1, Message::AppendEntriesReply(AppendEntriesReply { term, outcome }))
}

fn holds(term: Term, match_index: Index) -> Output {
    answers(term, AppendOutcome::Success { match_index })
}

#[test]
fn entries_behind_one_that_the_log_lacks() {
    let input = hears(S1, &request(2, (2, 2), &[2], 0));
    let after = follower(2, &[1, 1, 2]);
    let text = objection(&follower(2, &[1, 1]), &input, &holds(2, 3), &after);
    says(&text, "write(S2, entries 3 to 3, 2) cannot be");
    says(&text, "the request continues an entry of term 2");
    objection(&follower(2, &[1]), &input, &holds(2, 3), &follower(2, &[1]));
}

#[test]
fn entries_of_a_leader_whose_term_is_over() {
    let input = hears(S1, &request(1, (0, 0), &[1], 0));
    let text = objection(&follower(2, &[]), &input, &holds(1, 1), &follower(2, &[1]));
    says(&text, "only if request_term(m) = current_term(S2) the request is of term 1");
}

#[test]
fn entries_that_are_kept_dropped_or_changed_against_the_request() {
    let before = follower(2, &[1, 1, 1]);
    // One that conflicts stays.
    let conflicts = hears(S1, &request(2, (1, 1), &[2], 0));
    objection(&before, &conflicts, &holds(2, 2), &before);
    objection(&before, &conflicts, &holds(2, 2), &follower(2, &[1, 2, 1]));
    let entries = [Entry { term: 2, payload: Payload::Blank }].into_iter().collect();
    let records = [Record::Truncate { last_index: 1 }, Record::Append { entries }];
    let output = writing(holds(2, 2), records);
    judged(&before, &conflicts, &output, &follower(2, &[1, 2])).unwrap();
    // Those behind the last go, although none conflicts.
    let older = hears(S1, &request(2, (0, 0), &[1], 0));
    objection(&before, &older, &holds(2, 1), &follower(2, &[1]));
    judged(&before, &older, &holds(2, 1), &before).unwrap();
    // What is stored is not what was sent.
    let forged = with_log(&follower(2, &[1, 2]), {
        let first = Entry { term: 1, payload: Payload::Blank };
        vec![first, Entry::command(2, &b"x"[..])]
    });
    let text = objection(&before, &conflicts, &holds(2, 2), &forged);
    says(&text, "the log of S2 has blank at index 2 after the step, the log of S2 has \"x\"");
}

#[test]
fn an_acknowledgement_of_more_than_was_sent() {
    let input = hears(S1, &request(2, (0, 0), &[1], 0));
    let before = follower(2, &[1, 1]);
    let text = objection(&before, &input, &holds(2, 2), &before);
    says(&text, "S2 has not told the leader of term 2 that it holds its log up to index 2");
    let conflict =
        AppendOutcome::Conflict { prev_log_index: 0, conflict_term: None, conflict_index: 1 };
    objection(&before, &input, &answers(2, conflict), &before);
}

#[test]
fn a_commit_beyond_the_request_or_what_it_tells() {
    let before = follower(2, &[1, 1, 1]);
    let input = hears(S1, &request(2, (0, 0), &[1], 3));
    let handed = |most: Index| {
        let entry = Entry { term: 1, payload: Payload::Blank };
        let apply = (1..=most).map(|index| (index, entry.clone())).collect();
        Output { apply, ..holds(2, 1) }
    };
    judged(&before, &input, &handed(1), &with_commit(&before, 1)).unwrap();
    let text = objection(&before, &input, &handed(2), &with_commit(&before, 2));
    says(&text, "apply(S2) cannot be");
    let told_less = hears(S1, &request(2, (0, 0), &[1], 0));
    objection(&before, &told_less, &handed(1), &with_commit(&before, 1));
    // Handed twice, not at all, or something else.
    let text = objection(&before, &input, &handed(0), &with_commit(&before, 1));
    says(&text, "by these actions, S2 has applied its log up to index 0");
    let mut wrong = handed(1);
    wrong.apply[0].1 = Entry::command(1, &b"x"[..]);
    objection(&before, &input, &wrong, &with_commit(&before, 1));
    let mut wrong = handed(1);
    wrong.apply[0].0 = 2;
    let text = objection(&before, &input, &wrong, &with_commit(&before, 1));
    says(&text, "the state machine was handed index 2, and the next is 1");
}

/// S1 leads term 2, with entries of these terms; its peers hold them up to there.
fn leader(terms: &[Term], known: [Index; 2], commit_index: Index) -> Server {
    let next_index = [(S2, known[0] + 1), (S3, known[1] + 1)].into();
    let match_index = [(S2, known[0]), (S3, known[1])].into();
    let leader = Leader { next_index, match_index };
    with_commit(&server(S1, 2, terms, Role::Leader(leader)), commit_index)
}

fn acknowledges(term: Term, match_index: Index) -> Input {
    let outcome = AppendOutcome::Success { match_index };
    hears(S2, &Message::AppendEntriesReply(AppendEntriesReply { term, outcome }))
}

fn applied(server: &Server, most: Index) -> Output {
    let entry = |index| Some((index, server.log().get(index)?.clone()));
    Output { apply: (1..=most).filter_map(entry).collect(), ..Output::default() }
}

#[test]
fn a_commit_of_what_no_majority_holds_or_of_an_older_term() {
    let before = leader(&[1, 2], [0, 0], 0);
    let after = leader(&[1, 2], [2, 0], 2);
    judged(&before, &acknowledges(2, 2), &applied(&after, 2), &after).unwrap();
    // The entry is of an older term.
    let after = leader(&[1, 2], [1, 0], 1);
    let text = objection(&before, &acknowledges(2, 1), &applied(&after, 1), &after);
    says(&text, "advance(S1, {S1, S2}, 1) cannot be");
    says(&text, "only if log_term(S1, 1) = current_term(S1)");
    // Nobody else holds it.
    let after = leader(&[1, 2], [1, 0], 2);
    let text = objection(&before, &acknowledges(2, 1), &applied(&after, 2), &after);
    says(&text, "S1 are no majority");
    // A peer is said to hold what it did not acknowledge, or acknowledged to another leader.
    let after = leader(&[1, 2], [2, 0], 2);
    let text = objection(&before, &acknowledges(2, 1), &applied(&after, 2), &after);
    says(&text, "only if for all s: member(s, {S1, S2}) => (s = S1 or 2 <= match_index(S1, s))");
    says(&text, "S1 knows S2 to hold its log up to index 1");
    objection(&before, &acknowledges(1, 2), &applied(&after, 2), &after);
    objection(&before, &Input::Timeout(Timer::Heartbeat), &Output::default(), &after);
}

#[test]
fn an_acknowledgement_that_takes_back_what_was_known() {
    let (before, after) = (leader(&[1, 2], [2, 0], 2), leader(&[1, 2], [1, 0], 2));
    let text = objection(&before, &acknowledges(2, 1), &Output::default(), &after);
    says(&text, "only if match_index(S1, S2) < 1");
}

#[test]
fn a_request_that_says_what_the_log_does_not() {
    let before = leader(&[1, 2], [0, 0], 0);
    let beat = |message: Message| {
        let input = Input::Timeout(Timer::Heartbeat);
        judged(&before, &input, &sends(S2, message), &before).map_err(|p| p.to_string())
    };
    beat(request(2, (1, 1), &[2], 0)).unwrap();
    for (term, prev, terms, commit) in [
        (1, (1, 1), &[2][..], 0),
        (3, (1, 1), &[2], 0),
        (2, (1, 2), &[2], 0),
        (2, (1, 1), &[1], 0),
        (2, (1, 1), &[2, 2], 0),
        (2, (3, 2), &[], 0),
        (2, (1, 1), &[2], 1),
    ] {
        let text = beat(request(term, prev, terms, commit)).unwrap_err();
        says(&text, "send(S1, ");
    }
    let follower = follower(2, &[1, 2]);
    let input = Input::Timeout(Timer::Heartbeat);
    // In its own name, it says nothing; but no follower leads.
    let Message::AppendEntries(own) = request(2, (1, 1), &[2], 0) else { unreachable!() };
    let own = Message::AppendEntries(AppendEntries { leader_id: S2, ..own });
    says(&objection(&follower, &input, &sends(S1, own), &follower), "S2 does not lead");
}

#[test]
fn an_entry_that_nobody_proposed_or_no_leader_appends() {
    let before = leader(&[1, 2], [0, 0], 0);
    let input = Input::Propose { payloads: vec![Payload::Blank] };
    let (after, output, _) = steps(&before, input.clone());
    let entries: Vec<Entry> = after.log().entries().iter().cloned().collect();
    let other = |entry: Entry| {
        let mut entries = entries.clone();
        entries[2] = entry;
        with_log(&after, entries)
    };
    // Of another term, for something else, twice.
    objection(&before, &input, &output, &other(Entry { term: 1, payload: Payload::Blank }));
    objection(&before, &input, &output, &other(Entry::command(2, &b"x"[..])));
    let twice = [&entries[..], &entries[2..]].concat();
    let records = [Record::Append { entries: twice[2..].iter().cloned().collect() }];
    let recorded = writing(output.clone(), records);
    objection(&before, &input, &recorded, &with_log(&after, twice));
    let (idle, more) = (follower(2, &[1]), follower(2, &[1, 2]));
    let text = objection(&idle, &input, &Output::default(), &more);
    says(&text, "propose(S2, blank) cannot be");
}

#[test]
fn a_leader_that_stands_again() {
    let before = leader(&[2], [0, 0], 0);
    let role = Role::Candidate { votes_granted: [S1].into() };
    let after = voted(&server(S1, 3, &[2], role), 3, Some(S1));
    let text = objection(&before, &Input::Timeout(Timer::Election), &Output::default(), &after);
    says(&text, "stand(S1) cannot be");
}

/// A crash can fall behind any record, so each must leave what a server had.
#[test]
fn records_that_are_missing_or_in_another_order() {
    let before = follower(2, &[1, 1, 1]);
    let input = hears(S1, &request(3, (1, 1), &[3], 0));
    let (after, output, actions) = steps(&before, input.clone());
    assert_eq!(actions.len(), 3, "{actions:?}");
    assert_eq!(output.persist.len(), 3);
    let with = |persist: &[Record]| Output { persist: persist.to_vec(), ..output.clone() };
    let [ballot, truncate, append] = &output.persist[..] else { unreachable!() };
    let wrong = |records: &[&Record]| {
        let records: Vec<Record> = records.iter().map(|record| (*record).clone()).collect();
        let text = objection(&before, &input, &with(&records), &after);
        says(&text, "its records do not say, one after the other, what these actions change");
    };
    wrong(&[]);
    wrong(&[ballot, truncate]);
    wrong(&[ballot, append]);
    wrong(&[truncate, append]);
    // An entry of a term that the disk has not reached, and a log that is cut for no reason yet.
    wrong(&[truncate, append, ballot]);
    wrong(&[truncate, ballot, append]);
    let shorter = Record::Truncate { last_index: 0 };
    wrong(&[ballot, &shorter, append]);
    wrong(&[ballot, truncate, append, append]);
    // The same record twice says nothing new.
    judged(&before, &input, &with(&[ballot, ballot, truncate, append].map(Clone::clone)), &after)
        .unwrap();
}

#[test]
fn a_vote_that_is_recorded_before_its_term() {
    let before = voted(&server(S2, 1, &[], Role::default()), 1, Some(S3));
    let input = Input::Timeout(Timer::Election);
    let (after, output, _) = steps(&before, input.clone());
    let early = Record::Ballot { current_term: 1, voted_for: Some(S2) };
    let persist = [&[early][..], &output.persist].concat();
    let output = Output { persist, ..output };
    says(&objection(&before, &input, &output, &after), "its records do not say");
}

#[test]
fn a_restart_that_forgets_or_invents() {
    let disk = voted(&server(S2, 2, &[1, 2], Role::default()), 2, Some(S1));
    let persistent = disk.persistent();
    restart(persistent, &disk).unwrap();
    let one = |entries: usize| disk.log().entries().iter().take(entries).cloned().collect();
    let role = Role::Candidate { votes_granted: [S2].into() };
    let volatile = Volatile { role, ..Volatile::default() };
    let candidate = Server::from_parts(config(S2, &[S1, S2, S3]), persistent.clone(), volatile);
    for other in [
        voted(&disk, 2, None),
        voted(&disk, 1, None),
        voted(&disk, 3, None),
        with_log(&disk, one(1)),
        with_commit(&disk, 1),
        candidate,
    ] {
        assert!(restart(persistent, &other).is_err(), "{other:?}");
    }
}
