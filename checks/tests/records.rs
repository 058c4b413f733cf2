//! Recovery: the records that a server returned, folded, are its persistent state, at every
//! point of its life; and every step is one of Figure 2. And every message survives its encodings.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use veraft::figure2::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Base, Command, Config, Entry, Input,
    InstallSnapshot, Message, Payload, Persistent, Record, RequestVote, RequestVoteReply, Server,
    ServerId, Timer,
};
use veraft_models::properties::{Stepped, answer_is_true, missteps};

const SERVERS: u64 = 3;

fn id() -> impl Strategy<Value = ServerId> {
    (1..SERVERS).prop_map(ServerId)
}

fn command() -> impl Strategy<Value = Command> {
    prop::collection::vec(any::<u8>(), 0..20).prop_map(Command::from)
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![4 => command().prop_map(Payload::Command), 1 => Just(Payload::Blank)]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (1..4u64, payload()).prop_map(|(term, payload)| Entry { term, payload });
    prop::collection::vec(entry, 0..4).prop_map(|mut entries| {
        entries.sort_by_key(|entry| entry.term);
        entries
    })
}

fn outcome() -> impl Strategy<Value = AppendOutcome> {
    prop_oneof![
        (0..6u64).prop_map(|match_index| AppendOutcome::Success { match_index }),
        Just(AppendOutcome::StaleTerm),
        (1..6u64, prop::option::of(1..4u64), 1..6u64).prop_map(
            |(prev_log_index, conflict_term, conflict_index)| AppendOutcome::Conflict {
                prev_log_index,
                conflict_term,
                conflict_index: conflict_index.min(prev_log_index),
            }
        ),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let request_vote = (1..6u64, id(), 0..6u64, 0..4u64).prop_map(
        |(term, candidate_id, last_log_index, last_log_term)| {
            let request = RequestVote { term, candidate_id, last_log_index, last_log_term };
            Message::RequestVote(request)
        },
    );
    let vote = (1..6u64, any::<bool>()).prop_map(|(term, vote_granted)| {
        Message::RequestVoteReply(RequestVoteReply { term, vote_granted })
    });
    let append = (1..6u64, id(), 0..6u64, 0..4u64, entries(), 0..6u64).prop_map(
        |(term, leader_id, prev_log_index, prev_log_term, entries, leader_commit)| {
            Message::AppendEntries(AppendEntries {
                term,
                leader_id,
                prev_log_index,
                prev_log_term,
                entries: entries.into_iter().collect(),
                leader_commit,
            })
        },
    );
    let reply = (1..6u64, outcome()).prop_map(|(term, outcome)| {
        Message::AppendEntriesReply(AppendEntriesReply { term, outcome })
    });
    let install =
        (1..6u64, id(), 0..8u64, 0..4u64).prop_map(|(term, leader_id, last_index, last_term)| {
            let base = Base { last_index, last_term };
            Message::InstallSnapshot(InstallSnapshot { term, leader_id, base })
        });
    prop_oneof![request_vote, vote, append, reply, install]
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        1 => Just(Input::Timeout(Timer::Election)),
        1 => Just(Input::Timeout(Timer::Heartbeat)),
        2 => prop::collection::vec(payload(), 0..3)
            .prop_map(|payloads| Input::Propose { payloads }),
        1 => (0..6u64).prop_map(|last_index| Input::Compacted { last_index }),
        2 => (0..8u64, 0..6u64)
            .prop_map(|(last_index, last_term)| Input::Stored { last_index, last_term }),
        1 => (1..SERVERS).prop_map(|peer| Input::Repeat { peer: ServerId(peer) }),
        1 => (1..SERVERS, 0..8u64)
            .prop_map(|(peer, after)| Input::Pipeline { peer: ServerId(peer), after }),
        8 => (id(), message()).prop_map(|(from, message)| Input::Receive { from, message }),
    ]
}

fn payloads(input: &Input) -> Option<&[Payload]> {
    match input {
        Input::Propose { payloads } => Some(payloads),
        Input::Timeout(_)
        | Input::Receive { .. }
        | Input::Compacted { .. }
        | Input::Stored { .. }
        | Input::Repeat { .. }
        | Input::Pipeline { .. } => None,
    }
}

fn encodings_agree<T>(value: &T)
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let bytes = postcard::to_allocvec(value).expect("every message can be encoded");
    assert_eq!(&postcard::from_bytes::<T>(&bytes).expect("what was encoded can be read"), value);
    let text = serde_json::to_string(value).expect("every message can be written");
    assert_eq!(&serde_json::from_str::<T>(&text).expect("what was written can be read"), value);
}

proptest! {
    #[test]
    fn folding_the_records_gives_the_state_and_every_step_is_right_at_every_point(
        inputs in prop::collection::vec(input(), 0..60),
    ) {
        let servers: BTreeSet<_> = (0..SERVERS).map(ServerId).collect();
        let config = Config { id: ServerId(0), servers: Arc::new(servers), max_append_bytes: 20 };
        let (mut server, _) = Server::start(config, Persistent::default(), 0);
        let mut records: Vec<Record> = Vec::new();
        for input in inputs {
            let before = server.clone();
            let input = match input {
                // No driver has an image of what it has not applied.
                Input::Compacted { last_index } => {
                    let last_index = last_index.min(server.volatile().last_applied);
                    Input::Compacted { last_index }
                }
                Input::Timeout(_)
                | Input::Receive { .. }
                | Input::Propose { .. }
                | Input::Stored { .. }
                | Input::Repeat { .. }
                | Input::Pipeline { .. } => input,
            };
            let output = server.step(input.clone());
            let proposed = payloads(&input).map(|payloads| (&before, payloads));
            prop_assert_eq!(answer_is_true(proposed, &output, &server), Ok(()));
            let (input, output) = (&input, &output);
            let wrong = missteps(Stepped { before: &before, input, output, after: &server });
            prop_assert_eq!(wrong, BTreeSet::new());
            let persist = output.persist.clone();
            if persist.is_empty() {
                prop_assert_eq!(before.persistent(), server.persistent());
            }
            records.extend(persist);
            let folded = Persistent::fold(records.iter().cloned());
            prop_assert_eq!(folded.as_ref(), Ok(server.persistent()));
        }
        // Any prefix, then the rest: a recovery in the middle changes nothing.
        for cut in 0..=records.len() {
            let mut recovered: Persistent = records[..cut].iter().cloned().collect();
            records[cut..].iter().cloned().for_each(|record| recovered.write(record));
            prop_assert_eq!(&recovered, server.persistent());
        }
        encodings_agree(&records);
        encodings_agree(&server);
    }

    #[test]
    fn every_message_survives_its_encodings(message in message()) {
        encodings_agree(&message);
    }

    #[test]
    fn every_input_survives_its_encodings(input in input()) {
        encodings_agree(&input);
    }
}
