//! Whatever peers send, correct or not: no server panics, and what it takes for a breach changes
//! nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;
use veraft::figure2::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Base, Breach, Config, Entry, Index, Input,
    InstallSnapshot, LEAP, LIMIT, Leader, Message, Output, Payload, Persistent, Record,
    RequestVote, RequestVoteReply, Role, Server, ServerId, Term, Timer, Volatile,
};

const SERVERS: u64 = 3;
const ME: ServerId = ServerId(0);

/// Members, this server itself, and strangers.
fn anyone() -> impl Strategy<Value = ServerId> {
    prop_oneof![8 => (0..SERVERS).prop_map(ServerId), 1 => any::<u64>().prop_map(ServerId)]
}

/// Mostly numbers that occur, sometimes those at the edges.
fn number() -> impl Strategy<Value = u64> {
    let edges = [LEAP - 1, LEAP, LEAP + 1, LIMIT - 1, LIMIT, LIMIT + 1, u64::MAX - 1, u64::MAX];
    prop_oneof![12 => 0..8u64, 1 => select(edges.to_vec())]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..3).prop_map(|bytes| Payload::Command(bytes.into())),
        Just(Payload::Blank),
    ];
    let entry = (number(), payload).prop_map(|(term, payload)| Entry { term, payload });
    (prop::collection::vec(entry, 0..5), any::<bool>()).prop_map(|(mut entries, sorted)| {
        if sorted {
            entries.sort_by_key(|entry| entry.term);
        }
        entries
    })
}

fn outcome() -> impl Strategy<Value = AppendOutcome> {
    let conflict = (number(), prop::option::of(number()), number());
    prop_oneof![
        number().prop_map(|match_index| AppendOutcome::Success { match_index }),
        Just(AppendOutcome::StaleTerm),
        conflict.prop_map(|(prev_log_index, conflict_term, conflict_index)| {
            AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index }
        }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        1 => (number(), anyone(), number(), number()).prop_map(
            |(term, candidate_id, last_log_index, last_log_term)| {
                Message::RequestVote(RequestVote {
                    term,
                    candidate_id,
                    last_log_index,
                    last_log_term,
                })
            }
        ),
        1 => (number(), any::<bool>()).prop_map(|(term, vote_granted)| {
            Message::RequestVoteReply(RequestVoteReply { term, vote_granted })
        }),
        3 => (number(), anyone(), number(), number(), entries(), number()).prop_map(
            |(term, leader_id, prev_log_index, prev_log_term, entries, leader_commit)| {
                Message::AppendEntries(AppendEntries {
                    term,
                    leader_id,
                    prev_log_index,
                    prev_log_term,
                    entries: entries.into_iter().collect(),
                    leader_commit,
                })
            }
        ),
        2 => (number(), anyone(), number(), number()).prop_map(
            |(term, leader_id, last_index, last_term)| {
                let base = Base { last_index, last_term };
                Message::InstallSnapshot(InstallSnapshot { term, leader_id, base })
            }
        ),
        2 => (number(), outcome()).prop_map(|(term, outcome)| {
            Message::AppendEntriesReply(AppendEntriesReply { term, outcome })
        }),
    ]
}

/// What a peer says in its own name, mostly.
fn received() -> impl Strategy<Value = Input> {
    (anyone(), message(), prop::bool::weighted(0.9)).prop_map(|(from, mut message, own)| {
        match &mut message {
            Message::RequestVote(request) if own => request.candidate_id = from,
            Message::AppendEntries(request) if own => request.leader_id = from,
            Message::InstallSnapshot(request) if own => request.leader_id = from,
            Message::RequestVote(_)
            | Message::AppendEntries(_)
            | Message::InstallSnapshot(_)
            | Message::RequestVoteReply(_)
            | Message::AppendEntriesReply(_) => {}
        }
        Input::Receive { from, message }
    })
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        2 => Just(Input::Timeout(Timer::Election)),
        1 => Just(Input::Timeout(Timer::Heartbeat)),
        1 => Just(Input::Propose { payloads: vec![Payload::Blank] }),
        2 => (0..6u64, 0..6u64)
            .prop_map(|(last_index, last_term)| Input::Stored { last_index, last_term }),
        1 => (1..SERVERS).prop_map(|peer| Input::Repeat { peer: ServerId(peer) }),
        1 => (1..SERVERS, 0..6u64)
            .prop_map(|(peer, after)| Input::Pipeline { peer: ServerId(peer), after }),
        12 => received(),
        // So that there are leaders among the servers.
        4 => (1..SERVERS).prop_map(|from| Input::Receive { from: ServerId(from), message: GRANT }),
    ]
}

/// A vote in the receiver's own term: see [`in_own_term`].
const GRANT: Message = Message::RequestVoteReply(RequestVoteReply { term: 0, vote_granted: true });

fn in_own_term(input: Input, term: Term) -> Input {
    match input {
        Input::Receive { from, message } if message == GRANT => {
            let vote = RequestVoteReply { term, vote_granted: true };
            Input::Receive { from, message: Message::RequestVoteReply(vote) }
        }
        other @ (Input::Receive { .. }
        | Input::Timeout(_)
        | Input::Propose { .. }
        | Input::Compacted { .. }
        | Input::Stored { .. }
        | Input::Repeat { .. }
        | Input::Pipeline { .. }) => other,
    }
}

fn config() -> Config {
    let servers: BTreeSet<_> = (0..SERVERS).map(ServerId).collect();
    Config { id: ME, servers: Arc::new(servers), max_append_bytes: 4 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn no_message_panics_a_server_and_a_breach_changes_nothing(
        inputs in prop::collection::vec(input(), 0..60),
    ) {
        let (mut server, _) = Server::start(config(), Persistent::default(), 0);
        for input in inputs {
            let input = in_own_term(input, server.current_term());
            let before = server.clone();
            let output = server.step(input);
            if output.breach.is_some() {
                prop_assert_eq!(&before, &server);
                let only = Output { breach: output.breach, ..Output::default() };
                prop_assert_eq!(&output, &only);
            }
            prop_assert!(server.current_term() <= before.current_term() + LEAP);
            // What was committed stays, whatever is said.
            let compacted = server.log().base().last_index;
            let committed = before.log().first_index()..=before.volatile().commit_index;
            for (index, entry) in committed.zip(before.log().entries().iter()) {
                prop_assert!(index <= compacted || server.log().get(index) == Some(entry));
            }
        }
    }
}

/// A server in term 5 with a log of terms 1, 1, 3, of which two are committed.
fn server(role: Role) -> Server {
    let entry = |term: Term| Entry::command(term, vec![7]);
    let ballot = Record::Ballot { current_term: 5, voted_for: Some(ME) };
    let append = Record::Append { entries: [1, 1, 3].map(entry).into_iter().collect() };
    let persistent = Persistent::fold([ballot, append]).unwrap();
    Server::from_parts(
        config(),
        persistent,
        Volatile { role, commit_index: 2, last_applied: 2, stored: 3, floor: 0 },
    )
}

fn follower() -> Server {
    server(Role::Follower { leader: Some(ServerId(1)) })
}

fn leader() -> Server {
    let peers = || [1, 2].map(ServerId).into_iter();
    server(Role::Leader(Leader {
        next_index: peers().map(|peer| (peer, 4)).collect(),
        match_index: peers().map(|peer| (peer, 2)).collect(),
    }))
}

fn step(mut server: Server, from: u64, message: Message) -> Option<Breach> {
    let before = server.clone();
    let output = server.step(Input::Receive { from: ServerId(from), message });
    assert!(output.breach.is_none() || before == server);
    output.breach
}

fn append(term: Term, prev: (Index, Term), terms: &[Term]) -> Message {
    Message::AppendEntries(AppendEntries {
        term,
        leader_id: ServerId(1),
        prev_log_index: prev.0,
        prev_log_term: prev.1,
        entries: terms.iter().map(|&term| Entry::command(term, vec![7])).collect(),
        leader_commit: 0,
    })
}

fn vote(term: Term, last: (Index, Term)) -> Message {
    Message::RequestVote(RequestVote {
        term,
        candidate_id: ServerId(1),
        last_log_index: last.0,
        last_log_term: last.1,
    })
}

fn reply(term: Term, outcome: AppendOutcome) -> Message {
    Message::AppendEntriesReply(AppendEntriesReply { term, outcome })
}

fn conflict(prev: Index, conflict_term: Option<Term>, conflict_index: Index) -> Message {
    let outcome = AppendOutcome::Conflict { prev_log_index: prev, conflict_term, conflict_index };
    reply(5, outcome)
}

fn success(match_index: Index) -> AppendOutcome {
    AppendOutcome::Success { match_index }
}

#[test]
fn only_peers_are_heard_and_only_in_their_own_name() {
    assert_eq!(step(follower(), 0, vote(6, (0, 0))), Some(Breach::Sender));
    assert_eq!(step(leader(), 0, reply(5, success(1))), Some(Breach::Sender));
    assert_eq!(step(follower(), 77, reply(6, success(0))), Some(Breach::Sender));
    let named = ServerId(1);
    assert_eq!(step(follower(), 2, vote(6, (0, 0))), Some(Breach::Name { named }));
    assert_eq!(step(follower(), 2, append(6, (0, 0), &[])), Some(Breach::Name { named }));
}

#[test]
fn numbers_leave_room_to_count_on() {
    let granted = |term| Message::RequestVoteReply(RequestVoteReply { term, vote_granted: false });
    for term in [0, 5 + LEAP + 1, LIMIT, LIMIT + 1, u64::MAX] {
        assert_eq!(step(follower(), 1, granted(term)), Some(Breach::Range { number: term }));
    }
    assert_eq!(step(follower(), 1, granted(5 + LEAP)), None);
    let number = LIMIT + 1;
    let ends = step(follower(), 1, vote(6, (number, 3)));
    assert_eq!(ends, Some(Breach::Range { number }));
    assert_eq!(step(follower(), 1, append(5, (number, 3), &[])), Some(Breach::Range { number }));
    let past = step(follower(), 1, append(5, (LIMIT, 3), &[3]));
    assert_eq!(past, Some(Breach::Range { number }));
    let mut far = append(5, (3, 3), &[]);
    if let Message::AppendEntries(request) = &mut far {
        request.leader_commit = number;
    }
    assert_eq!(step(follower(), 1, far), Some(Breach::Range { number }));
}

#[test]
fn a_candidate_cannot_hold_entries_of_its_own_term() {
    assert_eq!(step(follower(), 1, vote(6, (9, 6))), Some(Breach::Log { index: 9, term: 6 }));
    assert_eq!(step(follower(), 1, vote(6, (9, 0))), Some(Breach::Log { index: 9, term: 0 }));
    assert_eq!(step(follower(), 1, vote(6, (0, 5))), Some(Breach::Log { index: 0, term: 5 }));
    assert_eq!(step(follower(), 1, vote(6, (9, 5))), None);
    assert_eq!(step(follower(), 1, vote(6, (0, 0))), None);
}

#[test]
fn terms_never_fall_along_a_log_nor_pass_the_leaders() {
    let log = |index, term| Some(Breach::Log { index, term });
    assert_eq!(step(follower(), 1, append(5, (3, 3), &[2])), log(4, 2));
    assert_eq!(step(follower(), 1, append(5, (3, 3), &[4, 3])), log(5, 3));
    assert_eq!(step(follower(), 1, append(5, (3, 3), &[6])), log(4, 6));
    assert_eq!(step(follower(), 1, append(5, (0, 0), &[0])), log(1, 0));
    assert_eq!(step(follower(), 1, append(5, (3, 6), &[])), log(3, 6));
    assert_eq!(step(follower(), 1, append(5, (3, 0), &[])), log(3, 0));
    assert_eq!(step(follower(), 1, append(5, (0, 1), &[])), log(0, 1));
    assert_eq!(step(follower(), 1, append(5, (3, 3), &[3, 4, 5, 5])), None);
}

#[test]
fn a_term_has_one_leader() {
    let second = |leader| Some(Breach::SecondLeader { leader: ServerId(leader) });
    assert_eq!(step(leader(), 1, append(5, (3, 3), &[])), second(0));
    let other = || server(Role::Follower { leader: Some(ServerId(2)) });
    assert_eq!(step(other(), 1, append(5, (3, 3), &[])), second(2));
    assert_eq!(step(other(), 1, append(6, (3, 3), &[])), None);
    assert_eq!(step(other(), 1, append(4, (3, 3), &[])), None);
    assert_eq!(step(follower(), 1, append(5, (3, 3), &[])), None);
}

#[test]
fn what_was_committed_or_applied_is_never_destroyed() {
    let gone = |index, applied, sent| {
        let breach = Breach::Contradiction { index, applied, sent };
        assert!(breach.is_fatal());
        Some(breach)
    };
    // One entry of a later term in the place of the first, as a leader sends it that lost all.
    assert_eq!(step(follower(), 1, append(6, (0, 0), &[6])), gone(1, 1, 6));
    assert_eq!(step(follower(), 1, append(6, (1, 1), &[6, 6])), gone(2, 1, 6));
    // By the leader of its own term, too.
    assert_eq!(step(follower(), 1, append(5, (1, 1), &[5])), gone(2, 1, 5));
    assert_eq!(step(follower(), 1, append(6, (2, 2), &[])), gone(2, 1, 2));
    // What is not known to be committed may go.
    assert_eq!(step(follower(), 1, append(6, (2, 1), &[6])), None);
    assert_eq!(step(follower(), 1, append(6, (0, 0), &[1, 1, 6])), None);
    // An old leader is only told so.
    assert_eq!(step(follower(), 1, append(4, (0, 0), &[4])), None);
}

fn install(term: Term, last_index: Index, last_term: Term) -> Message {
    let base = Base { last_index, last_term };
    Message::InstallSnapshot(InstallSnapshot { term, leader_id: ServerId(1), base })
}

#[test]
fn a_snapshot_is_of_an_entry_that_the_leader_can_hold() {
    let log = |index, term| Some(Breach::Log { index, term });
    assert_eq!(step(follower(), 1, install(6, 4, 3)), None);
    assert_eq!(step(follower(), 1, install(5, 0, 0)), log(0, 0));
    assert_eq!(step(follower(), 1, install(5, 4, 0)), log(4, 0));
    assert_eq!(step(follower(), 1, install(5, 4, 6)), log(4, 6));
    let range = |number| Some(Breach::Range { number });
    assert_eq!(step(follower(), 1, install(5, 3 + LEAP, 3)), None);
    assert_eq!(step(follower(), 1, install(5, 4 + LEAP, 3)), range(4 + LEAP));
    assert_eq!(step(follower(), 1, install(5, LIMIT + 1, 3)), range(LIMIT + 1));
    // In the leader's own name, and its alone.
    let named = ServerId(1);
    assert_eq!(step(follower(), 2, install(5, 4, 3)), Some(Breach::Name { named }));
    let second = Some(Breach::SecondLeader { leader: ME });
    assert_eq!(step(leader(), 1, install(5, 4, 3)), second);
}

#[test]
fn a_snapshot_never_destroys_what_was_committed_or_applied() {
    let gone = |index, applied, sent| Some(Breach::Contradiction { index, applied, sent });
    assert_eq!(step(follower(), 1, install(6, 2, 1)), None);
    assert_eq!(step(follower(), 1, install(6, 2, 2)), gone(2, 1, 2));
    assert_eq!(step(follower(), 1, install(6, 1, 6)), gone(1, 1, 6));
    // By the leader of its own term, too; an old one is only told so.
    assert_eq!(step(follower(), 1, install(5, 2, 2)), gone(2, 1, 2));
    assert_eq!(step(follower(), 1, install(4, 2, 2)), None);
    // Of what is not known to be committed it may say anything that a log can hold.
    assert_eq!(step(follower(), 1, install(6, 3, 4)), None);
    assert_eq!(step(follower(), 1, install(6, 9, 1)), None);
    let restarted = Server::start(config(), follower().persistent().clone(), 3).0;
    assert_eq!(step(restarted.clone(), 1, install(6, 3, 4)), gone(3, 3, 4));
    let falls = Some(Breach::Log { index: 4, term: 1 });
    assert_eq!(step(restarted, 1, install(6, 4, 1)), falls);
}

/// The commit index is gone after a restart; what the driver remembers to have applied is not.
#[test]
fn what_was_applied_before_a_restart_is_guarded_by_the_floor() {
    let restarted = |floor| Server::start(config(), follower().persistent().clone(), floor).0;
    let request = || append(6, (0, 0), &[6]);
    assert_eq!(step(restarted(0), 1, request()), None);
    let gone = Breach::Contradiction { index: 1, applied: 1, sent: 6 };
    assert_eq!(step(restarted(1), 1, request()), Some(gone));
    assert_eq!(step(restarted(1), 1, append(6, (1, 1), &[6])), None);
}

#[test]
fn a_leader_is_answered_what_it_asked() {
    let never = |index| Some(Breach::NeverSent { index });
    assert_eq!(step(leader(), 1, reply(5, success(4))), never(4));
    assert_eq!(step(leader(), 1, reply(5, success(3))), None);
    assert_eq!(step(leader(), 1, conflict(4, None, 1)), never(4));
    assert_eq!(step(leader(), 1, conflict(3, None, 0)), never(0));
    assert_eq!(step(leader(), 1, conflict(3, None, 4)), never(4));
    assert_eq!(step(leader(), 1, conflict(3, None, 3)), None);
    // The leader's own term, a later one, none at all, or the very term that was asked for.
    for term in [5, 6, 0, 3] {
        assert_eq!(step(leader(), 1, conflict(3, Some(term), 3)), never(3), "{term}");
    }
    assert_eq!(step(leader(), 1, conflict(3, Some(2), 3)), None);
}

/// After a crash, a server that led its term may get an answer for entries that it lost.
#[test]
fn who_does_not_lead_judges_no_answer() {
    assert_eq!(step(follower(), 1, reply(5, success(9))), None);
    assert_eq!(step(leader(), 1, reply(6, success(9))), None);
    assert_eq!(step(leader(), 1, reply(4, success(9))), None);
}

#[test]
fn a_proposal_of_nothing_changes_nothing() {
    for mut server in [leader(), follower()] {
        let before = server.clone();
        let output = server.step(Input::Propose { payloads: Vec::new() });
        assert_eq!(server, before);
        assert!(output.persist.is_empty() && output.send.is_empty(), "{output:?}");
        assert!(output.proposal.is_some());
    }
}

#[test]
fn no_server_is_read_that_cannot_be() {
    let mut text = serde_json::to_value(follower()).unwrap();
    assert_eq!(serde_json::from_value::<Server>(text.clone()).unwrap(), follower());
    text["volatile"]["commit_index"] = 9.into();
    let error = serde_json::from_value::<Server>(text.clone()).unwrap_err();
    assert!(error.to_string().contains("more than its log holds"), "{error}");
    text["volatile"]["commit_index"] = 2.into();
    text["volatile"]["floor"] = 4.into();
    assert!(serde_json::from_value::<Server>(text.clone()).is_err());
    text["volatile"]["floor"] = 3.into();
    assert!(serde_json::from_value::<Server>(text.clone()).is_ok());
    text["config"]["id"] = 7.into();
    let error = serde_json::from_value::<Server>(text).unwrap_err();
    assert!(error.to_string().contains("outside of its own cluster"), "{error}");
}

#[test]
fn records_that_no_server_wrote_fold_to_an_error_that_names_them() {
    use veraft::figure2::BadRecord;

    let ballot = |current_term, vote: Option<u64>| Record::Ballot {
        current_term,
        voted_for: vote.map(ServerId),
    };
    let append = |terms: &[Term]| Record::Append {
        entries: terms.iter().map(|&term| Entry::command(term, vec![7])).collect(),
    };
    let bad = [
        (vec![ballot(3, None), ballot(2, None)], BadRecord::Term { term: 2 }),
        (vec![ballot(LIMIT + 1, None)], BadRecord::Term { term: LIMIT + 1 }),
        (vec![ballot(0, Some(1))], BadRecord::Vote { term: 0 }),
        (vec![ballot(2, Some(1)), ballot(2, Some(0))], BadRecord::Vote { term: 2 }),
        (vec![ballot(2, Some(1)), ballot(2, None)], BadRecord::Vote { term: 2 }),
        (vec![Record::Truncate { last_index: 1 }], BadRecord::Truncate { last_index: 1 }),
        (vec![ballot(2, None), append(&[1, 0])], BadRecord::Entry { index: 2, term: 0 }),
        (vec![ballot(2, None), append(&[2, 1])], BadRecord::Entry { index: 2, term: 1 }),
        (vec![ballot(2, None), append(&[3])], BadRecord::Entry { index: 1, term: 3 }),
    ];
    for (records, expected) in bad {
        assert_eq!(Persistent::fold(records.clone()), Err(expected), "{records:?}");
    }
    let good = [ballot(2, None), ballot(2, Some(1)), append(&[1, 2]), ballot(2, Some(1))];
    assert!(Persistent::fold(good).is_ok());
}
